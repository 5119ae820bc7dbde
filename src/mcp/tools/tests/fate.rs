//! What became of a call of which a front end asks.

use std::time::Duration;

use super::*;
use crate::kinds::INSTANCE;
use crate::mcp::ListMode;
use crate::mcp::tests::fast;
use crate::mcp::tests::raw_client::{RawClient, modern};
use crate::model::fixtures::scope;
use crate::model::{ActionRequest, ResourceId};

/// The row that tells what became of the call `name` for one instance.
async fn fate(client: &mut RawClient, name: &str, tool: &str, arguments: Value) -> Value {
    let params = modern(json!({"name": tool, "arguments": arguments, "_meta": {"muster/call": name}}));
    let answer = client.ask("muster/call", params).await;
    answer["result"]["structuredContent"]["results"][0].clone()
}

#[tokio::test]
async fn only_a_log_that_holds_the_instance_tells_that_a_call_was_not_sent() {
    let world = World::small().await;
    let id = world.instance(&world.client(true).await, "running").await;
    let mut client = RawClient::silent(&world);
    for (instance, verdict) in [(id.as_str(), "not_sent"), ("i-0123456789abcdef0", "unknown")] {
        let row = fate(&mut client, "a-1", "stop_instance", json!({"instance_id": instance})).await;
        assert_eq!((&row["instance_id"], &row["verdict"]), (&json!(instance), &json!(verdict)), "{row}");
        let is_told_to_repeat = row["message"].as_str().unwrap().contains("call again");
        assert_eq!(is_told_to_repeat, verdict == "not_sent", "{row}");
    }
}

#[tokio::test]
async fn a_stop_that_was_to_be_forced_is_done_only_once_the_instance_is_stopped() {
    let slow = simulator::Options { instances: 12, stop_delay: Duration::from_hours(1), ..fast() };
    let world = World::swept(slow, ListMode::Auto).await;
    let asking = world.client(true).await;
    let id = world.instance(&asking, "running").await;
    drop(data(asking.call("stop_instance", json!({"instance_id": id})).await.unwrap()));
    let target = ResourceId::new(&scope(), &INSTANCE.kind(), id.as_str());
    for call in ["a-1", "a-2"] {
        let request = ActionRequest::of("stop_instance", vec![target.clone()]);
        world.core.ingest.begin(ActionRequest { call: Some(call.to_owned()), ..request }).await.unwrap();
    }
    let mut client = RawClient::silent(&world);
    for (call, force, verdict) in [("a-1", false, "done"), ("a-2", true, "unknown")] {
        let row = fate(&mut client, call, "stop_instance", json!({"instance_id": id, "force": force})).await;
        assert_eq!((&row["verdict"], &row["current_state"]), (&json!(verdict), &json!("stopping")), "{row}");
    }
}
