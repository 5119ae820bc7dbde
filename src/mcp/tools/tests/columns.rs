//! Columns beside AWS's filters: places, names and tags; orders, groups and sums of them.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::past::{answered, refused};
use crate::mcp::ListMode;
use crate::mcp::client::McpClient;
use crate::mcp::tests::{World, fast};
use crate::mcp::tools::{count_inventory, search_inventory};
use crate::model::fixtures::scope;
use crate::model::{KnownAccount, KnownAccounts};
use crate::simulator;

async fn search(client: &McpClient, arguments: Value) -> (String, Value) {
    answered(client, &search_inventory::SPEC, arguments).await
}

async fn count(client: &McpClient, arguments: Value) -> (String, Value) {
    answered(client, &count_inventory::SPEC, arguments).await
}

/// All rows of a search, page by page.
async fn rows(client: &McpClient, mut arguments: Value) -> Vec<Value> {
    let mut rows = Vec::new();
    loop {
        let (_, page) = search(client, arguments.clone()).await;
        rows.extend(page["rows"].as_array().unwrap().clone());
        match page.get("next_cursor") {
            Some(next) => arguments["cursor"] = next.clone(),
            None => return rows,
        }
    }
}

fn number(text: &Value) -> u64 {
    text.as_str().unwrap().parse().unwrap()
}

#[tokio::test]
async fn places_are_filters_groups_and_columns_and_one_that_is_not_watched_is_an_error() {
    let world = World::small().await;
    let client = world.client(false).await;
    let filters = json!({"region": ["us-*"], "account": ["123456789012"]});
    let (said, found) = search(&client, json!({"filters": filters, "fields": ["region", "name"], "limit": 1})).await;
    assert_eq!(found["total"], 12, "{said}");
    assert_eq!(found["rows"][0]["region"], "us-east-1");
    assert!(found["rows"][0].get("uri").is_none() && said.contains("id | region | name\n"), "{said}");
    let (said, counted) = count(&client, json!({"filters": filters, "group_by": "region, account"})).await;
    let group = json!({"values": {"region": "us-east-1", "account": "123456789012"}, "count": 12});
    assert_eq!(counted["groups"], json!([group]), "{said}");
    for (filters, words) in [
        (
            json!({"region": ["eu-west-1"]}),
            "Region eu-west-1 is not watched; this server watches 123456789012/us-east-1",
        ),
        (json!({"account": ["1*", "us"], "region": "mars-*"}), "Region mars-* is not watched"),
    ] {
        for tool in ["search_inventory", "count_inventory"] {
            let said = refused(&client, tool, json!({"filters": filters})).await;
            assert!(said.contains(words), "{said}");
        }
    }
    let (said, found) = search(&client, json!({"filters": {"region": ["us-east-1", "eu-west-1"]}})).await;
    assert!(found["total"] == 12 && said.contains("Region eu-west-1 is not watched"), "{said}");
}

#[tokio::test]
async fn rows_are_sorted_by_any_column_over_all_pages() {
    let world = World::swept(simulator::Options { instances: 60, ..fast() }, ListMode::Auto).await;
    let client = world.client(false).await;
    let all = rows(&client, json!({"kind": "volume", "fields": ["size"], "limit": 500})).await;
    let sorted = rows(&client, json!({"kind": "volume", "fields": ["size"], "sort": "-size", "limit": 7})).await;
    let mut expected = all.clone();
    expected.sort_by_key(|row| (std::cmp::Reverse(number(&row["size"])), row["id"].as_str().unwrap().to_owned()));
    assert_eq!(sorted, expected);
    let filters = json!({"size": ">8"});
    let some = rows(&client, json!({"kind": "volume", "filters": filters, "sort": "size", "fields": ["size"]})).await;
    let mut expected: Vec<Value> = all.into_iter().filter(|row| number(&row["size"]) > 8).collect();
    expected.sort_by_key(|row| (number(&row["size"]), row["id"].as_str().unwrap().to_owned()));
    assert_eq!(some, expected);
    let (_, first) = search(&client, json!({"sort": "-launch-time", "limit": 2})).await;
    let other = json!({"sort": "launch-time", "limit": 2, "cursor": first["next_cursor"]});
    assert!(refused(&client, "search_inventory", other).await.contains("belongs to other arguments"));
    assert!(refused(&client, "search_inventory", json!({"sort": "-colour"})).await.contains("no filter `colour`"));
}

#[tokio::test]
async fn numbers_are_added_up_in_groups_and_the_smaller_groups_together() {
    let world = World::swept(simulator::Options { instances: 60, ..fast() }, ListMode::Auto).await;
    let client = world.client(false).await;
    let all = rows(&client, json!({"kind": "volume", "fields": ["size", "type", "state"], "limit": 500})).await;
    let mut sums: BTreeMap<(String, String), (u64, u64)> = BTreeMap::new();
    for row in &all {
        let key = (row["type"].as_str().unwrap().to_owned(), row["state"].as_str().unwrap().to_owned());
        let entry = sums.entry(key).or_default();
        *entry = (entry.0 + 1, entry.1 + number(&row["size"]));
    }
    let (said, counted) =
        count(&client, json!({"kind": "volume", "group_by": ["type", "state"], "sum": "size_gib"})).await;
    let groups = counted["groups"].as_array().unwrap();
    assert_eq!(groups.len(), sums.len(), "{said}");
    for group in groups {
        let values = &group["values"];
        let of = |name: &str| values[name].as_str().unwrap().to_owned();
        assert_eq!(
            (group["count"].as_u64().unwrap(), group["sum"].as_u64().unwrap()),
            sums[&(of("type"), of("state"))]
        );
        assert!(said.contains(&format!("\n{} | {} | {} | {}", of("type"), of("state"), group["count"], group["sum"])));
    }
    assert!(groups.windows(2).all(|pair| pair[0]["sum"].as_u64() >= pair[1]["sum"].as_u64()), "{said}");
    assert_eq!(counted["sum"], sums.values().map(|(_, sum)| sum).sum::<u64>());
    let (said, top) = count(&client, json!({"kind": "volume", "group_by": "volume-id", "top": 2})).await;
    assert_eq!((top["groups"].as_array().unwrap().len(), &top["other_groups"]), (2, &json!(all.len() - 2)), "{said}");
    assert_eq!(top["other_count"], all.len() - 2);
    for (arguments, words) in [
        (json!({"kind": "volume", "sum": "volume-type"}), "argument `sum` must be one of size"),
        (json!({"kind": "instance", "sum": "size"}), "instance has no number column"),
        (json!({"group_by": ["state", "type", "region", "account"]}), "at most 3 names"),
    ] {
        let said = refused(&client, "count_inventory", arguments).await;
        assert!(said.contains(words), "{said}");
    }
}

#[tokio::test]
async fn resources_are_counted_by_the_unit_of_their_account() {
    let world = World::small().await;
    let client = world.client(false).await;
    let (said, counted) = count(&client, json!({"group_by": "ou"})).await;
    assert_eq!(counted["without_value"], counted["total"], "{said}");
    assert!(said.contains("no organizational unit of these accounts is known"), "{said}");
    let facts = KnownAccount { name: Some("prod".into()), ou: Some("/Workloads/Production".into()), retired: None };
    world.core.aws.call_accounts(KnownAccounts::new([(scope().account, facts)]));
    let (said, counted) = count(&client, json!({"group_by": ["OU", "region"]})).await;
    let groups = counted["groups"].as_array().unwrap();
    assert_eq!(groups.len(), 1, "{said}");
    assert_eq!(groups[0]["values"], json!({"OU": "/Workloads/Production", "region": scope().region}));
    assert_eq!(groups[0]["count"], counted["total"]);
    assert!(!said.contains("no organizational unit"), "{said}");
    // Spellings of one column are one, and the unit is not the account that it is found by.
    let (said, counted) = count(&client, json!({"group_by": ["ou", "OU", " ou", "account", "Account"]})).await;
    assert_eq!(counted["group_by"], json!(["ou", "account"]), "{said}");
    let values = json!({"ou": "/Workloads/Production", "account": scope().account});
    assert_eq!(counted["groups"][0]["values"], values, "{said}");
    let (said, counted) = count(&client, json!({"group_by": ["state", "State", "instance-state-name"]})).await;
    assert_eq!(counted["group_by"], json!(["state"]), "{said}");
}

#[tokio::test]
async fn ids_that_were_not_found_are_named_and_a_page_that_is_cut_says_why() {
    let world = World::swept(simulator::Options { instances: 600, ..fast() }, ListMode::Auto).await;
    let client = world.client(false).await;
    let running = world.instance(&client, "running").await;
    let filters = json!({"instance-id": [running, "i-0000000000000dead"], "instance-state-name": ["stopped"]});
    let (said, found) = search(&client, json!({"filters": filters})).await;
    assert_eq!((&found["ids_unknown"], &found["ids_excluded"]), (&json!(["i-0000000000000dead"]), &json!([running])));
    assert!(said.contains("\nNot known: i-0000000000000dead\n"), "{said}");
    let (said, found) = search(&client, json!({"limit": 500})).await;
    assert!(
        said.contains("Cut: only ")
            && found["cut"].as_str().unwrap().ends_with("of the 500 rows asked for fit into one answer")
    );
    let (_, found) = search(&client, json!({"limit": 5})).await;
    assert!(found.get("cut").is_none() && found.get("ids_unknown").is_none(), "{found}");
}

#[tokio::test]
async fn a_status_has_the_name_and_the_tags_of_its_instance() {
    let world = World::swept(simulator::Options { instances: 60, ..fast() }, ListMode::Auto).await;
    let client = world.client(false).await;
    let named = rows(&client, json!({"fields": ["name"], "limit": 500})).await;
    let statuses = rows(&client, json!({"kind": "instance-status", "fields": ["name"], "limit": 500})).await;
    assert_eq!(named, statuses);
    let name = named.iter().find_map(|row| row["name"].as_str()).unwrap();
    let expected: Vec<&Value> = named.iter().filter(|row| row["name"] == name).map(|row| &row["id"]).collect();
    let filters = json!({"tag:Name": [name]});
    let found = rows(&client, json!({"kind": "instance-status", "filters": filters, "fields": ["tag:Name"]})).await;
    assert_eq!(found.iter().map(|row| &row["id"]).collect::<Vec<_>>(), expected);
    assert!(found.iter().all(|row| row["tag:Name"] == name));
    let by_name = |kind| json!({"kind": kind, "group_by": "tag:Name", "top": 5});
    let (_, of_statuses) = count(&client, by_name("instance-status")).await;
    let (_, of_instances) = count(&client, by_name("instance")).await;
    assert_eq!(of_statuses["groups"], of_instances["groups"]);
    let sorted = json!({"kind": "instance-status", "sort": "-name", "fields": ["name"], "limit": 500});
    assert_eq!(
        rows(&client, sorted).await,
        rows(&client, json!({"sort": "-name", "fields": ["name"], "limit": 500})).await
    );
    let (said, _) =
        search(&client, json!({"kind": "instance-status", "filters": {"tag:Name": ["nobody"], "region": "us-east-1"}}))
            .await;
    assert!(said.contains("no value of tag:Name matches"), "{said}");
}

#[tokio::test]
async fn bounds_that_nothing_keeps_are_answered_with_what_there_is() {
    let world = World::small().await;
    let client = world.client(false).await;
    let (said, _) = search(&client, json!({"kind": "volume", "filters": {"size": ">=100000"}})).await;
    assert!(said.contains("no value of size matches; those that exist are from `"), "{said}");
    let (said, _) = search(&client, json!({"filters": {"launch-time": "<2001-01-01"}})).await;
    assert!(said.contains("no value of launch-time matches; those that exist are from `20"), "{said}");
}

#[tokio::test]
async fn when_and_why_an_instance_changed_its_state_are_columns() {
    let world = World::swept(simulator::Options { instances: 200, ..fast() }, ListMode::Auto).await;
    let client = world.client(false).await;
    let fields = json!(["state", "reason", "state-transition-time"]);
    let filters = json!({"state-transition-time": "@present"});
    let sorted = json!({"filters": filters, "fields": fields, "sort": "-state-transition-time", "limit": 500});
    let found = rows(&client, sorted).await;
    assert!(!found.is_empty());
    let times: Vec<&str> = found.iter().map(|row| row["state-transition-time"].as_str().unwrap()).collect();
    assert!(times.is_sorted_by(|a, b| a >= b), "{times:?}");
    for row in &found {
        let reason = row["reason"].as_str().unwrap();
        let time = row["state-transition-time"].as_str().unwrap();
        assert!(reason.contains(&format!("({} GMT)", time[..19].replace('T', " "))), "{row}");
    }
    let (_, old) = search(&client, json!({"filters": {"state-transition-time": [format!("<={}", times[0])]}})).await;
    assert_eq!(old["total"], found.len());
    let (_, by_reason) = count(&client, json!({"filters": {"reason": "User initiated*"}})).await;
    assert_eq!(by_reason["total"], found.len());
}
