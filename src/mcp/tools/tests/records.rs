//! What the log, list_changes and SQL tell of tools' calls that change AWS.

use super::*;
use crate::kinds::INSTANCE;
use crate::model::fixtures::scope;
use crate::model::{ConfirmationOutcome, ConfirmationWay, Principal, ResourceId, WriteAttempt};

#[tokio::test]
async fn a_call_is_recorded_with_who_made_it_its_arguments_and_awss_request_id() {
    let world = World::small().await;
    let client = world.client(true).await;
    let id = world.instance(&client, "running").await;
    let arguments = json!({"instance_id": id, "idempotency_key": "k-1"});
    drop(data(client.agree("stop_instance", arguments).await.unwrap()));
    let changes = data(client.call("list_changes", json!({"cause": "action", "order": "oldest"})).await.unwrap());
    conforms(&list_changes::SPEC, &changes);
    let [confirmed, requested, finished] = changes["changes"].as_array().unwrap().as_slice() else {
        panic!("{changes}")
    };
    assert_eq!((&confirmed["what"], &confirmed["confirmation"]), (&json!("action_confirmed"), &json!("token")));
    assert_eq!((&requested["confirmation"], &requested["plan"]), (&json!("token"), &confirmed["plan"]));
    assert!(!changes.to_string().contains("rs2."), "the token is not in the log: {changes}");
    assert_eq!((&requested["what"], &finished["what"]), (&json!("action_requested"), &json!("action_finished")));
    assert_eq!(requested["called_by"]["user"], "local");
    assert!(requested["called_by"]["client"].is_string(), "{requested}");
    assert!(requested["arguments"].as_str().unwrap().contains(&id), "{requested}");
    assert_eq!(requested["idempotency_key"], "k-1");
    assert!(finished["request_id"].as_str().is_some_and(|id| id.len() == 36), "{finished}");
    assert_eq!(
        (&finished["kind"], &finished["id"]),
        (&json!("instance"), &json!(id)),
        "its request says of what: {finished}"
    );
    let of_action = json!({"id": requested["action"], "order": "oldest"});
    let told = data(client.call("list_changes", of_action).await.unwrap());
    let whats: Vec<&str> =
        told["changes"].as_array().unwrap().iter().map(|told| told["what"].as_str().unwrap()).collect();
    // With what it changed.
    assert_eq!(whats, ["action_requested", "action_finished", "changed"], "{told}");
    let unknown = json!({"id": "act-00000000deadbeef"});
    let none = data(client.call("list_changes", unknown).await.unwrap());
    assert!(none["changes"].as_array().unwrap().is_empty(), "{none}");
    // In tests a statement reads few records.
    let finished_row = format!("SELECT what, after, cause FROM change WHERE seq = {}", finished["seq"]);
    let rows = data(client.call("query_inventory", json!({"sql": finished_row})).await.unwrap());
    assert_eq!(rows["rows"][0], json!({"what": "action_finished", "after": "succeeded", "cause": "tool"}), "{rows}");
    let sql = format!("SELECT * FROM action WHERE seq >= {}", requested["seq"]);
    let rows = data(client.call("query_inventory", json!({"sql": sql})).await.unwrap());
    assert_eq!(rows["at_least"], false, "the log holds all of them: {rows}");
    let row = &rows["rows"][0];
    assert_eq!((&row["what"], &row["tool"]), (&json!("action_requested"), &json!("stop_instance")), "{rows}");
    assert_eq!((&row["by_user"], &row["outcome"]), (&json!("local"), &json!("succeeded")), "{rows}");
    assert!(row["targets"].to_string().contains(&id) && row["finished_at"].is_string(), "{rows}");
    assert_eq!((&row["request_id"], &row["idempotency_key"]), (&finished["request_id"], &json!("k-1")), "{rows}");
}

#[tokio::test]
async fn refusals_and_confirmations_are_shown_and_those_of_a_minute_are_recorded_once() {
    let world = World::small().await;
    let client = world.client(true).await;
    let id = world.instance(&client, "running").await;
    let target = ResourceId::new(&scope(), &INSTANCE.kind(), id.as_str());
    let attempt = WriteAttempt {
        tool: "stop_instance".to_owned(),
        targets: vec![target],
        by: Some(Principal::of_user("uid:7").with_client(Some("agent"), Some("2"))),
        arguments: Some("{}".to_owned()),
    };
    let ingest = &world.core.ingest;
    for _ in 0..5 {
        ingest.refused(attempt.clone(), "--deny-write tag:Env=prod".to_owned()).await.unwrap();
    }
    let plan = Some("stops one instance".to_owned());
    for outcome in [ConfirmationOutcome::Declined, ConfirmationOutcome::Accepted] {
        ingest.confirmed(attempt.clone(), plan.clone(), ConfirmationWay::Token, outcome).await.unwrap();
    }
    let changes = data(client.call("list_changes", json!({"cause": "action", "order": "oldest"})).await.unwrap());
    conforms(&list_changes::SPEC, &changes);
    let told: Vec<&str> =
        changes["changes"].as_array().unwrap().iter().map(|change| change["what"].as_str().unwrap()).collect();
    assert_eq!(told, ["action_refused", "action_not_confirmed", "action_confirmed"]);
    let refused = &changes["changes"][0];
    assert_eq!((&refused["rule"], &refused["count"]), (&json!("--deny-write tag:Env=prod"), &json!(1)));
    assert_eq!(refused["called_by"]["client"], "agent");
    let columns = "what, rule, confirmation, outcome, plan, times";
    let sql = format!("SELECT {columns} FROM action WHERE seq >= {} ORDER BY seq", refused["seq"]);
    let rows = data(client.call("query_inventory", json!({"sql": sql})).await.unwrap());
    let declined = json!({"what": "action_not_confirmed", "confirmation": "token", "outcome": "declined",
                          "plan": "stops one instance", "times": 1});
    assert_eq!(rows["rows"][1], declined);
    // What is only counted is recorded when the server stops.
    world.stop.cancel();
    let mut records = Vec::new();
    for _ in 0..200 {
        records = world.core.snapshot().unwrap().records(Seq(1), usize::MAX).unwrap();
        if matches!(records.last().map(|last| &last.event), Some(Event::ActionRefused { .. })) {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let counts = records.iter().filter_map(|record| match &record.event {
        Event::ActionRefused { repeats, .. } => Some(repeats.count),
        _ => None,
    });
    assert_eq!(counts.collect::<Vec<_>>(), [1, 4]);
}
