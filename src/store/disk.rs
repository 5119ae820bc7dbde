//! The disk under the store: the one seam through which its file is found, opened and written.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use redb::StorageBackend;
use redb::backends::FileBackend;

use super::overlay::Overlay;

#[cfg(test)]
pub(crate) mod memory;

/// Where a store's file is kept. Tests have disks that tear, fill up and fail.
pub trait Disk: fmt::Debug + Send + Sync {
    /// Whether what is written stays. Where it does not, nothing is made that is not there.
    fn is_writable(&self) -> bool {
        true
    }

    /// How many bytes the file has; `None` when there is none.
    ///
    /// # Errors
    /// When the file system does not say.
    fn size(&self, path: &Path) -> io::Result<Option<u64>>;

    /// Makes a file that nobody but its owner may read, and opens it.
    ///
    /// # Errors
    /// When there is one, or the file system refuses.
    fn create(&self, path: &Path) -> io::Result<Box<dyn StorageBackend>>;

    /// Opens a file that is there, to read and write it.
    ///
    /// # Errors
    /// When there is none, or the file system refuses.
    fn open(&self, path: &Path) -> io::Result<Box<dyn StorageBackend>>;

    /// Opens a file that is there, to read it only.
    ///
    /// # Errors
    /// When there is none, or the file system refuses.
    fn read(&self, path: &Path) -> io::Result<Box<dyn StorageBackend>>;

    /// Gives a file a second name, which survives a power cut when this returns.
    ///
    /// # Errors
    /// [`io::ErrorKind::AlreadyExists`] when the name is taken; when the file system refuses.
    fn link(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Takes a name away.
    ///
    /// # Errors
    /// When the file system refuses.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// How many bytes this user may still write in a directory.
    ///
    /// # Errors
    /// When the file system does not say.
    fn free(&self, dir: &Path) -> io::Result<u64>;
}

/// The file system of the operating system.
#[derive(Clone, Copy, Debug, Default)]
pub struct FileSystem;

impl Disk for FileSystem {
    fn size(&self, path: &Path) -> io::Result<Option<u64>> {
        match fs::metadata(path) {
            Ok(metadata) => Ok(Some(metadata.len())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn StorageBackend>> {
        // The inventory is its owner's alone, also in a directory that others may read.
        backend(OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(path)?)
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn StorageBackend>> {
        backend(OpenOptions::new().read(true).write(true).open(path)?)
    }

    fn read(&self, path: &Path) -> io::Result<Box<dyn StorageBackend>> {
        backend(File::open(path)?)
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::hard_link(from, to)?;
        File::open(to.parent().unwrap_or(Path::new(".")))?.sync_all()
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn free(&self, dir: &Path) -> io::Result<u64> {
        let stat = rustix::fs::statvfs(dir)?;
        Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
    }
}

/// The file system for those who only read: what they write stays in memory, and no byte of a file changes. It works on a
/// file, and in a directory, that this user cannot write.
#[derive(Clone, Copy, Debug, Default)]
pub struct Untouched;

impl Untouched {
    fn refused<T>() -> io::Result<T> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }
}

impl Disk for Untouched {
    fn is_writable(&self) -> bool {
        false
    }

    fn size(&self, path: &Path) -> io::Result<Option<u64>> {
        FileSystem.size(path)
    }

    fn create(&self, _: &Path) -> io::Result<Box<dyn StorageBackend>> {
        Self::refused()
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn StorageBackend>> {
        Ok(Box::new(Overlay::open(path)?))
    }

    fn read(&self, path: &Path) -> io::Result<Box<dyn StorageBackend>> {
        FileSystem.read(path)
    }

    fn link(&self, _: &Path, _: &Path) -> io::Result<()> {
        Self::refused()
    }

    fn remove(&self, _: &Path) -> io::Result<()> {
        Self::refused()
    }

    fn free(&self, dir: &Path) -> io::Result<u64> {
        FileSystem.free(dir)
    }
}

fn backend(file: File) -> io::Result<Box<dyn StorageBackend>> {
    Ok(Box::new(FileBackend::new(file).map_err(io::Error::other)?))
}
