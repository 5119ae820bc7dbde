//! The disk under the store: the one seam through which its file is found, opened and written.
//!
//! A running store holds an [`Alarm`]. Every operation of the file that fails rings it, whoever asked for it: redb refuses
//! everything from then on until the file is opened again, and the writer has to know.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::ops::Bound;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use redb::backends::FileBackend;
use redb::{BackendError, StorageBackend};
use tokio::sync::watch;

use super::file::OpenError;
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

/// Whether a store can be read and written.
#[derive(Clone, Debug)]
pub enum Health {
    /// It can.
    Well,
    /// The disk failed under it, and it is being opened again. Ask again in a moment.
    Failed,
    /// What was found when it was opened again is not the store that was open. Only another file helps.
    Lost(Arc<OpenError>),
}

impl Health {
    /// Whether the store can be read and written.
    #[must_use]
    pub fn is_well(&self) -> bool {
        matches!(self, Health::Well)
    }
}

/// Rings when the disk fails under an open store, until it is open again.
#[derive(Debug)]
pub(super) struct Alarm {
    /// The same as a [`Health`] that is not [`Health::Well`], for those who look at every read.
    rings: AtomicBool,
    failures: AtomicU64,
    health: watch::Sender<Health>,
}

impl Alarm {
    pub(super) fn new() -> Arc<Self> {
        let health = watch::Sender::new(Health::Well);
        Arc::new(Alarm { rings: AtomicBool::new(false), failures: AtomicU64::new(0), health })
    }

    pub(super) fn rings(&self) -> bool {
        self.rings.load(Ordering::Acquire)
    }

    /// How often it began to ring.
    pub(super) fn failures(&self) -> u64 {
        self.failures.load(Ordering::Acquire)
    }

    pub(super) fn health(&self) -> watch::Receiver<Health> {
        self.health.subscribe()
    }

    /// Says so once, however much fails until the store is open again.
    pub(super) fn ring(&self, error: &dyn fmt::Display) {
        // All at once: whoever is refused because it rings must find a health that is not well, and the other way round.
        let began = self.health.send_if_modified(|health| {
            let begins = !self.rings.swap(true, Ordering::AcqRel);
            if begins {
                self.failures.fetch_add(1, Ordering::AcqRel);
                *health = Health::Failed;
            }
            begins
        });
        if began {
            tracing::error!(%error, "the disk failed under the store, which is opened again");
        }
    }

    pub(super) fn still(&self) {
        self.health.send_modify(|health| {
            self.rings.store(false, Ordering::Release);
            *health = Health::Well;
        });
    }

    pub(super) fn lose(&self, error: Arc<OpenError>) {
        self.health.send_replace(Health::Lost(error));
    }
}

/// A file whose failures ring the alarm.
#[derive(Debug)]
pub(super) struct Guarded {
    file: Box<dyn StorageBackend>,
    alarm: Arc<Alarm>,
}

impl Guarded {
    pub(super) fn new(file: Box<dyn StorageBackend>, alarm: &Arc<Alarm>) -> Self {
        Guarded { file, alarm: Arc::clone(alarm) }
    }

    fn watch<T>(&self, outcome: io::Result<T>) -> io::Result<T> {
        outcome.inspect_err(|error| self.alarm.ring(error))
    }
}

impl StorageBackend for Guarded {
    fn len(&self) -> io::Result<u64> {
        self.watch(self.file.len())
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.watch(self.file.read(offset, out))
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.watch(self.file.set_len(len))
    }

    fn sync_data(&self) -> io::Result<()> {
        self.watch(self.file.sync_data())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.watch(self.file.write(offset, data))
    }

    fn close(&self) -> io::Result<()> {
        self.file.close()
    }

    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.file.try_lock_range(start, end)
    }

    fn try_lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.file.try_lock_shared_range(start, end)
    }

    fn lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.file.lock_range(start, end)
    }

    fn lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.file.lock_shared_range(start, end)
    }

    fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.file.unlock_range(start, end)
    }

    fn query_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.file.query_lock_range(start, end)
    }
}
