//! What AWS refuses, and what it never gets.

use super::*;
use crate::mcp::client::McpClient;

/// Two instances that run.
async fn two(client: &McpClient) -> Vec<Value> {
    let found = json!({"filters": {"instance-state-name": ["running"]}, "limit": 2});
    let found = data(client.call("search_inventory", found).await.unwrap());
    found["rows"].as_array().unwrap().iter().map(|row| row["id"].clone()).collect()
}

#[tokio::test]
async fn only_a_refusal_that_may_be_about_one_of_several_instances_is_followed_by_a_call_for_each() {
    let world = World::small().await;
    let client = world.client(true).await;
    let ids = two(&client).await;
    for (status, code, calls) in [
        (400, "IncorrectInstanceState", 3),
        (403, "UnauthorizedOperation", 3),
        (401, "AuthFailure", 1),
        (400, "ExpiredToken", 1),
        (503, "RequestLimitExceeded", 1),
    ] {
        world.simulator.world().fail("StopInstances", status, code, "No.");
        world.simulator.world().forget_requests();
        let result = client.agree("stop_instance", json!({"instance_ids": ids})).await.unwrap();
        let told = result.structured_content.as_ref().unwrap();
        let verdicts: Vec<&Value> = told["results"].as_array().unwrap().iter().map(|row| &row["verdict"]).collect();
        assert_eq!(verdicts, ["refused", "refused"], "{code}: {told}");
        assert_eq!(told["actions"].as_array().unwrap().len(), calls, "{code}: {told}");
        assert_eq!(world.simulator.world().requests("StopInstances"), u64::try_from(calls).unwrap(), "{code}");
    }
}

#[tokio::test]
async fn a_start_for_which_aws_has_no_capacity_did_not_happen() {
    let world = World::small().await;
    let client = world.client(true).await;
    let id = world.instance(&client, "stopped").await;
    world.simulator.world().faults().patch(&json!({"no_capacity": ["StartInstances"]})).unwrap();
    let result = client.agree("start_instance", json!({"instance_id": id})).await.unwrap();
    let told = result.structured_content.unwrap();
    assert_eq!(told["results"][0]["verdict"], "refused", "{told}");
    let why = told["results"][0]["message"].as_str().unwrap();
    assert!(why.contains("InsufficientInstanceCapacity") && why.contains("nothing happened"), "{why}");
    assert!(!why.contains("may have happened"), "{why}");
    let records = world.core.snapshot().unwrap().records(Seq(1), usize::MAX).unwrap();
    let outcome = records.iter().rev().find_map(|record| match &record.event {
        Event::ActionFinished { outcome, .. } => Some(outcome),
        _ => None,
    });
    let Some(ActionOutcome::Refused { code, .. }) = outcome else { panic!("{outcome:?}") };
    assert_eq!(code, "InsufficientInstanceCapacity");
}

#[tokio::test]
async fn an_instance_without_a_volume_to_snapshot_is_not_called_refused_by_aws() {
    let world = World::swept(simulator::Options { instances: 60, ..fast() }, ListMode::Auto).await;
    let client = world.client(true).await;
    let sql = "SELECT instance_id FROM instance_volume GROUP BY 1 HAVING count(*) = 1 ORDER BY 1 LIMIT 1";
    let found = data(client.call("query_inventory", json!({"sql": sql})).await.unwrap());
    let id = found["rows"][0]["instance_id"].as_str().unwrap_or_else(|| panic!("{found}")).to_owned();
    for dry_run in [true, false] {
        let arguments = json!({"instance_id": id, "exclude_boot_volume": true, "dry_run": dry_run});
        let result = client.call("create_snapshot", arguments).await.unwrap();
        let told = result.structured_content.unwrap();
        assert_eq!(told["results"][0]["verdict"], "not_sent", "{told}");
        let is_planned = told["plan"]["instances"].as_array().is_some_and(|planned| !planned.is_empty());
        assert!(!is_planned && told.get("confirmation").is_none(), "there is nothing to agree to: {told}");
    }
    assert_eq!(world.simulator.world().requests("CreateSnapshots"), 0);
}
