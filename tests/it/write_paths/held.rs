//! What the log holds and what AWS saw of calls.

use std::collections::{BTreeMap, BTreeSet};

use muster::model::{ActionOutcome, ConfirmationOutcome, Event, Principal, Recorded, ResourceId, Seq};
use muster::store::verify::fold_log;
use muster::store::{self, StoreOptions};
use serde_json::Value;

use crate::harness::eventually;
use crate::harness::muster::Sandbox;
use crate::harness::simulator::Simulator;

/// What the log holds of tools' calls, in words, by the name of the client and with the instances.
pub(super) type Held = Vec<(String, Vec<String>, String)>;

/// What the log holds, once its server has ended.
pub(super) fn held(sandbox: &Sandbox) -> Held {
    let (_writer, store) = eventually("the server lets go of the store", || {
        store::open(StoreOptions::new(sandbox.data(), muster::kinds::project)).ok()
    });
    let snapshot = store.snapshot().unwrap();
    assert!(fold_log(&snapshot).unwrap().is_clean());
    let (mut held, mut places, mut accepted) = (Held::new(), BTreeMap::new(), BTreeSet::new());
    let name = |by: Option<Principal>| by.and_then(|by| by.client).unwrap_or_default().to_string();
    let ids = |targets: Vec<ResourceId>| targets.iter().map(|target| target.id.to_string()).collect();
    for Recorded { seq, event, .. } in snapshot.records(Seq(1), usize::MAX).unwrap() {
        match event {
            Event::ActionRequested { action, targets, by, confirmed_by, confirmation, .. } => {
                // What was confirmed names the record of that.
                assert_eq!(confirmed_by.is_some(), confirmation.is_some_and(|seq| accepted.contains(&seq)), "{seq}");
                places.insert(action, held.len());
                held.push((name(by), ids(targets), "requested".to_owned()));
            }
            Event::ActionFinished { action, outcome, .. } => {
                let outcome = match outcome {
                    ActionOutcome::Succeeded { .. } => "succeeded",
                    ActionOutcome::Refused { .. } => "refused",
                    ActionOutcome::Unknown { .. } => "unknown",
                };
                // One place holds both, since an action ends once.
                let place: &mut (String, Vec<String>, String) = &mut held[places[&action]];
                assert_eq!(place.2, "requested", "{place:?} ends again as {outcome}");
                place.2 = format!("requested, {outcome}");
            }
            Event::ActionRefused { attempt, rule, .. } => {
                held.push((name(attempt.by), ids(attempt.targets), format!("refused by {rule}")));
            }
            Event::ActionConfirmed { attempt, way, outcome, .. } => {
                if outcome == ConfirmationOutcome::Accepted {
                    accepted.insert(seq);
                }
                let word = format!("{} by {}", outcome.name(), way.name());
                held.push((name(attempt.by), ids(attempt.targets), word));
            }
            _ => {}
        }
    }
    held
}

/// How each call of an action that named one of the instances ended at AWS, as CloudTrail has it.
pub(super) fn seen(simulator: &Simulator, action: &str, ids: &[String]) -> Vec<String> {
    let told = simulator.control("GET", "/calls", &Value::Null);
    let calls = told["calls"].as_array().unwrap().iter();
    let is_about = |call: &&Value| {
        let request = call["requestParameters"].to_string();
        call["eventName"] == action && ids.iter().any(|id| request.contains(id.as_str()))
    };
    calls.filter(is_about).map(|call| call["errorCode"].as_str().unwrap_or("OK").to_owned()).collect()
}
