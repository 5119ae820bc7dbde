//! The truth under faults: a server in front of an account that throttles, fails, lags, loses and repeats, and never lies.
//!
//! The storm of CI is a small and short one. The long one is the same test with other numbers:
//!
//! ```console
//! MUSTER_STORM_SECONDS=600 MUSTER_STORM_INSTANCES=20000 cargo test --release --test it storm:: -- --nocapture
//! ```
//!
//! Everything goes by real time: the simulator and the server are processes. How long evidence outweighs absence is a minute; what
//! waits for that says less with `--absence-after`, but for the long storm, and everything is waited for until it is there.

mod altered;
mod calls;
pub(crate) mod log;
mod losses;
pub(crate) mod oracle;
mod outage;
mod reader;
mod watch;

use std::fs;
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use crate::harness::muster::Sandbox;
use crate::harness::rpc::Client;
use crate::harness::simulator::Simulator;
use oracle::Oracle;
use reader::Reader;
use watch::Watch;

const STORM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/scenarios/storm.toml");

/// How late the storm's describes are at most.
const LAG: Duration = Duration::from_secs(5);

/// For how long evidence outweighs absence in the storm of CI: longer than any describe lags.
const ABSENCE_AFTER: [&str; 2] = ["--absence-after", "12s"];

/// How long anything may take that waits for the rules' own minutes.
pub(crate) const LONG: Duration = Duration::from_mins(5);

/// Short intervals, which leave events something to tell and a small machine time to keep up.
const SHORT: [&str; 4] = [
    "--interval",
    "all=20s,instance=12s,instance-status=15s,volume=15s,network-interface=15s,security-group=15s",
    "--aws-share",
    "1",
];

#[test]
fn through_a_storm_every_read_is_true_nothing_is_falsely_removed_and_after_it_the_copy_equals_aws() {
    let (seconds, instances) = (number("MUSTER_STORM_SECONDS", 60), number("MUSTER_STORM_INSTANCES", 2_000));
    let sandbox = Sandbox::bare();
    // What is terminated ages out within the storm, too.
    let scenario = scenario(&sandbox, "terminated_retention = \"10s\"\n", &fs::read_to_string(STORM).unwrap());
    let simulator = Simulator::start(instances, &["--scenario", &scenario]);
    let endpoint = simulator.endpoint();
    let sandbox = Sandbox::new(&endpoint);
    let begun = Instant::now();
    let queue = simulator.control("POST", "/listen", &json!({"name": "storm"}))["queue_url"].take();
    let queue = format!("{}={}", endpoint.region, queue.as_str().unwrap());
    let rules = if std::env::var_os("MUSTER_STORM_SECONDS").is_some() { &[][..] } else { &ABSENCE_AFTER[..] };
    let mut server = sandbox.serve(&[&SHORT[..], rules, &["--queue-url", &queue]].concat());
    server.swept();
    let swept = begun.elapsed();
    let watch = Watch::start(&server.http);
    let reader = Reader::start(&endpoint, &server.http, LAG);
    sleep(Duration::from_secs(seconds as u64));
    // A slow machine takes longer until each kind was swept once in spite of the storm.
    let last = Instant::now() + LONG;
    while watch.sweeps().values().any(|sweeps| *sweeps == 0) && Instant::now() < last {
        sleep(Duration::from_secs(1));
    }
    let mut client = Client::http(&server.http);
    let calls = calls::table(&mut client);
    let struck = simulator.control("GET", "/faults/counts", &json!(null));
    let asked = simulator.control("GET", "/requests", &json!(null))["requests"].take();
    let in_storm = watch.sweeps();

    simulator.control("PATCH", "/churn", &json!({"per_second": 0}));
    simulator.control("PUT", "/faults", &json!({}));
    let oracle = Oracle::new(&endpoint);
    watch.all_swept_again(2, LONG);
    log::converges(&sandbox, &oracle, LONG);
    let tally = reader.stop();
    let watched = watch.stop();
    server.terminate();

    let store = log::open(&sandbox);
    let snapshot = store.snapshot().unwrap();
    let log = log::read(&snapshot, &oracle);
    let (compared, differences) = log::differences(&snapshot, &oracle);
    let folded = muster::store::verify::fold_log(&snapshot).unwrap();
    eprintln!(
        "storm of {seconds} s on {instances} instances; first sweeps took {swept:?}\n\
         reads {}, groups {}, of those provisional {}; not found {}, not seen yet {}\n\
         untrue {}, dated wrong {}, missing {}, failed {}; false removals {}\n\
         records {:?}; {compared} resources compared afterwards, {} differ\n\
         sweeps in the storm {in_storm:?}, holds {:?}\n\
         causes {:?}\nfaults {struck}\n{calls}{}",
        tally.reads,
        tally.groups,
        tally.provisional,
        tally.not_found,
        tally.unseen,
        tally.untrue.count,
        tally.misdated.count,
        tally.missing.count,
        tally.failed.count,
        log.false_removals.len(),
        log.records,
        differences.len(),
        watched.holds,
        log.causes,
        calls::queues(&asked),
    );
    none("untrue reads", &tally.untrue.first);
    none("reads of another date than they say", &tally.misdated.first);
    none("answers that something is gone which AWS lists", &tally.missing.first);
    none("reads that failed", &tally.failed.first);
    none("false removals", &log.false_removals);
    none("differences after the storm", &differences);
    assert!(folded.is_clean(), "{folded:?}");
    assert!(tally.reads > 100 && tally.provisional < tally.groups / 2, "{tally:?}");
    assert!(log.records["removed"] > 0 && log.records["changed"] > 50, "{:?}", log.records);
    assert!(in_storm.values().all(|sweeps| *sweeps > 0), "{in_storm:?}");
    assert!(log.causes["notification"] > 10, "{:?}", log.causes);
    assert!(struck["events"]["delivered"].as_u64() > Some(100), "{struck}");
    for fault in ["throttle", "failing_pages", "lag"] {
        assert!(struck[fault].as_u64() > Some(0), "{fault} never struck: {struck}");
    }
}

/// A number from the environment.
fn number(name: &str, default: usize) -> usize {
    std::env::var(name).map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name}={text} is no number")))
}

/// A scenario file of its own: options, then the rest of another.
fn scenario(sandbox: &Sandbox, options: &str, rest: &str) -> String {
    let path = sandbox.path().join("scenario.toml");
    fs::write(&path, format!("{options}{rest}")).unwrap();
    Path::to_str(&path).unwrap().to_owned()
}

/// The first `Some` of `look`, for what waits for the rules' own minutes.
fn patiently<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(begun.elapsed() < LONG, "{what}: not within {LONG:?}");
        sleep(Duration::from_millis(500));
    }
}

/// Fails with what there is, a line each.
fn none(what: &str, found: &[String]) {
    let shown: Vec<&str> = found.iter().take(5).map(String::as_str).collect();
    assert!(found.is_empty(), "{} {what}:\n{}", found.len(), shown.join("\n"));
}

/// The end of the log.
fn seq(client: &mut Client) -> u64 {
    client.read("ec2://inventory/freshness")["seq"].as_u64().unwrap()
}

fn scopes(client: &mut Client) -> Vec<Value> {
    serde_json::from_value(client.read("ec2://inventory/freshness")["scopes"].take()).unwrap()
}

/// How fresh a kind is, where one region is watched.
fn scope(client: &mut Client, kind: &str) -> Value {
    scopes(client).into_iter().find(|scope| scope["kind"] == kind).unwrap()
}
