//! Front ends whose server is killed under them: their clients go on, hear of every later change, lose no read, and are told the
//! truth about a write that was on its way.
//!
//! `MUSTER_TAKEOVERS` says how often the server is killed; the documented run has 50:
//! `MUSTER_TAKEOVERS=50 cargo test --release --test it takeover:: -- --nocapture`.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use muster::model::{ActionOutcome, Event, Recorded, Seq};
use muster::store::verify::fold_log;
use muster::store::{self, StoreOptions};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::harness::muster::{OFTEN, Sandbox};
use crate::harness::process::Running;
use crate::harness::simulator::Simulator;
use crate::harness::{PATIENCE, eventually};

/// How many clients share the server; every other one is of the older era.
const CLIENTS: usize = 10;

/// A client that may have many requests in flight.
struct LineClient {
    running: Running,
    is_old: bool,
    asked: u64,
    /// What came while something else was awaited.
    heard: VecDeque<Value>,
}

impl LineClient {
    fn start(sandbox: &Sandbox, is_old: bool) -> LineClient {
        let flags = [&OFTEN[..], &["--allow-writes"]].concat();
        let arguments = sandbox.mcp_arguments(&flags);
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let running = Running::start("mcp", sandbox.muster(&arguments));
        let mut client = LineClient { running, is_old, asked: 0, heard: VecDeque::new() };
        if is_old {
            let info = json!({"name": "muster-tests", "version": "0"});
            let params = json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": info});
            let opening = client.ask("initialize", params);
            client.result(opening);
            client.say(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}));
        }
        client
    }

    fn say(&mut self, message: &Value) {
        assert!(self.running.say(&message.to_string()), "the front end has ended{}", self.running.tail());
    }

    /// Sends a request, and returns its id.
    fn ask(&mut self, method: &str, mut params: Value) -> u64 {
        self.asked += 1;
        if !self.is_old {
            params["_meta"] = json!({
                "io.modelcontextprotocol/protocolVersion": "2026-07-28",
                "io.modelcontextprotocol/clientCapabilities": {},
            });
        }
        let mut message = json!({"jsonrpc": "2.0", "id": self.asked, "method": method});
        message["params"] = params;
        self.say(&message);
        self.asked
    }

    /// The first message that `wanted` finds, now or later.
    fn find(&mut self, wanted: impl Fn(&Value) -> bool) -> Value {
        if let Some(at) = self.heard.iter().position(&wanted) {
            return self.heard.remove(at).unwrap();
        }
        loop {
            let message: Value = serde_json::from_str(&self.running.line(PATIENCE)).unwrap();
            if wanted(&message) {
                return message;
            }
            self.heard.push_back(message);
        }
    }

    /// The result of a request, which must succeed.
    fn result(&mut self, id: u64) -> Value {
        let mut answer = self.find(|message| message["id"] == id && message.get("method").is_none());
        assert!(answer.get("error").is_none(), "{answer}{}", self.running.tail());
        answer["result"].take()
    }

    fn call(&mut self, tool: &str, arguments: &Value) -> Value {
        let id = self.ask("tools/call", json!({"name": tool, "arguments": arguments}));
        self.result(id)["structuredContent"].take()
    }

    fn subscribe(&mut self, uri: &str) {
        if self.is_old {
            let id = self.ask("resources/subscribe", json!({"uri": uri}));
            self.result(id);
        } else {
            self.ask("subscriptions/listen", json!({"notifications": {"resourceSubscriptions": [uri]}}));
            self.find(|message| message["method"] == "notifications/subscriptions/acknowledged");
        }
    }

    /// Sends a read of a resource, and returns its id.
    fn begin_read(&mut self, uri: &str) -> u64 {
        self.ask("resources/read", json!({"uri": uri}))
    }

    /// The state of an instance in the answer to a read.
    fn state(&mut self, read: u64) -> String {
        let result = self.result(read);
        let body: Value = serde_json::from_str(result["contents"][0]["text"].as_str().unwrap()).unwrap();
        body["document"]["State"]["Name"].as_str().unwrap().to_owned()
    }

    fn read_state(&mut self, uri: &str) -> String {
        let read = self.begin_read(uri);
        self.state(read)
    }

    /// Waits until an instance is settled, by AWS's word, and says in which state.
    fn settled(&mut self, instance: &str) -> &'static str {
        let at_once = |state: &str| json!({"ids": [instance], "until": state, "wait_seconds": 1});
        eventually("the instance settles", || {
            ["running", "stopped"].into_iter().find(|state| self.call("wait_for", &at_once(state))["done"] == true)
        })
    }

    /// Hears that a resource changed until `expected` is what it reads.
    fn hears_until(&mut self, uri: &str, expected: &[&str]) {
        loop {
            self.find(|message| {
                message["method"] == "notifications/resources/updated" && message["params"]["uri"] == uri
            });
            let state = self.read_state(uri);
            if expected.contains(&state.as_str()) {
                return;
            }
        }
    }

    /// Forgets the notifications that came so far.
    fn forget(&mut self) {
        // What was sent before an answer has come with it.
        let id = self.ask("tools/list", json!({}));
        self.result(id);
        self.heard.clear();
    }
}

/// The tool that takes an instance out of a state, and the states that it leads to.
fn toggle(state: &str) -> (&'static str, [&'static str; 2]) {
    if state == "running" {
        ("stop_instance", ["stopping", "stopped"])
    } else {
        ("start_instance", ["pending", "running"])
    }
}

fn kill_server(sandbox: &Sandbox) -> i32 {
    let pid = sandbox.server_pid().expect("a server runs");
    kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL).unwrap();
    pid
}

/// What the log says of the writes to each instance: whether one was requested, and how it ended.
fn logged(sandbox: &Sandbox) -> BTreeMap<String, Option<ActionOutcome>> {
    let (_writer, store) = eventually("the killed server lets go of the store", || {
        store::open(StoreOptions::new(sandbox.data(), muster::kinds::project)).ok()
    });
    let snapshot = store.snapshot().unwrap();
    assert!(fold_log(&snapshot).unwrap().is_clean());
    let (mut by_action, mut logged) = (BTreeMap::new(), BTreeMap::new());
    for Recorded { event, .. } in snapshot.records(Seq(1), usize::MAX).unwrap() {
        match event {
            Event::ActionRequested { action, targets, call, .. } => {
                assert!(call.is_some(), "the front end names each call");
                for target in targets {
                    by_action.insert(action, target.id.to_string());
                    logged.insert(target.id.to_string(), None);
                }
            }
            Event::ActionFinished { action, outcome, .. } => {
                logged.insert(by_action[&action].clone(), Some(outcome));
            }
            _ => {}
        }
    }
    logged
}

#[test]
fn ten_clients_go_on_when_their_server_is_killed_and_a_write_on_its_way_ends_as_log_and_aws_say() {
    let kills = std::env::var("MUSTER_TAKEOVERS").map_or(5, |text| text.parse().expect("a number"));
    // More than are used: some are terminated, which nobody can start or stop.
    let simulator = Simulator::start(kills + kills / 8 + 4, &["--start-delay", "1s", "--stop-delay", "1s"]);
    let sandbox = Sandbox::new(&simulator.endpoint());
    let mut clients: Vec<LineClient> = (0..CLIENTS).map(|at| LineClient::start(&sandbox, at % 2 == 1)).collect();
    let instances: Vec<String> = eventually("the first sweep ends", || {
        let question =
            json!({"kind": "instance", "filters": {"instance-state-name": ["running", "stopped"]}, "limit": 100});
        let found = clients[0].call("search_inventory", &question);
        let ids = found["rows"].as_array();
        let ids: Vec<String> = ids?.iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect();
        (ids.len() > kills).then_some(ids)
    });
    let (shared, own) = instances.split_first().unwrap();
    let uri = format!("ec2://instance/{shared}");
    for client in &mut clients {
        client.subscribe(&uri);
    }
    let mut verdicts = BTreeMap::new();
    for (round, target) in own.iter().take(kills).enumerate() {
        let writer = round % CLIENTS;
        let before = clients[writer].settled(target);
        let (tool, after) = toggle(before);
        let reads: Vec<u64> = clients.iter_mut().map(|client| client.begin_read(&uri)).collect();
        let write = clients[writer].ask("tools/call", json!({"name": tool, "arguments": {"instance_id": target}}));
        // Wherever the write is by then.
        std::thread::sleep(Duration::from_millis(u64::try_from(round).unwrap() * 7 % 40));
        let killed = kill_server(&sandbox);
        for (client, read) in clients.iter_mut().zip(reads) {
            client.state(read);
        }
        let result = clients[writer].result(write);
        let verdict = result["structuredContent"]["results"][0]["verdict"].as_str().expect("a verdict").to_owned();
        let settled = clients[writer].settled(target);
        // What was on its way may all have been answered before the kill; this was not.
        assert_ne!(sandbox.server_pid(), Some(killed), "another server serves");
        match verdict.as_str() {
            "done" => assert!(after.contains(&settled), "{tool} of {target}: {result}, but it is {settled}"),
            "not_sent" => assert_eq!(settled, before, "{tool} of {target}: {result}"),
            verdict => assert_eq!(verdict, "unknown", "{tool} of {target}: {result}"),
        }
        verdicts.insert(target.clone(), verdict);

        let (tool, after) = toggle(clients[0].settled(shared));
        for client in &mut clients {
            client.forget();
        }
        let changed = clients[writer].call(tool, &json!({"instance_id": shared}));
        assert_eq!(changed["results"][0]["verdict"], "done", "{changed}");
        for client in &mut clients {
            client.hears_until(&uri, &after);
        }
    }
    drop(clients);
    kill_server(&sandbox);
    let logged = logged(&sandbox);
    let mut counts = BTreeMap::<&str, usize>::new();
    for (target, verdict) in &verdicts {
        let said = logged.get(target);
        match verdict.as_str() {
            "not_sent" => assert_eq!(said, None, "{target} was requested"),
            "done" => assert!(
                matches!(said, Some(None | Some(ActionOutcome::Succeeded { .. }))),
                "{target} is done, but the log says {said:?}"
            ),
            _ => assert!(matches!(said, Some(None | Some(ActionOutcome::Unknown { .. }))), "{target}: {said:?}"),
        }
        *counts.entry(verdict).or_default() += 1;
    }
    eprintln!("{kills} kills under {CLIENTS} clients; the writes on their way ended as {counts:?}");
}

#[test]
fn a_server_that_stops_is_followed_by_another_one_and_no_client_hears_of_it() {
    let simulator = Simulator::start(1, &[]);
    let sandbox = Sandbox::new(&simulator.endpoint());
    let mut clients = [LineClient::start(&sandbox, false), LineClient::start(&sandbox, true)];
    let instance = eventually("the first sweep ends", || {
        let found = clients[0].call("search_inventory", &json!({"kind": "instance"}));
        Some(found["rows"].as_array()?.first()?["id"].as_str()?.to_owned())
    });
    let uri = format!("ec2://instance/{instance}");
    for client in &mut clients {
        client.subscribe(&uri);
        client.forget();
    }
    // A wait that is on its way goes on with the next server, until its time is up.
    let waiting = clients[0].ask(
        "tools/call",
        json!({"name": "wait_for", "arguments": {"ids": [instance], "until": "gone", "wait_seconds": 6}}),
    );
    std::thread::sleep(Duration::from_millis(500));
    let stopped = sandbox.server_pid().unwrap();
    kill_process(Pid::from_raw(stopped).unwrap(), Signal::TERM).unwrap();
    for client in &mut clients {
        // The first thing that it hears is that the resource may have changed.
        client.hears_until(&uri, &["running", "stopped"]);
    }
    let answer = clients[0].result(waiting);
    assert_eq!(answer["structuredContent"]["done"], false, "{answer}");
    assert!(answer["structuredContent"]["waited_seconds"].as_u64() >= Some(6), "{answer}");
    assert_ne!(sandbox.server_pid(), Some(stopped));
    for client in &mut clients {
        let is_other = |message: &Value| {
            message["method"] != "notifications/resources/updated"
                && message["method"] != "notifications/resources/list_changed"
        };
        assert!(!client.heard.iter().any(is_other), "{:?}", client.heard);
    }
}
