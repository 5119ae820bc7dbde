//! From an event to the client that is told of it, and how many events a second can go on for how long.
//!
//! `cargo bench --bench events` starts `muster simulate` with 100,000 instances and `muster serve`, which listens to the
//! simulator's events, and flips instances at several rates: real stops and starts, each of which has two events, one as it begins
//! and one as it ends two seconds later. A client is subscribed to a thousand of the flipped instances. The time is from
//! asking the simulator to flip to the client's having read the notification, so it holds the way through the queue too. Then the
//! highest rate goes on for a while: every event that was put into the queue must have been received, decided and deleted. After that
//! AWS's SDK alone receives and deletes as many messages, so that the CPU time of an event can be told from what receiving it costs.
//! Last, a server with the default share and intervals follows two changes a second, and what it asks AWS meanwhile is counted.
//!
//! What runs showed (10,000 instances and fewer, 2 cores that also built other things): 200 to 370 us of CPU an event at 2,000 a
//! second, of which the SDK's receiving and deleting is 17. Most of the rest is the writer's: decoding, comparing and encoding the
//! stored resource. What varies is sweeps: above 2,000 waiting ids one sweep of the kind takes the place of their describes, and where
//! AWS's limits allow it, one follows another. Two changes a second cost 20 calls a minute, half of them a sweep's pages, where each
//! change had a call of its own before, 133.
//!
//! `MUSTER_BENCH_SECONDS=300` sets how long the highest rate goes on (30 unless said otherwise), `MUSTER_BENCH_INSTANCES` how many
//! instances there are, `MUSTER_BENCH_RATES=1,100` the rates before, `MUSTER_BENCH_CALLS=0` how long calls are counted in seconds
//! (60 unless said otherwise), `MUSTER_BENCH_PROGRAM` another build of `muster`. The figures are written to
//! `target/bench/events.json` too.

#[path = "events/alone.rs"]
mod alone;
#[path = "events/bed.rs"]
#[allow(dead_code, reason = "what other benches ask of it is not asked here")]
mod bed;
#[path = "http/child.rs"]
mod child;
#[path = "events/heard.rs"]
mod heard;
#[path = "http/program.rs"]
mod program;
mod record;
#[path = "http/sdk_config.rs"]
mod sdk_config;
#[path = "http/usage.rs"]
mod usage;

use std::io::Write as _;
use std::str::FromStr;
use std::time::Duration;

use anyhow::Context as _;
use serde_json::{Value, json};
use tokio::task::LocalSet;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

use bed::{Asking, Bed, Line};
use child::Child;
use heard::QueueListener;
use record::{Budget, Record};

/// Events a second.
const RATES: &str = "1,100,500,2000";

/// Events a second that go on for a while.
const HIGHEST: u64 = 2_000;

/// The time in milliseconds that 99 of 100 notifications keep within, up to this many events a second.
const P99: [(u64, f64); 2] = [(500, 10.0), (2_000, 25.0)];

/// The most CPU time of an event, beyond what the SDK's receiving and deleting costs, in microseconds.
const CPU: f64 = 250.0;

/// The most `DescribeInstances` calls a minute: as many as sweeping 10,000 instances at the normal pace costs.
const CALLS: f64 = 20.0;

/// How many instances there are while calls are counted: a sweep of them is ten calls.
const FEW: usize = 10_000;

/// For how long the SDK alone finds its messages.
const ALONE: Duration = Duration::from_secs(8);

/// How long each rate goes on while latency is measured.
const LENGTH: Duration = Duration::from_secs(20);

/// How many flips a second an event a second is worth: each flip has two.
const EVENTS_A_FLIP: u64 = 2;

/// From one batch of flips to the next.
const TICK: Duration = Duration::from_millis(20);

/// How long a flip takes to end, and a little more.
const SETTLES: Duration = Duration::from_secs(3);

/// How many instances the client is subscribed to: the most that one subscription takes, rounded down.
const SUBSCRIBED: u64 = 1_000;

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    if let [alone::ARGUMENT, endpoint, region, queue, messages] = *words {
        return alone::receive(endpoint, region, queue, messages.parse()?);
    }
    // `cargo test --all-targets` runs benchmarks too, without this flag, to see that they build.
    if !words.contains(&"--bench") {
        return Ok(writeln!(std::io::stdout(), "nothing measured: use cargo bench --bench events")?);
    }
    let instances: usize = setting("MUSTER_BENCH_INSTANCES", "100000")?;
    let sustained = Duration::from_secs(setting("MUSTER_BENCH_SECONDS", "30")?);
    let counted = Duration::from_secs(setting("MUSTER_BENCH_CALLS", "60")?);
    let rates: String = setting("MUSTER_BENCH_RATES", RATES)?;
    let rates: Vec<u64> =
        rates.split(',').map(|rate| rate.trim().parse()).collect::<Result<_, _>>().context("MUSTER_BENCH_RATES")?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, async {
        let mut record = Record::new("events");
        measure(&mut record, instances, &rates, sustained).await?;
        if !counted.is_zero() {
            calls(&mut record, counted).await?;
        }
        record.write()
    })
}

async fn measure(record: &mut Record, instances: usize, rates: &[u64], sustained: Duration) -> anyhow::Result<()> {
    let bed = Bed::make(instances, Asking::RARELY).await?;
    let memory = usage::memory(bed.server.pid)?;
    say(&format!("{instances} instances, swept; {} MiB resident", memory.now >> 20))?;
    let mut flipper = Flipper { line: bed.control().await?, heard: 0, others: SUBSCRIBED };
    let subscribed = flipper.flip_heard(SUBSCRIBED).await?;
    let listener = QueueListener::open(&bed.authority, &subscribed).await?;
    for rate in rates.iter().copied() {
        bed.drained().await?;
        listener.took(&[]);
        let flips = flipper.run(rate, LENGTH).await?;
        bed.drained().await?;
        let took = listener.took(&flips);
        let of = |share: f64| percentile(&took, share) * 1_000.0;
        say(&format!(
            "{rate:>5} events/s: {:>4} flips heard of, p50 {:.1} ms, p99 {:.1} ms; {} not heard of",
            took.len(),
            of(0.5),
            of(0.99),
            flips.len() - took.len()
        ))?;
        let budget = P99.iter().find(|(most, _)| rate <= *most).map(|(_, budget)| Budget::AtMost(*budget));
        record.figure(&format!("event to client at {rate}/s, p99"), instances, of(0.99), "ms", budget);
        record.figure(&format!("event to client at {rate}/s, median"), instances, of(0.5), "ms", None);
    }
    let cpu = sustain(record, instances, &bed, &mut flipper, sustained).await?;
    let alone = receive_alone(bed, flipper).await?;
    say(&format!("the SDK alone: {alone:.0} us of CPU a message received and deleted"))?;
    record.figure(
        "an event beyond what the SDK's receiving costs, CPU",
        instances,
        cpu - alone,
        "us",
        Some(Budget::AtMost(CPU)),
    );
    Ok(())
}

/// The CPU time of a message that the SDK alone receives and deletes, in microseconds.
async fn receive_alone(bed: Bed, mut flipper: Flipper) -> anyhow::Result<f64> {
    let (endpoint, region) = (bed.endpoint.clone(), bed.region.clone());
    let listening = flipper.line.post("/_simulator/listen", &json!({ "name": "alone" })).await?;
    let queue = listening.get("queue_url").and_then(Value::as_str).context("no queue")?.to_owned();
    let (simulator, directory) = bed.stop_server().await?;
    let before = flips(&mut flipper).await?;
    flipper.run(HIGHEST, ALONE).await?;
    // Half of what was put into any queue is in this one.
    let messages = (flips(&mut flipper).await? - before) / 2;
    let arguments = [alone::ARGUMENT, &endpoint, &region, &queue, &messages.to_string()];
    let child = Child::start(&std::env::current_exe()?, &arguments, &[], &directory.path().join("alone.log")).await?;
    simulator.stop().await?;
    child.banner.get("cpu_us").and_then(Value::as_f64).context("the SDK alone told no time")
}

/// How many events the simulator put into queues so far.
async fn flips(flipper: &mut Flipper) -> anyhow::Result<u64> {
    let counts = flipper.line.get("/_simulator/faults/counts").await?;
    counts.pointer("/events/delivered").and_then(Value::as_u64).context("the simulator counts no events")
}

/// Counts the `DescribeInstances` calls of a server that follows two changes a second, sweeps included.
async fn calls(record: &mut Record, length: Duration) -> anyhow::Result<()> {
    let bed = Bed::make(FEW, Asking { share: "0.25", intervals: None, flags: &[] }).await?;
    let mut flipper = Flipper { line: bed.control().await?, heard: 0, others: SUBSCRIBED };
    // Until the first follow-ups are due, and the pace has settled.
    flipper.run(2 * EVENTS_A_FLIP, Duration::from_secs(20)).await?;
    let (before, begun) = (bed.calls("DescribeInstances").await?, Instant::now());
    flipper.run(2 * EVENTS_A_FLIP, length).await?;
    let made = bed.calls("DescribeInstances").await? - before;
    let a_minute = float(made) * 60.0 / begun.elapsed().as_secs_f64();
    let name = "DescribeInstances calls at two changes a second, sweeps included";
    record.figure(name, FEW, a_minute, "a minute", Some(Budget::AtMost(CALLS)));
    bed.stop().await
}

/// The highest rate for a while, and what became of every event.
///
/// Returns the CPU time of an event, in microseconds.
async fn sustain(
    record: &mut Record,
    instances: usize,
    bed: &Bed,
    flipper: &mut Flipper,
    length: Duration,
) -> anyhow::Result<f64> {
    let (before, counted) = bed.drained().await?;
    let (begun, used) = (Instant::now(), usage::cpu(bed.server.pid)?);
    flipper.run(HIGHEST, length).await?;
    let sent_in = begun.elapsed().saturating_sub(SETTLES);
    let (after, done) = bed.drained().await?;
    let events = after - before;
    let deleted = done.deleted - counted.deleted;
    let cpu = usage::cpu(bed.server.pid)?.saturating_sub(used).as_secs_f64() * 1e6 / float(events.max(1));
    let memory = usage::memory(bed.server.pid)?;
    let lost = events.saturating_sub(deleted);
    say(&format!(
        "asked for {HIGHEST} events/s for {} s: {events} put into the queue ({:.0}/s), {} received, {} applied, {} unchanged, {} \
         repeated, {deleted} deleted; {lost} lost",
        length.as_secs(),
        float(events) / sent_in.as_secs_f64(),
        done.received - counted.received,
        done.applied - counted.applied,
        done.unchanged - counted.unchanged,
        done.repeated - counted.repeated,
    ))?;
    say(&format!(
        "server: {cpu:.0} us of CPU an event, {} MiB resident, {} MiB at most",
        memory.now >> 20,
        memory.peak >> 20
    ))?;
    let rate = float(events) / sent_in.as_secs_f64();
    record.figure("events sustained", instances, rate, "a second", Some(Budget::AtLeast(float(HIGHEST) * 0.95)));
    record.figure("events lost", instances, float(lost), "events", Some(Budget::AtMost(0.0)));
    record.figure("an event, CPU", instances, cpu, "us", None);
    Ok(cpu)
}

/// Flips instances in turn.
struct Flipper {
    line: Line,
    /// The next of those that are subscribed to: the first of all.
    heard: u64,
    /// The next of the others.
    others: u64,
}

impl Flipper {
    /// Flips the next so many that are subscribed to, and says which were; fewer where some still move.
    async fn flip_heard(&mut self, count: u64) -> anyhow::Result<Vec<String>> {
        let (next, flipped) = self.flip(self.heard, count.min(SUBSCRIBED - self.heard)).await?;
        self.heard = next % SUBSCRIBED;
        Ok(flipped)
    }

    async fn flip(&mut self, from: u64, count: u64) -> anyhow::Result<(u64, Vec<String>)> {
        let said = self.line.post("/_simulator/flip", &json!({ "from": from, "count": count })).await?;
        let next = said.get("next").and_then(Value::as_u64).context("the simulator does not say where to go on")?;
        let flipped =
            said.get("flipped").and_then(Value::as_array).context("the simulator does not say who flipped")?;
        Ok((next, flipped.iter().filter_map(|id| id.as_str().map(str::to_owned)).collect()))
    }

    /// Makes so many events a second, for so long. Says which instances that are subscribed to were flipped, and when.
    async fn run(&mut self, events: u64, length: Duration) -> anyhow::Result<Vec<(String, Instant)>> {
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
        let (begun, mut made, mut heard) = (Instant::now(), 0, Vec::new());
        let all = events * length.as_secs() / EVENTS_A_FLIP;
        // Each that is subscribed to has its turn once in this time, and then has come to rest long ago.
        let one_in = (all / SUBSCRIBED + 1).max(1);
        while begun.elapsed() < length {
            ticks.tick().await;
            let passed = u64::try_from(begun.elapsed().as_millis())?;
            let due = events * passed / (1_000 * EVENTS_A_FLIP) - made;
            let asked = Instant::now();
            let ours = (made + due) / one_in - made / one_in;
            made += due;
            if ours > 0 {
                heard.extend(self.flip_heard(ours).await?.into_iter().map(|id| (id, asked)));
            }
            if due > ours {
                let (next, _) = self.flip(self.others, due - ours).await?;
                self.others = next.max(SUBSCRIBED);
            }
        }
        // What began at the end has its end to tell, too.
        sleep(SETTLES).await;
        Ok(heard)
    }
}

fn say(line: &str) -> anyhow::Result<()> {
    Ok(writeln!(std::io::stdout(), "{line}")?)
}

#[expect(clippy::cast_precision_loss, reason = "a figure for people")]
fn float(number: u64) -> f64 {
    number as f64
}

/// The value below which `share` of the sorted ones are.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a place in a list of some thousands"
)]
fn percentile(sorted: &[f64], share: f64) -> f64 {
    let place = sorted.len().saturating_sub(1) as f64 * share;
    sorted.get(place.round() as usize).copied().unwrap_or(f64::NAN)
}

fn setting<T: FromStr<Err: std::error::Error + Send + Sync + 'static>>(name: &str, default: &str) -> anyhow::Result<T> {
    let text = std::env::var(name).unwrap_or_else(|_| default.to_owned());
    text.parse().with_context(|| format!("{name}={text} cannot be read"))
}
