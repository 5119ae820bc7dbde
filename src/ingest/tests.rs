use std::sync::atomic::{AtomicI64, Ordering};

use tempfile::TempDir;

use super::*;
use crate::freshness::{ScopeFreshness, Signal, Swept};
use crate::kinds::by_slug;
use crate::model::fixtures::{SetClock, at, id, kind, scope, state};
use crate::model::{
    ActionOutcome, ActionRequest, BadField, Clock, Document, ErrorClass, Event, Item, LeftOut, Map, Page, Recorded,
    Seen, Seq, Source, SweepMessage, SweepStep, Trouble, UnreadableItem,
};
use crate::notify::ChangeTopic;
use crate::store::fixtures::{named, open_in};
use crate::store::{Store, StoreOptions, verify};

/// A clock that is an hour behind until AWS's time is known.
struct LateClock {
    anchored: std::sync::atomic::AtomicBool,
    asked: AtomicI64,
}

impl Clock for LateClock {
    fn now(&self) -> Timestamp {
        if self.anchored.load(Ordering::Relaxed) { at(100_000) } else { at(100_000 - 3_600) }
    }

    /// AWS answers while the writer waits: at the third check.
    fn is_anchored(&self) -> bool {
        if self.asked.fetch_sub(1, Ordering::Relaxed) == 0 {
            self.anchored.store(true, Ordering::Relaxed);
        }
        self.anchored.load(Ordering::Relaxed)
    }
}

/// A loop whose clock is right only after this many checks, and a describe that waits for it.
async fn recorded_by_a_late_clock(looks: i64) -> Vec<Recorded> {
    let dir = tempfile::tempdir().unwrap();
    let (writer, store) = open_in(&dir);
    let clock = Arc::new(LateClock { anchored: false.into(), asked: AtomicI64::new(looks) });
    let stop = CancellationToken::new();
    let (ingest, handle, _) =
        Ingest::new(writer, ChangeHub::new(Vec::new()), clock, vec![instances(1)], stop.clone()).expect("a loop");
    let runtime = runtime::Handle::current();
    let thread = tokio::task::spawn_blocking(move || ingest.run(&runtime));
    let message = |step| handle.sweep(SweepMessage { scope: scope(), kind: kind(), step });
    message(SweepStep::Started { at: at(99_990) }).await.unwrap();
    let items = vec![Item::new("i-1", instance("running", "t3"))];
    message(SweepStep::Page(Page { sent_at: at(99_990), items, ..Page::default() })).await.unwrap();
    while store.snapshot().unwrap().seq() == Seq::ZERO {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    stop.cancel();
    thread.await.unwrap().unwrap();
    store.snapshot().unwrap().records(Seq(1), 10).unwrap()
}

#[tokio::test]
async fn the_first_commit_waits_for_awss_time_and_is_dated_by_it() {
    let records = recorded_by_a_late_clock(3).await;
    assert_eq!(records.iter().map(|record| record.recorded_at).collect::<Vec<_>>(), [at(100_000)]);
}

/// Without AWS the local clock is used after a while.
#[tokio::test(start_paused = true)]
async fn without_awss_time_the_first_commit_proceeds_after_ten_seconds() {
    let dir = tempfile::tempdir().unwrap();
    let (writer, _store) = open_in(&dir);
    let clock = Arc::new(LateClock { anchored: false.into(), asked: AtomicI64::new(i64::MAX) });
    let stop = CancellationToken::new();
    let (ingest, ..) =
        Ingest::new(writer, ChangeHub::new(Vec::new()), clock, vec![instances(1)], stop.clone()).expect("a loop");
    // The test controls the runtime's time: nobody waits for it.
    let begun = Instant::now();
    ingest.anchored().await;
    assert!(begun.elapsed() >= ANCHORED_WITHIN && begun.elapsed() < 2 * ANCHORED_WITHIN);
    stop.cancel();
    let begun = Instant::now();
    ingest.anchored().await;
    assert!(begun.elapsed() < ANCHORED_WITHIN, "a server that stops does not wait");
}

pub(super) struct World {
    pub(super) handle: IngestHandle,
    pub(super) store: Store,
    pub(super) hub: ChangeHub,
    clock: Arc<SetClock>,
    stop: CancellationToken,
    thread: tokio::task::JoinHandle<Result<(), CommitError>>,
    /// Ends the loop of a failing test, whose runtime waits for the thread.
    _guard: tokio_util::sync::DropGuard,
    _dir: Option<TempDir>,
}

pub(super) fn instance(name: &str, size: &str) -> Arc<Document> {
    Arc::new(Document::new(Map::from([("State", state(name)), ("InstanceType", size.into())])))
}

/// A loop that nobody runs: its work is done by calling it.
pub(super) fn still(dir: &TempDir) -> (Ingest, IngestHandle, Store) {
    let (writer, store) = open_in(dir);
    let clock = Arc::new(SetClock::new(at(1_000)));
    let (ingest, handle, _) =
        Ingest::new(writer, ChangeHub::new(Vec::new()), clock, vec![instances(1)], CancellationToken::new())
            .expect("a loop");
    (ingest, handle, store)
}

/// Instances, as every loop of these tests knows them.
pub(super) fn instances(mapping: u16) -> KindEntry {
    let rules = KindRules { mapping, ..by_slug("instance").unwrap().rules() };
    KindEntry { kind: kind(), rules, interval: Duration::from_mins(1), event_rules: None }
}

impl World {
    pub(super) fn new() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let world = World::open(&dir);
        World { _dir: Some(dir), ..world }
    }

    pub(super) fn open(dir: &TempDir) -> Self {
        World::with(StoreOptions::new(dir.path(), named))
    }

    pub(super) fn with(options: StoreOptions) -> Self {
        let (writer, store) = crate::store::open(options).expect("a store");
        let hub = ChangeHub::new(Vec::new());
        let clock = Arc::new(SetClock::new(at(1_000)));
        let stop = CancellationToken::new();
        let (ingest, handle, _) =
            Ingest::new(writer, hub.clone(), clock.clone(), vec![instances(1)], stop.clone()).expect("an ingest loop");
        handle.signal(Signal::Expected { scope: scope(), kind: kind(), interval: Duration::from_mins(1) });
        let runtime = runtime::Handle::current();
        let thread = tokio::task::spawn_blocking(move || ingest.run(&runtime));
        World { handle, store, hub, clock, _guard: stop.clone().drop_guard(), stop, thread, _dir: None }
    }

    pub(super) async fn close(self) {
        self.stop.cancel();
        self.thread.await.expect("no panic").expect("a clean stop");
    }

    /// Advances the clock.
    pub(super) fn advance(&self, seconds: u64) {
        self.clock.pass(Duration::from_secs(seconds));
    }

    pub(super) async fn step(&self, step: SweepStep) {
        self.handle.sweep(SweepMessage { scope: scope(), kind: kind(), step }).await.expect("a running loop");
    }

    pub(super) async fn sweep(&self, second: i64, items: &[(&str, Arc<Document>)]) {
        self.step(SweepStep::Started { at: at(second) }).await;
        let items = items.iter().map(|(id, document)| Item::new(*id, Arc::clone(document))).collect();
        self.step(SweepStep::Page(Page { sent_at: at(second), items, ..Page::default() })).await;
        self.step(SweepStep::Completed { ended: at(second + 2) }).await;
        self.settled(second).await;
    }

    /// Waits until the sweep that started at `second` has ended.
    pub(super) async fn settled(&self, second: i64) {
        let mut changes = self.handle.freshness().changes();
        loop {
            let state = self.handle.freshness().of(&scope(), &kind());
            let ended = state.as_ref().is_some_and(|state| {
                state.trouble.is_some() || state.complete.is_some_and(|swept| swept.started == at(second))
            });
            if ended {
                return;
            }
            changes.changed().await.expect("a running loop");
        }
    }

    pub(super) fn records(&self) -> Vec<Recorded> {
        self.store.snapshot().expect("a snapshot").records(Seq(1), 10_000).expect("readable records")
    }

    pub(super) fn state(&self, name: &str) -> Option<String> {
        let current = self.store.snapshot().expect("a snapshot").current(&id(name)).expect("readable");
        current.and_then(|current| current.state().map(str::to_owned))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_sweep_is_a_baseline_and_an_unchanged_one_opens_no_write_transaction() {
    let world = World::new();
    let items = [("i-1", instance("running", "t3.micro")), ("i-2", instance("stopped", "t3.micro"))];
    world.sweep(100, &items).await;
    assert!(world.records().iter().all(|record| record.cause == Cause::Baseline));
    assert_eq!(world.records().len(), 2);
    let before = world.store.write_transactions();
    world.sweep(160, &items).await;
    assert_eq!(world.store.write_transactions(), before);
    assert_eq!(world.records().len(), 2);
    let as_of = {
        let current = world.store.snapshot().expect("a snapshot").current(&id("i-1")).expect("readable").expect("i-1");
        world.handle.freshness().seen(&id("i-1"), at(1_000)).as_of(&current.evidence, false, current.changed_at)
    };
    assert_eq!(as_of, at(160), "an unchanged sweep still makes the copy younger");
    world.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resource_is_removed_only_when_two_complete_sweeps_lack_it() {
    let world = World::new();
    let (one, two) = (("i-1", instance("running", "t3.micro")), ("i-2", instance("running", "t3.micro")));
    world.sweep(100, &[one.clone(), two]).await;
    world.sweep(300, std::slice::from_ref(&one)).await;
    assert_eq!(world.state("i-2").as_deref(), Some("running"));
    assert_eq!(world.handle.freshness().of(&scope(), &kind()).expect("watched").missing, 1);
    world.sweep(500, &[one]).await;
    assert_eq!(world.state("i-2"), None);
    assert_eq!(world.records().last().expect("a record").event, Event::Removed { id: id("i-2"), at: at(500) });
    world.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sweep_that_failed_removes_nothing() {
    let world = World::new();
    world.sweep(100, &[("i-1", instance("running", "t3.micro"))]).await;
    for second in [300, 500, 700] {
        world.step(SweepStep::Started { at: at(second) }).await;
        let trouble = Trouble {
            class: ErrorClass::Transient.into(),
            what: "page 2 timed out".into(),
            fix: "wait".into(),
            since: at(second),
            retry_at: None,
        };
        world.step(SweepStep::Failed { trouble }).await;
    }
    world.settled(0).await;
    let state = world.handle.freshness().of(&scope(), &kind()).expect("watched");
    assert_eq!(world.state("i-1").as_deref(), Some("running"));
    assert_eq!(state.trouble.expect("trouble").what, "page 2 timed out");
    world.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tool_is_served_between_the_commits_of_a_page() {
    let world = World::new();
    let names: Vec<String> = (0..1000).map(|n| format!("i-{n:04}")).collect();
    let items = names.iter().map(|name| Item::new(name.as_str(), instance("running", "t3.micro"))).collect();
    world.step(SweepStep::Started { at: at(100) }).await;
    world.step(SweepStep::Page(Page { sent_at: at(100), items, ..Page::default() })).await;
    world.handle.begin(ActionRequest::of("stop_instance", vec![id("i-0999")])).await.expect("recorded");
    world.step(SweepStep::Completed { ended: at(102) }).await;
    world.settled(100).await;
    let records = world.records();
    let place = records.iter().position(|r| matches!(r.event, Event::ActionRequested { .. })).expect("the request");
    assert_eq!(records.len(), 1001);
    assert!(place <= 1000 - MAX_ROWS, "the tool waited for the whole page: place {place}");
    world.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tools_answer_is_readable_at_the_seq_returned_and_notified_to_subscribers() {
    let world = World::new();
    world.sweep(100, &[("i-1", instance("running", "t3.micro"))]).await;
    let topic = ChangeTopic::Resource { kind: kind(), id: "i-1".into(), scope: None };
    let subscription = world.hub.register(false, vec![(topic, "ec2://instance/i-1".into())]);
    let action = world.handle.begin(ActionRequest::of("stop_instance", vec![id("i-1")])).await.expect("recorded");
    let asserted =
        Observation { source: Source::Tool, at: at(150), id: id("i-1"), seen: Seen::StateAsserted(state("stopping")) };
    let outcome = ActionOutcome::Succeeded { created: Vec::new() };
    let seq = world.handle.finish(action, outcome, vec![asserted]).await.expect("recorded");
    assert_eq!(world.state("i-1").as_deref(), Some("stopping"));
    assert_eq!(world.records().last().expect("a record").seq, seq);
    assert_eq!(subscription.next().await.uris.len(), 1);
    world.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_keeps_the_watermark_and_the_log() {
    let dir = tempfile::tempdir().expect("a directory");
    let world = World::open(&dir);
    world.sweep(100, &[("i-1", instance("running", "t3.micro"))]).await;
    world.close().await;
    let world = World::open(&dir);
    let state = world.handle.freshness().of(&scope(), &kind()).expect("a saved watermark");
    assert_eq!(state.complete, Some(Swept { started: at(100), ended: at(102) }));
    assert!(state.stale(at(101)).is_some(), "warm data is labelled until this process has swept");
    world.sweep(200, &[("i-1", instance("stopped", "t3.micro")), ("i-2", instance("running", "t3.micro"))]).await;
    let records = world.records();
    let resumed = Cause::Resumed { since: at(100) };
    assert!(records.iter().skip(1).all(|record| record.cause == resumed), "nobody looked in between: {records:?}");
    let report = verify::fold_log(&world.store.snapshot().expect("a snapshot")).expect("a readable log");
    assert!(report.is_clean(), "{report:?}");
    world.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_the_stop_nothing_is_accepted() {
    let world = World::new();
    let handle = world.handle.clone();
    world.close().await;
    let refused = handle.begin(ActionRequest::of("stop_instance", vec![id("i-1")])).await;
    assert!(matches!(refused, Err(IngestError::Stopped)), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_result_of_an_interrupted_first_sweep_is_incomplete_after_a_restart() {
    let dir = tempfile::tempdir().expect("a directory");
    let world = World::open(&dir);
    world.step(SweepStep::Started { at: at(100) }).await;
    let items = vec![Item::new("i-1", instance("running", "t3.micro"))];
    world.step(SweepStep::Page(Page { sent_at: at(100), items, ..Page::default() })).await;
    let seen = |world: &World| world.handle.freshness().of(&scope(), &kind()).is_some_and(|state| state.seen == 1);
    let mut changes = world.handle.freshness().changes();
    while !seen(&world) {
        changes.changed().await.expect("a running loop");
    }
    world.close().await;
    let world = World::open(&dir);
    let state = world.handle.freshness().of(&scope(), &kind()).expect("a scope that the store holds something of");
    assert_eq!((state.complete, state.settled), (None, None));
    assert!(state.stale(at(101)).is_some());
    world.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_seen_by_a_repeated_first_sweep_is_news() {
    let world = World::new();
    for (second, size) in [(100, "t3.micro"), (200, "t3.large")] {
        world.step(SweepStep::Started { at: at(second) }).await;
        let items = vec![Item::new("i-1", instance("running", size))];
        world.step(SweepStep::Page(Page { sent_at: at(second), items, ..Page::default() })).await;
    }
    world.step(SweepStep::Completed { ended: at(202) }).await;
    world.settled(200).await;
    let causes: Vec<Cause> = world.records().into_iter().map(|record| record.cause).collect();
    assert_eq!(causes, [Cause::Baseline, Cause::Sweep]);
    world.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sweep_that_contradicted_an_assertion_does_not_date_it() {
    let dir = tempfile::tempdir().expect("a directory");
    let world = World::open(&dir);
    world.sweep(100, &[("i-1", instance("running", "t3.micro"))]).await;
    let seen = Seen::StateAsserted(state("stopping"));
    let asserted = Observation { source: Source::Tool, at: at(190), id: id("i-1"), seen };
    world.handle.observe(Lane::Tools, vec![asserted], Cause::Refresh).await.expect("recorded");
    world.sweep(200, &[("i-1", instance("running", "t3.micro"))]).await;
    assert_eq!(world.state("i-1").as_deref(), Some("stopping"), "the sweep lags");
    world.close().await;
    let world = World::open(&dir);
    let current = world.store.snapshot().expect("a snapshot").current(&id("i-1")).expect("readable").expect("i-1");
    let as_of = world.handle.freshness().seen(&id("i-1"), world.clock.now()).as_of(
        &current.evidence,
        current.provisional.is_some(),
        current.changed_at,
    );
    assert_eq!(as_of, at(100));
    world.close().await;
}

fn odd(name: &str) -> UnreadableItem {
    UnreadableItem { id: Some(name.into()), fields: vec![BadField::holding("launchTime", "yesterday")] }
}

fn nameless() -> UnreadableItem {
    UnreadableItem { id: None, fields: vec![BadField::missing("instanceId")] }
}

impl World {
    /// A complete sweep that also lists unreadable items.
    async fn sweep_oddly(&self, second: i64, items: &[(&str, Arc<Document>)], unreadable: Vec<UnreadableItem>) {
        self.step(SweepStep::Started { at: at(second) }).await;
        let items = items.iter().map(|(id, document)| Item::new(*id, Arc::clone(document))).collect();
        self.step(SweepStep::Page(Page { sent_at: at(second), items, unreadable, ..Page::default() })).await;
        self.step(SweepStep::Completed { ended: at(second + 2) }).await;
        self.settled(second).await;
    }

    fn watched(&self) -> ScopeFreshness {
        self.handle.freshness().of(&scope(), &kind()).expect("watched")
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unreadable_resource_is_reported_and_kept_and_never_taken_for_gone() {
    let world = World::new();
    let (one, two) = (("i-1", instance("running", "t3.micro")), ("i-2", instance("running", "t3.micro")));
    world.sweep(100, &[one.clone(), two.clone()]).await;
    let records = world.records().len();
    for second in [300, 400, 500] {
        world.sweep_oddly(second, std::slice::from_ref(&one), vec![odd("i-2"), odd("i-3")]).await;
        let state = world.watched();
        assert_eq!((state.unreadable.count(), state.missing), (2, 0));
        assert_eq!(state.settled, Some(at(100)), "nobody knows whether the list is still so");
    }
    assert_eq!(world.state("i-2").as_deref(), Some("running"));
    assert_eq!(world.records().len(), records, "nothing was learned of it");
    let (item, since) = world.handle.freshness().unreadable(&id("i-3")).expect("listed");
    assert_eq!((item.why().as_str(), since), ("launchTime \"yesterday\" cannot be read", at(300)));

    // Once readable again, it is like any other; if it is no longer listed, it is removed by the usual proof.
    world.sweep_oddly(600, &[one.clone(), two], vec![odd("i-3")]).await;
    assert_eq!(world.watched().unreadable.count(), 1);
    assert_eq!(world.handle.freshness().unreadable(&id("i-2")), None);
    world.sweep(700, std::slice::from_ref(&one)).await;
    world.sweep(800, &[one]).await;
    assert_eq!((world.state("i-2"), world.watched().unreadable.count()), (None, 0));
    world.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ids_that_aws_does_not_know_are_those_of_the_last_complete_sweep() {
    let world = World::new();
    let page = |absent: &[&str]| {
        let absent = absent.iter().map(|id| (*id).into()).collect();
        SweepStep::Page(Page { sent_at: at(100), absent, ..Page::default() })
    };
    let known = |world: &World| {
        let absent = world.watched().absent.unwrap_or_default();
        absent.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    world.step(SweepStep::Started { at: at(100) }).await;
    world.step(page(&["i-9"])).await;
    world.step(page(&["i-8", "i-7"])).await;
    world.step(SweepStep::Completed { ended: at(102) }).await;
    world.settled(100).await;
    assert_eq!(known(&world), ["i-7", "i-8", "i-9"]);
    world.step(SweepStep::Started { at: at(200) }).await;
    world.step(page(&["i-6"])).await;
    world.step(SweepStep::Started { at: at(300) }).await;
    world.step(page(&["i-9"])).await;
    assert_eq!(known(&world), ["i-7", "i-8", "i-9"], "no sweep since is complete");
    world.step(SweepStep::Completed { ended: at(302) }).await;
    world.settled(300).await;
    assert_eq!(known(&world), ["i-9"]);
    world.sweep(400, &[]).await;
    assert_eq!(world.watched().absent, None);
    world.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sweep_that_lists_something_without_an_id_proves_nothing_gone() {
    let world = World::new();
    let one = ("i-1", instance("running", "t3.micro"));
    world.sweep(100, &[one.clone(), ("i-2", instance("running", "t3.micro"))]).await;
    for second in [300, 500, 700] {
        world.sweep_oddly(second, std::slice::from_ref(&one), vec![nameless(), nameless()]).await;
        let state = world.watched();
        assert_eq!((state.unreadable.count(), state.unreadable.nameless(), state.missing), (2, 2, 1));
    }
    assert_eq!(world.state("i-2").as_deref(), Some("running"));
    world.sweep(800, std::slice::from_ref(&one)).await;
    world.sweep(900, &[one]).await;
    assert_eq!(world.state("i-2"), None);
    world.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_sweep_without_a_parameter_proves_nothing_gone_and_names_the_parameter() {
    let world = World::new();
    let one = ("i-1", instance("running", "t3.micro"));
    world.sweep(100, &[one.clone(), ("i-2", instance("running", "t3.micro"))]).await;
    for (second, first) in [(300, true), (500, false)] {
        world.step(SweepStep::Started { at: at(second) }).await;
        let items = vec![Item::new("i-1", Arc::clone(&one.1))];
        world.step(SweepStep::Page(Page { sent_at: at(second), items, ..Page::default() })).await;
        world.step(SweepStep::LeftOut { names: LeftOut::of(["IncludeManagedResources"]), first }).await;
        world.step(SweepStep::Completed { ended: at(second + 2) }).await;
        world.settled(second).await;
        let state = world.watched();
        assert_eq!((state.left_out, state.missing), (vec!["IncludeManagedResources"], 1));
        assert_eq!(world.state("i-2").as_deref(), Some("running"));
    }
    world.step(SweepStep::LeftOut { names: LeftOut::default(), first: true }).await;
    world.sweep(700, &[one]).await;
    assert!(world.watched().left_out.is_empty());
    assert_eq!(world.state("i-2"), None, "the second sweep that counts lacks it too");
    world.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_page_is_reported_at_once_and_until_it_is_answered() {
    let world = World::new();
    let trouble = |second, retry| Trouble {
        class: ErrorClass::Transient.into(),
        what: "AWS could not be reached".into(),
        fix: "Check the network.".into(),
        since: at(second),
        retry_at: Some(at(retry)),
    };
    world.step(SweepStep::Started { at: at(100) }).await;
    world.step(SweepStep::Stumbled { trouble: trouble(101, 102) }).await;
    world.step(SweepStep::Stumbled { trouble: trouble(103, 105) }).await;
    while world.watched().failing().and_then(|trouble| trouble.retry_at) != Some(at(105)) {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let state = world.watched();
    assert_eq!(state.stale(at(104)).as_deref(), Some("never swept: AWS could not be reached"));
    let failing = state.failing().expect("a failure");
    assert_eq!(failing.since, at(101));
    assert!(
        failing.next_step().starts_with("Check the network. Next try at 1970-01-01T00:01:45"),
        "{}",
        failing.next_step()
    );
    assert!(state.trouble.is_none(), "the sweep goes on");
    let one = ("i-1", instance("running", "t3.micro"));
    world
        .step(SweepStep::Page(Page { sent_at: at(106), items: vec![Item::new("i-1", one.1)], ..Page::default() }))
        .await;
    world.step(SweepStep::Completed { ended: at(107) }).await;
    world.settled(100).await;
    assert!(world.watched().failing().is_none());
    world.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resource_listed_twice_by_one_sweep_counts_once_and_the_later_page_is_applied() {
    let world = World::new();
    world.step(SweepStep::Started { at: at(100) }).await;
    for (second, state) in [(100, "pending"), (101, "running")] {
        let items = vec![Item::new("i-1", instance(state, "t3.micro")); 2];
        world.step(SweepStep::Page(Page { sent_at: at(second), items, ..Page::default() })).await;
    }
    world.step(SweepStep::Page(Page { sent_at: at(102), ..Page::default() })).await;
    world.step(SweepStep::Completed { ended: at(103) }).await;
    world.settled(100).await;
    assert_eq!(world.state("i-1").as_deref(), Some("running"));
    assert_eq!(world.watched().missing, 0);
    world.close().await;
}

/// What an account holds that is watched again existed before Muster looked, whether or not the server was started again in between.
#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_returned_begins_anew_also_after_a_restart_before_its_first_sweep() {
    let dir = tempfile::tempdir().unwrap();
    let selection = |is_watched: bool| {
        let (account, regions) = (scope().account, Some([scope().region].into()));
        let (watched, given_up) = if is_watched { (vec![(account, regions)], vec![]) } else { (vec![], vec![account]) };
        WatchSelection::Accounts {
            watched: watched.into_iter().collect(),
            given_up: given_up.into_iter().collect(),
            is_whole: true,
        }
    };
    let complete = |world: &World| world.handle.freshness().of(&scope(), &kind()).and_then(|state| state.complete);
    let one = ("i-1", instance("running", "t3"));
    let world = World::open(&dir);
    world.sweep(100, std::slice::from_ref(&one)).await;
    for is_watched in [true, false, true] {
        world.handle.watch_only(selection(is_watched)).await.unwrap();
    }
    assert!(complete(&world).is_some(), "what was known before is still shown, as stale");
    world.close().await;

    let world = World::open(&dir);
    assert_eq!(complete(&world), None);
    world.advance(200);
    world.sweep(1_100, &[one, ("i-2", instance("running", "t3"))]).await;
    assert!(world.records().iter().all(|record| record.cause == Cause::Baseline), "{:?}", world.records());
    world.close().await;

    let world = World::open(&dir);
    assert_eq!(complete(&world).map(|swept| swept.started), Some(at(1_100)), "it goes on from there");
    world.close().await;
}
