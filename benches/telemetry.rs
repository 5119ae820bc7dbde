//! What traces cost a read over HTTP.
//!
//! `cargo bench --bench telemetry` starts two servers at a time, each with a simulated account of its own, and asks both for hot ids
//! over 16 connections, in turns: one as it is without any setting, the other as it is told here, and sending its spans to this
//! process. Ratios of answers a second are the result. Metrics are counted by both: `MUSTER_BENCH_BASELINE` names a build of `muster` for
//! the first server, such as one that counts nothing.
//!
//! `-- --quick` takes less time and trust. `MUSTER_BENCH_SECONDS=2` is the length of one measurement, `MUSTER_BENCH_ROUNDS=5` how many
//! there are of each, `MUSTER_BENCH_PROGRAM` names another build of `muster` for the second server.

#[path = "http/child.rs"]
mod child;
#[path = "http/connection.rs"]
mod connection;
#[path = "http/estate.rs"]
#[allow(dead_code, reason = "what other benches ask of it is not asked here")]
mod estate;
#[path = "http/listing.rs"]
#[allow(dead_code, reason = "what other benches ask of it is not asked here")]
mod listing;
#[path = "http/load.rs"]
#[allow(dead_code, reason = "what other benches ask of it is not asked here")]
mod load;
#[path = "http/program.rs"]
mod program;
#[path = "http/question.rs"]
mod question;
mod record;
#[path = "http/rounds.rs"]
#[allow(dead_code, reason = "what other benches ask of it is not asked here")]
mod rounds;
#[path = "http/usage.rs"]
#[allow(dead_code, reason = "what other benches ask of it is not asked here")]
mod usage;

use std::io::Write as _;
use std::time::Duration;

use anyhow::Context as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::runtime::Handle;

use estate::{Estate, Sweeps};
use program::INTERVALS;
use question::Question;
use record::Record;
use rounds::{Case, Pace, Target};

/// How many instances there are.
const SIZE: usize = 1_000;

/// How a server can be told to trace.
const SETTINGS: [(&str, &[(&str, &str)]); 3] = [
    ("no setting", &[]),
    ("every span sent", &[("OTEL_TRACES_SAMPLER", "parentbased_always_on")]),
    (
        "one in a hundred sent",
        &[("OTEL_TRACES_SAMPLER", "parentbased_traceidratio"), ("OTEL_TRACES_SAMPLER_ARG", "0.01")],
    ),
];

fn main() -> anyhow::Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    // `cargo test --all-targets` runs benchmarks too, without this flag, to see that they build.
    if !words.iter().any(|word| word == "--bench") {
        return Ok(writeln!(std::io::stdout(), "nothing measured: use cargo bench --bench telemetry")?);
    }
    let quick = words.iter().any(|word| word == "--quick");
    let seconds = setting("MUSTER_BENCH_SECONDS", if quick { "0.5" } else { "1" });
    let rounds = setting("MUSTER_BENCH_ROUNDS", if quick { "3" } else { "5" });
    let length = Duration::try_from_secs_f64(seconds.parse().context("MUSTER_BENCH_SECONDS is no number")?)?;
    let pace = Pace { rounds: rounds.parse().context("MUSTER_BENCH_ROUNDS is no number")?, length };
    // The collector is not to wait for the load.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let local = tokio::task::LocalSet::new();
    let mut record = Record::new("telemetry");
    for (name, variables) in SETTINGS {
        let ratio = local.block_on(&runtime, measure(variables, pace)).with_context(|| name.to_owned())?;
        record.figure(&format!("hot reads with {name}, of those without"), SIZE, ratio * 100.0, "%", None);
    }
    record.write()
}

/// The answers a second of a server that is told these variables, and a collector unless there are none, beside those of another.
async fn measure(variables: &'static [(&str, &str)], pace: Pace) -> anyhow::Result<f64> {
    let mut plain = Estate::start(SIZE).await?;
    if let Some(baseline) = std::env::var_os("MUSTER_BENCH_BASELINE") {
        plain.program = baseline.into();
    }
    let mut traced = Estate::start(SIZE).await?;
    if !variables.is_empty() {
        let collector = TcpListener::bind(("127.0.0.1", 0)).await?;
        traced.variables.push(("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://{}", collector.local_addr()?)));
        traced.variables.extend(variables.iter().map(|(name, value)| (*name, (*value).to_owned())));
        Handle::current().spawn(collect(collector));
    }
    let ours = traced.serve(INTERVALS, &Sweeps::new()).await?;
    let theirs = plain.serve(INTERVALS, &Sweeps::new()).await?;
    // Both accounts are alike.
    let ids = listing::list(&ours.authority).await?.instances;
    let reads = rounds::any(ids.iter().map(|id| Question::read(&format!("ec2://instance/{id}"))));
    let case = Case { name: "read, hot ids", ours: reads.clone(), bare: reads, budget: 0.9 };
    let [ours_at, theirs_at] =
        [&ours, &theirs].map(|served| Target { authority: served.authority.clone(), pid: served.server.pid });
    let outcomes = rounds::run(vec![case], &ours_at, &theirs_at, pace).await?;
    for served in [ours, theirs] {
        served.server.stop().await?;
    }
    for estate in [plain, traced] {
        estate.stop().await?;
    }
    Ok(outcomes.first().context("nothing was measured")?.ratio())
}

/// Takes whatever is sent, as a collector does that keeps nothing.
async fn collect(listener: TcpListener) {
    while let Ok((mut stream, _)) = listener.accept().await {
        Handle::current().spawn(async move {
            let mut received = Vec::new();
            let mut chunk = vec![0; 65_536];
            while let Ok(count @ 1..) = stream.read(&mut chunk).await {
                received.extend(chunk.iter().take(count));
                while let Some(length) = whole(&received) {
                    received.drain(..length);
                    if stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.is_err() {
                        return;
                    }
                }
            }
        });
    }
}

/// The length of the request at the beginning of some bytes, if they hold a whole one.
fn whole(received: &[u8]) -> Option<usize> {
    let head = received.windows(4).position(|end| end == b"\r\n\r\n")? + 4;
    let text = String::from_utf8_lossy(received.get(..head)?).to_ascii_lowercase();
    let length = text.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse::<usize>().ok())?;
    (received.len() >= head + length).then_some(head + length)
}

/// An environment variable's value, or the default.
fn setting(name: &str, default: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| default.to_owned())
}
