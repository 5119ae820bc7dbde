//! How much memory a server and a front end take, by the size of the account.
//!
//! `cargo bench --bench memory` starts `muster simulate` at several sizes and lets `muster serve` take everything in. It looks at the
//! server after its first sweep, and after a restart and an unchanged sweep, each time once it has had some seconds to give memory
//! back, and at a front end (`muster mcp`) that has asked the server something. Memory is what Linux says in `smaps_rollup`: resident
//! pages, of these the ones that only this process has and has written (private), the ones without a file (anonymous), and those of
//! the program's file, which all its processes share. The server's budget is 60 MB, 64 MiB for the store's cache and 220 bytes a
//! resource; small accounts have less. Its peak during the first sweep may be a quarter more than the budget.
//!
//! On 2 cores that did other work as well (release build, 467,939 resources at 100,000 instances), one run: 225 MB some seconds after the
//! first sweep, 228 MB after a restart and a sweep, 286 MB at most, all within the budget, where it was about 390 MB before the index was
//! packed and the allocator gave memory back at once. With 10,000 instances 155 and 121 MB (202 and 175 before). What is over: 50
//! instances 53 MB, of which 38 MB are pages of the program and the C library, and a front end with 20 MB, of which 18 MB are such pages
//! and 2.6 MB its own (23 and 3.7 before). A heap profile at 10,000 instances finds 67 MB in use after the first sweep: 50 the cache, 6 the
//! index, 2 the memory of sweeps. The most at once is 129 MB, about half of it pages of AWS that are being read.
//!
//! # What small accounts and front ends do not reach, and why
//! The budgets are 30 MB for a server of 50 instances and 12 MB for a front end. An incremental release build (its code is 49 MB; 2
//! cores with other work, one run each, seconds after the first sweep) has, in MB:
//!
//! | | server | front end |
//! |---|---|---|
//! | resident | 51.0 | 21.9 |
//! | code of the program | 31.1 | 11.6 |
//! | the table of relocations, read by the loader | 3.5 | 3.5 |
//! | what it relocates: vtables, addresses of functions; private | 2.2 | 2.2 |
//! | constants, and what is needed to unwind | 2.3 | 1.8 |
//! | the C library and its loader | 2.2 | 1.9 |
//! | heap and stacks | 9.6 | 0.9 |
//!
//! Before the tasks of kinds kept what they ask on the heap, and the tables of repeated questions were zeroed memory, it was 53.2 and
//! 22.9 MB, and a server of 8 regions had 75 MB instead of 61, of which 35 and 22 are anonymous.
//!
//! - The kernel maps 16 pages for each that is touched (what the files' pages cost is shared by all processes). The server touches
//!   some 480 of 747 such windows, the front end 180: a quarter of them to read its line, a quarter for its configuration. What it
//!   runs is spread over the whole code, since a linker puts functions where their crates are. Only a program of its own would have
//!   it together.
//! - Linux 6.18 maps a whole large folio at once: the same file, copied a moment before, gives 60 and 31 MB. Compare figures of files
//!   that were read from the disk (`dd if=FILE iflag=nocache count=0` before).
//! - A program at a fixed address has no relocations, which takes away 4.5 MB: the front end would have 18 MB, with 1.0 MB of its own
//!   instead of 3.1. It is not linked so, because the system could not place it at random, and it reads SQL that a model wrote.
//! - Folding identical code with LLD (`--icf=all`) takes 2.2 of 49 MB away and nothing of what is resident; `--icf=safe` folds
//!   nothing.
//! - Half of all calls go through the table of addresses (54,000 entries, a third of the relocations), as the compiler does for
//!   programs that are fully relocated at their start. `-C relro-level=partial` with `-z now` should save 1.7 MB, 0.4 of them
//!   private, and was not tried: it builds everything anew, for everybody.
//!
//! `MUSTER_BENCH_SIZES=50,1000,10000` sets the sizes (the budgets name 100,000 as well), `MUSTER_BENCH_SETTLE=10` how many seconds
//! there are before each look, `MUSTER_BENCH_PROGRAM` names another build of `muster`. The figures are also written to
//! `target/bench/memory.json`.

#[path = "http/child.rs"]
mod child;
#[path = "http/connection.rs"]
mod connection;
#[path = "http/estate.rs"]
mod estate;
#[path = "memory/footprint.rs"]
mod footprint;
#[path = "memory/front_end.rs"]
mod front_end;
#[path = "http/program.rs"]
mod program;
#[path = "http/question.rs"]
mod question;
#[path = "http/table.rs"]
mod table;
#[path = "http/usage.rs"]
mod usage;
#[path = "memory/verdict.rs"]
mod verdict;

use std::io::Write as _;
use std::time::Duration;

use anyhow::Context as _;
use serde_json::{Value, json};
use tokio::time::sleep;

use estate::{Estate, Served, Sweeps};
use footprint::Footprint;
use program::INTERVALS;
use question::Question;
use verdict::Verdicts;

/// The most memory at small sizes, in MB. Larger ones have [`budget`].
const SMALL: [(usize, u64); 2] = [(50, 30), (1_000, 75)];

/// The most memory of a front end, in MB: resident, and private.
const FRONT_END: (u64, u64) = (12, 3);

fn main() -> anyhow::Result<()> {
    // `cargo test --all-targets` runs benchmarks too, without this flag, to see that they build.
    if !std::env::args().any(|argument| argument == "--bench") {
        return Ok(writeln!(std::io::stdout(), "nothing measured: use cargo bench --bench memory")?);
    }
    let sizes = setting("MUSTER_BENCH_SIZES", "50,1000,10000");
    let settle: u64 = setting("MUSTER_BENCH_SETTLE", "10").parse().context("MUSTER_BENCH_SETTLE is no number")?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut figures = Vec::new();
    for size in sizes.split(',') {
        let size: usize = size.trim().parse().with_context(|| format!("MUSTER_BENCH_SIZES: `{size}` is no number"))?;
        let measured = runtime.block_on(measure(size, Duration::from_secs(settle)));
        let (report, figure) = measured.with_context(|| format!("at {size} instances"))?;
        writeln!(std::io::stdout(), "{report}")?;
        figures.push(figure);
    }
    let path = verdict::write("memory", &json!({ "bench": "memory", "sizes": figures }))?;
    Ok(writeln!(std::io::stdout(), "written to {}", path.display())?)
}

/// The most memory of a server with so many resources, in bytes.
fn budget(size: usize, resources: u64) -> u64 {
    let small = SMALL.iter().find(|(most, _)| size <= *most).map(|(_, megabytes)| megabytes * 1_000_000);
    small.unwrap_or(60_000_000 + (64 << 20) + 220 * resources)
}

async fn measure(size: usize, settle: Duration) -> anyhow::Result<(String, Value)> {
    let estate = Estate::start(size).await?;
    let Served { server, authority, swept_in, memory, sweeps } = estate.serve(INTERVALS, &Sweeps::new()).await?;
    let spent = usage::cpu(server.pid)?;
    let resources = resources(&authority).await?;
    sleep(settle).await;
    let swept = Footprint::of(server.pid)?;
    let front = front_end::asked(&estate).await?;
    sleep(settle.min(Duration::from_secs(2))).await;
    let front_end = Footprint::of(front.pid())?;
    front.stop().await?;
    server.stop().await?;

    let again = estate.serve(INTERVALS, &sweeps).await?;
    sleep(settle).await;
    let restarted = Footprint::of(again.server.pid)?;
    again.server.stop().await?;
    estate.stop().await?;

    let most = budget(size, resources);
    let mut verdicts = Verdicts::default();
    verdicts.add("server, at the end of the first sweep", memory.now, most * 5 / 4, None);
    verdicts.add("server, some seconds later", swept.resident, most, Some(&swept));
    verdicts.add("server, its peak until then", memory.peak.max(swept.peak), most * 5 / 4, None);
    verdicts.add("server, after a restart and a sweep", restarted.resident, most, Some(&restarted));
    verdicts.add("server, its peak after a restart", restarted.peak, most * 5 / 4, None);
    verdicts.add("front end, resident", front_end.resident, FRONT_END.0 * 1_000_000, Some(&front_end));
    verdicts.add("front end, private", front_end.private, FRONT_END.1 * 1_000_000, None);
    let own = swept.anonymous.checked_div(resources).unwrap_or_default();
    let report = format!(
        "{size} instances, {resources} resources, first sweep in {:.1} s with {:.1} s of CPU time\n\n{}\n  \
         anonymous memory a resource, with everything that does not grow: {own} bytes\n",
        swept_in.as_secs_f64(),
        spent.as_secs_f64(),
        verdicts.table(),
    );
    Ok((report, json!({ "instances": size, "resources": resources, "figures": verdicts.json() })))
}

/// How many resources a server knows.
async fn resources(authority: &str) -> anyhow::Result<u64> {
    connection::with(authority, |mut connection| async move {
        let summary = Question::new(
            "tools/call",
            Some("get_inventory_summary"),
            json!({ "name": "get_inventory_summary", "arguments": {} }),
        );
        let answer = connection.result(&summary).await?;
        let totals = answer.pointer("/structuredContent/totals").and_then(Value::as_object);
        Ok(totals.context("the summary has no totals")?.values().filter_map(Value::as_u64).sum())
    })
    .await
}

/// An environment variable's value, or the default.
fn setting(name: &str, default: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| default.to_owned())
}
