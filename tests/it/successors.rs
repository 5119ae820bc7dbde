//! A server that ends for another one: with other flags, for a service, or amid a call that changes AWS.

use std::net::TcpListener;
use std::process::{Command, Output};

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::harness::muster::{MUSTER, RARELY, Sandbox};
use crate::harness::process::Running;
use crate::harness::rpc::Client;
use crate::harness::simulator::Simulator;
use crate::harness::{PATIENCE, eventually};

/// Runs `muster` on the sandbox's data directory, and returns its exit code and what it printed to both streams.
fn run(sandbox: &Sandbox, words: &[&str], after: &[&str]) -> (i32, String) {
    let data = sandbox.data();
    let all = [words, &["--data-dir", data.to_str().unwrap()], after].concat();
    let Output { status, stdout, stderr } = sandbox.muster(&all).output().unwrap();
    (status.code().unwrap_or(-1), String::from_utf8([stdout, stderr].concat()).unwrap())
}

#[test]
fn a_restart_with_flags_that_no_server_could_start_with_leaves_the_server_as_it_is() {
    let simulator = Simulator::start(5, &[]);
    let sandbox = Sandbox::new(&simulator.endpoint());
    let server = sandbox.serve(&RARELY);
    server.swept();
    let before = sandbox.server_facts();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    for (flag, value, code, said) in [
        ("--http", taken.as_str(), 1, "cannot listen on"),
        ("--prices", "missing.json", 2, "missing.json"),
        ("--log", "muster=loud", 1, "--log"),
    ] {
        let (ended, told) = run(&sandbox, &["restart"], &["--", flag, value]);
        assert_eq!(ended, code, "{told}");
        assert!(told.contains(said), "{told}");
        assert_eq!(sandbox.server_facts()["since_ms"], before["since_ms"], "it goes on: {told}");
    }
    // The address that it has itself is no obstacle, and a path is that of whoever gives it.
    let own = before["http"].as_str().unwrap().strip_prefix("http://").unwrap().strip_suffix("/mcp").unwrap();
    let printed = sandbox.muster(&["prices", "--print"]).output().unwrap().stdout;
    std::fs::create_dir(sandbox.path().join("elsewhere")).unwrap();
    std::fs::write(sandbox.path().join("elsewhere/p.json"), printed).unwrap();
    let data = sandbox.data();
    let mut restart = sandbox.muster(&["restart", "--data-dir", data.to_str().unwrap(), "--"]);
    restart.args(["--http", own, "--prices", "p.json"]).current_dir(sandbox.path().join("elsewhere"));
    let Output { status, stderr, .. } = restart.output().unwrap();
    assert!(status.success(), "{}", String::from_utf8_lossy(&stderr));
    let after = sandbox.server_facts();
    assert_eq!((&after["http"], &after["pid"]), (&before["http"], &before["pid"]));
    assert_ne!(after["since_ms"], before["since_ms"]);
    let prices = sandbox.path().join("elsewhere/p.json");
    assert!(after["arguments"].as_array().unwrap().contains(&json!(prices)), "{after}");
}

#[test]
fn a_server_that_cannot_start_in_another_way_becomes_the_one_that_it_was_and_says_so() {
    let simulator = Simulator::start(5, &[]);
    let mut sandbox = Sandbox::new(&simulator.endpoint());
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    let data = sandbox.data().to_str().unwrap().to_owned();
    let former = [&["serve", "--data-dir", &data][..], &RARELY].concat();
    // As `muster restart` leaves it to the next server, when the port was free while the flags were checked.
    sandbox.set("_MUSTER_FORMER_SERVER", &json!({"program": MUSTER, "arguments": former}).to_string());
    let next = sandbox.muster(&["serve", "--data-dir", &data, "--http", &taken]);
    let running = Running::start("serve", next);
    running.line(PATIENCE);
    sandbox.unset("_MUSTER_FORMER_SERVER");
    let facts = sandbox.server_facts();
    assert_eq!((&facts["pid"], &facts["arguments"]), (&json!(running.pid()), &json!(former)), "{facts}");
    let why = facts["kept_because"].as_str().unwrap();
    assert!(why.contains("cannot listen on"), "{why}");
    let (_, told) = run(&sandbox, &["status"], &[]);
    assert!(told.contains("it was to start again in another way, which failed") && told.contains(&taken), "{told}");
    // The next restart begins anew.
    let (code, told) = run(&sandbox, &["restart"], &[]);
    assert_eq!(code, 0, "{told}");
    assert_eq!(sandbox.server_facts()["kept_because"], Value::Null);
}

/// `muster serve` as a unit of systemd runs it.
fn as_a_service(sandbox: &Sandbox) -> Command {
    let mut command = Command::new("sh");
    command.env_clear().envs(sandbox.environment().iter().cloned()).current_dir(sandbox.path());
    command.args(["-c", "SYSTEMD_EXEC_PID=$$ exec \"$@\"", "sh", MUSTER, "serve", "--data-dir"]).arg(sandbox.data());
    command.args(RARELY);
    command
}

#[test]
fn a_service_takes_the_place_of_a_front_ends_server_and_leaves_a_persons_alone() {
    let simulator = Simulator::start(5, &[]);
    let sandbox = Sandbox::new(&simulator.endpoint());
    let mut clients: Vec<Client> = (0..3).map(|_| Client::stdio(&sandbox, &RARELY)).collect();
    for client in &mut clients {
        eventually("the first sweep ends", || client.is_swept().then_some(()));
    }
    assert_eq!(sandbox.server_facts()["started_by"], "front_end");
    let mut service = Running::start("serve", as_a_service(&sandbox));
    service.line(PATIENCE);
    for client in &mut clients {
        client.must("tools/list", &json!({}));
        let found = client.call("count_inventory", &json!({"kind": "instance"})).unwrap();
        assert_eq!(found.structured["total"], 5, "{}", found.text);
    }
    let facts = sandbox.server_facts();
    assert_eq!((&facts["started_by"], &facts["pid"]), (&json!("systemd"), &json!(service.pid())), "{facts}");
    assert_eq!(sandbox.servers().len(), 1);

    // Where a server runs that somebody else decides on, the second one fails and says why.
    let mut second = Running::start("serve", as_a_service(&sandbox));
    assert!(!second.wait(PATIENCE).success());
    let said = second.errors();
    assert!(said.contains("started by systemd") && said.contains(&service.pid().to_string()), "{said}");
    assert_eq!(service.ended(), None);
}

#[test]
fn the_rules_of_a_service_outlast_it_until_a_person_says_otherwise() {
    let simulator = Simulator::start(5, &[]);
    let sandbox = Sandbox::new(&simulator.endpoint());
    // What a client's server has, where the client itself has no rule.
    let rules = || {
        let flags = [&RARELY[..], &["--allow-writes"]].concat();
        Client::stdio(&sandbox, &flags).must("tools/list", &json!({}));
        let facts = sandbox.server_facts();
        assert_eq!(facts["started_by"], "front_end", "{facts}");
        facts["rules"].clone()
    };
    let mut unit = as_a_service(&sandbox);
    unit.args(["--allow-writes", "--write-tag", "mcp-managed=true", "--require-human"]);
    let mut service = Running::start("serve", unit);
    service.line(PATIENCE);
    assert!(service.signal(Signal::TERM));
    assert!(service.wait(PATIENCE).success());
    let expected = json!(["--require-human", "--write-tag mcp-managed=true"]);
    assert_eq!(rules(), expected, "its unit was stopped");
    let (code, said) = run(&sandbox, &["stop"], &[]);
    assert!(code == 0 && said.contains("--write-tag=mcp-managed=true") && said.contains("--forget-rules"), "{said}");
    assert_eq!(rules(), expected, "that of a client was stopped");
    let (code, said) = run(&sandbox, &["stop", "--forget-rules"], &[]);
    assert!(code == 0 && said.contains("end with it"), "{said}");
    assert!(rules().as_array().is_none_or(Vec::is_empty), "a person forgot them");
}

/// How often `StopInstances` was called.
fn stops(simulator: &Simulator) -> u64 {
    let counts = simulator.control("GET", "/requests", &Value::Null);
    let lines = counts["requests"].as_array().unwrap().iter();
    lines.filter(|line| line["action"] == "StopInstances").map(|line| line["total"].as_u64().unwrap()).sum()
}

#[test]
fn a_call_that_changes_aws_gets_its_whole_answer_although_the_server_is_told_to_end() {
    let simulator = Simulator::start(12, &[]);
    let sandbox = Sandbox::new(&simulator.endpoint());
    let flags = [&RARELY[..], &["--allow-writes"]].concat();
    let server = sandbox.serve(&flags);
    server.swept();
    let running = json!({"filters": {"instance-state-name": ["running"]}, "limit": 4});
    let found = Client::http(&server.http).call("search_inventory", &running).unwrap();
    let rows = found.structured["rows"].as_array().unwrap();
    let ids: Vec<String> = rows.iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect();
    simulator.control("PATCH", "/faults", &json!({"latency": {"fixed": "4s", "actions": ["StopInstances"]}}));
    for (words, ids) in [(["restart"], &ids[..2]), (["stop"], &ids[2..])] {
        let before = stops(&simulator);
        // It listens elsewhere once it has started again.
        let http = sandbox.server_facts()["http"].as_str().unwrap().to_owned();
        let mut clients = [Client::stdio(&sandbox, &flags), Client::http(&http)];
        std::thread::scope(|scope| {
            let calls: Vec<_> = clients
                .iter_mut()
                .zip(ids)
                .map(|(client, id)| {
                    scope.spawn(move || client.call("stop_instance", &json!({"instance_id": id})).unwrap())
                })
                .collect();
            eventually("both calls are at AWS", || (stops(&simulator) >= before + 2).then_some(()));
            let (code, said) = run(&sandbox, &words, &[]);
            assert_eq!(code, 0, "{said}");
            for call in calls {
                let answer = call.join().unwrap();
                assert!(!answer.is_error, "{words:?}: {}", answer.text);
                let row = &answer.structured["results"][0];
                // Of a call whose answer was lost, the log or AWS would be asked instead.
                assert!(
                    row["verdict"] == "done" && row["previous_state"] == "running",
                    "{words:?}: {}",
                    answer.structured
                );
            }
        });
    }
}
