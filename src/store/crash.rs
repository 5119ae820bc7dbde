//! Proves that no power cut harms the store.
//!
//! A workload runs on a disk that records every write, change of length and sync. Between two syncs, a disk may hold any part of
//! what was written since the first: nothing, all, some writes, one write torn between sectors. Each such disk is a kill point.
//! From each, the real [`open`](super::open) must produce a store that is a committed prefix of the workload, holds everything
//! acknowledged before the cut, folds to what it shows, and accepts more. A second cut while such a disk is opened must be just as
//! harmless.
//!
//! `MUSTER_TEARS` sets how many random kill points there are per sync, in addition to the fixed ones.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;

use fastrand::Rng;

use super::disk::memory::{DiskStep, Memory};
use super::fixtures::{changed, discovered, document, evidence, instance, project, removed};
use super::verify::fold_log;
use super::{CommitBatch, Due, FILE_NAME, Store, StoreOptions, Watermark, Writer, open};
use crate::model::fixtures::{at_millis, kind, scope_in};
use crate::model::{
    ActionId, ActionOutcome, ActionRequest, Cause, Current, Event, Recorded, ResourceId, ScopeFilter, Seq,
};

/// The largest write that a disk makes atomically.
const SECTOR: usize = 512;

/// The content of a store.
#[derive(Debug, PartialEq)]
struct StoreContent {
    records: Vec<Recorded>,
    horizon: Seq,
    current: Vec<(ResourceId, Current)>,
    watermarks: Vec<Watermark>,
    notified: Vec<String>,
}

fn held(store: &Store) -> StoreContent {
    let snapshot = store.snapshot().unwrap();
    let heads = snapshot.heads(&kind(), &ScopeFilter::Everywhere, None, usize::MAX).unwrap();
    StoreContent {
        records: snapshot.records(Seq(1), usize::MAX).unwrap(),
        horizon: snapshot.horizon(),
        current: heads
            .into_iter()
            .map(|head| (head.id.clone(), snapshot.current(&head.id).unwrap().unwrap()))
            .collect(),
        watermarks: snapshot.watermarks().unwrap(),
        notified: (0..12).map(event_id).filter(|id| snapshot.is_notified(id).unwrap()).collect(),
    }
}

fn event_id(number: usize) -> String {
    format!("event-{number}")
}

/// A recorded workload.
struct Tape {
    steps: Vec<DiskStep>,
    /// What was held after each commit, and how many steps had been noted when it was acknowledged.
    acknowledged: Vec<(usize, StoreContent)>,
}

/// Records a workload.
struct Recorder {
    disk: Memory,
    options: StoreOptions,
    /// One directory for all; the store file is not in it.
    _dir: tempfile::TempDir,
    acknowledged: Vec<(usize, StoreContent)>,
    clock: i64,
}

impl Recorder {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let disk = Memory::default();
        disk.note();
        let options = options(dir.path(), &disk);
        Recorder { disk, options, _dir: dir, acknowledged: Vec::new(), clock: 1_000 }
    }

    fn open(&mut self) -> (Writer, Store) {
        let (writer, store) = open(self.options.clone()).unwrap();
        self.note(&store);
        (writer, store)
    }

    fn note(&mut self, store: &Store) {
        self.acknowledged.push((self.disk.noted(), held(store)));
    }

    /// Folds the oldest records, one step at a time.
    fn fold(&mut self, writer: &mut Writer, steps: usize) {
        for _ in 0..steps {
            let due = Due { until: at_millis(self.clock), down_to: 0 };
            assert_eq!(writer.fold(due, 12, || true).unwrap().records, 12);
            self.note(&writer.store());
        }
    }

    fn commit(&mut self, writer: &mut Writer, entries: Vec<(Cause, Event)>, watermarks: Vec<Watermark>) {
        self.clock += 1_000;
        let told = entries.iter().filter_map(|(cause, _)| match cause {
            Cause::Notification { event_id } => Some(event_id.clone()),
            _ => None,
        });
        let notified = told.collect();
        writer
            .commit(CommitBatch {
                recorded_at: at_millis(self.clock),
                entries,
                watermarks,
                notified,
                ..CommitBatch::default()
            })
            .unwrap();
        self.note(&writer.store());
    }
}

fn options(dir: &Path, disk: &Memory) -> StoreOptions {
    StoreOptions { cache_bytes: 1 << 20, disk: Arc::new(disk.clone()), ..StoreOptions::new(dir, project) }
}

fn swept(ended: i64) -> Vec<Watermark> {
    vec![Watermark {
        scope: scope_in("eu-central-1"),
        kind: kind(),
        since: at_millis(1),
        started: at_millis(ended - 1),
        ended: at_millis(ended),
        complete: true,
    }]
}

/// A sweep's baseline, events, a tool's call, removals, watermarks, retention, a clean stop and a start.
fn recorded() -> Tape {
    let mut recorder = Recorder::new();
    let ids: Vec<ResourceId> = (0..60).map(|n| instance(&format!("i-{n:03}"))).collect();
    let (running, stopped, renamed) = (document("running", "a"), document("stopped", "a"), document("stopped", "b"));
    let (mut writer, store) = recorder.open();
    for page in ids.chunks(20) {
        let entries = page.iter().map(|id| (Cause::Baseline, discovered(id, running.clone()).1));
        recorder.commit(&mut writer, entries.collect(), Vec::new());
    }
    recorder.commit(&mut writer, Vec::new(), swept(100));
    for (n, id) in ids.iter().enumerate().take(12) {
        let cause = Cause::Notification { event_id: event_id(n) };
        recorder.commit(&mut writer, vec![(cause, changed(id, &running, &stopped).1)], Vec::new());
    }
    let (action, targets) = (ActionId(7), vec![ids[0].clone(), ids[1].clone()]);
    let cause = Cause::Tool { action };
    let requested = ActionRequest::of("start_instance", targets).requested(action);
    recorder.commit(&mut writer, vec![(cause.clone(), requested)], Vec::new());
    let finished =
        Event::ActionFinished { action, outcome: ActionOutcome::Succeeded { created: Vec::new() }, request_id: None };
    let told = [&ids[0], &ids[1]].map(|id| (cause.clone(), changed(id, &stopped, &running).1));
    recorder.commit(&mut writer, [(cause.clone(), finished)].into_iter().chain(told).collect(), Vec::new());
    recorder.commit(&mut writer, ids[20..40].iter().map(removed).collect(), Vec::new());
    recorder.fold(&mut writer, 3);
    drop((writer, store));
    let (mut writer, store) = recorder.open();
    recorder.commit(&mut writer, ids[20..30].iter().map(|id| discovered(id, stopped.clone())).collect(), swept(200));
    for id in &ids[20..28] {
        recorder.commit(&mut writer, vec![changed(id, &stopped, &renamed)], Vec::new());
    }
    recorder.fold(&mut writer, 4);
    // More than fits in the file: it grows.
    let large = document("running", &"x".repeat(700_000));
    recorder.commit(&mut writer, vec![changed(&ids[40], &running, &large)], Vec::new());
    recorder.commit(&mut writer, vec![changed(&ids[40], &large, &running)], Vec::new());
    drop((writer, store));
    Tape { steps: recorder.disk.notes(), acknowledged: recorder.acknowledged }
}

/// The file between two syncs: its durable and its pending content.
struct BetweenSyncs<'tape> {
    /// The number of steps done when the later sync began.
    cut: usize,
    durable: Vec<u8>,
    pending: Vec<&'tape DiskStep>,
    /// Whether the file has its final name.
    named: bool,
}

/// Calls `visit` with the file between any two syncs, in order.
fn between(steps: &[DiskStep], base: Vec<u8>, named: bool, mut visit: impl FnMut(&BetweenSyncs<'_>)) {
    let mut now = BetweenSyncs { cut: 0, durable: base, pending: Vec::new(), named };
    for (place, step) in steps.iter().enumerate() {
        now.cut = place;
        match step {
            DiskStep::Sync => {
                visit(&now);
                for step in std::mem::take(&mut now.pending) {
                    step.apply(&mut now.durable);
                }
            }
            DiskStep::Link => {
                visit(&now);
                now.named = true;
            }
            DiskStep::Write { .. } | DiskStep::SetLen { .. } => now.pending.push(step),
        }
    }
    now.cut = steps.len();
    visit(&now);
}

impl BetweenSyncs<'_> {
    /// What the disk may hold: none and all of the pending writes, and `random` other combinations.
    fn images(&self, rng: &mut Rng, random: usize) -> Vec<Vec<u8>> {
        let mut images = vec![self.durable.clone()];
        if self.pending.is_empty() {
            return images;
        }
        let mut all = self.durable.clone();
        self.pending.iter().for_each(|step| step.apply(&mut all));
        images.push(all);
        for n in 0..random {
            let mut image = self.durable.clone();
            // Every second image has a torn write; now and then the cut is in the middle of the writes, and no earlier one is lost.
            let torn = (n % 2 == 0).then(|| rng.usize(..self.pending.len()));
            let in_order = rng.u8(..4) == 0;
            let end = if in_order { rng.usize(..=self.pending.len()) } else { self.pending.len() };
            for (place, step) in self.pending.iter().enumerate().take(end) {
                if Some(place) == torn {
                    tear(step, rng).apply(&mut image);
                } else if in_order || rng.bool() {
                    step.apply(&mut image);
                }
            }
            images.push(image);
        }
        images
    }
}

/// The part of a write that reached the disk: some whole sectors from its start or its end.
fn tear(step: &DiskStep, rng: &mut Rng) -> DiskStep {
    let DiskStep::Write { offset, data } = step else { return step.clone() };
    let boundary = (rng.usize(..=data.len()) / SECTOR) * SECTOR;
    if rng.bool() {
        DiskStep::Write { offset: *offset, data: data[..boundary].to_vec() }
    } else {
        DiskStep::Write { offset: offset + boundary, data: data[boundary..].to_vec() }
    }
}

/// Opens what a cut left, holds it against what was acknowledged, and goes on with it.
fn survives(dir: &Path, image: Vec<u8>, acknowledged: &[(usize, StoreContent)], cut: usize, seed: &str) -> Memory {
    let disk = Memory::holding(&dir.join(FILE_NAME), image);
    disk.note();
    let (mut writer, store) = open(options(dir, &disk)).unwrap_or_else(|error| panic!("{seed}: {error:?}"));
    let least = acknowledged.iter().take_while(|(noted, _)| *noted <= cut).count().saturating_sub(1);
    let found = held(&store);
    let prefix = acknowledged[least..].iter().position(|(_, held)| *held == found);
    assert!(
        prefix.is_some_and(|further| further <= 1),
        "{seed}: record {} of horizon {} is at the end, and commit {least} was acknowledged",
        found.records.len(),
        found.horizon
    );
    let report = fold_log(&store.snapshot().unwrap()).unwrap();
    assert!(report.is_clean(), "{seed}: {report:?}");
    writer
        .commit(CommitBatch { recorded_at: at_millis(9_000_000), entries: vec![one_more()], ..CommitBatch::default() })
        .unwrap();
    assert_eq!(held(&store).records.len(), found.records.len() + 1, "{seed}, one commit later");
    disk
}

fn one_more() -> (Cause, Event) {
    let (id, document) = (instance("i-more"), document("running", "more"));
    (Cause::Sweep, Event::Discovered { id, document, evidence: evidence(9), mapping: 1 })
}

fn tears() -> usize {
    std::env::var("MUSTER_TEARS").map_or(3, |tears| tears.parse().expect("MUSTER_TEARS is a number"))
}

#[test]
fn every_kill_point_leaves_a_committed_prefix_with_everything_acknowledged() {
    let Tape { steps, acknowledged } = recorded();
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let (mut points, mut second, mut syncs) = (0, 0, 0);
    let mut rng = Rng::with_seed(4);
    between(&steps, Vec::new(), false, |between| {
        syncs += 1;
        if !between.named {
            assert!(acknowledged[0].0 > between.cut, "acknowledged before it had its name");
            return;
        }
        for (n, image) in between.images(&mut rng, tears()).into_iter().enumerate() {
            let seed = format!("cut before step {}, way {n}", between.cut);
            points += 1;
            let disk = survives(dir, image.clone(), &acknowledged, between.cut, &seed);
            if n == 0 || points % 48 != 0 {
                continue;
            }
            // A second cut, while the disk after the first one is opened and written.
            self::between(&disk.notes(), image, true, |again| {
                for image in again.images(&mut rng, 1) {
                    second += 1;
                    reopens(dir, image, &acknowledged, between.cut, &seed);
                }
            });
        }
    });
    eprintln!("{syncs} syncs, {points} kill points, {second} second kill points, all passed");
    assert!(points > 300 && second > 50, "{points}, {second}");
}

/// Opens what a second cut left: a committed prefix, perhaps with the one record that was added after the first.
fn reopens(dir: &Path, image: Vec<u8>, acknowledged: &[(usize, StoreContent)], cut: usize, seed: &str) {
    let disk = Memory::holding(&dir.join(FILE_NAME), image);
    let (_writer, store) = open(options(dir, &disk)).unwrap_or_else(|error| panic!("{seed}, cut again: {error:?}"));
    let report = fold_log(&store.snapshot().unwrap()).unwrap();
    assert!(report.is_clean(), "{seed}, cut again: {report:?}");
    let mut records = held(&store).records;
    if records.last().is_some_and(|last| last.event == one_more().1) {
        records.pop();
    }
    let least = acknowledged.iter().take_while(|(noted, _)| *noted <= cut).count().saturating_sub(1);
    assert!(acknowledged[least..].iter().take(2).any(|(_, held)| held.records == records), "{seed}, cut again");
}

#[test]
fn a_disk_whose_syncs_do_nothing_is_detected() {
    let Tape { mut steps, acknowledged } = recorded();
    let honest = steps.len() / 2;
    for step in steps.iter_mut().skip(honest).filter(|step| matches!(step, DiskStep::Sync)) {
        // It already has its name: nothing happens.
        *step = DiskStep::Link;
    }
    let dir = tempfile::tempdir().unwrap();
    let mut rng = Rng::with_seed(4);
    let mut lost = 0;
    between(&steps, Vec::new(), false, |between| {
        // Detecting it a few commits later is soon enough.
        if between.cut < honest + steps.len() / 8 || lost > 0 {
            return;
        }
        for image in between.images(&mut rng, 1) {
            let survives = || survives(dir.path(), image, &acknowledged, between.cut, "a lie");
            lost += usize::from(catch_unwind(AssertUnwindSafe(survives)).is_err());
        }
    });
    assert!(lost > 0, "acknowledged, never written, and not missed");
}
