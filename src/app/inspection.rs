//! Looks at a store file that may be damaged, in a separate process.
//!
//! redb trusts a file that was closed cleanly. If something else changed the file, redb may panic, abort, take all memory or never
//! return. So `muster log verify` starts this program again, with a hidden flag, to look at the file. If that process does not answer,
//! the file is damaged. A repair runs in the same way. The parent holds the lock meanwhile.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::process::Command;
use tokio::time::timeout;

use super::offline::OfflineError;
use crate::connection::data_dir;
use crate::connection::lock::{self, Lock, LockError};
use crate::kinds;
use crate::model::text::{chain, shown};
use crate::store::rebuild::{self, Repaired};
use crate::store::verify::{self, Mismatch, VerifyReport};

/// How long the look may take, whatever the size of the file.
const PATIENCE: Duration = Duration::from_mins(5);

/// And for each GiB of it.
const PER_GIB: Duration = Duration::from_mins(2);

/// The hidden flag by which the process that looks is started; the file's path follows.
const INSPECT: &str = "--inspect";

/// The hidden flag by which the process that repairs is started; the data directory follows.
const MEND: &str = "--mend";

/// What the look at a file found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inspection {
    /// Whether everything is as the log says.
    pub clean: bool,
    /// The log's id, where the file says it.
    pub log: Option<String>,
    /// Up to which record the log is folded away.
    pub horizon: u64,
    /// The newest record.
    pub newest: u64,
    /// Records replayed.
    pub records: u64,
    /// Resources that exist.
    pub resources: u64,
    /// Resources that were removed and are remembered.
    pub removed: u64,
    /// Rows that another version of Muster made, which are made anew when they are read.
    #[serde(default)]
    pub other_rows: u64,
    /// How many things are wrong.
    pub wrong: u64,
    /// The first of them, in words.
    pub shown: Vec<String>,
}

/// What a repair did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RepairSummary {
    /// The log that was damaged, where the file said it.
    pub of: Option<String>,
    /// The new log.
    pub log: String,
    /// Records kept.
    pub kept: u64,
    /// Records dropped that could be read.
    pub dropped: u64,
    /// Records dropped that could not be read.
    pub unreadable: u64,
    /// Resources whose state before the first record is lost.
    pub lost: u64,
    /// Resources whose state before the first record was taken from what is known of them now.
    pub restored: u64,
    /// Why the log ends where it does; `None` when all of it was kept.
    pub ends: Option<String>,
    /// Where the dropped records are; `None` when there are none.
    pub side_file: Option<PathBuf>,
    /// Where the damaged file is.
    pub damaged_file: PathBuf,
}

/// What the other process says, as one line of JSON.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum InspectionLine<T> {
    Done(T),
    Failed(String),
}

/// Why the file was not inspected.
#[derive(Debug, thiserror::Error)]
pub enum InspectionError {
    /// There is no store, or another process uses it.
    #[error(transparent)]
    Offline(#[from] OfflineError),
    /// A server uses the file.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The process did not start.
    #[error("cannot start {} to look at the store", program.display())]
    Start {
        /// This program.
        program: PathBuf,
        /// What the system answered.
        #[source]
        source: io::Error,
    },
    /// The file could not be looked at: that says nothing about its content.
    #[error("{error}")]
    Failed {
        /// Why, with what to do.
        error: String,
    },
}

/// Takes the lock of a data directory that holds a store. Returns `None` for a reader without permission to write there.
///
/// # Errors
/// When there is no store, and when a server runs, which is named.
pub fn lock(data_dir: &Path, writes: bool) -> Result<Option<Lock>, OfflineError> {
    data_dir::require_store(data_dir)?;
    Ok(if writes { Some(Lock::take(data_dir)?) } else { Lock::take_to_read(data_dir)? })
}

/// Refuses a file that lies in the data directory of a running server.
///
/// # Errors
/// [`LockError::Held`], naming the server's process.
pub fn unserved(file: &Path) -> Result<(), LockError> {
    file.parent().map_or(Ok(()), lock::probe)
}

/// Has another process look at `file`, which nobody may have open.
///
/// # Errors
/// When nobody looked. Damage is a finding.
pub async fn look(program: &Path, file: &Path) -> Result<Inspection, InspectionError> {
    match elsewhere(program, INSPECT, file, file).await? {
        Ok(finding) => Ok(finding),
        Err(crash) => Ok(Inspection::of(format!("the database layer crashed on it: {crash}"))),
    }
}

/// Has another process repair the store in `data_dir`, which nobody may have open.
///
/// # Errors
/// When it is not repaired. Then it is as it was.
pub async fn mend(program: &Path, data_dir: &Path) -> Result<RepairSummary, InspectionError> {
    match elsewhere(program, MEND, data_dir, &data_dir::store(data_dir)).await? {
        Ok(mended) => Ok(mended),
        Err(crash) => Err(InspectionError::Failed {
            error: format!(
                "the database layer crashed during the repair, and the store is unchanged ({crash}): restore it from a backup, or \
                 move it away and start again without its history"
            ),
        }),
    }
}

/// Has another process do `flag` to `path`, which is about the store file `file`. The inner error says how it died.
async fn elsewhere<T: DeserializeOwned>(
    program: &Path,
    flag: &str,
    path: &Path,
    file: &Path,
) -> Result<Result<T, String>, InspectionError> {
    let failed = |source| InspectionError::Start { program: program.to_owned(), source };
    let length = std::fs::metadata(file).map(|file| file.len()).unwrap_or_default();
    let patience = PATIENCE + PER_GIB * u32::try_from(length >> 30).unwrap_or(u32::MAX);
    let mut command = Command::new(program);
    command.args([OsStr::new("log"), OsStr::new("verify"), OsStr::new(flag), path.as_os_str()]);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let ended = match timeout(patience, command.output()).await {
        Ok(output) => output.map_err(failed)?,
        Err(_) => return Ok(Err(format!("it did not end within {} s", patience.as_secs()))),
    };
    match serde_json::from_slice(&ended.stdout) {
        Ok(InspectionLine::Done(done)) => Ok(Ok(done)),
        Ok(InspectionLine::Failed(error)) => Err(InspectionError::Failed { error }),
        // The other process could not read its command line.
        Err(_) if ended.status.code() == Some(2) => Err(InspectionError::Failed { error: first(&ended.stderr) }),
        Err(_) => Ok(Err(format!("{}: {}", ended.status, first(&ended.stderr)))),
    }
}

/// The first line of what a process said before it ended.
fn first(errors: &[u8]) -> String {
    let errors = String::from_utf8_lossy(errors);
    errors
        .lines()
        .find(|line| !line.trim().is_empty())
        .map_or_else(|| "it said nothing".to_owned(), |line| shown(line, 500))
}

/// Looks at `file` in this process, and says as one line of JSON what there was.
#[must_use]
pub fn look_here(file: &Path) -> String {
    said(verify::check(file, kinds::project).map(|report| Inspection::from(&report)))
}

/// Repairs the store in `data_dir` in this process, and says as one line of JSON what was done.
#[must_use]
pub fn mend_here(data_dir: &Path) -> String {
    said(rebuild::repair(data_dir, kinds::project).map(|repaired| RepairSummary::from(&repaired)))
}

fn said<T: Serialize, E: std::error::Error>(outcome: Result<T, E>) -> String {
    let said = match outcome {
        Ok(done) => InspectionLine::Done(done),
        Err(error) => InspectionLine::Failed(chain(&error)),
    };
    // What cannot be said is taken for a crash.
    serde_json::to_string(&said).unwrap_or_default()
}

impl Inspection {
    /// Of a file of which only this is known.
    fn of(wrong: String) -> Self {
        Inspection { wrong: 1, shown: vec![wrong], ..Inspection::default() }
    }
}

impl From<&VerifyReport> for Inspection {
    fn from(report: &VerifyReport) -> Self {
        Inspection {
            clean: report.is_clean(),
            log: report.log.map(|log| log.to_string()),
            horizon: report.horizon.0,
            newest: report.newest.0,
            records: report.records,
            resources: report.resources,
            removed: report.removed,
            other_rows: report.other_rows,
            wrong: report.mismatches,
            shown: report.shown.iter().map(|mismatch| shown(&told(mismatch), 500)).collect(),
        }
    }
}

impl From<&Repaired> for RepairSummary {
    fn from(repaired: &Repaired) -> Self {
        RepairSummary {
            of: repaired.of.map(|log| log.to_string()),
            log: repaired.log.to_string(),
            kept: repaired.kept,
            dropped: repaired.dropped,
            unreadable: repaired.unreadable,
            lost: repaired.lost,
            restored: repaired.restored,
            ends: repaired.ends.as_ref().map(|why| shown(why, 500)),
            side_file: repaired.side_file.clone(),
            damaged_file: repaired.damaged_file.clone(),
        }
    }
}

fn told(mismatch: &Mismatch) -> String {
    match mismatch {
        Mismatch::File(damage) => chain(damage),
        Mismatch::Stale { used, newer } => {
            format!("its header names commit {used} as the newest, but {newer} exists: the last commit would be lost")
        }
        Mismatch::Table { name } => format!("there is a table that no Muster makes: {name}"),
        Mismatch::Gap { expected, found } => format!("record {expected} is missing: {found} comes next"),
        Mismatch::Damaged(error) => error.to_string(),
        Mismatch::Orphan { seq } => format!("record {seq} changes a resource that is not there at that point"),
        Mismatch::Differs { table, key } => format!("`{table}` and the log disagree about {key}"),
        Mismatch::Entries { table, expected, found } => {
            format!("`{table}` holds {found} entries; the log gives {expected}")
        }
        Mismatch::Live { counted, stored } => {
            format!("the recorded sizes of tables are wrong: {stored:?} recorded, {counted:?} found")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_look_that_dies_is_a_finding() {
        let dir = tempfile::tempdir().unwrap();
        let finding = look(Path::new("false"), &dir.path().join("muster.redb")).await.unwrap();
        assert!(!finding.clean && finding.shown[0].contains("crashed"), "{finding:?}");
        let error = look(Path::new("/nonexistent"), dir.path()).await.unwrap_err();
        assert!(error.to_string().contains("/nonexistent"), "{error}");
    }

    #[test]
    fn what_is_said_is_heard_as_it_was_meant() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("muster.redb");
        let InspectionLine::<Inspection>::Failed(error) = serde_json::from_str(&look_here(&path)).unwrap() else {
            panic!("no file, no finding")
        };
        assert!(error.contains("muster.redb"), "{error}");
        std::fs::write(&path, b"no store at all").unwrap();
        let InspectionLine::<Inspection>::Done(finding) = serde_json::from_str(&look_here(&path)).unwrap() else {
            panic!("a finding")
        };
        assert!(!finding.clean && finding.wrong == 1, "{finding:?}");
    }
}
