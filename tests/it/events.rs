//! The way of events, proved and cut: while canaries come back sweeps slow down, when they stop answers say so and sweeps
//! quicken, and what was missed is found.
//!
//! Everything is scaled: canaries every 2 s are missed after 19 s, sweeps every 3 s slow down to every 30 s. The long cut is the
//! same test with another number:
//!
//! ```console
//! MUSTER_CUT_SECONDS=600 cargo test --release --test it events:: -- --nocapture
//! ```

use std::thread::sleep;
use std::time::Duration;

use aws_credential_types::Credentials;
use aws_sdk_ec2::Client as Ec2;
use aws_sdk_eventbridge::Client as Bus;
use aws_sdk_eventbridge::config::{BehaviorVersion, Region};
use aws_sdk_eventbridge::types::Target;
use aws_sdk_sqs::Client as Sqs;
use aws_sdk_sqs::types::QueueAttributeName;
use muster::kinds::rules::{DEFAULT_NAME, RULES};
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use tokio::time::Instant;

use crate::harness::muster::{Endpoint, Sandbox, Serve};
use crate::harness::rpc::Client;
use crate::harness::simulator::Simulator;
use crate::harness::{PATIENCE, eventually};
use crate::storm::log;
use crate::storm::oracle::Oracle;

/// Sweeps of instances every 3 s, or 30 s while events are proved; of everything else hardly ever, but for what instances carry.
const PACE: [&str; 8] = [
    "--interval",
    "all=15s,instance=3s,instance-status=10s,volume=10s,network-interface=10s",
    "--relaxed",
    "instance=30s",
    "--canary-interval",
    "2s",
    "--aws-share",
    "1",
];

/// How long after the last canary at most a rule counts as proved: two intervals and 15 s.
const WINDOW: Duration = Duration::from_secs(19);

/// What a sweep, a poll of the test and a busy machine may take besides.
const SLACK: Duration = Duration::from_secs(12);

/// How long after the last change the copy may differ: nothing is gone within a minute of other evidence of it, and sweeps come after
/// that.
const CALM: Duration = Duration::from_secs(90);

/// Somebody who sets rules up and breaks them, by AWS's own API.
struct Hand {
    bus: Bus,
    ec2: Ec2,
    sqs: Sqs,
    runtime: Runtime,
}

impl Hand {
    fn on(endpoint: &Endpoint) -> Hand {
        let credentials = || Credentials::new("testing", "testing", None, None, "hand");
        let http = aws_smithy_http_client::Builder::new().build_http();
        let bus = aws_sdk_eventbridge::Config::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .credentials_provider(credentials())
            .region(Region::new(endpoint.region.clone()))
            .endpoint_url(&endpoint.url)
            .http_client(http.clone())
            .build();
        let ec2 = aws_sdk_ec2::Config::builder()
            .behavior_version(aws_sdk_ec2::config::BehaviorVersion::v2026_01_12())
            .credentials_provider(credentials())
            .region(aws_sdk_ec2::config::Region::new(endpoint.region.clone()))
            .endpoint_url(&endpoint.url)
            .http_client(http.clone())
            .build();
        let sqs = aws_sdk_sqs::Config::builder()
            .behavior_version(aws_sdk_sqs::config::BehaviorVersion::v2026_01_12())
            .credentials_provider(credentials())
            .region(aws_sdk_sqs::config::Region::new(endpoint.region.clone()))
            .endpoint_url(&endpoint.url)
            .http_client(http)
            .build();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        Hand { bus: Bus::from_conf(bus), ec2: Ec2::from_conf(ec2), sqs: Sqs::from_conf(sqs), runtime }
    }

    /// The queue, and all rules that write to it.
    fn set_up(&self) {
        self.runtime.block_on(async {
            let queue = self.sqs.create_queue().queue_name(format!("{DEFAULT_NAME}-events")).send().await.unwrap();
            let url = queue.queue_url.unwrap();
            let name = QueueAttributeName::QueueArn;
            let asked = self.sqs.get_queue_attributes().queue_url(&url).attribute_names(name.clone());
            let arn = asked.send().await.unwrap().attributes.unwrap().remove(&name).unwrap();
            let policy = json!({"Version": "2012-10-17", "Statement": [{
                "Effect": "Allow",
                "Principal": {"Service": "events.amazonaws.com"},
                "Action": "sqs:SendMessage",
                "Resource": arn
            }]});
            let set = self.sqs.set_queue_attributes().queue_url(&url);
            set.attributes(QueueAttributeName::Policy, policy.to_string()).send().await.unwrap();
            for rule in RULES {
                let name = rule.name(DEFAULT_NAME);
                let pattern = rule.pattern(DEFAULT_NAME).to_string();
                self.bus.put_rule().name(&name).event_pattern(pattern).send().await.unwrap();
                let target = Target::builder().id("muster").arn(&arn).build().unwrap();
                let put = self.bus.put_targets().rule(&name).targets(target).send().await.unwrap();
                assert_eq!(put.failed_entry_count, 0, "{put:?}");
            }
        });
    }

    /// Has a trail something to record: a call that changes things, and fails.
    fn call(&self) {
        let stopped = self.ec2.stop_instances().instance_ids("i-00000000000000bad");
        self.runtime.block_on(stopped.send()).unwrap_err();
    }

    fn turn(&self, slugs: &[&str], on: bool) {
        self.runtime.block_on(async {
            for slug in slugs {
                let name = format!("{DEFAULT_NAME}-{slug}");
                if on {
                    self.bus.enable_rule().name(name).send().await.unwrap();
                } else {
                    self.bus.disable_rule().name(name).send().await.unwrap();
                }
            }
        });
    }
}

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
        while self.instances()["current_interval_seconds"] != 30 {
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
    let window = Duration::from_secs(45);
    let mut scene = Scene::open(true, 2.0);
    assert_eq!(scene.instances()["current_interval_seconds"], 3, "that a trail logs is not proved");
    scene.hand.call();
    scene.relaxed();
    let path = scene.path();
    assert_eq!(path["proved"], true, "{path}");
    assert!(path["called_at"].is_string(), "{path}");
    let measure = |scene: &mut Scene| {
        let before = scene.listings();
        let sweeps = scene.sweeps_within(window);
        (sweeps, scene.listings() - before)
    };
    let (slow, slow_calls) = measure(&mut scene);
    let said = scene.client.call("get_inventory_summary", &json!({})).unwrap();
    assert!(said.text.contains("proved by canary"), "{}", said.text);
    drop(scene);
    let mut scene = Scene::open(false, 2.0);
    let (fast, fast_calls) = measure(&mut scene);
    let why = scene.path()["why"].as_str().unwrap().to_owned();
    assert!(why.contains("there is no queue muster-events") && why.contains("muster setup"), "{why}");
    let minute = |count: f64| count * 60.0 / window.as_secs_f64();
    let number = |count: u64| f64::from(u32::try_from(count).unwrap());
    eprintln!(
        "instances a minute, sweeps every 3 s or 30 s: sweeps {:.0} with a proved path, {:.0} without; DescribeInstances calls, \
         those of refreshes included, {:.0} with and {:.0} without",
        minute(number(slow as u64)),
        minute(number(fast as u64)),
        minute(number(slow_calls)),
        minute(number(fast_calls)),
    );
    assert!(slow <= 3 && fast >= 3 * slow.max(1), "{slow} with events, {fast} without");
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
        if state["current_interval_seconds"] == 3 {
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
    sleep(CALM);
    scene.server.terminate();
    let oracle = Oracle::new(&scene.simulator.endpoint());
    let store = log::open(&scene.sandbox);
    let (compared, differences) = log::differences(&store.snapshot().unwrap(), &oracle);
    eprintln!("{compared} resources compared after the cut, {} differ", differences.len());
    assert!(differences.is_empty(), "{differences:#?}");
}
