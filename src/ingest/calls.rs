//! Recent calls of AWS's API, so that a change that a later describe shows can name its cause.
//!
//! A call that a trail recorded names resources, but not what happened to them: a describe shows that. The call is taken as the
//! cause of what the describe shows if nobody had looked at the resource between the two. Calls are kept for [`KEPT_FOR`], the
//! newest [`MAX_CALLS`] of them, and not across a restart: a change without a known caller keeps its own cause.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use crate::model::effect::Effect;
use crate::model::{ApiCall, Cause, Event, Observation, ResourceId, Source, Timestamp};
use crate::reconcile::{DecisionTime, KnownResource, credible};

/// How long a call is remembered after it was recorded.
const KEPT_FOR: Duration = Duration::from_mins(5);

/// Calls are dated to the second, so a describe is certainly later only if it is this much later.
const GRAIN: Duration = Duration::from_secs(1);

/// How many calls are remembered at most, counted once per target.
const MAX_CALLS: usize = 10_000;

/// A recent call.
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

/// The recent calls.
#[derive(Debug, Default)]
pub(super) struct RecentCalls {
    /// By target, in recording order.
    of: HashMap<ResourceId, Vec<Recent>>,
    /// When each was recorded, in order.
    order: VecDeque<(Timestamp, ResourceId)>,
}

impl RecentCalls {
    /// Remembers a call that was made at `at` and is recorded now.
    pub(super) fn note(&mut self, at: Timestamp, cause: Cause, targets: Vec<ResourceId>, now: Timestamp) {
        let cause = Arc::new(cause);
        for id in targets {
            self.of.entry(id.clone()).or_default().push(Recent { at, noted: now, cause: Arc::clone(&cause) });
            self.order.push_back((now, id));
        }
        let is_over = |(noted, _): &(Timestamp, ResourceId)| now.since(*noted) > KEPT_FOR;
        while self.order.len() > MAX_CALLS || self.order.front().is_some_and(is_over) {
            let Some((_, id)) = self.order.pop_front() else { break };
            if let Some(calls) = self.of.get_mut(&id) {
                calls.remove(0);
                if calls.is_empty() {
                    self.of.remove(&id);
                }
            }
        }
    }

    /// The recent calls about a resource.
    pub(super) fn of(&self, id: &ResourceId) -> &[Recent] {
        self.of.get(id).map_or(&[], Vec::as_slice)
    }
}

/// The call that caused what a describe shows, if one did: made after the resource was last known to be different and before the
/// describe was sent, with a name that can cause such a change ([`Effect::fits`]). Of several calls, the first created a resource
/// that appears, and the last one shows; with several callers, the cause is unknown.
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
        let is_recent = moment.now.since(call.noted) <= KEPT_FOR && moment.steady < call.at;
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
