//! What it costs to tell many subscribers of the same changes, beside a bare rmcp server that tells them the same.
//!
//! `cargo bench --bench fanout` starts `muster simulate` and `muster serve`, which listens to the simulator's events, subscribes 100
//! and 1,000 clients of each era over HTTP to the same ten instances, and has one instance after another stop or start. The time of a
//! notification is from asking the simulator for the change to a subscriber's first having read of it. The bare server is told over
//! HTTP what to notify of, as often. CPU time is the server's, less what the same changes cost it without a subscriber. The load comes
//! from one thread of this process, on the same machine: a thousand subscribers hear of a change one after the other.
//!
//! What a run showed (300 subscribers, 2 cores that also built other things): a subscriber costs 55 KB in the newer era and 123 KB in
//! the older one, where the bare server takes 77 and 133 KB, so there is nothing of ours left to save: it is the channels and tasks
//! that rmcp has for each stream. A notification takes 24 and 30 us of CPU, the bare server's 21 and 25.
//!
//! `MUSTER_BENCH_SUBSCRIBERS=100,1000` sets how many there are, `MUSTER_BENCH_SECONDS=20` how long each is measured,
//! `MUSTER_BENCH_PROGRAM` names another build of `muster`. The figures are written to `target/bench/fanout.json` too.

#[path = "fanout/bare.rs"]
mod bare;
#[path = "events/bed.rs"]
#[expect(dead_code, reason = "the bench of events counts more")]
mod bed;
#[path = "http/child.rs"]
mod child;
#[path = "fanout/crowd.rs"]
mod crowd;
#[path = "http/program.rs"]
mod program;
mod record;
#[path = "http/usage.rs"]
mod usage;

use std::io::Write as _;
use std::time::Duration;

use anyhow::Context as _;
use serde_json::{Value, json};
use tokio::task::LocalSet;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

use bed::{Asking, Bed, Line};
use child::Child;
use crowd::{Crowd, Era};
use record::{Budget, Record};

/// The bare server is to differ from ours in what it does, not in how memory is given out.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How many instances the simulator has.
const INSTANCES: usize = 1_000;

/// How many of them everybody subscribes to.
const SUBSCRIBED: u64 = 10;

/// From one flip to the next. A flip has two events, two seconds apart: they fall in the middle between others.
const EVERY: Duration = Duration::from_millis(800);

/// How long a flip takes to end, and a little more.
const SETTLES: Duration = Duration::from_secs(3);

/// The most CPU time of a notification, over the bare server's.
const CPU: f64 = 2.0;

/// The most memory of a subscriber, over the bare server's.
const MEMORY: f64 = 1.5;

/// The time that 99 of 100 notifications keep within: a subscriber of a thousand may have to wait for a round, and the load's one
/// thread reads what all are told.
const P99: Duration = Duration::from_millis(500);

/// Whom the subscribers listen to.
enum Told<'a> {
    Muster(&'a Bed),
    Bare(&'a Child),
}

/// What one crowd came to.
struct Outcome {
    notifications_a_second: f64,
    missed: usize,
    p50_ms: f64,
    p99_ms: f64,
    cpu_us: f64,
    subscriber_bytes: u64,
    server_peak_bytes: u64,
}

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    if words == [bare::ARGUMENT] {
        return bare::serve();
    }
    // `cargo test --all-targets` runs benchmarks too, without this flag, to see that they build.
    if !words.contains(&"--bench") {
        return Ok(writeln!(std::io::stdout(), "nothing measured: use cargo bench --bench fanout")?);
    }
    let counts = std::env::var("MUSTER_BENCH_SUBSCRIBERS").unwrap_or_else(|_| "100,1000".to_owned());
    let seconds = std::env::var("MUSTER_BENCH_SECONDS").unwrap_or_else(|_| "20".to_owned());
    let length = Duration::from_secs(seconds.parse().context("MUSTER_BENCH_SECONDS is no number")?);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, async {
        let mut record = Record::new("fanout");
        for count in counts.split(',') {
            let count = count.trim().parse().context("MUSTER_BENCH_SUBSCRIBERS is no list of numbers")?;
            for era in [Era::Newer, Era::Older] {
                measure(&mut record, count, era, length).await?;
            }
        }
        record.write()
    })
}

/// Measures ours beside the bare one, each in processes of its own, so that neither has memory left from an earlier crowd.
async fn measure(record: &mut Record, count: usize, era: Era, length: Duration) -> anyhow::Result<()> {
    let bed = Bed::make(INSTANCES, Asking::RARELY).await?;
    let uris = instances(&bed).await?;
    let ours = run(&Told::Muster(&bed), count, era, &uris, length).await?;
    bed.stop().await?;
    let directory = tempfile::tempdir()?;
    let bare =
        Child::start(&std::env::current_exe()?, &[bare::ARGUMENT], &[], &directory.path().join("bare.log")).await?;
    let theirs = run(&Told::Bare(&bare), count, era, &uris, length).await?;
    bare.stop().await?;

    let kb = |outcome: &Outcome| outcome.subscriber_bytes / 1_000;
    say(&format!("{count} subscribers, {era:?} era"))?;
    for (whose, outcome) in [("ours", &ours), ("bare", &theirs)] {
        say(&format!(
            "  {whose}: {:.0} notifications/s, {} not heard of, p50 {:.1} ms, p99 {:.1} ms, {:.1} us of CPU a notification, {} KB a \
             subscriber, {} MB at most",
            outcome.notifications_a_second,
            outcome.missed,
            outcome.p50_ms,
            outcome.p99_ms,
            outcome.cpu_us,
            kb(outcome),
            outcome.server_peak_bytes / 1_000_000,
        ))?;
    }
    let mut figure = |what: &str, value: f64, unit: &str, most: f64| {
        record.figure(&format!("{count} {era:?}: {what}"), INSTANCES, value, unit, Some(Budget::AtMost(most)));
    };
    let cpu = ours.cpu_us / theirs.cpu_us.max(f64::EPSILON);
    let memory = float(ours.subscriber_bytes) / float(theirs.subscriber_bytes.max(1));
    figure("notification, p99", ours.p99_ms, "ms", P99.as_secs_f64() * 1e3);
    figure("notification, CPU", cpu, "of bare rmcp", CPU);
    figure("memory of a subscriber", memory, "of bare rmcp", MEMORY);
    Ok(())
}

/// The first instances of the simulator, by their URIs.
async fn instances(bed: &Bed) -> anyhow::Result<Vec<String>> {
    let mut control = bed.control().await?;
    let said = control.post("/_simulator/flip", &json!({ "from": 0, "count": SUBSCRIBED })).await?;
    let flipped = said.get("flipped").and_then(Value::as_array).context("the simulator does not say who flipped")?;
    sleep(SETTLES).await;
    Ok(flipped.iter().filter_map(Value::as_str).map(|id| format!("ec2://instance/{id}")).collect())
}

async fn run(told: &Told<'_>, count: usize, era: Era, uris: &[String], length: Duration) -> anyhow::Result<Outcome> {
    let (authority, pid) = match told {
        Told::Muster(bed) => (bed.authority.clone(), bed.server.pid),
        Told::Bare(child) => (child.authority("http")?, child.pid),
    };
    // The same changes without a subscriber.
    let before = usage::cpu(pid)?;
    change(told, None, uris, length).await?;
    let alone = usage::cpu(pid)?.saturating_sub(before);

    let before = usage::memory(pid)?.now;
    let crowd = Crowd::open(&authority, era, count, uris).await?;
    sleep(Duration::from_secs(1)).await;
    crowd.heard();
    let subscriber_bytes = usage::memory(pid)?.now.saturating_sub(before) / u64::try_from(count.max(1))?;

    let (before, begun) = (usage::cpu(pid)?, Instant::now());
    let changes = change(told, Some(&crowd), uris, length).await?;
    let spent = usage::cpu(pid)?.saturating_sub(before).saturating_sub(alone);
    let (took, notifications) = crowd.heard();
    let ms = |percent: usize| {
        let place = took.len().saturating_sub(1) * percent / 100;
        took.get(place).copied().unwrap_or_default().as_secs_f64() * 1e3
    };
    Ok(Outcome {
        notifications_a_second: float(notifications) / begun.elapsed().as_secs_f64(),
        missed: (changes * count).saturating_sub(took.len()),
        p50_ms: ms(50),
        p99_ms: ms(99),
        cpu_us: spent.as_secs_f64() * 1e6 / float(notifications.max(1)),
        subscriber_bytes,
        server_peak_bytes: usage::memory(pid)?.peak,
    })
}

/// Has one instance after the other change, and says how many did.
async fn change(told: &Told<'_>, crowd: Option<&Crowd>, uris: &[String], length: Duration) -> anyhow::Result<usize> {
    let mut line = match told {
        Told::Muster(bed) => bed.control().await?,
        Told::Bare(child) => Line::open(&child.authority("http")?).await?,
    };
    // The bare server is told of both events of a flip.
    let every = if matches!(told, Told::Bare(_)) { EVERY / 2 } else { EVERY };
    let mut ticks = interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (begun, mut changes) = (Instant::now(), 0);
    for (number, uri) in (0..SUBSCRIBED).zip(uris).cycle() {
        ticks.tick().await;
        if begun.elapsed() >= length {
            break;
        }
        if let Some(crowd) = crowd {
            crowd.ask(uri);
        }
        match told {
            Told::Muster(_) => line.post("/_simulator/flip", &json!({ "from": number, "count": 1 })).await?,
            Told::Bare(_) => line.post("/notify", &json!([uri])).await?,
        };
        changes += 1;
    }
    sleep(SETTLES).await;
    Ok(changes)
}

fn say(line: &str) -> anyhow::Result<()> {
    Ok(writeln!(std::io::stdout(), "{line}")?)
}

#[expect(clippy::cast_precision_loss, reason = "a figure for people")]
fn float(number: u64) -> f64 {
    number as f64
}
