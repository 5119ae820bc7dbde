//! A log under a size limit, turned over again and again by the real writer loop.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use muster::ingest::{Ingest, IngestHandle, KindEntry, Lane};
use muster::kinds::INSTANCE;
use muster::model::document::Map;
use muster::model::{
    ActionOutcome, ActionRequest, Cause, Clock, Document, Observation, ResourceId, Seen, Seq, Source, Timestamp, Value,
};
use muster::notify::ChangeHub;
use muster::store::{Retention, Store};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use crate::filled::Filled;
use crate::say;
use crate::times::Times;

/// Changes in a second of scaled time; they are committed together.
const RATE: usize = 50;

/// How often the log is turned over.
const TURNS: usize = 5;

/// From one call of a tool to the next.
const TOOL: Duration = Duration::from_millis(20);

/// The p99 of a tool's commit, at most, in milliseconds.
pub(crate) const BUDGET: f64 = 60.0;

/// A clock that moves by hand.
struct Scaled(AtomicI64);

impl Clock for Scaled {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::Relaxed))
    }
}

/// Changes the instances of a store until its log was turned over, with at most `mib` MiB of history, and says how large it was all
/// along, and how long a tool waited for its commit beside it. Returns the p99 of that, in milliseconds.
pub(crate) fn turn_over(filled: Filled, mib: u64) -> anyhow::Result<f64> {
    let Filled { store, ids, writer, .. } = filled;
    let newest = store.snapshot()?.record(store.snapshot()?.seq())?.recorded_at;
    let clock = Arc::new(Scaled(AtomicI64::new(newest.as_millis())));
    let entry = KindEntry {
        kind: INSTANCE.kind(),
        rules: INSTANCE.rules(),
        interval: Duration::from_mins(1),
        event_rules: None,
    };
    let stop = CancellationToken::new();
    let hub = ChangeHub::new(Vec::new());
    let (ingest, handle, wanted) = Ingest::new(writer, hub, Arc::clone(&clock) as _, vec![entry], stop.clone())?;
    let bytes = mib * 1024 * 1024;
    let ingest = ingest.retaining(Retention { age: Duration::from_hours(24 * 30), bytes: Some(bytes) });
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let writing = std::thread::spawn({
        let runtime = runtime.handle().clone();
        move || ingest.run(&runtime)
    });
    say(&format!("\nhistory of at most {mib} MiB, {} instances, {RATE} changes a second of scaled time", ids.len()))?;
    let outcome = runtime.block_on(async {
        let calling = AtomicBool::new(true);
        let target = ids.first().context("no instances")?.clone();
        let changing = async {
            let turned = change(&store, &ids, &handle, &clock).await;
            calling.store(false, Ordering::Relaxed);
            turned
        };
        let (turned, times) = tokio::join!(changing, call(&handle, target, &calling));
        turned?;
        let times = times?;
        let (half, late) = (times.percentile(50) / 1e3, times.percentile(99) / 1e3);
        say(&format!("a tool's commit meanwhile: p50 {half:.1} ms, p99 {late:.1} ms, of {}", times.len()))?;
        Ok(late)
    });
    stop.cancel();
    drop((handle, wanted));
    writing.join().map_err(|_| anyhow::anyhow!("the writer panicked"))??;
    drop(store);
    outcome
}

/// Stops and starts random instances, a second's worth at a time, until everything that was in the log is folded away for the
/// last time.
async fn change(store: &Store, ids: &[ResourceId], handle: &IngestHandle, clock: &Scaled) -> anyhow::Result<()> {
    let mut random = fastrand::Rng::with_seed(5);
    let (mut turns, mut mark, mut seconds) = (0, store.snapshot()?.seq(), 0_u64);
    let (mut most, mut least) = (0, u64::MAX);
    show("start", store)?;
    while turns < TURNS {
        let at = Timestamp::from_millis(clock.0.fetch_add(1_000, Ordering::Relaxed) + 1_000);
        seconds += 1;
        let mut observations = Vec::with_capacity(RATE);
        for _ in 0..RATE {
            let id = ids.get(random.usize(..ids.len())).context("no instances")?.clone();
            let current = store.snapshot()?.current(&id)?.context("an instance is missing")?;
            let seen = Seen::Described(Arc::new(switched(&current.document)));
            observations.push(Observation { source: Source::Sweep, at, id, seen });
        }
        handle.observe(Lane::Refresh, observations, Cause::Sweep).await?;
        let snapshot = store.snapshot()?;
        if snapshot.horizon() > Seq::ZERO {
            (most, least) = (most.max(snapshot.history()), least.min(snapshot.history()));
        }
        if snapshot.horizon() >= mark {
            turns += 1;
            mark = snapshot.seq();
            show(&format!("turn {turns}, after {seconds} s of scaled time"), store)?;
        }
    }
    let kib = |bytes: u64| bytes / 1024;
    say(&format!("live bytes of history, once full: from {} to {} KiB", kib(least), kib(most)))
}

/// The document with the other state.
fn switched(document: &Document) -> Document {
    let is_running = matches!(document.get("State.Name"), Some(Value::Text(name)) if name == "running");
    let (code, name) = if is_running { (80, "stopped") } else { (16, "running") };
    let state = Map::from_iter([("Code".to_owned(), Value::Int(code)), ("Name".to_owned(), name.into())]);
    let others = document.fields().iter().filter(|(field, _)| &**field != "State");
    let fields = others.map(|(field, value)| (field.to_string(), value.clone()));
    Document::new(fields.chain([("State".to_owned(), Value::Map(state))]).collect())
}

/// Records calls of a tool until `calling` is over, and how long each took to be durable.
async fn call(handle: &IngestHandle, target: ResourceId, calling: &AtomicBool) -> anyhow::Result<Times> {
    let mut times = Times::default();
    while calling.load(Ordering::Relaxed) {
        let begun = Instant::now();
        let action = handle.begin(ActionRequest::of("bench", vec![target.clone()])).await?;
        times.add(begun.elapsed());
        handle.finish(action, ActionOutcome::Succeeded { created: Vec::new() }, Vec::new()).await?;
        sleep(TOOL).await;
    }
    Ok(times)
}

fn show(when: &str, store: &Store) -> anyhow::Result<()> {
    let snapshot = store.snapshot()?;
    let length = std::fs::metadata(store.path())?.len();
    let records = snapshot.seq().0 - snapshot.horizon().0;
    say(&format!(
        "{when}: {records} records, {} KiB of history, base {} KiB, file {} MiB",
        snapshot.history() / 1024,
        snapshot.live().base / 1024,
        length / 1024 / 1024,
    ))
}
