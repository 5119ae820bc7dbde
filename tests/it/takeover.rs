//! Front ends whose server is killed under them, ends or hangs: their clients go on, hear of every later change, lose no read, and are
//! told the truth about a write that was on its way. So do clients over HTTP, once they connect again.
//!
//! `MUSTER_TAKEOVERS` says how often the server is killed; the documented run has 50:
//! `MUSTER_TAKEOVERS=50 cargo test --release --test it takeover:: -- --nocapture`.

use std::collections::{BTreeMap, VecDeque};
use std::process::Command;
use std::sync::mpsc;
use std::time::Duration;

use http_body_util::BodyExt;
use hyper::Response;
use hyper::body::Incoming;

use muster::model::{ActionOutcome, Event, Recorded, Seq};
use muster::store::verify::fold_log;
use muster::store::{self, StoreOptions};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use tokio::time::Instant;

use crate::harness::muster::{MUSTER, OFTEN, RARELY, Sandbox};
use crate::harness::process::Running;
use crate::harness::simulator::Simulator;
use crate::harness::web::{self, WebClient};
use crate::harness::{PATIENCE, eventually};

/// How many clients share the server; every other one is of the older era.
const CLIENTS: usize = 10;
/// How many more are connected over HTTP; every other one is of the older era.
const WEB_CLIENTS: usize = 20;
/// How many milliseconds after a write the server is killed, by turns.
const DELAYS: [u64; 10] = [0, 10, 20, 40, 60, 90, 130, 190, 280, 400];
/// A round of the kills that takes longer is described.
const SLOW: Duration = Duration::from_secs(12);

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
        LineClient::start_with(sandbox, is_old, &[&OFTEN[..], &["--allow-writes"]].concat())
    }

    fn start_with(sandbox: &Sandbox, is_old: bool, flags: &[&str]) -> LineClient {
        let arguments = sandbox.mcp_arguments(flags);
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

    /// The answer to a request.
    fn answer(&mut self, id: u64) -> Value {
        self.find(|message| message["id"] == id && message.get("method").is_none())
    }

    /// The result of a request, which must succeed.
    fn result(&mut self, id: u64) -> Value {
        let mut answer = self.answer(id);
        assert!(answer.get("error").is_none(), "{answer}{}", self.running.tail());
        answer["result"].take()
    }

    fn call(&mut self, tool: &str, arguments: &Value) -> Value {
        let id = self.ask("tools/call", json!({"name": tool, "arguments": arguments}));
        self.result(id)["structuredContent"].take()
    }

    /// The arguments of a call that changes an instance, with the token of the plan that it is shown.
    fn agreed(&mut self, tool: &str, instance: &str) -> Value {
        let mut arguments = json!({"instance_id": instance});
        if tool == "stop_instance" {
            arguments["confirmation"] = self.call(tool, &arguments)["confirmation"]["token"].take();
        }
        arguments
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

/// A client over HTTP that opens its stream of notifications again whenever that ends.
struct WebSubscriber {
    client: WebClient,
    /// One message for each notification about the resource, and for each stream of the newer era that is opened.
    heard: mpsc::Receiver<()>,
}

impl WebSubscriber {
    fn start(runtime: &Runtime, url: &str, uri: &str, is_old: bool) -> WebSubscriber {
        let (sender, heard) = mpsc::channel();
        let uris = [uri.to_owned()];
        runtime.block_on(async {
            let mut client = WebClient::connect(url).await;
            if is_old {
                client = client.older().await;
                client.must("resources/subscribe", &json!({"uri": uri})).await;
            }
            let listening = client.again().await.expect("the server listens");
            runtime.spawn(async move {
                loop {
                    let again = listening.again().await;
                    let stream = match again {
                        Some(again) => again.listen(&uris).await,
                        None => None,
                    };
                    match stream {
                        Some(stream) => pass_on(stream, &uris[0], &sender).await,
                        None => tokio::time::sleep(Duration::from_millis(50)).await,
                    }
                }
            });
            WebSubscriber { client, heard }
        })
    }

    /// Hears that a resource changed until `expected` is what it reads.
    fn hears_until(&mut self, runtime: &Runtime, uri: &str, expected: &[&str]) {
        loop {
            self.heard.recv_timeout(PATIENCE).expect("the client is told of the change");
            let state = eventually("the server answers over HTTP", || runtime.block_on(self.read_state(uri)));
            if expected.contains(&state.as_str()) {
                return;
            }
        }
    }

    async fn read_state(&mut self, uri: &str) -> Option<String> {
        if let Some(result) = self.client.ask("resources/read", &json!({"uri": uri})).await {
            let body: Value = serde_json::from_str(result["contents"][0]["text"].as_str()?).ok()?;
            return Some(body["document"]["State"]["Name"].as_str()?.to_owned());
        }
        if let Some(again) = self.client.again().await {
            self.client = again;
        }
        None
    }
}

/// Says each time that a stream tells of a resource, or begins to, until it ends.
async fn pass_on(mut stream: Response<Incoming>, uri: &str, sender: &mpsc::Sender<()>) {
    let mut text = String::new();
    while let Some(Ok(frame)) = stream.body_mut().frame().await {
        text.push_str(&String::from_utf8_lossy(&frame.into_data().unwrap_or_default()));
        while let Some(end) = text.find('\n') {
            let line: String = text.drain(..=end).collect();
            let is_update = line.contains("notifications/resources/updated") && line.contains(uri);
            if (is_update || line.contains("subscriptions/acknowledged")) && sender.send(()).is_err() {
                return;
            }
        }
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
    // A person started the first server. The others are started by the front ends, and have its flags.
    let server = sandbox.serve(&[&OFTEN[..], &["--allow-writes"]].concat());
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
    let runtime = web::runtime();
    let mut web_clients: Vec<WebSubscriber> =
        (0..WEB_CLIENTS).map(|at| WebSubscriber::start(&runtime, &server.http, &uri, at % 2 == 1)).collect();
    let mut verdicts = BTreeMap::new();
    for (round, target) in own.iter().take(kills).enumerate() {
        let mut steps = vec![("begun", Instant::now())];
        let writer = round % CLIENTS;
        let before = clients[writer].settled(target);
        let (tool, after) = toggle(before);
        let arguments = clients[writer].agreed(tool, target);
        let reads: Vec<u64> = clients.iter_mut().map(|client| client.begin_read(&uri)).collect();
        let write = clients[writer].ask("tools/call", json!({"name": tool, "arguments": arguments}));
        // Wherever the write is by then: not begun, asked of AWS, or answered.
        std::thread::sleep(Duration::from_millis(DELAYS[round % DELAYS.len()]));
        let killed = kill_server(&sandbox);
        steps.push(("killed", Instant::now()));
        for (client, read) in clients.iter_mut().zip(reads) {
            client.state(read);
        }
        steps.push(("read", Instant::now()));
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
        steps.push(("the write is settled", Instant::now()));

        let (tool, after) = toggle(clients[0].settled(shared));
        steps.push(("the shared instance is settled", Instant::now()));
        for client in &mut clients {
            client.forget();
        }
        let arguments = clients[writer].agreed(tool, shared);
        let changed = clients[writer].call(tool, &arguments);
        assert_eq!(changed["results"][0]["verdict"], "done", "{changed}");
        for client in &mut clients {
            client.hears_until(&uri, &after);
        }
        steps.push(("all heard", Instant::now()));
        for client in &mut web_clients {
            client.hears_until(&runtime, &uri, &after);
        }
        steps.push(("all heard over HTTP", Instant::now()));
        let passed: Vec<String> = steps
            .windows(2)
            .map(|pair| format!("{} {:.1} s", pair[1].0, (pair[1].1 - pair[0].1).as_secs_f64()))
            .collect();
        if steps[0].1.elapsed() > SLOW {
            eprintln!("round {round} took long: {}", passed.join(", "));
        }
    }
    let facts = sandbox.server_facts();
    assert_eq!((&facts["started_by"], &facts["http"]), (&json!("front_end"), &json!(server.http)), "{facts}");
    drop((clients, runtime));
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

/// Ten clients of both eras that are subscribed to an instance, whose URI is returned too.
fn ten_subscribed(sandbox: &Sandbox, flags: &[&str]) -> (Vec<LineClient>, String) {
    let start = |at: usize| LineClient::start_with(sandbox, at % 2 == 1, flags);
    let mut clients: Vec<LineClient> = (0..CLIENTS).map(start).collect();
    let running = json!({"kind": "instance", "filters": {"instance-state-name": ["running"]}, "limit": 1});
    let instance = eventually("the first sweep ends", || {
        let found = clients[0].call("search_inventory", &running);
        Some(found["rows"].as_array()?.first()?["id"].as_str()?.to_owned())
    });
    let uri = format!("ec2://instance/{instance}");
    for client in &mut clients {
        client.subscribe(&uri);
        client.forget();
    }
    (clients, uri)
}

/// Changes the instance, and waits until every client has heard of it and nothing else but of what it is subscribed to.
fn all_hear_a_change(clients: &mut [LineClient], uri: &str) {
    let (tool, after) = toggle(clients[0].settled(uri.strip_prefix("ec2://instance/").unwrap()));
    for client in &mut *clients {
        client.forget();
    }
    let arguments = clients[0].agreed(tool, uri.strip_prefix("ec2://instance/").unwrap());
    let changed = clients[0].call(tool, &arguments);
    assert_eq!(changed["results"][0]["verdict"], "done", "{changed}");
    for client in clients {
        client.hears_until(uri, &after);
        let is_other = |message: &Value| {
            let method = message["method"].as_str().unwrap_or_default();
            !["notifications/resources/updated", "notifications/resources/list_changed"].contains(&method)
        };
        assert!(!client.heard.iter().any(is_other), "{:?}", client.heard);
    }
}

/// Runs a command of `muster` on the data directory, which has to succeed.
fn run(sandbox: &Sandbox, program: &str, words: &[&str]) -> String {
    let data = sandbox.data();
    let mut command = Command::new(program);
    command.env_clear().envs(sandbox.environment().iter().cloned()).args(words).arg("--data-dir").arg(data);
    let output = command.output().unwrap();
    let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert!(output.status.success(), "{said}");
    said
}

#[test]
fn ten_clients_with_listens_hear_of_a_change_after_a_restart() {
    let simulator = Simulator::start(5, &["--start-delay", "1s", "--stop-delay", "1s"]);
    let sandbox = Sandbox::new(&simulator.endpoint());
    let (mut clients, uri) = ten_subscribed(&sandbox, &[&OFTEN[..], &["--allow-writes"]].concat());
    let before = sandbox.server_facts();
    run(&sandbox, MUSTER, &["restart"]);
    all_hear_a_change(&mut clients, &uri);
    let after = sandbox.server_facts();
    assert_eq!((&after["pid"], &after["clients"]), (&before["pid"], &json!(CLIENTS)), "{after}");
    assert_ne!(after["since_ms"], before["since_ms"]);
}

#[test]
fn ten_clients_with_listens_hear_of_a_change_after_an_upgrade() {
    let simulator = Simulator::start(5, &["--start-delay", "1s", "--stop-delay", "1s"]);
    let sandbox = Sandbox::new(&simulator.endpoint());
    let (mut clients, uri) = ten_subscribed(&sandbox, &[&OFTEN[..], &["--allow-writes"]].concat());
    let newer = crate::processes::of_version(&sandbox, "99.0.0");
    let mut command = Command::new(newer);
    command.env_clear().envs(sandbox.environment().iter().cloned()).args(sandbox.mcp_arguments(&OFTEN));
    let mut newest = Running::start("mcp", command);
    assert!(newest.say(&json!({"jsonrpc": "2.0", "id": 1, "method": "ping"}).to_string()));
    newest.line(PATIENCE);
    assert_eq!(sandbox.server_facts()["version"], "99.0.0");
    all_hear_a_change(&mut clients, &uri);
}

#[test]
fn a_server_with_a_client_that_says_nothing_is_not_idle_and_one_without_any_is() {
    let simulator = Simulator::start(5, &["--start-delay", "1s", "--stop-delay", "1s"]);
    let sandbox = Sandbox::new(&simulator.endpoint());
    let flags = [&OFTEN[..], &["--allow-writes", "--idle-exit", "1s"]].concat();
    let (mut clients, uri) = ten_subscribed(&sandbox, &flags);
    let before = sandbox.server_facts();
    // Several times as long as the server stays without a client.
    std::thread::sleep(Duration::from_secs(4));
    all_hear_a_change(&mut clients, &uri);
    clients.truncate(1);
    std::thread::sleep(Duration::from_secs(4));
    let after = sandbox.server_facts();
    assert_eq!((&after["pid"], &after["since_ms"]), (&before["pid"], &before["since_ms"]), "one is left");
    all_hear_a_change(&mut clients, &uri);
    drop(clients);
    eventually("the server ends", || sandbox.servers().is_empty().then_some(()));
    // Whoever comes next decides on the flags.
    let (mut clients, uri) = ten_subscribed(&sandbox, &[&OFTEN[..], &["--allow-writes", "--idle-exit", "9s"]].concat());
    assert_eq!(sandbox.server_facts()["idle_exit_s"], 9);
    all_hear_a_change(&mut clients, &uri);
}

/// Whether each thread of a process is stopped. On a busy machine that takes a while after the signal.
fn all_stopped(pid: i32) -> bool {
    let threads = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    threads.map(|thread| std::fs::read_to_string(thread.unwrap().path().join("stat")).unwrap_or_default()).all(|stat| {
        // The name before the state may hold anything.
        stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('T'))
    })
}

#[test]
fn a_server_that_hangs_is_named_and_its_clients_go_on_when_it_does_or_when_a_person_ends_it() {
    let simulator = Simulator::start(5, &[]);
    let sandbox = Sandbox::new(&simulator.endpoint());
    let mut clients = [LineClient::start(&sandbox, false), LineClient::start(&sandbox, true)];
    for client in &mut clients {
        client.call("count_inventory", &json!({"kind": "vpc"}));
    }
    let hung = sandbox.server_pid().unwrap();
    let signal = |signal| kill_process(Pid::from_raw(hung).unwrap(), signal).unwrap();
    let count = json!({"name": "count_inventory", "arguments": {"kind": "vpc"}});
    for way in [Signal::CONT, Signal::KILL] {
        signal(Signal::STOP);
        eventually("each thread of the server has stopped", || all_stopped(hung).then_some(()));
        let asked: Vec<u64> = clients.iter_mut().map(|client| client.ask("tools/call", count.clone())).collect();
        for (client, id) in clients.iter_mut().zip(asked) {
            let answer = client.answer(id);
            let said = answer["error"]["message"].as_str().unwrap_or_else(|| panic!("{answer}"));
            assert!(said.contains(&format!("process {hung}")) && said.contains("muster stop --data-dir"), "{said}");
            let id = client.ask("tools/list", json!({}));
            assert!(client.answer(id)["error"]["message"].as_str().unwrap().contains("does not answer"), "at once");
        }
        if way == Signal::CONT {
            signal(Signal::CONT);
        } else {
            run(&sandbox, MUSTER, &["stop", "--force"]);
        }
        for client in &mut clients {
            eventually("the client is served again", || {
                let id = client.ask("tools/call", count.clone());
                client.answer(id).get("result").map(|_| ())
            });
        }
        assert_eq!(sandbox.server_pid() == Some(hung), way == Signal::CONT);
    }
}

#[test]
fn a_client_whose_first_server_could_not_start_is_served_once_one_can() {
    let simulator = Simulator::start(5, &[]);
    let sandbox = Sandbox::new(&simulator.endpoint());
    std::fs::write(sandbox.data(), "in the way").unwrap();
    let mut clients = [LineClient::start(&sandbox, false), LineClient::start(&sandbox, true)];
    for client in &mut clients {
        let id = client.ask("tools/list", json!({}));
        assert!(client.result(id)["tools"].as_array().unwrap().len() > 5, "tools are listed without a server");
        let id = client.ask("tools/call", json!({"name": "count_inventory", "arguments": {"kind": "vpc"}}));
        let answer = client.result(id);
        assert_eq!(answer["isError"], true, "{answer}");
        assert!(answer["content"][0]["text"].as_str().unwrap().contains("as a directory"), "{answer}");
    }
    std::fs::remove_file(sandbox.data()).unwrap();
    for client in &mut clients {
        let id = client.ask("tools/call", json!({"name": "count_inventory", "arguments": {"kind": "vpc"}}));
        let answer = client.result(id);
        assert_ne!(answer["isError"], true, "the very next request is served: {answer}");
    }
    assert_eq!(sandbox.servers().len(), 1);
}

#[test]
fn flags_outlast_a_kill_and_a_service_gets_its_place_back() {
    let simulator = Simulator::start(5, &[]);
    let sandbox = Sandbox::new(&simulator.endpoint());
    let data = sandbox.data();
    let serve = ["serve", "--http", "127.0.0.1:0", "--list", "all", "--data-dir", data.to_str().unwrap()];
    // As systemd starts it: its own process is named.
    let service = || {
        let mut command = Command::new("sh");
        command.env_clear().envs(sandbox.environment().iter().cloned()).current_dir(sandbox.path());
        command.args(["-c", "export SYSTEMD_EXEC_PID=$$; exec \"$@\"", "sh", MUSTER]).args(serve).args(RARELY);
        Running::start("service", command)
    };
    let mut first = service();
    let said: Value = serde_json::from_str(&first.line(PATIENCE)).unwrap();
    let mut client = LineClient::start_with(&sandbox, true, &["--allow-writes"]);
    client.call("count_inventory", &json!({"kind": "vpc"}));
    assert_eq!(sandbox.server_facts()["started_by"], "systemd");

    first.kill();
    client.call("count_inventory", &json!({"kind": "vpc"}));
    let facts = sandbox.server_facts();
    assert_eq!((&facts["started_by"], &facts["http"]), (&json!("front_end"), &said["http"]), "{facts}");
    let words: Vec<&str> = facts["arguments"].as_array().unwrap().iter().map(|word| word.as_str().unwrap()).collect();
    assert!(words.windows(2).any(|pair| pair == ["--list", "all"]), "{words:?}");
    assert!(!words.contains(&"--allow-writes"), "the one that died permitted no writes: {words:?}");

    let mut second = service();
    let again: Value = serde_json::from_str(&second.line(PATIENCE)).unwrap();
    assert_eq!(again["http"], said["http"], "the port is the same");
    client.call("count_inventory", &json!({"kind": "vpc"}));
    let facts = sandbox.server_facts();
    assert_eq!((&facts["started_by"], &facts["pid"]), (&json!("systemd"), &json!(second.pid())), "{facts}");

    // A person's server keeps its place, and the service says so.
    assert!(second.signal(Signal::TERM));
    second.wait(PATIENCE);
    let _by_hand = sandbox.serve(&RARELY);
    let mut third = service();
    assert!(!third.wait(PATIENCE).success());
    assert!(third.errors().contains("only a person ends it"), "{}", third.errors());
}
