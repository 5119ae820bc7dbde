//! The audit file of a running server: what it holds, what a kill leaves, and what depends on it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::{Value, json};

use crate::harness::eventually;
use crate::harness::muster::{RARELY, Sandbox, Serve};
use crate::harness::rpc::Client;
use crate::harness::simulator::Simulator;

/// The lines of the file; a part of a line is an error.
fn lines(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap_or_default();
    assert!(text.is_empty() || text.ends_with('\n'), "the last line is not whole: {text}");
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
}

/// What the lines tell of tools' calls, without repetitions.
fn told(path: &Path) -> Vec<String> {
    let mut found: Vec<(u64, String)> = lines(path)
        .iter()
        .map(|line| {
            let event = &line["event"];
            let tool = event["tool"].as_str().or(event["attempt"]["tool"].as_str());
            let what = format!("{} {}", event["event"].as_str().unwrap(), tool.unwrap_or("-"));
            (line["seq"].as_u64().unwrap(), what)
        })
        .collect();
    found.dedup();
    assert!(found.is_sorted(), "{found:?}");
    found.into_iter().map(|(_, what)| what).collect()
}

fn serve(sandbox: &Sandbox, flags: &[&str]) -> (Serve, Client) {
    let server = sandbox.serve(&[&RARELY[..], &["--allow-writes"], flags].concat());
    server.swept();
    let client = Client::http(&server.http);
    (server, client)
}

fn instance(client: &mut Client, state: &str) -> String {
    let filters = json!({"filters": {"instance-state-name": [state]}, "limit": 1});
    let found = client.call("search_inventory", &filters).unwrap();
    found.structured["rows"][0]["id"].as_str().unwrap_or_else(|| panic!("{}", found.text)).to_owned()
}

#[test]
fn every_call_of_a_tool_that_changes_aws_stands_in_the_audit_file_also_after_a_kill() {
    let simulator = Simulator::start(12, &[]);
    let sandbox = Sandbox::new(&simulator.endpoint());
    let path = sandbox.path().join("audit.jsonl");
    let flags = ["--audit-file", path.to_str().unwrap()];
    let (mut server, mut client) = serve(&sandbox, &flags);
    let id = instance(&mut client, "running");
    assert!(!client.call("stop_instance", &json!({"instance_id": id})).unwrap().is_error);
    let expected = ["action_confirmed stop_instance", "action_requested stop_instance", "action_finished -"];
    eventually("all lines", || (told(&path) == expected).then_some(()));
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let first = &lines(&path)[1];
    assert_eq!((&first["event"]["by"]["user"], &first["event"]["targets"][0]["id"]), (&json!("http"), &json!(id)));
    assert!(lines(&path)[2]["event"]["request_id"].is_string(), "{first}");

    // What a kill leaves of a line is removed, and what it kept from the file is written at the next start.
    server.kill();
    let whole = fs::read_to_string(&path).unwrap();
    fs::write(&path, &whole[..whole.len() - 40]).unwrap();
    fs::remove_file(sandbox.data().join("audit.json")).unwrap();
    let (server, mut client) = serve(&sandbox, &flags);
    eventually("the lines again", || {
        let text = fs::read_to_string(&path).unwrap();
        (text.ends_with('\n') && text.lines().count() == 5).then_some(())
    });
    // A rotation is followed.
    fs::rename(&path, path.with_extension("1")).unwrap();
    assert!(!client.call("create_snapshot", &json!({"instance_id": id})).unwrap().is_error);
    let expected = ["action_requested create_snapshot", "action_finished -"];
    eventually("the lines of the new file", || (told(&path) == expected).then_some(()));
    drop(server);
}

#[test]
fn a_required_audit_file_that_cannot_be_written_keeps_tools_from_changing_aws() {
    let simulator = Simulator::start(12, &[]);
    let sandbox = Sandbox::new(&simulator.endpoint());
    let path = sandbox.path().join("audit.jsonl");
    fs::create_dir(&path).unwrap();
    let flags = ["--audit-required", "--audit-file", path.to_str().unwrap()];
    let (_server, mut client) = serve(&sandbox, &flags);
    let id = instance(&mut client, "running");
    let refused = client.call("stop_instance", &json!({"instance_id": id})).unwrap();
    assert!(refused.is_error && refused.text.contains("--audit-required"), "{}", refused.text);
    assert_eq!(refused.text.matches("audit.jsonl").count(), 1, "{}", refused.text);
    let dry = client.call("stop_instance", &json!({"instance_id": id, "dry_run": true})).unwrap();
    assert!(!dry.is_error, "{}", dry.text);
    let status = sandbox.muster(&["status", "--data-dir"]).arg(sandbox.data()).output().unwrap();
    let said = String::from_utf8_lossy(&status.stdout).into_owned();
    assert!(said.contains("the audit file") && said.contains("cannot be written"), "{said}");
    let doctor = sandbox.muster(&["doctor", "--json", "--data-dir"]).arg(sandbox.data()).output().unwrap();
    let said = String::from_utf8_lossy(&doctor.stdout).into_owned();
    assert!(said.contains("the audit file"), "{said}");
    // It goes on by itself once the file can be written, and tells of the refusal too.
    fs::remove_dir(&path).unwrap();
    eventually("the refusal is in the file", || {
        told(&path).contains(&"action_refused stop_instance".to_owned()).then_some(())
    });
    eventually("the tool works again", || {
        let stopped = client.call("stop_instance", &json!({"instance_id": id})).unwrap();
        (!stopped.is_error).then_some(())
    });
}

#[test]
fn the_first_call_after_the_place_of_a_required_audit_file_vanished_is_refused() {
    let simulator = Simulator::start(12, &[]);
    let sandbox = Sandbox::new(&simulator.endpoint());
    let place = sandbox.path().join("logs");
    fs::create_dir(&place).unwrap();
    let path = place.join("audit.jsonl");
    let flags = ["--audit-required", "--audit-file", path.to_str().unwrap()];
    let (_server, mut client) = serve(&sandbox, &flags);
    let id = instance(&mut client, "running");
    assert!(!client.call("create_snapshot", &json!({"instance_id": id})).unwrap().is_error);
    eventually("the lines", || (told(&path).len() == 2).then_some(()));
    fs::rename(&place, sandbox.path().join("moved")).unwrap();
    let refused = client.call("create_snapshot", &json!({"instance_id": id})).unwrap();
    assert!(refused.is_error && refused.text.contains("--audit-required"), "{}", refused.text);
    // A rotation is no such thing: the next file is made at once.
    fs::rename(sandbox.path().join("moved"), &place).unwrap();
    fs::rename(&path, place.join("audit.jsonl.1")).unwrap();
    eventually("the tool works again", || {
        (!client.call("create_snapshot", &json!({"instance_id": id})).unwrap().is_error).then_some(())
    });
}

#[test]
fn a_client_that_requires_an_audit_file_changes_nothing_through_a_server_that_has_none() {
    let simulator = Simulator::start(12, &[]);
    let sandbox = Sandbox::new(&simulator.endpoint());
    let (_server, mut other) = serve(&sandbox, &[]);
    let id = instance(&mut other, "running");
    let path = sandbox.path().join("audit.jsonl");
    let own = ["--allow-writes", "--audit-required", "--audit-file", path.to_str().unwrap()];
    let mut client = Client::stdio(&sandbox, &own);
    let refused = client.call("create_snapshot", &json!({"instance_id": id})).unwrap();
    assert!(refused.is_error && refused.text.contains("writes no audit file"), "{}", refused.text);
    assert!(!other.call("create_snapshot", &json!({"instance_id": id})).unwrap().is_error);
}
