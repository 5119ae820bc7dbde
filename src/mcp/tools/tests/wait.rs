//! Waiting for instances and snapshots, and rebooting.

use futures::future::join_all;

use super::*;

async fn wait(client: &crate::mcp::client::McpClient, ids: &[&str], until: &str, seconds: u64) -> Value {
    let asked = json!({"ids": ids, "until": until, "wait_seconds": seconds});
    let told = data(client.call("wait_for", asked).await.unwrap());
    conforms(&wait_for::SPEC, &told);
    told
}

#[tokio::test]
async fn a_wait_ends_as_soon_as_all_are_there() {
    let world = World::small().await;
    let client = world.client(true).await;
    let running = world.instance(&client, "running").await;
    let told = wait(&client, &[&running], "running", 45).await;
    assert_eq!((&told["done"], &told["results"][0]["result"]), (&json!(true), &json!("reached")), "{told}");
    drop(data(client.agree("stop_instance", json!({"instance_id": running})).await.unwrap()));
    let told = wait(&client, &[&running], "stopped", 45).await;
    assert_eq!((&told["done"], &told["results"][0]["state"]), (&json!(true), &json!("stopped")), "{told}");
}

#[tokio::test]
async fn a_wait_that_is_over_says_how_far_each_is_and_what_to_do() {
    let world = World::small().await;
    let client = world.client(false).await;
    let (running, stopped) = (world.instance(&client, "running").await, world.instance(&client, "stopped").await);
    let told = wait(&client, &[&running, &stopped], "running", 1).await;
    assert_eq!(told["done"], false, "{told}");
    assert_eq!(told["results"][0]["result"], "reached", "{told}");
    assert_eq!((&told["results"][1]["result"], &told["results"][1]["state"]), (&json!("waiting"), &json!("stopped")));
    assert!(told["results"][1]["message"].to_string().contains("start_instance"), "{told}");
}

#[tokio::test]
async fn what_was_never_seen_is_neither_gone_nor_running() {
    let world = World::small().await;
    let client = world.client(false).await;
    let told = wait(&client, &["i-00000000000000bad", "snap-00000000000000bad"], "gone", 1).await;
    assert_eq!(told["done"], false, "they may be in another region, or mistyped: {told}");
    let told = wait(&client, &["i-00000000000000bad"], "running", 1).await;
    assert_eq!((&told["done"], &told["results"][0]["result"]), (&json!(false), &json!("waiting")), "{told}");
    assert!(told["results"][0]["message"].to_string().contains("check the id and its region"), "{told}");
    let asked = json!({"ids": ["i-00000000000000bad"], "until": "running", "wait_seconds": 1});
    let told = client.call("wait_for", asked).await.unwrap();
    let said = text(&told);
    assert!(said.contains("0 of 1 are running. i-00000000000000bad: No watched account"), "{said}");
    assert!(!said.contains("Call wait_for"), "{said}");
}

#[tokio::test]
async fn what_cannot_be_looked_at_is_neither_there_nor_gone() {
    let world = World::small().await;
    let client = world.client(false).await;
    let running = world.instance(&client, "running").await;
    world.simulator.world().faults().patch(&json!({"denied": ["DescribeInstances"]})).unwrap();
    for until in ["running", "gone"] {
        let asked = json!({"ids": [running], "until": until, "wait_seconds": 1});
        let result = client.call("wait_for", asked).await.unwrap();
        assert_eq!(result.is_error, Some(true), "{}", text(&result));
        let told = result.structured_content.as_ref().unwrap();
        assert_eq!((&told["done"], &told["results"][0]["result"]), (&json!(false), &json!("waiting")), "{told}");
        assert!(text(&result).contains("ec2:DescribeInstances"), "{}", text(&result));
    }
}

#[tokio::test]
async fn a_snapshot_is_waited_for_until_it_is_complete() {
    let world = World::small().await;
    let client = world.client(true).await;
    let running = world.instance(&client, "running").await;
    let made = data(client.agree("create_snapshot", json!({"instance_id": running})).await.unwrap());
    let snapshot = made["results"][0]["snapshots"][0]["snapshot_id"].as_str().unwrap().to_owned();
    let told = wait(&client, &[&snapshot], "completed", 45).await;
    assert_eq!((&told["done"], &told["results"][0]["state"]), (&json!(true), &json!("completed")), "{told}");
}

#[tokio::test]
async fn however_many_wait_aws_is_asked_as_if_it_were_few() {
    let world = World::small().await;
    let client = world.client(false).await;
    let stopped = world.instance(&client, "stopped").await;
    let before = world.simulator.world().requests("DescribeInstances");
    let ids = [stopped.as_str()];
    let waits = (0..20).map(|_| wait(&client, &ids, "running", 4));
    assert!(join_all(waits).await.iter().all(|told| told["done"] == false));
    let asked = world.simulator.world().requests("DescribeInstances") - before;
    // Each look of one wait may be shared only with those that came before it was made.
    assert!((2..=24).contains(&asked), "{asked} calls for 20 waits of two looks each");
}

#[tokio::test]
async fn a_wait_refuses_what_it_cannot_wait_for() {
    let world = World::small().await;
    let client = world.client(false).await;
    for (given, said) in [
        (json!({"ids": ["i-1"], "until": "completed"}), "snapshot ids"),
        (json!({"ids": ["snap-1"], "until": "running"}), "instance ids"),
        (json!({"ids": ["i-1"], "until": "running", "wait_seconds": 46}), "from 1 to 45"),
        (json!({"ids": [], "until": "running"}), "ids"),
        (json!({"ids": ["i-1"], "until": "runing"}), "running"),
    ] {
        let result = client.call("wait_for", given.clone()).await.unwrap();
        assert_eq!(result.is_error, Some(true), "{given}: {}", text(&result));
        assert!(text(&result).contains(said), "{given}: {}", text(&result));
    }
}

#[tokio::test]
async fn a_reboot_is_recorded_and_ends_with_its_status_checks() {
    let world = World::small().await;
    let client = world.client(true).await;
    let (running, stopped) = (world.instance(&client, "running").await, world.instance(&client, "stopped").await);
    let told = data(client.agree("reboot_instance", json!({"instance_id": running, "dry_run": true})).await.unwrap());
    conforms(&reboot_instance::SPEC, &told);
    assert_eq!(told["results"][0]["verdict"], "would_be_allowed", "{told}");
    let result = client.agree("reboot_instance", json!({"instance_ids": [running, stopped]})).await.unwrap();
    let told = result.structured_content.as_ref().unwrap();
    conforms(&reboot_instance::SPEC, told);
    assert_eq!(told["results"][0]["verdict"], "done", "{told}");
    assert_eq!(told["results"][1]["verdict"], "refused", "{told}");
    assert!(text(&result).contains("1 of 2 instances accepted."), "{}", text(&result));
    assert!(text(&result).contains("start_instance starts a stopped one"), "{}", text(&result));
    let records = world.core.snapshot().unwrap().records(Seq::ZERO.next(), usize::MAX).unwrap();
    let is_reboot = |event: &Event| matches!(event, Event::ActionRequested { tool, .. } if tool == "reboot_instance");
    assert_eq!(records.iter().filter(|record| is_reboot(&record.event)).count(), 2, "each call is recorded");
    let told = wait(&client, &[&running], "status_ok", 1).await;
    assert_eq!(told["done"], false, "the checks may be those of before: {told}");
    assert!(told["results"][0]["message"].to_string().contains("rebooted at"), "{told}");
}

#[tokio::test]
async fn the_status_of_an_instance_that_was_not_rebooted_is_ok_at_once() {
    let world = World::small().await;
    let client = world.client(false).await;
    let running = world.instance(&client, "running").await;
    let told = wait(&client, &[&running], "status_ok", 45).await;
    assert_eq!((&told["done"], &told["results"][0]["state"]), (&json!(true), &json!("running")), "{told}");
}
