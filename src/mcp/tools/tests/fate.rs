//! What became of a call of which a front end asks.

use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::aws::CreateSnapshots;
use crate::ingest::Lane;
use crate::kinds::INSTANCE;
use crate::mcp::ListMode;
use crate::mcp::tests::fast;
use crate::mcp::tests::raw_client::{RawClient, modern};
use crate::model::fixtures::{json_document, scope};
use crate::model::{ActionId, ActionRequest, Cause, Observation, Principal, ResourceId, Seen, Source};

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
    drop(data(asking.agree("stop_instance", json!({"instance_id": id})).await.unwrap()));
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

/// How often the log says how an action ended.
fn ends(world: &World, of: ActionId) -> usize {
    let records = world.core.snapshot().unwrap().records(Seq(1), usize::MAX).unwrap();
    let is_end = |event: &Event| matches!(event, Event::ActionFinished { action, .. } if *action == of);
    records.iter().filter(|record| is_end(&record.event)).count()
}

#[tokio::test]
async fn an_action_is_ended_only_by_who_asks_about_the_call_that_was_made_and_only_once() {
    let world = World::small().await;
    let ids = world.simulator.world().home().instance_ids_in("running");
    let (one, other) = (ids[0].clone(), ids[1].clone());
    let targets = || [&one, &other].map(|id| ResourceId::new(&scope(), &INSTANCE.kind(), id.as_str())).to_vec();
    let begin = |call: &str, user: &str, arguments: Value| {
        let request = ActionRequest {
            call: Some(call.to_owned()),
            by: Some(Principal::of_user(user)),
            arguments: Some(arguments.to_string()),
            ..ActionRequest::of("stop_instance", targets())
        };
        world.core.ingest.begin(request)
    };
    let both = json!({"instance_ids": [one, other]});
    let forced = json!({"instance_ids": [one, other], "force": true});
    let stops = begin("a-1", "local", both.clone()).await.unwrap();
    let foreign = begin("a-2", "uid:7", both.clone()).await.unwrap();
    let mut client = RawClient::silent(&world);
    // They run, which is what a start would have led to.
    let row = fate(&mut client, "a-1", "start_instance", both.clone()).await;
    assert_eq!(row["verdict"], "unknown", "{row}");
    drop(data(world.client(true).await.agree("stop_instance", both.clone()).await.unwrap()));
    let row = fate(&mut client, "a-2", "stop_instance", both.clone()).await;
    assert_eq!(row["verdict"], "unknown", "another user's call: {row}");
    let row = fate(&mut client, "a-1", "stop_instance", json!({"instance_id": one})).await;
    assert_eq!(row["verdict"], "done", "{row}");
    assert_eq!([ends(&world, stops), ends(&world, foreign)], [0, 0], "nobody asked about the other instance");
    let mut clients: Vec<RawClient> = (0..4).map(|_| RawClient::silent(&world)).collect();
    let asks = clients.iter_mut().map(|client| fate(client, "a-1", "stop_instance", both.clone()));
    for row in futures::future::join_all(asks).await {
        assert_eq!(row["verdict"], "done", "{row}");
    }
    assert_eq!([ends(&world, stops), ends(&world, foreign)], [1, 0]);
    // Whether it was to be forced is in the record.
    let slow = simulator::Options { instances: 12, stop_delay: Duration::from_hours(1), ..fast() };
    let world = World::swept(slow, ListMode::Auto).await;
    let id = world.instance(&world.client(true).await, "running").await;
    let request = ActionRequest {
        call: Some("a-3".to_owned()),
        arguments: Some(forced.to_string()),
        ..ActionRequest::of("stop_instance", vec![ResourceId::new(&scope(), &INSTANCE.kind(), id.as_str())])
    };
    world.core.ingest.begin(request).await.unwrap();
    drop(data(world.client(true).await.agree("stop_instance", json!({"instance_id": id})).await.unwrap()));
    let row = fate(&mut RawClient::silent(&world), "a-3", "stop_instance", json!({"instance_id": id})).await;
    assert_eq!((&row["verdict"], &row["current_state"]), (&json!("unknown"), &json!("stopping")), "{row}");
}

#[tokio::test]
async fn an_end_that_lies_far_behind_its_request_is_not_known_and_not_recorded_again() {
    let world = World::small().await;
    let id = world.instance(&world.client(true).await, "running").await;
    let target = ResourceId::new(&scope(), &INSTANCE.kind(), id.as_str());
    let begin = |call: &str| {
        let request = ActionRequest::of("start_instance", vec![target.clone()]);
        world.core.ingest.begin(ActionRequest { call: Some(call.to_owned()), ..request })
    };
    let (far, near) = (begin("a-1").await.unwrap(), begin("a-2").await.unwrap());
    world.core.ingest.finish(near, ActionOutcome::Succeeded { created: Vec::new() }, Vec::new()).await.unwrap();
    let found = (0..1_600).map(|nth| Observation {
        source: Source::Refresh,
        at: world.core.now(),
        id: ResourceId::new(&scope(), &INSTANCE.kind(), format!("i-0bbbbbbbbbbbb{nth:04}")),
        seen: Seen::Described(Arc::new(json_document(&json!({"State": {"Name": "running"}})))),
    });
    world.core.ingest.observe(Lane::Tools, found.collect(), Cause::Refresh).await.unwrap();
    world.core.ingest.finish(far, ActionOutcome::Succeeded { created: Vec::new() }, Vec::new()).await.unwrap();
    let mut client = RawClient::silent(&world);
    for (call, verdict) in [("a-2", "done"), ("a-1", "unknown")] {
        let row = fate(&mut client, call, "start_instance", json!({"instance_id": id})).await;
        assert_eq!(row["verdict"], verdict, "{row}");
    }
    assert_eq!([ends(&world, far), ends(&world, near)], [1, 1]);
}

#[tokio::test]
async fn snapshots_whose_answer_was_lost_are_found_by_the_tag_of_their_action_and_recorded() {
    let world = World::small().await;
    let asking = world.client(true).await;
    let id = world.instance(&asking, "running").await;
    let target = ResourceId::new(&scope(), &INSTANCE.kind(), id.as_str());
    let begin = |call: &str| {
        let request = ActionRequest::of("create_snapshot", vec![target.clone()]);
        world.core.ingest.begin(ActionRequest { call: Some(call.to_owned()), ..request })
    };
    let (action, uncalled) = (begin("a-1").await.unwrap(), begin("a-2").await.unwrap());
    let Value::Object(given) = json!({"instance_id": id}) else { panic!() };
    let named = arguments::read::<InstanceArguments<1>>(given).unwrap().named().unwrap();
    let asked = CreateSnapshots {
        description: "d".to_owned(),
        exclude_boot: false,
        exclude_data: Vec::new(),
        tags: Vec::new(),
        action,
        dry_run: false,
    };
    world.core.aws.pinned().await.create_snapshots(&named.choose(&scope(), |_| true), &asked).await.unwrap();
    let mut client = RawClient::silent(&world);
    let row = fate(&mut client, "a-1", "create_snapshot", json!({"instance_id": id})).await;
    assert_eq!((&row["verdict"], &row["action"]), (&json!("done"), &json!(action)), "{row}");
    let made = row["snapshots"][0]["snapshot_id"].as_str().unwrap().to_owned();
    let changes = data(asking.call("list_changes", json!({"id": made})).await.unwrap());
    assert!(!changes["changes"].as_array().unwrap().is_empty(), "it is in the inventory: {changes}");
    let again = fate(&mut client, "a-1", "create_snapshot", json!({"instance_id": id})).await;
    assert_eq!(again["snapshots"], row["snapshots"], "now the log says it");
    assert!(again["message"].as_str().unwrap().contains("AWS carried it out"), "{again}");
    let row = fate(&mut client, "a-2", "create_snapshot", json!({"instance_id": id})).await;
    let said = row["message"].as_str().unwrap();
    assert_eq!(row["verdict"], "unknown", "{row}");
    assert!(
        said.contains("search_inventory") && said.contains(&format!("\"tag:muster:action\": \"{uncalled}\"")),
        "{said}"
    );
}
