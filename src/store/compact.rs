//! Giving back what a store file does not need any more.
//!
//! The file grows in steps and keeps freed pages for later commits; what a large log that was folded away has left is worth
//! giving back. redb moves pages in the file as it is, which needs the store for itself: never while it is served.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use thiserror::Error;

use super::disk::FileSystem;
use super::file::{FILE_NAME, Fault, Place, guarded};
use super::guarded::Alarm;
use super::open_error::OpenError;

/// How much of the file redb may keep in memory meanwhile.
const CACHE_BYTES: usize = 256 << 20;

/// How large the file was, and is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Compacted {
    /// Bytes before.
    pub before: u64,
    /// Bytes after.
    pub after: u64,
}

/// Why the file is not compacted. Its content is as it was.
#[derive(Debug, Error)]
pub enum CompactError {
    /// It does not open.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// redb refused, or the disk failed.
    #[error(
        "{path} could not be compacted: check the disk, and its free space, and try again; its content is as it was"
    )]
    Refused {
        /// The file.
        path: PathBuf,
        /// What redb said.
        #[source]
        source: Box<redb::CompactionError>,
    },
}

/// Compacts the store file in `dir`, which must be there and which nobody else may have open. Blocks for about as long as copying
/// it takes. A process that dies meanwhile leaves a whole store, whose next opening takes longer.
///
/// # Errors
/// [`CompactError`].
pub fn compact(dir: &Path) -> Result<Compacted, CompactError> {
    let path = dir.join(FILE_NAME);
    let place = Place { disk: Arc::new(FileSystem), path: path.clone(), cache_bytes: CACHE_BYTES, alarm: Alarm::new() };
    let length = || std::fs::metadata(&path).map(|file| file.len()).map_err(|error| place.refused(error));
    let before = length()?;
    let mut database = place.open_again()?.database;
    let compacted = guarded(&path, || Ok::<_, Fault>(database.compact()))?;
    compacted.map_err(|error| CompactError::Refused { path: path.clone(), source: Box::new(error) })?;
    drop(database);
    Ok(Compacted { before, after: length()? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::fixtures::{batch, discovered, document, instance, options, removed};
    use crate::store::open;

    #[test]
    fn a_compacted_store_is_smaller_and_holds_the_same() {
        let dir = tempfile::tempdir().unwrap();
        let (mut writer, store) = open(options(&dir)).unwrap();
        let ids: Vec<_> = (0..2000).map(|number| instance(&format!("i-{number}"))).collect();
        for chunk in ids.chunks(200) {
            let entries = chunk.iter().map(|id| discovered(id, document("running", &"x".repeat(2000))));
            writer.commit(batch(entries.collect())).unwrap();
            writer.commit(batch(chunk.iter().map(removed).collect())).unwrap();
        }
        let (log, seq) = (store.log_id(), store.snapshot().unwrap().seq());
        drop((writer, store));
        let Compacted { before, after } = compact(dir.path()).unwrap();
        assert!(after < before, "{before} to {after}");
        let (_writer, store) = open(options(&dir)).unwrap();
        assert_eq!((store.log_id(), store.snapshot().unwrap().seq()), (log, seq));
    }

    #[test]
    fn where_there_is_no_store_none_is_made() {
        let dir = tempfile::tempdir().unwrap();
        assert!(matches!(compact(dir.path()), Err(CompactError::Open(OpenError::Io { .. }))));
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}
