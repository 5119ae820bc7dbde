//! Tools that change AWS change the account that boto3 sees, and the client that called reads its own write.

use serde_json::{Value, json};

use crate::harness::driver::{Driver, Flavour, Transport};
use crate::harness::eventually;
use crate::harness::moto::Moto;
use crate::harness::muster::{RARELY, Sandbox, Serve};
use crate::harness::rotating_key::RotatingKey;
use crate::harness::rpc::Client;
use crate::harness::simulator::Simulator;

/// A server that may write, swept once and not again while a test runs.
fn writable(sandbox: &Sandbox) -> Serve {
    let server = sandbox.serve(&[&RARELY[..], &["--allow-writes"]].concat());
    server.swept();
    server
}

fn uri(instance: &str) -> String {
    format!("ec2://instance/{instance}")
}

fn state(body: &Value) -> &str {
    body["document"]["State"]["Name"].as_str().unwrap_or_else(|| panic!("no state in {body}"))
}

/// Read, stop, read on one client: the second read shows the stop although no sweep ran between.
fn sees_its_own_stop(flavour: Flavour) {
    let moto = Moto::start();
    let instances = moto.launch(2);
    let sandbox = Sandbox::new(&moto.endpoint());
    let server = writable(&sandbox);
    let transports = [Transport::Http(&server.http), Transport::Stdio(&sandbox, &["--allow-writes"])];
    for (transport, instance) in transports.iter().zip(&instances) {
        let mut client = Driver::connect(flavour, transport);
        assert_eq!(client.ready["protocol"], flavour.protocol());
        assert_eq!(state(&client.read(&uri(instance))), "running");

        let stopped = client.call("stop_instance", &json!({"instance_ids": [instance]}));
        assert_ne!(stopped["isError"], true, "{stopped}");
        assert!(stopped["structuredContent"]["seq"].is_u64(), "the answer names the seq that holds it: {stopped}");
        let after = client.read(&uri(instance));
        assert!(["stopping", "stopped"].contains(&state(&after)), "the client's own stop is not in {after}");
        assert_eq!(moto.state_of(instance), "stopped");

        let started = client.call("start_instance", &json!({ "instance_id": instance }));
        assert_ne!(started["isError"], true, "{started}");
        let after = client.read(&uri(instance));
        assert!(["pending", "running"].contains(&state(&after)), "the client's own start is not in {after}");
        assert_eq!(moto.state_of(instance), "running");
    }
}

#[test]
fn a_client_of_the_newer_era_sees_its_own_stop_with_no_sweep_between() {
    sees_its_own_stop(Flavour::Auto);
}

#[test]
fn a_newer_client_with_the_older_handshake_sees_its_own_stop_with_no_sweep_between() {
    sees_its_own_stop(Flavour::Legacy);
}

#[test]
fn an_older_client_sees_its_own_stop_with_no_sweep_between() {
    sees_its_own_stop(Flavour::Old);
}

#[test]
fn a_state_that_is_already_there_is_an_answer_and_no_error() {
    let moto = Moto::start();
    let instance = moto.launch(1).remove(0);
    let sandbox = Sandbox::new(&moto.endpoint());
    let server = writable(&sandbox);
    let mut client = Client::http(&server.http);
    let started = client.call("start_instance", &json!({"instance_ids": [instance]})).unwrap();
    assert!(!started.is_error, "{}", started.text);
    assert!(started.text.contains("already running"), "{}", started.text);
    moto.call("ec2.stop_instances", &json!({"InstanceIds": [instance]}));
    // The store still says running: only a live look at AWS can know better.
    let stopped = client.call("stop_instance", &json!({"instance_ids": [instance]})).unwrap();
    assert!(!stopped.is_error, "{}", stopped.text);
    assert!(stopped.text.contains("already stopped"), "{}", stopped.text);
}

#[test]
fn a_snapshot_covers_every_attached_volume_and_says_where_it_comes_from() {
    let moto = Moto::start();
    let instance = moto.populate()["rich"].as_str().unwrap().to_owned();
    let found = moto.call("ec2.describe_instances", &json!({"InstanceIds": [instance]}));
    let devices = found["Reservations"][0]["Instances"][0]["BlockDeviceMappings"].as_array().unwrap().clone();
    let volumes: Vec<&str> = devices.iter().map(|device| device["Ebs"]["VolumeId"].as_str().unwrap()).collect();
    assert_eq!(volumes.len(), 3, "{devices:?}");
    let of_volumes = json!({"Filters": [{"Name": "volume-id", "Values": volumes}]});
    let sandbox = Sandbox::new(&moto.endpoint());
    let server = writable(&sandbox);
    let mut client = Client::http(&server.http);

    let answer = client.call("create_snapshot", &json!({ "instance_id": instance })).unwrap();
    assert!(!answer.is_error, "{}", answer.text);
    let snapshots = moto.every("ec2.describe_snapshots", "Snapshots", &of_volumes);
    let mut covered: Vec<&str> = snapshots.iter().map(|snapshot| snapshot["VolumeId"].as_str().unwrap()).collect();
    covered.sort_unstable();
    let mut expected = volumes.clone();
    expected.sort_unstable();
    assert_eq!(covered, expected);
    for snapshot in &snapshots {
        assert_eq!(snapshot["Description"], "Automated snapshot via MCP");
        let id = snapshot["SnapshotId"].as_str().unwrap();
        assert!(answer.text.contains(id), "{id} is not in {}", answer.text);
        assert!(answer.structured.to_string().contains(id), "{id} is not in {}", answer.structured);
        // Whoever reads at the answer's seq sees what the call made, long before the next sweep of snapshots.
        let read = client.read(&format!("ec2://snapshot/{id}"));
        assert_eq!(read["document"]["VolumeId"], snapshot["VolumeId"]);
        assert!(read["seq"].as_u64() >= answer.structured["seq"].as_u64(), "{read}");
    }
}

#[test]
fn a_dry_run_says_what_would_happen_and_changes_nothing() {
    let moto = Moto::start();
    let instance = moto.launch(1).remove(0);
    let sandbox = Sandbox::new(&moto.endpoint());
    let server = writable(&sandbox);
    let mut client = Client::http(&server.http);
    for (tool, arguments) in [
        ("stop_instance", &json!({"instance_ids": [instance], "dry_run": true})),
        ("create_snapshot", &json!({"instance_id": instance, "dry_run": true})),
    ] {
        let before = moto.every("ec2.describe_snapshots", "Snapshots", &json!({"OwnerIds": ["self"]})).len();
        let answer = client.call(tool, arguments).unwrap();
        assert!(!answer.is_error, "{tool}: {}", answer.text);
        assert!(answer.text.to_lowercase().contains("dry run"), "{tool}: {}", answer.text);
        assert_eq!(moto.state_of(&instance), "running");
        assert_eq!(state(&client.read(&uri(&instance))), "running");
        let after = moto.every("ec2.describe_snapshots", "Snapshots", &json!({"OwnerIds": ["self"]})).len();
        assert_eq!(after, before, "{tool}");
    }
}

#[test]
fn without_permission_write_tools_are_hidden_and_say_how_to_get_them() {
    let moto = Moto::start();
    let instance = moto.launch(1).remove(0);
    let sandbox = Sandbox::new(&moto.endpoint());
    let server = sandbox.serve(&RARELY);
    server.swept();
    let mut by_http = Client::http(&server.http);
    // A front end that asks for writes gets none from a server that has none to give.
    let mut by_stdio = Client::stdio(&sandbox, &["--allow-writes"]);
    for client in [&mut by_http, &mut by_stdio] {
        let tools = client.tools();
        assert!(tools.contains(&"get_instance_status".to_owned()), "{tools:?}");
        for tool in ["start_instance", "stop_instance", "reboot_instance", "create_snapshot"] {
            assert!(!tools.contains(&tool.to_owned()), "{tools:?}");
            let said = match client.call(tool, &json!({"instance_ids": [instance]})) {
                Ok(answer) if answer.is_error => answer.text,
                Ok(answer) => panic!("{tool} answers {}", answer.text),
                Err(error) => error.message,
            };
            assert!(said.contains("--allow-writes"), "{tool} does not say how to enable it: {said}");
        }
    }
    assert_eq!(moto.state_of(&instance), "running");
}

#[test]
fn a_front_end_without_the_flag_has_no_write_tools_on_a_server_that_has_them() {
    let moto = Moto::start();
    let sandbox = Sandbox::new(&moto.endpoint());
    let server = writable(&sandbox);
    let mut with = Client::stdio(&sandbox, &["--allow-writes"]);
    let mut without = Client::stdio(&sandbox, &[]);
    assert!(with.tools().contains(&"stop_instance".to_owned()));
    assert!(!without.tools().contains(&"stop_instance".to_owned()));
    drop(server);
}

#[test]
fn the_rules_of_the_server_and_of_the_client_hold_together_and_a_person_can_ask_about_them() {
    let moto = Moto::start();
    let instances = moto.launch(3);
    let tag = |ids: &[&String], key: &str, value: &str| {
        moto.call("ec2.create_tags", &json!({"Resources": ids, "Tags": [{"Key": key, "Value": value}]}));
    };
    tag(&[&instances[0], &instances[1]], "mcp-managed", "true");
    tag(&[&instances[1]], "Env", "prod");
    let sandbox = Sandbox::new(&moto.endpoint());
    let rules = ["--allow-writes", "--write-tag", "mcp-managed=true", "--write-cap", "20/1h"];
    let server = sandbox.serve(&[&RARELY[..], &rules].concat());
    server.swept();
    let data = sandbox.data().to_str().unwrap().to_owned();
    let check = |instance: &str, flags: &[&str]| {
        let words = ["policy", "check", instance, "stop_instance", "--json", "--data-dir", &data];
        let output = sandbox.muster(&[&words[..], flags].concat()).output().unwrap();
        let verdict: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
            panic!("{error}: {}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
        });
        assert_eq!(output.status.success(), verdict["allowed"] == true, "{verdict}");
        verdict
    };
    let own = ["--allow-writes", "--deny-write", "tag:Env=prod"];
    assert_eq!(check(&instances[1], &[])["allowed"], true, "the server's rules alone let it");
    let refused = check(&instances[1], &own);
    let rule = json!({"rule": "--deny-write tag:Env=prod", "of": "connection", "met": false, "why": "that is denied"});
    assert!(refused["rules"].as_array().unwrap().contains(&rule), "{refused}");
    assert_eq!(check(&instances[2], &own)["allowed"], false);

    let mut client = Client::stdio(&sandbox, &own);
    let stopped = client.call("stop_instance", &json!({ "instance_ids": instances })).unwrap();
    let verdicts: Vec<&str> =
        stopped.structured["results"].as_array().unwrap().iter().map(|row| row["verdict"].as_str().unwrap()).collect();
    assert_eq!(verdicts, ["done", "policy_refused", "policy_refused"], "{}", stopped.text);
    let states: Vec<String> = instances.iter().map(|id| moto.state_of(id)).collect();
    assert_eq!(states, ["stopped", "running", "running"]);
    // A cap of a client counts that client, by its name.
    let capped = ["--allow-writes", "--write-cap", "1/1h"];
    for (name, allowed) in [(&["--as", "muster-tests"][..], false), (&["--as", "another"], true), (&[], false)] {
        let verdict = check(&instances[1], &[&capped[..], name].concat());
        assert_eq!(
            (&verdict["allowed"], name.get(1).is_some()),
            (&json!(allowed), verdict["caps_count"]["client"].is_string())
        );
    }
    let mut adds = Client::stdio(&sandbox, &["--allow-writes=snapshot"]);
    let tools = adds.tools();
    assert!(tools.contains(&"create_snapshot".to_owned()) && !tools.contains(&"stop_instance".to_owned()), "{tools:?}");
}

#[test]
fn a_bad_call_is_answered_with_the_field_what_is_allowed_and_an_example() {
    let moto = Moto::start();
    moto.launch(1);
    let sandbox = Sandbox::new(&moto.endpoint());
    let server = writable(&sandbox);
    let mut client = Client::http(&server.http);

    let unknown = client.call("stop_instances", &json!({})).unwrap_err();
    assert_eq!(unknown.code, -32602);
    assert!(unknown.message.contains("stop_instances"), "{}", unknown.message);
    assert!(unknown.message.contains("stop_instance"), "the nearest tool is named: {}", unknown.message);

    let wrong = client.call("stop_instance", &json!({"instances": ["i-1"]})).unwrap();
    assert!(wrong.is_error, "{}", wrong.text);
    for part in ["instances", "instance_ids", "dry_run"] {
        assert!(wrong.text.contains(part), "{part} is not in: {}", wrong.text);
    }

    let absent = "i-0123456789abcdef0";
    let gone = client.call("stop_instance", &json!({"instance_ids": [absent]})).unwrap();
    assert!(gone.is_error, "{}", gone.text);
    assert!(gone.text.contains(absent), "{}", gone.text);
}

#[test]
fn credentials_of_another_account_under_a_running_server_write_nothing() {
    let simulator = Simulator::start(12, &[]);
    let mut sandbox = Sandbox::new(&simulator.endpoint());
    let key = RotatingKey::of(&mut sandbox);
    let server = writable(&sandbox);
    let mut client = Client::http(&server.http);
    let one = |client: &mut Client, state: &str| {
        let asked = json!({"filters": {"instance-state-name": [state]}, "limit": 1});
        let found = client.call("search_inventory", &asked).unwrap().structured;
        found["rows"][0]["id"].as_str().unwrap_or_else(|| panic!("no {state} instance in {found}")).to_owned()
    };
    let calls = [
        ("start_instance", one(&mut client, "stopped")),
        ("stop_instance", one(&mut client, "running")),
        ("reboot_instance", one(&mut client, "running")),
        ("create_snapshot", one(&mut client, "running")),
    ];
    key.belongs_to("210987654321");
    for (tool, id) in &calls {
        for dry_run in [false, true] {
            let answer = client.call(tool, &json!({"instance_ids": [id], "dry_run": dry_run})).unwrap();
            assert!(answer.is_error, "{tool}: {}", answer.text);
            for part in ["not those of account 123456789012", "210987654321", "other_account"] {
                assert!(answer.text.contains(part), "{tool} does not say {part}: {}", answer.text);
            }
            assert!(!answer.text.contains("not_found"), "{tool}: {}", answer.text);
        }
    }
    let asked = simulator.control("GET", "/requests", &json!(null)).to_string();
    for action in ["StartInstances", "StopInstances", "RebootInstances", "CreateSnapshots"] {
        assert!(!asked.contains(action), "{action} was called: {asked}");
    }
    assert!(asked.contains("GetCallerIdentity"), "the requests are not where this test looks: {asked}");
    // Back again, the same server writes.
    key.belongs_to("123456789012");
    let (tool, id) = &calls[1];
    let answer = client.call(tool, &json!({"instance_ids": [id]})).unwrap();
    assert!(!answer.is_error, "{}", answer.text);
}

#[test]
fn a_snapshot_is_seen_to_be_complete_although_nobody_waits_for_it() {
    let simulator = Simulator::start(5, &[]);
    let sandbox = Sandbox::new(&simulator.endpoint());
    let server = writable(&sandbox);
    server.swept();
    let mut client = Client::http(&server.http);
    let running = json!({"filters": {"instance-state-name": ["running"]}, "limit": 1});
    let found = client.call("search_inventory", &running).unwrap().structured;
    let running = found["rows"][0]["id"].as_str().unwrap();
    let made = client.call("create_snapshot", &json!({"instance_id": running})).unwrap();
    let snapshot = made.structured["results"][0]["snapshots"][0]["snapshot_id"].as_str().unwrap().to_owned();
    let uri = format!("ec2://snapshot/{snapshot}");
    let read = client.read(&uri);
    assert_eq!(read["document"]["State"], "pending", "{read}");
    assert!(read["as_of"].as_str() >= read["document"]["StartTime"].as_str(), "{read}");
    // The next sweep of snapshots is an hour away.
    let done = eventually("the snapshot is complete", || {
        let read = client.read(&uri);
        (read["document"]["State"] == "completed").then_some(read)
    });
    assert_eq!(done["document"]["Progress"], "100%", "{done}");
}

#[test]
fn a_stop_whose_answer_was_lost_is_in_the_inventory_long_before_the_next_sweep() {
    let simulator = Simulator::start(5, &["--stop-delay", "1s"]);
    let sandbox = Sandbox::new(&simulator.endpoint());
    let server = writable(&sandbox);
    let mut client = Client::http(&server.http);
    let running = json!({"filters": {"instance-state-name": ["running"]}, "limit": 1});
    let found = client.call("search_inventory", &running).unwrap().structured;
    let id = found["rows"][0]["id"].as_str().unwrap().to_owned();
    let lost = json!({"truncate": {"share": 1, "actions": ["StopInstances"]}});
    simulator.control("PATCH", "/faults", &lost);
    let stopped = client.call("stop_instance", &json!({"instance_id": id})).unwrap();
    assert_eq!(stopped.structured["results"][0]["verdict"], "unknown", "{}", stopped.text);
    // The next sweep of instances is an hour away.
    eventually("the instance is stopped", || {
        let read = client.read(&uri(&id));
        (state(&read) == "stopped").then_some(read)
    });
}
