//! Who called AWS of late, so that a change that a describe shows later can name its cause.
//!
//! A call that a trail recorded says which resources it is about, not what became of them: a describe tells that. What it shows was
//! caused by the call as far as anybody can know when nobody had looked at the resource between the call and the describe. Calls
//! are kept for [`KEPT`], the newest [`MOST`] of them, and not across a restart: a change without a caller keeps its own cause.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use crate::model::effect::Effect;
use crate::model::{ApiCall, Cause, Event, Observation, ResourceId, Source, Timestamp};
use crate::reconcile::{DecisionTime, KnownResource, credible};

/// How long a call is remembered after it was recorded.
const KEPT: Duration = Duration::from_mins(5);

/// Calls are dated to the second: one that a describe surely came after is that much older.
const GRAIN: Duration = Duration::from_secs(1);

/// How many are remembered at most, one for each of its targets.
const MOST: usize = 10_000;

/// A call of late.
#[derive(Clone, Debug)]
pub(super) struct Recent {
    /// When it was made.
    at: Timestamp,
    /// When it was recorded.
    noted: Timestamp,
    cause: Arc<Cause>,
}

impl Recent {
    fn call(&self) -> Option<&ApiCall> {
        match &*self.cause {
            Cause::Call { call, .. } => Some(call),
            _ => None,
        }
    }
}

/// The calls of late.
#[derive(Debug, Default)]
pub(super) struct Calls {
    /// By target, the first that was recorded first.
    of: HashMap<ResourceId, Vec<Recent>>,
    /// When each was recorded, the first first.
    order: VecDeque<(Timestamp, ResourceId)>,
}

impl Calls {
    /// Remembers a call that was made at `at` and is recorded now.
    pub(super) fn note(&mut self, at: Timestamp, cause: Cause, targets: Vec<ResourceId>, now: Timestamp) {
        let cause = Arc::new(cause);
        for id in targets {
            self.of.entry(id.clone()).or_default().push(Recent { at, noted: now, cause: Arc::clone(&cause) });
            self.order.push_back((now, id));
        }
        let is_over = |(noted, _): &(Timestamp, ResourceId)| now.since(*noted) > KEPT;
        while self.order.len() > MOST || self.order.front().is_some_and(is_over) {
            let Some((_, id)) = self.order.pop_front() else { break };
            if let Some(calls) = self.of.get_mut(&id) {
                calls.remove(0);
                if calls.is_empty() {
                    self.of.remove(&id);
                }
            }
        }
    }

    /// The calls about a resource.
    pub(super) fn of(&self, id: &ResourceId) -> &[Recent] {
        self.of.get(id).map_or(&[], Vec::as_slice)
    }
}

/// The call that caused what a describe shows, if one did: made after the resource was last known to be otherwise, and before the
/// describe was sent, and of a name that brings such a change about ([`Effect::fits`]). Of several, the first made a resource that appears, and
/// the last is the one that shows; of several callers, nobody knows which.
pub(super) fn caller<'c>(
    calls: &'c [Recent],
    event: &Event,
    observation: &Observation,
    known: KnownResource<'_>,
    moment: DecisionTime,
    made_by: &[&str],
) -> Option<&'c Cause> {
    if calls.is_empty() || !matches!(observation.source, Source::Sweep | Source::Refresh) {
        return None;
    }
    let effect = Effect::of(event)?;
    let confirmed = known.confirmed.unwrap_or_default();
    let since = match (event, known.current) {
        (Event::Discovered { .. }, _) => known.removed_at.unwrap_or_default(),
        (Event::Changed { changes, evidence, .. }, Some(current)) if !changes.is_empty() => {
            evidence.iter().map(|(group, _)| current.evidence.of(*group).at).fold(confirmed, Timestamp::max)
        }
        (Event::Removed { .. }, Some(current)) => current.evidence.newest().max(confirmed),
        _ => return None,
    };
    let since = credible(since, moment.now);
    let mut between = calls.iter().filter(|call| {
        let is_recent = moment.now.since(call.noted) <= KEPT && moment.steady < call.at;
        let is_between = since < call.at && call.at + GRAIN <= observation.at;
        is_recent && is_between && call.call().is_some_and(|call| effect.fits(&call.name, made_by))
    });
    let first = between.next()?;
    let actor = |call: &Recent| call.call().map(|call| call.actor.clone());
    let (mut last, theirs) = (first, actor(first));
    for call in between {
        if actor(call) != theirs {
            return None;
        }
        last = call;
    }
    let call = if matches!(event, Event::Discovered { .. }) { first } else { last };
    Some(&*call.cause)
}
