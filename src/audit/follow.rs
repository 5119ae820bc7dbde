//! Follows the log and writes the audit file.

use std::path::PathBuf;
use std::time::Duration;

use thiserror::Error;
use tokio::task::spawn_blocking;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::file::{AuditFile, AuditFileError, START};
use super::options::AuditOptions;
use super::place::PlaceFile;
use super::progress::AuditProgress;
use crate::model::text::chain;
use crate::model::{Recorded, Seq};
use crate::notify::ChangeHub;
use crate::store::{ReadError, Store, export};

/// How many records are read at once.
const CHUNK: usize = 500;

/// After how many records without a line the place is saved all the same.
const SAVED_EVERY: u64 = 20_000;

/// The pause after the first failure.
const FIRST: Duration = Duration::from_millis(250);

/// The longest pause between attempts.
const MAX_PAUSE: Duration = Duration::from_secs(10);

/// Why the file does not hold what it should.
#[derive(Debug, Error)]
enum AuditError {
    #[error(transparent)]
    File(#[from] AuditFileError),
    #[error("its place cannot be kept in the data directory: {0}")]
    Place(#[from] std::io::Error),
    #[error(transparent)]
    Read(#[from] ReadError),
}

/// Writes everything that the log holds and will hold, until `stop` is cancelled. A failure is noted, and tried again.
pub async fn follow(
    store: Store,
    hub: ChangeHub,
    options: AuditOptions,
    data_dir: PathBuf,
    progress: AuditProgress,
    stop: CancellationToken,
) {
    let mut newest = hub.newest();
    let mut writer = AuditWriter {
        place: PlaceFile::new(&data_dir, store.log_id()),
        file: AuditFile::new(&options.path),
        at: None,
        saved: Seq::ZERO,
        lost: 0,
        store,
        progress,
    };
    let (mut pause, mut is_last) = (FIRST, false);
    loop {
        newest.mark_unchanged();
        writer.progress.begins();
        let writing = spawn_blocking(move || {
            let done = writer.catch_up();
            (writer, done)
        });
        // It ends only with the runtime, or with a panic, which is logged where it happens.
        let Ok((back, done)) = writing.await else { return };
        writer = back;
        match done {
            _ if is_last => return,
            Ok(()) => {
                pause = FIRST;
                // What was recorded before the stop is written once more.
                let changed = stop.run_until_cancelled(newest.changed()).await;
                is_last = changed.is_none_or(|changed| changed.is_err());
            }
            Err(error) => {
                tracing::warn!(file = %options.path.display(), error = %chain(&error), "the audit file is behind");
                writer.progress.failed(&chain(&error));
                is_last = stop.run_until_cancelled(sleep(pause)).await.is_none();
                pause = (pause * 2).min(MAX_PAUSE);
            }
        }
    }
}

struct AuditWriter {
    store: Store,
    place: PlaceFile,
    file: AuditFile,
    /// The last record that is in the file; `None` before the place was read.
    at: Option<Seq>,
    /// The place that is kept.
    saved: Seq,
    /// How many records the file lacks for good.
    lost: u64,
    progress: AuditProgress,
}

impl AuditWriter {
    /// Writes everything that the log holds.
    fn catch_up(&mut self) -> Result<(), AuditError> {
        if self.at.is_none() {
            self.file.check()?;
            (self.saved, self.lost) = self.place.read()?;
            self.progress.missed(self.lost);
        }
        let mut at = *self.at.get_or_insert(self.saved);
        loop {
            let snapshot = self.store.snapshot()?;
            let (horizon, newest) = (snapshot.horizon(), snapshot.seq());
            let mut missing = 0;
            if at < horizon {
                // From the beginning of the log on nothing was written before.
                missing = if at > Seq::ZERO { horizon.0 - at.0 } else { 0 };
                at = horizon;
            }
            let records = snapshot.records(at.next(), CHUNK)?;
            drop(snapshot);
            let lines: String = records.iter().filter_map(|record| self.line(record)).collect();
            if !lines.is_empty() {
                self.file.append(&lines)?;
            }
            let end = if records.len() < CHUNK { newest.max(at) } else { records.last().map_or(at, |last| last.seq) };
            // A record that cannot be read is left out, and could be about any call.
            missing += (end.0 - at.0).saturating_sub(u64::try_from(records.len()).unwrap_or_default());
            at = end;
            self.lost += missing;
            self.progress.missed(missing);
            // Before it is kept: a line that stands there twice does no harm.
            self.at = Some(at);
            if !lines.is_empty() || missing > 0 || at.0 >= self.saved.0 + SAVED_EVERY {
                self.place.save(at, self.lost)?;
                self.saved = at;
            }
            self.progress.wrote(at, newest.max(at));
            if records.len() < CHUNK {
                return Ok(());
            }
        }
    }

    /// The line of a record; nothing for one that is not about a tool's call.
    fn line(&self, record: &Recorded) -> Option<String> {
        let line = record.event.is_of_action().then(|| export::line(record))?;
        Some(format!("{START}{}\",{}\n", self.store.log_id(), line.strip_prefix('{')?))
    }
}

#[cfg(test)]
mod tests;
