//! Changes: those of status checks under their instance, and counted.

use super::past::{answered, entries};
use super::*;
use crate::mcp::tests::raw_client::{RawClient, modern};

#[tokio::test]
async fn what_changes_in_status_checks_is_a_change_of_their_instance() {
    let world = World::small().await;
    let client = world.client(true).await;
    let id = world.instance(&client, "running").await;
    world.simulator.world().home().set_impaired(&id, simulator::Check::System, true).unwrap();
    world.sweep().await;
    let (said, found) = answered(&client, &list_changes::SPEC, json!({"kind": "instance"})).await;
    let of = |found: &Value| {
        let all = entries(found).iter().filter(|change| change["id"] == json!(id));
        all.map(|change| (change["kind"].clone(), change["part"].clone())).collect::<Vec<_>>()
    };
    assert_eq!(of(&found), [(json!("instance"), json!("instance-status"))], "{said}");
    let one = entries(&found).iter().find(|change| change["id"] == json!(id)).unwrap();
    assert_eq!(one["uri"], json!(format!("ec2://instance/{id}")), "{said}");
    assert!(one["name"].is_string() && said.contains("status checks: SystemStatus"), "{said}");

    // A state that both show is told once.
    let hidden = found["hidden"].as_u64().unwrap();
    world.simulator.world().home().set_impaired(&id, simulator::Check::System, false).unwrap();
    drop(data(client.agree("stop_instance", json!({"instance_id": id})).await.unwrap()));
    wait_until_stopped(&client, &id).await;
    world.sweep().await;
    let (said, found) = answered(&client, &list_changes::SPEC, json!({"id": id, "field": "State.Name"})).await;
    assert!(entries(&found).iter().all(|change| change.get("part").is_none()) && entries(&found).len() >= 2, "{said}");
    let new = world.simulator.world().home().launch();
    world.sweep().await;
    let (said, found) = answered(&client, &list_changes::SPEC, json!({"since": "-1h"})).await;
    let appeared = entries(&found).iter().filter(|change| change["id"] == json!(new) && change["what"] == "appeared");
    assert_eq!(appeared.count(), 1, "{said}");
    assert!(found["hidden"].as_u64().unwrap() > hidden && said.contains("repeat of their instance"), "{said}");
    let asked = json!({"kind": "instance-status", "id": new});
    let (said, own) = answered(&client, &list_changes::SPEC, asked).await;
    assert!(entries(&own).iter().any(|change| change["what"] == "appeared"), "who asks for statuses has them: {said}");
}

async fn wait_until_stopped(client: &crate::mcp::client::McpClient, id: &str) {
    let asked = json!({"ids": [id], "until": "stopped", "wait_seconds": 45});
    assert_eq!(data(client.call("wait_for", asked).await.unwrap())["done"], true);
}

#[tokio::test]
async fn changes_are_counted_by_kind_field_and_cause_and_the_rest_together() {
    let world = World::small().await;
    let client = world.client(true).await;
    let all = json!({"summary": true, "include_baseline": true, "limit": 500});
    let (said, counted) = answered(&client, &list_changes::SPEC, all).await;
    let newest = world.core.snapshot().unwrap().seq().0;
    assert_eq!(counted["records"].as_u64(), Some(newest), "every record of first sweeps: {said}");
    let is_known = |group: &Value| group["what"] == "known_since" && group["cause"] == "baseline";
    assert!(counted["summary"].as_array().unwrap().iter().all(is_known) && counted.get("others").is_none(), "{said}");
    let few = json!({"summary": true, "include_baseline": true, "limit": 1});
    let (said, few) = answered(&client, &list_changes::SPEC, few).await;
    let shown = few["summary"][0]["count"].as_u64().unwrap();
    assert_eq!(few["others"]["count"].as_u64().unwrap() + shown, newest, "{said}");
    assert!(said.contains("Others: "), "{said}");

    let id = world.instance(&client, "running").await;
    drop(data(client.agree("stop_instance", json!({"instance_id": id})).await.unwrap()));
    let (said, counted) = answered(&client, &list_changes::SPEC, json!({"summary": true, "field": "State.Name"})).await;
    let expected = json!([{"kind": "instance", "what": "changed", "field": "State.Name", "cause": "tool", "count": 1}]);
    assert_eq!(counted["summary"], expected, "{said}");
    assert!(
        said.starts_with("1 change, from ") && said.contains("1 | instance | changed | State.Name | tool"),
        "{said}"
    );
    let refused = client.call("list_changes", json!({"summary": true, "wait_seconds": 3})).await.unwrap();
    assert!(refused.is_error == Some(true) && text(&refused).contains("leave out"), "{}", text(&refused));
}

#[tokio::test]
async fn a_wait_that_comes_again_hears_of_what_was_recorded_since_the_client_asked() {
    let world = World::small().await;
    let client = world.client(true).await;
    let id = world.instance(&client, "running").await;
    drop(data(client.agree("stop_instance", json!({"instance_id": id})).await.unwrap()));
    wait_until_stopped(&client, &id).await;
    let mut raw = RawClient::silent(&world);
    for (since, elapsed, hears) in
        [(None, 0, false), (None, 60_000, true), (Some("now"), 60_000, true), (Some("now"), u64::MAX, true)]
    {
        let mut arguments = json!({"id": id, "wait_seconds": 1, "field": "State.Name"});
        arguments.as_object_mut().unwrap().extend(since.map(|since| ("since".to_owned(), json!(since))));
        let meta = json!({"muster/elapsed_ms": elapsed});
        let params = modern(json!({"name": "list_changes", "arguments": arguments, "_meta": meta}));
        let answer = raw.ask("tools/call", params).await;
        let changes = answer["result"]["structuredContent"]["changes"].as_array();
        let changes = changes.unwrap_or_else(|| panic!("{answer}"));
        assert_eq!(!changes.is_empty(), hears, "since {since:?}, asked {elapsed} ms ago: {answer}");
    }
}

#[tokio::test]
async fn a_field_that_nothing_has_is_told_where_nothing_changed() {
    let world = World::small().await;
    let client = world.client(true).await;
    for summary in [false, true] {
        let asked = json!({"kind": "instance", "field": "Stat.Name", "summary": summary});
        let (said, _) = answered(&client, &list_changes::SPEC, asked).await;
        assert!(said.contains("has a field `Stat` (did you mean `State`?)"), "{said}");
        let asked = json!({"kind": "volume", "field": "state", "since": "-1s", "summary": summary});
        let (said, _) = answered(&client, &list_changes::SPEC, asked).await;
        assert!(!said.contains("has a field"), "{said}");
    }
}
