//! What interrupts is done only once somebody agrees: through the official clients of both eras, and when the server is killed while a
//! person is asked.

use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::harness::PATIENCE;
use crate::harness::driver::{Driver, Flavour, Transport};
use crate::harness::eventually;
use crate::harness::muster::{RARELY, Sandbox};
use crate::harness::process::Running;
use crate::harness::rpc::Client;
use crate::harness::simulator::Simulator;

/// The official clients that can ask a person.
const ASKING: [Flavour; 5] = [Flavour::Auto, Flavour::Legacy, Flavour::Old, Flavour::Npm, Flavour::NpmLegacy];

/// Instances that run, so that each can be stopped once.
fn running(client: &mut Client) -> Vec<String> {
    let question = json!({"kind": "instance", "filters": {"instance-state-name": ["running"]}, "limit": 100});
    eventually("the first sweep ends", || {
        let found = client.must("tools/call", &json!({"name": "search_inventory", "arguments": question}));
        let rows = found["structuredContent"]["rows"].as_array()?;
        let ids: Vec<String> = rows.iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect();
        (!ids.is_empty()).then_some(ids)
    })
}

/// The records of tools' calls about an instance, oldest first.
fn records(client: &mut Client, instance: &str) -> Vec<Value> {
    let question = json!({"id": instance, "limit": 100});
    let found = client.must("tools/call", &json!({"name": "list_changes", "arguments": question}));
    let rows = found["structuredContent"]["changes"].as_array().unwrap();
    let is_of_action = |row: &&Value| row["what"].as_str().unwrap().starts_with("action_");
    let mut rows: Vec<Value> = rows.iter().filter(is_of_action).cloned().collect();
    rows.sort_by_key(|row| row["seq"].as_u64());
    rows
}

#[test]
fn a_person_at_an_official_client_of_either_era_agrees_declines_or_closes_the_question() {
    let simulator = Simulator::start(60, &["--stop-delay", "1s"]);
    let sandbox = Sandbox::new(&simulator.endpoint());
    let server = sandbox.serve(&[&RARELY[..], &["--allow-writes"]].concat());
    server.swept();
    let mut looking = Client::http(&server.http);
    let mut instances = running(&mut looking);
    for flavour in ASKING {
        for (person, verdict, word) in [
            ("accept", "done", "accepted"),
            ("decline", "unconfirmed", "declined"),
            ("cancel", "unconfirmed", "cancelled"),
        ] {
            let transports = [Transport::Stdio(&sandbox, &["--allow-writes"]), Transport::Http(&server.http)];
            let last = if person == "accept" { 2 } else { 1 };
            for transport in &transports[..last] {
                let instance = instances.pop().expect("an instance that runs");
                let mut client = Driver::with_person(flavour, transport, Some(person));
                let answer = client.call("stop_instance", &json!({"instance_id": instance}));
                let row = &answer["structuredContent"]["results"][0];
                assert_eq!(row["verdict"], verdict, "{flavour:?} {person}: {answer}");
                assert_eq!(answer["isError"] == true, person != "accept", "{answer}");
                let questions = client.questions();
                assert!(questions.len() == 1 && questions[0].contains(&instance), "{flavour:?}: {questions:?}");
                let logged = records(&mut looking, &instance);
                let words: Vec<&str> = logged.iter().map(|row| row["what"].as_str().unwrap()).collect();
                if person == "accept" {
                    assert_eq!(words[..2], ["action_confirmed", "action_requested"], "{logged:?}");
                    let way = &logged[1]["confirmation"];
                    assert!(way == "elicitation" || way == "input", "{logged:?}");
                } else {
                    // Those of one client within a minute are counted together.
                    assert!(words.iter().all(|word| *word == "action_not_confirmed"), "{logged:?}");
                    let is_first = flavour != Flavour::Old;
                    assert!(!is_first || words.len() == 1, "{flavour:?}: {logged:?}");
                    assert!(logged.iter().all(|row| row["outcome"] == word), "{logged:?}");
                }
            }
        }
    }
}

#[test]
fn a_client_that_can_ask_nobody_is_shown_the_plan_and_sends_its_token_once() {
    let simulator = Simulator::start(6, &["--stop-delay", "1s"]);
    let sandbox = Sandbox::new(&simulator.endpoint());
    let server = sandbox.serve(&[&RARELY[..], &["--allow-writes"]].concat());
    server.swept();
    for mut client in [Client::http(&server.http), Client::stdio(&sandbox, &["--allow-writes"])] {
        let instance = running(&mut client).pop().unwrap();
        let mut stop = |arguments: Value| {
            let answer = client.must("tools/call", &json!({"name": "stop_instance", "arguments": arguments}));
            let verdict = answer["structuredContent"]["results"][0]["verdict"].as_str().unwrap().to_owned();
            (verdict, answer)
        };
        let (verdict, plan) = stop(json!({"instance_id": instance}));
        assert_eq!(verdict, "unconfirmed", "{plan}");
        let text = plan["content"][0]["text"].as_str().unwrap();
        assert!(text.contains("Nothing is done yet") && text.contains(&instance), "{text}");
        let token = &plan["structuredContent"]["confirmation"]["token"];
        let (verdict, refused) = stop(json!({"instance_id": instance, "force": true, "confirmation": token}));
        assert_eq!(verdict, "unconfirmed", "other arguments: {refused}");
        let (verdict, done) = stop(json!({"instance_ids": [instance], "force": false, "confirmation": token}));
        assert_eq!(verdict, "done", "other words for the same: {done}");
        let (verdict, again) = stop(json!({"instance_id": instance, "confirmation": token}));
        assert!(verdict == "already" || verdict == "unconfirmed", "{again}");
    }
}

#[test]
fn where_a_person_is_demanded_only_a_client_that_can_ask_one_stops_an_instance() {
    let simulator = Simulator::start(20, &["--stop-delay", "1s"]);
    let sandbox = Sandbox::new(&simulator.endpoint());
    let server = sandbox.serve(&[&RARELY[..], &["--allow-writes", "--require-human"]].concat());
    server.swept();
    let mut looking = Client::http(&server.http);
    let mut instances = running(&mut looking);
    for flavour in [Flavour::Auto, Flavour::Legacy] {
        for transport in [Transport::Stdio(&sandbox, &["--allow-writes"]), Transport::Http(&server.http)] {
            let instance = instances.pop().expect("an instance that runs");
            let mut client = Driver::with_person(flavour, &transport, Some("accept"));
            let answer = client.call("stop_instance", &json!({"instance_id": instance}));
            assert_eq!(answer["structuredContent"]["results"][0]["verdict"], "done", "{flavour:?}: {answer}");
            assert_eq!(client.questions().len(), 1, "{flavour:?}");
        }
    }
    let instance = instances.pop().expect("an instance that runs");
    let own = ["--allow-writes", "--require-human"];
    for mut client in [Client::http(&server.http), Client::stdio(&sandbox, &own)] {
        let call = json!({"name": "stop_instance", "arguments": {"instance_id": instance}});
        let answer = client.must("tools/call", &call);
        assert_eq!(answer["structuredContent"]["results"][0]["verdict"], "policy_refused", "{answer}");
        let text = answer["content"][0]["text"].as_str().unwrap();
        assert!(text.contains("--require-human") && text.contains("Only a person can change the rule"), "{text}");
        assert!(!answer.to_string().contains("\"token\""), "{answer}");
    }
    let logged = records(&mut looking, &instance);
    assert!(logged.iter().all(|row| row["what"] == "action_refused") && !logged.is_empty(), "{logged:?}");
}

#[test]
fn a_server_killed_while_a_person_is_asked_has_done_nothing_and_a_late_yes_does_nothing() {
    let simulator = Simulator::start(4, &[]);
    let sandbox = Sandbox::new(&simulator.endpoint());
    let flags = [&RARELY[..], &["--allow-writes"]].concat();
    let mut looking = Client::stdio(&sandbox, &flags);
    let instance = running(&mut looking).pop().unwrap();

    let arguments = sandbox.mcp_arguments(&flags);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let mut client = Running::start("mcp", sandbox.muster(&arguments));
    let say = |client: &mut Running, message: Value| assert!(client.say(&message.to_string()));
    let info = json!({"name": "muster-tests", "version": "0"});
    let params = json!({"protocolVersion": "2025-11-25", "capabilities": {"elicitation": {}}, "clientInfo": info});
    say(&mut client, json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params}));
    let hear = |client: &mut Running, wanted: &dyn Fn(&Value) -> bool| loop {
        let message: Value = serde_json::from_str(&client.line(PATIENCE)).unwrap();
        if wanted(&message) {
            return message;
        }
    };
    hear(&mut client, &|message| message["id"] == 1);
    say(&mut client, json!({"jsonrpc": "2.0", "method": "notifications/initialized"}));
    let call = json!({"name": "stop_instance", "arguments": {"instance_id": instance}});
    say(&mut client, json!({"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": call}));
    let question = hear(&mut client, &|message| message["method"] == "elicitation/create");

    let pid = sandbox.server_pid().unwrap();
    kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL).unwrap();
    let cancelled = hear(&mut client, &|message| message["method"] == "notifications/cancelled");
    assert_eq!(cancelled["params"]["requestId"], question["id"], "{cancelled}");
    let answer = hear(&mut client, &|message| message["id"] == 2);
    assert_eq!(answer["result"]["structuredContent"]["results"][0]["verdict"], "not_sent", "{answer}");
    let yes = json!({"action": "accept", "content": {"confirm": true}});
    say(&mut client, json!({"jsonrpc": "2.0", "id": question["id"], "result": yes}));
    // Long enough for a call of AWS, which must not come.
    std::thread::sleep(Duration::from_secs(2));
    assert_ne!(sandbox.server_pid(), Some(pid), "another server serves");
    assert_eq!(records(&mut looking, &instance), Vec::<Value>::new());
    let live =
        looking.must("tools/call", &json!({"name": "get_instance_status", "arguments": {"instance_id": instance}}));
    assert!(live.to_string().contains("running"), "{live}");
}
