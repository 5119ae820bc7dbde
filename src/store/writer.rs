//! Writing: the only way anything gets into the store.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use redb::{AccessGuard, Database, Durability, ReadableTable, Table, WriteTransaction};
use thiserror::Error;

use super::codec::{self, DecodeError, DiskHead, DiskWatermark, EncodeError, Ledger};
use super::file::{self, Damage, OpenError, Opened};
use super::keys;
use super::meta::LEDGER_KEY;
use super::snapshot::{ReadError, Snapshot};
use super::tables::{
    BY_RESOURCE_TABLE, CURRENT_TABLE, EVENTS_TABLE, INTERVALS_TABLE, META_TABLE, ROWS_TABLE, TIMES_TABLE,
    TOMBSTONES_TABLE,
};
use super::watermark::Watermark;
use super::{Shared, Store};
use crate::model::known::{Tombstone, fold};
use crate::model::row::Project;
use crate::model::{Cause, Current, Event, Recorded, ResourceId, RowFields, Seq, Timestamp};

/// What to commit at once. Bounded by the caller: 200 entries keep a commit near 20 ms.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// The commit's time, in AWS time.
    pub recorded_at: Timestamp,
    /// Events in order, each with its cause. One resource may occur several times.
    pub entries: Vec<(Cause, Event)>,
    /// Watermarks to save along with them.
    pub watermarks: Vec<Watermark>,
}

/// What a commit did. Durable, and visible to every snapshot taken from now on and to the index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Committed {
    /// The first record's seq. Above `last` when the batch had no entries.
    pub first: Seq,
    /// The last record's seq.
    pub last: Seq,
    /// The resources that changed, in log order; one that changed twice occurs twice.
    pub touched: Vec<Touched>,
}

/// One change of a resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Touched {
    /// Which.
    pub id: ResourceId,
    /// By which record.
    pub seq: Seq,
    /// How.
    pub what: What,
    /// Whether nobody is told one by one: a baseline, or a new mapping.
    pub quiet: bool,
    /// Whether a list of resources shows it: it came, went, or got another name.
    pub listed: bool,
}

/// How a resource changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// It was not there before.
    Appeared,
    /// Its content changed.
    Changed,
    /// It is not there any more.
    Disappeared,
}

/// Why nothing of a batch was committed.
#[derive(Debug, Error)]
pub enum CommitError {
    /// Too little space is left. Reads go on; try again when there is more.
    #[error(
        "the disk that holds {path} has {free} bytes free, and writing stops below {needed}: free some space, and \
         Muster goes on by itself"
    )]
    DiskFull {
        /// The store file.
        path: PathBuf,
        /// Bytes free to this user.
        free: u64,
        /// Bytes that must be free.
        needed: u64,
    },
    /// The disk failed under the store. From now on it neither reads nor writes until it is opened again.
    #[error(
        "writing {path} failed ({source}), and it is opened again: check the disk and its space; Muster goes on by itself"
    )]
    Failed {
        /// The store file.
        path: PathBuf,
        /// What the database layer said.
        #[source]
        source: Box<redb::Error>,
    },
    /// An earlier failure made the store unusable until it is opened again.
    #[error("{path} failed, and is not open again yet: check the disk and its space; Muster goes on by itself")]
    Latched {
        /// The store file.
        path: PathBuf,
    },
    /// The file system does not say how much space is left.
    #[error("cannot ask how much space is left for {path}: check that the disk is still mounted")]
    Space {
        /// The store file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// A resource that the batch changes is stored damaged.
    #[error(transparent)]
    Damaged(#[from] DecodeError),
    /// The batch holds something that has no stored form.
    #[error(transparent)]
    Unencodable(#[from] EncodeError),
}

/// The one writer of a store. It is not `Clone`: whoever holds it is the only one to write.
pub struct Writer {
    pub(super) shared: Arc<Shared>,
    pub(super) ledger: Ledger,
    /// The interval that retention looks at next.
    pub(super) next_interval: Option<Vec<u8>>,
    /// The commit that the disk failed under: only the file, opened again, tells whether it is there.
    doubt: Option<Doubt>,
}

/// A commit whose outcome is not known.
struct Doubt {
    committed: Committed,
    /// What the index does not have of it.
    rows: Vec<(ResourceId, Option<RowFields>)>,
}

impl Writer {
    pub(super) fn new(shared: Arc<Shared>, ledger: Ledger) -> Self {
        Writer { shared, ledger, next_interval: None, doubt: None }
    }

    /// The newest state.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn snapshot(&self) -> Result<Snapshot, ReadError> {
        self.store().snapshot()
    }

    /// A reading handle on the same store.
    #[must_use]
    pub fn store(&self) -> Store {
        Store(Arc::clone(&self.shared))
    }

    /// The newest record's seq.
    #[must_use]
    pub fn seq(&self) -> Seq {
        Seq(self.ledger.seq)
    }

    /// Commits a batch, all or nothing, and returns when it is durable.
    ///
    /// Each event is folded by [`crate::model::known::fold`] over what the store holds, so the snapshot is the fold of the
    /// log by construction. A batch without entries and watermarks opens no transaction. Blocks on the disk.
    ///
    /// # Errors
    /// Nothing of the batch is stored then; but after [`CommitError::Failed`], when the disk failed, only [`Writer::reopen`]
    /// tells whether it is, and until then every further commit and read fails.
    pub fn commit(&mut self, batch: Batch) -> Result<Committed, CommitError> {
        let mut seq = self.seq();
        let mut records = Vec::with_capacity(batch.entries.len());
        let mut bytes = 0;
        let first = seq.next();
        let floor = self.floor(&batch);
        for (cause, event) in batch.entries {
            seq = seq.next();
            let record = Recorded { seq, recorded_at: batch.recorded_at, cause, event };
            let encoded = codec::encode_event(&record)?;
            bytes += encoded.len();
            records.push((record, encoded));
        }
        if records.is_empty() && batch.watermarks.is_empty() {
            return Ok(Committed { first, last: seq, touched: Vec::new() });
        }
        if self.shared.place.alarm.rings() {
            return Err(CommitError::Latched { path: self.shared.place.path.clone() });
        }
        self.check_space(bytes, floor)?;
        let applied = self.write(first, &records, &batch.watermarks).map_err(|failure| self.latch(failure))?;
        let committed = Committed { first, last: seq, touched: applied.touched };
        self.ledger = applied.ledger;
        self.shared.index.apply(seq, applied.rows);
        if let Err(error) = self.shared.publish() {
            self.doubt = Some(Doubt { committed, rows: Vec::new() });
            return Err(self.latch(error.into()));
        }
        Ok(committed)
    }

    /// Saves watermarks alone, as on a clean stop.
    ///
    /// # Errors
    /// As [`Writer::commit`].
    pub fn save_watermarks(&mut self, watermarks: Vec<Watermark>) -> Result<(), CommitError> {
        self.commit(Batch { watermarks, ..Batch::default() }).map(drop)
    }

    /// Opens the file again after the disk failed under it: one attempt. Readers see the newest state from then on. Returns what
    /// was committed without anybody having been told: the commit that the disk failed under may be there. Blocks on the disk.
    ///
    /// # Errors
    /// Why it is not open: [`OpenError::is_passing`] says whether another attempt may help. When not, [`Health::Lost`] says so
    /// to everybody else. Nothing is overwritten.
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
        // First closed: one handle at a time may have the file. What still reads from the old one fails from here on.
        drop(self.shared.database.write().take());
        let Opened { database, log: found, ledger } = place.open_again()?;
        let doubted = self.doubt.as_ref().map(|doubt| doubt.committed.last.0);
        let foreign = if found != *log {
            Some(Damage::Replaced { open: *log, found })
        } else if ledger.seq != self.ledger.seq && Some(ledger.seq) != doubted {
            Some(Damage::CutShort { acknowledged: self.seq(), found: Seq(ledger.seq) })
        } else {
            None
        };
        if let Some(source) = foreign {
            return Err(OpenError::Damaged { path: place.path.clone(), source });
        }
        let newest = Snapshot::take(&database, *log, *project).map_err(|error| file::unreadable(&place.path, error))?;
        let landed = self.doubt.take().filter(|doubt| doubt.committed.last.0 == ledger.seq);
        self.ledger = ledger;
        *self.shared.database.write() = Some(database);
        self.shared.newest.store(Arc::new(newest));
        let committed = landed.map(|Doubt { committed, rows }| {
            self.shared.index.apply(committed.last, rows);
            committed
        });
        place.alarm.still();
        Ok(committed.filter(|committed| committed.first <= committed.last))
    }

    /// How much must stay free for a batch to be written. AWS has acted already on what a tool's call ends with, and watermarks
    /// are all that is left of a server that stops: these may use most of what is kept free.
    fn floor(&self, batch: &Batch) -> u64 {
        let finishes = batch.entries.iter().any(|(_, event)| matches!(event, Event::ActionFinished { .. }));
        let reserve = self.shared.reserve_bytes;
        if finishes || batch.entries.is_empty() { reserve / 4 } else { reserve }
    }

    /// Refuses to write while redb, running out of space half-way, would fail.
    pub(super) fn check_space(&self, batch_bytes: usize, floor: u64) -> Result<(), CommitError> {
        let place = &self.shared.place;
        let path = || place.path.clone();
        let free = place.disk.free(place.dir()).map_err(|source| CommitError::Space { path: path(), source })?;
        let needed = u64::try_from(batch_bytes).unwrap_or(u64::MAX).saturating_mul(2).max(floor);
        if free < needed {
            return Err(CommitError::DiskFull { path: path(), free, needed });
        }
        Ok(())
    }

    fn write(
        &mut self,
        first: Seq,
        records: &[(Recorded, Vec<u8>)],
        watermarks: &[Watermark],
    ) -> Result<Applied, Failure> {
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
        for watermark in watermarks {
            transaction.save(watermark)?;
        }
        let applied = transaction.finish()?;
        if let Err(error) = txn.commit() {
            let Applied { ledger, touched, rows } = applied;
            let committed = Committed { first, last: Seq(ledger.seq), touched };
            self.doubt = Some(Doubt { committed, rows });
            return Err(error.into());
        }
        Ok(applied)
    }

    /// Makes a failure public; one of the disk stops all further use until the file is opened again.
    pub(super) fn latch(&self, failure: Failure) -> CommitError {
        match failure {
            Failure::Decode(error) => CommitError::Damaged(error),
            Failure::Encode(error) => CommitError::Unencodable(error),
            Failure::Storage(source) => {
                self.shared.place.alarm.ring(&source);
                CommitError::Failed { path: self.shared.place.path.clone(), source }
            }
        }
    }
}

/// A failure on the way, before it is known whose it is.
pub(super) enum Failure {
    Storage(Box<redb::Error>),
    Decode(DecodeError),
    Encode(EncodeError),
}

impl From<ReadError> for Failure {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Unavailable(source) => Failure::Storage(source),
            ReadError::Damaged(error) => Failure::Decode(error),
        }
    }
}

impl From<DecodeError> for Failure {
    fn from(error: DecodeError) -> Self {
        Failure::Decode(error)
    }
}

impl From<EncodeError> for Failure {
    fn from(error: EncodeError) -> Self {
        Failure::Encode(error)
    }
}

macro_rules! storage {
    ($($error:ty),+) => {$(
        impl From<$error> for Failure {
            fn from(error: $error) -> Self {
                Failure::Storage(Box::new(error.into()))
            }
        }
    )+};
}
storage!(redb::TransactionError, redb::TableError, redb::StorageError, redb::CommitError, redb::SetDurabilityError);

/// Begins a transaction that is durable when committed and cheap to recover from.
pub(super) fn begin(database: &Database) -> Result<WriteTransaction, Failure> {
    let mut txn = database.begin_write()?;
    txn.set_durability(Durability::Immediate)?;
    // Reopening after kill -9 then takes a millisecond instead of a walk over the whole file.
    txn.set_quick_repair(true);
    Ok(txn)
}

/// What a transaction leaves for memory to follow.
struct Applied {
    ledger: Ledger,
    touched: Vec<Touched>,
    rows: Vec<(ResourceId, Option<RowFields>)>,
}

pub(super) type Plain<'txn> = Table<'txn, &'static [u8], &'static [u8]>;

/// The tables of one write transaction and what it did so far.
struct Transaction<'txn> {
    project: Project,
    events: Table<'txn, u64, &'static [u8]>,
    by_resource: Table<'txn, &'static [u8], ()>,
    current: Plain<'txn>,
    rows: Plain<'txn>,
    tombstones: Plain<'txn>,
    intervals: Plain<'txn>,
    times: Table<'txn, u64, u64>,
    meta: Plain<'txn>,
    /// By how much each count moves.
    counts: BTreeMap<Vec<u8>, i64>,
    applied: Applied,
}

impl<'txn> Transaction<'txn> {
    fn open(txn: &'txn WriteTransaction, project: Project, ledger: Ledger) -> Result<Self, Failure> {
        Ok(Transaction {
            project,
            events: txn.open_table(EVENTS_TABLE)?,
            by_resource: txn.open_table(BY_RESOURCE_TABLE)?,
            current: txn.open_table(CURRENT_TABLE)?,
            rows: txn.open_table(ROWS_TABLE)?,
            tombstones: txn.open_table(TOMBSTONES_TABLE)?,
            intervals: txn.open_table(INTERVALS_TABLE)?,
            times: txn.open_table(TIMES_TABLE)?,
            meta: txn.open_table(META_TABLE)?,
            counts: BTreeMap::new(),
            applied: Applied { ledger, touched: Vec::new(), rows: Vec::new() },
        })
    }

    /// Appends one record and brings everything that is derived from the log up to it.
    fn apply(&mut self, record: &Recorded, bytes: &[u8]) -> Result<(), Failure> {
        self.events.insert(record.seq.0, bytes)?;
        self.applied.ledger.seq = record.seq.0;
        self.applied.ledger.live.events += size(8, bytes.len());
        for id in subjects(&record.event) {
            let place = keys::place(&keys::resource(id), record.seq);
            // An action may name a resource twice.
            if self.by_resource.insert(place.as_slice(), ())?.is_none() {
                self.applied.ledger.live.by_resource += size(place.len(), 0);
            }
        }
        let Some(id) = record.event.resource() else { return Ok(()) };
        let key = keys::resource(id);
        let before = match self.current.get(key.as_slice())? {
            Some(bytes) => Some(codec::decode_current(&key, bytes.value())?),
            None => None,
        };
        let existed = before.is_some();
        let last = before.as_ref().filter(|_| matches!(record.event, Event::Removed { .. })).cloned();
        let (what, listed) = match (existed, fold(before, record)) {
            (false, None) => return Ok(()),
            (true, None) => {
                self.remove(id, &key, record, last)?;
                (What::Disappeared, true)
            }
            (_, Some(current)) => {
                let listed = self.put(id, &key, existed, &current)?;
                (if existed { What::Changed } else { What::Appeared }, listed)
            }
        };
        let quiet = record.cause == Cause::Baseline || matches!(record.event, Event::Remapped { .. });
        self.applied.touched.push(Touched { id: id.clone(), seq: record.seq, what, quiet, listed });
        Ok(())
    }

    /// Stores a resource, and says whether lists show that: it is new, or has another name.
    fn put(&mut self, id: &ResourceId, key: &[u8], existed: bool, current: &Current) -> Result<bool, Failure> {
        let live = &mut self.applied.ledger.live;
        insert(&mut self.current, key, &codec::encode_current(key, current)?, &mut live.current)?;
        let fields = (self.project)(id, &current.document);
        let before = insert(&mut self.rows, key, &row_bytes(key, current, &fields)?, &mut live.rows)?;
        let listed = match &before {
            Some(before) => codec::decode_head(key, before.value())?.name != fields.name.as_deref(),
            None => true,
        };
        drop(before);
        if !existed {
            remove(&mut self.tombstones, key, &mut live.tombstones)?;
            *self.counts.entry(keys::count(&id.kind, &id.scope())).or_default() += 1;
        }
        self.applied.rows.push((id.clone(), Some(fields)));
        Ok(listed)
    }

    fn remove(&mut self, id: &ResourceId, key: &[u8], record: &Recorded, last: Option<Current>) -> Result<(), Failure> {
        let live = &mut self.applied.ledger.live;
        remove(&mut self.current, key, &mut live.current)?;
        remove(&mut self.rows, key, &mut live.rows)?;
        if let (Event::Removed { at, .. }, Some(last)) = (&record.event, last) {
            let tombstone = tombstone(*at, record, last);
            insert(&mut self.tombstones, key, &codec::encode_tombstone(key, &tombstone)?, &mut live.tombstones)?;
        }
        *self.counts.entry(keys::count(&id.kind, &id.scope())).or_default() -= 1;
        self.applied.rows.push((id.clone(), None));
        Ok(())
    }

    /// Notes that everything up to now was committed at `at`.
    fn stamp(&mut self, at: Timestamp) -> Result<(), Failure> {
        stamp(&mut self.times, at, Seq(self.applied.ledger.seq), &mut self.applied.ledger.live.times)?;
        Ok(())
    }

    fn save(&mut self, watermark: &Watermark) -> Result<(), Failure> {
        let key = keys::interval(&watermark.scope, &watermark.kind, watermark.since);
        let disk = DiskWatermark {
            started: watermark.started.as_millis(),
            ended: watermark.ended.as_millis(),
            complete: watermark.complete,
        };
        self.intervals.insert(key.as_slice(), codec::encode_watermark(&key, &disk)?.as_slice())?;
        Ok(())
    }

    /// Writes counts and ledger, and lets go of the tables so that the transaction can be committed.
    fn finish(mut self) -> Result<Applied, Failure> {
        for (key, change) in &self.counts {
            let before = match self.meta.get(key.as_slice())? {
                Some(bytes) => codec::decode_number(key, bytes.value())?,
                None => 0,
            };
            match before.saturating_add_signed(*change) {
                0 => drop(self.meta.remove(key.as_slice())?),
                count => drop(self.meta.insert(key.as_slice(), codec::encode_number(key, count)?.as_slice())?),
            }
        }
        let ledger = codec::encode_ledger(LEDGER_KEY, self.applied.ledger)?;
        self.meta.insert(LEDGER_KEY, ledger.as_slice())?;
        Ok(self.applied)
    }
}

/// Notes in `times` that everything up to `seq` was committed at `at`. Earlier entries above `at`, of a clock that was set back
/// since, go: whoever asks for a time between then finds what was committed last up to it.
pub(super) fn stamp(
    times: &mut Table<'_, u64, u64>,
    at: Timestamp,
    seq: Seq,
    live: &mut u64,
) -> Result<(), redb::StorageError> {
    let at = keys::time(at);
    loop {
        let last = times.last()?.map(|(last, _)| last.value());
        let Some(last) = last.filter(|last| *last >= at) else { break };
        times.remove(last)?;
        *live = live.saturating_sub(16);
    }
    times.insert(at, seq.0)?;
    *live += 16;
    Ok(())
}

/// The resources whose timeline shows an event: the one it changes, or those that an action is about.
pub(super) fn subjects(event: &Event) -> &[ResourceId] {
    match event {
        Event::ActionRequested { targets, .. } => targets,
        event => event.resource().map_or(&[], std::slice::from_ref),
    }
}

/// The row of a resource, as stored.
pub(super) fn row_bytes(key: &[u8], current: &Current, fields: &RowFields) -> Result<Vec<u8>, EncodeError> {
    let head = DiskHead {
        digest: current.document.fingerprint(current.mapping).to_le_bytes(),
        provisional: current.provisional.is_some(),
        seen: current.evidence.newest().as_millis(),
        changed: current.changed.0,
        name: fields.name.as_deref(),
        owner: fields.owner.as_deref(),
    };
    codec::encode_row(key, head, fields)
}

/// What a removal leaves of a resource.
pub(super) fn tombstone(at: Timestamp, record: &Recorded, last: Current) -> Tombstone {
    Tombstone { at, removed_at: record.recorded_at, seq: record.seq, document: last.document }
}

/// Puts a record in, keeps count of the bytes, and returns the record it replaces.
pub(super) fn insert<'t>(
    table: &'t mut Plain<'_>,
    key: &[u8],
    value: &[u8],
    live: &mut u64,
) -> Result<Option<AccessGuard<'t, &'static [u8]>>, Failure> {
    let old = table.insert(key, value)?;
    let freed = old.as_ref().map_or(0, |old| size(key.len(), old.value().len()));
    *live = (*live + size(key.len(), value.len())).saturating_sub(freed);
    Ok(old)
}

pub(super) fn remove(table: &mut Plain<'_>, key: &[u8], live: &mut u64) -> Result<(), Failure> {
    let old = table.remove(key)?.map_or(0, |old| size(key.len(), old.value().len()));
    *live = live.saturating_sub(old);
    Ok(())
}

pub(super) fn size(key: usize, value: usize) -> u64 {
    u64::try_from(key + value).unwrap_or(u64::MAX)
}
