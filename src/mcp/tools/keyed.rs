//! Calls with an idempotency key: a repeat within a day is answered with the first answer, and AWS is not called again.
//!
//! The key is kept before AWS is called, and the answer with it afterwards. A repeat while the first call runs waits for it. After a
//! crash the key has no answer: then the log says what became of the call ([`fate_of`]), and it runs again only where AWS did nothing.
//! Where AWS's own answer was lost, a repeat looks whether AWS shows by now what the call did. The same key with another tool or
//! other arguments is an error. Where it is certain that nothing was changed, also because AWS refused, and nothing was in the requested
//! state, the key is free again. A dry run changes nothing, so its key is not looked at.

use std::sync::Arc;
use std::time::Duration;

use rmcp::model::JsonObject;
use serde_json::{Value, json};
use tokio::time::timeout;
use xxhash_rust::xxh3::xxh3_128;

use super::answer::ToolResult;
use super::arguments::ArgumentError;
use super::arguments::idempotency_key::NAME;
use super::fate::{NamedCall, fate_of};
use super::kept_answer::KeptAnswer;
use super::spec::{ToolCall, ToolSpec};
use super::verdict::WriteVerdict;
use super::write_through::to_the_end;
use crate::mcp::core::Core;
use crate::mcp::error::RequestError;
use crate::mcp::key_book::{KeyTurn, TurnGuard};
use crate::model::keyed_call::{CallKey, KeyedCall};
use crate::model::{Principal, Timestamp};

/// How long a repeat waits for the first call.
const PATIENCE: Duration = Duration::from_secs(45);
/// How many keys of one user are kept at a time.
const MAX_KEPT: usize = 5_000;
/// The largest answer that is kept; of a larger one the log tells what it was about.
const MAX_ANSWER: usize = 256 << 10;

/// What a kept call means for a call with its key.
#[derive(Debug, PartialEq, Eq)]
enum RepeatVerdict {
    /// There was none: it runs.
    Fresh,
    /// It was another call.
    Other { at: Timestamp, tool: String },
    /// It was the same call, with this answer.
    Answered(KeyedCall, String),
    /// It was the same call, and ended without an answer; when it was made, and its name in the log.
    Unanswered { at: Timestamp, call: Arc<str> },
}

/// Serves a call of a tool that changes AWS, once for its key.
///
/// # Errors
/// What the call fails with; and when its key stands for another call, or its first call takes too long.
pub async fn call(
    spec: &'static ToolSpec,
    call: ToolCall,
    given: JsonObject,
    key: Arc<str>,
) -> Result<ToolResult, RequestError> {
    let core = Arc::clone(&call.core);
    let work = async move { Box::pin(once(spec, call, given, &key)).await };
    to_the_end(&core, work).await
}

async fn once(
    spec: &'static ToolSpec,
    mut call: ToolCall,
    given: JsonObject,
    name: &Arc<str>,
) -> Result<ToolResult, RequestError> {
    let core = Arc::clone(&call.core);
    let origin = &mut call.setting.running.origin;
    origin.key = Some(Arc::clone(name));
    let by = origin.by.clone().unwrap_or_else(|| Principal::of_user("local"));
    let key = CallKey::of(&by, name);
    let digest = digest(spec, &given);
    // Held until the answer is kept.
    let _place = turn(&call, &key, digest).await?;
    let now = core.now();
    let known = core.snapshot()?.keyed(&key, now)?;
    match verdict(known, spec.name, digest) {
        RepeatVerdict::Fresh => {}
        RepeatVerdict::Other { at, tool } => {
            return Err(other(name, &format!("a call of {tool} at {at}")));
        }
        RepeatVerdict::Answered(kept, answer) => {
            let (at, answer) = (kept.at, serde_json::from_str::<KeptAnswer>(&answer)?);
            let settled = if answer.is_uncertain() { settled(spec, &core, &kept, &answer, given).await } else { None };
            return Ok(settled.unwrap_or(answer).repeated(at));
        }
        RepeatVerdict::Unanswered { at, call } => {
            let asked = NamedCall { name: call, user: by.user.clone(), since: at };
            let told = fate_of(spec, Arc::clone(&core), asked, given.clone()).await?;
            // Of a call without a row nothing is known.
            if rows(&told).is_empty() || is_outcome(&told) {
                return Ok(told);
            }
        }
    }
    if core.snapshot()?.keyed_count(&by)? >= MAX_KEPT {
        let problem = format!(
            "argument `{NAME}`: {MAX_KEPT} keys of this user are kept already, each for 24 hours: call without a key, or later"
        );
        return Err(ArgumentError::said(&problem).into());
    }
    let running = &mut call.setting.running;
    let name = running.name.get_or_insert_with(|| format!("key-{:016x}", fastrand::u64(..)).into());
    let kept = KeyedCall { key, at: now, tool: spec.name.to_owned(), digest, call: name.to_string(), answer: None };
    core.ingest.keep_call(kept.clone()).await?;
    let answer = (spec.call)(call, given).await;
    match &answer {
        Ok(answer) if is_outcome(answer) => keep(&core, kept, &KeptAnswer::of(answer)).await,
        // Of a call that failed in another way, the log tells what became of it.
        Ok(_) | Err(RequestError::Argument(_)) => forget(&core, kept).await,
        Err(_) => {}
    }
    answer
}

/// Waits until no other call with this key runs.
async fn turn(call: &ToolCall, key: &CallKey, digest: u128) -> Result<TurnGuard, RequestError> {
    loop {
        match call.core.keys.begin(key, digest) {
            KeyTurn::Mine(place) => return Ok(place),
            KeyTurn::Other => return Err(other(&key.key, "a call that still runs")),
            KeyTurn::Repeat(ended) => {
                let waited = timeout(PATIENCE, call.stop.run_until_cancelled(ended.cancelled())).await;
                match waited {
                    Ok(Some(())) => {}
                    Ok(None) => return Err(RequestError::Stopping),
                    Err(_) => return Err(RequestError::KeyUnderWay),
                }
            }
        }
    }
}

/// The answer with what AWS shows by now of a call whose answer from AWS was lost, which is kept instead; `None` if AWS shows nothing
/// of it.
async fn settled(
    spec: &'static ToolSpec,
    core: &Arc<Core>,
    kept: &KeyedCall,
    answer: &KeptAnswer,
    given: JsonObject,
) -> Option<KeptAnswer> {
    let asked = NamedCall { name: kept.call.as_str().into(), user: kept.key.user.clone(), since: kept.at };
    let told = fate_of(spec, Arc::clone(core), asked, given).await;
    let told = told.inspect_err(|error| tracing::warn!(%error, "what became of a call cannot be looked up")).ok()?;
    let settled = answer.settled(&told.structured)?;
    keep(core, kept.clone(), &settled).await;
    Some(settled)
}

/// Keeps the answer. Where that fails the log still tells what became of the call.
async fn keep(core: &Core, kept: KeyedCall, answer: &KeptAnswer) {
    let text = serde_json::to_string(answer);
    let Some(answer) = text.ok().filter(|text| text.len() <= MAX_ANSWER) else { return };
    if let Err(error) = core.ingest.keep_call(KeyedCall { answer: Some(answer), ..kept }).await {
        tracing::warn!(%error, "the answer of a call with an idempotency key is not kept");
    }
}

/// Frees the key of a call that did nothing.
async fn forget(core: &Core, kept: KeyedCall) {
    // As old as that, it is dropped at once.
    if let Err(error) = core.ingest.keep_call(KeyedCall { at: Timestamp::EPOCH, ..kept }).await {
        tracing::warn!(%error, "the key of a call that did nothing is kept");
    }
}

/// Whether an answer tells of something that AWS did, may have done, or that is in the requested state.
fn is_outcome(answer: &ToolResult) -> bool {
    let kept = [WriteVerdict::Done, WriteVerdict::Already, WriteVerdict::Acted, WriteVerdict::Unknown];
    let is_kept = |row: &Value| kept.iter().any(|verdict| row.get("verdict") == Some(&json!(verdict)));
    rows(answer).iter().any(is_kept)
}

/// What an answer says of each instance.
fn rows(answer: &ToolResult) -> &[Value] {
    answer.structured.get("results").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

/// What a kept call means for a call of `tool` with this digest.
fn verdict(known: Option<KeyedCall>, tool: &str, digest: u128) -> RepeatVerdict {
    match known {
        None => RepeatVerdict::Fresh,
        Some(known) if known.tool != tool || known.digest != digest => {
            RepeatVerdict::Other { at: known.at, tool: known.tool }
        }
        Some(mut known) => match known.answer.take() {
            Some(answer) => RepeatVerdict::Answered(known, answer),
            None => RepeatVerdict::Unanswered { at: known.at, call: known.call.into() },
        },
    }
}

/// A digest of a tool and its arguments, whatever order they are in.
fn digest(spec: &ToolSpec, given: &JsonObject) -> u128 {
    let mut fields: Vec<(&String, &Value)> = given.iter().collect();
    fields.sort_by_key(|(name, _)| *name);
    xxh3_128(format!("{} {}", spec.name, serde_json::to_string(&fields).unwrap_or_default()).as_bytes())
}

fn other(key: &str, what: &str) -> RequestError {
    let problem = format!(
        "argument `{NAME}`: \"{key}\" stands for {what}, with another tool or other arguments: use a new key for a new call"
    );
    ArgumentError::said(&problem).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mcp::tools::{start_instance, stop_instance};

    fn object(value: Value) -> JsonObject {
        match value {
            Value::Object(object) => object,
            other => panic!("{other}"),
        }
    }

    #[test]
    fn only_the_same_tool_and_arguments_repeat_a_call() {
        let given = object(json!({"instance_ids": ["i-1"], "force": true}));
        let turned = object(json!({"force": true, "instance_ids": ["i-1"]}));
        let one = digest(&stop_instance::SPEC, &given);
        assert_eq!(digest(&stop_instance::SPEC, &turned), one);
        assert_ne!(digest(&start_instance::SPEC, &given), one);
        assert_ne!(digest(&stop_instance::SPEC, &object(json!({"instance_ids": ["i-1"]}))), one);
        let kept = |answer: Option<&str>| {
            Some(KeyedCall {
                key: CallKey::of(&Principal::of_user("uid:1"), "k"),
                at: Timestamp::EPOCH,
                tool: "stop_instance".to_owned(),
                digest: one,
                call: "c-1".to_owned(),
                answer: answer.map(str::to_owned),
            })
        };
        assert_eq!(verdict(None, "stop_instance", one), RepeatVerdict::Fresh);
        assert!(matches!(verdict(kept(None), "start_instance", one), RepeatVerdict::Other { .. }));
        assert!(matches!(verdict(kept(Some("{}")), "stop_instance", one + 1), RepeatVerdict::Other { .. }));
        assert!(matches!(verdict(kept(Some("{}")), "stop_instance", one), RepeatVerdict::Answered(..)));
        let unanswered = RepeatVerdict::Unanswered { at: Timestamp::EPOCH, call: "c-1".into() };
        assert_eq!(verdict(kept(None), "stop_instance", one), unanswered);
    }
}
