//! The store: an append-only log of events and everything derived from it, in one redb file.
//!
//! # Layout
//! `events` is the log (seq -> record). `by_resource` finds a resource's records. `current` holds what is known of each
//! resource, `rows` the short form that lists, searches and sweep comparison read, `tombstones` what removed resources left.
//! `intervals` says when each scope was watched, `meta` holds format, log id, counters. `base` is what the oldest records were folded
//! into, and `times` finds a record by its time; `dedupe` holds the notifications that were recorded. Keys are made in `keys`, records in `codec`.
//!
//! # Rules
//! 1. One [`Writer`], not clonable; any number of [`Store`] handles that read.
//! 2. A commit appends events and folds each over `current` in the same transaction, so `current` **is** the fold of the log
//!    at every committed moment, also after a crash; [`verify::fold_log`] proves it.
//! 3. Nothing is acknowledged before it is durable. Every commit is also quick to recover from: reopening after kill -9 takes
//!    milliseconds.
//! 4. A read failure is an error, never an absence. A damaged or newer file is refused, never overwritten. After a failure of
//!    the disk [`Writer::reopen`] opens the file again; [`Store::health`] tells whoever waits for it.
//! 5. Readers see whole commits. A [`Snapshot`] lives for a second at most, else the pages it pins make the file grow.
//! 6. The index in memory follows the commits; it can always be built anew from `rows`.
//!
//! # Retention
//! [`retain`] folds the oldest records into `base`, up to the horizon; `base` and the records after it fold to `current`. [`rebuild`]
//! makes a new file of just these two: a backup, or what can be kept of a damaged store.
//!
//! # Format
//! Until version 0.1.0 there is one format at a time, now 5: files of another are refused and never touched. A row says which
//! version of its kind's projection made it; one of another version is made anew from `current` when it is read.
//!
//! # Damage
//! A record that cannot be read is left out of answers about many, noted in [`damage`](Store::damage), and named by whoever
//! answers. A read of that one record is an error.

mod clock;
mod codec;
pub mod compact;
#[cfg(test)]
mod crash;
mod damage;
pub mod dedupe;
pub mod disk;
pub mod export;
mod file;
pub mod index;
mod keys;
pub mod matcher;
mod meta;
mod overlay;
pub mod parked;
pub mod rebuild;
pub mod retain;
mod snapshot;
mod stored;
mod tables;
pub mod verify;
mod watermark;
mod writer;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;
use parking_lot::{Mutex, RwLock};
use redb::Database;
use tokio::sync::watch;

pub use self::codec::{DecodeError, EncodeError, Fault, Live, Refusal};
pub use self::damage::Damaged;
use self::damage::Damages;
use self::disk::Alarm;
pub use self::disk::{Disk, FileSystem, Health, Untouched};
pub use self::file::{Damage, FILE_NAME, OpenError};
use self::file::{Opened, Place};
pub use self::index::{Index, Scan};
pub use self::matcher::{Matcher, On, Pattern, Test};
pub use self::meta::FORMAT;
pub use self::retain::{Due, Folded, Hold, Retention, Stock};
pub use self::snapshot::{Fingerprint, Head, ReadError, Retired, Snapshot};
pub use self::stored::{Stored, StoredDocument};
pub use self::watermark::Watermark;
pub use self::writer::{Batch, CommitError, Committed, Touched, What, Writer};
use crate::model::row::Project;
use crate::model::{Kind, LogId, ResourceId, Row, Scope};

/// How many rows [`Store::scan`] reads from one snapshot while there is no index.
const SCAN_STEP: usize = 5_000;

/// Where a store is and how it works.
#[derive(Clone, Debug)]
pub struct Options {
    /// The data directory; made when it is not there.
    pub dir: PathBuf,
    /// How much of the file redb may keep in memory.
    pub cache_bytes: usize,
    /// How rows are made of documents.
    pub project: Project,
    /// Writing stops when less than this many bytes (or twice the batch) would be left on the disk. What a call of a tool that
    /// has begun still has to record, and watermarks, may use three quarters of it.
    pub reserve_bytes: u64,
    /// Where the file is kept.
    pub disk: Arc<dyn Disk>,
}

impl Options {
    /// A store in `dir` with a cache of 64 MiB and 256 MiB of disk kept free.
    #[must_use]
    pub fn new(dir: impl Into<PathBuf>, project: Project) -> Self {
        let disk = Arc::new(FileSystem);
        Options { dir: dir.into(), cache_bytes: 64 << 20, project, reserve_bytes: 256 << 20, disk }
    }
}

/// Opens the store in a directory, or creates it. Blocks on the disk.
///
/// # Errors
/// When the file is newer than this version, damaged, held by another process, or the file system refuses. Nothing is
/// overwritten then.
pub fn open(options: Options) -> Result<(Writer, Store), OpenError> {
    let Options { dir, cache_bytes, project, reserve_bytes, disk } = options;
    let place = Place { disk, path: dir.join(FILE_NAME), cache_bytes, alarm: Alarm::new() };
    let Opened { database, log, ledger } = place.open()?;
    let damages = Arc::new(Damages::default());
    let newest = Snapshot::take(&database, log, project, &damages, None)
        .map_err(|error| file::unreadable(&place.path, error))?;
    let index = Index::default();
    index.leave_out(newest.retired());
    // What failed on the way and did not keep the file from being opened is over.
    place.alarm.still();
    let shared = Arc::new(Shared {
        place,
        project,
        reserve_bytes,
        log,
        newest: ArcSwap::from_pointee(newest),
        assumed: RwLock::default(),
        database: RwLock::new(Some(database)),
        write_transactions: AtomicU64::new(0),
        holds: Mutex::new(0),
        index,
        damages,
    });
    Ok((Writer::new(Arc::clone(&shared), ledger), Store(shared)))
}

/// What the writer and all readers share.
struct Shared {
    place: Place,
    project: Project,
    reserve_bytes: u64,
    log: LogId,
    /// The newest committed state, replaced by each commit: taking a snapshot is a pointer copy instead of opening a
    /// transaction and its tables. It pins no pages that the next commit could use, since no older state is held.
    newest: ArcSwap<Snapshot>,
    /// Which scopes readers take for no longer watched, until it is noted which are.
    assumed: RwLock<Option<Retired>>,
    /// `None` between a failure of the disk and the next opening.
    database: RwLock<Option<Database>>,
    write_transactions: AtomicU64,
    /// How many hold the log: while anyone does, nothing is folded. Locked during a fold.
    holds: Mutex<usize>,
    index: Index,
    /// What was found damaged.
    damages: Arc<Damages>,
}

impl Shared {
    /// Makes the newest committed state the one that is read.
    fn publish(&self) -> Result<(), ReadError> {
        let database = self.database.read();
        let database = database.as_ref().ok_or(redb::StorageError::DatabaseClosed)?;
        let assumed = self.assumed.read();
        let newest = Snapshot::take(database, self.log, self.project, &self.damages, assumed.as_ref())?;
        self.newest.store(Arc::new(newest));
        Ok(())
    }
}

/// A reading handle. Clones share the same store; it stays open until the last handle and the [`Writer`] are gone.
#[derive(Clone)]
pub struct Store(Arc<Shared>);

impl Store {
    /// The newest committed state.
    ///
    /// # Errors
    /// While the disk fails under the store. A snapshot taken before that fails as well, for good.
    pub fn snapshot(&self) -> Result<Snapshot, ReadError> {
        if self.0.place.alarm.rings() {
            return Err(redb::StorageError::PreviousIo.into());
        }
        Ok(Snapshot::clone(&self.0.newest.load()))
    }

    /// Whether it can be read and written, now and from now on.
    #[must_use]
    pub fn health(&self) -> watch::Receiver<Health> {
        self.0.place.alarm.health()
    }

    /// Whether the disk failed under it and it is not open again.
    #[must_use]
    pub fn is_failing(&self) -> bool {
        self.0.place.alarm.rings()
    }

    /// How often the disk failed under it since it was opened. What failed while this moved is worth asking again.
    #[must_use]
    pub fn failures(&self) -> u64 {
        self.0.place.alarm.failures()
    }

    /// The records that were found damaged so far, and whether there are more than are remembered. Reads of many records
    /// leave them out: whoever answers from those says so.
    #[must_use]
    pub fn damage(&self) -> (Vec<Damaged>, bool) {
        self.0.damages.all()
    }

    /// How many rows of a kind, in one scope or in all, were found damaged so far.
    #[must_use]
    pub fn damaged_rows(&self, kind: &Kind, scope: Option<&Scope>) -> u64 {
        self.0.damages.count(tables::ROWS, kind, scope)
    }

    /// The log's id.
    #[must_use]
    pub fn log_id(&self) -> LogId {
        self.0.log
    }

    /// The store file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0.place.path
    }

    /// How many write transactions were begun since the store was opened.
    #[must_use]
    pub fn write_transactions(&self) -> u64 {
        self.0.write_transactions.load(Ordering::Relaxed)
    }

    /// The index in memory.
    #[must_use]
    pub fn index(&self) -> &Index {
        &self.0.index
    }

    /// Builds the index. Blocks for about a second a million rows: for a thread of its own. Commits go on meanwhile.
    ///
    /// # Errors
    /// When the store cannot be read; the index stays as it was.
    pub fn build_index(&self) -> Result<(), ReadError> {
        self.0.index.build(|| self.snapshot())
    }

    /// The matching resources of a kind, of one scope or of all, after `after` in list order, at most `limit`: from the index,
    /// or from the `rows` table while there is no index. Then it blocks on the disk, about a millisecond a thousand rows.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn scan(
        &self,
        kind: &Kind,
        scope: Option<&Scope>,
        matcher: &Matcher,
        after: Option<&ResourceId>,
        limit: usize,
    ) -> Result<Scan, ReadError> {
        if let Some(found) = self.0.index.scan(kind, scope, matcher, after, limit) {
            return Ok(found);
        }
        let mut found = Scan { ids: Vec::new(), total: 0, seq: self.snapshot()?.seq() };
        self.each_match(kind, scope, matcher, |row| {
            found.total += 1;
            if found.ids.len() < limit && after.is_none_or(|after| row.id > *after) {
                found.ids.push(row.id);
            }
        })?;
        Ok(found)
    }

    /// How many resources of a kind have each value that `on` names; see [`Index::count_by`]. Reads `rows` while there is no
    /// index.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn count_by(&self, kind: &Kind, scope: Option<&Scope>, on: &On) -> Result<BTreeMap<String, u64>, ReadError> {
        if let Some(counts) = self.0.index.count_by(kind, scope, on) {
            return Ok(counts);
        }
        let mut counts = BTreeMap::new();
        self.each_match(kind, scope, &Matcher::any(), |row| {
            let values: BTreeSet<&str> = on.values(&row.fields).collect();
            for value in values {
                *counts.entry(value.to_owned()).or_default() += 1;
            }
        })?;
        Ok(counts)
    }

    /// Visits the matching rows of a kind in list order, from a new snapshot every few thousand.
    fn each_match(
        &self,
        kind: &Kind,
        scope: Option<&Scope>,
        matcher: &Matcher,
        mut visit: impl FnMut(Row),
    ) -> Result<(), ReadError> {
        let mut after: Option<ResourceId> = None;
        loop {
            let rows = self.snapshot()?.rows(kind, scope, after.as_ref(), SCAN_STEP)?;
            let last = if rows.len() < SCAN_STEP { None } else { rows.last().map(|row| row.id.clone()) };
            rows.into_iter().filter(|row| matcher.matches(&row.fields)).for_each(&mut visit);
            match last {
                Some(last) => after = Some(last),
                None => return Ok(()),
            }
        }
    }
}

/// A record through its stored form and back.
#[cfg(test)]
pub(crate) fn recoded(record: &crate::model::Recorded) -> Result<crate::model::Recorded, String> {
    let bytes = codec::encode_event(record).map_err(|error| error.to_string())?;
    codec::decode_event(record.seq, &bytes).map_err(|error| error.to_string())
}

#[cfg(test)]
mod samples;
#[cfg(test)]
mod tests;
