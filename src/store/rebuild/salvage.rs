//! Reads what can still be read of a damaged store file.
//!
//! redb trusts what it reads: a damaged page appears as an error, a panic, keys out of order, or records with a wrong checksum. So
//! every read may fail, and after a panic the file is reopened, since redb's locks may not have survived. The file is opened
//! without repair, by whichever of its two commit slots can be read first; nothing is ever written to it
//! ([`super::super::read_only`]).

use std::ops::{Bound, RangeInclusive};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use redb::{ReadOnlyTable, ReadTransaction, ReadableDatabase, StorageBackend};
use thiserror::Error;

use super::super::codec::{self, DecodeError, DiskLedger};
use super::super::file::{self, OpenFault};
use super::super::meta::{FORMAT, FORMAT_KEY, LEDGER_KEY, LOG_KEY};
use super::super::open_error::{FileDamage, OpenError};
use super::super::read_only::ReadOnlyFile;
use super::super::tables::{self, BODIES_TABLE, EVENTS_TABLE, META_TABLE, RawEntry};
use crate::model::{LogId, Recorded, Seq};

/// How many bytes of the file redb may keep in memory.
const CACHE_BYTES: usize = 128 << 20;

/// Why something cannot be read.
#[derive(Debug, Error)]
pub(super) enum SalvageError {
    #[error("{0}")]
    Database(#[from] redb::Error),
    #[error("{}", .0.fault)]
    Record(#[from] DecodeError),
    #[error("the database layer failed on it: {0}")]
    Panicked(String),
    #[error("it is missing")]
    Missing,
    #[error("it is next to something that cannot be read")]
    Behind,
}

macro_rules! database {
    ($($error:ty),+) => {$(
        impl From<$error> for SalvageError {
            fn from(error: $error) -> Self {
                SalvageError::Database(error.into())
            }
        }
    )+};
}
database!(redb::TransactionError, redb::TableError, redb::StorageError);

/// One way to open the file.
#[derive(Clone, Copy, Debug)]
struct OpenMode {
    /// Uses the other commit slot than the header names.
    other_slot: bool,
    /// Uses redb's own recovery, in memory.
    recovering: bool,
}

/// The least trusting way first. The other slot holds the second-last commit: its pages are intact, since only a later commit uses
/// the pages that a commit frees.
const WAYS: [OpenMode; 4] = [
    OpenMode { other_slot: false, recovering: false },
    OpenMode { other_slot: false, recovering: true },
    OpenMode { other_slot: true, recovering: false },
    OpenMode { other_slot: true, recovering: true },
];

/// How many bytes of a table are read at once.
const CHUNK_BYTES: usize = 4 << 20;

/// After how many panics the rest of an unreadable run is given up: each panic reopens the file, which would take hours if a
/// million records are damaged.
const PATIENCE: u32 = 1_000;

/// A damaged file, open for reading.
pub(super) struct Salvage {
    path: PathBuf,
    way: OpenMode,
    open: OpenTables,
    patience: u32,
}

/// The open database. Fields are dropped in order, the transaction first.
struct OpenTables {
    transaction: ReadTransaction,
    events: ReadOnlyTable<u64, &'static [u8]>,
    _database: Box<dyn ReadableDatabase>,
}

impl Salvage {
    /// Opens the file in the first way that works.
    ///
    /// # Errors
    /// If it is missing, in use or newer; [`OpenError::Damaged`] if no way works.
    pub(super) fn open(path: &Path) -> Result<Self, OpenError> {
        let mut first = None;
        for way in WAYS {
            match file::guarded(path, || open(path, way)) {
                Ok(open) => return Ok(Salvage { path: path.to_owned(), way, open, patience: PATIENCE }),
                Err(OpenError::Damaged { source, .. }) => drop(first.get_or_insert(source)),
                Err(error) => return Err(error),
            }
        }
        Err(OpenError::Damaged { path: path.to_owned(), source: first.unwrap_or(FileDamage::Empty) })
    }

    /// Whether the whole last commit is lost.
    pub(super) fn is_older(&self) -> bool {
        self.way.other_slot
    }

    fn read<T>(&mut self, read: impl FnOnce(&OpenTables) -> Result<T, SalvageError>) -> Result<T, SalvageError> {
        let open = &self.open;
        match catch_unwind(AssertUnwindSafe(|| read(open))) {
            Ok(outcome) => outcome,
            Err(panic) => {
                self.patience = self.patience.saturating_sub(1);
                let message = file::message_of(panic.as_ref());
                if let Ok(open) = file::guarded(&self.path, || self::open(&self.path, self.way)) {
                    self.open = open;
                }
                Err(SalvageError::Panicked(message))
            }
        }
    }

    pub(super) fn log(&mut self) -> Result<LogId, SalvageError> {
        self.read(|open| Ok(LogId(codec::decode_number(LOG_KEY, &open.meta(LOG_KEY)?)?)))
    }

    pub(super) fn ledger(&mut self) -> Result<DiskLedger, SalvageError> {
        self.read(|open| Ok(codec::decode_ledger(LEDGER_KEY, &open.meta(LEDGER_KEY)?)?))
    }

    /// The first and last seq of the log; `None` if it is empty.
    pub(super) fn ends(&mut self) -> Result<Option<RangeInclusive<u64>>, SalvageError> {
        use redb::{ReadableTable, ReadableTableMetadata};
        self.read(|open| {
            let first = open.events.first()?.map(|(seq, _)| seq.value());
            let last = open.events.last()?.map(|(seq, _)| seq.value());
            // Keys of damaged pages may be any number; there cannot be more records than entries.
            let count = open.events.len()?;
            Ok(first.zip(last).map(|(first, last)| first..=last.min(first.saturating_add(count))))
        })
    }

    /// The records `seqs`, each with its stored form or why it cannot be read. They are read together, or one by one if any of them
    /// fails.
    pub(super) fn records(&mut self, seqs: RangeInclusive<u64>) -> Vec<Result<(Recorded, Vec<u8>), SalvageError>> {
        let together = self.read(|open| {
            let mut found = Vec::new();
            for (entry, seq) in open.events.range(seqs.clone())?.zip(seqs.clone()) {
                let (key, bytes) = entry?;
                if key.value() != seq {
                    return Err(SalvageError::Missing);
                }
                found.push((codec::decode_event(Seq(seq), bytes.value())?, bytes.value().to_vec()));
            }
            Ok(found)
        });
        match together {
            Ok(found) if found.len() as u64 == seqs.end() - seqs.start() + 1 => found.into_iter().map(Ok).collect(),
            _ => seqs.map(|seq| if self.patience > 0 { self.record(seq) } else { Err(SalvageError::Behind) }).collect(),
        }
    }

    /// The record of `bodies` of a version.
    pub(super) fn body(&mut self, version: u64) -> Result<Vec<u8>, SalvageError> {
        self.read(|open| {
            let bodies = open.transaction.open_table(BODIES_TABLE)?;
            let bytes = bodies.get(version)?.ok_or(SalvageError::Missing)?.value().to_vec();
            codec::decode_body(Seq(version), &bytes)?;
            Ok(bytes)
        })
    }

    fn record(&mut self, seq: u64) -> Result<(Recorded, Vec<u8>), SalvageError> {
        self.read(|open| {
            let bytes = open.events.get(seq)?.ok_or(SalvageError::Missing)?;
            Ok((codec::decode_event(Seq(seq), bytes.value())?, bytes.value().to_vec()))
        })
    }

    /// Shows `visit` the readable rows of a table, some at a time: from the first one up to an unreadable place, then from the last
    /// one back to one. Returns why there may be more.
    pub(super) fn rows<E>(
        &mut self,
        table: tables::BytesTable,
        mut visit: impl FnMut(&mut Self, Vec<RawEntry>) -> Result<(), E>,
    ) -> Result<Option<SalvageError>, E> {
        let (mut first, mut trouble) = (None, None);
        for backwards in [false, true] {
            let mut last: Option<Vec<u8>> = None;
            loop {
                let mut found: Vec<RawEntry> = Vec::new();
                let outcome = self.read(|open| {
                    let (from, to) = if backwards { (&first, &last) } else { (&last, &None) };
                    open.some(table, from.as_deref(), to.as_deref(), backwards, &mut found)
                });
                if let Some((key, _)) = found.last() {
                    last = Some(key.clone());
                }
                let is_end = found.is_empty();
                visit(self, found)?;
                match outcome {
                    Ok(()) if !is_end => {}
                    Ok(()) if backwards => return Ok(trouble),
                    Ok(()) => return Ok(None),
                    Err(error) => {
                        trouble.get_or_insert(error);
                        break;
                    }
                }
            }
            first = first.or(last);
        }
        Ok(trouble)
    }
}

impl OpenTables {
    /// Adds some rows of a table between two keys to `found`, in either direction.
    fn some(
        &self,
        table: tables::BytesTable,
        after: Option<&[u8]>,
        before: Option<&[u8]>,
        backwards: bool,
        found: &mut Vec<RawEntry>,
    ) -> Result<(), SalvageError> {
        let table = self.transaction.open_table(table)?;
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        let end = before.map_or(Bound::Unbounded, Bound::Excluded);
        let mut range = table.range::<&[u8]>((start, end))?;
        let mut bytes = 0;
        while bytes < CHUNK_BYTES
            && let Some(entry) = if backwards { range.next_back() } else { range.next() }
        {
            let (key, value) = entry?;
            let (key, value) = (key.value(), value.value());
            // A damaged page may show keys out of order, and repeat forever.
            let is_within = after.is_none_or(|after| key > after) && before.is_none_or(|before| key < before);
            let is_next =
                found.last().is_none_or(|(last, _)| last.as_slice() != key && (last.as_slice() < key) != backwards);
            if !is_within || !is_next {
                return Err(SalvageError::Behind);
            }
            bytes += key.len() + value.len();
            found.push((key.to_vec(), value.to_vec()));
        }
        Ok(())
    }

    fn meta(&self, key: &[u8]) -> Result<Vec<u8>, SalvageError> {
        let meta = self.transaction.open_table(META_TABLE)?;
        Ok(meta.get(key)?.ok_or(SalvageError::Missing)?.value().to_vec())
    }
}

const GOD_BYTE: u64 = 9;
const PRIMARY: u8 = 1;
const RECOVERY_REQUIRED: u8 = 2;

fn open(path: &Path, way: OpenMode) -> Result<OpenTables, OpenFault> {
    let refused = |error| OpenFault::from_io(path.to_owned(), error);
    let file = ReadOnlyFile::open(path).map_err(refused)?;
    let mut god = [0];
    file.read(GOD_BYTE, &mut god).map_err(refused)?;
    if way.other_slot {
        god = god.map(|byte| byte ^ PRIMARY);
    }
    if !way.recovering {
        // Reading needs no recovery: a commit is complete before the header names it.
        god = god.map(|byte| byte & !RECOVERY_REQUIRED);
    }
    file.write(GOD_BYTE, &god).map_err(refused)?;
    let mut builder = redb::Builder::new();
    builder.set_cache_size(CACHE_BYTES);
    let failed = |error| OpenFault::from_open(path, error);
    let database: Box<dyn ReadableDatabase> = if way.recovering {
        Box::new(builder.create_with_backend(file).map_err(failed)?)
    } else {
        Box::new(builder.open_read_only_with_backend(file).map_err(failed)?)
    };
    let rejected = |error: redb::Error| OpenFault::from_redb(path, error);
    let transaction = database.begin_read().map_err(|error| rejected(error.into()))?;
    let events = transaction.open_table(EVENTS_TABLE).map_err(|error| rejected(error.into()))?;
    let open = OpenTables { transaction, events, _database: database };
    // A file whose format cannot be read is assumed to be ours: it has our log.
    let format = open.meta(FORMAT_KEY).ok().and_then(|format| format.try_into().ok()).map(u32::from_le_bytes);
    match format {
        Some(found) if found != FORMAT => {
            Err(OpenFault(OpenError::OtherFormat { path: path.to_owned(), found, known: FORMAT }))
        }
        _ => Ok(open),
    }
}
