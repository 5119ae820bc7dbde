//! `wait_for`: waits until instances or snapshots come to a state.

mod goal;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use rmcp::schemars::{self, JsonSchema};
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep_until, timeout_at};

use self::goal::{Goal, KnownState, Nearness, STRANGE, failing, state_of, too_early};
use super::answer::ToolResult;
use super::arguments::ArgumentError;
use super::schema::ToolSchema;
use super::spec::{CallSetting, ToolCall, ToolEffect, ToolSpec};
use super::table::{self, AnswerText};
use crate::kinds::{INSTANCE, KindSpec};
use crate::mcp::core::Core;
use crate::mcp::error::RequestError;
use crate::mcp::fresh::Fresh;
use crate::mcp::looks::{LiveSight, Sight};
use crate::model::text::shown as cut;
use crate::model::{Document, FailureCode, ResourceId, Scope, Seq, Timestamp};
use crate::store::Snapshot;

/// Waits at once: one more is answered at once as not done, so that waiting leaves room for other requests.
static WAITING: Semaphore = Semaphore::const_new(128);
/// Resources in one call at most.
const MAX_IDS: usize = 50;
/// How long a call waits at most, in seconds, and unless it says otherwise.
const MAX_SECONDS: u64 = 45;
const SECONDS: u64 = 30;
/// When AWS is asked, from the start of the wait; in between, events and other looks end it.
const LOOKS: [u64; 5] = [0, 2, 5, 15, 30];

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
    #[schemars(range(min = 1, max = MAX_SECONDS))]
    wait_seconds: u64,
}

fn seconds() -> u64 {
    SECONDS
}

/// How far one resource is.
#[derive(Clone, Debug, Serialize, JsonSchema)]
struct WaitRow {
    /// The resource.
    id: String,
    /// How near it is to what is waited for.
    result: Nearness,
    /// Its state; absent when it is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<String>,
    /// How much of a snapshot is copied, or which status checks are not ok.
    #[serde(skip_serializing_if = "Option::is_none")]
    progress: Option<String>,
    /// When that was last confirmed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    as_of: Option<Timestamp>,
    /// Why it is not there, or what to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    /// Whether AWS did not say whether it is there.
    #[serde(skip)]
    is_unseen: bool,
    /// Whether nobody knows its id.
    #[serde(skip)]
    is_strange: bool,
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

/// One resource that is waited for, and what AWS said of it last.
struct Subject {
    id: Arc<str>,
    kind: &'static KindSpec,
    /// Where it is; every watched scope of its kind while that is not known.
    scopes: Vec<Scope>,
    /// Whether it is or was in the inventory: else it may be in another region, or its id mistyped.
    was_seen: bool,
    sights: HashMap<Scope, Sight>,
}

async fn serve(call: ToolCall, arguments: Arguments) -> Result<ToolResult, RequestError> {
    let ToolCall { core, stop, setting: CallSetting { note, elapsed, .. }, .. } = call;
    let Arguments { until, wait_seconds, .. } = arguments;
    if !(1..=MAX_SECONDS).contains(&wait_seconds) {
        let expected = format!("from 1 to {MAX_SECONDS}: call again to go on waiting");
        return Err(ArgumentError::form("wait_seconds", &expected, wait_seconds).into());
    }
    let mut subjects = subjects(&core, until, &arguments.ids)?;
    // Before anything is read: what is committed from now on wakes the wait.
    let mut newest = core.hub.newest();
    let now = Instant::now();
    // A call that is sent again began with the first server.
    let (begun, since) = (now.checked_sub(elapsed).unwrap_or(now), core.now());
    let deadline = begun + Duration::from_secs(wait_seconds);
    let place = WAITING.try_acquire().ok();
    let mut looks = LOOKS.map(|seconds| begun + Duration::from_secs(seconds)).into_iter().peekable();
    loop {
        if looks.next_if(|at| *at <= Instant::now()).is_some() {
            let since = since.max(core.now() - Duration::from_secs(1));
            // An answer that is still on its way when the time is up is not waited for.
            tokio::select! {
                looked = timeout_at(deadline, look(&core, &mut subjects, since)) => looked.unwrap_or(Ok(()))?,
                () = stop.cancelled() => {}
            }
        }
        newest.mark_unchanged();
        let rows = rows(&core, until, &subjects)?;
        let is_open = rows.iter().any(|row| row.result == Nearness::Waiting);
        if !is_open || place.is_none() || stop.is_cancelled() || Instant::now() >= deadline {
            let cut = match (place.is_none(), stop.is_cancelled()) {
                (true, _) => Some(CutShort::Full),
                (false, true) => Some(CutShort::Stopped),
                (false, false) => None,
            };
            return answer(&core, until, rows, begun.elapsed(), cut);
        }
        let reached = rows.iter().filter(|row| row.result == Nearness::Reached).count();
        note.put(format!("{reached} of {} are {}", rows.len(), until.words()), deadline - begun);
        let wake = looks.peek().map_or(deadline, |look| deadline.min(*look));
        tokio::select! {
            () = sleep_until(wake) => {}
            changed = newest.changed() => changed.map_err(|_| RequestError::Stopping)?,
            () = stop.cancelled() => {}
        }
    }
}

/// Why a wait ended before its time.
#[derive(Clone, Copy)]
enum CutShort {
    /// Too many calls wait.
    Full,
    /// The client left, or the server stops.
    Stopped,
}

/// The resources of a call, each once.
fn subjects(core: &Core, until: Goal, ids: &[String]) -> Result<Vec<Subject>, RequestError> {
    if ids.len() > MAX_IDS {
        let expected = format!("at most {MAX_IDS} ids: use several calls");
        return Err(ArgumentError::form("ids", &expected, format!("{} ids", ids.len())).into());
    }
    let mut subjects: Vec<Subject> = Vec::new();
    for id in ids.iter().map(|id| id.trim()) {
        let kind = until.kind(id)?;
        if subjects.iter().any(|subject| *subject.id == *id) {
            continue;
        }
        let (scopes, was_seen) = core.scopes_to_look(kind, id, None)?;
        subjects.push(Subject { id: Arc::from(id), kind, scopes, was_seen, sights: HashMap::new() });
    }
    if subjects.is_empty() {
        return Err(ArgumentError::missing("ids").into());
    }
    Ok(subjects)
}

/// Looks at all of them in AWS, unless somebody looked since `since`.
async fn look(core: &Core, subjects: &mut [Subject], since: Timestamp) -> Result<(), RequestError> {
    let targets = subjects.iter().map(|subject| (subject.kind, &subject.id, subject.scopes.as_slice()));
    for LiveSight { scope, kind, id, sight } in core.look_at(targets, since).await? {
        for subject in subjects.iter_mut().filter(|subject| subject.id == id && subject.kind.name == kind.name) {
            subject.sights.insert(scope.clone(), sight.clone());
        }
    }
    Ok(())
}

/// How far each of them is, by what the inventory holds now.
fn rows(core: &Core, until: Goal, subjects: &[Subject]) -> Result<Vec<WaitRow>, RequestError> {
    // How fresh they are comes before the bodies: see `fresh`.
    let freshes: Vec<Option<Fresh>> = subjects.iter().map(|subject| subject.fresh(core)).collect();
    let snapshot = core.snapshot()?;
    subjects.iter().zip(&freshes).map(|(subject, fresh)| subject.row(core, &snapshot, fresh.as_ref(), until)).collect()
}

impl Subject {
    /// How fresh it is where AWS shows it; `None` while AWS does not.
    fn fresh(&self, core: &Core) -> Option<Fresh> {
        let (scope, _) = self.sights.iter().find(|(_, sight)| **sight == Sight::Shown)?;
        Some(core.fresh(self.kind, &ResourceId::new(scope, &self.kind.kind(), Arc::clone(&self.id))))
    }

    /// How far it is. It counts only once AWS was asked since the wait began.
    fn row(
        &self,
        core: &Core,
        snapshot: &Snapshot,
        shown: Option<&Fresh>,
        until: Goal,
    ) -> Result<WaitRow, RequestError> {
        let unsaid = self.sights.values().find_map(|sight| match sight {
            Sight::Unsaid(why) => Some(why.clone()),
            Sight::Shown | Sight::NotFound => None,
        });
        let is_absent =
            !self.scopes.is_empty() && self.scopes.iter().all(|scope| self.sights.get(scope) == Some(&Sight::NotFound));
        let mut row = WaitRow {
            id: self.id.to_string(),
            result: Nearness::Waiting,
            state: None,
            progress: None,
            as_of: None,
            message: None,
            is_unseen: shown.is_none() && !is_absent,
            is_strange: is_absent && !self.was_seen,
        };
        let mut known = match (is_absent, self.was_seen) {
            (true, true) => KnownState::Absent,
            (true, false) => KnownState::Strange,
            (false, _) => KnownState::Unseen,
        };
        let mut current = None;
        if let Some(fresh) = shown {
            current = snapshot.current(&fresh.id)?;
            known = current.as_ref().map_or(KnownState::Absent, |current| KnownState::There(&current.document));
            row.as_of = current
                .as_ref()
                .map(|current| fresh.as_of(&current.evidence, current.provisional.is_some(), current.changed_at));
        }
        let (result, said) = until.judge(known);
        row.result = result;
        if let Some(current) = &current {
            row.state = state_of(&current.document).map(str::to_owned);
            row.progress = progress(until, &current.document);
        }
        let mut early = None;
        if let (Goal::StatusOk, Some(fresh), Some(as_of)) = (until, shown, row.as_of) {
            let instance = ResourceId::new(&fresh.id.scope(), &INSTANCE.kind(), Arc::clone(&self.id));
            early = core.looks.rebooted(&instance).and_then(|rebooted| too_early(as_of, rebooted));
            if early.is_some() && row.result == Nearness::Reached {
                row.result = Nearness::Waiting;
            }
        }
        row.message = early.or(said.map(str::to_owned)).or(unsaid.filter(|_| shown.is_none()));
        if self.scopes.is_empty() {
            row.message = Some("It is not known yet which regions are watched.".to_owned());
        }
        Ok(row)
    }
}

/// How much of a snapshot is copied, or which status checks are not ok.
fn progress(until: Goal, document: &Document) -> Option<String> {
    match until {
        Goal::Completed => document.text("Progress").map(|progress| cut(progress, 20)),
        Goal::StatusOk => {
            let failing = failing(document);
            let parts: Vec<String> = failing.iter().map(|(name, status)| format!("{name} {status}")).collect();
            (!parts.is_empty()).then(|| parts.join(", "))
        }
        Goal::Running | Goal::Stopped | Goal::Gone => None,
    }
}

fn answer(
    core: &Core,
    until: Goal,
    results: Vec<WaitRow>,
    waited: Duration,
    cut: Option<CutShort>,
) -> Result<ToolResult, RequestError> {
    let count = |result| results.iter().filter(|row| row.result == result).count();
    let (reached, impossible, all) = (count(Nearness::Reached), count(Nearness::Impossible), results.len());
    let (words, seconds) = (until.words(), waited.as_secs());
    let done = reached == all;
    let lead = if done { "Done" } else { "Not done" };
    let mut text = AnswerText::new(format!("{lead} after {seconds} s: {reached} of {all} are {words}."));
    if let (Some(cut), false) = (cut, done) {
        text.add(match cut {
            CutShort::Full => " As many calls wait as the server takes, so this one did not wait: call again.",
            CutShort::Stopped => {
                " The wait was ended early, because the client closed its end of the connection or the server stops."
            }
        });
    } else if !done {
        let strange: Vec<&str> = results.iter().filter(|row| row.is_strange).map(|row| row.id.as_str()).collect();
        if !strange.is_empty() {
            text.add(format_args!(" {}: {STRANGE}", strange.join(", ")));
        }
        if reached + impossible + strange.len() < all {
            text.add(" Call wait_for again to go on waiting.");
        }
    }
    text.add("\nid | result | state | progress | as of | message");
    for row in &results {
        let result = match row.result {
            Nearness::Reached => "reached",
            Nearness::Waiting => "waiting",
            Nearness::Impossible => "impossible",
        };
        let as_of = row.as_of.map(|at| at.to_string()).unwrap_or_default();
        let cell = |cell: &Option<String>| cell.clone().unwrap_or_default();
        let cells = [row.id.clone(), result.to_owned(), cell(&row.state), cell(&row.progress), as_of];
        text.add(format_args!("\n{} | ", table::line(cells.iter().map(String::as_str))));
        text.add(row.message.as_deref().unwrap_or("-"));
    }
    let is_blind = results.iter().all(|row| row.is_unseen);
    let body = WaitAnswer { done, waited_seconds: seconds, results, seq: core.snapshot()?.seq() };
    let failure = is_blind.then_some(FailureCode::Aws);
    Ok(ToolResult { failure, ..ToolResult::new(text, &body)? })
}
