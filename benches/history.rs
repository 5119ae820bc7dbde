//! What a long memory costs, and what it answers.
//!
//! `cargo bench --bench history` makes two stores of 100,000 instances, one of them with 1,000,000 changes at ten a minute (some
//! ten weeks), and measures questions about the past, current reads of both in turns (the ratio is the result: history must not
//! slow them), verification and backup. Then it drives the real writer loop with 50 changes a second of scaled time under a
//! size limit of 32 MiB, while a tool writes beside it, until the history was turned over five times.
//!
//! `MUSTER_BENCH_RESOURCES=1000`, `MUSTER_BENCH_EVENTS=10000` and `MUSTER_BENCH_RETAIN_MIB=4` set the sizes.

#[path = "http/ec2.rs"]
mod ec2;
#[path = "list/filled.rs"]
mod filled;
#[path = "history/lived.rs"]
mod lived;
#[path = "history/questions.rs"]
mod questions;
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
use times::Times;

/// Instances whose log is turned over.
const FEW: usize = 2_000;

/// Reads measured of each kind.
const READS: usize = 20_000;

fn main() -> anyhow::Result<()> {
    // `cargo test --all-targets` runs benchmarks too, without this flag, to see that they work.
    let measuring = std::env::args().any(|argument| argument == "--bench");
    let resources = setting("MUSTER_BENCH_RESOURCES", if measuring { 100_000 } else { 100 })?;
    let events = setting("MUSTER_BENCH_EVENTS", if measuring { 1_000_000 } else { 500 })?;
    let reads = if measuring { READS } else { 50 };
    let mut stores = filled::fill(&[resources, resources])?;
    let (Some(mut lived), Some(bare)) = (stores.pop(), stores.pop()) else {
        anyhow::bail!("two stores were asked for")
    };
    lived::live(&mut lived, events)?;
    say(&format!("{resources} instances, {events} changes of them"))?;
    size(&lived)?;
    questions::read(&lived, reads)?;
    questions::searches(&lived)?;
    questions::changes(&lived, reads)?;
    present(&bare, &lived, reads)?;
    drop(bare);
    keep(lived)?;
    let small = setting("MUSTER_BENCH_RETAIN_MIB", if measuring { 32 } else { 1 })?;
    let few = filled::fill(&[resources.min(FEW)])?.pop().context("one store was asked for")?;
    turnover::turn_over(few, small)
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

/// A backup of it, while it is open, and the verification of the file, once it is closed.
fn keep(lived: Filled) -> anyhow::Result<()> {
    let copy = lived.store.path().with_file_name("backup.redb");
    let mut times = Times::default();
    let made = times.measure(|| Ok(lived.store.backup(&copy)?))?;
    let mib = made.bytes / 1024 / 1024;
    say(&format!("backup, verified: {:.1} s for a file of {mib} MiB", times.percentile(50) / 1e6))?;
    let path = lived.store.path().to_owned();
    // Its directory goes with the rest, in the end.
    let Filled { store, writer, .. } = lived;
    drop((store, writer));
    let mut times = Times::default();
    let report = times.measure(|| Ok(verify::check(&path, kinds::project)?))?;
    anyhow::ensure!(report.is_clean(), "{report:?}");
    say(&format!("verification: {:.1} s for {} records", times.percentile(50) / 1e6, report.records))
}

/// Current reads with and without a past, in turns.
fn present(bare: &Filled, lived: &Filled, reads: usize) -> anyhow::Result<()> {
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
    say(&format!("ratio of medians: {:.2}", with.percentile(50) / without.percentile(50).max(f64::EPSILON)))
}
