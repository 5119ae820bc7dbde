//! Verifies a store file that nobody has open: first by the database layer, then by the log.
//!
//! The file is never written ([`super::super::read_only`]). Every page that the newest commit reaches has a checksum, which redb
//! verifies; every record has its own; and the replay of base and events must give what is stored. None of that covers the header
//! byte that names the newer of the two commit slots: a flipped bit there silently opens the second-last commit. So the header is
//! checked here too: in a file that was closed cleanly, the slot in use holds the newer transaction.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use redb::{Database, ReadableDatabase, TableHandle};
use thiserror::Error;

use super::super::file::{self, OpenFault};
use super::super::open_error::{FileDamage, OpenError};
use super::super::read_only::ReadOnlyFile;
use super::super::snapshot::Snapshot;
use super::super::tables;
use super::log::fold_log;
use super::report::{Mismatch, VerifyReport};
use crate::model::row::Project;

/// How many bytes of the file redb may keep in memory while it is verified.
const CACHE_BYTES: usize = 256 << 20;

/// Why a file could not be verified. This says nothing about its content: it is missing or inaccessible, another process has it
/// open, or a newer Muster wrote it.
#[derive(Debug, Error)]
#[error("cannot verify the store")]
pub struct VerifyError(#[source] pub OpenError);

/// Verifies the store file at `path`, which must not be in use, and never writes to it. Takes about a second per 100 MB and per
/// 50,000 records, and a limited amount of memory.
///
/// Damage is reported, not returned as an error, even if the database layer panics. A damaged file may still abort the process or
/// hang it: callers that must continue run this in a process of its own.
///
/// # Errors
/// If the file cannot be examined.
pub fn check(path: &Path, project: Project) -> Result<VerifyReport, VerifyError> {
    let refused =
        |error: io::Error| VerifyError(OpenError::Io { path: path.to_owned(), source: Box::new(error.into()) });
    let length = std::fs::metadata(path).map_err(refused)?.len();
    if length == 0 {
        return Ok(VerifyReport::of(Mismatch::File(FileDamage::Empty)));
    }
    let mut header = [0; HEADER];
    let header = match File::open(path).and_then(|file| file.read_exact_at(&mut header, 0)) {
        Ok(()) => Some(header),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => None,
        Err(error) => return Err(refused(error)),
    };
    let checked = file::guarded(path, || {
        let read_only = ReadOnlyFile::open(path).map_err(|error| OpenFault::from_io(path.to_owned(), error))?;
        let database = redb::Builder::new()
            .set_cache_size(CACHE_BYTES)
            .set_check_integrity_on_open(true)
            .create_with_backend(read_only)
            .map_err(|error| OpenFault::from_open(path, error))?;
        let opened = file::check(path, database)?;
        let unreadable = |error| OpenFault(file::unreadable(path, error));
        let snapshot =
            Snapshot::take(&opened.database, opened.log, project, &Arc::default(), None).map_err(unreadable)?;
        let mut report = fold_log(&snapshot).map_err(unreadable)?;
        unknown_tables(&opened.database, &mut report).map_err(|error| OpenFault::from_redb(path, error))?;
        Ok(report)
    });
    match checked {
        Ok(mut report) => {
            if let Some(stale) = header.as_ref().and_then(stale_primary) {
                report.add(stale);
            }
            Ok(report)
        }
        Err(OpenError::Damaged { source, .. }) => Ok(VerifyReport::of(Mismatch::File(source))),
        Err(error) => Err(VerifyError(error)),
    }
}

/// Checks that the file holds only Muster's tables.
fn unknown_tables(database: &Database, report: &mut VerifyReport) -> Result<(), redb::Error> {
    let transaction = database.begin_read()?;
    for table in transaction.list_tables()? {
        if !tables::NAMES.contains(&table.name()) {
            report.add(Mismatch::Table { name: table.name().to_owned() });
        }
    }
    for table in transaction.list_multimap_tables()? {
        report.add(Mismatch::Table { name: redb::MultimapTableHandle::name(&table).to_owned() });
    }
    Ok(())
}

// The parts of redb's header that matter here; see `tree_store/page_store/header.rs` of redb 4.6.
const HEADER: usize = 320;
const GOD_BYTE: usize = 9;
const PRIMARY: u8 = 1;
const RECOVERY_REQUIRED: u8 = 2;
const SLOTS: [usize; 2] = [64, 192];
const TRANSACTION: usize = 104;

/// Describes the fault of the header of a cleanly closed file if the older commit is in use. After a crash, the newer slot may hold
/// an unfinished commit.
fn stale_primary(header: &[u8; HEADER]) -> Option<Mismatch> {
    let god = *header.get(GOD_BYTE)?;
    if god & RECOVERY_REQUIRED != 0 {
        return None;
    }
    let transaction = |slot: usize| {
        let bytes = header.get(SLOTS.get(slot)? + TRANSACTION..)?.first_chunk::<8>()?;
        Some(u64::from_le_bytes(*bytes))
    };
    let primary = usize::from(god & PRIMARY);
    let (used, other) = (transaction(primary)?, transaction(1 - primary)?);
    (other > used).then_some(Mismatch::Stale { used, newer: other })
}
