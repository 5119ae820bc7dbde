//! From an event to the client that is told of it, and how many events a second can go on for how long.
//!
//! `cargo bench --bench events` starts `muster simulate` with 100,000 instances and `muster serve`, which listens to the
//! simulator's events, and flips instances at several rates: real stops and starts, each of which has two events, one as it begins
//! and one as it ends two seconds later. A client is subscribed to a thousand of the flipped instances. The time is from
//! asking the simulator to flip to the client's having read the notification, so it holds the way through the queue too. Then the
//! highest rate goes on for a while: every event that was put into the queue must have been received, decided and deleted.
//!
//! `MUSTER_BENCH_SECONDS=300` sets how long that is (30 unless said otherwise), `MUSTER_BENCH_INSTANCES` how many instances there
//! are, `MUSTER_BENCH_PROGRAM` another build of `muster`.

#[path = "events/bed.rs"]
mod bed;
#[path = "http/child.rs"]
mod child;
#[path = "events/heard.rs"]
mod heard;
#[path = "http/program.rs"]
mod program;
#[path = "http/usage.rs"]
mod usage;

use std::io::Write as _;
use std::str::FromStr;
use std::time::Duration;

use anyhow::Context as _;
use serde_json::{Value, json};
use tokio::task::LocalSet;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

use bed::{Bed, Line};
use heard::QueueListener;

/// Events a second.
const RATES: [u64; 4] = [1, 100, 500, 2_000];

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
    // `cargo test --all-targets` runs benchmarks too, without this flag, to see that they build.
    if !std::env::args().any(|argument| argument == "--bench") {
        return Ok(writeln!(std::io::stdout(), "nothing measured: use cargo bench --bench events")?);
    }
    let instances: usize = setting("MUSTER_BENCH_INSTANCES", "100000")?;
    let sustained = Duration::from_secs(setting("MUSTER_BENCH_SECONDS", "30")?);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, measure(instances, sustained))
}

async fn measure(instances: usize, sustained: Duration) -> anyhow::Result<()> {
    let bed = Bed::make(instances).await?;
    let memory = usage::memory(bed.server.pid)?;
    say(&format!("{instances} instances, swept; {} MiB resident", memory.now >> 20))?;
    let mut flipper = Flipper { line: bed.control().await?, heard: 0, others: SUBSCRIBED };
    let subscribed = flipper.flip_heard(SUBSCRIBED).await?;
    let listener = QueueListener::open(&bed.authority, &subscribed).await?;
    for rate in RATES {
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
    }
    sustain(&bed, &mut flipper, sustained).await?;
    bed.stop().await
}

/// The highest rate for a while, and what became of every event.
async fn sustain(bed: &Bed, flipper: &mut Flipper, length: Duration) -> anyhow::Result<()> {
    let (before, counted) = bed.drained().await?;
    let (begun, used) = (Instant::now(), usage::cpu(bed.server.pid)?);
    let rate = RATES.into_iter().max().unwrap_or(1);
    flipper.run(rate, length).await?;
    let sent_in = begun.elapsed();
    let (after, done) = bed.drained().await?;
    let events = after - before;
    let deleted = done.deleted - counted.deleted;
    let cpu = usage::cpu(bed.server.pid)?.saturating_sub(used).as_secs_f64();
    let memory = usage::memory(bed.server.pid)?;
    say(&format!(
        "asked for {rate} events/s for {} s: {events} put into the queue ({:.0}/s), {} received, {} applied, {} unchanged, {} \
         repeated, {deleted} deleted; {} lost",
        length.as_secs(),
        float(events) / sent_in.as_secs_f64(),
        done.received - counted.received,
        done.applied - counted.applied,
        done.unchanged - counted.unchanged,
        done.repeated - counted.repeated,
        events.saturating_sub(deleted),
    ))?;
    say(&format!(
        "server: {:.0} us of CPU an event, {} MiB resident, {} MiB at most",
        cpu * 1e6 / float(events.max(1)),
        memory.now >> 20,
        memory.peak >> 20
    ))
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
