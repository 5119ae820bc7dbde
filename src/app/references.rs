//! Reads from the store what watching needs: which resources of a kind others refer to, and when a scope last changed.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures::FutureExt;
use parking_lot::Mutex;
use tokio::task::spawn_blocking;
use tokio::time::sleep;

use crate::kinds::{self, KINDS, KindSpec};
use crate::model::{Event, Kind, ResourceId, Scope, SharedClock, Timestamp};
use crate::notify::ChangeHub;
use crate::source::referred::ReferredIds;
use crate::store::{ReadError, Store};
use crate::watch::quiet::{LastChange, Listened};

/// How many rows are read from one snapshot: a long read pins dead pages.
const STEP: usize = 1_000;

/// How long it takes until a store that cannot be read is read again.
const AGAIN: Duration = Duration::from_secs(1);

/// Answers the ids that stored resources refer to of a kind that is asked for by id too; `None` for every other kind.
pub(super) fn referred_ids(store: &Store, spec: &'static KindSpec) -> Option<ReferredIds> {
    let referring: Vec<(Kind, u16)> = spec.also_by_id.iter().filter_map(|(slug, path)| facet(slug, path)).collect();
    if referring.is_empty() {
        return None;
    }
    let (store, referring) = (store.clone(), Arc::new(referring));
    Some(Arc::new(move |scope: &Scope| {
        let (store, referring, scope) = (store.clone(), Arc::clone(&referring), scope.clone());
        async move {
            loop {
                let (store, referring, scope) = (store.clone(), Arc::clone(&referring), scope.clone());
                match spawn_blocking(move || read(&store, &referring, &scope)).await {
                    Ok(Ok(ids)) => return ids,
                    // The store says by itself what is wrong with it.
                    Ok(Err(_)) | Err(_) => sleep(AGAIN).await,
                }
            }
        }
        .boxed()
    }))
}

/// The kind of this slug, and the number under which its rows hold what a document has at `path`.
fn facet(slug: &str, path: &str) -> Option<(Kind, u16)> {
    let spec = kinds::by_slug(slug)?;
    Some((spec.kind(), spec.filter_at(path)?.number))
}

fn read(store: &Store, referring: &[(Kind, u16)], scope: &Scope) -> Result<BTreeSet<Arc<str>>, ReadError> {
    let mut ids = BTreeSet::new();
    for (kind, number) in referring {
        let mut after = None;
        loop {
            let rows = store.snapshot()?.rows(kind, &scope.into(), after.as_ref(), STEP)?;
            let facets = rows.iter().flat_map(|row| &row.fields.facets).filter(|(facet, _)| facet == number);
            ids.extend(facets.map(|(_, id)| Arc::from(id.as_str())));
            match rows.into_iter().next_back() {
                Some(last) => after = Some(last.id),
                None => break,
            }
        }
    }
    Ok(ids)
}

/// Returns when something of a scope was last recorded as changed or gone, at the earliest time if it never held anything; `None` if it
/// cannot be read. Of what went, it knows the last `within` before it was first asked; what goes later is noticed by the sweeps.
pub(super) fn last_change(store: &Store, clock: &SharedClock, within: Duration) -> LastChange {
    let (store, clock) = (store.clone(), Arc::clone(clock));
    let (gone, reading) = (OnceLock::new(), Mutex::new(()));
    Arc::new(move |scope: &Scope| {
        if gone.get().is_none() {
            // Hundreds of scopes ask at once; while one reads the log, the others are told nothing and ask after their next sweep.
            let _reading = reading.try_lock()?;
            if gone.get().is_none() {
                drop(gone.set(removals(&store, clock.now() - within).ok()?));
            }
        }
        let changed = newest(&store, scope).ok()?.unwrap_or(Timestamp::EPOCH);
        Some(gone.get()?.get(scope).map_or(changed, |went| changed.max(*went)))
    })
}

/// When the last resource of each scope was recorded as gone, as far as that is after `since`.
fn removals(store: &Store, since: Timestamp) -> Result<HashMap<Scope, Timestamp>, ReadError> {
    let mut last: HashMap<Scope, Timestamp> = HashMap::new();
    let mut from = store.snapshot()?.seq_at(since)?.unwrap_or_default().next();
    loop {
        let records = store.snapshot()?.records(from, STEP)?;
        let Some(newest) = records.last() else { return Ok(last) };
        from = newest.seq.next();
        for record in &records {
            if let Event::Removed { id, .. } = &record.event {
                last.insert(id.scope(), record.recorded_at);
            }
        }
    }
}

/// Returns whether anybody subscribes to what is in a scope: to a list of it, or to a resource that it holds.
pub(super) fn listened(store: &Store, hub: &ChangeHub) -> Listened {
    let (store, hub) = (store.clone(), hub.clone());
    Arc::new(move |scope: &Scope| {
        let holds = |kind: &Kind, id: &Arc<str>| {
            let id = ResourceId::new(scope, kind, Arc::clone(id));
            store.snapshot().and_then(|snapshot| snapshot.row(&id)).is_ok_and(|row| row.is_some())
        };
        hub.is_heard(scope, holds)
    })
}

fn newest(store: &Store, scope: &Scope) -> Result<Option<Timestamp>, ReadError> {
    let snapshot = store.snapshot()?;
    let mut newest = None;
    for spec in KINDS {
        let heads = snapshot.heads(&spec.kind(), &scope.into(), None, STEP)?;
        newest = heads.iter().map(|head| head.changed).chain(newest).max();
    }
    let Some(seq) = newest else { return Ok(None) };
    let record = snapshot.records(seq, 1)?.into_iter().find(|record| record.seq == seq);
    // A record that was folded away is older than the log reaches.
    Ok(Some(record.map_or(Timestamp::EPOCH, |record| record.recorded_at)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds;
    use crate::model::fixtures::{SetClock, at, scope};
    use crate::store;

    #[test]
    fn a_scope_that_never_held_anything_never_changed_and_is_not_one_that_cannot_be_read() {
        let dir = tempfile::tempdir().unwrap();
        let (_writer, store) = store::open(store::StoreOptions::new(dir.path(), kinds::project)).unwrap();
        let clock: SharedClock = Arc::new(SetClock::new(at(1_000_000)));
        let last = last_change(&store, &clock, Duration::from_hours(24));
        assert_eq!(last(&scope()), Some(Timestamp::EPOCH));
    }
}
