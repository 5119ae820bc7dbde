//! A thousand subscribers over HTTP, of both eras, while much changes and some of them never read.
//!
//! Half a minute of it runs in `cargo test`. Five minutes, and their figures:
//!
//! ```console
//! MUSTER_SUBSCRIBER_SECONDS=300 cargo test --release --test it subscribers:: -- --nocapture
//! ```

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures::{StreamExt, stream};
use http_body_util::BodyExt;
use hyper::Response;
use hyper::body::Incoming;
use serde_json::json;
use tokio::time::{sleep, timeout};

use crate::harness::PATIENCE;
use crate::harness::muster::{OFTEN, Sandbox};
use crate::harness::simulator::Simulator;
use crate::harness::web::{self, Latencies, WebClient, process_figure};

/// How many subscribe, half of them in each era.
const SUBSCRIBERS: usize = 1000;
/// How many more never read, half of them in each era.
const DEAF: usize = 10;
/// How many changes a second the account has.
const CHANGES: &str = "200";
/// What the server may hold more at the end than in the middle, in KiB: its page cache of 64 MiB fills while its log grows, and half as
/// much again is the allocator's. After eight minutes it no longer grows.
const GROWTH: u64 = 96 * 1024;

/// How many more tasks a server may have at the end than before anybody who never reads came, for each of them.
const TASKS: u64 = 10;

/// How often the server's tasks are counted for one figure.
const LOOKS: usize = 10;

/// How long each half of the run lasts.
fn half() -> Duration {
    let seconds = std::env::var("MUSTER_SUBSCRIBER_SECONDS").map_or(20, |seconds| seconds.parse().unwrap());
    Duration::from_secs(seconds) / 2
}

/// The fewest tasks that the server has in a number of looks: each notification on its way is a task of its own for a moment, and
/// thousands of them are sent a second.
fn fewest_tasks(sandbox: &Sandbox) -> u64 {
    let looks =
        std::iter::repeat_with(|| sandbox.server_facts()["tasks"].as_u64().expect("the server counts its tasks"));
    looks.take(LOOKS).min().unwrap()
}

/// Subscribes a client of one era or the other.
async fn subscribe(client: WebClient, number: usize, uris: &[String]) -> Response<Incoming> {
    let client = if number.is_multiple_of(2) { client } else { client.older().await };
    timeout(PATIENCE, client.subscribe(uris)).await.unwrap_or_else(|_| panic!("{number} cannot subscribe"))
}

/// Counts the notifications of a stream for as long as it lasts.
async fn count(mut stream: Response<Incoming>, heard: Arc<AtomicU64>) {
    while let Some(Ok(frame)) = stream.body_mut().frame().await {
        let data = frame.into_data().unwrap_or_default();
        let updates = data.windows(8).filter(|bytes| *bytes == b"/updated").count();
        heard.fetch_add(updates as u64, Ordering::Relaxed);
    }
}

#[test]
fn who_never_reads_costs_a_thousand_other_subscribers_nothing() {
    let simulator = Simulator::start(300, &["--churn", CHANGES]);
    let sandbox = Sandbox::new(&simulator.endpoint());
    let server = sandbox.serve(&OFTEN);
    server.swept();
    let (url, pid) = (server.http.clone(), server.running.pid());
    web::runtime().block_on(async {
        let mut client = WebClient::connect(&url).await;
        let found = client.must("tools/call", &json!({"name": "search_inventory", "arguments": {"limit": 100}})).await;
        let rows = found["structuredContent"]["rows"].as_array().unwrap();
        let mut uris: Vec<String> = rows.iter().map(|row| format!("ec2://instance/{}", row["id"].as_str().unwrap())).collect();
        uris.truncate(2);
        uris.push("ec2://inventory/summary".to_owned());
        let (uris, address) = (&uris, url.as_str());
        let begun = process_figure(pid, "VmRSS");
        let heard: Vec<Arc<AtomicU64>> = std::iter::repeat_with(Arc::default).take(SUBSCRIBERS).collect();
        let subscribing = heard.iter().enumerate().map(|(number, heard)| async move {
            let stream = subscribe(WebClient::connect(address).await, number, uris).await;
            tokio::runtime::Handle::current().spawn(count(stream, Arc::clone(heard)));
        });
        stream::iter(subscribing).buffer_unordered(50).collect::<()>().await;
        let total = || heard.iter().map(|heard| heard.load(Ordering::Relaxed)).sum::<u64>();
        let mut figures = Vec::new();
        let mut deaf = Vec::new();
        for kind in ["without", "with"] {
            if kind == "with" {
                for number in 0..DEAF {
                    deaf.push(subscribe(WebClient::cramped(&url).await, number, uris).await);
                }
            }
            let before = total();
            let mut latencies = Latencies::of_reads(&url, sleep(half())).await;
            let told = (total() - before) / half().as_secs().max(1);
            let (rss, threads) = (process_figure(pid, "VmRSS"), process_figure(pid, "Threads"));
            let tasks = tokio::task::block_in_place(|| fewest_tasks(&sandbox));
            eprintln!(
                "{SUBSCRIBERS} subscribers {kind} {DEAF} who never read: p99 of {} reads {:?}; {told} notifications a second; RSS \
                 {rss} KiB (before them {begun} KiB); {threads} threads, {tasks} tasks",
                latencies.count(),
                latencies.p99(),
            );
            figures.push((latencies.p99(), rss, tasks));
        }
        let [(alone, middle, tasks), (beside, end, tasks_after)] = figures[..] else { panic!("two halves: {figures:?}") };
        eprintln!("p99 with them is {:.2} of that without", beside.as_secs_f64() / alone.as_secs_f64());
        assert!(end < middle + GROWTH, "RSS grew from {middle} to {end} KiB");
        let most = tasks + TASKS * u64::try_from(DEAF).unwrap();
        assert!(tasks_after <= most, "the server's tasks grew from {tasks} to {tasks_after}");
        drop(deaf);
        // Everybody else still hears.
        let before: Vec<u64> = heard.iter().map(|heard| heard.load(Ordering::Relaxed)).collect();
        let all_hear = async {
            while heard.iter().zip(&before).any(|(heard, before)| heard.load(Ordering::Relaxed) == *before) {
                sleep(Duration::from_millis(100)).await;
            }
        };
        timeout(PATIENCE, all_hear).await.expect("everybody who reads is told of changes");
    });
}
