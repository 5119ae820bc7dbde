//! The audit file: each record of the log about a tool's call that changes AWS, as one line of JSON, for a log shipper.
//!
//! A task follows the log and appends to the file, so no write waits for it, and no line comes before the record that it tells of is
//! durable. How far it has come is kept in the data directory, and saved only after the lines are on the disk: no line is missing
//! after a crash, but the last ones may stand there twice. Each line names its log and its number in it, by which a reader finds them.
//!
//! The file may be rotated by renaming it; a new one is made at the next line. Where it cannot be written, or is behind, answers say
//! so ([`AuditProgress`]), and with `--audit-required` tools that change AWS are refused.

mod file;
mod follow;
mod place;
mod progress;

pub use self::file::AuditFileError;
pub use self::follow::follow;
pub use self::progress::AuditProgress;
use std::path::PathBuf;

/// Where the audit file is, and what depends on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditOptions {
    /// The file, as an absolute path.
    pub path: PathBuf,
    /// Whether tools that change AWS are refused while it is behind or cannot be written.
    pub required: bool,
}
