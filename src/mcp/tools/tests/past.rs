//! What the log remembers, asked through the tools.

use std::time::Duration;

use serde_json::{Value, json};

use super::conforms;
use crate::kinds::INSTANCE;
use crate::mcp::ListMode;
use crate::mcp::client::Client;
use crate::mcp::tests::{World, data, fast, text};
use crate::mcp::tools::{BUDGET, count_inventory, list_changes};
use crate::simulator;

async fn changes(client: &Client, arguments: Value) -> (String, Value) {
    let result = client.call("list_changes", arguments).await.unwrap();
    let said = text(&result).to_owned();
    assert!(said.len() <= BUDGET, "{}", said.len());
    let found = data(result);
    conforms(&list_changes::SPEC, &found);
    assert!(found.to_string().len() <= BUDGET);
    (said, found)
}

async fn refused(client: &Client, tool: &str, arguments: Value) -> String {
    let result = client.call(tool, arguments).await.unwrap();
    assert_eq!(result.is_error, Some(true), "{}", text(&result));
    text(&result).to_owned()
}

fn entries(found: &Value) -> &[Value] {
    found["changes"].as_array().unwrap()
}

#[tokio::test]
async fn a_tools_call_shows_with_its_cause_and_the_baseline_only_when_asked_for() {
    let world = World::small().await;
    let client = world.client(true).await;
    let (said, found) = changes(&client, json!({})).await;
    assert_eq!(entries(&found), &[] as &[Value], "{said}");
    assert!(found["hidden"].as_u64() > Some(12) && said.contains("include_baseline"), "{said}");
    let (_, all) = changes(&client, json!({"include_baseline": true, "kind": "instance", "limit": 500})).await;
    assert_eq!(entries(&all).len(), 12);
    assert!(entries(&all).iter().all(|change| change["what"] == "appeared" && change["cause"]["by"] == "baseline"));

    let id = world.instance(&client, "running").await;
    drop(data(client.call("stop_instance", json!({"instance_id": id})).await.unwrap()));
    let (said, found) = changes(&client, json!({"id": id, "kind": "instance", "field": "state.name"})).await;
    let [stopping] = entries(&found) else { panic!("{said}") };
    assert_eq!((&stopping["what"], &stopping["cause"]["tool"]), (&json!("changed"), &json!("stop_instance")), "{said}");
    let state = json!({"path": "State.Name", "before": "running", "after": "stopping"});
    assert!(stopping["changes"].as_array().unwrap().contains(&state), "{stopping}");
    assert!(said.contains("State.Name: running -> stopping") && said.contains("tool stop_instance (act-"), "{said}");

    let (_, timeline) = changes(&client, json!({"uri": format!("ec2://instance/{id}"), "order": "oldest"})).await;
    let whats: Vec<&str> = entries(&timeline).iter().map(|change| change["what"].as_str().unwrap()).collect();
    assert_eq!(whats[..2], ["action_requested", "changed"], "{timeline}");
    let (said, calls) = changes(&client, json!({"cause": "tool"})).await;
    assert_eq!(entries(&calls)[0]["what"], "action_finished", "{said}");
    assert_eq!(entries(&calls)[0]["outcome"], "accepted by AWS");
    assert_eq!(entries(&calls)[0]["tool"], "stop_instance");
}

#[tokio::test]
async fn pages_in_both_directions_show_every_record_exactly_once() {
    let world = World::small().await;
    let client = world.client(true).await;
    for order in ["oldest", "newest"] {
        let (mut seen, mut cursor) = (Vec::new(), Value::Null);
        loop {
            let arguments = json!({"order": order, "include_baseline": true, "limit": 7, "cursor": cursor});
            let (_, found) = changes(&client, arguments).await;
            seen.extend(entries(&found).iter().map(|change| change["seq"].as_u64().unwrap()));
            if found["more"] == json!(false) {
                break;
            }
            cursor = found["next_cursor"].clone();
        }
        if order == "newest" {
            seen.reverse();
        }
        let newest = world.core.snapshot().unwrap().seq().0;
        assert_eq!(seen, (1..=newest).collect::<Vec<_>>(), "{order}");
    }
}

#[tokio::test]
async fn two_waiters_are_answered_by_one_commit_and_a_third_goes_on_waiting() {
    let world = World::small().await;
    let client = world.client(true).await;
    let id = world.instance(&client, "running").await;
    let wait = |filter: &str, value: &str| {
        let mut arguments = json!({"wait_seconds": 45});
        arguments[filter] = json!(value);
        changes(&client, arguments)
    };
    let act = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        drop(data(client.call("stop_instance", json!({"instance_id": id})).await.unwrap()));
    };
    let patient = async {
        let arguments = json!({"wait_seconds": 1, "kind": "vpc"});
        changes(&client, arguments).await
    };
    let ((_, one), (_, two), (said, three), ()) = tokio::join!(wait("kind", "instance"), wait("id", &id), patient, act);
    assert_eq!(entries(&one)[0]["id"], json!(id));
    assert_eq!(entries(&one)[0], entries(&two)[0]);
    assert_eq!((entries(&three).len(), &three["more"]), (0, &json!(false)), "{said}");
    // It moved over what did not match.
    let seq = world.core.snapshot().unwrap().seq().0;
    let (_, next) = changes(&client, json!({"cursor": three["next_cursor"], "kind": "vpc"})).await;
    assert_eq!((entries(&next).len(), next["seq"].as_u64()), (0, Some(seq)));
    let (_, since) = changes(&client, json!({"since": one["newest_cursor"], "order": "oldest"})).await;
    assert_eq!(entries(&since)[0]["seq"].as_u64(), entries(&one).last().unwrap()["seq"].as_u64().map(|seq| seq + 1));
}

#[tokio::test]
async fn a_wait_ends_with_the_server() {
    let world = World::small().await;
    let client = world.client(false).await;
    let stop = async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        world.stop.cancel();
    };
    let wait = client.call("list_changes", json!({"wait_seconds": 45}));
    let (answer, ()) = tokio::time::timeout(Duration::from_secs(20), async { tokio::join!(wait, stop) }).await.unwrap();
    drop(answer);
}

#[tokio::test]
async fn what_cannot_be_answered_says_what_can() {
    let world = World::small().await;
    let client = world.client(false).await;
    let earliest = world.core.snapshot().unwrap().earliest().unwrap().unwrap().to_string();
    let said = refused(&client, "list_changes", json!({"since": "-2h"})).await;
    assert!(said.contains("does not reach back") && said.contains(&earliest), "{said}");
    let (_, found) = changes(&client, json!({"since": earliest, "include_baseline": true})).await;
    assert_eq!(found["earliest"], json!(earliest));
    assert!(!entries(&found).is_empty(), "the earliest time is one that it reaches back to");
    let said = refused(&client, "list_changes", json!({"since": "2999-01-01T00:00:00Z"})).await;
    assert!(said.contains("in the future"), "{said}");
    let said = refused(&client, "list_changes", json!({"since": "yesterday"})).await;
    assert!(said.contains("RFC 3339") && said.contains("-15m"), "{said}");
    let said = refused(&client, "list_changes", json!({"id": "i-0000000000000dead"})).await;
    assert!(said.contains("there is no"), "{said}");
    let said = refused(&client, "list_changes", json!({"region": "mars-north-1"})).await;
    assert!(said.contains("watched are 123456789012/us-east-1"), "{said}");
    let said = refused(&client, "list_changes", json!({"cause": "sweeps"})).await;
    assert!(said.contains("did you mean `sweep`"), "{said}");
    let said = refused(&client, "list_changes", json!({"wait_seconds": 1, "order": "newest"})).await;
    assert!(said.contains("oldest when waiting"), "{said}");

    let page = changes(&client, json!({"include_baseline": true, "limit": 1})).await.1;
    let said = refused(&client, "list_changes", json!({"cursor": page["next_cursor"]})).await;
    assert!(said.contains("belongs to other arguments"), "{said}");
    let other = World::small().await;
    let client = other.client(false).await;
    for name in ["cursor", "since"] {
        let said = refused(&client, "list_changes", json!({name: page["newest_cursor"]})).await;
        assert!(said.contains("earlier log") && said.contains("since=20"), "{said}");
    }
}

#[tokio::test]
async fn counts_are_exact_and_grouped() {
    let world = World::swept(simulator::Options { instances: 200, ..fast() }, ListMode::Auto).await;
    let client = world.client(false).await;
    let count = async |arguments: Value| {
        let result = client.call("count_inventory", arguments).await.unwrap();
        let said = text(&result).to_owned();
        let found = data(result);
        conforms(&count_inventory::SPEC, &found);
        (said, found)
    };
    let (said, all) = count(json!({})).await;
    assert_eq!((&all["total"], &all["at_least"]), (&json!(200), &json!(false)), "{said}");
    let running = json!({"filters": {"instance-state-name": ["running"]}});
    let searched = data(client.call("search_inventory", running.clone()).await.unwrap());
    assert_eq!(count(running).await.1["total"], searched["total"]);
    for (kind, group) in
        [("instance", "state"), ("instance", "tag:Name"), ("instance", "tag:Nothing"), ("volume", "size")]
    {
        let (said, found) = count(json!({"kind": kind, "group_by": group})).await;
        let groups = found["groups"].as_array().unwrap();
        let shown: u64 = groups.iter().map(|group| group["count"].as_u64().unwrap()).sum();
        let other = found["other_count"].as_u64().unwrap_or(0);
        assert_eq!(
            shown + other + found["without_value"].as_u64().unwrap(),
            found["total"].as_u64().unwrap(),
            "{said}"
        );
        assert!(groups.windows(2).all(|pair| pair[0]["count"].as_u64() >= pair[1]["count"].as_u64()));
    }
    let said = refused(&client, "count_inventory", json!({"group_by": "colour"})).await;
    assert!(said.contains("instance-type"), "{said}");
    drop(INSTANCE);
}
