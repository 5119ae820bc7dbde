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
mod commit;
pub mod compact;
mod counted;
#[cfg(test)]
mod crash;
mod damage;
pub mod dedupe;
mod derived;
pub mod disk;
pub mod export;
mod file;
mod guarded;
mod handle;
pub mod index;
mod keys;
pub mod matcher;
mod meta;
mod open_error;
mod overlay;
pub mod parked;
pub mod rebuild;
pub mod retain;
mod row_view;
mod snapshot;
mod stored;
mod tables;
pub mod verify;
mod watermark;
mod write_error;
mod writer;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use arc_swap::ArcSwap;
use parking_lot::{Mutex, RwLock};

pub use self::codec::{DecodeError, EncodeError, Fault, Live, Refusal};
pub use self::commit::{Batch, CommitError, Committed, Touched, What};
pub use self::damage::Damaged;
use self::damage::Damages;
pub use self::disk::{Disk, FileSystem, Untouched};
pub use self::file::FILE_NAME;
use self::file::{Opened, Place};
use self::guarded::Alarm;
pub use self::guarded::Health;
use self::handle::Shared;
pub use self::handle::Store;
pub use self::index::{Index, Scan};
pub use self::matcher::{Matcher, On, Pattern, Test};
pub use self::meta::FORMAT;
pub use self::open_error::{Damage, OpenError};
pub use self::retain::{Due, Folded, Hold, Retention, Stock};
pub use self::row_view::RowView;
pub use self::snapshot::{Fingerprint, Head, ReadError, Retired, Snapshot};
pub use self::stored::{Stored, StoredDocument};
pub use self::watermark::Watermark;
pub use self::writer::Writer;
use crate::model::row::Project;

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
