//! Waits for the state that a change leads to, after a tool has had AWS change something.
//!
//! The call has been made and recorded by then, so whatever ends the wait ends nothing else. The wait belongs to the call and not to
//! its answer: a repeat with the same idempotency key waits as well.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::answer::ToolResult;
use super::budget::BUDGET;
use super::spec::ToolSpec;
use super::tokens::tokens;
use super::verdict::WriteVerdict;
use super::waiting::goal::Goal;
use super::waiting::{StateWait, WaitEnd};
use super::{create_snapshot, start_instance, stop_instance};
use crate::mcp::core::Core;
use crate::mcp::told::ProgressNote;

/// How many resources an answer lists at most; fewer where it is long without them.
const LISTED: [usize; 3] = [50, 10, 0];

/// What ends a wait before its time, and how its client is told how far it is.
#[derive(Clone, Copy)]
pub struct WaitSetting<'a> {
    /// How far it is.
    pub note: &'a ProgressNote,
    /// Cancelled when the server stops or the client has closed its end.
    pub stop: &'a CancellationToken,
    /// Cancelled when the client has cancelled the call.
    pub ended: &'a CancellationToken,
}

/// Waits for what `answer` says was changed, and adds how far it is. The change was made, whatever comes of the wait.
pub async fn waited(
    spec: &ToolSpec,
    core: &Core,
    mut answer: ToolResult,
    patience: Duration,
    setting: WaitSetting<'_>,
) -> ToolResult {
    let Some((until, ids)) = awaited(spec, &answer.structured) else { return answer };
    let WaitSetting { note, stop, ended } = setting;
    let wait = StateWait { until, begun: Instant::now(), patience, note, stop };
    match ended.run_until_cancelled(wait.wait(core, &ids)).await {
        Some(Ok(ended)) => add(&mut answer, &ended),
        Some(Err(error)) => answer.text = format!("{}\nThe wait for the new state failed: {error}.", answer.text),
        // Nobody reads the answer any more.
        None => {}
    }
    answer
}

/// What there is to wait for after a change, and the resources.
fn awaited(spec: &ToolSpec, structured: &Value) -> Option<(Goal, Vec<String>)> {
    let good = [WriteVerdict::Done, WriteVerdict::Already].map(|verdict| json!(verdict));
    let rows = structured.get("results").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let done = rows.iter().filter(|row| row.get("verdict").is_some_and(|verdict| good.contains(verdict)));
    let id = |of: &Value, name: &str| Some(of.get(name)?.as_str()?.to_owned());
    let instances = || done.clone().filter_map(|row| id(row, "instance_id"));
    let snapshots = done.clone().filter_map(|row| row.get("snapshots")?.as_array()).flatten();
    let (until, ids): (Goal, Vec<String>) = match spec.name {
        name if name == start_instance::SPEC.name => (Goal::Running, instances().collect()),
        name if name == stop_instance::SPEC.name => (Goal::Stopped, instances().collect()),
        name if name == create_snapshot::SPEC.name => {
            (Goal::Completed, snapshots.filter_map(|snapshot| id(snapshot, "snapshot_id")).collect())
        }
        _ => return None,
    };
    (!ids.is_empty()).then_some((until, ids))
}

/// Adds how a wait ended, with as many resources as fit.
fn add(answer: &mut ToolResult, ended: &WaitEnd) {
    for most in LISTED {
        let text = format!("{}\n{}", answer.text, String::from(ended.told(most)));
        let wait = json!(ended.data(most));
        let length = tokens(&answer.structured.to_string()) + tokens(&wait.to_string());
        if most > 0 && (tokens(&text) > BUDGET || length > BUDGET) {
            continue;
        }
        answer.text = text;
        if let Value::Object(body) = &mut answer.structured {
            body.insert("wait".to_owned(), wait);
        }
        return;
    }
}
