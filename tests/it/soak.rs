//! A long time at a steady pace: an account that changes all the time, a hundred clients that read, search and listen, and a log of
//! which the oldest part is folded away. Nothing fails, and nothing grows.
//!
//! Half a minute of it on a small account runs in `cargo test`. The long run prints its figures minute by minute:
//!
//! ```console
//! MUSTER_SOAK_MINUTES=30 MUSTER_SOAK_SIZE=100000 cargo test --release --test it soak:: -- --nocapture
//! ```
//!
//! The log keeps a quarter of the run, so in its second half the server has done everything that it will ever do: its memory and
//! its file may then be hardly larger than they were in the first half. How quickly it answers is printed and not judged, as that
//! is the machine's.

mod client;
mod minute;

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::time::sleep;

use crate::harness::muster::Sandbox;
use crate::harness::simulator::Simulator;
use crate::harness::web::{self, WebClient};
use client::Shared;
use minute::{Minute, most};

/// How many changes a second the account has.
const CHANGES: &str = "50";
/// How many clients read one instance after the other.
const READERS: usize = 50;
/// How many search.
const SEARCHERS: usize = 20;
/// How many listen, half of them in each era.
const LISTENERS: usize = 30;
/// How long a client waits before it asks again.
const PAUSE: Duration = Duration::from_millis(500);
/// Into how many parts the run of CI is divided.
const PARTS: u32 = 4;
/// What memory may be in the second half over that in the first half, in percent; and in KiB, beside that.
const MEMORY: (u64, u64) = (110, 32 * 1024);
/// What the file may be in the second half over that in the first half, in percent: it grows in steps.
const FILE: u64 = 125;

fn number(name: &str) -> Option<u32> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name}={text} is no number")))
}

#[test]
fn a_hundred_clients_of_an_account_that_always_changes_meet_no_error_and_nothing_grows() {
    let minutes = number("MUSTER_SOAK_MINUTES");
    let size = number("MUSTER_SOAK_SIZE").map_or(300, |size| usize::try_from(size).unwrap());
    let part = if minutes.is_some() { Duration::from_mins(1) } else { Duration::from_secs(24) / PARTS };
    let parts = minutes.unwrap_or(PARTS).max(2);
    let sandbox = Sandbox::bare();
    // What is terminated is gone soon, so that the account keeps its size.
    let scenario = sandbox.path().join("scenario.toml");
    std::fs::write(&scenario, "terminated_retention = \"1m\"\n").unwrap();
    let simulator = Simulator::start(size, &["--churn", CHANGES, "--scenario", scenario.to_str().unwrap()]);
    let sandbox = Sandbox::new(&simulator.endpoint());
    let queue = simulator.control("POST", "/listen", &json!({"name": "soak"}))["queue_url"].take();
    let queue = format!("{}={}", simulator.endpoint().region, queue.as_str().unwrap());
    let intervals = if minutes.is_some() { "instance=60s" } else { "all=5s" };
    let kept = format!("{}s", (part * parts / 4).as_secs());
    let mut server =
        sandbox.serve(&["--interval", intervals, "--aws-share", "1", "--queue-url", &queue, "--retain-age", &kept]);
    server.swept();

    let (url, pid) = (server.http.clone(), server.running.pid());
    let shared = Arc::new(Shared::default());
    let all = web::runtime().block_on(async {
        let mut first = WebClient::connect(&url).await;
        shared.look(&mut first, "*").await;
        for number in 0..READERS + SEARCHERS + LISTENERS {
            let client = WebClient::connect(&url).await;
            let client = if number % 2 == 0 { client } else { client.older().await };
            let shared = Arc::clone(&shared);
            tokio::runtime::Handle::current().spawn(async move {
                if number < READERS {
                    shared.read(client).await;
                } else if number < READERS + SEARCHERS {
                    shared.search(client).await;
                } else {
                    shared.listen(client).await;
                }
            });
        }
        let mut all = Vec::new();
        for number in 1..=parts {
            sleep(part).await;
            let minute = Minute::take(&shared, pid, &sandbox.store());
            eprintln!("{number:>3}: {minute}");
            all.push(minute);
        }
        all
    });
    let errors = shared.errors();
    server.terminate();

    let (first, second) = all.split_at(all.len() / 2);
    let ratio = |figure: fn(&Minute) -> u64| 100 * most(second, figure) / most(first, figure).max(1);
    let told: Vec<String> = [
        ("memory", ratio(|minute| minute.memory)),
        ("file", ratio(|minute| minute.file)),
        ("p99 of reads", ratio(|minute| minute.read.p99_us)),
        ("p99 of searches", ratio(|minute| minute.searched.p99_us)),
    ]
    .map(|(name, percent)| format!("{name} {percent} %"))
    .into();
    eprintln!("{size} instances: the most of the second half over that of the first: {}", told.join(", "));
    assert!(errors.is_empty(), "{} errors: {:#?}", errors.len(), &errors[..errors.len().min(5)]);
    for minute in &all {
        let asked = minute.read.count > 0 && minute.searched.count > 0 && minute.heard > 0;
        assert!(asked && minute.gone * 4 < minute.read.count, "{minute}");
    }
    if minutes.is_some() {
        let memory = [first, second].map(|half| most(half, |minute| minute.memory));
        assert!(
            memory[1] <= memory[0] * MEMORY.0 / 100 + MEMORY.1,
            "memory grew from {} to {} KiB",
            memory[0],
            memory[1]
        );
        assert!(ratio(|minute| minute.file) <= FILE, "the file grew");
    }
}
