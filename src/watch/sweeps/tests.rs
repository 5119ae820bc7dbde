use tokio_util::sync::CancellationToken;

use super::*;
use crate::aws::{Aws, AwsSettings, Regions};
use crate::ingest::{Ingest, KindEntry};
use crate::kinds::{self, ADDRESS, INSTANCE};
use crate::model::Timestamp;
use crate::model::fixtures::scope_in;
use crate::notify::ChangeHub;
use crate::simulator::{self, Simulator};
use crate::source::poll::SweepPlan;
use crate::store;
use crate::watch::quiet::QuietRule;
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
#[tokio::test(flavor = "multi_thread")]
async fn a_quiet_scope_is_swept_as_a_whole_when_somebody_asks_and_not_when_it_looks_again_what_is_due() {
    let simulator = Simulator::start(simulator::Options::default()).await.unwrap();
    let scope = scope_in("us-west-2");
    let settings = AwsSettings {
        emulator: Some(simulator.endpoint()),
        regions: Regions::Named(vec![scope.region.clone()]),
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
    let (writer, ingest, _wanted) = Ingest::new(writer, hub, aws.clock(), Vec::from(entries), stop.clone()).unwrap();
    let _ends = stop.drop_guard();
    let runtime = tokio::runtime::Handle::current();
    tokio::task::spawn_blocking(move || drop(writer.run(&runtime)));
    let freshness = ingest.freshness().clone();

    let (gate, replan, wake) = (Arc::new(Gate::new()), Arc::new(Notify::new()), Arc::new(Notify::new()));
    let mut triggers = Vec::new();
    let kinds = [INSTANCE, ADDRESS].map(|spec| {
        ingest.signal(Signal::Expected { scope: scope.clone(), kind: spec.kind(), interval: USUAL });
        let (interval, trigger) = (Arc::new(SweepInterval::new(USUAL)), Arc::new(SweepTrigger::of(&replan)));
        triggers.push(Arc::clone(&trigger));
        let gate = Arc::clone(&gate);
        let plan = SweepPlan { interval: Arc::clone(&interval), trigger, gate, ..SweepPlan::new(scope.clone(), spec) };
        KindSweeps {
            sweeping: Sweeping::new(Referred::new(Sweeper::new(aws.clone(), None), None), aws.clock(), plan),
            interval,
            usual: USUAL,
            waits_for: Vec::new(),
            to: Vec::new(),
            referred: Vec::new(),
            manner: Manner::default(),
        }
    });
    let rule = QuietRule {
        interval: RARE,
        after: Duration::ZERO,
        last_change: Arc::new(|_| Some(Timestamp::EPOCH)),
        is_listened: Arc::new(|_| false),
    };
    let sweeps = ScopeSweeps {
        scope: scope.clone(),
        kinds: Vec::from(kinds),
        gate,
        ingest,
        clock: aws.clock(),
        turns: SweepTurns::new(),
        replan: Arc::clone(&replan),
        wake: Arc::clone(&wake),
        quiet: Some(QuietScope::new(rule)),
    };
    let tasks = Tasks::new();
    tasks.spawn_until_stopped("the sweeps", sweeps.run());

    let world = simulator.world();
    let swept = || (world.requests("DescribeInstances"), world.requests("DescribeAddresses"));
    let is_quiet = |spec: &KindSpec| freshness.of(&scope, &spec.kind()).is_some_and(|state| state.interval == RARE);
    eventually("the scope is quiet", || is_quiet(INSTANCE) && is_quiet(ADDRESS)).await;
    let (instances, addresses) = swept();

    replan.notify_one();
    sleep(A_WHILE).await;
    assert_eq!(swept(), (instances, addresses), "nothing is due");
    triggers[0].request();
    eventually("instances are swept", || swept().0 > instances).await;
    sleep(A_WHILE).await;
    assert_eq!(swept(), (instances + 1, addresses), "nobody asked for addresses");
    wake.notify_one();
    eventually("everything is swept", || swept().0 > instances + 1 && swept().1 > addresses).await;

    tasks.stop(Duration::from_secs(5)).await;
    simulator.stop().await;
}
