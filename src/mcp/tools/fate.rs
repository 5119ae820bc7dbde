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
use self::call_search::{FoundAction, Searched, outcome, search};
use self::told_row::{LookedUp, is_done, row};
use super::answer::ToolResult;
use super::arguments;
use super::arguments::instances::InstanceArguments;
use super::create_snapshot;
use super::power;
use super::spec::ToolSpec;
use super::table::AnswerText;
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
    let rows: Vec<(&str, Map<String, Value>)> =
        named.ids().map(|id| (id, row(&asked, id, found.get(id), &looked))).collect();
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
        let ended = core.walk(move |core| outcome(&core.snapshot()?, action, requested)).await;
        match ended {
            Ok(None) => {
                let outcome = ActionOutcome::Succeeded { created: created.clone() };
                let recorded = core.ingest.finish(action, outcome, Vec::new()).await;
                recorded.inspect_err(|error| tracing::warn!(%error, "how an action ended is not recorded")).ok()
            }
            Ok(Some(_)) => None,
            Err(error) => {
                tracing::warn!(%error, "how an action ended cannot be looked up");
                None
            }
        }
    };
    if created.is_empty() { seq } else { seq.max(witness(core, scope, SNAPSHOT, &created).await) }
}

<<<<<<< HEAD
=======
/// Whether an instance's row says that the call was carried out.
fn is_done(row: &Map<String, Value>) -> bool {
    row.get("verdict") == Some(&json!(WriteVerdict::Done))
}

/// What the log says of the call, made at `since` or later, for each of the instances.
fn search(
    core: &Core,
    named: &Named,
    call: &str,
    since: Timestamp,
) -> Result<BTreeMap<String, Searched>, RequestError> {
    let (snapshot, mut found) = (core.snapshot()?, BTreeMap::new());
    let is_kept = reaches_back(snapshot.horizon(), snapshot.earliest()?, since);
    for id in named.ids() {
        let mut outcomes = Vec::new();
        for copy in snapshot.copies(&INSTANCE.kind(), id)? {
            outcomes.push(match requested(&snapshot, &copy.id, call)? {
                Searched::Absent if !is_kept || is_damaged(core, &copy.id) => Searched::Untold,
                said => said,
            });
        }
        let is_whole = !outcomes.is_empty() && outcomes.iter().all(|said| matches!(said, Searched::Absent));
        let action = outcomes.into_iter().find(|said| said.action().is_some());
        found.insert(id.to_owned(), action.unwrap_or(if is_whole { Searched::Absent } else { Searched::Untold }));
    }
    Ok(found)
}

/// Whether a log with this horizon and this earliest time still holds every record since then.
fn reaches_back(horizon: Seq, earliest: Option<Timestamp>, since: Timestamp) -> bool {
    horizon == Seq::ZERO || earliest.is_some_and(|earliest| earliest < since)
}

/// Whether a record of the log that cannot be read may be about a resource. Reading its timeline has noted those that are.
fn is_damaged(core: &Core, id: &ResourceId) -> bool {
    let (found, has_more) = core.store.damage();
    let may_be = |of: Option<&ResourceId>| of.is_none_or(|of| of == id);
    has_more || found.iter().any(|record| record.is_of_log() && may_be(record.id.as_ref()))
}

/// What the timeline of a resource says of the call.
fn requested(snapshot: &Snapshot, id: &ResourceId, call: &str) -> Result<Searched, RequestError> {
    let mut before = Seq(u64::MAX);
    for _ in 0..MAX_SEARCHED / CHUNK {
        let records = snapshot.timeline_before(id, before, CHUNK)?;
        let Some(last) = records.last() else { return Ok(Searched::Absent) };
        before = last.seq;
        for record in records {
            if let Event::ActionRequested { action, call: Some(of), .. } = &record.event
                && of == call
            {
                let outcome = outcome(snapshot, *action, record.seq)?;
                let (action, scope) = (*action, id.scope());
                return Ok(Searched::Found(FoundAction { action, scope, seq: record.seq, outcome }));
            }
        }
    }
    Ok(Searched::Untold)
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
                Event::ActionFinished { action: of, outcome, .. } if of == action => return Ok(Some(outcome)),
                _ => {}
            }
        }
    }
}

/// The row of an instance, which conforms to the output schemas of all tools that change AWS.
fn row(
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
fn looked_up(AskedCall { spec, force, .. }: &AskedCall, action: &FoundAction, state: &str) -> (WriteVerdict, String) {
    let wanted: &[&str] = match spec.name {
        name if name == start_instance::SPEC.name => &["pending", "running"],
        // Force is called for where an instance is stopping already.
        name if name == stop_instance::SPEC.name && *force => &["stopped"],
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

>>>>>>> h-e
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
    let failure = (good == 0).then_some(FailureCode::NothingDone);
    Ok(ToolResult { failure, ..ToolResult::new(text, &body)? })
}
