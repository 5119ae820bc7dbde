//! A server that is killed at random moments while four clients change instances, each call with an idempotency key.
//!
//! After each kill every client repeats its call with the same key until it is answered. In the end no action was executed twice for
//! one key, each call of AWS has its record in the log, and each key has the one answer that it had first. `MUSTER_WRITE_KILLS` says
//! how often the server is killed; the documented run has 500, of which each takes about a second:
//!
//! ```console
//! MUSTER_WRITE_KILLS=500 cargo test --release --test it write_kills:: -- --nocapture
//! ```
//!
//! Each client has its own instances, and does everything to each of them once: AWS's records tell calls apart by what was done to what.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use muster::model::{ActionOutcome, Event, Recorded, Seq};
use muster::store::verify::fold_log;
use muster::store::{self, StoreOptions};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::sleep;

use crate::harness::eventually;
use crate::harness::muster::{RARELY, Sandbox};
use crate::harness::simulator::Simulator;
use crate::harness::web::{self, WebClient};

const CLIENTS: usize = 4;
/// What is done to each instance, in this order.
const STEPS: [(&str, &str); 4] = [
    ("reboot_instance", "RebootInstances"),
    ("stop_instance", "StopInstances"),
    ("start_instance", "StartInstances"),
    ("create_snapshot", "CreateSnapshots"),
];
/// A call that was sent so often is let end: finding out what became of a snapshot takes seconds.
const STARVING: usize = 8;

/// A call that has its answer.
#[derive(Debug)]
struct Answered {
    key: String,
    tool: &'static str,
    action: &'static str,
    instance: String,
    verdict: String,
    /// How often its connection broke before.
    broken: usize,
}

/// What the clients share.
struct Crowd {
    /// Where the server is.
    url: watch::Receiver<String>,
    /// Set when no server is killed any more.
    over: AtomicBool,
    /// How many clients wait for a call that is let end.
    starving: AtomicUsize,
}

impl Crowd {
    /// Calls a tool with a key until it is answered, and agrees to what it is shown; the verdict, and how often the connection broke.
    async fn call(&self, tool: &str, instance: &str, key: &str) -> (String, usize) {
        let (mut token, mut broken, mut sent) = (Value::Null, 0, 0);
        let verdict = loop {
            sent += 1;
            if sent == STARVING {
                self.starving.fetch_add(1, Ordering::SeqCst);
            }
            assert!(sent < 400, "{tool} of {instance} is never answered");
            let url = self.url.borrow().clone();
            let Some(mut client) = WebClient::try_connect(&url).await else {
                sleep(Duration::from_millis(50)).await;
                continue;
            };
            let mut arguments = json!({"instance_id": instance, "idempotency_key": key});
            if !token.is_null() {
                arguments["confirmation"] = token.take();
            }
            let Some(result) = client.ask("tools/call", &json!({"name": tool, "arguments": arguments})).await else {
                broken += 1;
                sleep(Duration::from_millis(20)).await;
                continue;
            };
            let told = &result["structuredContent"];
            token = told["confirmation"]["token"].clone();
            match told["results"][0]["verdict"].as_str() {
                Some("unconfirmed" | "not_sent") => {}
                Some(verdict) => break verdict.to_owned(),
                // The server is starting or stopping, or another connection's call with the key still runs.
                None => {
                    let code = result["_meta"]["muster/code"].as_str().unwrap_or_default();
                    assert_eq!(code, "try_again", "{tool} of {instance}: {result}");
                    sleep(Duration::from_millis(50)).await;
                }
            }
        };
        if sent >= STARVING {
            self.starving.fetch_sub(1, Ordering::SeqCst);
        }
        (verdict, broken)
    }

    /// Everything that one client does.
    async fn work(&self, number: usize, instances: Vec<String>) -> Vec<Answered> {
        let mut answered = Vec::new();
        for instance in instances {
            for (tool, action) in STEPS {
                if self.over.load(Ordering::SeqCst) {
                    return answered;
                }
                let key = format!("{number} {tool} {instance}");
                let (verdict, broken) = self.call(tool, &instance, &key).await;
                answered.push(Answered { key, tool, action, instance: instance.clone(), verdict, broken });
            }
        }
        panic!("client {number} has run out of instances");
    }
}

/// The records of each key: how often AWS was to be called, and how the last of these calls ended.
fn logged(sandbox: &Sandbox) -> BTreeMap<String, (usize, Option<ActionOutcome>)> {
    let (_writer, store) = eventually("the killed server lets go of the store", || {
        store::open(StoreOptions::new(sandbox.data(), muster::kinds::project)).ok()
    });
    let snapshot = store.snapshot().unwrap();
    assert!(fold_log(&snapshot).unwrap().is_clean());
    let (mut keys, mut logged) = (BTreeMap::new(), BTreeMap::<String, (usize, Option<ActionOutcome>)>::new());
    for Recorded { event, .. } in snapshot.records(Seq(1), usize::MAX).unwrap() {
        match event {
            Event::ActionRequested { action, key, .. } => {
                let key = key.expect("each call has a key");
                logged.entry(key.clone()).or_default().0 += 1;
                keys.insert(action, key);
            }
            Event::ActionFinished { action, outcome, .. } => {
                logged.get_mut(&keys[&action]).unwrap().1 = Some(outcome);
            }
            _ => {}
        }
    }
    logged
}

/// How often AWS carried each action out on each instance.
fn executed(simulator: &Simulator) -> BTreeMap<(String, String), usize> {
    let told = simulator.control("GET", "/calls", &Value::Null);
    let mut executed = BTreeMap::new();
    for call in told["calls"].as_array().unwrap().iter().filter(|call| call["errorCode"].is_null()) {
        let request = &call["requestParameters"];
        let several = request["instancesSet"]["items"].as_array().into_iter().flatten();
        let ids = several.map(|item| &item["instanceId"]).chain([&request["instanceSpecification"]["instanceId"]]);
        for id in ids.filter_map(Value::as_str) {
            *executed.entry((call["eventName"].as_str().unwrap().to_owned(), id.to_owned())).or_default() += 1;
        }
    }
    executed
}

#[test]
fn a_server_killed_at_random_executes_no_key_twice_and_loses_no_call_from_its_log() {
    let kills: usize = std::env::var("MUSTER_WRITE_KILLS").map_or(10, |text| text.parse().expect("a number"));
    let seed = fastrand::u64(..);
    eprintln!("seed {seed}");
    let mut rng = fastrand::Rng::with_seed(seed);
    let each = 10 + 2 * kills;
    let simulator = Simulator::start(CLIENTS * each * 5 / 4, &["--start-delay", "10ms", "--stop-delay", "10ms"]);
    let sandbox = Sandbox::new(&simulator.endpoint());
    let flags = [&RARELY[..], &["--allow-writes"]].concat();
    let mut server = sandbox.serve(&flags);
    server.swept();
    let mut instances = super::write_paths::Pool::of(&server.http).take("running", CLIENTS * each);
    let (place, url) = watch::channel(server.http.clone());
    let crowd = Arc::new(Crowd { url, over: AtomicBool::new(false), starving: AtomicUsize::new(0) });
    let runtime = web::runtime();
    let clients: Vec<_> = (0..CLIENTS)
        .map(|number| {
            let (crowd, own) = (Arc::clone(&crowd), instances.split_off(instances.len() - each));
            runtime.spawn(async move { crowd.work(number, own).await })
        })
        .collect();
    for _ in 0..kills {
        std::thread::sleep(Duration::from_millis(rng.u64(0..900)));
        eventually("calls that were repeated often end", || {
            let failed = clients.iter().any(tokio::task::JoinHandle::is_finished);
            assert!(!failed, "a client has failed");
            (crowd.starving.load(Ordering::SeqCst) == 0).then_some(())
        });
        server.kill();
        server = sandbox.serve(&flags);
        place.send_replace(server.http.clone());
    }
    crowd.over.store(true, Ordering::SeqCst);
    let mut answered: Vec<Answered> = Vec::new();
    for client in clients {
        answered.extend(runtime.block_on(client).unwrap());
    }
    // What is not known may be known by now, and what AWS refused leaves its key free.
    let is_kept = |one: &&Answered| !matches!(one.verdict.as_str(), "unknown" | "refused");
    for Answered { key, tool, instance, verdict, .. } in answered.iter().filter(is_kept) {
        let (again, _) = runtime.block_on(crowd.call(tool, instance, key));
        assert_eq!(again, *verdict, "{key} has another answer");
    }
    server.kill();
    let (logged, executed) = (logged(&sandbox), executed(&simulator));
    let mut counts = BTreeMap::<String, usize>::new();
    for Answered { key, action, instance, verdict, broken, .. } in &answered {
        let times = executed.get(&((*action).to_owned(), instance.clone())).copied().unwrap_or_default();
        let (requested, outcome) = logged.get(key).cloned().unwrap_or_default();
        assert!(times <= 1, "{key}: executed {times} times");
        assert!(requested <= 1, "{key}: requested {requested} times");
        assert!(times <= requested, "{key}: executed, and not in the log");
        match verdict.as_str() {
            "done" => {
                assert_eq!(times, 1, "{key} is done");
                assert!(matches!(outcome, Some(ActionOutcome::Succeeded { .. })), "{key}: {outcome:?}");
            }
            "already" => assert_eq!((times, requested), (0, 0), "{key}"),
            "refused" => {
                assert_eq!(times, 0, "{key} is refused");
                assert!(matches!(outcome, Some(ActionOutcome::Refused { .. })), "{key}: {outcome:?}");
            }
            verdict => {
                assert_eq!((verdict, requested), ("unknown", 1), "{key}");
                assert!(matches!(outcome, None | Some(ActionOutcome::Unknown { .. })), "{key}: {outcome:?}");
            }
        }
        *counts.entry(verdict.clone()).or_default() += 1;
        *counts.entry("broken off".to_owned()).or_default() += usize::from(*broken > 0);
    }
    let is_known = |(action, id): &(String, String)| {
        answered.iter().any(|one| one.action == action.as_str() && one.instance == *id)
    };
    assert!(executed.keys().all(is_known), "AWS was called for what nobody asked");
    eprintln!("{kills} kills under {CLIENTS} clients: {} calls with a key, {counts:?}", answered.len());
    assert!(counts.get("broken off").is_some_and(|broken| *broken > 0), "no kill fell into a call");
}
