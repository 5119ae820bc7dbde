//! The simulator at the size of the largest accounts: it must never be the bottleneck of another benchmark.
//!
//! `cargo bench --bench simulator` starts `muster simulate` with 100,000 instances and walks all pages of 1,000 over HTTP,
//! from this process. The result is how many instances the simulator describes in a second of its own CPU time, the
//! system's share for the socket included: of the plain formula, after 10,000 changes (half tags, half stops), and while
//! things move by themselves. Beside it stand memory, start, and how long one page from anywhere takes.
//!
//! `MUSTER_BENCH_INSTANCES=1000000`, `MUSTER_BENCH_CHANGES=100000` and `MUSTER_BENCH_CHURN=50` (a second) set the sizes, here
//! those of the largest accounts; `MUSTER_BENCH_PROGRAM` names another build of `muster` to measure.

#[path = "http/child.rs"]
mod child;
#[path = "simulator/client.rs"]
mod client;
mod record;
#[path = "http/table.rs"]
mod table;
#[path = "http/usage.rs"]
mod usage;
#[path = "simulator/walk.rs"]
mod walk;

use std::io::Write as _;
use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use tokio::time::Instant;

use child::Child;
use client::Client;
use record::{Budget, Record};
use table::Table;
use usage::Memory;
use walk::{Walk, walk};

/// Instances the simulator describes in a second of CPU time, at least.
const RATE: f64 = 50_000.0;

/// The most memory of a simulator, in MiB.
const MEMORY: f64 = 2_048.0;

/// Resources a call changes; EC2's limit for tags.
const BATCH: usize = 1_000;

/// How many pages are asked for at random.
const RANDOM: usize = 300;

fn main() -> anyhow::Result<()> {
    // `cargo test --all-targets` runs benchmarks too, without this flag, to see that they build.
    if !std::env::args().any(|argument| argument == "--bench") {
        return Ok(writeln!(std::io::stdout(), "nothing measured: use cargo bench --bench simulator")?);
    }
    let instances: usize = setting("MUSTER_BENCH_INSTANCES", 100_000)?;
    let changes: usize = setting("MUSTER_BENCH_CHANGES", 10_000)?;
    let churn: f64 = setting("MUSTER_BENCH_CHURN", 50.0)?;
    let program: String = setting("MUSTER_BENCH_PROGRAM", env!("CARGO_BIN_EXE_muster").to_owned())?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(measure(Path::new(&program), instances, changes, churn))
}

/// A setting of the environment.
fn setting<T: FromStr<Err: std::error::Error + Send + Sync + 'static>>(name: &str, otherwise: T) -> anyhow::Result<T> {
    match std::env::var(name) {
        Ok(text) => text.parse().with_context(|| format!("{name} cannot be `{text}`")),
        Err(_) => Ok(otherwise),
    }
}

async fn measure(program: &Path, instances: usize, changes: usize, churn: f64) -> anyhow::Result<()> {
    let mut out = std::io::stdout();
    let heading = format!("{instances} instances");
    let mut record = Record::new("simulator");
    let mut table = Table::new(&[&heading, "instances/s/core", "CPU s", "wall s", "RSS MiB", "peak MiB"]);
    let count = instances.to_string();
    let plain = ["simulate", "--port", "0", "--instances", &count];

    let (mut child, start) = started(program, &plain).await?;
    let mut client = Client::connect(&child.authority("endpoint")?).await?;
    let first = Instant::now();
    client.ask("DescribeInstances", &[("MaxResults", "1000")]).await?;
    let first = first.elapsed();
    let walked = walk(&mut client, child.pid).await?;
    ensure!(walked.instances > instances * 9 / 10, "only {} of {instances} are listed", walked.instances);
    let mut row = |name: &str, walk: &Walk, memory: Memory| {
        table.row(cells(name, walk, memory));
        let (rate, peak) = (rate(walk), mebibytes(memory.peak));
        record.figure(&format!("{name}, described"), instances, rate, "a second of CPU", Some(Budget::AtLeast(RATE)));
        record.figure(&format!("{name}, memory at most"), instances, peak, "MiB", Some(Budget::AtMost(MEMORY)));
    };
    row("as the formula has them", &walked, usage::memory(child.pid)?);
    let pages = latencies(&mut client, &walked).await?;
    let spent = change(&mut client, &walked, changes).await?;
    let again = walk(&mut client, child.pid).await?;
    row(&format!("after {changes} changes"), &again, usage::memory(child.pid)?);
    child.stop().await?;

    let rate = churn.to_string();
    let moving: Vec<&str> = plain.iter().copied().chain(["--churn", &rate]).collect();
    (child, _) = started(program, &moving).await?;
    client = Client::connect(&child.authority("endpoint")?).await?;
    let churned = walk(&mut client, child.pid).await?;
    row(&format!("with {churn} changes a second"), &churned, usage::memory(child.pid)?);
    child.stop().await?;

    writeln!(out, "{table}")?;
    let millis = |duration: Duration| duration.as_secs_f64() * 1e3;
    writeln!(out, "  start {:.0} ms, first page of 1,000 {:.1} ms", millis(start), millis(first))?;
    let at = |percent: usize| pages.get(pages.len().saturating_sub(1) * percent / 100).copied().unwrap_or_default();
    writeln!(
        out,
        "  a page of 1,000 from anywhere: median {:.1} ms, 99 % {:.1} ms, worst {:.1} ms",
        millis(at(50)),
        millis(at(99)),
        millis(at(100))
    )?;
    let a_second = f64::from(u32::try_from(changes)?) / spent.as_secs_f64().max(f64::EPSILON);
    writeln!(out, "  {changes} changes in {:.1} s: {a_second:.0} a second", spent.as_secs_f64())?;
    record.figure("start", instances, millis(start), "ms", None);
    record.figure("a page of 1,000 from anywhere, median", instances, millis(at(50)), "ms", None);
    record.figure("a page of 1,000 from anywhere, 99 %", instances, millis(at(99)), "ms", None);
    record.figure("changes", instances, a_second, "a second", None);
    record.write()
}

/// A simulator, and how long it took from its start to its banner.
async fn started(program: &Path, arguments: &[&str]) -> anyhow::Result<(Child, Duration)> {
    let begun = Instant::now();
    let log = Path::new(env!("CARGO_TARGET_TMPDIR")).join("bench-simulator.log");
    let child = Child::start(program, arguments, &[], &log).await?;
    Ok((child, begun.elapsed()))
}

/// A row of the table.
fn cells(name: &str, walk: &Walk, memory: Memory) -> [String; 6] {
    let mib = |bytes: u64| (bytes >> 20).to_string();
    let (cpu, took) = (walk.cpu.as_secs_f64(), walk.wall.as_secs_f64());
    let (rate, cpu, took) = (format!("{:.0}", rate(walk)), format!("{cpu:.2}"), format!("{took:.2}"));
    [name.to_owned(), rate, cpu, took, mib(memory.now), mib(memory.peak)]
}

/// Instances described in a second of CPU time.
fn rate(walk: &Walk) -> f64 {
    f64::from(u32::try_from(walk.instances).unwrap_or(u32::MAX)) / walk.cpu.as_secs_f64().max(f64::EPSILON)
}

fn mebibytes(bytes: u64) -> f64 {
    f64::from(u32::try_from(bytes >> 10).unwrap_or(u32::MAX)) / 1024.0
}

/// How long pages from anywhere take, in order.
async fn latencies(client: &mut Client, walk: &Walk) -> anyhow::Result<Vec<Duration>> {
    let mut random = fastrand::Rng::with_seed(1);
    let mut spent = Vec::with_capacity(RANDOM);
    for _ in 0..RANDOM {
        let Some(token) = random.choice(&walk.tokens) else { break };
        let begun = Instant::now();
        client.ask("DescribeInstances", &[("MaxResults", "1000"), ("NextToken", token)]).await?;
        spent.push(begun.elapsed());
    }
    spent.sort_unstable();
    Ok(spent)
}

/// Tags one half of `count` instances and stops the other, all over the account.
async fn change(client: &mut Client, walk: &Walk, count: usize) -> anyhow::Result<Duration> {
    ensure!(walk.running.len() >= count, "only {} running instances to change", walk.running.len());
    let every = walk.running.len() / count.max(1);
    let chosen: Vec<&str> = walk.running.iter().step_by(every.max(1)).take(count).map(String::as_str).collect();
    let begun = Instant::now();
    for (nth, batch) in chosen.chunks(BATCH).enumerate() {
        let tags = nth % 2 == 0;
        let (action, list) = if tags { ("CreateTags", "ResourceId") } else { ("StopInstances", "InstanceId") };
        let names: Vec<String> = (1..=batch.len()).map(|n| format!("{list}.{n}")).collect();
        let mut parameters: Vec<(&str, &str)> = names.iter().map(String::as_str).zip(batch.iter().copied()).collect();
        if tags {
            parameters.extend([("Tag.1.Key", "bench"), ("Tag.1.Value", "changed")]);
        }
        client.ask(action, &parameters).await?;
    }
    Ok(begun.elapsed())
}
