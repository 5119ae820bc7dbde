//! How far the audit file is, for whoever answers or decides by it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::task::spawn_blocking;
use tokio::time::{Instant, timeout};

use super::file;
use super::options::AuditOptions;
use crate::model::Seq;
use crate::model::text::shown;

/// How long the file may be behind the log and still count as current: writing a line takes milliseconds.
const GRACE: Duration = Duration::from_secs(5);

/// How long its disk may take to say whether the file can be written.
const ANSWERS: Duration = Duration::from_secs(5);

/// How far the audit file is. Clones share it; the default is that of a server without one.
#[derive(Clone, Debug, Default)]
pub struct AuditProgress(Option<Arc<AuditShared>>);

#[derive(Debug)]
struct AuditShared {
    path: PathBuf,
    required: bool,
    state: Mutex<AuditState>,
}

#[derive(Debug)]
struct AuditState {
    /// Everything up to this record is in the file.
    written: Seq,
    /// Since when the file lacks a record; `None` if it lacks none.
    behind_since: Option<Instant>,
    /// Why it cannot be written.
    failure: Option<String>,
    /// Records that the log no longer held when they were to be written, or that were damaged.
    lost: u64,
}

impl AuditProgress {
    /// The progress of a file of which nothing is known yet: it counts as behind.
    #[must_use]
    pub fn of(options: &AuditOptions) -> Self {
        let state = AuditState { written: Seq::ZERO, behind_since: Some(Instant::now()), failure: None, lost: 0 };
        let AuditOptions { path, required } = options;
        AuditProgress(Some(Arc::new(AuditShared { path: path.clone(), required: *required, state: Mutex::new(state) })))
    }

    /// Whether the file holds everything that the log held a moment ago. True without an audit file.
    #[must_use]
    pub fn is_current(&self) -> bool {
        self.trouble().is_none()
    }

    /// Why what a tool does now might not come into the file; `None` where it does. Looks at the file itself, so it runs where that
    /// delays nobody.
    #[must_use]
    pub fn obstacle(&self) -> Option<String> {
        let Some(shared) = &self.0 else { return Some("the running Muster server writes no audit file".to_owned()) };
        let unwritable = || Some(format!("cannot be written: {}", file::probe(&shared.path).err()?));
        self.trouble().or_else(unwritable).map(|why| format!("the audit file {} {why}", shared.path.display()))
    }

    /// The same where something else waits. A disk that does not answer is an obstacle as well.
    pub async fn obstacle_soon(&self) -> Option<String> {
        let progress = self.clone();
        match timeout(ANSWERS, spawn_blocking(move || progress.obstacle())).await {
            Ok(Ok(obstacle)) => obstacle,
            Ok(Err(_)) | Err(_) => Some("the disk of the audit file does not answer".to_owned()),
        }
    }

    /// What answers show: the file, and what is wrong with it. Nothing without an audit file.
    #[must_use]
    pub fn shown(&self) -> Option<Value> {
        let shared = self.0.as_ref()?;
        let (written, lost) = {
            let state = shared.state.lock();
            (state.written, state.lost)
        };
        let path = shared.path.display();
        let mut body = json!({"file": path.to_string(), "written_through": written, "required": shared.required});
        let trouble = self.trouble().map(|why| format!("the audit file {path} {why}"));
        let gap = (lost > 0).then(|| {
            format!("the audit file {path} lacks {lost} records that the log no longer holds or that cannot be read")
        });
        if let (Some(what), Value::Object(fields)) = (trouble.or(gap), &mut body) {
            fields.insert("what".to_owned(), json!(what));
            let fix = "Free space on its disk, or let the server's user write the file. Muster goes on by itself.";
            fields.insert("fix".to_owned(), json!(fix));
        }
        Some(body)
    }

    /// What is wrong with the file, as the end of a sentence about it.
    fn trouble(&self) -> Option<String> {
        let shared = self.0.as_ref()?;
        let state = shared.state.lock();
        match (&state.failure, state.behind_since) {
            (Some(failure), _) => Some(format!("cannot be written: {failure}")),
            (None, Some(since)) if since.elapsed() > GRACE => {
                Some(format!("is behind the log, and holds records up to {} only", state.written))
            }
            _ => None,
        }
    }

    /// Notes that the file holds everything up to `written`, of a log that ends with `newest`.
    pub(super) fn wrote(&self, written: Seq, newest: Seq) {
        self.note(|state| {
            state.written = written;
            state.failure = None;
            state.behind_since = (written < newest).then(|| state.behind_since.unwrap_or_else(Instant::now));
        });
    }

    /// Notes that there may be something to write.
    pub(super) fn begins(&self) {
        self.note(|state| _ = state.behind_since.get_or_insert_with(Instant::now));
    }

    /// Notes that records were folded away before they were written, or could not be read.
    pub(super) fn missed(&self, records: u64) {
        self.note(|state| state.lost += records);
    }

    /// Notes that the file cannot be written.
    pub(super) fn failed(&self, why: &str) {
        self.note(|state| {
            state.failure = Some(shown(why, 300));
            _ = state.behind_since.get_or_insert_with(Instant::now);
        });
    }

    fn note(&self, change: impl FnOnce(&mut AuditState)) {
        if let Some(shared) = &self.0 {
            change(&mut shared.state.lock());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn progress(path: impl Into<PathBuf>) -> AuditProgress {
        AuditProgress::of(&AuditOptions { path: path.into(), required: true })
    }

    #[tokio::test(start_paused = true)]
    async fn a_file_that_is_behind_for_long_or_cannot_be_written_is_not_current() {
        let dir = tempfile::tempdir().unwrap();
        let progress = progress(dir.path().join("audit.jsonl"));
        assert!(progress.is_current(), "it has just begun");
        tokio::time::advance(GRACE + Duration::from_millis(1)).await;
        assert!(!progress.is_current());
        assert!(progress.obstacle().unwrap().contains("is behind the log"));
        progress.wrote(Seq(3), Seq(3));
        assert!(progress.is_current() && progress.obstacle().is_none());
        progress.failed("no space left on device");
        assert!(progress.obstacle().unwrap().contains("no space left on device"));
        tokio::time::advance(GRACE + Duration::from_millis(1)).await;
        progress.wrote(Seq(3), Seq(4));
        assert!(!progress.is_current(), "it has been behind since then");
        progress.wrote(Seq(4), Seq(4));
        assert!(progress.shown().unwrap().get("what").is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_without_a_file_is_current_and_has_none_for_whoever_requires_one() {
        let progress = progress("/var/log/audit.jsonl");
        progress.failed("denied");
        assert!(!progress.is_current());
        assert_eq!(progress.shown().unwrap()["what"], "the audit file /var/log/audit.jsonl cannot be written: denied");
        let none = AuditProgress::default();
        assert!(none.is_current() && none.shown().is_none());
        assert_eq!(none.obstacle_soon().await.unwrap(), "the running Muster server writes no audit file");
    }

    #[tokio::test]
    async fn a_file_whose_directory_is_gone_is_an_obstacle_before_anything_was_to_be_written() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("logs").join("audit.jsonl");
        std::fs::create_dir(path.parent().unwrap()).unwrap();
        let progress = progress(&path);
        progress.wrote(Seq(3), Seq(3));
        assert_eq!(progress.obstacle_soon().await, None);
        std::fs::remove_dir_all(path.parent().unwrap()).unwrap();
        let why = progress.obstacle_soon().await.unwrap();
        assert_eq!(why.matches("audit.jsonl").count(), 1, "{why}");
        assert!(why.contains("cannot be written: No such file"), "{why}");
        assert!(progress.is_current(), "it lacks nothing");
    }
}
