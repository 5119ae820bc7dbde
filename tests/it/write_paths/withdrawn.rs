//! Questions that nobody answers any more, and confirmations of a server that is gone.

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use super::Pool;
use super::held::{held, seen};
use crate::harness::caller::{Caller, Question, Reply, Way, text, verdicts};
use crate::harness::eventually;
use crate::harness::muster::{RARELY, Sandbox};
use crate::harness::rpc::Client;
use crate::harness::simulator::Simulator;

const STOP: &str = "stop_instance";

/// Ends the server that a front end may have started.
fn end(sandbox: &Sandbox) {
    for pid in sandbox.servers() {
        // It may have ended by itself.
        kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL).ok();
    }
}

#[test]
fn a_question_whose_call_is_cancelled_whose_client_leaves_or_whose_server_stops_is_withdrawn_and_recorded() {
    let simulator = Simulator::start(20, &[]);
    let sandbox = Sandbox::new(&simulator.endpoint());
    let mut server = sandbox.serve(&[&RARELY[..], &["--allow-writes"]].concat());
    server.swept();
    let ids = Pool::of(&server.http).take("running", 4);
    let mut looking = Client::http(&server.http);
    let asks = |name: &str, arguments: &Value| {
        let mut caller = Caller::open(&sandbox, &["--allow-writes"], Way::Elicitation, name);
        match caller.call(STOP, arguments) {
            Reply::Asked(Question::Request { call, .. }) => (caller, call),
            other => panic!("{name} is not asked: {other:?}"),
        }
    };
    let is_recorded = |looking: &mut Client, id: &str| {
        let found = looking.call("list_changes", &json!({"id": id})).unwrap().structured;
        let rows = found["changes"].as_array().unwrap();
        rows.iter().any(|row| row["what"] == "action_not_confirmed").then_some(())
    };

    let (mut cancels, call) = asks("cancels", &json!({"instance_id": ids[0]}));
    let params = json!({"requestId": call, "reason": "the user changed their mind"});
    cancels.say(&json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": params}));
    eventually("the cancelled call is recorded", || is_recorded(&mut looking, &ids[0]));
    let (leaves, _) = asks("leaves", &json!({"instance_id": ids[1]}));
    drop(leaves);
    eventually("the client that left is recorded", || is_recorded(&mut looking, &ids[1]));

    // A call that waits for a person is no call that changes AWS, also with a key.
    let (mut waits, call) = asks("waits", &json!({"instance_id": ids[2]}));
    let (mut keyed, keyed_call) = asks("keyed", &json!({"instance_id": ids[3], "idempotency_key": "k"}));
    let (_, took) = server.terminate();
    eprintln!("a server whose two calls wait for people stopped after {took:?}");
    for (caller, call) in [(&mut waits, call), (&mut keyed, keyed_call)] {
        let told = caller.hear(call)["result"].take();
        assert_eq!(verdicts(&told), ["unconfirmed"], "{told}");
        let said = text(&told);
        assert!(said.contains("server stops") && said.contains("Nothing was sent to AWS"), "{said}");
    }
    drop((waits, keyed));
    end(&sandbox);
    let held = held(&sandbox);
    for (name, id) in ["cancels", "leaves", "waits", "keyed"].iter().zip(&ids) {
        let own: Vec<_> = held.iter().filter(|(by, ..)| by == name).collect();
        let expected = ((*name).to_owned(), vec![id.clone()], "cancelled by elicitation".to_owned());
        assert_eq!(own, [&expected], "{held:?}");
    }
    assert_eq!(seen(&simulator, "StopInstances", &ids), Vec::<String>::new());
}

#[test]
fn a_confirmation_of_a_server_that_is_gone_is_recorded_as_that() {
    let simulator = Simulator::start(20, &[]);
    let sandbox = Sandbox::new(&simulator.endpoint());
    let mut server = sandbox.serve(&[&RARELY[..], &["--allow-writes"]].concat());
    server.swept();
    let ids = Pool::of(&server.http).take("running", 2);
    let mut rows = Vec::new();
    for (way, id) in [Way::Token, Way::Input].into_iter().zip(&ids) {
        let mut caller = Caller::open(&sandbox, &["--allow-writes"], way, way.name());
        let arguments = json!({"instance_id": id});
        let reply = caller.call(STOP, &arguments);
        rows.push((caller, way, arguments, reply));
    }
    server.kill();
    for (caller, way, arguments, reply) in &mut rows {
        let told = caller.agree(STOP, arguments, reply);
        assert_eq!(verdicts(&told), ["unconfirmed"], "{way:?}: {told}");
        assert!(text(&told).contains("earlier run of the Muster server"), "{way:?}: {}", text(&told));
    }
    drop(rows);
    end(&sandbox);
    let held = held(&sandbox);
    for (way, id) in [Way::Token, Way::Input].into_iter().zip(&ids) {
        let word = format!("restarted by {}", way.name());
        assert!(held.contains(&(way.name().to_owned(), Vec::from([id.clone()]), word)), "{held:?}");
    }
    assert_eq!(seen(&simulator, "StopInstances", &ids), Vec::<String>::new());
}
