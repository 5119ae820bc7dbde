//! What the loop needs of a store: one way in, and one consistent look.
//!
//! The store is the only ledger of a running Muster. Tests that run millions of programs have one in memory, so that what
//! they test is this loop and not a copy of it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use crate::model::{Current, Kind, Region, ResourceId, Scope, Seq, Timestamp};
use crate::store::{
    Batch, CommitError, Committed, Due, Fingerprint, Folded, OpenError, ReadError, Snapshot, Stock, Watermark, Writer,
};

/// Where records go, and what they amount to.
pub trait Ledger {
    /// One consistent state.
    type View: View;

    /// The newest committed state.
    ///
    /// # Errors
    /// When it cannot be read.
    fn view(&self) -> Result<Self::View, ReadError>;

    /// Commits a batch, all or nothing; durable when this returns.
    ///
    /// # Errors
    /// Nothing of the batch is there then.
    fn commit(&mut self, batch: Batch) -> Result<Committed, CommitError>;

    /// Notes that only these regions are watched from now on; see [`Writer::watch_only`].
    ///
    /// # Errors
    /// It is noted nowhere then.
    fn watch_only(&mut self, _regions: &[Region], _now: Timestamp) -> Result<(), CommitError> {
        Ok(())
    }

    /// The file, for messages.
    fn path(&self) -> PathBuf;

    /// Bytes of history. None in a ledger that keeps everything, which never has to fold.
    fn history(&self) -> u64 {
        0
    }

    /// What decides how much history may be kept.
    ///
    /// # Errors
    /// When it cannot be read.
    fn stock(&self) -> Result<Stock, ReadError> {
        Ok(Stock::default())
    }

    /// Folds the oldest records away; see [`Writer::fold`].
    ///
    /// # Errors
    /// Nothing is folded then.
    fn fold(&mut self, _due: Due, _records: usize, _more: &mut dyn FnMut() -> bool) -> Result<Folded, CommitError> {
        Ok(Folded { records: 0, history: self.history(), more: false })
    }

    /// Whether the disk failed under it: then everything fails until [`Ledger::reopen`] succeeds.
    fn is_failed(&self) -> bool {
        false
    }

    /// Waits until the disk fails under it.
    fn failed(&self) -> impl Future<Output = ()> {
        std::future::pending()
    }

    /// Opens it again after the disk failed: one attempt. Returns what is there of a commit that was said to have failed.
    ///
    /// # Errors
    /// Why it is not open; whether another attempt may help is for [`OpenError::is_passing`] to say.
    fn reopen(&mut self) -> Result<Option<Committed>, Arc<OpenError>> {
        Ok(None)
    }
}

/// One consistent state of a ledger.
pub trait View {
    /// The newest record.
    fn seq(&self) -> Seq;

    /// What is known of a resource.
    ///
    /// # Errors
    /// When it cannot be read.
    fn current(&self, id: &ResourceId) -> Result<Option<Current>, ReadError>;

    /// The proof time of a resource's last removal.
    ///
    /// # Errors
    /// When it cannot be read.
    fn removed_at(&self, id: &ResourceId) -> Result<Option<Timestamp>, ReadError>;

    /// What a describe of a resource is compared with.
    ///
    /// # Errors
    /// When it cannot be read.
    fn fingerprint(&self, id: &ResourceId) -> Result<Option<Fingerprint>, ReadError>;

    /// How many resources of a kind a scope has.
    ///
    /// # Errors
    /// When it cannot be read.
    fn count(&self, kind: &Kind, scope: &Scope) -> Result<u64, ReadError>;

    /// At most `limit` resources of a kind in a scope, in key order, those after `after`.
    ///
    /// # Errors
    /// When it cannot be read.
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

    /// Whether it is noted that a scope is no longer watched: nothing is recorded of it.
    fn is_noted_unwatched(&self, _scope: &Scope) -> bool {
        false
    }

    /// Every (scope, kind) that anything is held of, also where it is no longer watched.
    ///
    /// # Errors
    /// When it cannot be read.
    fn held(&self) -> Result<Vec<(Scope, Kind)>, ReadError>;

    /// Whether a notification of this id was recorded.
    ///
    /// # Errors
    /// When it cannot be read.
    fn is_notified(&self, event_id: &str) -> Result<bool, ReadError>;

    /// How far sweeps had come.
    ///
    /// # Errors
    /// When it cannot be read.
    fn watermarks(&self) -> Result<Vec<Watermark>, ReadError>;
}

impl Ledger for Writer {
    type View = Snapshot;

    fn view(&self) -> Result<Snapshot, ReadError> {
        self.snapshot()
    }

    fn commit(&mut self, batch: Batch) -> Result<Committed, CommitError> {
        Writer::commit(self, batch)
    }

    fn watch_only(&mut self, regions: &[Region], now: Timestamp) -> Result<(), CommitError> {
        Writer::watch_only(self, regions, now)
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
        // The store is there as long as this writer, so the health never ends.
        drop(self.store().health().wait_for(|health| !health.is_well()).await);
    }

    fn reopen(&mut self) -> Result<Option<Committed>, Arc<OpenError>> {
        Writer::reopen(self)
    }
}

impl View for Snapshot {
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

    fn count(&self, kind: &Kind, scope: &Scope) -> Result<u64, ReadError> {
        Snapshot::count(self, kind, Some(scope))
    }

    fn ids(
        &self,
        kind: &Kind,
        scope: &Scope,
        after: Option<&ResourceId>,
        limit: usize,
    ) -> Result<Vec<ResourceId>, ReadError> {
        Ok(self.heads(kind, Some(scope), after, limit)?.into_iter().map(|head| head.id).collect())
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
