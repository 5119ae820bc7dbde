//! What is committed at once, what a commit did, and why one failed.

use std::path::PathBuf;

use thiserror::Error;

use super::codec::{DecodeError, EncodeError};
use super::watermark::Watermark;
use crate::model::{Cause, Event, Parked, ResourceId, Seq, Timestamp};

/// What to commit at once. Bounded by the caller: 200 entries keep a commit near 20 ms.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// The commit's time, in AWS time. Where the clock was set back by up to two hours, it is recorded at the newest record's.
    pub recorded_at: Timestamp,
    /// Events in order, each with its cause. One resource may occur several times.
    pub entries: Vec<(Cause, Event)>,
    /// Watermarks to save along with them.
    pub watermarks: Vec<Watermark>,
    /// Ids of the notifications that the entries come of: from now on they are known ([`super::Snapshot::is_notified`]).
    pub notified: Vec<String>,
    /// Messages of a queue that cannot be read, to keep ([`super::Snapshot::parked`]).
    pub parked: Vec<Parked>,
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
        "the disk that holds {path} has {} free, and writing stops below {} (--keep-free): free some space, and \
         Muster goes on by itself", mib(*free), mib(*needed)
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

/// A number of bytes for people: in MiB, up to where it does not matter.
pub(super) fn mib(bytes: u64) -> String {
    format!("{} MiB", bytes >> 20)
}
