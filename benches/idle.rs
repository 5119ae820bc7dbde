//! What a server costs while nothing happens and nobody asks, at the intervals at which it sweeps by default.
//!
//! `cargo bench --bench idle` starts `muster simulate` and `muster serve` at several sizes, all of them at once, lets every kind
//! be swept until its items are known, and then measures CPU time and memory. So that half a minute holds ten minutes of sweeps, all
//! intervals are a twentieth of the defaults; the CPU time is divided by that. `MUSTER_BENCH_FASTER=1` takes the real ones, and twenty
//! minutes. `MUSTER_BENCH_SIZES=1000,10000,100000` sets the sizes, `MUSTER_BENCH_PROGRAM` names another build of `muster`. What each
//! thread took is printed, by name: without sweeps, threads wake up some 250 times a minute in all and take no time to speak of.

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
use muster::kinds::KINDS;
use tokio::time::sleep;

use estate::{Estate, Served, Sweeps};
use record::Record;
use threads::Threads;

/// What is measured: every kind is swept a whole number of times in it.
const MEASURED: Duration = Duration::from_mins(10);

/// How often the servers are asked whether they have swept, before that.
const LOOK: Duration = Duration::from_millis(500);

fn main() -> anyhow::Result<()> {
    // `cargo test --all-targets` runs benchmarks too, without this flag, to see that they build.
    if !std::env::args().any(|argument| argument == "--bench") {
        return Ok(writeln!(std::io::stdout(), "nothing measured: use cargo bench --bench idle")?);
    }
    let sizes = setting("MUSTER_BENCH_SIZES", "1000,10000");
    let faster: u32 = setting("MUSTER_BENCH_FASTER", "20").parse().context("MUSTER_BENCH_FASTER is no number")?;
    let sizes: Vec<usize> = sizes
        .split(',')
        .map(|size| size.trim().parse().with_context(|| format!("MUSTER_BENCH_SIZES: `{size}` is no number")))
        .collect::<anyhow::Result<_>>()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let record = runtime.block_on(measure(&sizes, faster.max(1)))?;
    record.write()
}

async fn measure(sizes: &[usize], faster: u32) -> anyhow::Result<Record> {
    let mut record = Record::new("idle");
    let estates = try_join_all(sizes.iter().map(|size| Estate::start(*size))).await?;
    let intervals: Vec<String> =
        KINDS.iter().map(|kind| format!("{}={}ms", kind.slug, (kind.interval / faster).as_millis())).collect();
    let (intervals, none) = (intervals.join(","), Sweeps::new());
    let served: Vec<Served> = try_join_all(estates.iter().map(|estate| estate.serve(&intervals, &none))).await?;
    // The first sweep stores everything, and what the second one reads is known from then on.
    let again = served.iter().map(|served| estate::swept(&served.authority, &served.sweeps, LOOK));
    try_join_all(again).await?;
    let before = served.iter().map(|served| Threads::of(served.server.pid)).collect::<anyhow::Result<Vec<_>>>()?;
    let ticks = served.iter().map(|served| usage::cpu(served.server.pid)).collect::<anyhow::Result<Vec<_>>>()?;
    sleep(MEASURED / faster).await;
    let minutes = MEASURED.as_secs_f64() / 60.0;
    for (((size, served), before), ticks) in sizes.iter().zip(served).zip(before).zip(ticks) {
        let spent = usage::cpu(served.server.pid)?.saturating_sub(ticks).as_secs_f64() / minutes;
        let threads = Threads::of(served.server.pid)?;
        let memory = usage::memory(served.server.pid)?;
        record.figure("CPU", *size, spent, "s a minute", None);
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
