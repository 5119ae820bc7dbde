//! The health of an open store, and the file whose failures change it.
//!
//! An open store has an [`Alarm`]. Every failed operation on the file sets it off: redb refuses everything from then on until the
//! file is reopened, and the writer has to know.

use std::fmt;
use std::io;
use std::ops::Bound;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use redb::{BackendError, StorageBackend};
use tokio::sync::watch;

use super::open_error::OpenError;

/// Whether a store can be read and written.
#[derive(Clone, Debug)]
pub enum Health {
    /// The store can be read and written.
    Well,
    /// The disk failed under the store, which is being reopened. Ask again in a moment.
    Failed,
    /// The file found when reopening is not the store that was open. Only another file helps.
    Lost(Arc<OpenError>),
}

impl Health {
    /// Whether the store can be read and written.
    #[must_use]
    pub fn is_well(&self) -> bool {
        matches!(self, Health::Well)
    }
}

/// Set off when the disk fails under an open store, until the store is reopened.
#[derive(Debug)]
pub(super) struct Alarm {
    /// Whether the [`Health`] is not [`Health::Well`], for a cheap check on every read.
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

    /// How often it was set off.
    pub(super) fn failures(&self) -> u64 {
        self.failures.load(Ordering::Acquire)
    }

    pub(super) fn health(&self) -> watch::Receiver<Health> {
        self.health.subscribe()
    }

    /// Sets the alarm off once, however many operations fail until the store is reopened.
    pub(super) fn ring(&self, error: &dyn fmt::Display) {
        // Both change together: whoever is refused because of the alarm must find a bad health, and the other way round.
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

/// A file whose failures set off the alarm.
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
