//! The process of a server: which it is, how it ends, starts again and is upgraded, and how many front ends share it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use rustix::process::Signal;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::harness::muster::{MUSTER, OFTEN, RARELY, Sandbox};
use crate::harness::process::Running;
use crate::harness::rpc::Client;
use crate::harness::simulator::Simulator;
use crate::harness::{PATIENCE, eventually};

/// Runs `muster` with the sandbox's data directory, and returns its exit code and what it printed to both streams.
fn run(sandbox: &Sandbox, words: &[&str], after: &[&str]) -> (i32, String) {
    let data = sandbox.data();
    let all = [words, &["--data-dir", data.to_str().unwrap()], after].concat();
    let Output { status, stdout, stderr } = sandbox.muster(&all).output().unwrap();
    (status.code().unwrap_or(-1), String::from_utf8([stdout, stderr].concat()).unwrap())
}

/// What the running server says of itself.
fn server(sandbox: &Sandbox) -> Value {
    sandbox.server_facts()
}

/// The instructions that a new client is given.
fn instructions(client: &mut Client) -> String {
    client.must("server/discover", &json!({}))["instructions"].as_str().unwrap().to_owned()
}

/// A program that says it is of another version.
pub(crate) fn of_version(sandbox: &Sandbox, version: &str) -> PathBuf {
    let directory = sandbox.path().join(format!("muster-pretends-{version}"));
    fs::create_dir_all(&directory).unwrap();
    let program = directory.join("muster");
    if fs::hard_link(MUSTER, &program).is_err() {
        fs::copy(MUSTER, &program).unwrap();
    }
    program
}

/// A client whose front end is `program`.
fn front_end_of(program: &Path, sandbox: &Sandbox) -> Client {
    let mut command = Command::new(program);
    command.env_clear().envs(sandbox.environment().iter().cloned()).args(sandbox.mcp_arguments(&[]));
    Client::over(Running::start("mcp", command))
}

#[test]
fn stop_and_restart_say_what_they_do_and_do_it_once() {
    let simulator = Simulator::start(5, &[]);
    let sandbox = Sandbox::new(&simulator.endpoint());
    let (code, said) = run(&sandbox, &["stop"], &[]);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("no server runs on"), "{said}");
    let (code, said) = run(&sandbox, &["restart"], &[]);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("nothing to restart"), "{said}");

    let mut client = Client::stdio(&sandbox, &RARELY);
    eventually("the first sweep ends", || client.is_swept().then_some(()));
    let before = server(&sandbox);
    assert_eq!((&before["started_by"], &before["clients"]), (&json!("front_end"), &json!(1)), "{before}");
    assert_eq!(before["idle_exit_s"], 900, "{before}");
    assert_eq!(before["pid"], sandbox.server_pid().unwrap());

    // A flag that differs is said to whoever gives it, with the command that changes it; a model is not given the command.
    let mut other = Client::stdio(&sandbox, &[&RARELY[..], &["--list", "all"]].concat());
    let told = instructions(&mut other);
    let data = sandbox.data();
    let command = format!("muster restart --data-dir {} -- --list all", data.display());
    assert!(told.contains("--list is auto at the running server, not all"), "{told}");
    assert!(told.contains("a person can change them") && !told.contains("muster restart"), "{told}");
    eventually("the command is logged", || other.front_end().errors().contains(&command).then_some(()));
    assert!(other.front_end().errors().contains("--list is auto"), "{}", other.front_end().errors());
    assert!(!instructions(&mut client).contains("running server"), "nothing differs for the first one");

    let (code, said) = run(&sandbox, &["restart"], &["--", "--list", "all"]);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("restarted process") && said.contains("--list all"), "{said}");
    let after = server(&sandbox);
    assert_eq!(after["pid"], before["pid"], "it is the same process");
    assert_ne!(after["since_ms"], before["since_ms"]);
    assert!(after["arguments"].as_array().unwrap().contains(&json!("--allow-writes")), "{after}");
    assert!(!instructions(&mut Client::stdio(&sandbox, &["--list", "all"])).contains("running server"));
    for (flag, value) in [("--lust", "all"), ("--interval", "instance=0s"), ("--data-dir", "/tmp/another")] {
        let (code, said) = run(&sandbox, &["restart"], &["--", flag, value]);
        assert_eq!(
            (code, sandbox.server_pid()),
            (2, before["pid"].as_i64().map(|pid| i32::try_from(pid).unwrap())),
            "{said}"
        );
        assert!(said.contains(flag) || said.contains("instance=0"), "{said}");
        assert_eq!(server(&sandbox)["since_ms"], after["since_ms"], "it goes on: {said}");
    }

    let (code, said) = run(&sandbox, &["stop"], &[]);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("stopped process") && said.contains("started by an MCP client"), "{said}");
    eventually("its process ends", || sandbox.servers().is_empty().then_some(()));
}

#[test]
fn flags_that_drop_a_rule_or_cannot_work_leave_the_server_as_it_is_and_what_widens_is_said() {
    let simulator = Simulator::start(5, &[]);
    let sandbox = Sandbox::new(&simulator.endpoint());
    let rules = ["--allow-writes=snapshot", "--deny-write", "tag:Env=prod", "--write-cap", "20/1h", "--require-human"];
    let served = sandbox.serve(&[&RARELY[..], &rules].concat());
    served.swept();
    let before = server(&sandbox);
    let refused = |flags: &[&str], part: &str| {
        let (code, said) = run(&sandbox, &["restart"], &[&["--"], flags].concat());
        assert!(code == 1 && said.contains(part) && said.contains("the server goes on as it is"), "{code} {said}");
        assert_eq!(server(&sandbox)["since_ms"], before["since_ms"], "{said}");
    };
    refused(&["--deny-write", "tag:Env=dev"], "(--deny-write tag:Env=prod)");
    refused(&["--write-cap", "30/1h", "--require-human=false"], "(--write-cap 20/1h, --require-human)");
    refused(&["--audit-file", "/nowhere/audit.jsonl"], "the audit file /nowhere/audit.jsonl cannot be written");
    refused(&["--profile", "nosuch"], "there is no profile nosuch");

    let more = ["--", "--allow-writes", "--deny-write", "tag:Env", "--deny-write", "account:123456789012"];
    let (code, said) = run(&sandbox, &["restart"], &more);
    assert!(code == 0 && said.contains("it has --allow-writes now") && !said.contains("no longer"), "{said}");
    let (code, said) = run(&sandbox, &["restart", "--widen"], &["--", "--deny-write", "tag:Env=dev"]);
    assert!(code == 0 && said.contains("no longer --deny-write account:123456789012, --deny-write tag:Env"), "{said}");
    // Its own flags are no other ones, and neither are narrower ones.
    for flags in [&[][..], &["--", "--allow-writes=snapshot"]] {
        let (code, said) = run(&sandbox, &["restart"], flags);
        assert!(code == 0 && !said.contains("tools may change more"), "{said}");
    }
    let (code, said) = run(&sandbox, &["stop"], &[]);
    assert!(code == 0 && said.contains("--deny-write=tag:Env=dev") && said.contains("--forget-rules"), "{said}");
}

#[test]
fn a_client_is_told_when_a_restart_gives_it_other_tools() {
    let simulator = Simulator::start(5, &[]);
    let sandbox = Sandbox::new(&simulator.endpoint());
    let arguments = sandbox.mcp_arguments(&[&RARELY[..], &["--allow-writes"]].concat());
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let mut client = Running::start("mcp", sandbox.muster(&arguments));
    let hear = |client: &mut Running| serde_json::from_str::<Value>(&client.line(PATIENCE)).unwrap();
    let info = json!({"name": "muster-tests", "version": "0"});
    let params = json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": info});
    assert!(client.say(&json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params}).to_string()));
    assert_eq!(hear(&mut client)["result"]["capabilities"]["tools"]["listChanged"], true);
    assert!(client.say(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}).to_string()));
    let list = |client: &mut Running, id: u64| {
        assert!(client.say(&json!({"jsonrpc": "2.0", "id": id, "method": "tools/list"}).to_string()));
        let (mut told, mut heard) = (0, hear(client));
        while heard["id"] != id {
            told += u32::from(heard["method"] == "notifications/tools/list_changed");
            heard = hear(client);
        }
        (told, heard.to_string().contains("stop_instance"))
    };
    assert_eq!(list(&mut client, 2), (0, true));
    for (flags, expected) in [
        (&["--allow-writes=snapshot"][..], (1, false)),
        (&["--list", "all"], (0, false)),
        (&["--allow-writes"], (1, true)),
    ] {
        let (code, said) = run(&sandbox, &["restart"], &[&["--"], flags].concat());
        assert_eq!(code, 0, "{said}");
        assert_eq!(list(&mut client, 3), expected, "{flags:?}");
    }
}

#[test]
fn a_server_started_by_hand_starts_again_in_its_terminal_and_one_that_hangs_is_ended_by_force() {
    let simulator = Simulator::start(5, &[]);
    let sandbox = Sandbox::new(&simulator.endpoint());
    let mut server = sandbox.serve(&OFTEN);
    server.swept();
    let (code, said) = run(&sandbox, &["restart"], &["--", "--interval", "all=1h"]);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("started by hand") && said.contains("--interval all=1h"), "{said}");
    // It says again where it listens, as the first time: port 0 takes another port.
    let line: Value = serde_json::from_str(&server.running.line(PATIENCE)).unwrap();
    let mut client = Client::http(line["http"].as_str().unwrap());
    eventually("the new one serves", || client.is_swept().then_some(()));
    let status = self::server(&sandbox);
    assert_eq!((&status["http"], &status["started_by"]), (&line["http"], &json!("person")), "{status}");
    assert_eq!(status["idle_exit_s"], Value::Null, "{status}");

    assert!(server.running.signal(Signal::STOP));
    let (code, said) = run(&sandbox, &["stop"], &["--force"]);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("killed process"), "{said}");
    assert!(!server.running.wait(PATIENCE).success());
    let (code, said) = run(&sandbox, &["stop"], &[]);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("no server runs"), "{said}");
}

#[test]
fn a_server_without_clients_ends_after_its_idle_time() {
    let simulator = Simulator::start(5, &[]);
    let sandbox = Sandbox::new(&simulator.endpoint());
    let mut client = Client::stdio(&sandbox, &["--idle-exit", "1s"]);
    client.must("server/discover", &json!({}));
    let pid = sandbox.server_pid().unwrap();
    std::thread::sleep(Duration::from_millis(1500));
    assert_eq!(sandbox.servers(), [pid], "a client that says nothing is a client");
    client.front_end().hang_up();
    eventually("the server ends", || sandbox.servers().is_empty().then_some(()));
    // For ever is 0.
    let mut client = Client::stdio(&sandbox, &["--idle-exit", "0"]);
    client.must("server/discover", &json!({}));
    assert_eq!(server(&sandbox)["idle_exit_s"], Value::Null);
}

#[test]
fn a_newer_front_end_takes_over_from_a_front_ends_server_and_leaves_a_persons_alone() {
    let simulator = Simulator::start(5, &[]);
    let sandbox = Sandbox::new(&simulator.endpoint());
    let newer = of_version(&sandbox, "99.1.0");
    let mut old = Client::stdio(&sandbox, &["--list", "all"]);
    old.must("server/discover", &json!({}));
    let before = server(&sandbox);
    let mut new = front_end_of(&newer, &sandbox);
    new.must("server/discover", &json!({}));
    let after = server(&sandbox);
    assert_eq!((&after["version"], &after["program"]), (&json!("99.1.0"), &json!(newer)), "{after}");
    assert_eq!(after["arguments"], before["arguments"], "it keeps its flags");
    assert!(!new.front_end().errors().contains("hand over to"), "{}", new.front_end().errors());
    // The older front end uses the newer server, and says so; where it has to start one it starts the newer.
    let told = instructions(&mut Client::stdio(&sandbox, &[]));
    assert!(told.contains("runs version 99.1.0") && told.contains("restart this MCP server"), "{told}");
    assert_eq!(run(&sandbox, &["stop"], &[]).0, 0);
    let mut older = Client::stdio(&sandbox, &[]);
    older.must("server/discover", &json!({}));
    assert_eq!(server(&sandbox)["version"], "99.1.0");
    assert_eq!(run(&sandbox, &["stop"], &[]).0, 0);

    // A person who starts an older one decides on the version, and a newer front end does not undo that.
    let mut by_hand = sandbox.serve(&RARELY);
    let mut new = front_end_of(&newer, &sandbox);
    let told = instructions(&mut new);
    assert!(told.contains("this front end is 99.1.0: a person can restart the server in the new version"), "{told}");
    eventually("the command is logged", || new.front_end().errors().contains("muster restart").then_some(()));
    assert_eq!(server(&sandbox)["started_by"], "person");
    assert!(by_hand.terminate().0.success());

    // A newer program that is gone is named.
    let record = json!({"version": "99.2.0", "path": "/nowhere/muster"});
    fs::write(sandbox.data().join("program.json"), record.to_string()).unwrap();
    let answer = Client::stdio(&sandbox, &[]).call("search_inventory", &json!({"kind": "vpc"})).unwrap();
    assert!(
        answer.is_error && answer.text.contains("99.2.0") && answer.text.contains("/nowhere/muster"),
        "{}",
        answer.text
    );
}

#[test]
fn ten_front_ends_at_once_on_an_empty_directory_share_one_server_and_one_sweep() {
    let simulator = Simulator::start(20, &[]);
    let sandbox = Sandbox::new(&simulator.endpoint());
    let mut clients: Vec<Client> = (0..10).map(|_| Client::stdio(&sandbox, &RARELY)).collect();
    for client in &mut clients {
        client.must("server/discover", &json!({}));
    }
    for client in &mut clients {
        eventually("the first sweep ends", || client.is_swept().then_some(()));
        let found = client.call("count_inventory", &json!({"kind": "instance"})).unwrap();
        assert_eq!(found.structured["total"], 20, "{}", found.text);
    }
    let servers = sandbox.servers();
    assert_eq!(servers.len(), 1, "{servers:?}");
    assert_eq!(server(&sandbox)["clients"], 10);
    let summary = clients[0].call("get_inventory_summary", &json!({})).unwrap().structured;
    let calls = summary["aws_calls"].as_array().unwrap().clone();
    let describes =
        calls.iter().find(|call| call["action"].as_str().is_some_and(|name| name.ends_with("DescribeVpcs")));
    assert_eq!(describes.unwrap()["total"], 1, "one sweep of VPCs for all: {calls:?}");
}

#[test]
fn the_first_discover_of_a_cold_start_is_quick() {
    let starts: usize = std::env::var("MUSTER_COLD_STARTS").map_or(5, |number| number.parse().unwrap());
    let simulator = Simulator::start(5, &[]);
    let mut taken: Vec<Duration> = (0..starts)
        .map(|_| {
            let sandbox = Sandbox::new(&simulator.endpoint());
            let started = Instant::now();
            let mut client = Client::stdio(&sandbox, &RARELY);
            client.must("server/discover", &json!({}));
            let passed = started.elapsed();
            assert_eq!(sandbox.servers().len(), 1);
            passed
        })
        .collect();
    taken.sort();
    let at = |percent: usize| taken[(taken.len() * percent / 100).min(taken.len() - 1)];
    eprintln!("{starts} cold starts: first server/discover p50 {:?}, p99 {:?}, slowest {:?}", at(50), at(99), at(100));
}

/// A client that is told when one resource changes.
struct Subscriber {
    front_end: Running,
    uri: String,
    asked: u64,
    is_modern: bool,
}

/// The id of the request that a subscription of the newer era is.
const LISTEN: &str = "listen";

impl Subscriber {
    fn new(sandbox: &Sandbox, uri: &str, is_modern: bool) -> Subscriber {
        let arguments = sandbox.mcp_arguments(&OFTEN);
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let front_end = Running::start("mcp", sandbox.muster(&arguments));
        let mut subscriber = Subscriber { front_end, uri: uri.to_owned(), asked: 0, is_modern };
        if is_modern {
            subscriber.say(
                &json!(LISTEN),
                "subscriptions/listen",
                &json!({"notifications": {"resourceSubscriptions": [uri]}}),
            );
            let first = subscriber.line();
            assert!(first.contains("acknowledged"), "{first}");
            return subscriber;
        }
        let client = json!({"name": "muster-tests", "version": "0"});
        subscriber
            .must("initialize", &json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": client}));
        subscriber.front_end.say(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}).to_string());
        subscriber.must("resources/subscribe", &json!({ "uri": uri }));
        subscriber
    }

    fn say(&mut self, id: &Value, method: &str, params: &Value) {
        let mut params = params.clone();
        if self.is_modern {
            params["_meta"] = json!({
                "io.modelcontextprotocol/protocolVersion": "2026-07-28",
                "io.modelcontextprotocol/clientCapabilities": {},
                "io.modelcontextprotocol/clientInfo": {"name": "muster-tests", "version": "0"},
            });
        }
        let request = json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params});
        assert!(self.front_end.say(&request.to_string()), "the front end has ended");
    }

    /// The next line, which never ends the subscription.
    fn line(&mut self) -> String {
        let line = self.front_end.line(PATIENCE);
        assert!(!line.contains(&format!("\"id\":\"{LISTEN}\"")), "the subscription ended: {line}");
        line
    }

    /// Sends a request and waits for its result.
    fn must(&mut self, method: &str, params: &Value) -> Value {
        self.asked += 1;
        let id = json!(self.asked);
        self.say(&id, method, params);
        loop {
            let said: Value = serde_json::from_str(&self.line()).unwrap();
            if said["id"] == id {
                assert!(said["result"].is_object(), "{method}: {said}");
                return said["result"].clone();
            }
        }
    }

    /// Reads what was said until now.
    fn drain(&mut self) {
        while let Ok(line) = self.front_end.next_line(Duration::from_millis(50)) {
            assert!(!line.contains(&format!("\"id\":\"{LISTEN}\"")), "the subscription ended: {line}");
        }
    }

    /// Waits until the change of the resource is told.
    fn told(&mut self) {
        loop {
            let line = self.line();
            if line.contains("notifications/resources/updated") && line.contains(&self.uri) {
                return;
            }
        }
    }
}

#[test]
fn ten_clients_with_subscriptions_notice_neither_a_restart_nor_an_upgrade() {
    let simulator = Simulator::start(10, &[]);
    let sandbox = Sandbox::new(&simulator.endpoint());
    let mut asking = Client::stdio(&sandbox, &OFTEN);
    eventually("the first sweep ends", || asking.is_swept().then_some(()));
    let running = json!({"kind": "instance", "filters": {"instance-state-name": ["running"]}, "limit": 1});
    let id =
        asking.call("search_inventory", &running).unwrap().structured["rows"][0]["id"].as_str().unwrap().to_owned();
    let uri = format!("ec2://instance/{id}");
    let mut subscribers: Vec<Subscriber> = (0..10).map(|nth| Subscriber::new(&sandbox, &uri, nth % 2 == 0)).collect();
    let newer = of_version(&sandbox, "99.0.0");
    for what in ["a restart", "an upgrade", "another restart"] {
        let before = server(&sandbox);
        if what == "an upgrade" {
            front_end_of(&newer, &sandbox).must("server/discover", &json!({}));
        } else {
            let (code, said) = run(&sandbox, &["restart"], &[]);
            assert_eq!(code, 0, "{said}");
        }
        let after = server(&sandbox);
        assert_ne!(after["since_ms"], before["since_ms"], "{what}");
        assert_eq!(after["version"] == "99.0.0", what != "a restart", "{after}");
        eventually("all clients are back", || {
            let clients = server(&sandbox)["clients"].as_u64().unwrap_or_default();
            (clients >= 10).then_some(())
        });
        // Until what the reconnection itself tells has come.
        std::thread::sleep(Duration::from_secs(2));
        for subscriber in &mut subscribers {
            subscriber.drain();
            let tools = subscriber.must("tools/list", &json!({}));
            assert!(tools["tools"].as_array().unwrap().len() > 5, "{what}");
        }
        simulator.control("POST", "/flip", &json!({"from": 0, "count": 10}));
        for subscriber in &mut subscribers {
            subscriber.told();
        }
        assert_eq!(sandbox.servers().len(), 1, "{what}");
    }
}
