//! Random logs for the tests of questions about the past, with a plain model of what they mean.

use std::collections::BTreeMap;

use proptest::prelude::*;
use tempfile::TempDir;

use crate::model::event::Overlay;
use crate::model::fixtures::{scope_in, state as state_of, tags};
use crate::model::known::fold;
use crate::model::{
    ActionId, ActionRequest, Cause, Current, Document, Event, Evidence, Group, Kind, Map, ResourceId, RowFields, Scope,
    Seq, Source, Timestamp,
};
use crate::store::fixtures::{PlainStore, flip_record};
use crate::store::retain::Due;
use crate::store::{CommitBatch, Store, StoreOptions, Writer};

/// Something that happens to one of few resources.
#[derive(Clone, Debug)]
pub(super) enum Op {
    /// It is there, in this state, with this tag.
    Put(usize, &'static str, &'static str),
    /// It is gone.
    Remove(usize),
    /// A tool is called on it and another one.
    Act(usize, usize),
}

/// A store, and what it should hold.
pub(super) struct SampleLog {
    dir: TempDir,
    pub(super) writer: Writer,
    pub(super) store: Store,
    /// What the store should hold.
    pub(super) plain: PlainStore,
}

pub(super) fn at(millis: u64) -> Timestamp {
    Timestamp::from_millis(i64::try_from(millis).unwrap())
}

pub(super) fn kind(n: usize) -> Kind {
    Kind::new(["A", "B"][n % 2])
}

pub(super) fn scope(n: usize) -> Scope {
    scope_in(["eu-west-1", "us-east-1"][n % 2])
}

/// Two kinds, three ids, two regions.
pub(super) fn id(n: usize) -> ResourceId {
    ResourceId::new(&scope(n / 2), &kind(n), format!("i-{}", n / 4))
}

pub(super) const IDS: usize = 12;

/// Facet 1 is the state.
pub(super) fn project(_: &ResourceId, document: &Document) -> RowFields {
    RowFields {
        projection: 0,
        name: None,
        owner: None,
        facets: document.scalars("State.Name").into_iter().map(|state| (1, state)).collect(),
        tags: document.tags().map(|(key, value)| (key.to_owned(), value.to_owned())).collect(),
    }
}

pub(super) fn ops(most: usize) -> impl Strategy<Value = Vec<Op>> {
    let state = prop_oneof![Just("running"), Just("stopped")];
    let tag = prop_oneof![Just("a"), Just("b")];
    let op = prop_oneof![
        6 => (0..IDS, state, tag).prop_map(|(id, state, tag)| Op::Put(id, state, tag)),
        2 => (0..IDS).prop_map(Op::Remove),
        1 => (0..IDS, 0..IDS).prop_map(|(one, other)| Op::Act(one, other)),
    ];
    proptest::collection::vec(op, 0..most)
}

fn document(state: &str, tag: &str) -> Document {
    Document::new(Map::from([("State", state_of(state)), ("Tags", tags([("team", tag)]))]))
}

fn open(dir: &TempDir) -> (Writer, Store) {
    crate::store::open(StoreOptions { cache_bytes: 4 << 20, ..StoreOptions::new(dir.path(), project) }).unwrap()
}

impl SampleLog {
    pub(super) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (writer, store) = open(&dir);
        SampleLog { dir, writer, store, plain: PlainStore::default() }
    }

    /// The same with a damaged record.
    pub(super) fn with_damaged(self, seq: Seq) -> Self {
        let SampleLog { dir, writer, store, plain } = self;
        drop((writer, store));
        flip_record(dir.path(), seq);
        let (writer, store) = open(&dir);
        SampleLog { dir, writer, store, plain }
    }

    /// Commits what `ops` mean, at most `size` records at once. Record n is committed between 1000 n and 1000 n + 999.
    pub(super) fn play(&mut self, ops: &[Op], size: usize) {
        for ops in ops.chunks(size.max(1)) {
            let mut ahead = self.plain.clone();
            let mut batch = CommitBatch::default();
            for op in ops {
                let Some(entry) = entry(op, &ahead) else { continue };
                ahead.commit(&CommitBatch { entries: vec![entry.clone()], ..CommitBatch::default() });
                batch.entries.push(entry);
            }
            batch.recorded_at = at(1000 * ahead.seq.0);
            self.plain.commit(&batch);
            self.writer.commit(batch).unwrap();
        }
    }

    /// Folds the oldest `records` records away.
    pub(super) fn fold(&mut self, records: usize) {
        let due = Due { until: at(u64::from(u32::MAX)), down_to: 0 };
        let folded = self.writer.fold(due, records, || true).unwrap();
        assert_eq!(folded.records, records.min(self.plain.log.len()));
    }

    /// What was there after record `seq`.
    pub(super) fn then(&self, seq: Seq) -> BTreeMap<ResourceId, Current> {
        let mut current = BTreeMap::new();
        for record in self.plain.log.iter().filter(|record| record.seq <= seq) {
            if let Some(id) = record.event.resource()
                && let Some(after) = fold(current.remove(id), record)
            {
                current.insert(id.clone(), after);
            }
        }
        current
    }
}

fn entry(op: &Op, PlainStore { log, current, .. }: &PlainStore) -> Option<(Cause, Event)> {
    let place = log.len();
    let evidence = Evidence { source: Source::Sweep, at: at(place as u64) };
    let cause = match place % 4 {
        0 => Cause::Sweep,
        1 => Cause::Refresh,
        2 => Cause::Notification { event_id: format!("e-{place}") },
        _ => Cause::Resumed { since: at(1) },
    };
    match op {
        Op::Put(n, state, tag) => {
            let (id, document) = (id(*n), document(state, tag));
            match current.get(&id) {
                None => {
                    let cause = if place % 6 < 4 { Cause::Baseline } else { cause };
                    Some((cause, Event::Discovered { id, document, evidence, mapping: 1 }))
                }
                Some(before) => {
                    let changes = before.document.changes_to(&document);
                    let evidence = vec![(Group::State, evidence)];
                    Some((cause, Event::Changed { id, changes, evidence, overlay: Overlay::Keep }))
                }
            }
        }
        Op::Remove(n) => {
            let id = id(*n);
            let there = current.contains_key(&id);
            there.then_some((cause, Event::Removed { id, at: evidence.at }))
        }
        Op::Act(one, other) => {
            let (action, targets) = (ActionId(place as u64), vec![id(*one), id(*other)]);
            Some((Cause::Tool { action }, ActionRequest::of("stop", targets).requested(action)))
        }
    }
}
