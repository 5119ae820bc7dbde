//! What became of a call of a tool that changes AWS, for a front end whose server ended before it answered.
//!
//! The log says it: each action of a call is recorded before AWS is called, and after AWS answered. Where the answer was lost with
//! the server, a live look shows the state of the instance. What not even that shows is told as unknown.

use std::collections::BTreeMap;
use std::sync::Arc;

use rmcp::model::JsonObject;
use serde_json::{Map, Value, json};

use super::answer::ToolResult;
use super::arguments;
use super::arguments::instances::InstanceArguments;
use super::power;
use super::spec::ToolSpec;
use super::table::AnswerText;
use super::verdict::WriteVerdict;
use super::write_through::{LiveInstance, check};
use super::{create_snapshot, start_instance, stop_instance};
use crate::kinds::INSTANCE;
use crate::mcp::core::Core;
use crate::mcp::error::RequestError;
use crate::model::text::shown;
use crate::model::{ActionId, ActionOutcome, Event, FailureCode, Named, Recorded, ResourceId, Seq};
use crate::store::Snapshot;

/// The method by which a front end asks.
pub const METHOD: &str = "muster/call";

/// How many records are read at once.
const CHUNK: usize = 500;
/// How many records of one instance are searched: the action of a call that a server lost is among its newest.
const MAX_SEARCHED: usize = 5_000;

const NOT_SENT: &str = "The server ended before it sent this call to AWS, so nothing happened: call again.";
const DRY_RUN: &str = "The server ended before it answered this dry run. Call again.";

/// An action of a call, for one instance.
struct FoundAction {
    action: ActionId,
    seq: Seq,
    outcome: Option<ActionOutcome>,
}

/// What became of the call `name` of a tool with these arguments.
///
/// # Errors
/// When the arguments are not the tool's, or the log cannot be read.
pub async fn fate(
    spec: &'static ToolSpec,
    core: Arc<Core>,
    name: Arc<str>,
    given: JsonObject,
) -> Result<ToolResult, RequestError> {
    let given = spec.clean(given)?;
    let dry_run = given.get("dry_run") == Some(&Value::Bool(true));
    let named: Arc<Named> = Arc::new(arguments::read::<InstanceArguments<{ power::MAX_INSTANCES }>>(given)?.named()?);
    let found = {
        let named = Arc::clone(&named);
        core.walk(move |core| search(&core.snapshot()?, &named, &name)).await?
    };
    let open = found.values().any(|action| action.outcome.is_none());
    let live = if open { look(&core, &named).await? } else { BTreeMap::new() };
    let rows: Vec<Map<String, Value>> =
        named.ids().map(|id| row(spec, id, found.get(id), live.get(id), dry_run)).collect();
    answer(spec, &rows, &found, dry_run)
}

/// The newest action of the call for each of the instances.
fn search(snapshot: &Snapshot, named: &Named, call: &str) -> Result<BTreeMap<String, FoundAction>, RequestError> {
    let mut found = BTreeMap::new();
    for id in named.ids() {
        for copy in snapshot.copies(&INSTANCE.kind(), id)? {
            if let Some((record, action)) = requested(snapshot, &copy.id, call)? {
                let outcome = outcome(snapshot, action, record.seq)?;
                found.insert(id.to_owned(), FoundAction { action, seq: record.seq, outcome });
            }
        }
    }
    Ok(found)
}

/// The newest request of the call on the timeline of a resource.
fn requested(snapshot: &Snapshot, id: &ResourceId, call: &str) -> Result<Option<(Recorded, ActionId)>, RequestError> {
    let mut before = Seq(u64::MAX);
    for _ in 0..MAX_SEARCHED / CHUNK {
        let records = snapshot.timeline_before(id, before, CHUNK)?;
        let Some(last) = records.last() else { return Ok(None) };
        before = last.seq;
        for record in records {
            if let Event::ActionRequested { action, call: Some(of), .. } = &record.event
                && of == call
            {
                let action = *action;
                return Ok(Some((record, action)));
            }
        }
    }
    Ok(None)
}

/// How an action ended, if the log says so.
fn outcome(snapshot: &Snapshot, action: ActionId, requested: Seq) -> Result<Option<ActionOutcome>, RequestError> {
    let mut from = requested.next();
    loop {
        let records = snapshot.records(from, CHUNK)?;
        let Some(last) = records.last() else { return Ok(None) };
        from = last.seq.next();
        for record in records {
            match record.event {
                Event::ActionFinished { action: of, outcome } if of == action => return Ok(Some(outcome)),
                _ => {}
            }
        }
    }
}

/// The instances as AWS shows them now. One that it does not show is missing.
async fn look(core: &Core, named: &Named) -> Result<BTreeMap<String, LiveInstance>, RequestError> {
    let aws = core.aws.pinned().await;
    let targets = check(core, &aws, named).await?.targets;
    Ok(targets.into_iter().map(|target| (target.id.id.to_string(), target)).collect())
}

/// The row of an instance, which conforms to the output schemas of all tools that change AWS.
fn row(
    spec: &ToolSpec,
    id: &str,
    found: Option<&FoundAction>,
    live: Option<&LiveInstance>,
    dry_run: bool,
) -> Map<String, Value> {
    let is_snapshot = spec.name == create_snapshot::SPEC.name;
    let (mut created, mut state) = (Vec::new(), None);
    let (verdict, message) = match found {
        None if dry_run => (WriteVerdict::Unknown, DRY_RUN.to_owned()),
        None => (WriteVerdict::NotSent, NOT_SENT.to_owned()),
        Some(FoundAction { action, outcome, .. }) => match outcome {
            Some(ActionOutcome::Succeeded { created: made }) => {
                created.clone_from(made);
                (WriteVerdict::Done, "AWS carried it out; the server ended before it said so.".to_owned())
            }
            Some(ActionOutcome::Refused { code, message }) => {
                (WriteVerdict::Refused, format!("AWS refused ({}): {}", shown(code, 80), shown(message, 300)))
            }
            Some(ActionOutcome::Unknown { message }) => (WriteVerdict::Unknown, shown(message, 300)),
            None if is_snapshot => (
                WriteVerdict::Unknown,
                format!(
                    "The server ended while it called AWS. It may have happened: before you repeat it, check with `aws ec2 \
                     describe-snapshots --filters Name=tag:muster:action,Values={action}`."
                ),
            ),
            None => {
                let name = live.map(|live| live.state().to_owned());
                let looked = looked_up(spec, name.as_deref());
                state = name;
                looked
            }
        },
    };
    let mut row = Map::new();
    row.insert("instance_id".to_owned(), json!(id));
    row.insert("verdict".to_owned(), json!(verdict));
    if is_snapshot {
        let started: Vec<Value> = created.iter().map(|id| json!({"snapshot_id": shown(id, 60)})).collect();
        row.insert("snapshots".to_owned(), json!(started));
        if let Some(found) = found {
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
fn looked_up(spec: &ToolSpec, state: Option<&str>) -> (WriteVerdict, String) {
    let wanted: &[&str] = match spec.name {
        name if name == start_instance::SPEC.name => &["pending", "running"],
        name if name == stop_instance::SPEC.name => &["stopping", "stopped"],
        // A reboot changes no state.
        _ => &[],
    };
    match state {
        // It was called for only because it was in another state.
        Some(state) if wanted.contains(&state) => {
            (WriteVerdict::Done, format!("The server ended while it called AWS, which shows the instance as {state} now."))
        }
        Some(state) => (
            WriteVerdict::Unknown,
            format!(
                "The server ended while it called AWS, which shows the instance as {state} now. It may have happened: \
                 get_instance_status shows the state within two minutes."
            ),
        ),
        None => (
            WriteVerdict::Unknown,
            "The server ended while it called AWS, which does not show the instance now. It may have happened: check before \
             you repeat it."
                .to_owned(),
        ),
    }
}

fn answer(
    spec: &ToolSpec,
    rows: &[Map<String, Value>],
    found: &BTreeMap<String, FoundAction>,
    dry_run: bool,
) -> Result<ToolResult, RequestError> {
    let is_good = |row: &&Map<String, Value>| row.get("verdict") == Some(&json!(WriteVerdict::Done));
    let good = rows.iter().filter(is_good).count();
    let mut text = AnswerText::new(format!(
        "The Muster server ended before it answered this call; this is what became of it. {good} of {} instances are done.",
        rows.len()
    ));
    text.add("\ninstance | verdict | message");
    for row in rows {
        let cell = |name| row.get(name).and_then(Value::as_str).unwrap_or_default();
        text.add(format_args!("\n{} | {} | {}", cell("instance_id"), cell("verdict"), cell("message")));
        for id in row.get("snapshots").and_then(Value::as_array).into_iter().flatten() {
            text.add(format_args!("\n  {}", id.get("snapshot_id").and_then(Value::as_str).unwrap_or_default()));
        }
    }
    let mut actions: Vec<ActionId> = found.values().map(|found| found.action).collect();
    actions.sort_unstable();
    actions.dedup();
    let mut body = Map::new();
    body.insert("results".to_owned(), json!(rows));
    body.insert("dry_run".to_owned(), json!(dry_run));
    // The rows of snapshots name them.
    if spec.name != create_snapshot::SPEC.name {
        body.insert("actions".to_owned(), json!(actions));
    }
    if let Some(seq) = found.values().map(|found| found.seq).max() {
        body.insert("seq".to_owned(), json!(seq));
    }
    let failure = (good == 0).then_some(FailureCode::NothingDone);
    Ok(ToolResult { failure, ..ToolResult::new(text, &body)? })
}
