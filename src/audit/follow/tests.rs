//! That the file holds a line of each record about a tool's call, in order, whatever happens to it and to the server.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use proptest::prelude::*;
use serde_json::Value;
use tempfile::TempDir;

use super::*;
use crate::kinds;
use crate::model::fixtures::at_millis;
use crate::model::{ActionId, ActionOutcome, ActionRequest, Cause, Event, Principal, ResourceId};
use crate::store::{CommitBatch, StoreOptions, Writer};

/// What happens to a server and its audit file.
#[derive(Clone, Copy, Debug)]
enum Happens {
    /// A tool calls AWS, and something else is recorded.
    Act,
    /// The file is written.
    Write,
    /// The server is killed, while it wrote so many bytes of the next lines.
    Kill(usize),
    /// The file is renamed.
    Rotate,
    /// The file cannot be written for a while.
    Deny,
}

fn happens() -> impl Strategy<Value = Happens> {
    prop_oneof![
        4 => Just(Happens::Act),
        3 => Just(Happens::Write),
        2 => (0..120_usize).prop_map(Happens::Kill),
        1 => Just(Happens::Rotate),
        1 => Just(Happens::Deny),
    ]
}

struct Stage {
    dir: TempDir,
    writer: Writer,
    store: Store,
    audit: AuditWriter,
    acted: Vec<u64>,
    rotated: usize,
    killed: bool,
}

impl Stage {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let options = StoreOptions { cache_bytes: 4 << 20, ..StoreOptions::new(dir.path(), kinds::project) };
        let (writer, store) = crate::store::open(options).unwrap();
        let audit = audit(dir.path(), &store);
        Stage { dir, writer, store, audit, acted: Vec::new(), rotated: 0, killed: false }
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("audit.jsonl")
    }

    fn act(&mut self) {
        let action = ActionId(self.acted.len() as u64);
        let cause = Cause::Tool { action };
        let by = Some(Principal::of_user("uid:1").with_client(Some("an \"agent\"\n"), None));
        let requested = ActionRequest { by, ..ActionRequest::of("stop_instance", Vec::new()) }.requested(action);
        let outcome = ActionOutcome::Succeeded { created: Vec::new() };
        let finished = Event::ActionFinished { action, outcome, request_id: None };
        let scope = crate::model::fixtures::scope_in("eu-west-1");
        let removed = Event::Removed { id: ResourceId::new(&scope, &kinds::INSTANCE.kind(), "i-1"), at: at_millis(1) };
        let entries = vec![(cause.clone(), requested), (Cause::Sweep, removed), (cause, finished)];
        let batch = CommitBatch { recorded_at: at_millis(1), entries, ..CommitBatch::default() };
        let first = self.writer.commit(batch).unwrap().first.0;
        self.acted.extend([first, first + 2]);
    }

    fn happen(&mut self, what: Happens) {
        match what {
            Happens::Act => self.act(),
            Happens::Write => self.audit.catch_up().unwrap(),
            Happens::Kill(bytes) => {
                let next = self.audit.at.unwrap_or_default();
                let lines: String = {
                    let records = self.store.snapshot().unwrap().records(next.next(), CHUNK).unwrap();
                    records.iter().filter_map(|record| self.audit.line(record)).collect()
                };
                if self.audit.at.is_some() && !lines.is_empty() {
                    self.audit.file.append(&lines[..bytes.min(lines.len())]).unwrap();
                }
                self.audit = audit(self.dir.path(), &self.store);
                self.killed = true;
            }
            Happens::Rotate => {
                if self.path().exists() {
                    fs::rename(self.path(), self.dir.path().join(format!("audit.{}", self.rotated))).unwrap();
                    self.rotated += 1;
                }
            }
            Happens::Deny => {
                let aside = self.dir.path().join("aside");
                let is_there = self.path().exists();
                if is_there {
                    fs::rename(self.path(), &aside).unwrap();
                }
                fs::create_dir(self.path()).unwrap();
                self.act();
                self.audit.catch_up().unwrap_err();
                fs::remove_dir(self.path()).unwrap();
                if is_there {
                    fs::rename(&aside, self.path()).unwrap();
                }
            }
        }
    }

    /// The numbers of the records in the lines of all files; a part of a line may stand only at an end that a rotation cut off.
    fn written(&self) -> Vec<u64> {
        let rotated = (0..self.rotated).map(|nth| self.dir.path().join(format!("audit.{nth}")));
        let texts = rotated.chain([self.path()]).map(|path| fs::read_to_string(path).unwrap_or_default());
        let mut found = Vec::new();
        for text in texts {
            for line in text.split_inclusive('\n').filter(|line| line.ends_with('\n')) {
                let line: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
                assert_eq!(line["log"], self.store.log_id().to_string());
                found.push(line["seq"].as_u64().unwrap());
            }
        }
        found
    }
}

fn audit(dir: &Path, store: &Store) -> AuditWriter {
    AuditWriter {
        store: store.clone(),
        place: PlaceFile::new(dir, store.log_id()),
        file: AuditFile::new(&dir.join("audit.jsonl")),
        at: None,
        saved: Seq::ZERO,
        lost: 0,
        progress: AuditProgress::default(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn no_line_is_lost_and_lines_repeat_only_after_a_kill(steps in proptest::collection::vec(happens(), 0..24)) {
        let mut stage = Stage::new();
        for step in steps {
            stage.happen(step);
        }
        stage.audit.catch_up().unwrap();
        let written = stage.written();
        let once: BTreeSet<u64> = written.iter().copied().collect();
        prop_assert_eq!(once.into_iter().collect::<Vec<_>>(), stage.acted.clone());
        if !stage.killed {
            prop_assert_eq!(written, stage.acted);
        }
    }
}

#[test]
fn a_line_tells_who_called_what_and_nothing_else_of_the_log_is_written() {
    let mut stage = Stage::new();
    stage.act();
    stage.audit.catch_up().unwrap();
    let text = fs::read_to_string(stage.path()).unwrap();
    assert_eq!(text.lines().count(), 2, "{text}");
    let first: Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
    assert_eq!(first["event"]["event"], "action_requested");
    assert_eq!(first["event"]["by"]["client"], "an \"agent\"");
    assert_eq!(first["cause"]["action"], first["event"]["action"]);
}

#[test]
fn records_that_were_folded_away_before_they_were_written_are_counted() {
    let mut stage = Stage::new();
    let options = AuditOptions { path: stage.path(), required: false };
    stage.audit.progress = AuditProgress::of(&options);
    stage.act();
    stage.audit.catch_up().unwrap();
    stage.act();
    let due = crate::store::Due { until: at_millis(i64::MAX / 2), down_to: 0 };
    stage.writer.fold(due, 1_000, || true).unwrap();
    stage.audit.catch_up().unwrap();
    let what = stage.audit.progress.shown().unwrap()["what"].as_str().unwrap().to_owned();
    assert!(what.contains("lacks 3 records that the log no longer holds"), "{what}");
    // The next server knows of it.
    let mut again = AuditWriter { progress: AuditProgress::of(&options), ..audit(stage.dir.path(), &stage.store) };
    again.catch_up().unwrap();
    assert_eq!(again.progress.shown().unwrap()["what"], what);
}
