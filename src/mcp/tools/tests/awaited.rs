//! What tools that change AWS wait for, leave out and refuse by themselves.

use std::time::Duration;

use super::*;
use crate::mcp::client::McpClient;
use crate::mcp::tests::raw_client::{RawClient, modern};

async fn called(client: &McpClient, spec: &ToolSpec, arguments: Value) -> (Value, String) {
    let result = client.agree(spec.name, arguments).await.unwrap();
    let said = text(&result).to_owned();
    let told = result.structured_content.unwrap();
    conforms(spec, &told);
    (told, said)
}

#[tokio::test]
async fn a_change_with_a_wait_answers_once_the_new_state_is_there_and_so_does_its_repeat() {
    let world = World::small().await;
    let client = world.client(true).await;
    let (running, stopped) = (world.instance(&client, "running").await, world.instance(&client, "stopped").await);
    let stop = json!({"instance_id": running, "wait_seconds": 30, "idempotency_key": "k"});
    let (told, said) = called(&client, &stop_instance::SPEC, stop).await;
    assert_eq!(told["results"][0]["current_state"], "stopping", "that is AWS's answer: {told}");
    assert_eq!((&told["wait"]["done"], &told["wait"]["results"][0]["state"]), (&json!(true), &json!("stopped")));
    assert!(said.contains("1 of 1 instances accepted") && said.contains("1 of 1 are stopped"), "{said}");
    let start = json!({"instance_id": stopped, "wait_seconds": "30"});
    let (told, _) = called(&client, &start_instance::SPEC, start).await;
    assert_eq!((&told["wait"]["done"], &told["wait"]["results"][0]["state"]), (&json!(true), &json!("running")));
    // How long a call waits is no part of what it does.
    let again = json!({"instance_id": running, "wait_seconds": 5, "idempotency_key": "k"});
    let (told, said) = called(&client, &stop_instance::SPEC, again).await;
    assert!(said.starts_with("This repeats a call") && told["wait"]["done"] == true, "{said}");
    assert!(told["repeats_call_at"].is_string(), "{told}");
    assert_eq!(world.simulator.world().requests("StopInstances"), 1);
}

#[tokio::test]
async fn a_wait_that_is_over_leaves_the_change_as_it_was_made() {
    let slow = simulator::Options { instances: 12, stop_delay: Duration::from_hours(1), ..fast() };
    let world = World::swept(slow, ListMode::Auto).await;
    let client = world.client(true).await;
    let running = world.instance(&client, "running").await;
    let (told, said) = called(&client, &stop_instance::SPEC, json!({"instance_id": running, "wait_seconds": 1})).await;
    assert_eq!((&told["results"][0]["verdict"], &told["wait"]["done"]), (&json!("done"), &json!(false)), "{told}");
    assert_eq!(told["wait"]["results"][0]["state"], "stopping", "{told}");
    assert!(said.contains("Not done after 1 s: 0 of 1 are stopped. Call wait_for to go on waiting."), "{said}");
}

#[tokio::test]
async fn neither_a_dry_run_nor_a_call_that_needs_a_confirmation_waits() {
    let world = World::small().await;
    let client = world.client(true).await;
    let running = world.instance(&client, "running").await;
    let dry = json!({"instance_id": running, "wait_seconds": 45, "dry_run": true});
    let (told, _) = called(&client, &stop_instance::SPEC, dry).await;
    assert!(told.get("wait").is_none(), "{told}");
    let asked = client.call("stop_instance", json!({"instance_id": running, "wait_seconds": 45})).await.unwrap();
    let offer = asked.structured_content.unwrap();
    assert!(offer.get("wait").is_none() && offer["confirmation"]["token"].is_string(), "{offer}");
    let refused = client.call("stop_instance", json!({"instance_id": running, "wait_seconds": 46})).await.unwrap();
    assert!(text(&refused).contains("a whole number from 0 to 45"), "{}", text(&refused));
    let reboot = client.call("reboot_instance", json!({"instance_id": running, "wait_seconds": 5})).await.unwrap();
    assert!(text(&reboot).contains("no argument `wait_seconds`"), "AWS shows no state of it: {}", text(&reboot));
}

#[tokio::test]
async fn an_instance_that_cannot_hibernate_is_refused_before_aws() {
    let world = World::small().await;
    let client = world.client(true).await;
    let running = world.instance(&client, "running").await;
    let (told, _) = called(&client, &stop_instance::SPEC, json!({"instance_id": running, "hibernate": true})).await;
    assert_eq!(told["results"][0]["verdict"], "not_sent", "{told}");
    let why = told["results"][0]["message"].as_str().unwrap();
    assert!(why.contains("not launched with hibernation enabled") && why.contains("nothing was called"), "{why}");
    assert_eq!(world.simulator.world().requests("StopInstances"), 0);
    let both = json!({"instance_id": running, "hibernate": true, "force": true});
    let refused = client.call("stop_instance", both).await.unwrap();
    assert!(text(&refused).contains("give one of the two"), "{}", text(&refused));
}

#[tokio::test]
async fn volumes_that_are_left_out_get_no_snapshot_and_those_that_are_not_attached_are_named() {
    let world = World::swept(simulator::Options { instances: 60, ..fast() }, ListMode::Auto).await;
    let client = world.client(true).await;
    let sql = "SELECT instance_id, volume_id, device FROM instance_volume WHERE instance_id IN (SELECT instance_id FROM \
               instance_volume GROUP BY 1 HAVING count(*) > 1) ORDER BY 1";
    let found = data(client.call("query_inventory", json!({"sql": sql})).await.unwrap());
    let rows = found["rows"].as_array().unwrap_or_else(|| panic!("{found}"));
    let text_of = |row: &Value, at: usize| {
        row[["instance_id", "volume_id", "device"][at]].as_str().unwrap_or_else(|| panic!("{row}")).to_owned()
    };
    let owner = text_of(&rows[0], 0);
    let mine: Vec<&Value> = rows.iter().filter(|row| text_of(row, 0) == owner).collect();
    let is_boot = |row: &&&Value| !["/dev/sdf", "/dev/sdg"].contains(&text_of(row, 2).as_str());
    let boot = text_of(mine.iter().find(is_boot).unwrap(), 1);
    let data_volume = text_of(mine.iter().find(|row| !is_boot(row)).unwrap(), 1);
    let left = json!({"instance_id": owner, "exclude_data_volume_ids": [data_volume]});
    let (told, said) = called(&client, &create_snapshot::SPEC, left).await;
    let made: Vec<&Value> =
        told["results"][0]["snapshots"].as_array().unwrap().iter().map(|one| &one["volume_id"]).collect();
    assert_eq!(made.len(), mine.len() - 1, "{told}");
    assert!(made.contains(&&json!(boot)) && !made.contains(&&json!(data_volume)), "{said}");
    assert!(told["results"][0].get("missing_volumes").is_none(), "{told}");
    let before = world.simulator.world().requests("CreateSnapshots");
    for (ids, why) in [
        (json!(["vol-00000000000000bad"]), "vol-00000000000000bad is not attached to"),
        (json!([boot]), "exclude_boot_volume leaves it out"),
    ] {
        let stray = json!({"instance_id": owner, "exclude_data_volume_ids": ids});
        let refused = client.call("create_snapshot", stray).await.unwrap();
        assert!(refused.is_error == Some(true) && text(&refused).contains(why), "{}", text(&refused));
    }
    assert_eq!(world.simulator.world().requests("CreateSnapshots"), before);
}

#[tokio::test]
async fn a_denial_is_told_with_what_aws_decodes_once_for_a_call() {
    let world = World::small().await;
    let client = world.client(true).await;
    let sql = "SELECT id FROM instance WHERE state = 'running' LIMIT 2";
    let found = data(client.call("query_inventory", json!({"sql": sql})).await.unwrap());
    let ids: Vec<Value> = found["rows"].as_array().unwrap().iter().map(|row| row["id"].clone()).collect();
    world.simulator.world().faults().patch(&json!({"denied": ["StopInstances"]})).unwrap();
    let (told, said) = called(&client, &stop_instance::SPEC, json!({"instance_ids": ids})).await;
    let why = told["results"][0]["message"].as_str().unwrap();
    assert!(
        why.contains("Decoded by AWS: arn:aws:iam::") && why.contains("may not call ec2:StopInstances on"),
        "{why}"
    );
    assert_eq!(said.matches("Decoded by AWS").count(), 1, "{said}");
    assert_eq!(world.simulator.world().requests("DecodeAuthorizationMessage"), 1);
    world
        .simulator
        .world()
        .faults()
        .patch(&json!({"denied": ["StopInstances", "DecodeAuthorizationMessage"]}))
        .unwrap();
    let (_, said) = called(&client, &stop_instance::SPEC, json!({"instance_id": ids[0]})).await;
    assert!(
        said.contains("aws sts decode-authorization-message") && said.contains("sts:DecodeAuthorizationMessage"),
        "{said}"
    );
    // The log holds AWS's message without the encoded text.
    let records = world.core.snapshot().unwrap().records(Seq::ZERO.next(), usize::MAX).unwrap();
    let kept = records.iter().any(|record| format!("{record:?}").to_lowercase().contains("encoded authorization"));
    assert!(!kept);
}

#[tokio::test]
async fn a_client_that_cancels_ends_the_wait_and_not_the_change() {
    let slow = simulator::Options { instances: 12, start_delay: Duration::from_hours(1), ..fast() };
    let world = World::swept(slow, ListMode::Auto).await;
    let stopped = world.instance(&world.client(true).await, "stopped").await;
    let mut client = RawClient::silent(&world);
    let arguments = json!({"instance_id": stopped, "wait_seconds": 45});
    let params = modern(json!({"name": "start_instance", "arguments": arguments, "_meta": {"muster/call": "a-1"}}));
    client.say(&json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params})).await;
    let mut finished = false;
    while !finished {
        tokio::time::sleep(Duration::from_millis(20)).await;
        let records = world.core.snapshot().unwrap().records(Seq::ZERO.next(), usize::MAX).unwrap();
        finished = records.iter().any(|record| matches!(record.event, Event::ActionFinished { .. }));
    }
    client.say(&json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}})).await;
    // What became of a call is told once it has ended. The client hears of it long before the wait would be over.
    let params = modern(json!({"name": "start_instance", "arguments": arguments, "_meta": {"muster/call": "a-1"}}));
    let told = client.ask("muster/call", params).await;
    let row = &told["result"]["structuredContent"]["results"][0];
    assert_eq!((&row["instance_id"], &row["verdict"]), (&json!(stopped), &json!("done")), "{told}");
    assert_eq!(world.simulator.world().requests("StartInstances"), 1);
}
