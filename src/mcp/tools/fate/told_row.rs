//! The row that tells of one instance what became of the call.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::asked_call::AskedCall;
use super::call_search::{FoundAction, Searched};
use crate::aws::AwsError;
use crate::mcp::tools::verdict::WriteVerdict;
use crate::mcp::tools::write_through::{LiveCheck, UncalledInstance};
use crate::mcp::tools::{create_snapshot, start_instance, stop_instance};
use crate::model::text::shown;
use crate::model::{ActionId, ActionOutcome};

const NOT_SENT: &str = "The server ended before it sent this call to AWS, so nothing happened: call again.";
const UNTOLD: &str = "The server ended before it answered this call, and its log does not tell whether it was sent to AWS. It may have \
    happened: check before you repeat it.";
const DRY_RUN: &str = "The server ended before it answered this dry run. Call again.";

/// What AWS shows now of the actions whose answers were lost.
#[derive(Default)]
pub(super) struct LookedUp {
    /// The instances.
    pub(super) live: LiveCheck,
    /// The snapshots of each action.
    pub(super) made: BTreeMap<ActionId, Result<Vec<String>, AwsError>>,
}

/// Whether an instance's row says that the call was carried out.
pub(super) fn is_done(row: &Map<String, Value>) -> bool {
    row.get("verdict") == Some(&json!(WriteVerdict::Done))
}

/// The row of an instance, which conforms to the output schemas of all tools that change AWS.
pub(super) fn row(
    asked: &AskedCall,
    id: &str,
    found: Option<&Searched>,
    LookedUp { live, made }: &LookedUp,
) -> Map<String, Value> {
    let is_snapshot = asked.is_snapshot();
    let (mut created, mut state) = (Vec::new(), None);
    let (verdict, message) = match found {
        None | Some(Searched::Absent | Searched::Untold) if asked.dry_run => {
            (WriteVerdict::Unknown, DRY_RUN.to_owned())
        }
        Some(Searched::Absent) => (WriteVerdict::NotSent, NOT_SENT.to_owned()),
        None | Some(Searched::Untold) => (WriteVerdict::Unknown, UNTOLD.to_owned()),
        Some(Searched::Found(action)) => match &action.outcome {
            Some(ActionOutcome::Succeeded { created: made }) => {
                created.clone_from(made);
                (WriteVerdict::Done, "AWS carried it out; the server ended before it said so.".to_owned())
            }
            Some(ActionOutcome::Refused { code, message }) => WriteVerdict::of_recorded(code, message),
            None | Some(ActionOutcome::Unknown { .. }) if is_snapshot => match made.get(&action.action) {
                Some(Ok(ids)) if !ids.is_empty() => {
                    created.clone_from(ids);
                    (WriteVerdict::Done, format!("{} AWS shows the snapshots.", action.loss()))
                }
                looked => (WriteVerdict::Unknown, unshown(action, looked)),
            },
            None | Some(ActionOutcome::Unknown { .. }) => {
                let target = live.targets.iter().find(|target| &*target.id.id == id);
                state = target.map(|target| target.state().to_owned());
                match &state {
                    Some(state) => looked_up(asked, action, state),
                    None => (WriteVerdict::Unknown, unseen(id, action, live)),
                }
            }
        },
    };
    let mut row = Map::new();
    row.insert("instance_id".to_owned(), json!(id));
    row.insert("verdict".to_owned(), json!(verdict));
    if is_snapshot {
        let started: Vec<Value> = created.iter().map(|id| json!({"snapshot_id": shown(id, 60)})).collect();
        row.insert("snapshots".to_owned(), json!(started));
        if let Some(found) = found.and_then(Searched::action) {
            row.insert("action".to_owned(), json!(found.action));
        }
    }
    if let Some(state) = state {
        row.insert("current_state".to_owned(), json!(state));
    }
    row.insert("message".to_owned(), json!(message));
    row
}

/// What the live state of an instance says about a call whose answer was lost.
fn looked_up(AskedCall { spec, .. }: &AskedCall, action: &FoundAction, state: &str) -> (WriteVerdict, String) {
    let wanted: &[&str] = match spec.name {
        name if name == start_instance::SPEC.name => &["pending", "running"],
        // Force is called for where an instance is stopping already.
        name if name == stop_instance::SPEC.name && action.force => &["stopped"],
        name if name == stop_instance::SPEC.name => &["stopping", "stopped"],
        // A reboot changes no state.
        _ => &[],
    };
    let shown = format!("{} AWS shows the instance as {state} now.", action.loss());
    // It was called for only because it was in another state.
    if wanted.contains(&state) {
        return (WriteVerdict::Done, shown);
    }
    let perhaps = "It may have happened: get_instance_status shows the state within two minutes.";
    (WriteVerdict::Unknown, format!("{shown} {perhaps}"))
}

/// Why it is not known whether an action made snapshots.
fn unshown(action: &FoundAction, looked: Option<&Result<Vec<String>, AwsError>>) -> String {
    let why = match looked {
        Some(Err(error)) => error.explained(),
        Some(Ok(_)) | None => "AWS shows no snapshot of it yet.".to_owned(),
    };
    format!("{} {why} {}", action.loss(), create_snapshot::perhaps_made(action.action))
}

/// Why AWS shows no state of an instance.
fn unseen(id: &str, action: &FoundAction, live: &LiveCheck) -> String {
    let why = match live.problems.iter().find(|problem| problem.id == id) {
        // Its message is about a call that was not made for that reason.
        Some(UncalledInstance { verdict: WriteVerdict::AnswerNotTrusted, .. }) => {
            "AWS's answer about the instance cannot be trusted."
        }
        Some(problem) => &problem.message,
        None => "AWS does not show the instance now.",
    };
    format!("{} {why} It may have happened: check before you repeat it.", action.loss())
}
