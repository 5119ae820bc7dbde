//! What a long memory costs, and what it answers.
//!
//! `cargo bench --bench history` makes two stores of 10,000 instances, one of them with 100,000 changes at ten a minute (a
//! week), and measures questions about the past, current reads of both in turns (the ratio is the result: history must not
//! slow them), verification and backup. Then it drives the real writer loop with 50 changes a second of scaled time under a
//! size limit of 8 MiB, while a tool writes beside it, until the history was turned over five times.
//!
//! `MUSTER_BENCH_RESOURCES=100000`, `MUSTER_BENCH_EVENTS=1000000` and `MUSTER_BENCH_RETAIN_MIB=32` set the sizes, here those of the
//! long run.

#[path = "http/ec2.rs"]
mod ec2;
#[path = "list/filled.rs"]
mod filled;
#[path = "history/lived.rs"]
mod lived;
#[path = "history/questions.rs"]
mod questions;
mod record;
#[path = "history/times.rs"]
mod times;
#[path = "history/turnover.rs"]
mod turnover;

use std::io::Write as _;
use std::str::FromStr;

use anyhow::Context as _;

use muster::kinds;
use muster::store::verify;

use filled::Filled;
use record::{Budget, Record};
use times::Times;

/// Instances whose log is turned over.
const FEW: usize = 2_000;

/// Reads measured of each kind.
const READS: usize = 20_000;

/// The most that a past may slow current reads.
const SLOWER: f64 = 1.1;

/// The longest time of an as-of read of one resource, in microseconds.
const PAST_READ: f64 = 1_000.0;

/// The longest time of a page of changes, in microseconds.
const PAGE: f64 = 2_000.0;

fn main() -> anyhow::Result<()> {
    // `cargo test --all-targets` runs benchmarks too, without this flag, to see that they work.
    let measuring = std::env::args().any(|argument| argument == "--bench");
    let resources = setting("MUSTER_BENCH_RESOURCES", if measuring { 10_000 } else { 100 })?;
    let events = setting("MUSTER_BENCH_EVENTS", if measuring { 100_000 } else { 500 })?;
    let reads = if measuring { READS } else { 50 };
    let mut stores = filled::fill(&[resources, resources])?;
    let (Some(mut lived), Some(bare)) = (stores.pop(), stores.pop()) else {
        anyhow::bail!("two stores were asked for")
    };
    lived::live(&mut lived, events)?;
    say(&format!("{resources} instances, {events} changes of them"))?;
    let mut record = Record::new("history");
    let mut figure = |name: &str, value, unit: &str, budget| record.figure(name, resources, value, unit, budget);
    size(&lived)?;
    let median = |times: &Times| times.percentile(50);
    let read = questions::read(&lived, reads)?;
    figure("as-of read of one resource, median", median(&read), "us", Some(Budget::AtMost(PAST_READ)));
    for (when, times) in questions::searches(&lived)? {
        figure(&format!("search for what ran {when}, median"), median(&times), "us", None);
    }
    let (pages, timelines) = questions::changes(&lived, reads)?;
    figure("a page of changes from anywhere, median", median(&pages), "us", Some(Budget::AtMost(PAGE)));
    figure("the timeline of one resource, median", median(&timelines), "us", None);
    let ratio = present(&bare, &lived, reads)?;
    figure("current read with a past, over one without", ratio, "x", Some(Budget::AtMost(SLOWER)));
    drop(bare);
    let (backup, verification) = keep(lived)?;
    figure("backup, verified", backup, "s", None);
    figure("verification", verification, "s", None);
    let small = setting("MUSTER_BENCH_RETAIN_MIB", if measuring { 8 } else { 1 })?;
    let few = filled::fill(&[resources.min(FEW)])?.pop().context("one store was asked for")?;
    let late = turnover::turn_over(few, small)?;
    let budget = Some(Budget::AtMost(turnover::BUDGET));
    record.figure("a tool's commit while history is folded, p99", resources.min(FEW), late, "ms", budget);
    if measuring { record.write() } else { Ok(()) }
}

/// A setting of the environment.
fn setting<T: FromStr<Err: std::error::Error + Send + Sync + 'static>>(name: &str, otherwise: T) -> anyhow::Result<T> {
    match std::env::var(name) {
        Ok(text) => text.parse().with_context(|| format!("{name} cannot be `{text}`")),
        Err(_) => Ok(otherwise),
    }
}

fn say(line: &str) -> anyhow::Result<()> {
    Ok(writeln!(std::io::stdout(), "{line}")?)
}

/// How large the store is, live and as a file.
fn size(lived: &Filled) -> anyhow::Result<()> {
    let live = lived.store.snapshot()?.live();
    let history = live.events + live.by_resource + live.times + live.tombstones;
    let length = std::fs::metadata(lived.store.path())?.len();
    let mib = |bytes: u64| bytes / 1024 / 1024;
    say(&format!("live bytes: history {} MiB, current and rows {} MiB", mib(history), mib(live.current + live.rows)))?;
    say(&format!("file length: {} MiB", mib(length)))
}

/// A backup of it, while it is open, and the verification of the file, once it is closed: the seconds of both.
fn keep(lived: Filled) -> anyhow::Result<(f64, f64)> {
    let copy = lived.store.path().with_file_name("backup.redb");
    let mut times = Times::default();
    let made = times.measure(|| Ok(lived.store.backup(&copy)?))?;
    let (mib, backup) = (made.bytes / 1024 / 1024, times.percentile(50) / 1e6);
    say(&format!("backup, verified: {backup:.1} s for a file of {mib} MiB"))?;
    let path = lived.store.path().to_owned();
    // Its directory goes with the rest, in the end.
    let Filled { store, writer, .. } = lived;
    drop((store, writer));
    let mut times = Times::default();
    let report = times.measure(|| Ok(verify::check(&path, kinds::project)?))?;
    anyhow::ensure!(report.is_clean(), "{report:?}");
    let verification = times.percentile(50) / 1e6;
    say(&format!("verification: {verification:.1} s for {} records", report.records))?;
    Ok((backup, verification))
}

/// Current reads with and without a past, in turns: the ratio of their medians.
fn present(bare: &Filled, lived: &Filled, reads: usize) -> anyhow::Result<f64> {
    let mut random = fastrand::Rng::with_seed(4);
    let (mut without, mut with) = (Times::default(), Times::default());
    // What was asked before was asked of one of them alone: both are read once through.
    for (filled, id) in [bare, lived].iter().flat_map(|filled| filled.ids.iter().map(move |id| (filled, id))) {
        anyhow::ensure!(filled.store.snapshot()?.stored(id)?.is_some(), "{id} is missing");
    }
    for _ in 0..reads {
        let place = random.usize(..lived.ids.len());
        let mut pair = [(bare, &mut without), (lived, &mut with)];
        // The second of two finds the processor's caches as the first left them.
        if random.bool() {
            pair.reverse();
        }
        for (filled, times) in pair {
            let id = filled.ids.get(place).context("no instances")?;
            let found = times.measure(|| Ok(filled.store.snapshot()?.stored(id)?))?;
            anyhow::ensure!(found.is_some(), "{id} is missing");
        }
    }
    say(&format!("current read without history: {}", without.shown()))?;
    say(&format!("current read with history: {}", with.shown()))?;
    Ok(with.percentile(50) / without.percentile(50).max(f64::EPSILON))
}
