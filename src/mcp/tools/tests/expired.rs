//! Confirmations that come too late, for every tool that needs one, in each way in which a client is asked: what the client is told,
//! what AWS sees, what the log holds.

use super::*;
use crate::mcp::tests::raw_client::{RawClient, modern};
use crate::model::{ConfirmationOutcome, ConfirmationWay};
use crate::policy::confirmation::HOLDS;

/// The calls that need one: the tool, AWS's action, the state of the instances, and how many.
const CALLS: [(&str, &str, &str, usize); 6] = [
    ("start_instance", "StartInstances", "stopped", 2),
    ("stop_instance", "StopInstances", "running", 1),
    ("stop_instance", "StopInstances", "running", 2),
    ("reboot_instance", "RebootInstances", "running", 1),
    ("reboot_instance", "RebootInstances", "running", 2),
    ("create_snapshot", "CreateSnapshots", "running", 2),
];

/// A client that shows forms to a person.
fn asking() -> Value {
    json!({"elicitation": {}})
}

/// The arguments of a call.
fn arguments(world: &World, state: &str, count: usize) -> Value {
    let ids: Vec<String> = world.simulator.world().home().instance_ids_in(state).into_iter().take(count).collect();
    assert_eq!(ids.len(), count, "{state}");
    json!({"instance_ids": ids})
}

/// The clock moves on, and nothing else does.
async fn wait_too_long() {
    tokio::time::pause();
    tokio::time::advance(HOLDS).await;
    tokio::time::resume();
}

/// Nothing came of a call, of which its client, AWS and the log say so.
fn assert_expired(world: &World, (tool, action): (&str, &str), way: ConfirmationWay, said: &str, told: &Value) {
    assert!(said.contains("came too late") && said.contains("Nothing was sent to AWS"), "{tool}: {said}");
    for row in told["results"].as_array().unwrap() {
        assert_eq!(row["verdict"], "unconfirmed", "{tool}: {told}");
    }
    assert_eq!(world.simulator.world().requests(action), 0, "{tool}");
    let records = world.core.snapshot().unwrap().records(Seq(1), usize::MAX).unwrap();
    let ended = records.iter().filter_map(|record| match &record.event {
        Event::ActionConfirmed { way, outcome, .. } => Some((*way, *outcome)),
        _ => None,
    });
    assert_eq!(ended.collect::<Vec<_>>(), [(way, ConfirmationOutcome::Expired)], "{tool}");
    assert!(!records.iter().any(|record| matches!(record.event, Event::ActionRequested { .. })), "{tool}");
}

#[tokio::test]
async fn a_token_that_comes_after_two_minutes_does_nothing_and_is_recorded_as_expired() {
    for (tool, action, state, count) in CALLS {
        let world = World::small().await;
        let client = world.client(true).await;
        let mut given = arguments(&world, state, count);
        let shown = client.call(tool, given.clone()).await.unwrap().structured_content.unwrap();
        given["confirmation"] = shown["confirmation"]["token"].clone();
        assert!(given["confirmation"].is_string(), "{tool}: {shown}");
        wait_too_long().await;
        let late = client.call(tool, given).await.unwrap();
        let said = text(&late).to_owned();
        assert_expired(&world, (tool, action), ConfirmationWay::Token, &said, &late.structured_content.unwrap());
    }
}

#[tokio::test]
async fn a_person_who_agrees_after_two_minutes_agrees_to_nothing() {
    for (tool, action, state, count) in CALLS {
        let world = World::small().await;
        let mut client = RawClient::silent(&world);
        let meta = json!({"io.modelcontextprotocol/clientCapabilities": asking()});
        let call = json!({"name": tool, "arguments": arguments(&world, state, count), "_meta": meta});
        let asked = client.ask("tools/call", modern(call.clone())).await;
        let mut late = call;
        late["requestState"] = asked["result"]["requestState"].clone();
        assert!(late["requestState"].is_string(), "{tool}: {asked}");
        late["inputResponses"] = json!({"confirm": {"action": "accept", "content": {"confirm": true}}});
        wait_too_long().await;
        let told = client.ask("tools/call", modern(late)).await["result"].take();
        let said = told["content"][0]["text"].as_str().unwrap().to_owned();
        assert_expired(&world, (tool, action), ConfirmationWay::Input, &said, &told["structuredContent"]);
    }
}

#[tokio::test]
async fn a_question_that_nobody_answers_within_two_minutes_is_withdrawn() {
    for (tool, action, state, count) in CALLS {
        let world = World::small().await;
        let mut client = RawClient::silent(&world);
        let info = json!({"name": "tests", "version": "0"});
        let hello = json!({"protocolVersion": "2025-11-25", "capabilities": asking(), "clientInfo": info});
        client.ask("initialize", hello).await;
        client.say(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"})).await;
        let params = json!({"name": tool, "arguments": arguments(&world, state, count)});
        client.say(&json!({"jsonrpc": "2.0", "id": "call", "method": "tools/call", "params": params})).await;
        let question = loop {
            let heard = client.hear().await.expect("a question");
            if heard["method"] == "elicitation/create" {
                break heard;
            }
        };
        wait_too_long().await;
        let mut heard = client.hear_answer(&json!("call")).await;
        let told = heard.pop().unwrap()["result"].take();
        let is_withdrawn = |message: &Value| {
            message["method"] == "notifications/cancelled" && message["params"]["requestId"] == question["id"]
        };
        assert!(heard.iter().any(is_withdrawn), "{tool}: {heard:?}");
        let said = told["content"][0]["text"].as_str().unwrap().to_owned();
        assert_expired(&world, (tool, action), ConfirmationWay::Elicitation, &said, &told["structuredContent"]);
    }
}
