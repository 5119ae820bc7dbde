use std::sync::Arc;

use tempfile::TempDir;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::freshness::Signal;
use crate::ingest::IngestHandle;
use crate::ingest::tests::instances;
use crate::ingest::work::{Record, WorkItem};
use crate::model::event::Overlay;
use crate::model::fixtures::{self, SetClock, at_millis, kind};
use crate::model::{
    Cause, Change, Clock, Document, Event, Evidence, Group, Map, ResourceId, Seq, Source, SweepMessage, SweepStep,
    Value,
};
use crate::notify::ChangeHub;
use crate::store::fixtures::open_in;
use crate::store::verify::fold_log;
use crate::store::{Store, Writer};

/// A loop that is served by hand and reaches its last lane only when told to.
struct World {
    ingest: Ingest<Writer>,
    store: Store,
    clock: Arc<SetClock>,
    records: u64,
    _handle: IngestHandle,
    _dir: TempDir,
}

fn id(number: u64) -> ResourceId {
    fixtures::id(&format!("i-{number:017}"))
}

impl World {
    fn new(retention: Retention) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (writer, store) = open_in(&dir);
        let clock = Arc::new(SetClock::new(at_millis(1_800_000_000_000)));
        let hub = ChangeHub::new(Vec::new());
        let (ingest, handle, _) =
            Ingest::new(writer, hub, clock.clone(), vec![instances(1)], CancellationToken::new()).unwrap();
        let ingest = ingest.retaining(retention);
        World { ingest, store, clock, records: 0, _handle: handle, _dir: dir }
    }

    fn pass(&self, time: Duration) {
        self.clock.pass(time);
    }

    /// Commits this many changes of alternating resources.
    fn record(&mut self, changes: u64) {
        let seen = Evidence { source: Source::Sweep, at: self.clock.now() };
        let entries = (0..changes).map(|_| {
            self.records += 1;
            let id = id(self.records % 10);
            let event = if self.records <= 10 {
                let document = Document::new(Map::from([("Count", Value::Int(0))]));
                Event::Discovered { id, document, evidence: seen, mapping: 1 }
            } else {
                let number = i64::try_from(self.records).unwrap();
                let change = Change { path: "Count".into(), before: None, after: Some(Value::Int(number)) };
                let evidence = vec![(Group::Rest, seen)];
                Event::Changed { id, changes: vec![change], evidence, overlay: Overlay::Keep }
            };
            (Cause::Sweep, event)
        });
        let entries = entries.collect();
        let (done, _) = oneshot::channel();
        let record = Record { entries, observations: Vec::new(), cause: Cause::Sweep, done };
        self.ingest.serve(WorkItem::Record(record));
    }

    /// A complete listing without resources.
    fn sweep(&mut self) {
        let (now, scope) = (self.clock.now(), id(0).scope());
        self.ingest.freshness.signal(Signal::Expected {
            scope: scope.clone(),
            kind: kind(),
            interval: Duration::from_mins(1),
        });
        for step in [SweepStep::Started { at: now }, SweepStep::Completed { ended: now }] {
            self.ingest.serve(WorkItem::Sweep(SweepMessage { scope: scope.clone(), kind: kind(), step }));
        }
    }

    fn horizon(&self) -> Seq {
        self.store.snapshot().unwrap().horizon()
    }

    fn history(&self) -> u64 {
        self.store.snapshot().unwrap().history()
    }
}

fn limited(bytes: u64) -> Retention {
    Retention { bytes: Some(bytes), ..Retention::default() }
}

#[tokio::test(start_paused = true)]
async fn a_loop_that_is_never_idle_stays_within_its_limit() {
    let limit = 200_000;
    let mut world = World::new(limited(limit));
    let mut largest = 0;
    // About 140 bytes per change: history is replaced several times.
    for round in 0..200 {
        world.record(if round % 5 == 0 { 150 } else { 7 });
        // By the time the limit is reached, records are always old enough to be folded.
        world.pass(Duration::from_secs(30));
        tokio::time::advance(Duration::from_secs(30)).await;
        largest = largest.max(world.history());
    }
    assert!(largest > limit, "the limit was never reached: {largest}");
    assert!(largest < limit + limit / 4, "{largest} bytes with a limit of {limit}");
    assert!(world.horizon() > Seq(world.records / 2), "{} of {}", world.horizon(), world.records);
    assert!(fold_log(&world.store.snapshot().unwrap()).unwrap().is_clean());
}

#[tokio::test(start_paused = true)]
async fn commits_are_not_followed_by_a_fold_each() {
    let mut world = World::new(limited(100_000));
    for _ in 0..100 {
        world.record(20);
        world.pass(Duration::from_mins(1));
        tokio::time::advance(Duration::from_mins(1)).await;
    }
    assert!(world.history() < 110_000 && world.horizon() > Seq::ZERO);
    let before = world.store.write_transactions();
    for _ in 0..100 {
        world.record(1);
        world.pass(Duration::from_mins(1));
        tokio::time::advance(Duration::from_mins(1)).await;
    }
    let folds = world.store.write_transactions() - before - 100;
    assert!((1..=20).contains(&folds), "{folds} folds for 100 commits of one record");
}

/// What the loop does without work: it serves its last lane whenever its timer wakes it.
async fn idle(world: &mut World, turns: usize) {
    for _ in 0..turns {
        let Some(WorkItem::Retain) = world.ingest.lanes.next(world.ingest.keeper.wake()).await else {
            panic!("other work")
        };
        world.ingest.serve(WorkItem::Retain);
    }
}

#[tokio::test(start_paused = true)]
async fn an_idle_loop_wakes_up_by_itself_when_records_come_of_age() {
    let age = Duration::from_hours(24);
    let mut world = World::new(Retention { age, ..Retention::default() });
    world.record(500);
    world.pass(Duration::from_hours(12));
    world.record(10);
    idle(&mut world, 3).await;
    assert_eq!(world.horizon(), Seq::ZERO);
    world.pass(Duration::from_hours(13));
    idle(&mut world, 20).await;
    // AWS has not answered yet, so the clock may be wrong.
    assert_eq!(world.horizon(), Seq::ZERO);
    world.sweep();
    idle(&mut world, 4).await;
    assert_eq!(world.horizon(), Seq(500));
    let begun = Instant::now();
    idle(&mut world, 1).await;
    assert!(begun.elapsed() >= Duration::from_mins(1), "the loop looked again after {:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn records_that_are_too_young_wait_without_spinning_the_loop() {
    let mut world = World::new(limited(1_000));
    world.record(100);
    let begun = Instant::now();
    idle(&mut world, 5).await;
    assert!(begun.elapsed() >= Duration::from_secs(20), "{:?}", begun.elapsed());
    assert_eq!(world.horizon(), Seq::ZERO);
    world.pass(Duration::from_mins(6));
    idle(&mut world, 3).await;
    assert!(world.history() <= 1_000, "{}", world.history());
}

#[tokio::test(start_paused = true)]
async fn a_held_log_is_folded_when_released() {
    let mut world = World::new(limited(1_000));
    world.record(100);
    world.pass(Duration::from_mins(6));
    let hold = world.store.hold();
    let begun = Instant::now();
    idle(&mut world, 9).await;
    assert!(begun.elapsed() >= Duration::from_secs(5), "{:?}", begun.elapsed());
    assert_eq!(world.horizon(), Seq::ZERO);
    drop(hold);
    idle(&mut world, 3).await;
    assert!(world.history() <= 1_000, "{}", world.history());
}

#[tokio::test(start_paused = true)]
async fn an_empty_store_sleeps_until_something_is_recorded() {
    let mut world = World::new(Retention::default());
    idle(&mut world, 1).await;
    assert_eq!(world.ingest.keeper.wake(), None);
    world.record(1);
    assert_eq!(world.store.write_transactions(), 1);
}
