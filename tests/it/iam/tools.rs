//! The tools that change AWS, called for real by whoever may and whoever may not.

use serde_json::{Value, json};

use crate::harness::muster::{RARELY, Sandbox, Serve};
use crate::harness::rpc::{Answer, Client};

/// The tool that makes each call, in an order in which every one can be done to a running and a stopped instance.
const TOOLS: [(&str, &str); 4] = [
    ("ec2:CreateSnapshots", "create_snapshot"),
    ("ec2:RebootInstances", "reboot_instance"),
    ("ec2:StopInstances", "stop_instance"),
    ("ec2:StartInstances", "start_instance"),
];

/// The tool that calls an action.
pub(super) fn of(action: &str) -> Option<&'static str> {
    TOOLS.iter().find(|(known, _)| *known == action).map(|(_, tool)| *tool)
}

/// A server that may write, and a client of it.
fn opened(sandbox: &Sandbox) -> (Serve, Client) {
    let server = sandbox.serve(&[&RARELY[..], &["--allow-writes"]].concat());
    server.swept();
    let client = Client::http(&server.http);
    (server, client)
}

/// Calls a tool with the instance to which it can be done, agrees to the plan, and answers with the instance too.
fn called<'a>(client: &mut Client, tool: &str, [running, stopped]: [&'a str; 2]) -> (&'a str, Answer) {
    let instance = if tool == "start_instance" { stopped } else { running };
    (instance, client.call(tool, &json!({"instance_ids": [instance]})).unwrap())
}

/// The verdicts of the rows of an answer.
fn verdicts(answer: &Answer) -> Vec<&str> {
    let rows = answer.structured["results"].as_array().map(Vec::as_slice).unwrap_or_default();
    rows.iter().filter_map(|row| row["verdict"].as_str()).collect()
}

/// The state of an instance that the server shows.
fn state(client: &mut Client, instance: &str) -> Value {
    client.read(&format!("ec2://instance/{instance}"))["document"]["State"]["Name"].clone()
}

/// A tool whose action the policy does not have is refused by AWS, says which action is missing and where to allow it, and
/// changes nothing.
pub(super) fn is_denied(sandbox: &Sandbox, tool: &str, action: &str, instances: [&str; 2]) {
    let (_server, mut client) = opened(sandbox);
    let (instance, answer) = called(&mut client, tool, instances);
    assert_eq!((answer.is_error, &verdicts(&answer)[..]), (true, &["refused"][..]), "{tool}: {}", answer.text);
    for said in [&*format!("not authorized to perform: {action}"), &*format!("Allow {action} in the IAM policy")] {
        assert!(answer.text.contains(said), "{tool}: {said:?} is not in {}", answer.text);
    }
    let before = if tool == "start_instance" { "stopped" } else { "running" };
    assert_eq!(state(&mut client, instance), before, "{tool}");
}

/// With the whole policy every tool does what it is for.
pub(super) fn are_allowed(sandbox: &Sandbox, instances: [&str; 2]) {
    let (_server, mut client) = opened(sandbox);
    for (_, tool) in TOOLS {
        let (_, answer) = called(&mut client, tool, instances);
        assert_eq!((answer.is_error, &verdicts(&answer)[..]), (false, &["done"][..]), "{tool}: {}", answer.text);
    }
    let [running, stopped] = instances.map(|instance| state(&mut client, instance));
    assert!(["stopping", "stopped"].contains(&running.as_str().unwrap()), "{running}");
    assert!(["pending", "running"].contains(&stopped.as_str().unwrap()), "{stopped}");
}
