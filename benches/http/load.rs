//! The load: a fixed number of connections, each of which asks again as soon as it is answered.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::connection;
use crate::question::Question;
use crate::usage;

/// Connections at once.
pub(crate) const CONNECTIONS: usize = 16;

/// Where the questions of a load come from.
#[derive(Clone, Debug)]
pub(crate) enum Questions {
    /// The same each time.
    One(Question),
    /// One of these at random, each as likely.
    Any(Arc<[Question]>),
}

/// What a load achieved.
#[derive(Clone, Debug)]
pub(crate) struct Load {
    /// Answers a second.
    pub(crate) rate: f64,
    /// The median time from request to whole answer.
    pub(crate) p50: Duration,
    /// The time that 99 of 100 answers kept within.
    pub(crate) p99: Duration,
    /// CPU time of the server, an answer.
    pub(crate) server_cpu: Duration,
    /// Bytes, an answer.
    pub(crate) size: usize,
}

struct Tally {
    times: Vec<Duration>,
    bytes: usize,
}

/// Asks the server `pid` at `authority` for `length`, over `connections` connections.
pub(crate) async fn run(
    authority: &str,
    pid: u32,
    questions: &Questions,
    connections: usize,
    length: Duration,
) -> anyhow::Result<Load> {
    let before = usage::cpu(pid)?;
    let started = Instant::now();
    let until = started + length;
    let mut tasks = JoinSet::new();
    for nth in 0..connections {
        let (authority, questions) = (authority.to_owned(), questions.clone());
        tasks.spawn_local(async move { ask_until(&authority, &questions, nth, until).await });
    }
    let mut times = Vec::new();
    let mut bytes = 0;
    while let Some(ended) = tasks.join_next().await {
        let tally = ended??;
        times.extend(tally.times);
        bytes += tally.bytes;
    }
    let elapsed = started.elapsed();
    let spent = usage::cpu(pid)?.saturating_sub(before);
    times.sort_unstable();
    let answers = u32::try_from(times.len().max(1))?;
    Ok(Load {
        rate: f64::from(answers) / elapsed.as_secs_f64(),
        p50: quantile(&times, 50),
        p99: quantile(&times, 99),
        server_cpu: spent / answers,
        size: bytes / times.len().max(1),
    })
}

async fn ask_until(authority: &str, questions: &Questions, nth: usize, until: Instant) -> anyhow::Result<Tally> {
    // A seed a connection: the same questions in the same order in every run.
    let mut random = fastrand::Rng::with_seed(u64::try_from(nth)?);
    connection::with(authority, |mut connection| async move {
        let mut tally = Tally { times: Vec::new(), bytes: 0 };
        let mut now = Instant::now();
        while now < until {
            let question = match questions {
                Questions::One(question) => Some(question),
                Questions::Any(all) => all.get(random.usize(..all.len().max(1))),
            };
            let Some(question) = question else { anyhow::bail!("there is nothing to ask") };
            tally.bytes += connection.bytes(question).await?.len();
            let answered = Instant::now();
            tally.times.push(answered - now);
            now = answered;
        }
        Ok(tally)
    })
    .await
}

fn quantile(sorted: &[Duration], percent: usize) -> Duration {
    let last = sorted.len().saturating_sub(1);
    sorted.get(last * percent / 100).copied().unwrap_or_default()
}
