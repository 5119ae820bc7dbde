//! What a sweep of everything costs when nothing has changed, beside AWS's SDK describing the same.
//!
//! `cargo bench --bench sweep` starts `muster simulate` at several sizes, lets `muster serve` take everything in, starts it again
//! on what it stored, and measures the CPU time of its sweeps: of the first after the start, which reads every item, and of the
//! following ones, which find all of them as they were. The SDK alone lists the same kinds, all of them, in a process of its own.
//! Times belong to the machine; the ratio is the result.
//!
//! `MUSTER_BENCH_SIZES=1000,10000` sets the sizes, `MUSTER_BENCH_ROUNDS=3` how many unchanged sweeps are measured,
//! `MUSTER_BENCH_PROGRAM` names another build of `muster`.

#[path = "http/child.rs"]
mod child;
#[path = "http/connection.rs"]
mod connection;
#[path = "http/ec2.rs"]
mod ec2;
#[path = "http/estate.rs"]
mod estate;
#[path = "http/program.rs"]
mod program;
#[path = "http/question.rs"]
mod question;
#[path = "sweep/sdk.rs"]
mod sdk;
#[path = "http/usage.rs"]
mod usage;

use std::io::Write as _;
use std::time::Duration;

use anyhow::Context as _;
use serde_json::Value;

use child::Child;
use estate::{Estate, Served, Sweeps};
use program::INTERVALS;

/// The process of the SDK is to differ from ours in what it does, not in how memory is given out.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The most CPU time of an unchanged sweep, over the SDK's alone.
const BUDGET: f64 = 0.3;

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
    let sizes = setting("MUSTER_BENCH_SIZES", "1000,10000,100000");
    let rounds: usize = setting("MUSTER_BENCH_ROUNDS", "3").parse().context("MUSTER_BENCH_ROUNDS is no number")?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    for size in sizes.split(',') {
        let size: usize = size.trim().parse().with_context(|| format!("MUSTER_BENCH_SIZES: `{size}` is no number"))?;
        let report = runtime.block_on(measure(size, rounds)).with_context(|| format!("at {size} instances"))?;
        writeln!(std::io::stdout(), "{report}")?;
    }
    Ok(())
}

async fn measure(size: usize, rounds: usize) -> anyhow::Result<String> {
    let estate = Estate::start(size).await?;
    let Served { server, swept_in, memory: filled, sweeps, .. } = estate.serve(INTERVALS, &Sweeps::new()).await?;
    let first = usage::cpu(server.pid)?;
    server.stop().await?;

    // Long enough for a sweep of everything to end before the next one starts.
    let seconds = 20 + size / 1_000;
    let Served { server, authority, mut sweeps, .. } = estate.serve(&format!("all={seconds}s"), &sweeps).await?;
    let read = usage::cpu(server.pid)?;
    let mut unchanged = Vec::new();
    for _ in 0..rounds.max(1) {
        let before = usage::cpu(server.pid)?;
        sweeps = estate::swept(&authority, &sweeps, LOOK).await?;
        unchanged.push(usage::cpu(server.pid)?.saturating_sub(before));
    }
    let memory = usage::memory(server.pid)?;
    server.stop().await?;
    unchanged.sort_unstable();
    let ours = unchanged.get(unchanged.len() / 2).copied().unwrap_or_default();

    let program = std::env::current_exe()?;
    let arguments = [sdk::ARGUMENT, &estate.endpoint, &estate.region];
    let direct = Child::start(&program, &arguments, &[], &estate.file("sdk.log")).await?;
    let millis = direct.banner.get("cpu_ms").and_then(Value::as_u64).context("the SDK's sweep told no time")?;
    estate.stop().await?;

    let alone = Duration::from_millis(millis);
    let ratio = ours.as_secs_f64() / alone.as_secs_f64().max(f64::EPSILON);
    let verdict = if ratio <= BUDGET { "within" } else { "OVER" };
    Ok(format!(
        "{size} instances, all kinds, CPU time\n  \
         the SDK alone: {:.2} s\n  \
         start and first sweep, which stores everything: {:.2} s (in {:.1} s)\n  \
         start and a sweep that reads everything: {:.2} s\n  \
         a sweep that finds everything as it was: {:.2} s, x {ratio:.2} of the SDK (budget {BUDGET}): {verdict}\n  \
         memory: {} MB after the first sweep, {} MB after the last one, at most {} MB",
        alone.as_secs_f64(),
        first.as_secs_f64(),
        swept_in.as_secs_f64(),
        read.as_secs_f64(),
        ours.as_secs_f64(),
        filled.now / 1_000_000,
        memory.now / 1_000_000,
        memory.peak / 1_000_000,
    ))
}

/// An environment variable's value, or the default.
fn setting(name: &str, default: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| default.to_owned())
}
