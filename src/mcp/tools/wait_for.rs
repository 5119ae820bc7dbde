//! `wait_for`: waits until instances or snapshots come to a state.

use std::time::Duration;

use rmcp::schemars::{self, JsonSchema};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::answer::ToolResult;
use super::arguments::ArgumentError;
use super::arguments::wait_seconds::MAX_WAIT;
use super::schema::ToolSchema;
use super::spec::{CallSetting, ToolCall, ToolEffect, ToolSpec};
use super::waiting::goal::Goal;
use super::waiting::{StateWait, WaitRow};
use crate::mcp::error::RequestError;
use crate::model::{FailureCode, Seq};

/// Resources in one call at most.
const MAX_IDS: usize = 50;
/// How long a call waits in seconds unless it says otherwise.
const SECONDS: u64 = 30;

/// The tool.
pub static SPEC: ToolSpec = ToolSpec {
    name: "wait_for",
    title: "Wait for instances or snapshots",
    description: "Waits until all of these instances or snapshots are running, stopped, status_ok (running with all status \
                  checks ok), completed (snapshots) or gone, and looks at them in AWS meanwhile. When the time is up it \
                  answers done: false and how far each is; call it again. Status checks of the first minute after a reboot \
                  do not count.",
    effect: ToolEffect::Read,
    input: ToolSchema::of_arguments::<Arguments>(),
    output: ToolSchema::of_answer::<WaitAnswer>(),
    example: r#"{"ids": ["i-0123456789abcdef0"], "until": "running", "wait_seconds": 45}"#,
    call: |call, given| call.with(given, serve),
};

/// What to wait for, and how long.
#[derive(Debug, Deserialize, JsonSchema)]
struct Arguments {
    /// Instance IDs, or snapshot IDs for completed and gone.
    #[schemars(length(min = 1, max = MAX_IDS))]
    ids: Vec<String>,
    /// The state to wait for.
    until: Goal,
    /// How long to wait.
    #[serde(default = "seconds")]
    #[schemars(range(min = 1, max = MAX_WAIT))]
    wait_seconds: u64,
}

fn seconds() -> u64 {
    SECONDS
}

/// The structured content of an answer.
#[derive(Debug, Serialize, JsonSchema)]
struct WaitAnswer {
    /// Whether all of them are there.
    done: bool,
    /// How long this call waited.
    waited_seconds: u64,
    /// One row for each id, in the order asked.
    results: Vec<WaitRow>,
    /// The log's end at this read.
    #[schemars(with = "u64")]
    seq: Seq,
}

async fn serve(call: ToolCall, arguments: Arguments) -> Result<ToolResult, RequestError> {
    let ToolCall { core, stop, setting: CallSetting { note, elapsed, .. }, .. } = call;
    let Arguments { ids, until, wait_seconds } = arguments;
    if !(1..=MAX_WAIT).contains(&wait_seconds) {
        let expected = format!("from 1 to {MAX_WAIT}: call again to go on waiting");
        return Err(ArgumentError::form("wait_seconds", &expected, wait_seconds).into());
    }
    if ids.len() > MAX_IDS {
        let expected = format!("at most {MAX_IDS} ids: use several calls");
        return Err(ArgumentError::form("ids", &expected, format!("{} ids", ids.len())).into());
    }
    let now = Instant::now();
    // A call that is sent again began with the first server.
    let begun = now.checked_sub(elapsed).unwrap_or(now);
    let patience = Duration::from_secs(wait_seconds);
    let wait = StateWait { until, begun, patience, note: &note, stop: &stop };
    let ended = wait.wait(&core, &ids).await?;
    let (text, done, waited_seconds) = (ended.told(MAX_IDS), ended.is_done(), ended.seconds);
    let is_blind = ended.rows.iter().all(|row| row.is_unseen);
    let body = WaitAnswer { done, waited_seconds, results: ended.rows, seq: core.snapshot()?.seq() };
    let failure = is_blind.then_some(FailureCode::Aws);
    Ok(ToolResult { failure, ..ToolResult::new(text, &body)? })
}
