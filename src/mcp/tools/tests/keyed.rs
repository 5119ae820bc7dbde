//! Calls with an idempotency key, on a simulated account that counts what AWS was asked.

use std::time::Duration;

use super::*;
use crate::kinds::INSTANCE;
use crate::mcp::client::McpClient;
use crate::model::fixtures::scope;
use crate::model::keyed_call::{CallKey, KeyedCall};
use crate::model::{ActionRequest, ResourceId};

const STOPS: &str = "StopInstances";

/// The one kept call of a world's clients with this key.
fn kept(world: &World, key: &str) -> Option<KeyedCall> {
    let records = world.core.snapshot().unwrap().records(Seq(1), usize::MAX).unwrap();
    let by = records.iter().find_map(|record| match &record.event {
        Event::ActionRequested { by: Some(by), .. } => Some(by.clone()),
        _ => None,
    });
    world.core.snapshot().unwrap().keyed(&CallKey::of(&by?, key), world.core.now()).unwrap()
}

async fn stop(client: &McpClient, id: &str, key: &str) -> (Value, String) {
    let result = client.agree("stop_instance", json!({"instance_id": id, "idempotency_key": key})).await.unwrap();
    let said = text(&result).to_owned();
    (data(result), said)
}

/// An answer without the time that tells a repeat from the first call, and whether it has one.
fn unmarked(mut answer: Value) -> (Value, bool) {
    let mark = answer.as_object_mut().and_then(|answer| answer.remove("repeats_call_at"));
    (answer, mark.is_some())
}

#[tokio::test]
async fn a_repeat_returns_the_first_answer_and_aws_is_asked_once() {
    let world = World::small().await;
    let client = world.client(true).await;
    let id = world.instance(&client, "running").await;
    let (first, said) = stop(&client, &id, "deploy 7").await;
    assert_eq!(first["results"][0]["verdict"], "done", "{first}");
    // In another session, and with the instance in another state.
    let later = world.client(true).await;
    tokio::time::sleep(Duration::from_millis(400)).await;
    drop(data(later.agree("start_instance", json!({"instance_id": id})).await.unwrap()));
    tokio::time::sleep(Duration::from_millis(400)).await;
    let (again, told) = stop(&later, &id, "deploy 7").await;
    assert_eq!((first.get("repeats_call_at"), unmarked(again)), (None, (first.clone(), true)));
    assert!(told.starts_with("This repeats a call made at ") && told.ends_with(&said), "{told}");
    assert_eq!(world.simulator.world().requests(STOPS), 1);
    let (other, _) = stop(&later, &id, "deploy 8").await;
    assert_eq!((&other["results"][0]["verdict"], world.simulator.world().requests(STOPS)), (&json!("done"), 2));
}

#[tokio::test]
async fn a_key_of_another_call_is_an_error_and_a_dry_run_needs_none() {
    let world = World::small().await;
    let client = world.client(true).await;
    let id = world.instance(&client, "running").await;
    let dry = json!({"instance_id": id, "idempotency_key": "k", "dry_run": true});
    drop(data(client.agree("stop_instance", dry).await.unwrap()));
    drop(stop(&client, &id, "k").await);
    let before = world.simulator.world().requests(STOPS);
    for (tool, arguments) in [
        ("stop_instance", json!({"instance_id": id, "idempotency_key": "k", "force": true})),
        ("reboot_instance", json!({"instance_id": id, "idempotency_key": "k"})),
        ("create_snapshot", json!({"instance_id": id, "idempotency_key": "k"})),
    ] {
        let refused = client.agree(tool, arguments).await.unwrap();
        let said = text(&refused);
        assert!(refused.is_error == Some(true) && said.contains("stands for a call of stop_instance"), "{said}");
        assert_eq!(refused.meta.as_ref().and_then(|meta| meta.get(CODE)), Some(&json!(FailureCode::InvalidArgument)));
    }
    assert_eq!(world.simulator.world().requests(STOPS), before);
    assert_eq!(world.simulator.world().requests("RebootInstances"), 0);
    let wrong = client.agree("stop_instance", json!({"instance_id": id, "idempotency_key": "ü"})).await.unwrap();
    assert!(text(&wrong).contains("1 to 64 printable ASCII characters"), "{}", text(&wrong));
}

#[tokio::test]
async fn a_call_that_did_nothing_leaves_its_key_free() {
    let world = World::small().await;
    let client = world.client(true).await;
    let id = world.instance(&client, "running").await;
    for _ in 0..2 {
        let nobody = json!({"instance_id": "i-0000000000000dead", "idempotency_key": "k"});
        let refused = client.call("stop_instance", nobody).await.unwrap();
        let rows = refused.structured_content.unwrap();
        assert_eq!(rows["results"][0]["verdict"], "not_found", "{rows}");
    }
    assert_eq!(stop(&client, &id, "k").await.0["results"][0]["verdict"], "done");
}

#[tokio::test]
async fn a_call_that_aws_refused_leaves_its_key_free_also_after_a_crash() {
    let world = World::small().await;
    let client = world.client(true).await;
    let id = world.instance(&client, "running").await;
    let refuse = |faults: Value| world.simulator.world().faults().patch(&faults).unwrap();
    refuse(json!({"denied": [STOPS]}));
    for _ in 0..2 {
        let arguments = json!({"instance_id": id, "idempotency_key": "k"});
        let refused = client.agree("stop_instance", arguments).await.unwrap().structured_content.unwrap();
        assert_eq!(refused["results"][0]["verdict"], "refused", "{refused}");
    }
    assert_eq!(world.simulator.world().requests(STOPS), 2, "each was sent");
    refuse(json!({"denied": []}));
    assert_eq!(stop(&client, &id, "k").await.0["results"][0]["verdict"], "done");
    // It crashed after AWS had refused.
    tokio::time::sleep(Duration::from_millis(400)).await;
    drop(data(client.agree("start_instance", json!({"instance_id": id})).await.unwrap()));
    tokio::time::sleep(Duration::from_millis(400)).await;
    let first = kept(&world, "k").unwrap();
    let target = ResourceId::new(&scope(), &INSTANCE.kind(), id.as_str());
    let request = ActionRequest::of("stop_instance", vec![target]);
    let request = ActionRequest { call: Some("call-1".to_owned()), ..request };
    let action = world.core.ingest.begin(request).await.unwrap();
    let refusal = ActionOutcome::Refused { code: "UnauthorizedOperation".to_owned(), message: "no".to_owned() };
    world.core.ingest.finish(action, refusal, Vec::new()).await.unwrap();
    let key = CallKey { key: "crashed".into(), ..first.key.clone() };
    let crashed = KeyedCall { key, call: "call-1".to_owned(), answer: None, ..first };
    world.core.ingest.keep_call(crashed).await.unwrap();
    assert_eq!(stop(&client, &id, "crashed").await.0["results"][0]["verdict"], "done");
}

#[tokio::test]
async fn repeats_that_come_together_wait_for_the_one_that_runs() {
    let world = World::small().await;
    let (one, other) = (world.client(true).await, world.client(true).await);
    let id = world.instance(&one, "running").await;
    let calls = [&one, &other, &one, &other].into_iter().map(|client| stop(client, &id, "k"));
    let answers = futures::future::join_all(calls).await;
    let (told, marks): (Vec<Value>, Vec<bool>) = answers.iter().map(|(answer, _)| unmarked(answer.clone())).unzip();
    assert!(told.iter().all(|answer| *answer == told[0]), "{answers:?}");
    assert_eq!(marks.iter().filter(|is_repeat| !**is_repeat).count(), 1, "{answers:?}");
    assert_eq!(world.simulator.world().requests(STOPS), 1);
}

#[tokio::test]
async fn after_a_crash_the_log_decides_whether_a_repeat_calls_aws() {
    let world = World::small().await;
    let client = world.client(true).await;
    let id = world.instance(&client, "running").await;
    drop(stop(&client, &id, "first").await);
    tokio::time::sleep(Duration::from_millis(400)).await;
    let first = kept(&world, "first").unwrap();
    let crashed = |key: &str, call: &str| KeyedCall {
        key: CallKey { key: key.into(), ..first.key.clone() },
        call: call.to_owned(),
        answer: None,
        ..first.clone()
    };
    // It crashed after it had told the log that it calls AWS, which the instance's state shows it did.
    let target = ResourceId::new(&scope(), &INSTANCE.kind(), id.as_str());
    let request = ActionRequest::of("stop_instance", vec![target]);
    world.core.ingest.begin(ActionRequest { call: Some("call-1".to_owned()), ..request }).await.unwrap();
    world.core.ingest.keep_call(crashed("after", "call-1")).await.unwrap();
    let (told, said) = stop(&client, &id, "after").await;
    assert_eq!(told["results"][0]["verdict"], "done", "{said}");
    assert!(said.contains("this is what became of it"), "{said}");
    assert_eq!(world.simulator.world().requests(STOPS), 1);
    // It crashed before, so it runs now, once.
    drop(data(client.agree("start_instance", json!({"instance_id": id})).await.unwrap()));
    tokio::time::sleep(Duration::from_millis(400)).await;
    world.core.ingest.keep_call(crashed("before", "call-2")).await.unwrap();
    let (told, said) = stop(&client, &id, "before").await;
    assert_eq!(told["results"][0]["verdict"], "done", "{said}");
    assert_eq!(unmarked(stop(&client, &id, "before").await.0), (told, true));
    assert_eq!(world.simulator.world().requests(STOPS), 2);
}
