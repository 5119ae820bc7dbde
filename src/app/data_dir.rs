//! The directory that one server owns: store, lock, socket and log file.

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

/// Why a directory cannot hold Muster's files.
#[derive(Debug, thiserror::Error)]
pub enum DataDirError {
    /// It cannot be made, or is not a directory.
    #[error("cannot use {} as a directory: make it writable, or name another with --data-dir", path.display())]
    Unusable {
        /// Which.
        path: PathBuf,
        /// What the file system answered.
        #[source]
        source: io::Error,
    },
    /// Somebody else could read the inventory or answer in the server's place.
    #[error(
        "{} belongs to user {owner} or is writable for everybody: remove it, or name another directory with --data-dir",
        path.display()
    )]
    NotPrivate {
        /// Which.
        path: PathBuf,
        /// Its owner's number.
        owner: u32,
    },
}

/// Makes `path` with mode 0700, parents included, unless it exists; refuses one that belongs to another user or that
/// everybody can write.
///
/// An existing directory keeps its mode: somebody made it so (group-writable where the umask is 002). The socket, the lock
/// and the store have modes of their own. Root may use anybody's directory, as containers with mounted volumes do.
///
/// # Errors
/// [`DataDirError`], naming the path.
pub fn prepare(path: &Path) -> Result<(), DataDirError> {
    let unusable = |source| DataDirError::Unusable { path: path.to_owned(), source };
    DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(unusable)?;
    let metadata = std::fs::metadata(path).map_err(unusable)?;
    let user = rustix::process::geteuid();
    let mine = user.is_root() || metadata.uid() == user.as_raw();
    if !mine || metadata.mode() & 0o002 != 0 {
        return Err(DataDirError::NotPrivate { path: path.to_owned(), owner: metadata.uid() });
    }
    Ok(())
}

/// The redb file in `data_dir`.
#[must_use]
pub fn store(data_dir: &Path) -> PathBuf {
    data_dir.join("muster.redb")
}

/// The log file of a detached server of `data_dir`.
#[must_use]
pub fn log(data_dir: &Path) -> PathBuf {
    data_dir.join("muster.log")
}

#[cfg(test)]
mod tests {
    use super::*;

    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_new_directory_is_for_its_owner_only() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a/b");
        prepare(&path).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, 0o700);
        prepare(&path).unwrap();
    }

    #[test]
    fn a_directory_that_everybody_can_write_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o777)).unwrap();
        assert!(matches!(prepare(dir.path()), Err(DataDirError::NotPrivate { .. })));
    }

    #[test]
    fn a_file_in_the_way_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        std::fs::write(&path, "").unwrap();
        let error = prepare(&path).unwrap_err();
        assert!(error.to_string().contains(path.to_str().unwrap()), "{error}");
    }
}
