//! A temporary directory of the demo.

use std::io;
use std::path::{Path, PathBuf};

use crate::connection::data_dir;

/// A private directory under the system's temporary one, removed with everything in it when dropped.
#[derive(Debug)]
pub(super) struct TemporaryDirectory(PathBuf);

impl TemporaryDirectory {
    /// Makes a directory with an unpredictable name.
    pub(super) fn make() -> Result<Self, data_dir::DataDirError> {
        let path = std::env::temp_dir().join(format!("muster-demo-{:016x}", fastrand::u64(..)));
        data_dir::prepare(&path)?;
        Ok(TemporaryDirectory(path))
    }

    /// Returns its path.
    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for TemporaryDirectory {
    fn drop(&mut self) {
        match std::fs::remove_dir_all(&self.0) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!(path = %self.0.display(), %error, "the demo's files stay behind");
            }
            _ => {}
        }
    }
}
