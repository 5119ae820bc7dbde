//! A copy of the store in its own file, made while the store is in use.
//!
//! The copy shows the moment when it was begun. Records and base change only by folding, which is held meanwhile; later commits are
//! not in the copy. No snapshot lives longer than reading [`CHUNK_BYTES`] takes, because a long one would make the file grow. The
//! copy is verified before it gets its name.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use thiserror::Error;

use super::super::codec::{self, DecodeError, EncodeError, RecordFault};
use super::super::commit::mib;
use super::super::file;
use super::super::handle::{Shared, Store};
use super::super::keys;
use super::super::snapshot::{ReadError, Snapshot};
use super::super::tables::{BASE, RawEntry};
use super::super::verify::{self, VerifyError, VerifyReport};
use super::super::write_error::WriteError;

use super::base_row::BaseRow;
use super::builder::{FileBuilder, Temporary, sync_dir};
use crate::model::{LogId, Recorded, Seq, Timestamp};

/// How many bytes are read from one snapshot.
const CHUNK_BYTES: usize = 4 << 20;

/// A finished backup.
#[derive(Debug)]
pub struct BackedUp {
    /// The file.
    pub path: PathBuf,
    /// Its size in bytes.
    pub bytes: u64,
    /// The copy's own log id.
    pub log: LogId,
    /// The log that was copied.
    pub of: LogId,
    /// The result of its verification, which found no fault, with the newest record of the copy.
    pub report: VerifyReport,
}

/// Why there is no backup. No file is left under its name.
#[derive(Debug, Error)]
pub enum CopyError {
    /// The file already exists.
    #[error("{path} exists, and a backup overwrites nothing: choose another name, or move it away")]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// The file cannot be written.
    #[error("cannot write the backup {path}: check that its directory exists, is writable and has free space")]
    Write {
        /// The file.
        path: PathBuf,
        /// The error of the system.
        #[source]
        source: Box<redb::Error>,
    },
    /// So little space is left there that the store itself could not continue.
    #[error(
        "the disk that holds {path} has {} free, and a backup stops below {} (--keep-free): choose another disk",
        mib(*free), mib(*needed)
    )]
    DiskFull {
        /// The file.
        path: PathBuf,
        /// Bytes free for this user.
        free: u64,
        /// Bytes that must stay free.
        needed: u64,
    },
    /// The store cannot be read.
    #[error("the store cannot be backed up")]
    Read(#[from] ReadError),
    /// The store was repaired or replaced meanwhile.
    #[error("the store was replaced while it was backed up: back it up again")]
    Moved,
    /// A record of the store can no longer be encoded, which is a bug in Muster.
    #[error("the store cannot be backed up")]
    Unencodable(#[from] EncodeError),
    /// The copy cannot be verified.
    #[error("the backup was made but cannot be verified, and is removed")]
    Unverified(#[from] VerifyError),
    /// The copy fails verification, because the store itself is damaged.
    #[error(
        "the copy fails verification, so the store itself is damaged: stop Muster and run `muster log verify`; no backup \
         was made ({} mismatches)", report.mismatches
    )]
    NotClean {
        /// The result of the verification.
        report: Box<VerifyReport>,
    },
}

impl Store {
    /// Writes a verified copy of the store to the file `to`, readable by its owner only. Commits and reads continue; no records are
    /// folded meanwhile. Blocks on the disk for some seconds per million records.
    ///
    /// The copy has its own log id, since a store restored from it writes another log. Its newest record is the newest one when the
    /// backup was begun.
    ///
    /// # Errors
    /// Then there is no file `to`, or the existing one is unchanged.
    pub fn backup(&self, to: &Path) -> Result<BackedUp, CopyError> {
        let exists = || CopyError::Exists { path: to.to_owned() };
        let written = |error: io::Error| CopyError::Write { path: to.to_owned(), source: Box::new(error.into()) };
        if fs::symlink_metadata(to).is_ok() {
            return Err(exists());
        }
        let log = LogId(file::random());
        let temporary = Temporary::beside(to, log);
        let of = self.copy(&temporary.0, log, to)?;
        let report = verify::check(&temporary.0, self.0.project)?;
        if !report.is_clean() {
            return Err(CopyError::NotClean { report: Box::new(report) });
        }
        // A hard link, because it never replaces an existing file.
        fs::hard_link(&temporary.0, to).map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => exists(),
            _ => written(error),
        })?;
        drop(temporary);
        sync_dir(to).map_err(written)?;
        let bytes = fs::metadata(to).map_err(written)?.len();
        Ok(BackedUp { path: to.to_owned(), bytes, log, of, report })
    }

    /// Copies base, records and intervals to the file `path` as log `log`, and returns the id of the copied log.
    pub(super) fn copy(&self, path: &Path, log: LogId, to: &Path) -> Result<LogId, CopyError> {
        let failed = |failure| match failure {
            WriteError::Storage(source) => CopyError::Write { path: to.to_owned(), source },
            WriteError::Decode(error) => CopyError::Read(error.into()),
            WriteError::Encode(error) => error.into(),
        };
        let hold = self.hold();
        let begun = self.snapshot()?;
        let (of, horizon, last) = (begun.log_id(), begun.horizon(), begun.seq());
        let horizon_at = Timestamp::from_millis(begun.0.ledger.horizon_at);
        let (intervals, retired) = (begun.raw_intervals()?, Arc::clone(&begun.0.noted));
        let mut parked = begun.raw_parked()?;
        parked.extend(begun.raw_keyed()?);
        drop(begun);
        let again = || match self.snapshot()? {
            snapshot if snapshot.log_id() == of && snapshot.horizon() == horizon => Ok(snapshot),
            _ => Err(CopyError::Moved),
        };
        let mut builder = FileBuilder::create(path, self.0.project, log).map_err(failed)?;
        builder.begin(horizon, horizon_at);
        builder.retired = retired;
        let mut after: Option<Vec<u8>> = None;
        loop {
            let rows = again()?.raw_base(after.as_deref())?;
            let Some(last) = rows.last() else { break };
            after = Some(last.key.clone());
            has_space(&self.0, to)?;
            builder.base(&rows).map_err(failed)?;
        }
        let mut from = horizon.next();
        loop {
            let records = again()?.raw_records(from, last)?;
            let Some((record, _)) = records.last() else { break };
            from = record.seq.next();
            has_space(&self.0, to)?;
            for (record, _) in &records {
                builder.note(record);
            }
            builder.records(&records).map_err(failed)?;
        }
        // The rest is made from the copy alone.
        drop(hold);
        builder.finish(&intervals, &parked).map_err(failed)?;
        Ok(of)
    }
}

/// Refuses to fill the disk, which may be the store's own.
fn has_space(shared: &Shared, to: &Path) -> Result<(), CopyError> {
    let dir = to.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // If the system does not report the space, writing will show it.
    let Ok(free) = shared.place.disk.free(dir) else { return Ok(()) };
    let needed = shared.reserve_bytes;
    if free < needed { Err(CopyError::DiskFull { path: to.to_owned(), free, needed }) } else { Ok(()) }
}

impl Snapshot {
    fn raw_intervals(&self) -> Result<Vec<RawEntry>, ReadError> {
        let mut found = Vec::new();
        for entry in self.0.intervals.range::<&[u8]>(..)? {
            let (key, bytes) = entry?;
            found.push((key.value().to_vec(), bytes.value().to_vec()));
        }
        Ok(found)
    }

    /// The next stored rows of `base`, with their bodies.
    fn raw_base(&self, after: Option<&[u8]>) -> Result<Vec<BaseRow>, ReadError> {
        let start = after.map(keys::next).unwrap_or_default();
        let (mut found, mut bytes) = (Vec::new(), 0);
        for entry in self.0.base.range(start.as_slice()..)? {
            let (key, value) = entry?;
            let version = codec::decode_known(BASE, key.value(), value.value())?.changed;
            let body =
                self.0.bodies.get(version)?.ok_or_else(|| codec::body_fault(Seq(version), RecordFault::Missing))?;
            let (key, known, body) = (key.value().to_vec(), value.value().to_vec(), body.value().to_vec());
            bytes += key.len() + known.len() + body.len();
            found.push(BaseRow { key, known, version, body });
            if bytes >= CHUNK_BYTES {
                break;
            }
        }
        Ok(found)
    }

    /// The next records up to `last`, with their stored form.
    fn raw_records(&self, from: Seq, last: Seq) -> Result<Vec<(Recorded, Vec<u8>)>, ReadError> {
        let (mut found, mut bytes) = (Vec::new(), 0);
        if from > last {
            return Ok(found);
        }
        for entry in self.0.events.range(from.0..=last.0)? {
            let (seq, value) = entry?;
            bytes += value.value().len();
            found.push((codec::decode_event(Seq(seq.value()), value.value())?, value.value().to_vec()));
            if bytes >= CHUNK_BYTES {
                break;
            }
        }
        Ok(found)
    }
}

impl From<DecodeError> for CopyError {
    fn from(error: DecodeError) -> Self {
        CopyError::Read(error.into())
    }
}
