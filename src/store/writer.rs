//! Writing: the only way to change the store.

mod transaction;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::clock;
use super::codec::{self, DiskLedger};
use super::commit::{CommitBatch, CommitError, Committed, mib};
use super::counted::begin;
use super::dedupe::Dedupe;
use super::file::{self, Opened};
use super::handle::{Shared, Store};
use super::keys;
use super::open_error::{FileDamage, OpenError};
use super::snapshot::{ReadError, Retired, Snapshot};
use super::tables::META_TABLE;
use super::watermark::Watermark;
use super::write_error::WriteError;
use crate::model::parked::MAX_BODY;
use crate::model::{Event, Recorded, ResourceId, RowFields, Scope, Seq, Timestamp, WatchSelection};

use self::transaction::{Applied, Transaction};

/// The one writer of a store. It cannot be cloned, so its holder is the only one to write.
pub struct Writer {
    pub(super) shared: Arc<Shared>,
    pub(super) ledger: DiskLedger,
    /// The interval that retention checks next.
    pub(super) next_interval: Option<Vec<u8>>,
    /// The commit under which the disk failed: only the reopened file shows whether it was stored.
    doubt: Option<UnknownCommit>,
    /// Whether there was too little space the last time.
    full: AtomicBool,
}

/// A commit whose outcome is unknown.
struct UnknownCommit {
    committed: Committed,
    /// What the index lacks of it.
    rows: Vec<(ResourceId, Option<RowFields>)>,
}

impl Writer {
    pub(super) fn new(shared: Arc<Shared>, ledger: DiskLedger) -> Self {
        Writer { shared, ledger, next_interval: None, doubt: None, full: AtomicBool::new(false) }
    }

    /// The newest state.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn snapshot(&self) -> Result<Snapshot, ReadError> {
        self.store().snapshot()
    }

    /// A reading handle on the same store.
    #[must_use]
    pub fn store(&self) -> Store {
        Store(Arc::clone(&self.shared), None)
    }

    /// The newest record's seq.
    #[must_use]
    pub fn seq(&self) -> Seq {
        Seq(self.ledger.seq)
    }

    /// Commits a batch, all or nothing, and returns when it is durable.
    ///
    /// Each event is folded by [`crate::model::known::fold`] into what the store holds, so the snapshot is the fold of the log by
    /// construction. An empty batch opens no transaction. Blocks on the disk.
    ///
    /// # Errors
    /// Nothing of the batch is stored then; except after [`CommitError::Failed`], when the disk failed: only [`Writer::reopen`]
    /// shows whether it is stored, and until then every further commit and read fails.
    pub fn commit(&mut self, mut batch: CommitBatch) -> Result<Committed, CommitError> {
        let mut seq = self.seq();
        if !batch.entries.is_empty() {
            batch.recorded_at = self.dated(batch.recorded_at)?;
        }
        let mut records = Vec::with_capacity(batch.entries.len());
        let mut bytes = 0;
        let first = seq.next();
        let floor = self.floor(&batch);
        for (cause, event) in std::mem::take(&mut batch.entries) {
            seq = seq.next();
            let record = Recorded { seq, recorded_at: batch.recorded_at, cause, event };
            let encoded = codec::encode_event(&record)?;
            bytes += encoded.len();
            records.push((record, encoded));
        }
        bytes += batch.notified.iter().map(|id| 2 * id.len() + 64).sum::<usize>();
        bytes += batch.parked.iter().map(|parked| parked.body.len().min(MAX_BODY) + 2_048).sum::<usize>();
        let CommitBatch { watermarks, notified, parked, keyed, .. } = &batch;
        bytes += keyed.iter().map(|call| call.answer.as_ref().map_or(0, String::len) + 2_048).sum::<usize>();
        let has_other = !notified.is_empty() || !parked.is_empty() || keyed.is_some();
        if records.is_empty() && watermarks.is_empty() && !has_other {
            return Ok(Committed { first, last: seq, touched: Vec::new() });
        }
        if self.shared.place.alarm.rings() {
            return Err(CommitError::Latched { path: self.shared.place.path.clone() });
        }
        self.check_space(bytes, floor)?;
        let applied = self.write(first, &records, batch).map_err(|failure| self.latch(failure))?;
        let committed = Committed { first, last: seq, touched: applied.touched };
        self.ledger = applied.ledger;
        self.shared.damages.renewed(applied.rows.iter().map(|(id, _)| id));
        let published = {
            let _turn = self.shared.index.turn();
            self.shared.index.apply(seq, applied.rows);
            self.shared.publish()
        };
        if let Err(error) = published {
            self.doubt = Some(UnknownCommit { committed, rows: Vec::new() });
            return Err(self.latch(error.into()));
        }
        Ok(committed)
    }

    /// The recorded time of a commit at `now`.
    fn dated(&self, now: Timestamp) -> Result<Timestamp, CommitError> {
        let snapshot = self.shared.newest.load();
        let dated = snapshot.dated_until(now + clock::BRIDGED).map_err(|error| self.latch(error.into()))?;
        Ok(clock::recorded_at(now, dated))
    }

    /// Records that only these scopes are watched from now on. Resources of others stay in the store, and reads without a scope
    /// leave them out; a scope that is watched again is included again. A scope counts as no longer watched since its last sweep
    /// ended, or since the newest record if that is later, since its writer also watched the scope. Ends
    /// [`Writer::assume_watched`]. Blocks on the disk, and writes only if something changes.
    ///
    /// # Errors
    /// If the store cannot be read or written. It is unchanged then.
    pub fn watch_only(&mut self, selection: &WatchSelection, now: Timestamp) -> Result<(), CommitError> {
        let changes = self.retiring(selection, now).map_err(|error| self.latch(error.into()))?;
        if !changes.is_empty() {
            self.check_space(0, self.shared.reserve_bytes / 4)?;
            self.retire(&changes).map_err(|failure| self.latch(failure))?;
        }
        self.leave_out(None)?;
        for (scope, since) in changes {
            if let Some(since) = since {
                tracing::info!(%scope, %since, "no longer watched");
            } else {
                tracing::info!(%scope, "watched again");
            }
        }
        Ok(())
    }

    /// Lets readers see the store as if it had recorded that only these scopes are watched, until [`Writer::watch_only`] is
    /// called. Writes nothing: it is not known yet whether the store may be changed.
    ///
    /// # Errors
    /// If the store cannot be read. Readers then see it as before.
    pub fn assume_watched(&mut self, selection: &WatchSelection, now: Timestamp) -> Result<(), CommitError> {
        let changes = self.retiring(selection, now).map_err(|error| self.latch(error.into()))?;
        let mut retired = BTreeMap::clone(&self.shared.newest.load().0.noted);
        for (scope, since) in changes {
            match since {
                Some(since) => drop(retired.insert(scope, since)),
                None => drop(retired.remove(&scope)),
            }
        }
        self.leave_out(Some(Arc::new(retired)))
    }

    /// Sets the scopes that readers leave out: the assumed ones, or else the recorded ones.
    fn leave_out(&self, assumed: Option<Retired>) -> Result<(), CommitError> {
        *self.shared.assumed.write() = assumed;
        self.shared.publish().map_err(|error| self.latch(error.into()))?;
        self.shared.index.leave_out(self.shared.newest.load().retired());
        Ok(())
    }

    /// The scopes that start or stop being watched, with the time since when they are not watched.
    fn retiring(
        &self,
        selection: &WatchSelection,
        now: Timestamp,
    ) -> Result<Vec<(Scope, Option<Timestamp>)>, ReadError> {
        let snapshot = self.shared.newest.load();
        let watermarks = snapshot.watermarks()?;
        // The writer of the newest record also watched these scopes.
        let newest = snapshot.last_time(Timestamp::from_millis(i64::MAX))?.map(|(at, _)| at);
        let ended = |scope: &Scope| watermarks.iter().filter(|mark| mark.scope == *scope).map(|mark| mark.ended).max();
        let known = snapshot.scopes()?.into_iter().filter_map(|scope| {
            let (is_watched, was_watched) = (selection.watches(&scope)?, !snapshot.is_noted_unwatched(&scope));
            if is_watched == was_watched {
                return None;
            }
            let since = (!is_watched).then(|| ended(&scope).max(newest).unwrap_or(now).min(now));
            Some((scope, since))
        });
        Ok(known.collect())
    }

    fn retire(&self, changes: &[(Scope, Option<Timestamp>)]) -> Result<(), WriteError> {
        self.shared.write_transactions.fetch_add(1, Ordering::Relaxed);
        let database = self.shared.database.read();
        let txn = begin(database.as_ref().ok_or(redb::StorageError::DatabaseClosed)?)?;
        {
            let mut meta = txn.open_table(META_TABLE)?;
            for (scope, since) in changes {
                let key = keys::retired(scope);
                match since {
                    Some(since) => {
                        let since = codec::encode_number(&key, keys::time(*since))?;
                        drop(meta.insert(key.as_slice(), since.as_slice())?);
                    }
                    None => drop(meta.remove(key.as_slice())?),
                }
            }
        }
        txn.commit()?;
        Ok(())
    }

    /// Saves only watermarks, as on a clean stop.
    ///
    /// # Errors
    /// The same as for [`Writer::commit`].
    pub fn save_watermarks(&mut self, watermarks: Vec<Watermark>) -> Result<(), CommitError> {
        self.commit(CommitBatch { watermarks, ..CommitBatch::default() }).map(drop)
    }

    /// Reopens the file after the disk failed under it: one attempt. Readers then see the newest state. Returns a commit that was
    /// stored but not reported: the one under which the disk failed. Blocks on the disk.
    ///
    /// # Errors
    /// Why it is not open: [`OpenError::is_passing`] says whether another attempt may help. If not, everybody else sees
    /// [`Health::Lost`]. Nothing is overwritten.
    pub fn reopen(&mut self) -> Result<Option<Committed>, Arc<OpenError>> {
        let reopened = self.try_reopen().map_err(Arc::new);
        if let Err(error) = &reopened
            && !error.is_passing()
        {
            self.shared.place.alarm.lose(Arc::clone(error));
        }
        reopened
    }

    fn try_reopen(&mut self) -> Result<Option<Committed>, OpenError> {
        let Shared { place, log, project, .. } = &*self.shared;
        // The file is closed first, since only one handle may have it. Reads from the old one fail from here on.
        drop(self.shared.database.write().take());
        let Opened { database, log: found, ledger } = place.open_again()?;
        let doubted = self.doubt.as_ref().map(|doubt| doubt.committed.last.0);
        let foreign = if found != *log {
            Some(FileDamage::Replaced { open: *log, found })
        } else if ledger.seq != self.ledger.seq && Some(ledger.seq) != doubted {
            Some(FileDamage::CutShort { acknowledged: self.seq(), found: Seq(ledger.seq) })
        } else {
            None
        };
        if let Some(source) = foreign {
            return Err(OpenError::Damaged { path: place.path.clone(), source });
        }
        let assumed = self.shared.assumed.read().clone();
        let newest = Snapshot::take(&database, *log, *project, &self.shared.damages, assumed.as_ref())
            .map_err(|error| file::unreadable(&place.path, error))?;
        let landed = self.doubt.take().filter(|doubt| doubt.committed.last.0 == ledger.seq);
        self.ledger = ledger;
        *self.shared.database.write() = Some(database);
        self.shared.newest.store(Arc::new(newest));
        let committed = landed.map(|UnknownCommit { committed, rows }| {
            self.shared.index.apply(committed.last, rows);
            committed
        });
        place.alarm.still();
        Ok(committed.filter(|committed| committed.first <= committed.last))
    }

    /// How many bytes must stay free to write a batch. AWS has already carried out a call that a tool now records, and watermarks
    /// are all that remains of a server that stops: these may use most of the reserved space.
    fn floor(&self, batch: &CommitBatch) -> u64 {
        let finishes = batch.entries.iter().any(|(_, event)| matches!(event, Event::ActionFinished { .. }));
        let reserve = self.shared.reserve_bytes;
        // The answer of a call that AWS has carried out is as much to be kept as its end.
        let finishes = finishes || batch.keyed.as_ref().is_some_and(|call| call.answer.is_some());
        let is_watermarks = batch.entries.is_empty() && batch.parked.is_empty() && batch.keyed.is_none();
        if finishes || is_watermarks { reserve / 4 } else { reserve }
    }

    /// Refuses to write when redb would run out of space half-way.
    pub(super) fn check_space(&self, batch_bytes: usize, floor: u64) -> Result<(), CommitError> {
        let place = &self.shared.place;
        let path = || place.path.clone();
        let free = place.disk.free(place.dir()).map_err(|source| CommitError::Space { path: path(), source })?;
        let needed = u64::try_from(batch_bytes).unwrap_or(u64::MAX).saturating_mul(2).max(floor);
        let is_full = free < needed;
        // Every commit is refused from here on: it is logged once.
        if self.full.swap(is_full, Ordering::Relaxed) != is_full {
            let (path, free, needed) = (place.path.display(), mib(free), mib(needed));
            if is_full {
                tracing::warn!(%path, %free, %needed, "too little space is left: nothing is written");
            } else {
                tracing::info!(%path, %free, "there is space again: writing goes on");
            }
        }
        if is_full { Err(CommitError::DiskFull { path: path(), free, needed }) } else { Ok(()) }
    }

    fn write(
        &mut self,
        first: Seq,
        records: &[(Recorded, Vec<u8>)],
        batch: CommitBatch,
    ) -> Result<Applied, WriteError> {
        self.shared.write_transactions.fetch_add(1, Ordering::Relaxed);
        let database = self.shared.database.read();
        let txn = begin(database.as_ref().ok_or(redb::StorageError::DatabaseClosed)?)?;
        let mut transaction = Transaction::open(&txn, self.shared.project, self.ledger)?;
        for (record, bytes) in records {
            transaction.apply(record, bytes)?;
        }
        if let Some((record, _)) = records.last() {
            transaction.stamp(record.recorded_at)?;
        }
        for watermark in &batch.watermarks {
            transaction.save(watermark)?;
        }
        if !batch.notified.is_empty() {
            transaction.remember(Dedupe::open(&txn)?, &batch.notified, batch.recorded_at)?;
        }
        if !batch.parked.is_empty() {
            transaction.park(&txn, batch.parked, batch.recorded_at)?;
        }
        if let Some(call) = &batch.keyed {
            transaction.keep(&txn, call, batch.recorded_at)?;
        }
        let applied = transaction.finish()?;
        if let Err(error) = txn.commit() {
            let Applied { ledger, touched, rows } = applied;
            let committed = Committed { first, last: Seq(ledger.seq), touched };
            self.doubt = Some(UnknownCommit { committed, rows });
            return Err(error.into());
        }
        Ok(applied)
    }

    /// Converts a failure to a public error; a failure of the disk stops all use until the file is reopened.
    pub(super) fn latch(&self, failure: WriteError) -> CommitError {
        match failure {
            WriteError::Decode(error) => CommitError::Damaged(error),
            WriteError::Encode(error) => CommitError::Unencodable(error),
            WriteError::Storage(source) => {
                self.shared.place.alarm.ring(&source);
                CommitError::Failed { path: self.shared.place.path.clone(), source }
            }
        }
    }
}
