//! The health of instances: by id and by filters, in rows of statuses and in verdicts.

use serde_json::{Value, json};

use super::past::{answered, refused};
use crate::mcp::ListMode;
use crate::mcp::client::McpClient;
use crate::mcp::tests::{World, fast};
use crate::mcp::tools::{get_instance_status, search_inventory};
use crate::simulator::{self, Check, ScheduledEvent};

async fn status(client: &McpClient, arguments: Value) -> (String, Value) {
    answered(client, &get_instance_status::SPEC, arguments).await
}

fn event(description: &str, code: &str) -> ScheduledEvent {
    ScheduledEvent {
        id: format!("instance-event-{code}"),
        code: code.to_owned(),
        description: description.to_owned(),
        not_before: jiff::Timestamp::from_second(1_900_000_000).unwrap(),
        not_after: None,
    }
}

#[tokio::test]
async fn the_least_healthy_come_first_and_all_are_counted() {
    let world = World::swept(simulator::Options { instances: 300, ..fast() }, ListMode::Auto).await;
    let client = world.client(false).await;
    let running = json!({"filters": {"instance-state-name": ["running"]}, "fields": ["name"], "limit": 4});
    let (_, running) = answered(&client, &search_inventory::SPEC, running).await;
    let ids: Vec<&str> = running["rows"].as_array().unwrap().iter().map(|row| row["id"].as_str().unwrap()).collect();
    let account = world.simulator.world().home();
    for (id, check) in ids.iter().zip([Check::System, Check::Instance, Check::AttachedEbs]) {
        account.set_impaired(id, check, true).unwrap();
    }
    for id in [ids[1], ids[3]] {
        account
            .schedule(id, vec![event("[Completed] Stop", "instance-stop"), event("Reboot", "system-reboot")])
            .unwrap();
    }
    world.sweep().await;
    let sick = json!({"kind": "instance-status", "filters": {"health": ["not-ok"]}, "limit": 500});
    let (_, sick) = answered(&client, &search_inventory::SPEC, sick).await;
    let (said, all) = status(&client, json!({})).await;
    assert_eq!(all["total"], 300, "{said}");
    let counted: u64 = all["verdicts"].as_object().unwrap().values().map(|count| count.as_u64().unwrap()).sum();
    assert_eq!(counted, 300);
    let rows = all["instances"].as_array().unwrap();
    assert_eq!(all["more"], 300 - rows.len() as u64);
    assert!(said.contains("more are not shown, none of them less healthy"), "{said}");
    let bad = ["impaired", "insufficient-data", "unknown", "initializing"];
    let is_bad = |row: &&Value| bad.contains(&row["verdict"].as_str().unwrap());
    assert_eq!(rows.iter().take_while(is_bad).count(), rows.iter().filter(is_bad).count(), "{said}");
    assert_eq!(sick["total"], rows.iter().filter(is_bad).count(), "{said}");
    let impaired: Vec<&Value> = rows.iter().filter(|row| row["verdict"] == "impaired").collect();
    assert_eq!(impaired.len(), 3, "{said}");
    assert_eq!((&impaired[0]["instance_id"], &impaired[0]["next_event"]), (&json!(ids[1]), &json!("system-reboot")));
    let first_ok = rows.iter().find(|row| row["verdict"] == "ok").unwrap();
    assert_eq!(first_ok["instance_id"], ids[3], "what is due goes before what is as healthy without it");
    for row in impaired {
        let of = sick["rows"].as_array().unwrap().iter().find(|of| of["id"] == row["instance_id"]).unwrap();
        assert_eq!((&of["health"], &of["name"]), (&json!("impaired"), &row["name"]));
        assert!(of["impaired_since"].is_string(), "{of}");
        assert_eq!(of["next_event"], row["next_event"]);
    }
}

#[tokio::test]
async fn instances_are_chosen_by_filters_or_by_ids_and_unknown_ids_are_named() {
    let world = World::swept(simulator::Options { instances: 60, ..fast() }, ListMode::Auto).await;
    let client = world.client(false).await;
    let filters = json!({"instance-state-name": ["stopped"], "region": ["us-*"]});
    let (_, stopped) = answered(&client, &search_inventory::SPEC, json!({"filters": filters})).await;
    let (said, found) = status(&client, json!({"filters": filters})).await;
    assert_eq!(found["total"], stopped["total"], "{said}");
    let rows = found["instances"].as_array().unwrap();
    assert!(!rows.is_empty() && rows.iter().all(|row| row["state"] == "stopped" && row["verdict"] == "not-applicable"));
    let id = rows[0]["instance_id"].clone();
    let (said, found) = status(&client, json!({"instance_ids": ["i-0000000000000dead", id]})).await;
    assert_eq!((&found["instances"][0]["instance_id"], found.get("total")), (&id, None), "{said}");
    assert!(said.contains("i-0000000000000dead: no EC2 instance"), "{said}");
    let (said, found) = status(&client, json!({"filters": {"tag:Name": ["nobody"]}})).await;
    assert!(found["total"] == 0 && said.contains("Hint: no value of tag:Name matches"), "{said}");
    let said = refused(&client, "get_instance_status", json!({"filters": {"region": ["eu-west-1"]}})).await;
    assert!(said.contains("Region eu-west-1 is not watched"), "{said}");
}
