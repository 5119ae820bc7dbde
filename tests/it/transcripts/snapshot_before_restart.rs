//! A database with two volumes: snapshots, a wait until they are complete, a reboot, a wait until it is well.

use serde_json::{Value, json};

use super::conversation::{Conversation, instances, tag};

#[test]
fn a_database_is_snapshotted_and_rebooted_only_then() {
    let request = "Our database server seems slow, can you create a snapshot before we restart it?";
    let mut id = String::new();
    let mut talk = Conversation::begin("snapshot_before_restart", request, &["--initializing", "1s"], |_, hand| {
        id = instances(hand, "worker", "running", 2).remove(0);
        tag(hand, &id, &[("Name", "db-primary-1"), ("owner", "data-team")]);
    });
    talk.prompt("snapshot_before_restart", &json!({"instance_id": id}));
    let look = talk.call("get_resource", &json!({"kind": "instance", "id": id}));
    assert!(look.text.contains("db-primary-1"), "{}", look.text);

    let asked = json!({"instance_ids": [id], "description": format!("before the reboot of {id}"), "dry_run": false});
    let made = talk.call("create_snapshot", &asked);
    let snapshots = made.structured["results"][0]["snapshots"].as_array().unwrap().iter();
    let snapshots: Vec<&Value> = snapshots.map(|snapshot| &snapshot["snapshot_id"]).collect();
    assert_eq!(snapshots.len(), 2, "one of each volume: {}", made.text);
    let complete = talk.wait(&json!({"ids": snapshots, "until": "completed", "wait_seconds": 45}));
    assert!(complete.structured["results"].as_array().unwrap().iter().all(|row| row["state"] == "completed"));

    let rebooted = talk.call("reboot_instance", &json!({"instance_ids": [id], "dry_run": false}));
    assert!(rebooted.text.contains("wait_for"), "the next step is named: {}", rebooted.text);
    let well = talk.wait(&json!({"ids": [id], "until": "status_ok", "wait_seconds": 45}));
    assert_eq!(well.structured["results"][0]["result"], "reached", "{}", well.text);
    talk.end(5);
}
