use std::collections::{BTreeMap, BTreeSet};

use futures::FutureExt;
use tempfile::TempDir;
use tokio::sync::oneshot;

use super::*;
use crate::ingest::IngestHandle;
use crate::ingest::NotifyResult;
use crate::ingest::tests::{instance, still};
use crate::ingest::work::Notifications;
use crate::model::fixtures::{at, id, kind, scope};
use crate::model::{
    ApiCall, Called, Cause, ErrorClass, Item, Notification, Observation, Page, Recorded, Seen, Seq, Source,
    SweepMessage, SweepStep, Trouble,
};
use crate::notify::Subscription;
use crate::store::{Store, Writer};

/// A writer that nobody runs, and a subscriber to an instance and to the list.
struct Bench {
    ingest: Ingest<Writer>,
    handle: IngestHandle,
    store: Store,
    subscriber: Subscription,
    _dir: TempDir,
}

impl Bench {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let (ingest, handle, store) = still(&dir);
        let topic = ChangeTopic::Resource { kind: kind(), id: "i-1".into(), scope: None };
        let subscriber = ingest.hub.register(true, vec![(topic, "i-1".into())]);
        Bench { ingest, handle, store, subscriber, _dir: dir }
    }

    /// What is watched from now on: the account, or none.
    fn choose(&mut self, is_watched: bool) {
        let watched = is_watched.then(|| (scope().account, Some(BTreeSet::from([scope().region]))));
        let selection = WatchSelection::Accounts {
            watched: BTreeMap::from_iter(watched),
            given_up: BTreeSet::new(),
            is_whole: true,
        };
        let (done, outcome) = oneshot::channel();
        self.ingest.choose(WatchChoice { choice: Choice::Scopes(selection), done });
        outcome.now_or_never().expect("an outcome").expect("an outcome").expect("recorded");
    }

    /// Which kinds are watched from now on: this one, or another only.
    fn choose_kind(&mut self, is_watched: bool) {
        let other = KindSelection::Only([Kind::new("AWS::EC2::VPC")].into());
        let watched = if is_watched { KindSelection::All } else { other };
        let (done, outcome) = oneshot::channel();
        self.ingest.choose(WatchChoice {
            choice: Choice::Kinds { chosen: tokio::sync::watch::channel(watched).1, is_durable: true },
            done,
        });
        outcome.now_or_never().expect("an outcome").expect("an outcome").expect("recorded");
    }

    /// The same data directory with another process, which was killed before.
    fn killed(self) -> Self {
        let Bench { ingest, store, subscriber, _dir: dir, .. } = self;
        drop((ingest.into_ledger(), store, subscriber));
        let (ingest, handle, store) = still(&dir);
        let topic = ChangeTopic::Resource { kind: kind(), id: "i-1".into(), scope: None };
        let subscriber = ingest.hub.register(true, vec![(topic, "i-1".into())]);
        Bench { ingest, handle, store, subscriber, _dir: dir }
    }

    fn step(&mut self, step: SweepStep) {
        self.ingest.sweep(SweepMessage { scope: scope(), kind: kind(), step });
    }

    fn page(&mut self, second: i64, names: &[&str]) {
        let items = names.iter().map(|name| Item::new(*name, instance("running", "t3"))).collect();
        self.step(SweepStep::Page(Page { sent_at: at(second), items, ..Page::default() }));
    }

    fn sweep(&mut self, second: i64, names: &[&str]) {
        self.step(SweepStep::Started { at: at(second) });
        self.page(second, names);
        self.step(SweepStep::Completed { ended: at(second + 1) });
    }

    fn records(&self) -> Vec<Recorded> {
        self.store.snapshot().expect("a snapshot").records(Seq(1), 100).expect("readable records")
    }

    /// What the subscriber is told, and whether the list changed.
    fn told(&self) -> (usize, bool) {
        let dirty = self.subscriber.next().now_or_never().unwrap_or_default();
        (dirty.uris.len(), dirty.list_changed)
    }
}

#[test]
fn who_subscribes_to_a_resource_is_told_once_that_its_account_goes_and_again_when_it_is_back() {
    let mut bench = Bench::new();
    bench.choose(true);
    bench.sweep(100, &["i-1", "i-2"]);
    bench.told();
    bench.choose(true);
    assert_eq!(bench.told(), (0, false), "nothing came or went");
    bench.choose(false);
    assert_eq!(bench.told(), (1, true));
    assert_eq!(bench.told(), (0, false));
    bench.choose(true);
    assert_eq!(bench.told(), (1, true));
    bench.sweep(300, &["i-1", "i-2"]);
    assert_eq!(bench.told(), (1, true), "it is looked at again");
    bench.sweep(500, &["i-1", "i-2"]);
    assert_eq!(bench.told(), (0, false));
    assert_eq!(bench.records().len(), 2, "nothing changed");
}

#[test]
fn nothing_that_was_on_its_way_is_recorded_of_a_scope_that_was_given_up() {
    let mut bench = Bench::new();
    bench.choose(true);
    bench.step(SweepStep::Started { at: at(100) });
    bench.choose(false);
    bench.page(100, &["i-1"]);
    bench.step(SweepStep::Completed { ended: at(101) });
    let trouble = Trouble {
        class: ErrorClass::Denied.into(),
        what: "denied".to_owned(),
        fix: String::new(),
        since: at(100),
        retry_at: None,
    };
    bench.step(SweepStep::Failed { trouble });
    assert!(bench.records().is_empty());
    let freshness = bench.handle.freshness();
    assert!(freshness.scopes().is_empty() && freshness.unwatched().is_empty(), "nobody waits, and nothing fails");
    // Back again: the end of the old listing proves nothing.
    bench.choose(true);
    bench.page(100, &["i-1"]);
    bench.step(SweepStep::Completed { ended: at(101) });
    assert!(bench.records().is_empty());
    bench.sweep(200, &["i-1"]);
    assert_eq!(bench.records().len(), 1);
}

#[test]
fn a_call_that_a_trail_tells_of_is_not_recorded_for_an_account_that_was_given_up() {
    let mut bench = Bench::new();
    bench.choose(true);
    bench.sweep(100, &["i-1"]);
    bench.choose(false);
    let call = ApiCall { name: "StopInstances".to_owned(), actor: "ann".to_owned(), address: None, agent: None };
    let called = Called { call, at: at(200), targets: vec![id("i-1")] };
    let mentioned = Observation { source: Source::Notification, at: at(200), id: id("i-1"), seen: Seen::Mentioned };
    let notification = Notification { event_id: "e".to_owned(), observations: vec![mentioned], called: Some(called) };
    let (done, outcome) = oneshot::channel();
    bench.ingest.notify(Notifications { notifications: vec![notification], done });
    let taken = outcome.now_or_never().expect("an outcome").expect("an outcome").expect("taken");
    assert_eq!(taken, [NotifyResult::Unchanged]);
    assert_eq!(bench.records().len(), 1);
}

#[test]
fn what_an_account_that_came_back_holds_was_there_before_even_if_the_process_ended_meanwhile() {
    let mut bench = Bench::new();
    bench.choose(true);
    bench.sweep(100, &["i-1"]);
    bench.choose(false);
    bench.choose(true);
    let mut bench = bench.killed();
    bench.choose(true);
    bench.sweep(1_001, &["i-1", "i-2"]);
    bench.sweep(1_003, &["i-1", "i-2", "i-3"]);
    let causes: Vec<Cause> = bench.records().into_iter().map(|record| record.cause).collect();
    assert_eq!(causes, [Cause::Baseline, Cause::Baseline, Cause::Sweep]);
    let runs = bench.store.snapshot().expect("a snapshot").intervals(&scope(), &kind()).expect("readable");
    assert!(runs.iter().any(|run| run.complete && run.since == at(100)), "it is known when it was watched: {runs:?}");
}

#[test]
fn a_kind_that_is_left_out_is_not_heard_and_its_resources_were_there_before_when_it_comes_back() {
    let mut bench = Bench::new();
    bench.choose(true);
    bench.sweep(100, &["i-1"]);
    bench.told();
    bench.step(SweepStep::Started { at: at(200) });
    bench.choose_kind(false);
    assert_eq!(bench.told(), (1, true), "it is no longer watched");
    bench.page(200, &["i-1", "i-2"]);
    bench.step(SweepStep::Completed { ended: at(201) });
    bench.sweep(300, &["i-1", "i-2"]);
    let created = Observation {
        source: Source::Notification,
        at: at(310),
        id: id("i-3"),
        seen: Seen::Described(instance("running", "t3")),
    };
    let notification = Notification { event_id: "e".to_owned(), observations: vec![created], called: None };
    let (done, outcome) = oneshot::channel();
    bench.ingest.notify(Notifications { notifications: vec![notification], done });
    let taken = outcome.now_or_never().expect("an outcome").expect("an outcome").expect("taken");
    assert_eq!(taken, [NotifyResult::Unchanged]);
    assert_eq!(bench.records().len(), 1, "nothing was learned");
    assert!(bench.handle.freshness().scopes().is_empty(), "nobody waits for it");
    bench.choose_kind(true);
    bench.sweep(400, &["i-1", "i-2"]);
    let causes = |bench: &Bench| bench.records().into_iter().map(|record| record.cause).collect::<Vec<_>>();
    assert_eq!(causes(&bench), [Cause::Baseline, Cause::Baseline]);
    bench.sweep(402, &["i-1", "i-2", "i-3"]);
    assert_eq!(causes(&bench), [Cause::Baseline, Cause::Baseline, Cause::Sweep]);
}

#[test]
fn a_kind_comes_back_in_another_process_as_in_the_same_one() {
    let mut bench = Bench::new();
    bench.choose(true);
    bench.sweep(100, &["i-1"]);
    bench.choose_kind(false);
    let mut bench = bench.killed();
    bench.choose_kind(true);
    bench.choose(true);
    bench.sweep(1_001, &["i-1", "i-2"]);
    bench.sweep(1_003, &["i-1", "i-2", "i-3"]);
    let causes: Vec<Cause> = bench.records().into_iter().map(|record| record.cause).collect();
    assert_eq!(causes, [Cause::Baseline, Cause::Baseline, Cause::Sweep]);
    let runs = bench.store.snapshot().expect("a snapshot").intervals(&scope(), &kind()).expect("readable");
    assert!(runs.iter().any(|run| run.complete && run.since == at(100)), "it is known when it was watched: {runs:?}");
}
