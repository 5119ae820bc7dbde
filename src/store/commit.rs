//! A batch to commit, the result of a commit, and its errors.

use std::path::PathBuf;

use thiserror::Error;

use super::codec::{DecodeError, EncodeError};
use super::watermark::Watermark;
use crate::model::keyed_call::KeyedCall;
use crate::model::{Cause, Event, Parked, ResourceId, Seq, Timestamp};

/// Content to commit at once. The caller limits its size: a commit of 200 discovered resources takes some 10 ms on a quiet machine.
#[derive(Clone, Debug, Default)]
pub struct CommitBatch {
    /// The commit's time, in AWS time. If the clock was set back by up to two hours, the newest record's time is used instead.
    pub recorded_at: Timestamp,
    /// Events in order, each with its cause. One resource may occur several times.
    pub entries: Vec<(Cause, Event)>,
    /// Watermarks to save with them.
    pub watermarks: Vec<Watermark>,
    /// Ids of the notifications that caused the entries: from now on they are known ([`super::Snapshot::is_notified`]).
    pub notified: Vec<String>,
    /// Unreadable queue messages to keep ([`super::Snapshot::parked`]).
    pub parked: Vec<Parked>,
    /// A call with an idempotency key to keep ([`super::Snapshot::keyed`]).
    pub keyed: Option<KeyedCall>,
}

/// The result of a commit. It is durable, and visible to later snapshots and the index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Committed {
    /// The first record's seq. Above `last` if the batch had no entries.
    pub first: Seq,
    /// The last record's seq.
    pub last: Seq,
    /// The changed resources, in log order; a resource that changed twice occurs twice.
    pub touched: Vec<TouchedResource>,
}

/// One change of a resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TouchedResource {
    /// The resource.
    pub id: ResourceId,
    /// The record that changed it.
    pub seq: Seq,
    /// How it changed.
    pub what: ChangeKind,
    /// Whether nobody is notified of it individually: a baseline, or a new mapping.
    pub quiet: bool,
    /// Whether a list of resources shows the change: it came, went, or was renamed.
    pub listed: bool,
    /// Whether its tags changed, by which it may have come into somebody's sight, or gone out of it.
    pub tagged: bool,
}

/// How a resource changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeKind {
    /// It did not exist before.
    Appeared,
    /// Its content changed.
    Changed,
    /// It no longer exists.
    Disappeared,
}

/// Why nothing of a batch was committed.
#[derive(Debug, Error)]
pub enum CommitError {
    /// Too little space is left. Reads continue; the commit can be repeated when there is more space.
    #[error(
        "the disk that holds {path} has {} free, and writing stops below {} (--keep-free): free some space, and \
         Muster goes on by itself", mib(*free), mib(*needed)
    )]
    DiskFull {
        /// The store file.
        path: PathBuf,
        /// Bytes free for this user.
        free: u64,
        /// Bytes that must be free.
        needed: u64,
    },
    /// The disk failed under the store, which can neither be read nor written until it is reopened.
    #[error(
        "writing {path} failed ({source}), and it is opened again: check the disk and its space; Muster goes on by itself"
    )]
    Failed {
        /// The store file.
        path: PathBuf,
        /// The error of the database layer.
        #[source]
        source: Box<redb::Error>,
    },
    /// An earlier failure made the store unusable until it is reopened.
    #[error("{path} failed, and is not open again yet: check the disk and its space; Muster goes on by itself")]
    Latched {
        /// The store file.
        path: PathBuf,
    },
    /// The file system does not report how much space is left.
    #[error("cannot ask how much space is left for {path}: check that the disk is still mounted")]
    Space {
        /// The store file.
        path: PathBuf,
        /// The error of the system.
        #[source]
        source: std::io::Error,
    },
    /// The stored record of a changed resource is damaged.
    #[error(transparent)]
    Damaged(#[from] DecodeError),
    /// Something in the batch cannot be encoded.
    #[error(transparent)]
    Unencodable(#[from] EncodeError),
}

/// A number of bytes for people, rounded down to MiB.
pub(super) fn mib(bytes: u64) -> String {
    format!("{} MiB", bytes >> 20)
}
