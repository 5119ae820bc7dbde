//! The writer alone: how long it takes to store what a first sweep found, and how long a tool waits meanwhile.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use muster::ingest::{Ingest, IngestHandle, KindEntry};
use muster::kinds::{self, DescribeInput, KindSpec};
use muster::model::{
    AccountId, ActionOutcome, ActionRequest, Clock, LeftOut, Page, Region, ResourceId, Scope, SweepMessage, SweepStep,
    Timestamp,
};
use muster::notify::ChangeHub;
use muster::simulator::{self, Simulator};
use muster::store::{self, StoreOptions};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use crate::ec2;
use crate::record::{Budget, Record};

/// The kinds of which there is about one for each instance.
const LARGE: [&str; 4] = ["instance", "instance-status", "network-interface", "volume"];

/// The most instances: what was described of them all is in memory at once.
const MOST: usize = 10_000;

/// When everything happens. Any moment does.
const NOW: Timestamp = Timestamp::from_millis(1_795_353_310_000);

/// From one call of a tool to the next.
const TOOL: Duration = Duration::from_millis(20);

/// The p99 of a tool's commit, at most, in milliseconds.
const BUDGET: f64 = 60.0;

/// How often it is looked whether everything is stored.
const LOOK: Duration = Duration::from_millis(1);

/// A clock that stands.
struct Standing;

impl Clock for Standing {
    fn now(&self) -> Timestamp {
        NOW
    }
}

/// The listings of the large kinds.
struct Described {
    scope: Scope,
    /// The pages of each kind.
    pages: Vec<(&'static KindSpec, Vec<Page>)>,
}

/// Measures it at a size of account, with and without a tool.
pub(crate) fn measure(size: usize, record: &mut Record) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let described = runtime.block_on(describe(size.min(MOST)))?;
    let mut figure = |name, value, unit, budget| record.figure(name, size.min(MOST), value, unit, budget);
    let alone = take_in(&runtime, &described, false)?;
    figure("the writer alone in a first sweep of four kinds, time", alone.took.as_secs_f64(), "s", None);
    let mut shared = take_in(&runtime, &described, true)?;
    shared.calls.sort_unstable();
    let percentile = |percent: usize| {
        let place = shared.calls.len() * percent / 100;
        shared.calls.get(place).copied().unwrap_or_default().as_secs_f64() * 1e3
    };
    figure("the same beside a tool, time", shared.took.as_secs_f64(), "s", None);
    figure("a tool's commit meanwhile, p50", percentile(50), "ms", None);
    figure("a tool's commit meanwhile, p99", percentile(99), "ms", Some(Budget::AtMost(BUDGET)));
    Ok(())
}

/// How long it took, and how long each call of the tool did.
struct TakenIn {
    took: Duration,
    calls: Vec<Duration>,
}

fn take_in(runtime: &tokio::runtime::Runtime, described: &Described, with_tool: bool) -> anyhow::Result<TakenIn> {
    let directory = tempfile::tempdir()?;
    let (writer, store) = store::open(StoreOptions::new(directory.path(), kinds::project))?;
    store.build_index()?;
    let entry = |spec: &KindSpec| KindEntry {
        kind: spec.kind(),
        rules: spec.rules(),
        interval: Duration::from_mins(1),
        event_rules: None,
    };
    let entries = described.pages.iter().map(|(spec, _)| entry(spec)).collect();
    let stop = CancellationToken::new();
    let (ingest, handle, wanted) =
        Ingest::new(writer, ChangeHub::new(Vec::new()), Arc::new(Standing), entries, stop.clone())?;
    let writing = std::thread::spawn({
        let runtime = runtime.handle().clone();
        move || ingest.run(&runtime)
    });
    let outcome = runtime.block_on(async {
        let calling = AtomicBool::new(with_tool);
        let sweeping = async {
            let begun = Instant::now();
            let swept = sweep(&handle, described).await;
            calling.store(false, Ordering::Relaxed);
            swept.map(|()| begun.elapsed())
        };
        let (took, calls) = tokio::join!(sweeping, call(&handle, described, &calling));
        anyhow::Ok(TakenIn { took: took?, calls: calls? })
    });
    stop.cancel();
    drop((handle, wanted));
    writing.join().map_err(|_| anyhow::anyhow!("the writer panicked"))??;
    outcome
}

/// Sweeps all kinds at once, and waits until everything is stored.
async fn sweep(handle: &IngestHandle, described: &Described) -> anyhow::Result<()> {
    let Described { scope, pages } = described;
    let send = |spec: &KindSpec, step| handle.sweep(SweepMessage { scope: scope.clone(), kind: spec.kind(), step });
    for (spec, _) in pages {
        send(spec, SweepStep::Started { at: NOW }).await?;
    }
    for place in 0..pages.iter().map(|(_, pages)| pages.len()).max().unwrap_or_default() {
        for (spec, pages) in pages {
            if let Some(page) = pages.get(place) {
                send(spec, SweepStep::Page(page.clone())).await?;
            }
        }
    }
    for (spec, _) in pages {
        send(spec, SweepStep::Completed { ended: NOW }).await?;
    }
    let is_complete = |spec: &KindSpec| {
        handle.freshness().of(scope, &spec.kind()).is_some_and(|freshness| freshness.complete.is_some())
    };
    while !pages.iter().all(|(spec, _)| is_complete(spec)) {
        sleep(LOOK).await;
    }
    Ok(())
}

/// Records calls of a tool until `calling` is over, and how long each took to be durable.
async fn call(handle: &IngestHandle, described: &Described, calling: &AtomicBool) -> anyhow::Result<Vec<Duration>> {
    let (spec, pages) = described.pages.first().context("nothing was described")?;
    let item = pages.first().and_then(|page| page.items.first()).context("there are no instances")?;
    let target = ResourceId::new(&described.scope, &spec.kind(), Arc::clone(&item.id));
    let mut times = Vec::new();
    while calling.load(Ordering::Relaxed) {
        let begun = Instant::now();
        let action = handle.begin(ActionRequest::of("bench", vec![target.clone()])).await?;
        times.push(begun.elapsed());
        handle.finish(action, ActionOutcome::Succeeded { created: Vec::new() }, Vec::new()).await?;
        sleep(TOOL).await;
    }
    Ok(times)
}

async fn describe(instances: usize) -> anyhow::Result<Described> {
    let options = simulator::Options { instances, ..simulator::Options::default() };
    let scope =
        Scope { account: AccountId::new(options.account.as_str()), region: Region::new(options.region.as_str()) };
    let simulator = Simulator::start(options).await?;
    let client = ec2::client(&simulator.endpoint(), simulator.region()).await;
    let mut pages = Vec::new();
    for slug in LARGE {
        let spec = kinds::by_slug(slug).with_context(|| format!("there is no kind `{slug}`"))?;
        let (mut listed, mut token) = (Vec::new(), None);
        loop {
            let input = DescribeInput::Page { token, max_results: spec.max_results };
            let page = (spec.describe)(client.clone(), input, LeftOut::default()).await?;
            let next = page.next.clone();
            listed.push(Page { sent_at: NOW, ..page });
            if next.is_none() {
                break;
            }
            token = next;
        }
        pages.push((spec, listed));
    }
    simulator.stop().await;
    Ok(Described { scope, pages })
}
