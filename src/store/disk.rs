//! The disk under the store: its file is found, opened and written only through this.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use redb::StorageBackend;
use redb::backends::FileBackend;

use super::read_only::ReadOnlyFile;

#[cfg(test)]
pub(crate) mod memory;

/// The disk that holds a store's file. Tests use disks that tear writes, fill up and fail.
pub trait StoreDisk: fmt::Debug + Send + Sync {
    /// Whether writes are kept. If not, no missing file is created.
    fn is_writable(&self) -> bool {
        true
    }

    /// The file's size in bytes; `None` if there is no file.
    ///
    /// # Errors
    /// If the file system does not say.
    fn size(&self, path: &Path) -> io::Result<Option<u64>>;

    /// Creates a file that only its owner may read, and opens it.
    ///
    /// # Errors
    /// If the file exists, or the file system refuses.
    fn create(&self, path: &Path) -> io::Result<Box<dyn StorageBackend>>;

    /// Opens an existing file for reading and writing.
    ///
    /// # Errors
    /// If there is no file, or the file system refuses.
    fn open(&self, path: &Path) -> io::Result<Box<dyn StorageBackend>>;

    /// Opens an existing file for reading.
    ///
    /// # Errors
    /// If there is no file, or the file system refuses.
    fn read(&self, path: &Path) -> io::Result<Box<dyn StorageBackend>>;

    /// Gives a file a second name, which survives a power cut once this returns.
    ///
    /// # Errors
    /// [`io::ErrorKind::AlreadyExists`] if the name is taken; any other if the file system refuses.
    fn link(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a name.
    ///
    /// # Errors
    /// If the file system refuses.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// How many bytes this user may still write in a directory.
    ///
    /// # Errors
    /// If the file system does not say.
    fn free(&self, dir: &Path) -> io::Result<u64>;
}

/// The file system of the operating system.
#[derive(Clone, Copy, Debug, Default)]
pub struct FileSystem;

impl StoreDisk for FileSystem {
    fn size(&self, path: &Path) -> io::Result<Option<u64>> {
        match fs::metadata(path) {
            Ok(metadata) => Ok(Some(metadata.len())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn StorageBackend>> {
        // The inventory is readable by its owner only, even in a directory that others may read.
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

/// The file system for readers: their writes stay in memory, and no byte of a file changes. It also works if this user cannot write
/// to the file or its directory.
#[derive(Clone, Copy, Debug, Default)]
pub struct Untouched;

impl Untouched {
    fn refused<T>() -> io::Result<T> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }
}

impl StoreDisk for Untouched {
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
        Ok(Box::new(ReadOnlyFile::open(path)?))
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
