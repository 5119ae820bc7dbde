//! Why a store does not open.

use std::path::{Path, PathBuf};

use thiserror::Error;

use super::codec::DecodeError;
use crate::model::{LogId, Seq};

/// Why the store did not open. Nothing was changed on disk.
#[derive(Debug, Error)]
pub enum OpenError {
    /// Another version of Muster wrote it. Nothing of it is changed.
    #[error("{}", refusal(path, *found, *known))]
    OtherFormat {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: u32,
        /// The only format that is known.
        known: u32,
    },
    /// It is not a whole store file.
    #[error(
        "{path} is damaged or is not a Muster store: restore it from a backup, or move it away to list the account \
         afresh (its history is lost with it); Muster will not overwrite it"
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: Damage,
    },
    /// Another process has it open.
    #[error(
        "{path} is in use by another process: stop the `muster serve` that runs on this data directory, or choose \
         another with --data-dir"
    )]
    Held {
        /// The file.
        path: PathBuf,
    },
    /// The file system refused.
    #[error("{path} cannot be opened: check that the directory exists, is writable by this user and has free space")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the file system said.
        #[source]
        source: Box<redb::Error>,
    },
}

/// Why a file of another format is refused, and what to do.
fn refusal(path: &Path, found: u32, known: u32) -> String {
    let path = path.display();
    let next = if found > known {
        "run the newer version that wrote it, or choose another data directory with --data-dir"
    } else {
        "choose another data directory with --data-dir, where the account is listed afresh; to keep the history of this one as JSON, \
         run `muster log export` of the older version that wrote it"
    };
    format!(
        "{path} has store format {found}, and this version of Muster reads only format {known}; the file is left as it is: {next}"
    )
}

impl OpenError {
    /// Whether another attempt may succeed without anybody touching the file.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        matches!(self, OpenError::Held { .. } | OpenError::Io { .. })
    }
}

/// What is wrong with a store file.
#[derive(Debug, Error)]
pub enum Damage {
    /// It has no content.
    #[error("the file is empty")]
    Empty,
    /// redb found it inconsistent.
    #[error("the database layer rejects it")]
    Rejected(#[source] Box<redb::Error>),
    /// redb panicked over it.
    #[error("the database layer failed on it: {message}")]
    Panicked {
        /// What the panic said.
        message: String,
    },
    /// It is a redb file without Muster's tables, or they are not whole.
    #[error("its `meta` table lacks `{key}`")]
    Incomplete {
        /// The missing record.
        key: String,
    },
    /// A record of `meta` is damaged.
    #[error("its `meta` table is unreadable")]
    Unreadable(#[source] DecodeError),
    /// While it was open, another file took its place.
    #[error("it holds log {found}, but log {open} was open")]
    Replaced {
        /// The log that was open.
        open: LogId,
        /// The log that was found.
        found: LogId,
    },
    /// While it was open, its newest records went.
    #[error("it ends at record {found}, but record {acknowledged} was stored and acknowledged")]
    CutShort {
        /// The newest record that was acknowledged.
        acknowledged: Seq,
        /// The newest that was found.
        found: Seq,
    },
}
