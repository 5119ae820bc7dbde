//! An answer of zero is a fact: where a question could never have matched, it is an error instead.

use serde_json::{Value, json};

use super::past::{answered, refused};
use crate::mcp::ListMode;
use crate::mcp::client::McpClient;
use crate::mcp::tests::{World, fast};
use crate::mcp::tools::{count_inventory, search_inventory};
use crate::simulator;

/// What both tools answer to filters that match nothing.
async fn nothing(client: &McpClient, kind: &str, filters: Value) -> String {
    let arguments = json!({"kind": kind, "filters": filters});
    let (said, found) = answered(client, &search_inventory::SPEC, arguments.clone()).await;
    assert_eq!(found["total"], 0, "{said}");
    let (counted, count) = answered(client, &count_inventory::SPEC, arguments).await;
    assert_eq!((&count["total"], &count["hints"]), (&json!(0), &found["hints"]), "{counted}");
    let hints = found["hints"].as_array().unwrap();
    assert!(hints.iter().all(|hint| said.contains(&format!("Hint: {}.", hint.as_str().unwrap()))), "{said}");
    said
}

#[tokio::test]
async fn a_filter_that_can_never_match_is_an_error_that_names_the_right_way() {
    let world = World::small().await;
    let client = world.client(false).await;
    for (kind, filter, value, words) in [
        ("instance", "instance-state-name", "runing", "did you mean `running`?"),
        ("instance", "instance-type", "t3.mcro", "did you mean `t3.micro`?"),
        ("instance", "launch-time", "2026-03-30", "did you mean `2026-03-30*`?"),
        ("instance", "private-ip-address", "10.0.0.0/24", "did you mean `10.0.0.*`?"),
        ("instance", "availability-zone", "us-east-1", "did you mean `us-east-1?`?"),
        ("instance", "vpc-id", "my-vpc", "its values are ids: vpc- and"),
        ("instance", "instance-id", "i-[1-8]*", "only the wildcards * and ?"),
        ("volume", "encrypted", "True", "did you mean `true`?"),
        ("volume", "size", "8GiB", "did you mean `8`?"),
        ("vpc", "cidr", "10.0.0.0", "did you mean `10.0.0.0/*`?"),
        ("snapshot", "progress", "100", "did you mean `100%`?"),
    ] {
        for tool in ["search_inventory", "count_inventory"] {
            let said = refused(&client, tool, json!({"kind": kind, "filters": {filter: [value]}})).await;
            assert!(said.contains("can never match") && said.contains(words), "{kind} {filter}={value}: {said}");
        }
    }
}

#[tokio::test]
async fn a_value_that_can_never_match_beside_one_that_can_is_named() {
    let world = World::small().await;
    let client = world.client(false).await;
    let filters = json!({"instance-state-name": ["running", "stoped"]});
    let (said, found) = answered(&client, &search_inventory::SPEC, json!({"filters": filters})).await;
    assert!(found["total"].as_u64() > Some(0), "{said}");
    assert!(
        said.contains("`stoped` can never match the filter instance-state-name (did you mean `stopped`?)"),
        "{said}"
    );
    assert_eq!(found["hints"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn where_nothing_matches_a_hint_says_what_there_is() {
    let world = World::swept(simulator::Options { instances: 60, ..fast() }, ListMode::Auto).await;
    let client = world.client(false).await;
    let said = nothing(&client, "instance", json!({"tag:Nmae": ["*"]})).await;
    assert!(said.contains("no EC2 instance has a tag `Nmae` (did you mean `Name`?)"), "{said}");
    let said = nothing(&client, "instance", json!({"tag:Name": ["web-[1-8]"]})).await;
    assert!(said.contains("brackets are ordinary characters"), "{said}");
    let said = nothing(&client, "instance", json!({"tag:Name": [""]})).await;
    assert!(said.contains("no value of tag:Name matches; those that exist are `"), "{said}");
    let said = nothing(&client, "security-group", json!({"group-name": ["defualt"]})).await;
    assert!(said.contains("the nearest that exists is `default`"), "{said}");
    let said =
        nothing(&client, "instance", json!({"instance-state-name": ["running"], "state-reason-code": ["Client*"]}))
            .await;
    assert!(said.contains("each filter matches something by itself"), "{said}");
    let said = nothing(&client, "instance", json!({"vpc-id": ["vpc-0123456789abcdef0"]})).await;
    assert!(said.contains("no value of vpc-id matches; "), "{said}");
}

#[tokio::test]
async fn a_launch_time_matches_in_the_form_of_aws_and_in_that_of_the_document() {
    let world = World::small().await;
    let client = world.client(false).await;
    let fields = json!({"fields": ["launch-time"], "limit": 1});
    let (_, one) = answered(&client, &search_inventory::SPEC, fields).await;
    let (id, time) = (one["rows"][0]["id"].clone(), one["rows"][0]["launch-time"].as_str().unwrap().to_owned());
    let filter = crate::model::written::as_filter(&time).unwrap();
    for value in [time, filter.clone(), format!("{}*", &filter[..10]), format!("{}Z", &filter[..19])] {
        let filters = json!({"launch-time": [value], "instance-id": [id]});
        let (said, found) = answered(&client, &search_inventory::SPEC, json!({"filters": filters})).await;
        assert_eq!(found["total"], 1, "{value}: {said}");
    }
}
