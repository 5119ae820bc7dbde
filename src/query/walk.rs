//! A walk through the resources of a kind, page by page, all of it as of one moment.
//!
//! A page reads current rows after the last key in fresh snapshots, and takes back what the log has recorded since the moment: a row
//! that changed since, or is gone, is rebuilt from its own records. So a walk costs nothing between its pages, and each page costs
//! about as much as one of now. A walk that is too far behind goes on from now instead, and says so ([`WalkStep::is_moved`]).

use std::ops::ControlFlow;
use std::time::Duration;

use super::cursor::Cursor;
use super::document_walk::{AskedDocument, DocumentWalk, WalkedDocument};
use super::filter::{DocumentCondition, Filters};
use super::moment::{PastError, Point, holds};
use super::past::row_at;
use crate::model::{Document, Kind, LogId, ResourceId, ScopeFilter, Seq, Timestamp};
use crate::store::Store;

/// How many records a walk may be behind.
pub const MOST_RECORDS: u64 = 50_000;
/// How long ago a walk may have begun.
pub const LONGEST: Duration = Duration::from_mins(10);
/// How many documents a page with a limit reads before it ends with what it has, whatever the limit.
pub const MOST_READ: usize = if cfg!(test) { 3 } else { 20_000 };

/// What a walk can go on from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WalkGround {
    /// The log, as cursors name it.
    pub log: LogId,
    /// Its newest record.
    pub seq: Seq,
    /// The last record that is folded away.
    pub horizon: Seq,
    /// Now.
    pub now: Timestamp,
}

/// Where a page of a walk begins, and as of when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WalkStep {
    /// The moment.
    pub point: Point,
    /// The last resource of the page before.
    pub after: Option<ResourceId>,
    /// Whether the moment is another one than that of the page before.
    pub is_moved: bool,
}

/// Which resources a walk shows.
#[derive(Clone, Copy, Debug)]
pub struct WalkQuery<'a> {
    /// The kind.
    pub kind: &'a Kind,
    /// The scope.
    pub scope: &'a ScopeFilter,
    /// What rows decide.
    pub filters: &'a Filters,
    /// What documents decide.
    pub conditions: &'a [DocumentCondition],
    /// The most resources of a page; `None`: all of them, however many documents that reads.
    pub limit: Option<usize>,
}

/// How a page ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WalkedPage {
    /// The moment of what was shown.
    pub point: Point,
    /// The last resource that was looked at, if more may follow.
    pub next: Option<ResourceId>,
}

impl WalkGround {
    /// The newest state of a store at `now`.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn of(store: &Store, now: Timestamp) -> Result<Self, PastError> {
        let snapshot = store.snapshot()?;
        Ok(WalkGround { log: store.cursor_log(), seq: snapshot.seq(), horizon: snapshot.horizon(), now })
    }

    /// Where the page after the one that ended with `cursor` begins, or the first. A moment that is longer ago than `longest` is too
    /// far behind as well.
    #[must_use]
    pub fn step(&self, cursor: Option<&Cursor>, longest: Option<Duration>) -> WalkStep {
        let Some(cursor) = cursor else { return WalkStep::first(self) };
        let is_recent = |point: &Point| longest.is_none_or(|longest| self.now.since(point.at) <= longest);
        WalkStep::next(&Cursor { point: cursor.point.filter(is_recent), ..cursor.clone() }, self)
    }

    fn point(&self) -> Point {
        Point { at: self.now, seq: self.seq }
    }

    /// Whether a walk that began at `point` of `log` can go on.
    fn reaches(&self, log: LogId, point: Point) -> bool {
        log == self.log
            && (self.horizon..=self.seq).contains(&point.seq)
            && self.seq.0 - point.seq.0 <= MOST_RECORDS
            && self.now.since(point.at) <= LONGEST
    }
}

impl WalkStep {
    /// The first page.
    #[must_use]
    pub fn first(ground: &WalkGround) -> Self {
        WalkStep { point: ground.point(), after: None, is_moved: false }
    }

    /// The page after the one that ended with `cursor`: as of the same moment, unless that is too far behind, folded away, or of
    /// another log.
    #[must_use]
    pub fn next(cursor: &Cursor, ground: &WalkGround) -> Self {
        let kept = cursor.point.filter(|point| ground.reaches(cursor.log, *point));
        let point = kept.unwrap_or_else(|| ground.point());
        WalkStep { point, after: Some(cursor.after.clone()), is_moved: kept.is_none() }
    }

    /// The same page as of the same moment, however far behind that is; `None` if the cursor names none.
    #[must_use]
    pub fn going_on(cursor: &Cursor) -> Option<Self> {
        Some(WalkStep { point: cursor.point?, after: Some(cursor.after.clone()), is_moved: false })
    }
}

impl WalkQuery<'_> {
    /// Offers `visit` the resources of a page in key order, with the moment as of which they are. It says how many it takes of each, which is 0 for one that it passes over;
    /// or by [`ControlFlow::Break`] that it has no room for one, which is then the first of the next page. It must have room for the
    /// first.
    ///
    /// # Errors
    /// When the log does not reach back to the moment any more, or the store cannot be read.
    pub fn page(
        &self,
        store: &Store,
        step: &WalkStep,
        mut visit: impl FnMut(Point, ResourceId, Document) -> ControlFlow<(), usize>,
    ) -> Result<WalkedPage, PastError> {
        self.page_of(store, step, None, |point, id, document| visit(point, id, document.parts))
    }

    /// The same, for whom these parts of documents are enough beside their stored form. Those that conditions judge, and those that
    /// changed since the moment, come as a whole.
    ///
    /// # Errors
    /// As [`WalkQuery::page`].
    pub fn page_of(
        &self,
        store: &Store,
        step: &WalkStep,
        parts: Option<&[&str]>,
        mut visit: impl FnMut(Point, ResourceId, WalkedDocument) -> ControlFlow<(), usize>,
    ) -> Result<WalkedPage, PastError> {
        let WalkQuery { kind, scope, filters, limit, .. } = *self;
        if step.after.is_none()
            && !filters.matcher().conditions().is_empty()
            && let Some(found) = store.find(kind, scope, filters.matcher(), None, usize::MAX)
            && (step.point.seq..=store.snapshot()?.seq()).contains(&found.seq)
        {
            // The index is of its own moment, which becomes that of the walk.
            let point = Point { seq: found.seq, ..step.point };
            let mut page = PageSoFar::new(limit);
            for id in found.ids {
                let snapshot = store.snapshot()?;
                holds(&snapshot, point)?;
                if row_at(&snapshot, &id, point)?.is_none() {
                    continue;
                }
                let mut read = || Ok(snapshot.past(&id, point.seq)?.map(|then| then.document.into()));
                if self.show(&id, &mut read, point, &mut page, &mut visit)?.is_break() {
                    break;
                }
            }
            return Ok(WalkedPage { point, next: page.next });
        }
        let (point, mut page) = (step.point, PageSoFar::new(limit));
        let parts = parts.filter(|_| self.conditions.is_empty());
        let documents = DocumentWalk { kind, scope, matcher: filters.matcher(), point, wanted: limit, parts };
        documents
            .each(store, step.after.as_ref(), |id, document| self.show(id, document, point, &mut page, &mut visit))?;
        Ok(WalkedPage { point, next: page.next })
    }

    /// The document of a resource as it was at a point, if it was there and met the question.
    ///
    /// # Errors
    /// When the log does not reach back to the point any more, or the store cannot be read.
    pub fn one(&self, store: &Store, id: &ResourceId, point: Point) -> Result<Option<Document>, PastError> {
        let matcher = self.filters.matcher();
        if !matcher.conditions().is_empty() {
            let snapshot = store.snapshot()?;
            holds(&snapshot, point)?;
            if row_at(&snapshot, id, point)?.is_none_or(|row| !matcher.matches(&row)) {
                return Ok(None);
            }
        }
        Ok(document_at(store, id, point)?.filter(|document| self.is_met(document)))
    }

    /// Whether a document meets the conditions.
    fn is_met(&self, document: &Document) -> bool {
        self.conditions.iter().all(|condition| condition.is_met(&condition.held(document)))
    }

    /// Offers a resource that meets the filters, if its document meets the conditions and the page has room for it.
    fn show(
        &self,
        id: &ResourceId,
        document: AskedDocument<'_>,
        point: Point,
        page: &mut PageSoFar,
        visit: &mut impl FnMut(Point, ResourceId, WalkedDocument) -> ControlFlow<(), usize>,
    ) -> Result<ControlFlow<()>, PastError> {
        if page.is_over() {
            page.next.clone_from(&page.last);
            return Ok(ControlFlow::Break(()));
        }
        let Some(document) = document()? else { return Ok(ControlFlow::Continue(())) };
        page.read += 1;
        if self.is_met(&document.parts) {
            match visit(point, id.clone(), document) {
                ControlFlow::Continue(taken) => page.shown += taken,
                ControlFlow::Break(()) => {
                    page.next.clone_from(&page.last);
                    return Ok(ControlFlow::Break(()));
                }
            }
        }
        page.last = Some(id.clone());
        Ok(ControlFlow::Continue(()))
    }
}

/// A page while it is filled.
struct PageSoFar {
    limit: Option<usize>,
    shown: usize,
    read: usize,
    /// The last resource that was looked at.
    last: Option<ResourceId>,
    next: Option<ResourceId>,
}

impl PageSoFar {
    fn new(limit: Option<usize>) -> Self {
        PageSoFar { limit, shown: 0, read: 0, last: None, next: None }
    }

    /// Whether it is full, or has read so much that the rest is for the next one.
    fn is_over(&self) -> bool {
        self.limit.is_some_and(|limit| self.shown >= limit || self.read >= MOST_READ)
    }
}

/// The document of a resource as it was at a point; `None` where it did not exist then.
///
/// # Errors
/// When the log does not reach back to the point any more, or the store cannot be read.
pub fn document_at(store: &Store, id: &ResourceId, point: Point) -> Result<Option<Document>, PastError> {
    let snapshot = store.snapshot()?;
    holds(&snapshot, point)?;
    Ok(snapshot.past(id, point.seq)?.map(|current| current.document))
}

#[cfg(test)]
mod tests;
