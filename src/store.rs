//! The store: an append-only log of events and everything derived from it, in one redb file.
//!
//! # Layout
//! `events` is the log (seq -> record). `by_resource` finds a resource's records. `current` holds the current state of each
//! resource without its body, which stands once: in the record of its discovery, or in `bodies` ([`body_place`]). `rows` holds the
//! short form that lists, searches and the comparison of sweeps read, `tombstones` the last state of removed resources. `intervals` holds when each scope was watched, `meta` the format, log id and counters. `base` is the state into which
//! the oldest records were folded; `times` finds a record by its time; `dedupe` holds the recorded notifications. Keys are made in
//! `keys`, records in `codec`.
//!
//! # Rules
//! 1. There is one [`Writer`], which cannot be cloned, and any number of [`Store`] handles, which read.
//! 2. A commit appends events and folds each into `current` in the same transaction. So `current` **is** the fold of the log at
//!    every committed moment, also after a crash; [`verify::fold_log`] proves it.
//! 3. Nothing is acknowledged before it is durable. Every commit can be recovered quickly: reopening after kill -9 takes
//!    milliseconds.
//! 4. A failed read is an error, never an absence. A damaged or newer file is refused and never overwritten. After a failure of the
//!    disk, [`Writer::reopen`] opens the file again; [`Store::health`] reports it.
//! 5. Readers see whole commits. A [`Snapshot`] lives for a second at most: the pages it pins make the file grow.
//! 6. The index in memory follows the commits and can always be rebuilt from `rows`.
//!
//! # Retention
//! [`retain`] folds the oldest records into `base`, up to the horizon; `base` and the later records fold to `current`. [`rebuild`]
//! makes a new file from just these two: a backup, or the readable part of a damaged store.
//!
//! # Format
//! Until version 0.1.0 there is one format at a time, now 6: files of another format are refused and never touched. A row holds the
//! version of the projection that made it; a row of another version is made again from the body when it is read.
//!
//! # Damage
//! Answers about many resources leave out an unreadable record, note it in [`damage`](Store::damage), and report it. Reading that
//! record alone is an error.

mod baseline_record;
mod body_place;
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
#[cfg(test)]
pub(crate) mod fixtures;
mod guarded;
mod handle;
pub mod index;
mod indexed;
pub mod keyed;
mod keys;
pub mod matcher;
mod meta;
mod open_error;
pub mod parked;
mod read_only;
pub mod rebuild;
pub mod retain;
mod row_view;
mod sight;
mod snapshot;
mod stored;
mod tables;
pub mod value_bound;
pub mod verify;
mod watermark;
mod write_error;
mod writer;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use arc_swap::ArcSwap;
use parking_lot::{Mutex, RwLock};

pub use self::baseline_record::BaselineRecord;
pub use self::codec::{DecodeError, EncodeError, EncodeFault, Live, RecordFault};
pub use self::commit::{ChangeKind, CommitBatch, CommitError, Committed, TouchedResource};
pub use self::damage::DamagedRecord;
use self::damage::Damages;
pub use self::disk::{FileSystem, StoreDisk, Untouched};
pub use self::file::FILE_NAME;
use self::file::{Opened, StoreFile};
use self::guarded::Alarm;
pub use self::guarded::Health;
use self::handle::Shared;
pub use self::handle::Store;
pub use self::index::{AlikeRows, Index, IndexRows, OrderedPage, RowSelection, Scan, TagSelection};
pub use self::matcher::{Comparison, Matcher, On, ValuePattern};
pub use self::meta::FORMAT;
pub use self::open_error::{FileDamage, OpenError};
pub use self::retain::{Due, Folded, LogHold, Retention, Stock};
pub use self::row_view::RowView;
pub use self::snapshot::sealed::SealedRecord;
pub use self::snapshot::{Fingerprint, Head, ReadError, Retired, Snapshot, TombstonePage};
pub use self::stored::{Stored, StoredDocument};
pub use self::value_bound::{BoundLimit, BoundSide, ValueBound};
pub use self::watermark::Watermark;
pub use self::writer::Writer;
use crate::model::row::Project;

/// The location and settings of a store.
#[derive(Clone, Debug)]
pub struct StoreOptions {
    /// The data directory, which is created if it does not exist.
    pub dir: PathBuf,
    /// How much memory redb may take for pages of the file, with what the allocator adds to each.
    pub cache_bytes: usize,
    /// How rows are made from documents.
    pub project: Project,
    /// Writing stops when less than this many bytes (or twice the batch) would be free on the disk. Records of a tool's call that
    /// has already begun, and watermarks, may use three quarters of it.
    pub reserve_bytes: u64,
    /// The disk that holds the file.
    pub disk: Arc<dyn StoreDisk>,
}

impl StoreOptions {
    /// A store in `dir` with a cache of 64 MiB that keeps 256 MiB of the disk free.
    #[must_use]
    pub fn new(dir: impl Into<PathBuf>, project: Project) -> Self {
        let disk = Arc::new(FileSystem);
        StoreOptions { dir: dir.into(), cache_bytes: 64 << 20, project, reserve_bytes: 256 << 20, disk }
    }
}

/// Opens the store in a directory, or creates it. Blocks on the disk.
///
/// # Errors
/// If the file is newer than this version, damaged, or in use by another process, or the file system refuses. Nothing is
/// overwritten then.
pub fn open(options: StoreOptions) -> Result<(Writer, Store), OpenError> {
    let StoreOptions { dir, cache_bytes, project, reserve_bytes, disk } = options;
    let place = StoreFile { disk, path: dir.join(FILE_NAME), cache_bytes, alarm: Alarm::new() };
    let Opened { database, log, ledger } = place.open()?;
    let damages = Arc::new(Damages::default());
    let newest = Snapshot::take(&database, log, project, &damages, None)
        .map_err(|error| file::unreadable(&place.path, error))?;
    let index = Index::default();
    index.leave_out(newest.retired());
    // Failures that did not prevent opening the file are over.
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
    Ok((Writer::new(Arc::clone(&shared), ledger), Store(shared, None)))
}

/// Encodes and decodes a record.
#[cfg(test)]
pub(crate) fn recoded(record: &crate::model::Recorded) -> Result<crate::model::Recorded, String> {
    let bytes = codec::encode_event(record).map_err(|error| error.to_string())?;
    codec::decode_event(record.seq, &bytes).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests;
