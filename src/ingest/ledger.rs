//! What the loop needs from a store: writing, and a consistent view.
//!
//! A running Muster uses only the store. Tests that run millions of programs use a ledger in memory, so that they test this loop
//! and not a copy of it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use crate::model::{Current, Kind, ResourceId, Scope, Seq, Timestamp, WatchSelection};
use crate::store::{
    CommitBatch, CommitError, Committed, Due, Fingerprint, Folded, OpenError, ReadError, Snapshot, Stock, Watermark,
    Writer,
};

/// Where records are stored and read.
pub trait Ledger {
    /// The type of a consistent state.
    type View: LedgerView;

    /// The newest committed state.
    ///
    /// # Errors
    /// If it cannot be read.
    fn view(&self) -> Result<Self::View, ReadError>;

    /// Commits a batch, all or nothing; durable when this returns.
    ///
    /// # Errors
    /// Nothing of the batch is stored then.
    fn commit(&mut self, batch: CommitBatch) -> Result<Committed, CommitError>;

    /// Records that only these scopes are watched from now on; see [`Writer::watch_only`].
    ///
    /// # Errors
    /// It is not recorded then.
    fn watch_only(&mut self, _selection: &WatchSelection, _now: Timestamp) -> Result<(), CommitError> {
        Ok(())
    }

    /// The file, for messages.
    fn path(&self) -> PathBuf;

    /// Bytes of history; 0 for a ledger that keeps everything and never folds.
    fn history(&self) -> u64 {
        0
    }

    /// The input for the size limit of history.
    ///
    /// # Errors
    /// If it cannot be read.
    fn stock(&self) -> Result<Stock, ReadError> {
        Ok(Stock::default())
    }

    /// Folds the oldest records; see [`Writer::fold`].
    ///
    /// # Errors
    /// Nothing is folded then.
    fn fold(&mut self, _due: Due, _records: usize, _more: &mut dyn FnMut() -> bool) -> Result<Folded, CommitError> {
        Ok(Folded { records: 0, history: self.history(), more: false })
    }

    /// Whether the disk failed: then everything fails until [`Ledger::reopen`] succeeds.
    fn is_failed(&self) -> bool {
        false
    }

    /// Waits until the disk fails.
    fn failed(&self) -> impl Future<Output = ()> {
        std::future::pending()
    }

    /// Reopens it after the disk failed: one attempt. Returns a commit that was reported as failed but is stored.
    ///
    /// # Errors
    /// Why it is not open; [`OpenError::is_passing`] says whether another attempt may help.
    fn reopen(&mut self) -> Result<Option<Committed>, Arc<OpenError>> {
        Ok(None)
    }
}

/// One consistent state of a ledger.
pub trait LedgerView {
    /// The newest record.
    fn seq(&self) -> Seq;

    /// The current state of a resource.
    ///
    /// # Errors
    /// If it cannot be read.
    fn current(&self, id: &ResourceId) -> Result<Option<Current>, ReadError>;

    /// The time of the proof of a resource's last removal.
    ///
    /// # Errors
    /// If it cannot be read.
    fn removed_at(&self, id: &ResourceId) -> Result<Option<Timestamp>, ReadError>;

    /// What a describe of a resource is compared with.
    ///
    /// # Errors
    /// If it cannot be read.
    fn fingerprint(&self, id: &ResourceId) -> Result<Option<Fingerprint>, ReadError>;

    /// Whether a resource is held in one of these scopes. One that cannot be read counts as held.
    fn is_held_in(&self, kind: &Kind, id: &str, scopes: &BTreeSet<Scope>) -> bool {
        scopes.iter().any(|scope| !matches!(self.fingerprint(&ResourceId::new(scope, kind, id)), Ok(None)))
    }

    /// The number of resources of a kind in a scope.
    ///
    /// # Errors
    /// If it cannot be read.
    fn count(&self, kind: &Kind, scope: &Scope) -> Result<u64, ReadError>;

    /// At most `limit` resources of a kind in a scope, in key order, after `after`.
    ///
    /// # Errors
    /// If it cannot be read.
    fn ids(
        &self,
        kind: &Kind,
        scope: &Scope,
        after: Option<&ResourceId>,
        limit: usize,
    ) -> Result<Vec<ResourceId>, ReadError>;

    /// The scopes that are no longer watched, and since when.
    fn retired(&self) -> BTreeMap<Scope, Timestamp> {
        BTreeMap::new()
    }

    /// Whether a scope is recorded as no longer watched: its observations are not recorded.
    fn is_noted_unwatched(&self, _scope: &Scope) -> bool {
        false
    }

    /// Every (scope, kind) with stored data, including those no longer watched.
    ///
    /// # Errors
    /// If it cannot be read.
    fn held(&self) -> Result<Vec<(Scope, Kind)>, ReadError>;

    /// Whether a notification with this id was recorded.
    ///
    /// # Errors
    /// If it cannot be read.
    fn is_notified(&self, event_id: &str) -> Result<bool, ReadError>;

    /// The watermarks of sweeps.
    ///
    /// # Errors
    /// If it cannot be read.
    fn watermarks(&self) -> Result<Vec<Watermark>, ReadError>;
}

impl Ledger for Writer {
    type View = Snapshot;

    fn view(&self) -> Result<Snapshot, ReadError> {
        self.snapshot()
    }

    fn commit(&mut self, batch: CommitBatch) -> Result<Committed, CommitError> {
        Writer::commit(self, batch)
    }

    fn watch_only(&mut self, selection: &WatchSelection, now: Timestamp) -> Result<(), CommitError> {
        Writer::watch_only(self, selection, now)
    }

    fn path(&self) -> PathBuf {
        self.store().path().to_owned()
    }

    fn history(&self) -> u64 {
        Writer::history(self)
    }

    fn stock(&self) -> Result<Stock, ReadError> {
        Writer::stock(self)
    }

    fn fold(&mut self, due: Due, records: usize, more: &mut dyn FnMut() -> bool) -> Result<Folded, CommitError> {
        Writer::fold(self, due, records, more)
    }

    fn is_failed(&self) -> bool {
        !self.store().health().borrow().is_well()
    }

    async fn failed(&self) {
        // The store exists as long as this writer, so the health channel never closes.
        drop(self.store().health().wait_for(|health| !health.is_well()).await);
    }

    fn reopen(&mut self) -> Result<Option<Committed>, Arc<OpenError>> {
        Writer::reopen(self)
    }
}

impl LedgerView for Snapshot {
    fn seq(&self) -> Seq {
        Snapshot::seq(self)
    }

    fn current(&self, id: &ResourceId) -> Result<Option<Current>, ReadError> {
        Snapshot::current(self, id)
    }

    fn removed_at(&self, id: &ResourceId) -> Result<Option<Timestamp>, ReadError> {
        Ok(self.tombstone(id)?.map(|tombstone| tombstone.at))
    }

    fn fingerprint(&self, id: &ResourceId) -> Result<Option<Fingerprint>, ReadError> {
        self.digest_of(id)
    }

    fn is_held_in(&self, kind: &Kind, id: &str, scopes: &BTreeSet<Scope>) -> bool {
        self.has_copy(kind, id, |scope| scopes.contains(scope)).unwrap_or(true)
    }

    fn count(&self, kind: &Kind, scope: &Scope) -> Result<u64, ReadError> {
        Snapshot::count(self, kind, &scope.into())
    }

    fn ids(
        &self,
        kind: &Kind,
        scope: &Scope,
        after: Option<&ResourceId>,
        limit: usize,
    ) -> Result<Vec<ResourceId>, ReadError> {
        self.ids_in(kind, scope, after, limit)
    }

    fn held(&self) -> Result<Vec<(Scope, Kind)>, ReadError> {
        Ok(self.whole().counts()?.into_iter().map(|(kind, scope, _)| (scope, kind)).collect())
    }

    fn retired(&self) -> BTreeMap<Scope, Timestamp> {
        BTreeMap::clone(Snapshot::retired(self))
    }

    fn is_noted_unwatched(&self, scope: &Scope) -> bool {
        Snapshot::is_noted_unwatched(self, scope)
    }

    fn is_notified(&self, event_id: &str) -> Result<bool, ReadError> {
        Snapshot::is_notified(self, event_id)
    }

    fn watermarks(&self) -> Result<Vec<Watermark>, ReadError> {
        Snapshot::watermarks(self)
    }
}
