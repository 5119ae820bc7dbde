//! What a server that has stopped left in its store, held against what AWS held.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::thread::sleep;
use std::time::Duration;

use muster::kinds::{self, KINDS};
use muster::model::{Cause, Event, ScopeFilter, Seq};
use muster::store::{Snapshot, Store, StoreOptions};
use serde_json::Value;
use tokio::time::Instant;

use super::oracle::{Oracle, now};
use super::reader::differing;
use crate::harness::muster::Sandbox;

/// How many records are read at once.
const STEP: usize = 10_000;

/// What the log holds.
#[derive(Debug, Default)]
pub(super) struct Log {
    /// Records by kind of event.
    pub(super) records: BTreeMap<&'static str, u64>,
    /// Records by cause.
    pub(super) causes: BTreeMap<&'static str, u64>,
    /// Removals of what AWS listed at that moment.
    pub(super) false_removals: Vec<String>,
}

/// The store of a sandbox whose server has stopped. A snapshot of it can be read as long as it is open.
pub(crate) fn open(sandbox: &Sandbox) -> Store {
    let (_, store) = muster::store::open(StoreOptions::new(sandbox.data(), kinds::project)).unwrap();
    store
}

/// Waits until what a running server has stored is what AWS holds, which has to stand still soon.
pub(crate) fn converges(sandbox: &Sandbox, oracle: &Oracle, patience: Duration) {
    let begun = Instant::now();
    let copies = tempfile::tempdir().unwrap();
    for copy in 0.. {
        let directory = copies.path().join(copy.to_string());
        fs::create_dir(&directory).unwrap();
        let mut backup = sandbox.muster(&["backup", "--data-dir"]);
        let output = backup.arg(sandbox.data()).arg(directory.join("muster.redb")).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let (_, store) = muster::store::open(StoreOptions::new(&directory, kinds::project)).unwrap();
        let (_, differences) = differences(&store.snapshot().unwrap(), oracle);
        if differences.is_empty() {
            return;
        }
        assert!(begun.elapsed() < patience, "after {patience:?} the copy differs from AWS: {differences:#?}");
        drop(store);
        fs::remove_dir_all(&directory).unwrap();
        sleep(Duration::from_secs(1));
    }
}

/// Reads the whole log.
pub(super) fn read(snapshot: &Snapshot, oracle: &Oracle) -> Log {
    let mut log = Log::default();
    let mut next = Seq::ZERO;
    loop {
        let records = snapshot.records(next, STEP).unwrap();
        let Some(last) = records.last() else { return log };
        next = last.seq.next();
        for record in records {
            let name = match &record.event {
                Event::Discovered { .. } => "discovered",
                Event::Changed { .. } => "changed",
                Event::Removed { .. } => "removed",
                Event::Remapped { .. } => "remapped",
                Event::ActionRequested { .. }
                | Event::ActionFinished { .. }
                | Event::ActionRefused { .. }
                | Event::ActionConfirmed { .. } => "action",
                Event::Called { .. } => "call",
            };
            *log.records.entry(name).or_default() += 1;
            let cause = match &record.cause {
                Cause::Baseline => "baseline",
                Cause::Sweep | Cause::Resumed { .. } => "sweep",
                Cause::Refresh => "refresh",
                Cause::Notification { .. } | Cause::Call { .. } => "notification",
                Cause::Tool { .. } | Cause::Attempt => "tool",
            };
            *log.causes.entry(cause).or_default() += 1;
            if let Event::Removed { id, .. } = &record.event
                && let Some(held) = oracle.at(kinds::of(&id.kind).unwrap(), &id.id, record.recorded_at.as_millis())
            {
                log.false_removals.push(format!("{} {id} at {}: {held}", record.seq, record.recorded_at));
            }
        }
    }
}

/// How a store differs from AWS as it is now, kind by kind; and how many resources were compared.
pub(crate) fn differences(snapshot: &Snapshot, oracle: &Oracle) -> (u64, Vec<String>) {
    let (mut compared, mut differences) = (0, Vec::new());
    let at = now();
    for kind in KINDS {
        let aws = oracle.all(kind, at);
        let stored = stored(snapshot, kind);
        let ids: BTreeSet<&String> = aws.keys().chain(stored.keys()).collect();
        compared += ids.len() as u64;
        for id in ids {
            let (aws, stored) = (aws.get(id), stored.get(id));
            if aws != stored {
                let differs = match (aws.and_then(Value::as_object), stored.and_then(Value::as_object)) {
                    (Some(aws), Some(stored)) => differing(aws, stored),
                    (Some(_), None) => "Muster has nothing".to_owned(),
                    _ => "AWS has nothing".to_owned(),
                };
                differences.push(format!("{} {id}: {differs}", kind.slug));
            }
        }
    }
    (compared, differences)
}

fn stored(snapshot: &Snapshot, kind: &kinds::KindSpec) -> BTreeMap<String, Value> {
    let mut found = BTreeMap::new();
    let mut after = None;
    loop {
        let heads = snapshot.heads(&kind.kind(), &ScopeFilter::Everywhere, after.as_ref(), 1_000).unwrap();
        let Some(last) = heads.last() else { return found };
        after = Some(last.id.clone());
        for head in heads {
            let current = snapshot.current(&head.id).unwrap().unwrap();
            found.insert(head.id.id.to_string(), serde_json::to_value(&current.document).unwrap());
        }
    }
}
