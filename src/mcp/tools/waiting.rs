//! Waits until instances or snapshots come to a state, for `wait_for` and for tools that change AWS.

pub mod goal;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use rmcp::schemars::{self, JsonSchema};
use serde::Serialize;
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep_until, timeout_at};
use tokio_util::sync::CancellationToken;

use self::goal::{Goal, KnownState, Nearness, STRANGE, failing, state_of, too_early};
use super::arguments::ArgumentError;
use super::table::{self, AnswerText};
use crate::kinds::{INSTANCE, KindSpec};
use crate::mcp::core::Core;
use crate::mcp::error::RequestError;
use crate::mcp::fresh::Fresh;
use crate::mcp::looks::{LiveSight, Sight};
use crate::mcp::told::ProgressNote;
use crate::model::text::shown as cut;
use crate::model::{Document, ResourceId, Scope, ScopeFilter, Timestamp};
use crate::store::Snapshot;

/// Waits at once: one more is answered at once as not done, so that waiting leaves room for other requests.
static WAITING: Semaphore = Semaphore::const_new(128);
/// When AWS is asked, from the start of the wait; in between, events and other looks end it.
const LOOKS: [u64; 5] = [0, 2, 5, 15, 30];

/// How far one resource is.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct WaitRow {
    /// The resource.
    id: String,
    /// How near it is to what is waited for.
    pub(super) result: Nearness,
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
    pub(super) is_unseen: bool,
    /// Whether nobody knows its id.
    #[serde(skip)]
    is_strange: bool,
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

/// A wait: for what, from when, and for how long.
pub struct StateWait<'a> {
    /// The state.
    pub(super) until: Goal,
    /// When the client began to wait.
    pub begun: Instant,
    /// How long it waits at most.
    pub patience: Duration,
    /// How far it is, for the client.
    pub note: &'a ProgressNote,
    /// Ends the wait.
    pub stop: &'a CancellationToken,
}

/// How a wait ended.
#[derive(Debug)]
pub struct WaitEnd {
    until: Goal,
    /// How long it took, in seconds.
    pub seconds: u64,
    /// How far each resource is.
    pub rows: Vec<WaitRow>,
    cut: Option<CutShort>,
}

/// How a wait ended, in the answer of a tool that changes AWS.
#[derive(Debug, Serialize, JsonSchema)]
pub struct AwaitedChange {
    /// Whether all are in the new state.
    done: bool,
    /// How long this call waited.
    waited_seconds: u64,
    /// How far each is.
    results: Vec<WaitRow>,
}

/// Why a wait ended before its time.
#[derive(Clone, Copy, Debug)]
enum CutShort {
    /// Too many calls wait.
    Full,
    /// The client left, or the server stops.
    Stopped,
}

impl StateWait<'_> {
    /// Waits for these resources.
    ///
    /// # Errors
    /// When the goal does not apply to one of the ids, or the inventory cannot be read.
    pub async fn wait(self, core: &Core, ids: &[String]) -> Result<WaitEnd, RequestError> {
        let StateWait { until, begun, patience, note, stop } = self;
        let mut subjects = subjects(core, until, ids)?;
        // Before anything is read: what is committed from now on wakes the wait.
        let mut newest = core.hub.newest();
        let (since, deadline) = (core.now(), begun + patience);
        let place = WAITING.try_acquire().ok();
        let mut looks = LOOKS.map(|seconds| begun + Duration::from_secs(seconds)).into_iter().peekable();
        loop {
            if looks.next_if(|at| *at <= Instant::now()).is_some() {
                let since = since.max(core.now() - Duration::from_secs(1));
                // An answer that is still on its way when the time is up is not waited for.
                tokio::select! {
                    looked = timeout_at(deadline, look(core, &mut subjects, since)) => looked.unwrap_or(Ok(()))?,
                    () = stop.cancelled() => {}
                }
            }
            newest.mark_unchanged();
            let rows = rows(core, until, &subjects)?;
            let is_open = rows.iter().any(|row| row.result == Nearness::Waiting);
            if !is_open || place.is_none() || stop.is_cancelled() || Instant::now() >= deadline {
                let cut = match (place.is_none(), stop.is_cancelled()) {
                    (true, _) => Some(CutShort::Full),
                    (false, true) => Some(CutShort::Stopped),
                    (false, false) => None,
                };
                return Ok(WaitEnd { until, seconds: begun.elapsed().as_secs(), rows, cut });
            }
            let reached = rows.iter().filter(|row| row.result == Nearness::Reached).count();
            note.put(format!("{reached} of {} are {}", rows.len(), until.words()), patience);
            let wake = looks.peek().map_or(deadline, |look| deadline.min(*look));
            tokio::select! {
                () = sleep_until(wake) => {}
                changed = newest.changed() => changed.map_err(|_| RequestError::Stopping)?,
                () = stop.cancelled() => {}
            }
        }
    }
}

impl WaitEnd {
    /// Whether all of them are there.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.rows.iter().all(|row| row.result == Nearness::Reached)
    }

    /// As data, with a row for each of the first `most` resources.
    #[must_use]
    pub fn data(&self, most: usize) -> AwaitedChange {
        let results = self.rows.iter().take(most).cloned().collect();
        AwaitedChange { done: self.is_done(), waited_seconds: self.seconds, results }
    }

    /// In words, with a line for each of the first `most` resources.
    #[must_use]
    pub fn told(&self, most: usize) -> AnswerText {
        let WaitEnd { until, seconds, rows, cut } = self;
        let count = |result| rows.iter().filter(|row| row.result == result).count();
        let (reached, impossible, all) = (count(Nearness::Reached), count(Nearness::Impossible), rows.len());
        let lead = if self.is_done() { "Done" } else { "Not done" };
        let mut text = AnswerText::new(format!("{lead} after {seconds} s: {reached} of {all} are {}.", until.words()));
        if let (Some(cut), false) = (cut, self.is_done()) {
            text.add(match cut {
                CutShort::Full => " As many calls wait as the server takes, so this one did not wait: call wait_for.",
                CutShort::Stopped => {
                    " The wait was ended early, because the client closed its end of the connection or the server stops."
                }
            });
        } else if !self.is_done() {
            let strange: Vec<&str> = rows.iter().filter(|row| row.is_strange).map(|row| row.id.as_str()).collect();
            if !strange.is_empty() {
                text.add(format_args!(" {}: {STRANGE}", strange.join(", ")));
            }
            if reached + impossible + strange.len() < all {
                text.add(" Call wait_for to go on waiting.");
            }
        }
        if most == 0 {
            return text;
        }
        text.add("\nid | result | state | progress | as of | message");
        for row in rows.iter().take(most) {
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
        if let left @ 1.. = rows.len().saturating_sub(most) {
            text.add(format_args!("\n{left} more are not listed here."));
        }
        text
    }
}

/// The resources of a call, each once.
fn subjects(core: &Core, until: Goal, ids: &[String]) -> Result<Vec<Subject>, RequestError> {
    let mut subjects: Vec<Subject> = Vec::new();
    for id in ids.iter().map(|id| id.trim()) {
        let kind = until.kind(id)?;
        if subjects.iter().any(|subject| *subject.id == *id) {
            continue;
        }
        let (scopes, was_seen) = core.scopes_to_look(kind, id, &ScopeFilter::Everywhere)?;
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
        let unsaid = self.sights.values().find_map(|sight| sight.unsaid().map(str::to_owned));
        let is_absent = !self.scopes.is_empty()
            && self.scopes.iter().all(|scope| self.sights.get(scope).is_some_and(Sight::is_absent));
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
