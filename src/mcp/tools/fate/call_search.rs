//! What the log says of a call, for each of its instances.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use super::asked_call::AskedCall;
use crate::kinds::INSTANCE;
use crate::mcp::core::Core;
use crate::mcp::error::RequestError;
use crate::model::text::shown;
use crate::model::{ActionId, ActionOutcome, Event, Named, ResourceId, Scope, Seq};

/// How many records are read at once.
const CHUNK: usize = 500;
/// How many records of one instance are searched: the action of a call that a server lost is among its newest.
const MAX_SEARCHED: usize = 5_000;
/// How many records behind its request the end of an action is looked for, about.
const MAX_BEHIND: usize = if cfg!(test) { 1_000 } else { 100_000 };

/// An action of a call, for one instance.
pub(super) struct FoundAction {
    pub(super) action: ActionId,
    pub(super) scope: Scope,
    pub(super) seq: Seq,
    /// All that it was to change.
    pub(super) targets: Vec<ResourceId>,
    /// Whether a stop was to be forced.
    pub(super) force: bool,
    pub(super) outcome: Option<ActionOutcome>,
}

impl FoundAction {
    /// Whether AWS's answer is not known, so that only AWS can show how it ended.
    pub(super) fn is_unanswered(&self) -> bool {
        matches!(self.outcome, None | Some(ActionOutcome::Unknown { .. }))
    }

    /// Why AWS's answer is not known.
    pub(super) fn loss(&self) -> String {
        match &self.outcome {
            Some(ActionOutcome::Unknown { message }) => format!("AWS's answer was lost: {}.", shown(message, 200)),
            _ => "The server ended while it called AWS.".to_owned(),
        }
    }
}

/// How an action ended, as far as the log says.
pub(super) enum ActionEndSearch {
    /// In this way.
    Ended(ActionOutcome),
    /// The log holds no end of it.
    Open,
    /// More was recorded since than is read for one answer, so it is not known.
    Untold,
}

/// What the log says of a call, for one instance.
pub(super) enum Searched {
    /// The call's action.
    Found(FoundAction),
    /// The log holds all records since the call was made, and none of it, so AWS was not called.
    Absent,
    /// It is not known whether the log holds one.
    Untold,
}

impl Searched {
    pub(super) fn action(&self) -> Option<&FoundAction> {
        match self {
            Searched::Found(action) => Some(action),
            Searched::Absent | Searched::Untold => None,
        }
    }
}

/// What the log says of the call for each of the instances.
pub(super) fn search(
    core: &Core,
    named: &Named,
    asked: &AskedCall,
) -> Result<BTreeMap<String, Searched>, RequestError> {
    let (snapshot, mut found) = (core.snapshot()?, BTreeMap::new());
    let is_kept = snapshot.holds_since(asked.of.since);
    for id in named.ids() {
        let mut outcomes = Vec::new();
        for copy in snapshot.copies(&INSTANCE.kind(), id)? {
            outcomes.push(match requested(core, &copy.id, asked)? {
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

/// Whether a record of the log that cannot be read may be about a resource. Reading its timeline has noted those that are.
fn is_damaged(core: &Core, id: &ResourceId) -> bool {
    let (found, has_more) = core.store.damage();
    let may_be = |of: Option<&ResourceId>| of.is_none_or(|of| of == id);
    has_more || found.iter().any(|record| record.is_of_log() && may_be(record.id.as_ref()))
}

/// What the timeline of a resource says of the call. A call with that name of another tool or another user is not the one that was
/// asked about, and so tells nothing.
fn requested(core: &Core, id: &ResourceId, asked: &AskedCall) -> Result<Searched, RequestError> {
    let mut before = Seq(u64::MAX);
    for _ in 0..MAX_SEARCHED / CHUNK {
        let records = core.snapshot()?.timeline_before(id, before, CHUNK)?;
        let Some(last) = records.last() else { return Ok(Searched::Absent) };
        before = last.seq;
        for record in records {
            let Event::ActionRequested { action, tool, targets, call: Some(call), by, arguments, .. } = record.event
            else {
                continue;
            };
            if *call != *asked.of.name {
                continue;
            }
            if tool != asked.spec.name || by.is_some_and(|by| by.user != asked.of.user) {
                return Ok(Searched::Untold);
            }
            let outcome = match end_of(core, action, record.seq)? {
                ActionEndSearch::Ended(outcome) => Some(outcome),
                ActionEndSearch::Open => None,
                ActionEndSearch::Untold => return Ok(Searched::Untold),
            };
            let (scope, force) = (id.scope(), asked.was_forced(arguments.as_deref()));
            return Ok(Searched::Found(FoundAction { action, scope, seq: record.seq, targets, force, outcome }));
        }
    }
    Ok(Searched::Untold)
}

/// How an action ended that was requested at `requested`, as far as the log says. Each snapshot serves some of the records only.
pub(super) fn end_of(core: &Core, action: ActionId, requested: Seq) -> Result<ActionEndSearch, RequestError> {
    let (mut next, mut looked, mut found) = (requested.next(), 0, None);
    loop {
        let has_no_more = core.snapshot()?.each_sealed(next, CHUNK, |sealed| {
            (next, looked) = (sealed.seq.next(), looked + 1);
            if sealed.baseline().is_some() {
                return ControlFlow::Continue(());
            }
            match sealed.open().map(|record| record.event) {
                Some(Event::ActionFinished { action: of, outcome, .. }) if of == action => {
                    found = Some(outcome);
                    ControlFlow::Break(())
                }
                _ => ControlFlow::Continue(()),
            }
        })?;
        match found {
            Some(outcome) => return Ok(ActionEndSearch::Ended(outcome)),
            None if has_no_more => return Ok(ActionEndSearch::Open),
            None if looked >= MAX_BEHIND => return Ok(ActionEndSearch::Untold),
            None => {}
        }
    }
}
