//! The documents of a kind as they were at a point, in key order.
//!
//! As [`super::past::each`] walks rows, this walks documents: one that did not change since is read from the same snapshot as its row, and
//! one that did is rebuilt once. Where no filter goes by rows, no more is read of them than which record changed them last.

use std::ops::ControlFlow;

use super::moment::{PastError, Point, holds};
use crate::model::known::Tombstone;
use crate::model::{Current, Document, Kind, ResourceId, ScopeFilter, Seq};
use crate::store::{Matcher, ReadError, Snapshot, Store, StoredDocument};

/// How many resources are read from one snapshot, unless a walk says that it needs fewer.
const STEP: usize = if cfg!(test) { 2 } else { 1_000 };
/// How many removed resources are read at once: few stand in the way of a page.
const GONE: usize = if cfg!(test) { 2 } else { 64 };

/// Which documents are walked.
#[derive(Clone, Copy, Debug)]
pub struct DocumentWalk<'a> {
    /// The kind.
    pub kind: &'a Kind,
    /// The scopes.
    pub scope: &'a ScopeFilter,
    /// The conditions that rows meet.
    pub matcher: &'a Matcher,
    /// When.
    pub point: Point,
    /// About how many resources are needed, if that is known.
    pub wanted: Option<usize>,
    /// The parts of documents that are enough beside their stored form; `None`: they are needed as a whole.
    pub parts: Option<&'a [&'a str]>,
}

/// A document that a walk came to.
#[derive(Clone, Debug)]
pub struct WalkedDocument {
    /// The parts of it that were asked for, or all of it.
    pub parts: Document,
    /// All of it, if `parts` are not.
    pub stored: Option<StoredDocument>,
}

/// A document that is read if it is asked for; `None` if the resource was not there.
pub type AskedDocument<'a> = &'a mut dyn FnMut() -> Result<Option<WalkedDocument>, PastError>;

impl From<Document> for WalkedDocument {
    fn from(document: Document) -> Self {
        WalkedDocument { parts: document, stored: None }
    }
}

#[cfg(test)]
impl WalkedDocument {
    /// All of it.
    pub(crate) fn whole(&self) -> Document {
        self.stored.as_ref().map_or_else(|| self.parts.clone(), |stored| stored.whole().unwrap())
    }
}

/// A resource that is there now, and the record that changed it last.
struct HeldNow {
    id: ResourceId,
    changed: Seq,
    is_met: bool,
}

impl DocumentWalk<'_> {
    /// Offers `visit` every resource that met the conditions at the point, after `after` or from the first.
    ///
    /// # Errors
    /// When the log does not reach back to the point any more, the store cannot be read, or `visit` fails.
    pub fn each(
        &self,
        store: &Store,
        after: Option<&ResourceId>,
        mut visit: impl FnMut(&ResourceId, AskedDocument<'_>) -> Result<ControlFlow<()>, PastError>,
    ) -> Result<(), PastError> {
        let mut after = after.cloned();
        // One more shows whether there is a next page.
        let mut size = self.wanted.map_or(STEP, |wanted| wanted.saturating_add(1).min(2 * STEP));
        loop {
            let snapshot = store.snapshot()?.watched_at(self.point.at);
            holds(&snapshot, self.point)?;
            let mut held = self.held(&snapshot, after.as_ref(), size)?;
            let end = held.last().filter(|_| held.len() >= size).map(|last| last.id.clone());
            let (gone, end) = self.gone(&snapshot, after.as_ref(), end)?;
            held.retain(|now| end.as_ref().is_none_or(|end| now.id <= *end));
            let mut gone = gone.into_iter().peekable();
            for now in held {
                while let Some(id) = gone.next_if(|id| *id < now.id) {
                    if self.show_then(&snapshot, &id, &mut visit)?.is_break() {
                        return Ok(());
                    }
                }
                let shown = if now.changed > self.point.seq {
                    self.show_then(&snapshot, &now.id, &mut visit)?
                } else if now.is_met {
                    visit(&now.id, &mut || Ok(self.current(&snapshot, &now.id)?))?
                } else {
                    ControlFlow::Continue(())
                };
                if shown.is_break() {
                    return Ok(());
                }
            }
            for id in gone {
                if self.show_then(&snapshot, &id, &mut visit)?.is_break() {
                    return Ok(());
                }
            }
            let Some(end) = end else { return Ok(()) };
            after = Some(end);
            size = (2 * size).min(STEP);
        }
    }

    /// The document of a resource as it is now.
    fn current(&self, snapshot: &Snapshot, id: &ResourceId) -> Result<Option<WalkedDocument>, ReadError> {
        if let Some(wanted) = self.parts {
            let Some(stored) = snapshot.stored(id)? else { return Ok(None) };
            if let Some(parts) = stored.document.parts(wanted) {
                return Ok(Some(WalkedDocument { parts, stored: Some(stored.document) }));
            }
        }
        // Where it is damaged, this says how.
        Ok(snapshot.current(id)?.map(|current| current.document.into()))
    }

    /// Those that are there now, at most `size`.
    fn held(&self, snapshot: &Snapshot, after: Option<&ResourceId>, size: usize) -> Result<Vec<HeldNow>, ReadError> {
        if self.matcher.conditions().is_empty() {
            let heads = snapshot.heads(self.kind, self.scope, after, size)?.into_iter();
            return Ok(heads.map(|head| HeldNow { id: head.id, changed: head.changed, is_met: true }).collect());
        }
        let rows = snapshot.rows(self.kind, self.scope, after, size)?.into_iter();
        Ok(rows.map(|row| HeldNow { is_met: self.matcher.matches(&row), changed: row.changed, id: row.id }).collect())
    }

    /// Those that were removed since the point, up to `end`, and how far that is known: they may be too many to be read at once.
    fn gone(
        &self,
        snapshot: &Snapshot,
        after: Option<&ResourceId>,
        end: Option<ResourceId>,
    ) -> Result<(Vec<ResourceId>, Option<ResourceId>), ReadError> {
        let (mut found, mut after, mut read) = (Vec::new(), after.cloned(), 0);
        loop {
            let page = snapshot.tombstones_after(self.kind, after.as_ref(), GONE)?;
            read += GONE;
            let is_behind = |id: &ResourceId| end.as_ref().is_some_and(|end| id > end);
            let since = |(id, tombstone): (ResourceId, Tombstone)| (tombstone.seq > self.point.seq).then_some(id);
            found.extend(
                page.gone.into_iter().filter_map(since).filter(|id| self.scope.takes(&id.scope()) && !is_behind(id)),
            );
            match page.next {
                // What is held behind them waits for the next snapshot.
                Some(next) if read >= STEP && !is_behind(&next) => return Ok((found, Some(next))),
                Some(next) if !is_behind(&next) => after = Some(next),
                _ => return Ok((found, end)),
            }
        }
    }

    /// Offers a resource as it was at the point, if it was there and met the conditions.
    fn show_then(
        &self,
        snapshot: &Snapshot,
        id: &ResourceId,
        visit: &mut impl FnMut(&ResourceId, AskedDocument<'_>) -> Result<ControlFlow<()>, PastError>,
    ) -> Result<ControlFlow<()>, PastError> {
        let then: Option<Current> = match snapshot.past(id, self.point.seq) {
            // The store has noted it.
            Err(ReadError::Damaged(_)) => None,
            then => then?,
        };
        let is_met =
            |then: &Current| self.matcher.conditions().is_empty() || self.matcher.matches(&snapshot.row_of(id, then));
        let Some(then) = then.filter(is_met) else { return Ok(ControlFlow::Continue(())) };
        let mut document = Some(then.document.into());
        visit(id, &mut || Ok(document.take()))
    }
}
