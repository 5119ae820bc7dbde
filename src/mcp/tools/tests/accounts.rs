//! Credentials that change under a running server, and endpoints that ignore what they are asked, by the simulator.

use super::*;
use crate::aws::StopManner;
use crate::aws::scripted::{Rotating, signed};
use crate::model::fixtures::scope;

const OURS: &str = "123456789012";
const THEIRS: &str = "210987654321";

/// Every tool that changes AWS, with the action it calls and the state of instances in which it calls it.
const WRITES: [(&str, &str, &str); 4] = [
    ("start_instance", "StartInstances", "stopped"),
    ("stop_instance", "StopInstances", "running"),
    ("reboot_instance", "RebootInstances", "running"),
    ("create_snapshot", "CreateSnapshots", "running"),
];

#[tokio::test]
async fn with_another_accounts_credentials_no_tool_calls_and_each_says_the_sweeps_reason() {
    let credentials = Rotating::new(&[OURS]);
    let options = simulator::Options { instances: 12, ..fast() };
    let world = World::connected(options, |endpoint| signed(endpoint, credentials.clone())).await;
    world.sweep().await;
    let client = world.client(true).await;
    let mut ids = Vec::new();
    for (.., state) in WRITES {
        ids.push(world.instance(&client, state).await);
    }
    credentials.rotate(THEIRS);
    let reason = world.core.aws.confirm(&scope()).await.unwrap_err().message.clone();
    for ((tool, action, _), id) in WRITES.iter().zip(&ids) {
        // Of one that the inventory holds, and of one that it does not.
        for id in [id, "i-00000000000000bad"] {
            for dry_run in [false, true] {
                let result = client.agree(tool, json!({"instance_id": id, "dry_run": dry_run})).await.unwrap();
                assert_eq!(result.is_error, Some(true), "{tool}: {}", text(&result));
                assert!(text(&result).contains(&reason), "{tool}: {reason:?} is not in {}", text(&result));
                let told = result.structured_content.unwrap();
                assert_eq!(told["results"][0]["verdict"], "other_account", "{tool}: {told}");
            }
        }
        assert_eq!(world.simulator.world().requests(action), 0, "{tool}");
    }
    credentials.rotate(OURS);
    let result = client.agree("stop_instance", json!({"instance_id": ids[1]})).await.unwrap();
    assert_eq!(data(result)["results"][0]["verdict"], "done");
}

#[tokio::test]
async fn credentials_that_change_between_look_and_call_do_not_change_for_the_call() {
    let credentials = Rotating::new(&[OURS]);
    let options = simulator::Options { instances: 12, ..fast() };
    let world = World::connected(options, |endpoint| signed(endpoint, credentials.clone())).await;
    world.sweep_kind(INSTANCE, usize::MAX).await;
    let running = world.instance(&world.client(true).await, "running").await;
    let named = crate::aws::scripted::named(&[&running]);
    let chosen = named.choose(&scope(), |_| true);
    let aws = world.core.aws.pinned().await;
    aws.look(&chosen).await.unwrap();
    credentials.rotate(THEIRS);
    aws.stop_instances(&chosen, StopManner::Orderly, false).await.unwrap();
    let stopped = world.simulator.world().ledger().into_iter().filter(|calls| calls.action == "StopInstances");
    assert_eq!(stopped.map(|calls| calls.account).collect::<Vec<_>>(), [OURS]);
}

#[tokio::test]
async fn an_endpoint_that_ignores_ids_cannot_make_one_stop_three() {
    let world = World::small().await;
    let client = world.client(true).await;
    let running = world.instance(&client, "running").await;
    world.simulator.world().faults().patch(&json!({"ignored": {"ids": ["DescribeInstances"]}})).unwrap();
    for dry_run in [true, false] {
        let result = client.agree("stop_instance", json!({"instance_id": running, "dry_run": dry_run})).await.unwrap();
        assert_eq!(result.is_error, Some(true), "{}", text(&result));
        assert!(text(&result).contains("0 of 1") && text(&result).contains("nobody named"), "{}", text(&result));
    }
    assert_eq!(world.simulator.world().requests("StopInstances"), 0);
}

#[tokio::test]
async fn a_dry_run_that_acted_is_read_at_its_seq() {
    let world = World::small().await;
    let client = world.client(true).await;
    let ignored = json!({"ignored": {"dry_run": ["StartInstances", "StopInstances", "CreateSnapshots"]}});
    world.simulator.world().faults().patch(&ignored).unwrap();
    let running = world.instance(&client, "running").await;
    let result = client.agree("create_snapshot", json!({"instance_id": running, "dry_run": true})).await.unwrap();
    let told = result.structured_content.as_ref().unwrap();
    conforms(&create_snapshot::SPEC, told);
    assert_eq!(told["results"][0]["verdict"], "acted", "{}", text(&result));
    let snapshot = told["results"][0]["snapshots"][0]["snapshot_id"].as_str().unwrap();
    let body = client.read(&format!("ec2://snapshot/{snapshot}")).await.unwrap();
    assert!(body["seq"].as_u64() >= told["seq"].as_u64() && told["seq"].is_u64(), "{told}");
    // The snapshot carries the tag of the call that the log holds.
    assert!(body["document"]["Tags"].to_string().contains(told["results"][0]["action"].as_str().unwrap()), "{body}");

    let result = client.agree("stop_instance", json!({"instance_id": running, "dry_run": true})).await.unwrap();
    let told = result.structured_content.as_ref().unwrap();
    assert_eq!(told["results"][0]["verdict"], "acted", "{}", text(&result));
    let body = client.read(&format!("ec2://instance/{running}")).await.unwrap();
    assert_eq!(body["document"]["State"]["Name"], "stopping");
    assert!(body["seq"].as_u64() >= told["seq"].as_u64() && told["seq"].is_u64(), "{told}");
    assert!(text(&result).contains("WARNING: the endpoint ignores DryRun"), "{}", text(&result));
}

#[tokio::test]
async fn where_a_describe_ignores_the_flag_no_dry_run_of_a_change_is_sent() {
    let world = World::small().await;
    let client = world.client(true).await;
    let actions = ["DescribeInstances", "StartInstances", "StopInstances", "RebootInstances", "CreateSnapshots"];
    world.simulator.world().faults().patch(&json!({"ignored": {"dry_run": actions}})).unwrap();
    for (tool, action, state) in WRITES {
        let id = world.instance(&client, state).await;
        let result = client.call(tool, json!({"instance_id": id, "dry_run": true})).await.unwrap();
        assert_eq!(result.is_error, Some(true), "{tool}: {}", text(&result));
        assert!(text(&result).contains("ignores DryRun"), "{tool}: {}", text(&result));
        let told = result.structured_content.unwrap();
        assert_eq!(told["results"][0]["verdict"], "answer_not_trusted", "{tool}: {told}");
        assert_eq!(world.simulator.world().requests(action), 0, "{tool}");
    }
}
