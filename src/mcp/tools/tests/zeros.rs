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

#[tokio::test]
async fn a_misspelt_tag_is_named_also_where_everything_lacks_it() {
    let world = World::small().await;
    let client = world.client(false).await;
    let expected = "no EC2 instance has a tag `nmae` (did you mean `Name`?)";
    let absent = json!({"filters": {"tag:nmae": ["@absent"]}});
    for (spec, arguments) in [
        (&search_inventory::SPEC, absent.clone()),
        (&count_inventory::SPEC, absent),
        (&search_inventory::SPEC, json!({"fields": ["tag:nmae"]})),
        (&search_inventory::SPEC, json!({"sort": "tag:nmae"})),
        (&count_inventory::SPEC, json!({"group_by": ["tag:nmae"]})),
        (&count_inventory::SPEC, json!({"kind": "instance-status", "group_by": ["tag:nmae"]})),
    ] {
        let (said, found) = answered(&client, spec, arguments).await;
        assert!(found["total"].as_u64() > Some(0), "{said}");
        assert_eq!(found["hints"], json!([expected]), "{said}");
        assert!(said.contains(expected), "{said}");
    }
    let (said, found) = answered(&client, &count_inventory::SPEC, json!({"group_by": ["tag:Name"]})).await;
    assert_eq!(found.get("hints"), None, "{said}");
}

#[tokio::test]
async fn other_words_for_no_value_and_lists_in_one_text_are_told_the_right_way() {
    let world = World::small().await;
    let client = world.client(false).await;
    for word in ["absent", "missing", "@missing", "None", ""] {
        let said = nothing(&client, "instance", json!({"tag:Name": [word]})).await;
        assert!(said.contains("; @absent finds what has no value."), "{said}");
        let said = refused(&client, "search_inventory", json!({"filters": {"vpc-id": [word]}})).await;
        assert!(said.contains("@absent finds what has no value"), "{said}");
    }
    let list = json!({"filters": {"instance-state-name": "running,stopped"}});
    let said = refused(&client, "search_inventory", list).await;
    assert!(said.contains(r#"give several values as a list: ["running","stopped"]"#), "{said}");
}

#[tokio::test]
async fn names_that_people_see_are_understood_everywhere_and_tags_are_suggested() {
    let world = World::small().await;
    let client = world.client(false).await;
    let total = async |kind: &str, filters: Value| {
        let arguments = json!({"kind": kind, "filters": filters});
        answered(&client, &count_inventory::SPEC, arguments).await.1["total"].clone()
    };
    for (kind, names) in [
        ("Instances", ["instance-state-name", "state", "State", "instance_state_name", "STATE"]),
        ("EC2", ["instance-type", "type", "InstanceType", "instance_type", "Type"]),
        ("ebs", ["size", "size_gib", "Size", "SIZE", "Size_GiB"]),
    ] {
        let mut totals = Vec::new();
        for name in names {
            totals.push(total(kind, json!({name: ["@present"]})).await);
        }
        assert!(totals[0].as_u64() > Some(0) && totals.iter().all(|total| *total == totals[0]), "{kind}: {totals:?}");
    }
    for name in ["name", "Name"] {
        let (said, found) =
            answered(&client, &search_inventory::SPEC, json!({"filters": {name: "*"}, "fields": ["InstanceType"]}))
                .await;
        assert!(found["total"].as_u64() > Some(0) && found["rows"][0]["InstanceType"].is_string(), "{said}");
        assert_eq!(found["readings"], json!([format!("filter `{name}` is read as `tag:Name`")]), "{said}");
    }
    let sum = json!({"kind": "volumes", "sum": "Size", "group_by": ["Availability_Zone"]});
    let (said, found) = answered(&client, &count_inventory::SPEC, sum).await;
    assert!(found["sum"].as_u64() > Some(0) && found["groups"][0]["value"].is_string(), "{said}");
    for (tool, arguments) in [
        ("search_inventory", json!({"filters": {"env": ["prod"]}})),
        ("search_inventory", json!({"fields": ["Env"]})),
        ("search_inventory", json!({"sort": "-env"})),
        ("count_inventory", json!({"group_by": ["env"]})),
        ("report_stopped_instances", json!({"filters": {"env": ["prod"]}})),
    ] {
        let said = refused(&client, tool, arguments).await;
        assert!(said.contains("(did you mean `tag:env`?)"), "{tool}: {said}");
    }
}
