//! The reads of somebody who does not see everything: what is hidden reads as what is not there.
//!
//! Where the account, the region and the kind decide, nothing else is read. Where tags decide, what is there now goes by the tags in
//! its row, and what was there by the tags that it had then.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{ReadError, Retired, Snapshot, TombstonePage};
use crate::model::known::Tombstone;
use crate::model::{Document, Kind, ResourceId, Scope, ScopeFilter, Seq};
use crate::policy::grant::tagged_as;
use crate::policy::{Visibility, VisiblePart};
use crate::store::codec;
use crate::store::row_view::RowView;
use crate::store::sight::{PassingTags, ReaderSight, Spells, tags_in};

/// How many rows are looked at in one go.
const STEP: usize = 1_000;

impl Snapshot {
    /// The same state for somebody who sees only what `sight` admits.
    pub(in crate::store) fn seen_by(self, sight: Option<&Arc<ReaderSight>>) -> Self {
        let Some(sight) = sight else { return self };
        let sees = |scope: &Scope| sight.visibility.sees_scope(scope);
        let known = if self.0.retired.keys().all(sees) {
            Arc::clone(&self.0.retired)
        } else {
            let known = self.0.retired.iter().filter(|(scope, _)| sees(scope));
            Retired::new(known.map(|(scope, since)| (scope.clone(), *since)).collect())
        };
        Snapshot(self.0, self.1, Some((Arc::clone(sight), known)))
    }

    /// The same state with nothing hidden.
    pub(in crate::store) fn unlimited(&self) -> Self {
        Snapshot(Arc::clone(&self.0), Arc::clone(&self.1), None)
    }

    /// What the reader may see, if that is not everything.
    pub(super) fn sight(&self) -> Option<&ReaderSight> {
        self.2.as_ref().map(|(sight, _)| &**sight)
    }

    /// What the reader may see.
    #[must_use]
    pub fn visibility(&self) -> Visibility {
        self.sight().map_or_else(Visibility::everything, |sight| sight.visibility.clone())
    }

    /// Whether a resource that has these tags of its own is visible now.
    pub(super) fn admits<'t>(
        &self,
        id: &ResourceId,
        own: &(impl Iterator<Item = (&'t str, &'t str)> + Clone),
    ) -> Result<bool, ReadError> {
        let Some(sight) = self.sight() else { return Ok(true) };
        match (sight.reach(id), tagged_as(&id.kind)) {
            (VisiblePart::Nothing, _) => Ok(false),
            (VisiblePart::All, _) => Ok(true),
            (VisiblePart::ByTags, None) => Ok(sight.sees(id, own)),
            (VisiblePart::ByTags, Some(_)) => self.admits_now(id),
        }
    }

    /// Whether a resource is visible now, by what its row says.
    pub(super) fn admits_now(&self, id: &ResourceId) -> Result<bool, ReadError> {
        let Some(sight) = self.sight() else { return Ok(true) };
        match sight.reach(id) {
            VisiblePart::Nothing => Ok(false),
            VisiblePart::All => Ok(true),
            VisiblePart::ByTags => {
                let row = self.unlimited().row(&tags_of(id))?;
                let tags = row.as_ref().map(|row| row.fields.tags.iter().map(|(key, value)| (&**key, &**value)));
                Ok(tags.is_some_and(|tags| sight.sees(id, &tags)))
            }
        }
    }

    /// Whether a resource is visible whose stored row is at hand. One that cannot be read is hidden where its tags decide.
    pub(super) fn admits_row(&self, id: &ResourceId, key: &[u8], bytes: &[u8]) -> Result<bool, ReadError> {
        let Some(sight) = self.sight() else { return Ok(true) };
        match (sight.reach(id), tagged_as(&id.kind)) {
            (VisiblePart::Nothing, _) => Ok(false),
            (VisiblePart::All, _) => Ok(true),
            (VisiblePart::ByTags, Some(_)) => self.admits_now(id),
            (VisiblePart::ByTags, None) => match codec::decode_row(key, bytes) {
                Ok(disk) => Ok(sight.sees(id, &RowView::from(disk).tags.iter().copied())),
                Err(_) => match self.unlimited().row(id) {
                    Ok(row) => Ok(row.is_some_and(|row| sight.sees(id, &RowView::of(&row).tags.iter().copied()))),
                    Err(ReadError::Damaged(_)) => Ok(false),
                    Err(error) => Err(error),
                },
            },
        }
    }

    /// Whether a resource was visible after a record, if it was there. A part of another one goes by that one also before that one is
    /// found and after it is gone.
    pub(super) fn admits_at(&self, id: &ResourceId, seq: Seq) -> Result<bool, ReadError> {
        let Some(sight) = self.sight() else { return Ok(true) };
        match sight.reach(id) {
            VisiblePart::Nothing => Ok(false),
            VisiblePart::All => Ok(true),
            VisiblePart::ByTags if tagged_as(&id.kind).is_some() => Ok(self.spells(sight, id, seq)?.around(seq)),
            VisiblePart::ByTags => Ok(self.spells(sight, id, seq)?.at(seq)),
        }
    }

    /// Whether what a record says of a resource is visible that need not be there then: it may be gone, or not found yet.
    pub(super) fn admits_around(&self, id: &ResourceId, seq: Seq) -> Result<bool, ReadError> {
        let Some(sight) = self.sight() else { return Ok(true) };
        match sight.reach(id) {
            VisiblePart::Nothing => Ok(false),
            VisiblePart::All => Ok(true),
            VisiblePart::ByTags => Ok(self.spells(sight, id, seq)?.around(seq)),
        }
    }

    /// When a resource was visible by its tags, as far as the log tells.
    pub(super) fn spells(&self, sight: &ReaderSight, id: &ResourceId, seq: Seq) -> Result<Arc<Spells>, ReadError> {
        // Where nothing was known of it, there may be something now.
        let is_final = |known: &Arc<Spells>| !known.is_blank() || known.upto >= self.seq();
        if let Some(known) = sight.known(id, seq.min(self.seq())).filter(is_final) {
            return Ok(known);
        }
        let (raw, tagged) = (self.unlimited(), tags_of(id));
        let sees = |tags: &Document| sight.sees(id, &tags_in(tags));
        let mut tags = match raw.base(&tagged) {
            Ok(base) => PassingTags::of(base.as_ref().map(|base| &base.document)),
            Err(ReadError::Damaged(_)) => PassingTags::Lost,
            Err(error) => return Err(error),
        };
        let mut spells = Spells { upto: self.seq(), first: tags.state(sees), turns: Vec::new() };
        raw.each_own(&tagged, |seq, record| {
            match record {
                Some(record) => tags.pass(&record.event),
                None => tags.lose(),
            }
            spells.turn(seq, tags.state(sees));
        })?;
        let spells = Arc::new(spells);
        sight.remember(id, &spells);
        Ok(spells)
    }

    /// The record from which on the reader knows a resource that `discovered` discovered: a later one, if its tags hid it before.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn appeared(&self, id: &ResourceId, discovered: Seq, at: Seq) -> Result<Seq, ReadError> {
        match self.sight() {
            Some(sight) if sight.reach(id) == VisiblePart::ByTags => {
                Ok(self.spells(sight, id, at)?.start(at).unwrap_or(discovered).max(discovered))
            }
            _ => Ok(discovered),
        }
    }

    /// What is left of a resource that the reader does not see any more: that it was removed, or that it lost the tags by which it
    /// was visible.
    pub(super) fn limited_tombstone(&self, id: &ResourceId) -> Result<Option<Tombstone>, ReadError> {
        let (raw, Some(sight)) = (self.unlimited(), self.sight()) else { return Ok(None) };
        match sight.reach(id) {
            VisiblePart::Nothing => return Ok(None),
            VisiblePart::All => return raw.tombstone(id),
            VisiblePart::ByTags => {}
        }
        if raw.digest_of(id)?.is_some() && self.admits_now(id)? {
            return Ok(None);
        }
        let removed = raw.tombstone(id)?;
        let spells = self.spells(sight, id, self.seq())?;
        if tagged_as(&id.kind).is_some()
            && let Some(removed) = removed.as_ref().filter(|removed| spells.around(removed.seq))
        {
            return Ok(Some(removed.clone()));
        }
        let Some(end) = spells.end() else {
            // Its records may be folded away; then the tags that it had last tell.
            return Ok(removed.filter(|last| last.seq <= self.horizon() && sight.sees(id, &tags_in(&last.document))));
        };
        if let Some(removed) = removed.as_ref().filter(|removed| removed.seq == end) {
            return Ok(Some(removed.clone()));
        }
        let Some(last) = raw.past(id, Seq(end.0.saturating_sub(1)))? else {
            return Ok(removed.filter(|_| tagged_as(&id.kind).is_some()));
        };
        let at = raw.time_of(end)?.unwrap_or_default();
        Ok(Some(Tombstone { at, removed_at: at, seq: end, document: last.document }))
    }

    /// What is left of the resources of a kind that the reader does not see any more, in key order, after `after`.
    pub(super) fn limited_tombstones(
        &self,
        kind: &Kind,
        after: Option<&ResourceId>,
        limit: usize,
    ) -> Result<Vec<(ResourceId, Tombstone)>, ReadError> {
        let mut after = after.cloned();
        let mut found = Vec::new();
        while found.len() < limit {
            let page = self.limited_tombstone_page(kind, after.as_ref(), STEP)?;
            found.extend(page.gone);
            match page.next {
                Some(next) => after = Some(next),
                None => break,
            }
        }
        found.truncate(limit);
        Ok(found)
    }

    /// The same of the next `size` removed resources and as many that are there, and after which to go on.
    pub(super) fn limited_tombstone_page(
        &self,
        kind: &Kind,
        after: Option<&ResourceId>,
        size: usize,
    ) -> Result<TombstonePage, ReadError> {
        let raw = self.unlimited();
        let by_tags = self.sight().is_some_and(|sight| sight.visibility.goes_by_tags(kind));
        let removed = raw.tombstones(kind, after, size)?;
        let removed: Vec<ResourceId> = removed.into_iter().map(|(id, _)| id).collect();
        let held = if by_tags { raw.heads(kind, &ScopeFilter::Everywhere, after, size)? } else { Vec::new() };
        let held: Vec<ResourceId> = held.into_iter().map(|head| head.id).collect();
        // Of a full page nothing is known behind its end.
        let ends = [&removed, &held].into_iter().filter(|page| page.len() >= size).filter_map(|page| page.last());
        let next = ends.min().cloned();
        let is_in = |id: &&ResourceId| next.as_ref().is_none_or(|end| **id <= *end);
        let ids: BTreeSet<&ResourceId> = removed.iter().chain(&held).filter(is_in).collect();
        let mut gone = Vec::new();
        for id in ids {
            match self.limited_tombstone(id) {
                Ok(Some(tombstone)) => gone.push((id.clone(), tombstone)),
                Ok(None) | Err(ReadError::Damaged(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(TombstonePage { gone, next })
    }

    /// How many resources of a kind the reader sees in a scope that holds `count` of them.
    pub(super) fn seen_of(&self, kind: &Kind, scope: &Scope, count: u64) -> Result<u64, ReadError> {
        let Some(sight) = self.sight() else { return Ok(count) };
        match sight.visibility.reach(scope.account.as_str(), scope.region.as_str(), kind) {
            VisiblePart::Nothing => Ok(0),
            VisiblePart::All => Ok(count),
            VisiblePart::ByTags => {
                let (mut seen, mut after) = (0, None);
                loop {
                    let page = self.page(kind, &scope.into(), after.as_ref(), STEP, |id, _, _| Ok(id))?;
                    seen += page.len() as u64;
                    if page.len() < STEP {
                        return Ok(seen);
                    }
                    after = page.into_iter().next_back();
                }
            }
        }
    }
}

/// The resource whose tags count for a resource.
fn tags_of(id: &ResourceId) -> ResourceId {
    tagged_as(&id.kind).map_or_else(|| id.clone(), |kind| ResourceId { kind, ..id.clone() })
}
