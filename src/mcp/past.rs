//! Finds one resource as it was known at a point in the past.

use super::core::Core;
use super::error::RequestError;
use super::fresh::part_of;
use super::lookup::beside;
use crate::kinds::KindSpec;
use crate::model::{Current, Event, ResourceId, Scope, ScopeFilter, Seq, Timestamp};
use crate::query::Point;
use crate::query::moment::holds;
use crate::store::Snapshot;

/// A resource as it was known then.
#[derive(Clone, Debug)]
pub struct Then {
    /// Its id and scope.
    pub id: ResourceId,
    /// Its state as it was known then.
    pub current: Current,
    /// The part that was served with it, such as an instance's status checks.
    pub part: Option<Current>,
}

/// The last known state of a removed resource.
#[derive(Clone, Debug)]
pub struct RemovedResource {
    /// The resource as it was last known.
    pub last: Then,
    /// When its removal was recorded.
    pub removed_at: Timestamp,
    /// The record of its removal.
    pub removed_seq: Seq,
}

impl Core {
    /// Every scope that is or was watched.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn known_scopes(&self, snapshot: &Snapshot) -> Result<Vec<Scope>, RequestError> {
        let mut scopes = snapshot.scopes()?;
        let freshness = self.ingest.freshness();
        scopes.extend(freshness.scopes().into_iter().chain(freshness.unwatched()).map(|state| state.scope));
        Ok(scopes.into_iter().collect())
    }

    /// The requested scopes, of all that are or were watched.
    fn scopes_asked(&self, snapshot: &Snapshot, scope: &ScopeFilter) -> Result<Vec<Scope>, RequestError> {
        if let Some(scope) = scope.only() {
            return Ok(vec![scope.clone()]);
        }
        let mut scopes = self.known_scopes(snapshot)?;
        scopes.retain(|known| scope.takes(known));
        Ok(scopes)
    }

    /// The copies of a resource at `point`, one for each scope that saw it: the owner's copy first, then the freshest.
    ///
    /// # Errors
    /// When the log no longer reaches back to `point`, or the store cannot be read.
    pub fn copies_then(
        &self,
        snapshot: &Snapshot,
        kind: &'static KindSpec,
        id: &str,
        scope: &ScopeFilter,
        point: Point,
    ) -> Result<Vec<(ResourceId, Current)>, RequestError> {
        holds(snapshot, point)?;
        let mut copies = Vec::new();
        for scope in self.scopes_asked(snapshot, scope)? {
            let id = ResourceId::new(&scope, &kind.kind(), id);
            if let Some(current) = snapshot.past(&id, point.seq)? {
                copies.push((id, current));
            }
        }
        copies.sort_by_key(|(id, current)| {
            let owns = kind.owner(&current.document).is_none_or(|owner| owner == id.account.as_str());
            std::cmp::Reverse((owns, current.evidence.newest()))
        });
        Ok(copies)
    }

    /// A resource as it was known at `point`, in `scope` or wherever it was.
    ///
    /// # Errors
    /// [`RequestError::NotThen`] when it did not exist then, with the times at which it is known to have existed.
    pub fn then(
        &self,
        kind: &'static KindSpec,
        id: &str,
        scope: &ScopeFilter,
        point: Point,
    ) -> Result<Then, RequestError> {
        let snapshot = self.snapshot()?;
        let found = self.copies_then(&snapshot, kind, id, scope, point)?.into_iter().next();
        let Some((id, current)) = found else {
            let error = self.not_then(&snapshot, kind, id, scope, point)?;
            beside(&snapshot, kind, id, scope.only(), |other| {
                drop(self.copies_then(&snapshot, kind, other, scope, point));
                drop(self.not_then(&snapshot, kind, other, scope, point));
                Ok(())
            })?;
            return Err(error);
        };
        let part = part_of(kind).map(|part| ResourceId { kind: part.kind(), ..id.clone() });
        let part = match part {
            Some(part) => snapshot.past(&part, point.seq)?,
            None => None,
        };
        Ok(Then { id, current, part })
    }

    /// The last known state of a removed resource; `None` when it exists, or nothing is left of it.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn gone(
        &self,
        kind: &'static KindSpec,
        id: &str,
        scope: &ScopeFilter,
    ) -> Result<Option<RemovedResource>, RequestError> {
        let snapshot = self.snapshot()?;
        let mut newest = None;
        for scope in self.scopes_asked(&snapshot, scope)? {
            let id = ResourceId::new(&scope, &kind.kind(), id);
            let Some(tombstone) = snapshot.tombstone(&id)? else { continue };
            if newest.as_ref().is_none_or(|(_, seq, _)| *seq < tombstone.seq) {
                newest = Some((scope, tombstone.seq, tombstone.removed_at));
            }
        }
        let Some((scope, removed_seq, removed_at)) = newest else { return Ok(None) };
        // While a tombstone exists, the removal is in the log and is not folded away.
        let before = Point { at: removed_at, seq: Seq(removed_seq.0.saturating_sub(1)) };
        let last = self.then(kind, id, &scope.into(), before)?;
        Ok(Some(RemovedResource { last, removed_at, removed_seq }))
    }

    /// The error that explains why a resource is not known at `point`.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn not_then(
        &self,
        snapshot: &Snapshot,
        kind: &'static KindSpec,
        id: &str,
        scope: &ScopeFilter,
        point: Point,
    ) -> Result<RequestError, RequestError> {
        let (mut appeared, mut removed) = (None::<Timestamp>, None::<Timestamp>);
        for scope in self.scopes_asked(snapshot, scope)? {
            let id = ResourceId::new(&scope, &kind.kind(), id);
            let is_removal = |event: &Event| matches!(event, Event::Removed { .. });
            let before = snapshot.timeline_before(&id, point.seq.next(), 1)?;
            let before = before.into_iter().find(|record| is_removal(&record.event)).map(|record| record.recorded_at);
            removed = removed.max(before);
            let after = snapshot.timeline(&id, point.seq.next(), 1)?;
            let after = after.into_iter().map(|record| record.recorded_at).next();
            appeared = appeared.into_iter().chain(after).min();
        }
        let id = crate::model::text::shown(id, 80);
        Ok(RequestError::NotThen { title: kind.title, id, at: point.at, appeared, removed })
    }
}
