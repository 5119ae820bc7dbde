//! The way of events, proved and cut: while canaries come back sweeps slow down, when they stop answers say so and sweeps
//! quicken, and what was missed is found.
//!
//! Everything is scaled: canaries every 2 s are missed after 19 s, sweeps every 2 s slow down to every 20 s, and evidence outweighs
//! absence for 10 s. The long cut is the
//! same test with another number:
//!
//! ```console
//! MUSTER_CUT_SECONDS=600 cargo test --release --test it events:: -- --nocapture
//! ```

use std::thread::sleep;
use std::time::Duration;

use muster::kinds::rules::RULES;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::harness::hand::Hand;
use crate::harness::muster::{Sandbox, Serve};
use crate::harness::rpc::Client;
use crate::harness::simulator::Simulator;
use crate::harness::{PATIENCE, eventually};
use crate::storm::oracle::Oracle;
use crate::storm::{LONG, log};

/// Sweeps of instances every 2 s, or 20 s while events are proved; of everything else hardly ever, but for what instances carry.
const PACE: [&str; 10] = [
    "--interval",
    "all=15s,instance=2s,instance-status=10s,volume=10s,network-interface=10s",
    "--relaxed",
    "instance=20s",
    "--canary-interval",
    "2s",
    "--absence-after",
    "10s",
    "--aws-share",
    "1",
];

/// How long after the last canary at most a rule counts as proved: two intervals and 15 s.
const WINDOW: Duration = Duration::from_secs(19);

/// What a sweep, a poll of the test and a busy machine may take besides.
const SLACK: Duration = Duration::from_secs(12);

/// How long sweeps are counted: with events there is one at most that was under way, and one more.
const COUNTED: Duration = Duration::from_secs(24);

/// An account under churn, a server that listens to its events, and what can be asked of both.
struct Scene {
    simulator: Simulator,
    hand: Hand,
    sandbox: Sandbox,
    server: Serve,
    client: Client,
}

impl Scene {
    /// `rules` tells whether anything is set up.
    fn open(rules: bool, churn: f64) -> Scene {
        let simulator = Simulator::start(300, &["--churn", &churn.to_string()]);
        let hand = Hand::on(&simulator.endpoint());
        if rules {
            hand.set_up();
        }
        let sandbox = Sandbox::new(&simulator.endpoint());
        let server = sandbox.serve(&[&PACE[..], &["--events"]].concat());
        server.swept();
        let client = Client::http(&server.http);
        Scene { simulator, hand, sandbox, server, client }
    }

    /// How fresh instances are.
    fn instances(&mut self) -> Value {
        let scopes = self.client.read("ec2://inventory/freshness")["scopes"].take();
        scopes.as_array().unwrap().iter().find(|scope| scope["kind"] == "instance").unwrap().clone()
    }

    /// How events arrive.
    fn path(&mut self) -> Value {
        self.client.read("ec2://inventory/freshness")["events"][0].take()
    }

    /// Waits until sweeps are slow.
    fn relaxed(&mut self) {
        let begun = Instant::now();
        while self.instances()["current_interval_seconds"] != 20 {
            assert!(begun.elapsed() < PATIENCE, "sweeps do not slow down: {} {}", self.instances(), self.path());
            sleep(Duration::from_millis(100));
        }
    }

    /// How many complete listings of instances AWS was asked for so far: all of them are one page.
    fn listings(&mut self) -> u64 {
        let calls = self.client.read("ec2://inventory/freshness")["aws_calls"].take();
        let call = calls.as_array().unwrap().iter().find(|call| call["action"] == "ec2:DescribeInstances").cloned();
        call.unwrap()["total"].as_u64().unwrap()
    }

    /// Complete sweeps of instances, and calls that describe them.
    fn counted(&mut self) -> (usize, u64) {
        let before = self.listings();
        let sweeps = self.sweeps_within(COUNTED);
        (sweeps, self.listings() - before)
    }

    /// Complete sweeps of instances in a time: each start that is seen.
    fn sweeps_within(&mut self, time: Duration) -> usize {
        let (begun, mut starts) = (Instant::now(), Vec::new());
        while begun.elapsed() < time {
            let age = self.instances()["age_seconds"].as_f64().unwrap();
            let age = Duration::from_secs_f64(age);
            if starts.last().is_none_or(|last: &Duration| *last > age) {
                starts.push(age);
            } else if let Some(last) = starts.last_mut() {
                *last = age;
            }
            sleep(Duration::from_millis(400));
        }
        starts.len() - 1
    }
}

#[test]
fn while_events_are_proved_sweeps_slow_down() {
    // Both are only looked at, so they go on beside each other.
    let ((slow, slow_calls), (fast, fast_calls)) = std::thread::scope(|scope| {
        let slow = scope.spawn(with_events);
        let fast = without_events();
        (slow.join().unwrap(), fast)
    });
    let minute = |count: f64| count * 60.0 / COUNTED.as_secs_f64();
    let number = |count: u64| f64::from(u32::try_from(count).unwrap());
    eprintln!(
        "instances a minute, sweeps every 2 s or 20 s: sweeps {:.0} with a proved path, {:.0} without; DescribeInstances calls, \
         those of refreshes included, {:.0} with and {:.0} without",
        minute(number(slow as u64)),
        minute(number(fast as u64)),
        minute(number(slow_calls)),
        minute(number(fast_calls)),
    );
    assert!(slow <= 3 && fast >= 3 * slow.max(1), "{slow} with events, {fast} without");
}

/// Counts the sweeps and calls of a server whose events are proved.
fn with_events() -> (usize, u64) {
    let mut scene = Scene::open(true, 2.0);
    assert_eq!(scene.instances()["current_interval_seconds"], 2, "that a trail logs is not proved");
    scene.hand.call();
    scene.relaxed();
    let path = scene.path();
    assert_eq!(path["proved"], true, "{path}");
    assert!(path["called_at"].is_string(), "{path}");
    let counted = scene.counted();
    let said = scene.client.call("get_inventory_summary", &json!({})).unwrap();
    assert!(said.text.contains("proved by canary"), "{}", said.text);
    counted
}

/// Counts them where nothing is set up.
fn without_events() -> (usize, u64) {
    let mut scene = Scene::open(false, 2.0);
    let counted = scene.counted();
    let why = scene.path()["why"].as_str().unwrap().to_owned();
    assert!(why.contains("there is no queue muster-events") && why.contains("muster setup"), "{why}");
    counted
}

#[test]
fn a_cut_path_is_labelled_within_the_canary_window_sweeps_quicken_and_the_copy_converges() {
    let all: Vec<&str> = RULES.iter().map(|rule| rule.slug).collect();
    let mut scene = Scene::open(true, 5.0);
    scene.hand.call();
    scene.relaxed();
    cut(&mut scene, &["tags"]);
    scene.hand.turn(&["tags"], true);
    eventually("events are proved again", || (scene.path()["proved"] == true).then_some(()));
    scene.relaxed();
    cut(&mut scene, &all);
    converges(scene);
}

/// Disables rules under churn, and sees what answers say and how sweeps go on.
fn cut(scene: &mut Scene, slugs: &[&str]) {
    let seconds = std::env::var("MUSTER_CUT_SECONDS").map_or(0, |text| text.parse().unwrap());
    scene.hand.turn(slugs, false);
    let (cut, mut labelled) = (Instant::now(), None);
    // It is labelled while the sweep that was overdue goes on, unless one had just ended.
    let quickened = loop {
        let state = scene.instances();
        if let Some(why) = state["stale"]["why"].as_str() {
            labelled.get_or_insert((cut.elapsed(), why.to_owned()));
        }
        if state["current_interval_seconds"] == 2 {
            break cut.elapsed();
        }
        assert!(cut.elapsed() < WINDOW + SLACK, "sweeps do not quicken: {state}");
        sleep(Duration::from_millis(10));
    };
    let path = scene.path();
    assert_eq!(path["proved"], false, "{path}");
    let why = path["why"].as_str().unwrap();
    assert!(why.contains("no canary came through muster-") && why.contains("muster doctor"), "{why}");
    let told = scene.instances()["event_rules"].take();
    assert_eq!(told["tags"]["proved"], false, "{told}");
    assert_eq!(told["state"]["proved"], slugs.len() == 1, "the other rules are alive: {told}");
    sleep(Duration::from_secs(seconds).saturating_sub(cut.elapsed()));
    let sweeps = scene.sweeps_within(Duration::from_secs(12));
    eprintln!("{slugs:?} cut: sweeps quickened after {quickened:?}, stale {labelled:?}, then {sweeps} sweeps in 12 s");
    assert!(sweeps >= 3, "{sweeps} sweeps in 12 s");
}

/// With the path still cut and nothing moving any more, the copy comes to equal what AWS holds.
fn converges(mut scene: Scene) {
    scene.simulator.control("PATCH", "/churn", &json!({"per_second": 0}));
    let oracle = Oracle::new(&scene.simulator.endpoint());
    log::converges(&scene.sandbox, &oracle, LONG);
    scene.server.terminate();
    let store = log::open(&scene.sandbox);
    let (compared, differences) = log::differences(&store.snapshot().unwrap(), &oracle);
    eprintln!("{compared} resources compared after the cut, {} differ", differences.len());
    assert!(differences.is_empty(), "{differences:#?}");
}
