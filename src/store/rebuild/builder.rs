//! A new file under construction: takes base rows and records, and derives everything else from them.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use redb::backends::FileBackend;
use redb::{Database, Durability, ReadableTable, WriteTransaction};

use crate::model::known::{Tombstone, fold};
use crate::model::row::Project;
use crate::model::{Current, Event, LogId, Recorded, Seq, Timestamp};
use crate::store::body_place::BodyPlace;
use crate::store::codec::{self, DiskLedger, RecordFault};
use crate::store::counted::{self, BodiesTable, CountedTable, size};
use crate::store::dedupe::{self, Dedupe};
use crate::store::derived::{row_bytes, subjects, tombstone};
use crate::store::keys;
use crate::store::meta::{FORMAT, FORMAT_KEY, LEDGER_KEY, LOG_KEY};
use crate::store::snapshot::Retired;
use crate::store::tables::{
    self, BASE, BASE_TABLE, BODIES_TABLE, BY_RESOURCE_TABLE, CURRENT, CURRENT_TABLE, DEDUPE_TABLE, EVENTS_TABLE,
    INTERVALS_TABLE, META_TABLE, ROWS_TABLE, RawEntry, TIMES_TABLE, TOMBSTONES_TABLE,
};
use crate::store::write_error::WriteError;

use super::base_row::BaseRow;

/// How many bytes of the new file redb may keep in memory.
const CACHE_BYTES: usize = 128 << 20;

/// How many records are derived per transaction.
const DERIVED: usize = 50_000;

/// What is known about a resource while the file is built.
#[derive(Default)]
struct ResourceLog {
    /// Whether it exists after the last record so far.
    exists: bool,
    /// Whether it has a row in `base`.
    based: bool,
    /// The records that concern it.
    seqs: Vec<u64>,
}

/// A file under construction, under a temporary name.
pub(super) struct FileBuilder {
    path: PathBuf,
    database: Database,
    project: Project,
    log: LogId,
    pub(super) ledger: DiskLedger,
    lives: BTreeMap<Vec<u8>, ResourceLog>,
    /// The scopes that are no longer watched.
    pub(super) retired: Retired,
}

impl FileBuilder {
    /// Creates a file at `path`, which must not exist.
    pub(super) fn create(path: &Path, project: Project, log: LogId) -> Result<Self, WriteError> {
        let io = |error: io::Error| WriteError::Storage(Box::new(error.into()));
        // The inventory is readable by its owner only, even in a directory that others may read.
        let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(path).map_err(io)?;
        let stored = |error: redb::DatabaseError| WriteError::Storage(Box::new(error.into()));
        let backend = FileBackend::new(file).map_err(stored)?;
        let database = redb::Builder::new().set_cache_size(CACHE_BYTES).create_with_backend(backend).map_err(stored)?;
        let txn = begin(&database)?;
        tables::create(&txn)?;
        txn.commit()?;
        let (ledger, lives, retired) = (DiskLedger::default(), BTreeMap::new(), Retired::default());
        Ok(FileBuilder { path: path.to_owned(), database, project, log, ledger, lives, retired })
    }

    /// Sets the horizon up to which the log is folded, committed at `at`. Call this before adding records.
    pub(super) fn begin(&mut self, horizon: Seq, at: Timestamp) {
        (self.ledger.seq, self.ledger.horizon, self.ledger.horizon_at) = (horizon.0, horizon.0, at.as_millis());
    }

    /// Whether `base` has a row for a resource.
    pub(super) fn has_base(&self, key: &[u8]) -> bool {
        self.lives.get(key).is_some_and(|life| life.based)
    }

    /// Adds rows of `base`; fastest in key order. Call this before adding records.
    pub(super) fn base(&mut self, rows: &[BaseRow]) -> Result<(), WriteError> {
        if rows.is_empty() {
            return Ok(());
        }
        let txn = begin(&self.database)?;
        {
            let (mut base, mut bodies) = (txn.open_table(BASE_TABLE)?, txn.open_table(BODIES_TABLE)?);
            let live = &mut self.ledger.live;
            for BaseRow { key, known, version, body } in rows {
                drop(counted::insert(&mut base, key, known, &mut live.base)?);
                if bodies.insert(*version, body.as_slice())?.is_none() {
                    live.bodies += size(8, body.len());
                }
                self.lives.insert(key.clone(), ResourceLog { exists: true, based: true, seqs: Vec::new() });
            }
        }
        txn.commit()?;
        Ok(())
    }

    /// Whether a record changes a resource that does not exist.
    pub(super) fn is_orphan(&self, record: &Recorded) -> bool {
        let Some(id) = record.event.resource() else { return false };
        let exists = self.lives.get(&keys::resource(id)).is_some_and(|life| life.exists);
        !exists && !matches!(record.event, Event::Discovered { .. })
    }

    /// Notes a record as the next one, for [`FileBuilder::is_orphan`].
    pub(super) fn note(&mut self, record: &Recorded) {
        for id in subjects(&record.event) {
            let life = self.lives.entry(keys::resource(id)).or_default();
            // An action may name a resource twice.
            if life.seqs.last() != Some(&record.seq.0) {
                life.seqs.push(record.seq.0);
            }
            match record.event {
                Event::Discovered { .. } => life.exists = true,
                Event::Removed { .. } => life.exists = false,
                _ => {}
            }
        }
    }

    /// Adds the next records of the log, which were noted before, with their stored form.
    pub(super) fn records(&mut self, records: &[(Recorded, Vec<u8>)]) -> Result<(), WriteError> {
        let txn = begin(&self.database)?;
        {
            let (mut events, mut times) = (txn.open_table(EVENTS_TABLE)?, txn.open_table(TIMES_TABLE)?);
            let mut notified = Dedupe::open(&txn)?;
            let mut now = Timestamp::EPOCH;
            for (record, bytes) in records {
                now = record.recorded_at;
                if let Some(event_id) = dedupe::told_by(record) {
                    notified.note(event_id, now, &mut self.ledger.live.dedupe)?;
                }
                events.insert(record.seq.0, bytes.as_slice())?;
                self.ledger.live.events += size(8, bytes.len());
                self.ledger.seq = record.seq.0;
                counted::stamp(&mut times, record.recorded_at, record.seq, &mut self.ledger.live.times)?;
            }
            notified.trim(now, dedupe::MAX_IDS, &mut self.ledger.live.dedupe)?;
        }
        txn.commit()?;
        Ok(())
    }

    /// Derives everything else, adds the `intervals` and other entries of `dedupe` (`parked`), and closes the file durably.
    pub(super) fn finish(mut self, intervals: &[RawEntry], parked: &[RawEntry]) -> Result<(), WriteError> {
        let mut counts: BTreeMap<Vec<u8>, u64> = BTreeMap::new();
        let mut lives = std::mem::take(&mut self.lives).into_iter().peekable();
        while lives.peek().is_some() {
            let txn = begin(&self.database)?;
            {
                let mut deriving = Deriving::open(&txn, self.project, &mut self.ledger)?;
                let mut derived = 0;
                while derived < DERIVED
                    && let Some((key, life)) = lives.next()
                {
                    derived += life.seqs.len() + 1;
                    if let Some(count) = deriving.resource(&key, &life)? {
                        *counts.entry(count).or_default() += 1;
                    }
                }
            }
            txn.commit()?;
        }
        let mut txn = begin(&self.database)?;
        txn.set_quick_repair(true);
        {
            let mut kept = txn.open_table(INTERVALS_TABLE)?;
            for (key, bytes) in intervals {
                kept.insert(key.as_slice(), bytes.as_slice())?;
            }
            let mut dedupe = txn.open_table(DEDUPE_TABLE)?;
            for (key, bytes) in parked {
                drop(counted::insert(&mut dedupe, key, bytes, &mut self.ledger.live.dedupe)?);
            }
            let mut meta = txn.open_table(META_TABLE)?;
            for (key, count) in counts {
                meta.insert(key.as_slice(), codec::encode_number(&key, count)?.as_slice())?;
            }
            for (scope, since) in self.retired.iter() {
                let key = keys::retired(scope);
                meta.insert(key.as_slice(), codec::encode_number(&key, keys::time(*since))?.as_slice())?;
            }
            meta.insert(FORMAT_KEY, FORMAT.to_le_bytes().as_slice())?;
            meta.insert(LOG_KEY, codec::encode_number(LOG_KEY, self.log.0)?.as_slice())?;
            meta.insert(LEDGER_KEY, codec::encode_ledger(LEDGER_KEY, self.ledger)?.as_slice())?;
        }
        txn.commit()?;
        drop(self.database);
        // Closing writes once more.
        let synced = File::open(&self.path).and_then(|file| file.sync_all());
        synced.map_err(|error| WriteError::Storage(Box::new(error.into())))
    }
}

/// Starts a transaction that is durable when committed. A file without its final name need not be recovered.
fn begin(database: &Database) -> Result<WriteTransaction, WriteError> {
    let mut txn = database.begin_write()?;
    txn.set_durability(Durability::Immediate)?;
    Ok(txn)
}

/// The tables of a transaction that derives.
struct Deriving<'txn> {
    project: Project,
    ledger: &'txn mut DiskLedger,
    events: redb::Table<'txn, u64, &'static [u8]>,
    base: CountedTable<'txn>,
    by_resource: redb::Table<'txn, &'static [u8], ()>,
    current: CountedTable<'txn>,
    bodies: BodiesTable<'txn>,
    rows: CountedTable<'txn>,
    tombstones: CountedTable<'txn>,
}

impl<'txn> Deriving<'txn> {
    fn open(txn: &'txn WriteTransaction, project: Project, ledger: &'txn mut DiskLedger) -> Result<Self, WriteError> {
        Ok(Deriving {
            project,
            ledger,
            events: txn.open_table(EVENTS_TABLE)?,
            base: txn.open_table(BASE_TABLE)?,
            by_resource: txn.open_table(BY_RESOURCE_TABLE)?,
            current: txn.open_table(CURRENT_TABLE)?,
            bodies: txn.open_table(BODIES_TABLE)?,
            rows: txn.open_table(ROWS_TABLE)?,
            tombstones: txn.open_table(TOMBSTONES_TABLE)?,
        })
    }

    /// Folds a resource's records into its base. Returns the key of its count, if it exists.
    fn resource(&mut self, key: &[u8], life: &ResourceLog) -> Result<Option<Vec<u8>>, WriteError> {
        let (mut current, mut left): (Option<Current>, Option<Tombstone>) = (None, None);
        if life.based
            && let Some(bytes) = self.base.get(key)?
        {
            let known = codec::decode_known(BASE, key, bytes.value())?;
            let place = BodyPlace::of_known(&known, self.ledger.horizon);
            current = Some(known.with(place.document::<WriteError>(&self.events, &self.bodies)?));
        }
        for seq in &life.seqs {
            let place = keys::place(key, Seq(*seq));
            self.by_resource.insert(place.as_slice(), ())?;
            self.ledger.live.by_resource += size(place.len(), 0);
            let record = match self.events.get(*seq)? {
                Some(bytes) => codec::decode_event(Seq(*seq), bytes.value())?,
                None => return Err(codec::event_fault(Seq(*seq), RecordFault::Missing).into()),
            };
            if record.event.resource().is_none() {
                continue;
            }
            let last = current.clone().filter(|_| matches!(record.event, Event::Removed { .. }));
            current = fold(current, &record);
            if current.is_some() {
                left = None;
            } else if let (Event::Removed { at, .. }, Some(last)) = (&record.event, last) {
                left = Some(tombstone(*at, &record, last));
            }
        }
        let horizon = self.ledger.horizon;
        let bytes = &mut self.ledger.live;
        if let Some(left) = left {
            let left = codec::encode_tombstone(key, &left)?;
            drop(counted::insert(&mut self.tombstones, key, &left, &mut bytes.tombstones)?);
        }
        let Some(current) = current else { return Ok(None) };
        let id = keys::KeyReader::default().resource(key).ok_or_else(|| codec::key_fault(tables::BASE, key))?;
        let row = row_bytes(key, &current, &(self.project)(&id, &current.document))?;
        let known = codec::encode_known(CURRENT, key, &current)?;
        drop(counted::insert(&mut self.current, &keys::in_scope(&id), &known, &mut bytes.current)?);
        if let BodyPlace::Table(seq) = BodyPlace::of(current.discovered.0, current.changed.0, horizon) {
            counted::insert_body(&mut self.bodies, seq, &current.document, &mut bytes.bodies)?;
        }
        drop(counted::insert(&mut self.rows, key, &row, &mut bytes.rows)?);
        Ok(Some(keys::count(&id.kind, &id.scope())))
    }
}

/// A file that is removed on drop unless it got its final name.
pub(super) struct Temporary(pub(super) PathBuf);

impl Temporary {
    /// A temporary file beside `place`.
    pub(super) fn beside(place: &Path, log: LogId) -> Self {
        let mut name = place.file_name().unwrap_or_default().to_owned();
        name.push(format!(".{log}.new"));
        Temporary(place.with_file_name(name))
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        // The temporary name is gone once the file has its final name.
        drop(fs::remove_file(&self.0));
    }
}

/// Makes names in a file's directory durable.
pub(super) fn sync_dir(path: &Path) -> io::Result<()> {
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(dir)?.sync_all()
}
