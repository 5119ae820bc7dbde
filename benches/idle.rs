//! What a server costs while nothing happens and nobody asks, at the intervals at which it sweeps by default.
//!
//! `cargo bench --bench idle` starts `muster simulate` and `muster serve` at several sizes, all of them at once, lets the first
//! sweep end, and then measures CPU time and memory for a minute, in which instances and their status checks are swept once.
//! What is swept every 5 and 10 minutes takes part in longer measurements: `MUSTER_BENCH_SECONDS=600`.
//! `MUSTER_BENCH_SIZES=1000,10000,100000` sets the sizes, `MUSTER_BENCH_PROGRAM` names another build of `muster`. After it, what
//! each thread took is printed, by name.

#[path = "http/child.rs"]
mod child;
#[path = "http/connection.rs"]
mod connection;
#[path = "http/estate.rs"]
#[allow(dead_code, reason = "what other benches ask of it is not asked here")]
mod estate;
#[path = "http/program.rs"]
#[allow(dead_code, reason = "what other benches ask of it is not asked here")]
mod program;
#[path = "http/question.rs"]
mod question;
mod record;
#[path = "idle/threads.rs"]
mod threads;
#[path = "http/usage.rs"]
#[allow(dead_code, reason = "what other benches ask of it is not asked here")]
mod usage;

use std::io::Write as _;
use std::time::Duration;

use anyhow::Context as _;
use futures::future::try_join_all;
use tokio::time::sleep;

use estate::{Estate, Served, Sweeps};
use record::Record;
use threads::Threads;

/// The default of one kind, which says nothing new: the others keep theirs as well.
const DEFAULTS: &str = "instance=60s";

/// For what follows a first sweep to be over.
const SETTLE: Duration = Duration::from_secs(3);

fn main() -> anyhow::Result<()> {
    // `cargo test --all-targets` runs benchmarks too, without this flag, to see that they build.
    if !std::env::args().any(|argument| argument == "--bench") {
        return Ok(writeln!(std::io::stdout(), "nothing measured: use cargo bench --bench idle")?);
    }
    let sizes = setting("MUSTER_BENCH_SIZES", "1000,10000");
    let seconds: u32 = setting("MUSTER_BENCH_SECONDS", "60").parse().context("MUSTER_BENCH_SECONDS is no number")?;
    let sizes: Vec<usize> = sizes
        .split(',')
        .map(|size| size.trim().parse().with_context(|| format!("MUSTER_BENCH_SIZES: `{size}` is no number")))
        .collect::<anyhow::Result<_>>()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let record = runtime.block_on(measure(&sizes, seconds))?;
    record.write()
}

async fn measure(sizes: &[usize], seconds: u32) -> anyhow::Result<Record> {
    let mut record = Record::new("idle");
    let estates = try_join_all(sizes.iter().map(|size| Estate::start(*size))).await?;
    let none = Sweeps::new();
    let served: Vec<Served> = try_join_all(estates.iter().map(|estate| estate.serve(DEFAULTS, &none))).await?;
    sleep(SETTLE).await;
    let before = served.iter().map(|served| Threads::of(served.server.pid)).collect::<anyhow::Result<Vec<_>>>()?;
    let ticks = served.iter().map(|served| usage::cpu(served.server.pid)).collect::<anyhow::Result<Vec<_>>>()?;
    sleep(Duration::from_secs(seconds.into())).await;
    for (((size, served), before), ticks) in sizes.iter().zip(served).zip(before).zip(ticks) {
        let spent = usage::cpu(served.server.pid)?.saturating_sub(ticks).as_secs_f64() * 60.0 / f64::from(seconds);
        let threads = Threads::of(served.server.pid)?;
        let memory = usage::memory(served.server.pid)?;
        record.figure(&format!("CPU over {seconds} s"), *size, spent, "s a minute", None);
        let resident = f64::from(u32::try_from(memory.now / 1_000)?) / 1e3;
        record.figure("resident", *size, resident, "MB", None);
        writeln!(std::io::stdout(), "{size} instances, by thread:\n{}", threads.since(&before))?;
        served.server.stop().await?;
    }
    for estate in estates {
        estate.stop().await?;
    }
    Ok(record)
}

/// An environment variable's value, or the default.
fn setting(name: &str, default: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| default.to_owned())
}
