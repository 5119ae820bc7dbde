//! EC2's own read API beside EC2's: what boto3 waits for, and what the servers pay.
//!
//! `cargo bench --bench ec2_api` starts `muster simulate` with 10,000 instances and `muster serve --ec2-api`, and has boto3 describe all
//! instances from both, in pages of 1,000 and in one answer, from the simulator at 0 and at 80 ms latency too; times and the servers'
//! CPU time are of the same run, and their ratios are the result. Then 50 clients at once, which only read, walk all instances, and the
//! calls that AWS got meanwhile are counted. Last, boto3 compares the describes of every kind, field for field, types too.
//!
//! After that an account of 100,000 instances changes 2,000 times a second while its instances are walked, once by boto3 and then by a
//! client that reads faster: a replay of the log says what each page had to show (`tests/python/ec2_walks.py`), and a sample is held
//! against the simulator's own past.
//!
//! `MUSTER_BENCH_INSTANCES=1000` and `MUSTER_BENCH_WALKED=20000` set the sizes, and 0 leaves a part out; `MUSTER_BENCH_CHANGES=500` how many
//! changes a second there are; `MUSTER_BENCH_PROGRAM` another build of `muster`, and `MUSTER_BENCH_PYTHON` a Python that has boto3, which
//! otherwise is the one that `cargo test --test it -- ec2_api::` makes below `target/it`. The same programs run small in
//! `tests/it/ec2_scale.rs`. The figures are written to `target/bench/ec2_api.json` too.

#[path = "events/bed.rs"]
#[allow(dead_code, reason = "what other benches ask of it is not asked here")]
mod bed;
#[path = "http/child.rs"]
mod child;
#[path = "http/program.rs"]
mod program;
mod record;
#[path = "ec2_api/script.rs"]
mod script;

use std::io::Write as _;
use std::str::FromStr;

use anyhow::{Context as _, ensure};
use muster::kinds::KINDS;
use serde_json::{Value, json};
use tokio::task::LocalSet;

use bed::{Asking, Bed};
use program::program;
use record::{Budget, Record};
use script::Script;

/// How the server is started.
const SERVED: Asking = Asking { flags: &["--ec2-api", "127.0.0.1:0"], ..Asking::RARELY };

/// The most resources of a page.
const PAGE: usize = 1_000;

/// How many clients ask at once.
const CLIENTS: usize = 50;

/// Latencies of AWS's answers, in milliseconds.
const LATENCIES: [u64; 2] = [0, 80];

/// How many walks there are of a client that reads faster than boto3.
const WALKS: usize = 5;

/// How many instances of each walk are held against the simulator's past.
const SAMPLE: usize = 100;

fn main() -> anyhow::Result<()> {
    // `cargo test --all-targets` runs benchmarks too, without this flag, to see that they build.
    if !std::env::args().any(|argument| argument == "--bench") {
        return Ok(writeln!(std::io::stdout(), "nothing measured: use cargo bench --bench ec2_api")?);
    }
    let instances: usize = setting("MUSTER_BENCH_INSTANCES", "10000")?;
    let walked: usize = setting("MUSTER_BENCH_WALKED", "100000")?;
    let changes: u64 = setting("MUSTER_BENCH_CHANGES", "2000")?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, async {
        let mut record = Record::new("ec2_api");
        if instances > 0 {
            side_by_side(&mut record, instances).await?;
        }
        if walked > 0 {
            while_it_changes(&mut record, walked, changes).await?;
        }
        record.write()
    })
}

/// What both have in common that a script is told.
fn settings(bed: &Bed) -> anyhow::Result<Value> {
    let muster = bed.server.banner.get("ec2_api").context("the server does not say where it answers EC2's API")?;
    Ok(json!({"aws": bed.endpoint, "muster": muster, "region": bed.region, "page": PAGE}))
}

/// Adds to a JSON object.
fn with(object: &mut Value, more: Value) {
    if let (Value::Object(object), Value::Object(more)) = (object, more) {
        object.extend(more);
    }
}

async fn side_by_side(record: &mut Record, instances: usize) -> anyhow::Result<()> {
    let bed = Bed::make(instances, SERVED).await?;
    let actions: Vec<&str> = KINDS.iter().map(|kind| kind.action()).collect();
    let mut told = settings(&bed)?;
    let more = json!({
        "aws_pid": bed.simulator.pid, "muster_pid": bed.server.pid, "instances": instances, "latencies": LATENCIES,
        "clients": CLIENTS, "actions": actions,
    });
    with(&mut told, more);
    let mut script = Script::start("ec2_figures.py", &told, bed.home())?;
    while let Some(said) = script.line().await? {
        let Some(name) = said.get("figure").and_then(Value::as_str) else { break };
        let (value, unit) = (said.get("value").and_then(Value::as_f64), said.get("unit").and_then(Value::as_str));
        let value = value.with_context(|| format!("{name} has no value"))?;
        let budget = name.contains("calls made to AWS").then_some(Budget::AtMost(0.0));
        record.figure(name, instances, value, unit.unwrap_or_default(), budget);
        say(&format!("{name}: {value:.3} {}", unit.unwrap_or_default()))?;
    }
    script.end().await?;
    bed.stop().await
}

async fn while_it_changes(record: &mut Record, instances: usize, changes: u64) -> anyhow::Result<()> {
    let bed = Bed::make(instances, SERVED).await?;
    let (program, data) = (program(), bed.home().join("data"));
    let [program, data] = [&program, &data].map(|path| path.to_str().context("a path is not UTF-8"));
    let export = [program?, "log", "export", "--data-dir", data?];
    for (who, raw, walks, unpaged) in
        [("boto3", false, 1, 0), ("a fast client", true, WALKS, 0), ("one answer", true, 0, 2)]
    {
        let mut told = settings(&bed)?;
        let more = json!({
            "walks": walks, "unpaged": unpaged, "changes": changes, "raw": raw, "pause": 0, "sample": SAMPLE, "export": export,
        });
        with(&mut told, more);
        let mut script = Script::start("ec2_walks.py", &told, bed.home())?;
        let said = script.line().await?.context("the walks end without a word")?;
        script.end().await?;
        say(&format!("{who}: {said}"))?;
        let walked = said.get("walks").and_then(Value::as_array).context("the script names no walks")?;
        ensure!(walked.len() == walks + unpaged, "{} walks", walked.len());
        let most = |name: &str| {
            let values = walked.iter().filter_map(|walk| walk.get(name).and_then(Value::as_f64));
            values.fold(0.0, f64::max)
        };
        for (name, field, unit) in [
            ("a walk, slowest", "seconds", "s"),
            ("a page, slowest", "slowest_page", "s"),
            ("the last page over the first", "last_over_first", "x"),
            ("records passed in a walk", "records_passed", "records"),
            ("moves in a walk", "moves", "times"),
        ] {
            let name = format!("{who}, {changes} changes a second: {name}");
            record.figure(&name, instances, most(field), unit, None);
        }
        // Each of these ends the script.
        let name = format!("{who}, {changes} changes a second: instances shown as they were not");
        record.figure(&name, instances, 0.0, "instances", Some(Budget::AtMost(0.0)));
    }
    bed.stop().await
}

fn say(line: &str) -> anyhow::Result<()> {
    Ok(writeln!(std::io::stdout(), "{line}")?)
}

fn setting<T: FromStr<Err: std::error::Error + Send + Sync + 'static>>(name: &str, default: &str) -> anyhow::Result<T> {
    let text = std::env::var(name).unwrap_or_else(|_| default.to_owned());
    text.parse().with_context(|| format!("{name}={text} cannot be read"))
}
