//! Makes a store from what can still be read of a damaged one.
//!
//! What is certain is kept: the readable rows of `base`, and the records from the horizon on, up to the first one that is missing,
//! damaged, or changes a nonexistent resource. An unreadable row of `base` is taken from `current` if the resource has not changed
//! since the horizon, because then they are equal. Its body stands only once, so a row whose body is unreadable is lost, and so is a
//! discovery, which holds its body. Everything else is derived again. Records after the break are not applied, since
//! what happened in between is unknown; readable ones are written to a side file, with a line for each unreadable one. The present
//! state of the account is not lost: the next sweep shows it.
//!
//! If something was dropped, it is no longer certain that nothing changed since, or that a scope was listed completely; so
//! intervals that reach beyond the last kept record are dropped too.
//!
//! The damaged file is kept under another name. At every moment there is a complete store file under the store's name.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::json;
use thiserror::Error;

use super::super::codec::{self, EncodeError};
use super::super::file::{self, FILE_NAME};
use super::super::keys;
use super::super::open_error::OpenError;
use super::super::tables::{BASE, BASE_TABLE, CURRENT, CURRENT_TABLE, INTERVALS_TABLE, RawEntry};
use super::super::verify::{self, VerifyError, VerifyReport};
use super::super::write_error::WriteError;
use super::base_row::BaseRow;
use super::builder::{FileBuilder, Temporary, sync_dir};
use super::salvage::{Salvage, SalvageError};
use super::side_file::SideFile;
use crate::model::row::Project;
use crate::model::{LogId, Recorded, Seq, Timestamp};

/// How many records are read at once.
const STEP: u64 = 2_000;

/// The result of a repair.
#[derive(Debug)]
pub struct Repaired {
    /// The log that was damaged; `None` if its id cannot be read.
    pub of: Option<LogId>,
    /// The new log.
    pub log: LogId,
    /// The number of kept records.
    pub kept: u64,
    /// The number of readable records that were dropped: they are in the side file.
    pub dropped: u64,
    /// The number of unreadable records.
    pub unreadable: u64,
    /// The number of resources whose state at the horizon is lost.
    pub lost: u64,
    /// The number of resources whose state at the horizon was taken from their current state.
    pub restored: u64,
    /// Why the log ends early; `None` if all of it was kept.
    pub ends: Option<String>,
    /// What was dropped, as JSON Lines; `None` if nothing was.
    pub side_file: Option<PathBuf>,
    /// The damaged file.
    pub damaged_file: PathBuf,
    /// The verification of the new file.
    pub report: VerifyReport,
}

/// Why a store was not repaired. It is unchanged.
#[derive(Debug, Error)]
pub enum RepairError {
    /// It is missing, in use, or newer.
    #[error(transparent)]
    Open(OpenError),
    /// redb cannot open it in any way.
    #[error("nothing of {path} can be repaired: the database layer finds no way into it")]
    Hopeless {
        /// The file.
        path: PathBuf,
        /// Why it does not open.
        #[source]
        source: OpenError,
    },
    /// A file cannot be written.
    #[error("cannot write {path}: check that its directory is writable and has as much free space as the store takes")]
    Write {
        /// The file.
        path: PathBuf,
        /// The error of the system.
        #[source]
        source: Box<redb::Error>,
    },
    /// A kept record can no longer be encoded, which is a bug in Muster.
    #[error("a kept record cannot be stored again")]
    Unencodable(#[from] EncodeError),
    /// The written file cannot be read again.
    #[error("the repaired file cannot be read again: check the disk")]
    Unreadable(#[from] codec::DecodeError),
    /// The new file cannot be verified.
    #[error("the repaired store cannot be verified, and is removed")]
    Unverified(#[from] VerifyError),
    /// The new file does not match its log, which is a bug in Muster.
    #[error("the repaired store fails verification, and is removed: restore the store from a backup, and report this")]
    NotClean {
        /// The result of the verification.
        report: Box<VerifyReport>,
    },
}

/// Repairs the store in `dir`, which must not be in use: its readable part becomes a new store with a new log id, dropped content
/// is written to a side file, and the damaged file is kept under another name. Meant for a store that [`verify::check`] found
/// damaged; an intact one becomes an intact one with another log id.
///
/// Like the check, it may not survive a damaged file: run it in a process of its own.
///
/// # Errors
/// The store is then unchanged.
pub fn repair(dir: &Path, project: Project) -> Result<Repaired, RepairError> {
    let path = dir.join(FILE_NAME);
    let salvage = Salvage::open(&path).map_err(|error| match error {
        OpenError::Damaged { .. } => RepairError::Hopeless { path: path.clone(), source: error },
        error => RepairError::Open(error),
    })?;
    let log = LogId(file::random());
    let written =
        |path: &Path, error: io::Error| RepairError::Write { path: path.to_owned(), source: Box::new(error.into()) };
    let temporary = Temporary::beside(&path, log);
    let side = path.with_file_name(format!("{FILE_NAME}.{log}.dropped.jsonl"));
    let mut repair = Repair { salvage, side: SideFile::at(side), done: RepairProgress::default() };
    let of = repair.salvage.log().ok();
    let rebuilt = repair.rebuild(&temporary.0, project, log).map_err(|failure| match failure {
        WriteError::Storage(source) => RepairError::Write { path: temporary.0.clone(), source },
        WriteError::Decode(error) => error.into(),
        WriteError::Encode(error) => error.into(),
    });
    let Repair { salvage, side, done } = repair;
    rebuilt.inspect_err(|_| side.discard())?;
    let finished = (|| {
        let report = verify::check(&temporary.0, project)?;
        if !report.is_clean() {
            return Err(RepairError::NotClean { report: Box::new(report) });
        }
        let damaged_file = move_aside(&path).map_err(|error| written(&path, error))?;
        fs::rename(&temporary.0, &path).map_err(|error| written(&path, error))?;
        sync_dir(&path).map_err(|error| written(&path, error))?;
        Ok((report, damaged_file))
    })();
    // The lock is kept until the file has another name: a server that opened it in between would write records that nobody finds
    // again.
    drop(salvage);
    let (report, damaged_file) = finished.inspect_err(|_| side.discard())?;
    let RepairProgress { kept, dropped, unreadable, lost, restored, ends } = done;
    let side_file = side.written();
    Ok(Repaired { of, log, kept, dropped, unreadable, lost, restored, ends, side_file, damaged_file, report })
}

/// Gives the damaged file an unused second name.
fn move_aside(path: &Path) -> io::Result<PathBuf> {
    let mut number = 1;
    loop {
        let aside = path.with_file_name(format!("{FILE_NAME}.damaged-{number}"));
        match fs::hard_link(path, &aside) {
            Ok(()) => return Ok(aside),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => number += 1,
            Err(error) => return Err(error),
        }
    }
}

/// The progress of a repair.
#[derive(Default)]
struct RepairProgress {
    kept: u64,
    dropped: u64,
    unreadable: u64,
    lost: u64,
    restored: u64,
    ends: Option<String>,
}

struct Repair {
    salvage: Salvage,
    side: SideFile,
    done: RepairProgress,
}

impl Repair {
    fn rebuild(&mut self, path: &Path, project: Project, log: LogId) -> Result<(), WriteError> {
        let ledger = self.salvage.ledger().ok();
        let ends = self.salvage.ends().ok().flatten();
        let mut builder = FileBuilder::create(path, project, log)?;
        let based = self.base(&mut builder)?;
        // If the ledger cannot be read, the horizon is before the first record, or where `base` ends if there is none.
        let stated = ledger.map(|ledger| (Seq(ledger.horizon), Timestamp::from_millis(ledger.horizon_at)));
        let (horizon, horizon_at) = stated.unwrap_or_else(|| {
            let (changed, at) = based.newest;
            (ends.as_ref().map_or(changed, |ends| Seq(ends.start().saturating_sub(1))), at)
        });
        // A key of a damaged page may be any number, so the ledger is used if it can be read.
        let newest = ledger.map(|ledger| ledger.seq).or(ends.map(|ends| *ends.end())).unwrap_or(horizon.0);
        self.restore(&mut builder, based, horizon)?;
        builder.begin(horizon, horizon_at);
        let kept_until = self.records(&mut builder, horizon, newest)?.unwrap_or(horizon_at);
        if self.salvage.is_older() {
            self.done.ends.get_or_insert_with(|| "the last commit cannot be read".to_owned());
        }
        let whole = self.done.ends.is_none() && self.done.lost == 0;
        let intervals = self.intervals(|ended| whole || ended <= kept_until)?;
        builder.finish(&intervals, &[])?;
        self.side.sync()
    }

    /// Adds the readable rows of `base`.
    fn base(&mut self, builder: &mut FileBuilder) -> Result<Based, WriteError> {
        let (mut newest, mut damaged) = ((Seq::ZERO, Timestamp::EPOCH), BTreeMap::new());
        let trouble = self.salvage.rows(BASE_TABLE, |salvage, rows| {
            let mut whole = Vec::with_capacity(rows.len());
            for (key, known) in rows {
                let read = codec::decode_known(BASE, &key, &known).map(|known| (known.changed, known.changed_at()));
                let found = read.map_err(SalvageError::from).and_then(|found| Ok((found, salvage.body(found.0)?)));
                match found {
                    Ok(((version, at), body)) => {
                        newest = newest.max((Seq(version), at));
                        whole.push(BaseRow { key, known, version, body });
                    }
                    Err(error) => drop(damaged.insert(key, error)),
                }
            }
            builder.base(&whole)
        })?;
        Ok(Based { newest, damaged, trouble })
    }

    /// Adds rows of `base` that are unreadable or missing from `current` where that is equal.
    fn restore(&mut self, builder: &mut FileBuilder, based: Based, horizon: Seq) -> Result<(), WriteError> {
        let Based { mut damaged, trouble, .. } = based;
        if damaged.is_empty() && trouble.is_none() {
            return Ok(());
        }
        let mut restored = 0;
        let mut reader = keys::KeyReader::default();
        self.salvage.rows(CURRENT_TABLE, |salvage, rows| {
            let same = rows.into_iter().filter_map(|(key, known)| {
                let key = reader.in_scope(&key).map(|id| keys::resource(&id)).filter(|key| !builder.has_base(key))?;
                let version = codec::decode_known(CURRENT, &key, &known).ok()?.changed;
                let body = if version <= horizon.0 { salvage.body(version).ok()? } else { return None };
                Some(BaseRow { key, known, version, body })
            });
            let same: Vec<BaseRow> = same.collect();
            restored += same.len() as u64;
            for BaseRow { key, .. } in &same {
                damaged.remove(key);
            }
            builder.base(&same)
        })?;
        self.done.restored = restored;
        for (key, why) in damaged {
            self.done.lost += 1;
            self.side.unreadable(&json!({ "table": "base", "key": keys::shown(&key) }), &why)?;
        }
        if let Some(why) = trouble {
            self.done.lost += 1;
            self.side.unreadable(&json!({ "table": "base", "key": null }), &why)?;
        }
        Ok(())
    }

    /// Keeps records up to the break and writes the others to the side file. Returns the commit time of the last kept one.
    fn records(
        &mut self,
        builder: &mut FileBuilder,
        horizon: Seq,
        newest: u64,
    ) -> Result<Option<Timestamp>, WriteError> {
        let (mut from, mut kept_until) = (horizon.0.saturating_add(1), None);
        while from <= newest {
            let to = newest.min(from.saturating_add(STEP - 1));
            let mut kept: Vec<(Recorded, Vec<u8>)> = Vec::new();
            for (seq, found) in (from..=to).zip(self.salvage.records(from..=to)) {
                match found {
                    Ok((record, bytes)) if self.done.ends.is_none() && !builder.is_orphan(&record) => {
                        builder.note(&record);
                        kept.push((record, bytes));
                    }
                    Ok((record, _)) => {
                        let orphan = || format!("record {seq} changes a resource that is not there");
                        self.done.ends.get_or_insert_with(orphan);
                        self.done.dropped += 1;
                        self.side.record(&record)?;
                    }
                    Err(why) => {
                        let why = why.to_string();
                        self.done.ends.get_or_insert_with(|| format!("record {seq}: {why}"));
                        self.done.unreadable += 1;
                        self.side.gap(seq, why)?;
                    }
                }
            }
            if let Some((last, _)) = kept.last() {
                kept_until = Some(last.recorded_at);
                self.done.kept += kept.len() as u64;
                builder.records(&kept)?;
            }
            from = to.saturating_add(1);
        }
        self.side.end_gap()?;
        Ok(kept_until)
    }

    /// The readable intervals whose end `may` accepts.
    fn intervals(&mut self, may: impl Fn(Timestamp) -> bool) -> Result<Vec<RawEntry>, WriteError> {
        let mut found: Vec<RawEntry> = Vec::new();
        let trouble = self.salvage.rows(INTERVALS_TABLE, |_, rows| {
            found.extend(rows);
            Ok::<(), WriteError>(())
        })?;
        let mut kept = Vec::new();
        for (key, bytes) in found {
            let named = keys::KeyReader::default().interval(&key).is_some();
            match codec::decode_watermark(&key, &bytes) {
                Ok(watermark) if named && may(Timestamp::from_millis(watermark.ended)) => kept.push((key, bytes)),
                Ok(_) => {}
                Err(error) => {
                    self.side.unreadable(&json!({ "table": "intervals", "key": keys::shown(&key) }), &error.into())?;
                }
            }
        }
        if let Some(why) = trouble {
            self.side.unreadable(&json!({ "table": "intervals", "key": null }), &why)?;
        }
        Ok(kept)
    }
}

/// The state of `base`.
struct Based {
    /// The newest change that a row contains.
    newest: (Seq, Timestamp),
    /// The unreadable rows, with the reason.
    damaged: BTreeMap<Vec<u8>, SalvageError>,
    /// Why there may be more rows.
    trouble: Option<SalvageError>,
}
