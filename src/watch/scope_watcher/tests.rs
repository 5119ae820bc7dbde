use std::collections::HashMap;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::aws::{Aws, AwsSettings, Regions};
use crate::ingest::{Ingest, KindEntry};
use crate::kinds::{self, ADDRESS, INSTANCE};
use crate::model::fixtures::scope_in;
use crate::model::{KindSelection, ResourceId, Timestamp, Wanted};
use crate::notify::ChangeHub;
use crate::simulator::{self, Simulator};
use crate::store;
use crate::watch::quiet::QuietRule;
use crate::watch::settings::WatchSettings;
use crate::watch::tasks::Tasks;

const USUAL: Duration = Duration::from_hours(1);
const RARE: Duration = Duration::from_hours(2);

/// Long enough for a sweep of nothing.
const A_WHILE: Duration = Duration::from_millis(300);

async fn eventually(what: &str, holds: impl Fn() -> bool) {
    for _ in 0..600 {
        if holds() {
            return;
        }
        sleep(Duration::from_millis(50)).await;
    }
    panic!("{what}");
}

/// A proof of events that came and went once swept all kinds of each quiet scope twice, for thousands of scopes at a time.
///
/// It rests once it is quiet: no more is kept of it than when its kinds are due.
#[tokio::test(flavor = "multi_thread")]
async fn a_quiet_scope_rests_and_is_swept_as_a_whole_when_somebody_asks_and_not_when_it_looks_again_what_is_due() {
    let simulator = Simulator::start(simulator::Options::default()).await.unwrap();
    let scope = scope_in("us-west-2");
    let settings = AwsSettings {
        emulator: Some(simulator.endpoint()),
        regions: Regions::Named(["us-west-2", "eu-west-1", "eu-west-2"].map(|region| scope_in(region).region).into()),
        ..AwsSettings::default()
    };
    let aws = Aws::load(settings).await;
    let dir = tempfile::tempdir().unwrap();
    let (writer, store) = store::open(store::StoreOptions::new(dir.path(), kinds::project)).unwrap();
    store.build_index().unwrap();
    let entries = [INSTANCE, ADDRESS].map(|spec| KindEntry {
        kind: spec.kind(),
        rules: spec.rules(),
        interval: USUAL,
        event_rules: None,
    });
    let stop = CancellationToken::new();
    let hub = ChangeHub::new(Vec::new());
    let (writer, ingest, wanted) = Ingest::new(writer, hub, aws.clock(), Vec::from(entries), stop.clone()).unwrap();
    let _ends = stop.drop_guard();
    let runtime = tokio::runtime::Handle::current();
    tokio::task::spawn_blocking(move || drop(writer.run(&runtime)));
    let freshness = ingest.freshness().clone();

    let rule = QuietRule {
        interval: RARE,
        after: Duration::ZERO,
        last_change: Arc::new(|_| Some(Timestamp::EPOCH)),
        is_listened: Arc::new(|_| false),
    };
    let settings = WatchSettings {
        kinds: watch::channel(KindSelection::All).1,
        intervals: vec![(INSTANCE, USUAL), (ADDRESS, USUAL)],
        queues: Vec::new(),
        events: None,
        quiet: Some(rule),
        canary_interval: Duration::from_mins(1),
    };
    let tasks = Tasks::new();
    let watchers = ScopeWatchers::start(settings, HashMap::new(), &aws, &ingest, wanted, &tasks, None);
    let watchers = Arc::new(watchers);
    ScopeWatcher::start(&watchers, scope.clone());

    let world = simulator.world();
    let swept = || (world.requests("DescribeInstances"), world.requests("DescribeAddresses"));
    let is_quiet = |spec: &KindSpec| freshness.of(&scope, &spec.kind()).is_some_and(|state| state.interval == RARE);
    eventually("the scope is quiet", || is_quiet(INSTANCE) && is_quiet(ADDRESS)).await;
    eventually("it rests", || watchers.dispatcher.rests(&scope)).await;
    let (instances, addresses) = swept();

    sleep(A_WHILE).await;
    assert_eq!(swept(), (instances, addresses), "nothing is due");
    watchers.dispatcher.wake(&scope);
    eventually("everything is swept", || swept().0 > instances && swept().1 > addresses).await;
    eventually("it rests again", || watchers.dispatcher.rests(&scope)).await;
    assert_eq!(swept(), (instances + 1, addresses + 1), "once");

    // What is wanted while it rests is described once it is awake.
    let id = ResourceId::new(&scope, &ADDRESS.kind(), "eipalloc-0123456789abcdef0");
    watchers.dispatcher.want(Wanted { id, expects: None, is_changing: false });
    eventually("everything is swept, and the address is described", || {
        swept().0 > instances + 1 && swept().1 > addresses + 2
    })
    .await;

    // What somebody waits for needs no turn: at a start, thousands wait for one.
    let held = futures::future::join_all((0..256).map(|_| watchers.turns.awake())).await;
    assert!(held.iter().all(Option::is_some));
    let [ahead, other] = ["eu-west-1", "eu-west-2"].map(scope_in);
    freshness.hurry(&[ahead.clone()].into());
    ScopeWatcher::start(&watchers, other.clone());
    ScopeWatcher::start(&watchers, ahead.clone());
    let is_swept = |scope: &Scope| freshness.of(scope, &INSTANCE.kind()).is_some_and(|state| state.swept_now);
    eventually("the scope that goes ahead is swept", || is_swept(&ahead)).await;
    assert!(!is_swept(&other), "it waits for its turn");
    drop(held);
    eventually("it has its turn", || is_swept(&other)).await;

    tasks.stop(Duration::from_secs(5)).await;
    simulator.stop().await;
}
