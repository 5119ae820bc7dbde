//! Errors of opening a store.

use std::path::{Path, PathBuf};

use thiserror::Error;

use super::codec::DecodeError;
use crate::model::{LogId, Seq};

/// Why the store did not open. Nothing was changed on disk.
#[derive(Debug, Error)]
pub enum OpenError {
    /// Another version of Muster wrote it. Nothing is changed.
    #[error("{}", refusal(path, *found, *known))]
    OtherFormat {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: u32,
        /// The only format that this version reads.
        known: u32,
    },
    /// It is not a complete store file.
    #[error(
        "{path} is damaged or is not a Muster store: restore it from a backup, or move it away to list the account \
         afresh (its history is lost with it); Muster will not overwrite it"
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The damage.
        #[source]
        source: FileDamage,
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
        /// The error of the file system.
        #[source]
        source: Box<redb::Error>,
    },
}

/// Describes why a file of another format is refused, and the next step.
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
    /// Whether another attempt may succeed although nobody changes the file.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        matches!(self, OpenError::Held { .. } | OpenError::Io { .. })
    }
}

/// The damage of a store file.
#[derive(Debug, Error)]
pub enum FileDamage {
    /// It has no content.
    #[error("the file is empty")]
    Empty,
    /// redb found it inconsistent.
    #[error("the database layer rejects it")]
    Rejected(#[source] Box<redb::Error>),
    /// redb panicked on it.
    #[error("the database layer failed on it: {message}")]
    Panicked {
        /// The panic's message.
        message: String,
    },
    /// It is a redb file without Muster's tables, or some are missing.
    #[error("its `meta` table lacks `{key}`")]
    Incomplete {
        /// The missing record.
        key: String,
    },
    /// A record of `meta` is damaged.
    #[error("its `meta` table is unreadable")]
    Unreadable(#[source] DecodeError),
    /// Another file replaced it while it was open.
    #[error("it holds log {found}, but log {open} was open")]
    Replaced {
        /// The log that was open.
        open: LogId,
        /// The log that was found.
        found: LogId,
    },
    /// Its newest records disappeared while it was open.
    #[error("it ends at record {found}, but record {acknowledged} was stored and acknowledged")]
    CutShort {
        /// The newest acknowledged record.
        acknowledged: Seq,
        /// The newest record found.
        found: Seq,
    },
}
