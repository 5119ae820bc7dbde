//! Returns unused space of a store file to the disk.
//!
//! The file grows in steps and keeps freed pages for later commits; after a large log was folded, its pages are worth returning.
//! redb moves pages within the file, which needs exclusive use: never while the store is served.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use thiserror::Error;

use super::disk::FileSystem;
use super::file::{FILE_NAME, OpenFault, StoreFile, guarded};
use super::guarded::Alarm;
use super::open_error::OpenError;

/// How many bytes of the file redb may keep in memory while compacting.
const CACHE_BYTES: usize = 256 << 20;

/// The file's size before and after.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Compacted {
    /// Bytes before.
    pub before: u64,
    /// Bytes after.
    pub after: u64,
}

/// Why the file was not compacted. Its content is unchanged.
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
        /// redb's error.
        #[source]
        source: Box<redb::CompactionError>,
    },
}

/// Compacts the store file in `dir`, which must exist and not be in use. Blocks for about as long as copying it takes. If the
/// process dies meanwhile, the store is complete, but opening it takes longer.
///
/// # Errors
/// [`CompactError`].
pub fn compact(dir: &Path) -> Result<Compacted, CompactError> {
    let path = dir.join(FILE_NAME);
    let place =
        StoreFile { disk: Arc::new(FileSystem), path: path.clone(), cache_bytes: CACHE_BYTES, alarm: Alarm::new() };
    let length = || std::fs::metadata(&path).map(|file| file.len()).map_err(|error| place.refused(error));
    let before = length()?;
    let mut database = place.open_again()?.database;
    let compacted = guarded(&path, || Ok::<_, OpenFault>(database.compact()))?;
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
    fn a_missing_store_is_not_created() {
        let dir = tempfile::tempdir().unwrap();
        assert!(matches!(compact(dir.path()), Err(CompactError::Open(OpenError::Io { .. }))));
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}
