//! Confirmations that come too late, for every tool that needs one: what the client is told, what AWS sees, what the log holds.

use super::*;
use crate::model::{ConfirmationOutcome, ConfirmationWay};
use crate::policy::confirmation::HOLDS;

/// How the confirmations in the log ended, and how many calls of AWS it holds.
fn recorded(world: &World) -> (Vec<(ConfirmationWay, ConfirmationOutcome)>, usize) {
    let records = world.core.snapshot().unwrap().records(Seq(1), usize::MAX).unwrap();
    let ended = |event: &Event| match event {
        Event::ActionConfirmed { way, outcome, .. } => Some((*way, *outcome)),
        _ => None,
    };
    let requested = records.iter().filter(|record| matches!(record.event, Event::ActionRequested { .. })).count();
    (records.iter().filter_map(|record| ended(&record.event)).collect(), requested)
}

#[tokio::test]
async fn a_token_that_comes_after_two_minutes_does_nothing_and_is_recorded_as_expired() {
    for (tool, action, state, count) in [
        ("start_instance", "StartInstances", "stopped", 2),
        ("stop_instance", "StopInstances", "running", 1),
        ("stop_instance", "StopInstances", "running", 2),
        ("reboot_instance", "RebootInstances", "running", 1),
        ("reboot_instance", "RebootInstances", "running", 2),
        ("create_snapshot", "CreateSnapshots", "running", 2),
    ] {
        let world = World::small().await;
        let client = world.client(true).await;
        let ids: Vec<String> = world.simulator.world().home().instance_ids_in(state).into_iter().take(count).collect();
        assert_eq!(ids.len(), count, "{tool}");
        let shown = client.call(tool, json!({"instance_ids": ids})).await.unwrap().structured_content.unwrap();
        let token = shown["confirmation"]["token"].clone();
        assert!(token.is_string(), "{tool}: {shown}");
        // The clock moves on, and nothing else does.
        tokio::time::pause();
        tokio::time::advance(HOLDS).await;
        tokio::time::resume();
        let late = client.call(tool, json!({"instance_ids": ids, "confirmation": token})).await.unwrap();
        let said = text(&late).to_owned();
        assert!(said.contains("came too late") && said.contains("Nothing was sent to AWS"), "{tool}: {said}");
        let told = late.structured_content.unwrap();
        for row in told["results"].as_array().unwrap() {
            assert_eq!(row["verdict"], "unconfirmed", "{tool}: {told}");
        }
        assert_eq!(world.simulator.world().requests(action), 0, "{tool}");
        let expired = vec![(ConfirmationWay::Token, ConfirmationOutcome::Expired)];
        assert_eq!(recorded(&world), (expired, 0), "{tool} of {count}");
    }
}
