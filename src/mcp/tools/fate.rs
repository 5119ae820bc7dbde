//! What became of a call of a tool that changes AWS, for a front end whose server ended before it answered.
//!
//! The log says it: each action of a call is recorded before AWS is called, and after AWS answered. Where the answer was lost, with
//! the server or on its way to it, a live look shows the state of the instance, or the snapshots that carry the action's tag; what
//! that shows is recorded as the action's end, if it has none. What not even that shows is told as unknown. So is a call that the log
//! does not hold, where its records may have been folded away, or cannot be read.

mod asked_call;
mod call_search;
mod told_row;

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use rmcp::model::JsonObject;
use serde_json::{Map, Value, json};
use tokio::time::sleep;

use self::asked_call::AskedCall;
pub use self::asked_call::NamedCall;
use self::call_search::{ActionEndSearch, FoundAction, Searched, end_of, search};
use self::told_row::{LookedUp, is_done, row};
use super::answer::ToolResult;
use super::arguments;
use super::arguments::instances::InstanceArguments;
use super::create_snapshot;
use super::power;
use super::spec::ToolSpec;
use super::table::AnswerText;
use super::verdict::WriteVerdict;
use super::write_through::{check, witness};
use crate::aws::AwsError;
use crate::kinds::SNAPSHOT;
use crate::mcp::core::Core;
use crate::mcp::error::RequestError;
use crate::model::{ActionId, ActionOutcome, FailureCode, Named, ResourceId, Scope, Seq};

/// The method by which a front end asks.
pub const METHOD: &str = "muster/call";

/// The pauses before the looks at what an action made: AWS shows new snapshots by their tags with a delay.
const LOOKS: [Duration; 4] = [Duration::ZERO, Duration::from_secs(1), Duration::from_secs(2), Duration::from_secs(3)];
/// How long ago a call may have been made of which a front end asks: it asks as soon as it has lost the server.
const ASKED_WITHIN: Duration = Duration::from_hours(1);

/// What became of the call `name` of a tool with these arguments, which a front end of `user` made a short time ago.
///
/// # Errors
/// When the arguments are not the tool's, or the log cannot be read.
pub async fn fate(
    spec: &'static ToolSpec,
    core: Arc<Core>,
    (name, user): (Arc<str>, Arc<str>),
    given: JsonObject,
) -> Result<ToolResult, RequestError> {
    let since = core.now() - ASKED_WITHIN;
    fate_of(spec, core, NamedCall { name, user, since }, given).await
}

/// What became of a call of a tool with these arguments.
///
/// # Errors
/// When the arguments are not the tool's, or the log cannot be read.
pub async fn fate_of(
    spec: &'static ToolSpec,
    core: Arc<Core>,
    call: NamedCall,
    given: JsonObject,
) -> Result<ToolResult, RequestError> {
    let given = spec.clean(given)?;
    let asked = Arc::new(AskedCall::new(spec, call, &given));
    let named: Arc<Named> = Arc::new(arguments::read::<InstanceArguments<{ power::MAX_INSTANCES }>>(given)?.named()?);
    let found = {
        let (named, asked) = (Arc::clone(&named), Arc::clone(&asked));
        core.walk(move |core| search(core, &named, &asked)).await?
    };
    let actions: Vec<&FoundAction> = found.values().filter_map(Searched::action).collect();
    let mut open: Vec<&FoundAction> = actions.iter().filter(|action| action.is_unanswered()).copied().collect();
    open.sort_by_key(|open| open.action);
    open.dedup_by_key(|open| open.action);
    let mut looked = LookedUp::default();
    if asked.is_snapshot() {
        let core = &core;
        let looks = open.iter().map(|open| async move { (open.action, made(core, &open.scope, open.action).await) });
        looked.made = join_all(looks).await.into_iter().collect();
    } else if !open.is_empty() {
        looked.live = check(&core, &core.aws.pinned().await, &named).await?;
    }
    let visibility = core.visibility();
    let told = |id| {
        let mut row = row(&asked, id, found.get(id), &looked);
        if let Some(Value::String(message)) = row.get_mut("message") {
            *message = visibility.masked(message);
        }
        (id, row)
    };
    let rows: Vec<(&str, Map<String, Value>)> = named.ids().map(told).collect();
    let mut seq = actions.iter().map(|found| found.seq).max();
    for action in open.into_iter().filter(|action| action.outcome.is_none()) {
        let of_action =
            |id: &str| found.get(id).and_then(Searched::action).is_some_and(|of| of.action == action.action);
        // Of what an action was to change, some may not have been asked about.
        let is_shown =
            |target: &ResourceId| rows.iter().any(|(id, row)| **id == *target.id && of_action(id) && is_done(row));
        if action.targets.iter().all(is_shown) {
            let created = looked.made.remove(&action.action).and_then(Result::ok).unwrap_or_default();
            seq = seq.max(record(&core, action, created).await);
        }
    }
    let rows: Vec<Map<String, Value>> = rows.into_iter().map(|(_, row)| row).collect();
    answer(&asked, &rows, &actions, seq)
}

/// The snapshots that an action made, as AWS shows them after a while. It may show them one after the other.
async fn made(core: &Core, scope: &Scope, action: ActionId) -> Result<Vec<String>, AwsError> {
    let mut made = Vec::new();
    for pause in LOOKS {
        sleep(pause).await;
        let shown = core.aws.snapshots_of(scope, action).await?;
        if !made.is_empty() && shown.len() <= made.len() {
            break;
        }
        made = shown;
    }
    Ok(made)
}

/// Records that an action turned out to have been done, and has AWS show what it `created`. It ends once, whoever asks at the same
/// time. Where that fails, the answer is as true.
async fn record(core: &Arc<Core>, found: &FoundAction, created: Vec<String>) -> Option<Seq> {
    let FoundAction { action, seq: requested, scope, .. } = found;
    let (action, requested) = (*action, *requested);
    let seq = {
        let _turn = core.ends.lock().await;
        let ended = core.walk(move |core| end_of(core, action, requested)).await;
        match ended {
            Ok(ActionEndSearch::Open) => {
                let outcome = ActionOutcome::Succeeded { created: created.clone() };
                let recorded = core.ingest.finish(action, outcome, Vec::new()).await;
                recorded.inspect_err(|error| tracing::warn!(%error, "how an action ended is not recorded")).ok()
            }
            Ok(ActionEndSearch::Ended(_) | ActionEndSearch::Untold) => None,
            Err(error) => {
                tracing::warn!(%error, "how an action ended cannot be looked up");
                None
            }
        }
    };
    if created.is_empty() { seq } else { seq.max(witness(core, scope, SNAPSHOT, &created).await) }
}

fn answer(
    AskedCall { spec, dry_run, .. }: &AskedCall,
    rows: &[Map<String, Value>],
    found: &[&FoundAction],
    seq: Option<Seq>,
) -> Result<ToolResult, RequestError> {
    let good = rows.iter().filter(|row| is_done(row)).count();
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
    let mut actions: Vec<ActionId> = found.iter().map(|found| found.action).collect();
    actions.sort_unstable();
    actions.dedup();
    let mut body = Map::new();
    body.insert("results".to_owned(), json!(rows));
    body.insert("dry_run".to_owned(), json!(dry_run));
    // The rows of snapshots name them.
    if spec.name != create_snapshot::SPEC.name {
        body.insert("actions".to_owned(), json!(actions));
    }
    if let Some(seq) = seq {
        body.insert("seq".to_owned(), json!(seq));
    }
    let is_unknown = |row: &Map<String, Value>| row.get("verdict") == Some(&json!(WriteVerdict::Unknown));
    let none = if rows.iter().any(is_unknown) { FailureCode::PerhapsDone } else { FailureCode::NothingDone };
    let failure = (good == 0).then_some(none);
    Ok(ToolResult { failure, ..ToolResult::new(text, &body)? })
}
