//! What stopped instances cost, what uses a resource, and what the internet reaches.

use serde_json::{Value, json};

use super::past::{answered, refused};
use crate::freshness::Signal;
use crate::kinds::{self, NETWORK_INTERFACE};
use crate::mcp::ListMode;
use crate::mcp::tests::{World, fast};
use crate::mcp::tools::{
    count_inventory, find_relations, get_resource, query_inventory, report_stopped_instances, search_inventory,
};
use crate::model::fixtures::scope;
use crate::model::{Trouble, TroubleClass};
use crate::simulator;

async fn fleet() -> World {
    World::swept(simulator::Options { instances: 60, ..fast() }, ListMode::Auto).await
}

#[tokio::test]
async fn the_report_of_stopped_instances_is_bounded_and_its_totals_are_over_all() {
    let world = fleet().await;
    let client = world.client(false).await;
    let (said, all) = answered(&client, &report_stopped_instances::SPEC, json!({"limit": 500})).await;
    let total = all["total"].as_u64().unwrap();
    assert_eq!(all["rows"].as_array().unwrap().len() as u64, total, "{said}");
    let (said, one) = answered(&client, &report_stopped_instances::SPEC, json!({"limit": 1})).await;
    assert_eq!(one["rows"].as_array().unwrap().len(), 1, "{said}");
    assert_eq!((&one["total"], &one["month"]), (&all["total"], &all["month"]));
    assert_eq!(one["rows"][0], all["rows"][0], "the dearest comes first");
    let cut = one["cut"].as_str().unwrap();
    assert!(cut.contains("a higher `limit`") && said.contains(&format!("Cut: {cut}.")), "{said}");
    assert_eq!(all.get("cut"), None, "nothing is left out");
    for name in ["stopped_since", "since_is", "stopped", "volumes", "snapshots_at_most"] {
        assert!(one["rows"][0].get(name).is_some(), "{name}: {one}");
    }
    let by_since = json!({"sort": "since", "filters": {"instance-type": ["*"]}, "older_than": "0s"});
    let (said, old) = answered(&client, &report_stopped_instances::SPEC, by_since).await;
    let since: Vec<&str> =
        old["rows"].as_array().unwrap().iter().map(|row| row["stopped_since"].as_str().unwrap()).collect();
    assert!(since.is_sorted() && since.len() as u64 == total, "{said}");
    let none = json!({"filters": {"tag:nobody": ["has"]}});
    let (said, none) = answered(&client, &report_stopped_instances::SPEC, none).await;
    assert!(none["total"] == 0 && said.contains("Hint: no EC2 instance has a tag `nobody`"), "{said}");
}

#[tokio::test]
async fn what_uses_a_resource_is_unknown_while_a_kind_that_may_is_not_swept() {
    let world = World::unswept(simulator::Options { instances: 12, ..fast() }, ListMode::Auto).await;
    for slug in ["security-group", "instance", "vpc"] {
        world.sweep_kind(kinds::by_slug(slug).unwrap(), usize::MAX).await;
    }
    let client = world.client(false).await;
    let groups = json!({"kind": "security-group", "limit": 500});
    let (_, groups) = answered(&client, &search_inventory::SPEC, groups).await;
    let mut unknown = 0;
    for group in groups["rows"].as_array().unwrap() {
        let asked = json!({"uri": group["uri"]});
        let (said, found) = answered(&client, &find_relations::SPEC, asked).await;
        assert_eq!(found["kinds_unsure"][0], "network-interface: not watched by this server now", "{said}");
        let used = !found["used_by"].as_array().unwrap().is_empty();
        assert_eq!(found["in_use"], if used { "yes" } else { "unknown" }, "{said}");
        assert!(found["kinds_not_held"].as_array().unwrap().contains(&json!("launch templates")), "{said}");
        unknown += usize::from(!used);
    }
    assert!(unknown > 0, "some group is not used");
    let said = refused(&client, "find_relations", json!({"kind": "volume", "id": "vol-0123456789abcdef0"})).await;
    assert!(said.contains("vol-0123456789abcdef0"), "{said}");
}

#[tokio::test]
async fn nothing_is_called_unused_while_what_may_use_it_is_stale_or_not_held() {
    let world = fleet().await;
    let client = world.client(false).await;
    let mut unused = Vec::new();
    for kind in kinds::KINDS.iter().filter(|kind| kind.status_of.is_none()) {
        let all = json!({"kind": kind.slug, "limit": 50});
        let all = answered(&client, &search_inventory::SPEC, all).await.1;
        for row in all["rows"].as_array().unwrap() {
            let (said, found) = answered(&client, &find_relations::SPEC, json!({"uri": row["uri"]})).await;
            let lists =
                ["kinds_searched", "kinds_unsure", "kinds_not_held"].map(|name| found[name].as_array().unwrap());
            if found["in_use"] == "no_use_found" {
                assert!(lists[1].is_empty() && lists[2].is_empty(), "{said}");
                assert!(said.contains("no use was found, and every kind that may use it was searched"), "{said}");
                unused.push(row["uri"].clone());
            } else if found["in_use"] == "unknown" {
                assert!(!lists[2].is_empty() && said.contains("May use it and is not in this inventory"), "{said}");
            }
        }
    }
    assert!(!unused.is_empty(), "something is not used");
    // From now on every sweep is later than it should be.
    for kind in kinds::KINDS {
        let interval = std::time::Duration::from_millis(1);
        let late = Signal::Expected { scope: scope(), kind: kind.kind(), interval };
        world.core.ingest.signal(late);
    }
    while kinds::KINDS.iter().any(|kind| world.core.stale(&scope(), kind).is_none()) {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    for uri in unused {
        let (said, found) = answered(&client, &find_relations::SPEC, json!({"uri": uri})).await;
        assert_eq!(found["in_use"], "unknown", "{said}");
        let unsure = found["kinds_unsure"].as_array().unwrap();
        assert!(unsure.iter().all(|why| why.as_str().unwrap().contains("later than expected")), "{said}");
    }
    let trouble = Trouble {
        class: TroubleClass::Offline,
        what: "nobody looks".to_owned(),
        fix: "Look".to_owned(),
        since: world.core.now(),
        retry_at: None,
    };
    world.core.ingest.signal(Signal::Aws(Some(trouble)));
    while world.core.ingest.freshness().trouble().is_none() {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    // What is stale is no price that is not known, and is said once for all it concerns.
    let (said, report) = answered(&client, &report_stopped_instances::SPEC, json!({"limit": 500})).await;
    assert_eq!(report["month"]["unpriced"]["snapshots"], 0, "{said}");
    let doubts = report["doubts"].as_array().unwrap();
    assert_eq!(doubts.len(), 1, "{said}");
    assert!(doubts[0].as_str().unwrap().starts_with("volumes, snapshots, "), "{said}");
    let said = refused(&client, "find_relations", json!({"id": "pl-0123456789abcdef0"})).await;
    assert!(said.contains("is the id of a prefix list, a kind of resource that Muster does not hold"), "{said}");
}

#[tokio::test]
async fn what_the_internet_reaches_is_told_only_where_everything_on_the_way_is_held() {
    let world = fleet().await;
    let client = world.client(false).await;
    let asked = json!({"filters": {"exposed": ["443"]}, "limit": 500});
    let (said, found) = answered(&client, &search_inventory::SPEC, asked.clone()).await;
    assert!(found["total"].as_u64().unwrap() > 0 && found["at_least"] == false, "{said}");
    let count = json!({"filters": {"exposed": ["443"]}, "group_by": "vpc-id"});
    let (_, counted) = answered(&client, &count_inventory::SPEC, count).await;
    assert_eq!(counted["total"], found["total"]);
    let sql = "SELECT count(DISTINCT instance_id) AS n FROM exposure WHERE 443 BETWEEN from_port AND to_port AND protocol = 'tcp' \
               AND unknown IS NULL";
    let (said, table) = answered(&client, &query_inventory::SPEC, json!({ "sql": sql })).await;
    assert_eq!(table["rows"][0]["n"], found["total"], "{said}");
    let id = &found["rows"][0]["id"];
    let (said, one) = answered(&client, &get_resource::SPEC, json!({"id": id, "full": true})).await;
    assert!(said.contains("Open to the internet: tcp 443 from 0.0.0.0/0"), "{said}");
    let path = one["exposure"]["open"][0]["path"].as_array().unwrap();
    assert_eq!(path.len(), 4, "route, Block Public Access, network ACL, security groups: {path:?}");
    let (_, paths) = answered(&client, &get_resource::SPEC, json!({"id": id, "paths": ["State"]})).await;
    assert_eq!(paths.get("exposure"), None);

    // Whatever stands on the way and is not known makes the answer unknown.
    let world = World::unswept(simulator::Options { instances: 60, ..fast() }, ListMode::Auto).await;
    for kind in kinds::KINDS.iter().filter(|kind| kind.slug != "network-acl" && kind.slug != NETWORK_INTERFACE.slug) {
        world.sweep_kind(kind, usize::MAX).await;
    }
    let client = world.client(false).await;
    let said = refused(&client, "search_inventory", asked.clone()).await;
    assert!(said.contains("it cannot be told which instances the internet can reach: network interfaces in"), "{said}");
    world.sweep_kind(NETWORK_INTERFACE, usize::MAX).await;
    let found = loop {
        // Steps are handed over, not waited for.
        let result = client.call("search_inventory", asked.clone()).await.unwrap();
        if result.is_error != Some(true) {
            break crate::mcp::tests::data(result);
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    };
    assert_eq!((&found["total"], &found["at_least"]), (&json!(0), &json!(true)), "{found}");
    let readings: Vec<&str> = found["readings"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    assert!(readings[0].contains("of which it is not known") && readings[0].contains("network ACLs: "), "{readings:?}");
    let sql = "SELECT DISTINCT unknown FROM exposure WHERE unknown LIKE 'network ACLs: %'";
    let (said, table) = answered(&client, &query_inventory::SPEC, json!({ "sql": sql })).await;
    assert!(table["total"] == 1 && said.contains("it is not known whether the internet can reach them"), "{said}");
    let (said, one) = answered(&client, &get_resource::SPEC, json!({"id": id})).await;
    assert_eq!(one["exposure"]["open"], json!([]), "{said}");
    assert!(one["exposure"]["unknown"][0].as_str().unwrap().contains("network ACLs: "), "{said}");
}
