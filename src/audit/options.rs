//! The settings of the audit file.

use std::path::PathBuf;

/// Where the audit file is, and what depends on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditOptions {
    /// The file, as an absolute path.
    pub path: PathBuf,
    /// Whether tools that change AWS are refused while it is behind or cannot be written.
    pub required: bool,
}
