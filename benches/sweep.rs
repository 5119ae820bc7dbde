//! What a sweep of everything costs when nothing has changed, beside AWS's SDK describing the same.
//!
//! `cargo bench --bench sweep` starts `muster simulate` at several sizes, lets `muster serve` take everything in, starts it again
//! on what it stored, and measures the CPU time of its sweeps: of the first after the start, which reads every item, and of the
//! following ones, which find all of them as they were. The SDK alone lists the same kinds, all of them and all at once, in a
//! process of its own, and its time is what the first sweep of all kinds is held against. Times belong to the machine; the
//! ratios are the result. How much memory rises while sweeps go on that find everything as it was is what their pages take on
//! their way: it must be the same however many pages there are.
//!
//! The writer is also measured alone, in this process: how long it takes to store the listings of the four large kinds, and how long a
//! tool that calls every 20 ms waits meanwhile until its call is durable.
//!
//! On 2 cores that did nothing else (release build, 10,000 instances, 47,370 resources), one run: the SDK alone 0.93 s, with 1.34 s of
//! CPU; start and first sweep 2.8 s, with 4.3 s of CPU, 3.0 times as long where 1.3 is the budget; a sweep that finds everything as it was
//! 0.37 s of CPU, 0.28 times as much. The writer alone stores the four large kinds in 1.7 s, and a tool waits 7 ms, p99 25 ms.
//! First sweeps that commit 200 rows at once instead of 500 took 3.5 s instead of 3.1 (two runs of each in turns, seen from outside), and
//! 199 MB at most instead of 211. The sweep that follows a first one took 0.44 s of CPU; it took 2.5 s when it had to read everything
//! again, because only what a sweep finds unchanged was remembered (one run of each, beside other work).
//!
//! A profile with 200 rows a commit, in parts of the CPU time: 49 % is the writer's, and it is the longest chain. Of that 15 are redb's
//! commit (half for writing pages, half for syncing them), 10 inserting, 9 what lists and searches know of a document
//! (`kinds::project`), 6 encoding records, 4 the index and 4 freeing documents. The other half reads AWS's answers, on all cores and
//! ahead of the writer. To keep the budget on 2 cores, everything beyond what the SDK does may take 22 us of CPU a resource, and it
//! takes 63. So syncing less often cannot be enough; what is next is to project and encode beside the writer.
//!
//! `MUSTER_BENCH_SIZES=1000,10000,100000` sets the sizes, `MUSTER_BENCH_ROUNDS=3` how many unchanged sweeps are measured,
//! `MUSTER_BENCH_PROGRAM` names another build of `muster`.

#[path = "http/child.rs"]
mod child;
#[path = "http/connection.rs"]
mod connection;
#[path = "http/ec2.rs"]
mod ec2;
#[path = "http/estate.rs"]
mod estate;
#[path = "sweep/peak.rs"]
mod peak;
#[path = "http/program.rs"]
mod program;
#[path = "http/question.rs"]
mod question;
mod record;
#[path = "sweep/sdk.rs"]
mod sdk;
#[path = "http/usage.rs"]
mod usage;
#[path = "sweep/writer.rs"]
mod writer;

use std::io::Write as _;
use std::time::Duration;

use anyhow::Context as _;
use serde_json::Value;

use child::Child;
use estate::{Estate, Served, Sweeps};
use peak::Peak;
use program::INTERVALS;
use record::{Budget, Record};

/// The process of the SDK is to differ from ours in what it does, not in how memory is given out.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The most CPU time of an unchanged sweep, over the SDK's alone.
const BUDGET: f64 = 0.3;

/// The longest time of the first sweep of all kinds, over the SDK's alone.
const FIRST: f64 = 1.3;

/// How often the server is asked whether it has swept; each answer costs it about a millisecond.
const LOOK: Duration = Duration::from_secs(1);

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    if let [sdk::ARGUMENT, endpoint, region] = *words {
        return sdk::sweep(endpoint, region);
    }
    // `cargo test --all-targets` runs benchmarks too, without this flag, to see that they build.
    if !words.contains(&"--bench") {
        return Ok(writeln!(std::io::stdout(), "nothing measured: use cargo bench --bench sweep")?);
    }
    let sizes = setting("MUSTER_BENCH_SIZES", "1000,10000");
    let rounds: usize = setting("MUSTER_BENCH_ROUNDS", "3").parse().context("MUSTER_BENCH_ROUNDS is no number")?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut record = Record::new("sweep");
    for size in sizes.split(',') {
        let size: usize = size.trim().parse().with_context(|| format!("MUSTER_BENCH_SIZES: `{size}` is no number"))?;
        writer::measure(size, &mut record).with_context(|| format!("the writer, at {size} instances"))?;
        runtime.block_on(measure(size, rounds, &mut record)).with_context(|| format!("at {size} instances"))?;
    }
    record.write()
}

async fn measure(size: usize, rounds: usize, record: &mut Record) -> anyhow::Result<()> {
    let estate = Estate::start(size).await?;
    let Served { server, swept_in, memory: filled, sweeps, .. } = estate.serve(INTERVALS, &Sweeps::new()).await?;
    let first = usage::cpu(server.pid)?;
    server.stop().await?;

    // Long enough for a sweep of everything to end before the next one starts.
    let seconds = 5 + size / 850;
    let Served { server, authority, mut sweeps, .. } = estate.serve(&format!("all={seconds}s"), &sweeps).await?;
    let read = usage::cpu(server.pid)?;
    // The first of them finds out how large its buffers have to be.
    sweeps = estate::swept(&authority, &sweeps, LOOK).await?;
    let peak = Peak::of(server.pid)?;
    let mut unchanged = Vec::new();
    for _ in 0..rounds.max(1) {
        let before = usage::cpu(server.pid)?;
        sweeps = estate::swept(&authority, &sweeps, LOOK).await?;
        unchanged.push(usage::cpu(server.pid)?.saturating_sub(before));
    }
    let memory = usage::memory(server.pid)?;
    let risen = peak.risen()?;
    server.stop().await?;
    unchanged.sort_unstable();
    let ours = unchanged.get(unchanged.len() / 2).copied().unwrap_or_default();

    let program = std::env::current_exe()?;
    let arguments = [sdk::ARGUMENT, &estate.endpoint, &estate.region];
    let direct = Child::start(&program, &arguments, &[], &estate.file("sdk.log")).await?;
    let told = |name: &str| direct.banner.get(name).and_then(Value::as_u64).context("the SDK's sweep told no time");
    let (alone, alone_took) = (seconds_of(told("cpu_ms")?), seconds_of(told("took_ms")?));
    estate.stop().await?;

    let mut figure = |name, value, unit, budget| record.figure(name, size, value, unit, budget);
    figure("the SDK alone, CPU", alone, "s", None);
    figure("the SDK alone, time", alone_took, "s", None);
    figure("start and first sweep, CPU", first.as_secs_f64(), "s", None);
    figure("start and first sweep, time", swept_in.as_secs_f64(), "s", None);
    let ratio = swept_in.as_secs_f64() / alone_took;
    figure("start and first sweep, time over the SDK's", ratio, "x", Some(Budget::AtMost(FIRST)));
    figure("start again and a sweep that reads everything, CPU", read.as_secs_f64(), "s", None);
    figure("a sweep that finds everything as it was, CPU", ours.as_secs_f64(), "s", None);
    let ratio = ours.as_secs_f64() / alone;
    figure("a sweep that finds everything as it was, CPU over the SDK's", ratio, "x", Some(Budget::AtMost(BUDGET)));
    figure("memory after the first sweep", megabytes(filled.now), "MB", None);
    figure("memory at most in the first sweep", megabytes(filled.peak), "MB", None);
    figure("memory after the last sweep", megabytes(memory.now), "MB", None);
    figure("memory that unchanged sweeps take meanwhile", megabytes(risen), "MB", None);
    Ok(())
}

/// Milliseconds as seconds; never 0, so that it can be divided by.
fn seconds_of(millis: u64) -> f64 {
    Duration::from_millis(millis.max(1)).as_secs_f64()
}

fn megabytes(bytes: u64) -> f64 {
    f64::from(u32::try_from(bytes / 1_000).unwrap_or(u32::MAX)) / 1e3
}

/// An environment variable's value, or the default.
fn setting(name: &str, default: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| default.to_owned())
}
