//! Finds, creates and opens the store file, without ever overwriting anything.
//!
//! A new file is built beside its place under a random name and gets its own name only when complete. So a crash leaves either no
//! store or a complete one, and an empty file is always damage.

use std::fs;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use redb::{Database, DatabaseError, Durability, ReadableDatabase, StorageError};

use super::codec::{self, DiskLedger, EncodeError};
use super::disk::StoreDisk;
use super::guarded::{Alarm, Guarded};
use super::meta::{FORMAT, FORMAT_KEY, LEDGER_KEY, LOG_KEY};
use super::open_error::{FileDamage, OpenError};
use super::read_only::ReadOnlyFile;
use super::snapshot::ReadError;
use super::tables::{self, META_TABLE};
use crate::model::LogId;

/// The store file's name in the data directory.
pub const FILE_NAME: &str = "muster.redb";
const NEW_SUFFIX: &str = ".new";

/// An open and checked store file.
pub(super) struct Opened {
    pub(super) database: Database,
    pub(super) log: LogId,
    pub(super) ledger: DiskLedger,
}

/// The location of a store file, and what is needed to open it.
#[derive(Clone, Debug)]
pub(super) struct StoreFile {
    pub(super) disk: Arc<dyn StoreDisk>,
    pub(super) path: PathBuf,
    pub(super) cache_bytes: usize,
    /// Set off when the file fails.
    pub(super) alarm: Arc<Alarm>,
}

impl StoreFile {
    /// Opens the store file, or creates it with its directory.
    pub(super) fn open(&self) -> Result<Opened, OpenError> {
        let StoreFile { disk, path, .. } = self;
        let dir = self.dir();
        if disk.is_writable() {
            fs::create_dir_all(dir).map_err(|error| self.refused(error))?;
        }
        if disk.is_writable()
            && disk.size(path).map_err(|error| self.refused(error))?.is_none()
            && let Some(opened) = self.create(dir)?
        {
            return Ok(opened);
        }
        let opened = self.open_again()?;
        if disk.is_writable() {
            sweep_leftovers(dir);
        }
        Ok(opened)
    }

    /// Opens the existing store file.
    pub(super) fn open_again(&self) -> Result<Opened, OpenError> {
        match self.disk.size(&self.path).map_err(|error| self.refused(error))? {
            Some(0) => return Err(OpenError::Damaged { path: self.path.clone(), source: FileDamage::Empty }),
            Some(_) => {}
            None => return Err(self.refused(io::ErrorKind::NotFound.into())),
        }
        guarded(&self.path, || {
            self.refuse_other()?;
            let file = self.disk.open(&self.path).map_err(|error| OpenFault(self.refused(error)))?;
            let database = self.database(file).map_err(|error| OpenFault::from_open(&self.path, error))?;
            check(&self.path, database)
        })
    }

    /// The directory of the store file.
    pub(super) fn dir(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new("."))
    }

    fn database(&self, file: Box<dyn redb::StorageBackend>) -> Result<Database, DatabaseError> {
        // What redb counts is the pages. Each is an allocation of its page and 16 bytes, for which the allocator takes 5 KiB.
        let pages = self.cache_bytes / 5 * 4;
        redb::Builder::new().set_cache_size(pages).create_with_backend(Guarded::new(file, &self.alarm))
    }

    pub(super) fn refused(&self, source: io::Error) -> OpenError {
        OpenError::Io { path: self.path.clone(), source: Box::new(source.into()) }
    }

    /// Builds a new file and gives it its name. `None` if another process used that name first.
    fn create(&self, dir: &Path) -> Result<Option<Opened>, OpenError> {
        let log = LogId(random());
        let fresh = dir.join(format!("{FILE_NAME}.{log}{NEW_SUFFIX}"));
        let made = self.build(&fresh, log).and_then(|opened| {
            self.disk.link(&fresh, &self.path)?;
            Ok(opened)
        });
        let cleaned = self.disk.remove(&fresh);
        match made {
            Ok(opened) => {
                cleaned.map_err(|source| OpenError::Io { path: fresh, source: Box::new(source.into()) })?;
                Ok(Some(opened))
            }
            Err(redb::Error::Io(error)) if error.kind() == io::ErrorKind::AlreadyExists => Ok(None),
            Err(source) => Err(OpenError::Io { path: self.path.clone(), source: Box::new(source) }),
        }
    }

    fn build(&self, fresh: &Path, log: LogId) -> Result<Opened, redb::Error> {
        let database = self.database(self.disk.create(fresh)?)?;
        let ledger = DiskLedger::default();
        fill(&database, log, ledger)?;
        Ok(Opened { database, log, ledger })
    }

    /// Refuses another format before the file is opened for writing, since opening alone changes bytes of it.
    ///
    /// A file that is in use or damaged passes: opening it reports that.
    fn refuse_other(&self) -> Result<(), OpenFault> {
        match self.format() {
            Some(found) if found != FORMAT => {
                Err(OpenFault(OpenError::OtherFormat { path: self.path.clone(), found, known: FORMAT }))
            }
            _ => Ok(()),
        }
    }

    /// The format of the file, if it can be read without writing to it. A file that was not closed cleanly is recovered in memory.
    fn format(&self) -> Option<u32> {
        let file = || Some(Guarded::new(self.disk.read(&self.path).ok()?, &self.alarm));
        if let Ok(database) = redb::Builder::new().open_read_only_with_backend(file()?) {
            return format_in(&database);
        }
        let read_only = ReadOnlyFile::over(Box::new(file()?)).ok()?;
        format_in(&redb::Builder::new().create_with_backend(read_only).ok()?)
    }
}

/// Writes the initial content of a store file.
fn fill(database: &Database, log: LogId, ledger: DiskLedger) -> Result<(), redb::Error> {
    let unencodable = |error: EncodeError| redb::Error::Io(io::Error::other(error));
    let mut txn = database.begin_write()?;
    txn.set_durability(Durability::Immediate)?;
    txn.set_quick_repair(true);
    tables::create(&txn)?;
    {
        let mut meta = txn.open_table(META_TABLE)?;
        meta.insert(FORMAT_KEY, FORMAT.to_le_bytes().as_slice())?;
        meta.insert(LOG_KEY, codec::encode_number(LOG_KEY, log.0).map_err(unencodable)?.as_slice())?;
        meta.insert(LEDGER_KEY, codec::encode_ledger(LEDGER_KEY, ledger).map_err(unencodable)?.as_slice())?;
    }
    txn.commit()?;
    Ok(())
}

fn format_in(database: &impl ReadableDatabase) -> Option<u32> {
    let transaction = database.begin_read().ok()?;
    let meta = transaction.open_table(META_TABLE).ok()?;
    let format = meta.get(FORMAT_KEY).ok()??;
    format.value().try_into().map(u32::from_le_bytes).ok()
}

/// Reads the initial content of a store file, format first.
pub(super) fn check(path: &Path, database: Database) -> Result<Opened, OpenFault> {
    let path = || path.to_owned();
    let damaged = |source| OpenFault(OpenError::Damaged { path: path(), source });
    let missing = |key: &[u8]| damaged(FileDamage::Incomplete { key: String::from_utf8_lossy(key).into_owned() });
    let rejected = |error: redb::Error| OpenFault::from_redb(&path(), error);
    let (log, ledger) = {
        let meta = match database.begin_read().map_err(|e| rejected(e.into()))?.open_table(META_TABLE) {
            Ok(meta) => meta,
            Err(redb::TableError::Storage(error)) => return Err(rejected(error.into())),
            Err(error) => return Err(damaged(FileDamage::Rejected(Box::new(error.into())))),
        };
        let get = |key: &'static [u8]| {
            let found = meta.get(key).map_err(|e| rejected(e.into()))?;
            found.map(|value| value.value().to_vec()).ok_or_else(|| missing(key))
        };
        let format = get(FORMAT_KEY)?;
        let found = format.as_slice().try_into().map(u32::from_le_bytes).map_err(|_| missing(FORMAT_KEY))?;
        if found != FORMAT {
            return Err(OpenFault(OpenError::OtherFormat { path: path(), found, known: FORMAT }));
        }
        let unreadable = |error| damaged(FileDamage::Unreadable(error));
        let log = codec::decode_number(LOG_KEY, &get(LOG_KEY)?).map_err(unreadable)?;
        (LogId(log), codec::decode_ledger(LEDGER_KEY, &get(LEDGER_KEY)?).map_err(unreadable)?)
    };
    Ok(Opened { database, log, ledger })
}

/// An [`OpenError`] that [`guarded`] returns.
pub(super) struct OpenFault(pub(super) OpenError);

impl OpenFault {
    pub(super) fn from_open(path: &Path, error: DatabaseError) -> Self {
        let path = path.to_owned();
        OpenFault(match error {
            DatabaseError::DatabaseAlreadyOpen | DatabaseError::LockProtocolMismatch => OpenError::Held { path },
            DatabaseError::Storage(StorageError::Io(error)) => return Self::from_io(path, error),
            error => OpenError::Damaged { path, source: FileDamage::Rejected(Box::new(error.into())) },
        })
    }

    pub(super) fn from_redb(path: &Path, error: redb::Error) -> Self {
        let path = path.to_owned();
        match error {
            redb::Error::Io(error) => Self::from_io(path, error),
            error => OpenFault(OpenError::Damaged { path, source: FileDamage::Rejected(Box::new(error)) }),
        }
    }

    /// A file that ends early or has a foreign header appears as an I/O error.
    pub(super) fn from_io(path: PathBuf, error: io::Error) -> Self {
        let damage = matches!(error.kind(), io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof);
        let source = Box::new(redb::Error::Io(error));
        OpenFault(if damage {
            OpenError::Damaged { path, source: FileDamage::Rejected(source) }
        } else {
            OpenError::Io { path, source }
        })
    }
}

/// Runs `open`, turning a panic into [`OpenError::Damaged`]: redb trusts a file that was closed cleanly and may panic if something
/// else changed it since. None of `open`'s state outlives the panic, and redb's locks end with the database.
pub(super) fn guarded<T>(path: &Path, open: impl FnOnce() -> Result<T, OpenFault>) -> Result<T, OpenError> {
    match catch_unwind(AssertUnwindSafe(open)) {
        Ok(Ok(opened)) => Ok(opened),
        Ok(Err(OpenFault(error))) => Err(error),
        Err(panic) => {
            let message = message_of(panic.as_ref());
            Err(OpenError::Damaged { path: path.to_owned(), source: FileDamage::Panicked { message } })
        }
    }
}

/// The message of a panic.
pub(super) fn message_of(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message").to_owned()
}

/// The [`OpenError`] for a failed first read of an opened file.
pub(super) fn unreadable(path: &Path, error: ReadError) -> OpenError {
    match error {
        ReadError::Unavailable(error) => OpenFault::from_redb(path, *error).0,
        ReadError::Damaged(error) => {
            OpenError::Damaged { path: path.to_owned(), source: FileDamage::Unreadable(error) }
        }
    }
}

/// Removes half-built files that a crash left. Runs after the real file is open: a process that is still building one then loses
/// nothing, since its name is taken.
fn sweep_leftovers(dir: &Path) {
    let Ok(entries) = fs::read_dir(dir) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let Some(name) = name.to_str() else { continue };
        if name.starts_with(FILE_NAME)
            && name.ends_with(NEW_SUFFIX)
            && let Err(error) = fs::remove_file(entry.path())
        {
            tracing::warn!(path = %entry.path().display(), %error, "cannot remove a half-built store file");
        }
    }
}

/// A random number, from `RandomState`, which the operating system seeds.
pub(super) fn random() -> u64 {
    let mut hasher = RandomState::new().build_hasher();
    hasher.write_u64(u64::from(std::process::id()));
    hasher.finish()
}

#[cfg(test)]
mod reopening;
#[cfg(test)]
mod tests;
