//! How soon a server answers on a store that is there already.
//!
//! `cargo bench --bench recovery` starts `muster simulate` at several sizes, lets `muster serve` take everything in, stops it, and
//! starts it again several times: after it was stopped, and after `kill -9`. Three clients then ask it at once, each until it has an
//! answer: for the tools, for the first page of the list, and for a search with a filter. Times are from the start of the process. Its
//! first sweep runs meanwhile, as it does after every start.
//!
//! `MUSTER_BENCH_SIZES=1000,10000` sets the sizes, `MUSTER_BENCH_ROUNDS=3` how many starts of each kind there are,
//! `MUSTER_BENCH_PROGRAM` names another build of `muster`. The figures are also written to `target/bench/recovery.json`.

#[path = "http/child.rs"]
mod child;
#[path = "http/connection.rs"]
mod connection;
#[path = "http/estate.rs"]
mod estate;
#[path = "recovery/first_answers.rs"]
mod first_answers;
#[path = "http/program.rs"]
mod program;
#[path = "http/question.rs"]
mod question;
#[path = "http/table.rs"]
mod table;
#[path = "http/usage.rs"]
mod usage;

use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tokio::time::Instant;

use estate::{Estate, Served, Sweeps};
use first_answers::FirstAnswers;
use program::INTERVALS;
use table::Table;

/// The longest that the first answers may take, in milliseconds: tools, list, search.
const BUDGETS: [(&str, u128); 3] = [("tools/list", 100), ("first list page", 300), ("search_inventory", 300)];

/// The most memory after a restart, of what it was before, in percent.
const MEMORY: u64 = 110;

fn main() -> anyhow::Result<()> {
    // `cargo test --all-targets` runs benchmarks too, without this flag, to see that they build.
    if !std::env::args().any(|argument| argument == "--bench") {
        return Ok(writeln!(std::io::stdout(), "nothing measured: use cargo bench --bench recovery")?);
    }
    let sizes = setting("MUSTER_BENCH_SIZES", "1000,10000");
    let rounds: usize = setting("MUSTER_BENCH_ROUNDS", "3").parse().context("MUSTER_BENCH_ROUNDS is no number")?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut figures = Vec::new();
    for size in sizes.split(',') {
        let size: usize = size.trim().parse().with_context(|| format!("MUSTER_BENCH_SIZES: `{size}` is no number"))?;
        let measured = runtime.block_on(measure(size, rounds.max(1)));
        let (report, figure) = measured.with_context(|| format!("at {size} instances"))?;
        writeln!(std::io::stdout(), "{report}")?;
        figures.push(figure);
    }
    let path = write(&json!({ "bench": "recovery", "sizes": figures }))?;
    Ok(writeln!(std::io::stdout(), "written to {}", path.display())?)
}

async fn measure(size: usize, rounds: usize) -> anyhow::Result<(String, Value)> {
    let estate = Estate::start(size).await?;
    let Served { server, authority, swept_in, memory: before, mut sweeps } =
        estate.serve(INTERVALS, &Sweeps::new()).await?;
    let spent = usage::cpu(server.pid)?;
    let running = FirstAnswers::of(&authority, Instant::now()).await?;
    server.stop().await?;

    let mut table = Table::new(&["milliseconds from the start", "median", "worst", "budget", ""]);
    let mut figures = Vec::new();
    let mut last = before;
    for (how, is_killed) in [("after it was stopped", false), ("after kill -9", true)] {
        let mut times: [Vec<Duration>; 3] = Default::default();
        for _ in 0..rounds {
            let started = Instant::now();
            let server = estate.server(INTERVALS).await?;
            let authority = server.authority("http")?;
            let FirstAnswers { tools, list, search } = FirstAnswers::of(&authority, started).await?;
            for (times, time) in times.iter_mut().zip([tools, list, search]) {
                times.push(time);
            }
            sweeps = estate::swept(&authority, &sweeps, Duration::from_millis(200)).await?;
            last = usage::memory(server.pid)?;
            if is_killed {
                kill_process(Pid::from_raw(i32::try_from(server.pid)?).context("it has no id")?, Signal::KILL)?;
            }
            // Waits for the end of one that was killed as well.
            server.stop().await?;
        }
        for ((name, budget), times) in BUDGETS.iter().zip(&mut times) {
            times.sort_unstable();
            let middle = times.get(times.len() / 2).map_or(0, Duration::as_millis);
            let worst = times.last().map_or(0, Duration::as_millis);
            let verdict = if worst <= *budget { "within" } else { "OVER" };
            let name = format!("{name}, {how}");
            table.row([name.clone(), middle.to_string(), worst.to_string(), budget.to_string(), verdict.to_owned()]);
            figures.push(json!({
                "name": name,
                "median_ms": u64::try_from(middle)?,
                "worst_ms": u64::try_from(worst)?,
                "budget_ms": u64::try_from(*budget)?,
                "verdict": verdict,
            }));
        }
    }
    estate.stop().await?;

    let percent = last.now * 100 / before.now.max(1);
    let verdict = if percent <= MEMORY { "within" } else { "OVER" };
    figures.push(json!({
        "name": "memory after a restart and a sweep",
        "bytes": last.now,
        "peak": last.peak,
        "before": before.now,
        "percent": percent,
        "budget_percent": MEMORY,
        "verdict": verdict,
    }));
    let report = format!(
        "{size} instances, first sweep in {:.1} s with {:.1} s of CPU time; then, the same answers in {} ms\n\n{table}\n  memory after a restart and a sweep: {} MB (at most {} MB), before it {} MB: {percent} % \
         (budget {MEMORY} %): {verdict}\n",
        swept_in.as_secs_f64(),
        spent.as_secs_f64(),
        running.tools.max(running.list).max(running.search).as_millis(),
        last.now / 1_000_000,
        last.peak / 1_000_000,
        before.now / 1_000_000,
    );
    Ok((report, json!({ "instances": size, "figures": figures })))
}

/// Writes the figures where reports look for them, and tells where that is.
fn write(figures: &Value) -> anyhow::Result<std::path::PathBuf> {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().context("the target directory has no place")?;
    let directory = target.join("bench");
    std::fs::create_dir_all(&directory)?;
    let path = directory.join("recovery.json");
    std::fs::write(&path, format!("{figures:#}\n"))?;
    Ok(path)
}

/// An environment variable's value, or the default.
fn setting(name: &str, default: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| default.to_owned())
}
