//! Whole requests over HTTP, beside what they could cost at least.
//!
//! `cargo bench --bench http` starts `muster simulate` and `muster serve` at several sizes and measures `resources/read`
//! and `resources/list` over 16 connections, in turns with (b) a bare rmcp server that returns a constant of our own bytes.
//! It compares single questions with (a) the same ones asked of AWS's SDK. Ratios are the result; times belong to the machine. The load comes from this process, on the same
//! machine: where the servers are faster than it, both ratios move towards 1, so the server's CPU time an answer stands
//! beside them.
//!
//! `-- --quick` takes less time and trust. `MUSTER_BENCH_SIZES=1000,10000,100000` sets the sizes, `MUSTER_BENCH_SECONDS=2` the
//! length of one measurement, `MUSTER_BENCH_ROUNDS=5` how many there are of each, `MUSTER_BENCH_CASES=hot` which of the
//! cases are run: those with this in their name, for a profiler to look at (`tool` for the calls of tools). `MUSTER_BENCH_PROGRAM`
//! names another build of `muster` to measure.
//!
//! # What was learned
//! 2 cores, `--quick` (rounds of half a second), alone on the machine, plain release build, one run; ratio to the bare server and CPU
//! time of an answer. "Before" is the state that asked rmcp for every answer, at 10,000 instances; "then" the one that read lists and
//! names from the table of rows, at 100,000:
//!
//! | what | before | then | 1,000 | 10,000 | 100,000 | budget |
//! |---|---|---|---|---|---|---|
//! | read, random ids | 36 %, 88 us | 60 %, 55 us | 136 %, 15 us | 80 %, 33 us | 70 %, 54 us | 70 % |
//! | read, hot ids | 65 %, 52 us | 138 %, 16 us | 139 %, 15 us | 125 %, 17 us | 154 %, 18 us | 90 % |
//! | list, random pages | 16 %, 1,000 us | 17 %, 6,280 us | 281 %, 45 us | 261 %, 33 us | 45 %, 3,015 us | 40 % |
//! | list, same page | 87 %, 186 us | 395 %, 133 us | 281 %, 45 us | 311 %, 25 us | 526 %, 122 us | 85 % |
//!
//! | a tool, p50 of one at a time, ms | before, 10,000 | then, 100,000 | 1,000 | 10,000 | 100,000 | budget |
//! |---|---|---|---|---|---|---|
//! | search, newest first | 46.6 | 22.9 | 0.6 | 0.7 | 1.8 | 2 |
//! | search page | 2.8 | 3.2 | 0.5 | 0.5 | 0.6 | 2 |
//! | changes of an hour, after a first sweep | 316 | 0.4 | 0.3 | 0.3 | 0.5 | 2 |
//! | health of all instances | 74 | 38 | 2.5 | 5.3 | 33 | 100 |
//! | stopped instances | 48.5 | 371 | 1.8 | 19 | **249** | 100 |
//! | count by type | 3.6 | 9.5 | 0.3 | 0.7 | 4.7 | 5 |
//! | SQL, group by type | 11.5 | 115 | 1.7 | 7.4 | **70** | 60 |
//! | summary | 5.3 | 25.6 | 0.4 | 1.4 | 18 | 20 |
//!
//! What is over is in bold. Reads and lists that are like one that rmcp has answered do without it (UPSTREAM.md: it takes 15 us of CPU of
//! the 25 us of a bare read). At 10,000 instances and below the cache holds all 38 pages of the list; at 100,000 it holds few of the 50,
//! of 0.9 MB each, and a page is made anew, of ids and names in the index (half of the time when it was made of rows was redb's, which
//! read them from its file). A random read costs some 36 us more than a hot one: by a profile a third of it is redb's looks into two
//! tables, for the instance and for its status, of which its cache holds a part.
//!
//! A question of the index that was asked before reads only what changed: of each block of some dozen rows it is noted how many match
//! and which stands first. The first time it costs what it did "then". Counts gained by a list of what each term is a value of, a quicker hash,
//! and by leaving a row behind its last term that may count. The report of stopped instances reads 10,000 documents of instances and
//! 15,000 of volumes; by a profile half is looks into redb's tables and a quarter decoding. No index has the IOPS of a volume, which its
//! price needs. What is left of SQL is mostly SQLite's: see the bench of SQL.
//!
//! On a machine that others use as well the ratios come out higher: only figures taken alone count.

#[path = "http/bare.rs"]
mod bare;
#[path = "http/child.rs"]
mod child;
#[path = "http/connection.rs"]
mod connection;
#[path = "http/direct.rs"]
mod direct;
#[path = "http/ec2.rs"]
mod ec2;
#[path = "http/estate.rs"]
mod estate;
#[path = "http/figures.rs"]
mod figures;
#[path = "http/listing.rs"]
mod listing;
#[path = "http/load.rs"]
mod load;
#[path = "http/program.rs"]
mod program;
#[path = "http/question.rs"]
mod question;
mod record;
#[path = "http/report.rs"]
mod report;
#[path = "http/rounds.rs"]
mod rounds;
#[path = "http/table.rs"]
mod table;
#[path = "http/tools.rs"]
mod tools;
#[path = "http/usage.rs"]
mod usage;

use std::io::Write as _;
use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use anyhow::Context as _;
use serde_json::Value;
use tokio::task::LocalSet;

use child::Child;
use connection::Connection;
use estate::{Estate, Served, Sweeps};
use listing::Listing;
use load::{Load, Questions};
use program::INTERVALS;
use question::Question;
use record::Record;
use report::Report;
use rounds::{Case, Pace, Target};

/// The bare server is to differ from ours in what it does, not in how memory is given out.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How many of the ids are hot.
const HOT: usize = 1_000;

/// How many ids at most are asked for at random; more would only make this process large.
const RANDOM: usize = 100_000;

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    if let [bare::ARGUMENT, constant] = *words {
        return bare::serve(Path::new(constant));
    }
    // `cargo test --all-targets` runs benchmarks too, without this flag, to see that they build.
    if !words.contains(&"--bench") {
        return Ok(writeln!(std::io::stdout(), "nothing measured: use cargo bench --bench http")?);
    }
    let quick = words.contains(&"--quick");
    let sizes: Sizes = setting("MUSTER_BENCH_SIZES", "1000,10000")?;
    let seconds: f64 = setting("MUSTER_BENCH_SECONDS", if quick { "0.5" } else { "1" })?;
    let rounds: usize = setting("MUSTER_BENCH_ROUNDS", if quick { "3" } else { "5" })?;
    let pace = Pace { rounds, length: Duration::try_from_secs_f64(seconds)? };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, async {
        let mut record = Record::new("http");
        for size in sizes.0 {
            let report = measure(size, pace).await.with_context(|| format!("at {size} instances"))?;
            writeln!(std::io::stdout(), "{report}")?;
            figures::add(&report, &mut record);
        }
        record.write()
    })
}

async fn measure(size: usize, pace: Pace) -> anyhow::Result<Report> {
    let estate = Estate::start(size).await?;
    let served = estate.serve(INTERVALS, &Sweeps::new()).await?;
    let listing = listing::list(&served.authority).await?;
    let ours = Target { authority: served.authority.clone(), pid: served.server.pid };

    let ids = sample(&listing.instances, RANDOM);
    let reads: Vec<Question> = ids.iter().map(|id| Question::read(&format!("ec2://instance/{id}"))).collect();
    let read = typical(&ours.authority, &reads).await?;
    let constant = estate.file("constant.json");
    bare::write(&constant, &read, &listing.result)?;
    let bare = itself(&[bare::ARGUMENT, &constant.to_string_lossy()], &estate).await?;
    let theirs = Target { authority: bare.authority("http")?, pid: bare.pid };

    let outcomes = rounds::run(cases(&reads, &listing)?, &ours, &theirs, pace).await?;
    let loaded = usage::memory(ours.pid)?;
    let any = reads.first().context("there are no instances to read")?;
    let bare_one = alone(&theirs, Questions::One(any.clone()), pace).await?.p50;
    let bare_page = alone(&theirs, Questions::One(listing.middle.clone()), pace).await?.p50;
    let bare_loaded = usage::memory(theirs.pid)?;
    bare.stop().await?;
    let tools = tools::run(&ours, pace).await?;

    let our_one = alone(&ours, rounds::any(reads), pace).await?;
    let our_page = alone(&ours, Questions::One(listing.middle.clone()), pace).await?;
    let client = ec2::client(&estate.endpoint, &estate.region).await;
    let direct_one = direct::describe_one(&client, &ids, pace.length).await?;
    let direct_page = direct::describe_page(&client, pace.length).await?;

    let Served { server, swept_in, memory, sweeps, .. } = served;
    server.stop().await?;
    let again = estate.serve(INTERVALS, &sweeps).await?;
    again.server.stop().await?;
    estate.stop().await?;

    Ok(Report {
        size,
        listed: listing.entries,
        pages: listing.count,
        outcomes,
        tools,
        first_sweep: swept_in,
        swept: memory,
        loaded,
        restarted: again.memory,
        one: (our_one.p50, direct_one),
        page: (our_page.p50, direct_page),
        bare: (bare_one, bare_page),
        bare_loaded,
    })
}

fn cases(reads: &[Question], listing: &Listing) -> anyhow::Result<Vec<Case>> {
    let read = Questions::One(reads.first().context("there are no instances to read")?.clone());
    let list = Questions::One(listing.middle.clone());
    let mut cases = vec![
        Case { name: "read, random ids", ours: rounds::any(reads.iter().cloned()), bare: read.clone(), budget: 0.7 },
        Case { name: "read, hot ids", ours: rounds::any(sample(reads, HOT)), bare: read, budget: 0.9 },
        Case {
            name: "list, random pages",
            ours: Questions::Any(listing.pages.clone()),
            bare: list.clone(),
            budget: 0.4,
        },
        Case { name: "list, same page", ours: list.clone(), bare: list, budget: 0.85 },
    ];
    let wanted: String = setting("MUSTER_BENCH_CASES", "")?;
    cases.retain(|case| case.name.contains(&wanted));
    Ok(cases)
}

/// One connection, so that the time is that of an answer and no queue's.
async fn alone(target: &Target, questions: Questions, pace: Pace) -> anyhow::Result<Load> {
    load::run(&target.authority, target.pid, &questions, 1, pace.length).await
}

/// The result of the read whose text is the median in length, of some hundred.
async fn typical(authority: &str, reads: &[Question]) -> anyhow::Result<Value> {
    connection::with(authority, |mut connection: Connection| async move {
        let mut results = Vec::new();
        for read in sample(reads, 101) {
            let result = connection.result(&read).await?;
            results.push((result.to_string().len(), result));
        }
        results.sort_by_key(|(length, _)| *length);
        let middle = results.len() / 2;
        Ok(results.into_iter().nth(middle).context("there are no instances to read")?.1)
    })
    .await
}

/// At most `count` of `all`, the same ones in every run.
fn sample<T: Clone>(all: &[T], count: usize) -> Vec<T> {
    fastrand::Rng::with_seed(1).choose_multiple(all.iter(), count.min(all.len())).into_iter().cloned().collect()
}

/// This program again, for another purpose.
async fn itself(arguments: &[&str], estate: &Estate) -> anyhow::Result<Child> {
    Child::start(&std::env::current_exe()?, arguments, &[], &estate.file("bench.log")).await
}

/// An environment variable's value, or the default.
fn setting<T: FromStr>(name: &str, default: &str) -> anyhow::Result<T>
where
    T::Err: std::error::Error + Send + Sync + 'static,
{
    let value = std::env::var(name).unwrap_or_else(|_| default.to_owned());
    value.parse().with_context(|| format!("{name} cannot be `{value}`; such as `{default}`"))
}

struct Sizes(Vec<usize>);

impl FromStr for Sizes {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.split(',').map(|size| size.trim().parse()).collect::<Result<_, _>>().map(Sizes)
    }
}
