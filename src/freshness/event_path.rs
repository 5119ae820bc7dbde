//! How EventBridge's events reach one scope, and whether that is proved.
//!
//! Events are best effort, and a disabled rule is silent: missing events look as if nothing happened. So a server puts *canaries*
//! on the bus: custom events that each rule's pattern matches like AWS's own. A rule is **proved** while the newest canary of this
//! process that came back through it was sent less than a window ago (two intervals and 15 s). The time of sending counts, not of
//! arrival: if the queue has a backlog, events are as late as canaries.
//!
//! A *run* of proof lasts from the sending of its first canary until the proof expires. Only changes within a run were certainly
//! reported, so sweeps are spared only after one that started within the run: it showed whatever was missed before. A canary that
//! does not come back, although a later one does, ends the run: the rule works, but other events may be missing. If a call may have
//! changed a resource of a kind without naming it, no describe by id shows the change, so for that kind the sweep must have started
//! after the call.
//!
//! Canaries of other servers prove nothing. If one arrives from the same queue, the two servers take events from each other, and
//! nothing is proved. An event of any recorded call within 24 hours proves that a trail logs: canaries do not pass through
//! `CloudTrail`.
//!
//! Silence is measured by the steady clock, which does not jump; times that are compared with sweeps are AWS time, like theirs. The
//! caller passes the time.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::event_source::{EventSource, SERVER};
use super::unproved::EventsUnproved;
use crate::model::evidence::LAG_WINDOW;
use crate::model::{Canary, Kind, Timestamp, Trouble};

/// How long an event of a recorded call proves that a trail logs.
const TRAIL: Duration = Duration::from_hours(24);

/// How many canaries of any sender are kept for display, per rule.
const SHOWN: usize = 8;

/// How many own canaries may be under way: older ones that come back prove nothing.
const UNDER_WAY: usize = 16;

/// How events reach one scope.
#[derive(Clone, Debug, Default)]
pub struct EventPath {
    source: Option<EventSource>,
    /// Why there is no queue to receive from.
    absent: Option<Arc<Trouble>>,
    rules: BTreeMap<&'static str, RuleProof>,
    /// When own canaries were sent, by their date.
    put: BTreeMap<Timestamp, Instant>,
    /// Why no canaries can be sent.
    unput: Option<Arc<Trouble>>,
    /// Why nothing can be received.
    unreceived: Option<Arc<Trouble>>,
    /// The other server whose canary arrived last, and when.
    other: Option<(Arc<str>, Instant)>,
    called: Option<CallRun>,
    /// For each kind, when a call last changed it without naming a resource: only later sweeps show that change.
    missed: BTreeMap<Kind, Timestamp>,
}

/// The proof of one rule.
#[derive(Clone, Debug, Default)]
struct RuleProof {
    run: Option<CanaryRun>,
    seen: VecDeque<SeenCanary>,
}

/// A run of canaries that came back.
#[derive(Clone, Copy, Debug)]
struct CanaryRun {
    /// When the first canary of the run was sent.
    since: Timestamp,
    /// When the last one that came back was sent.
    put: Instant,
    /// When that one came back.
    seen: Instant,
}

/// A run of events of recorded calls.
#[derive(Clone, Copy, Debug)]
struct CallRun {
    /// When the first call of the run was made.
    since: Timestamp,
    /// When the last call was made.
    at: Timestamp,
    /// The same by the steady clock.
    made: Instant,
}

/// A canary that arrived, from any sender.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeenCanary {
    /// Its sender: hostile text.
    pub sent_by: Arc<str>,
    /// When it was sent, as the sender says.
    pub sent_at: Timestamp,
    /// When it arrived.
    pub seen_at: Timestamp,
}

/// The time during which everything that several rules match is proved to arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cover {
    /// Later changes were reported.
    pub since: Timestamp,
    /// The end of the proof if no more canaries arrive; may have passed.
    pub until: Instant,
}

impl EventPath {
    /// Starts receiving from a queue. The state of the same queue is kept.
    pub(super) fn listen(&mut self, source: EventSource) {
        if self.source.as_ref().is_some_and(|before| before.queue != source.queue) {
            self.rules.clear();
        }
        self.source = Some(source);
        self.absent = None;
    }

    /// Records that there is no queue to receive from.
    pub(super) fn miss(&mut self, why: Trouble) {
        self.absent = Some(Arc::new(why));
    }

    /// Records that own canaries with the date `at` are about to be sent.
    pub(super) fn canaries_sent(&mut self, at: Timestamp, now: Instant) {
        self.put.insert(at, now);
        // The oldest by the steady clock: after the clock was set back, the newest canary has the lowest date.
        while self.put.len() > UNDER_WAY {
            let oldest = self.put.iter().min_by_key(|(_, put)| **put).map(|(at, _)| *at);
            oldest.and_then(|at| self.put.remove(&at));
        }
    }

    /// Records the result of sending them.
    pub(super) fn canaries_answered(&mut self, trouble: Option<Trouble>) {
        if trouble.is_some() {
            // Canaries that were not sent are not missing.
            let newest = self.put.iter().max_by_key(|(_, put)| **put).map(|(at, _)| *at);
            newest.and_then(|at| self.put.remove(&at));
        }
        self.unput = trouble.map(Arc::new);
    }

    /// Records the result of receiving.
    pub(super) fn receiving(&mut self, trouble: Option<Trouble>) {
        self.unreceived = trouble.map(Arc::new);
    }

    /// Records a canary that arrived `at`. Returns whether that changed what is proved.
    pub(super) fn canary_seen(&mut self, canary: &Canary, at: Timestamp, now: Instant) -> bool {
        let rule = self.rules.entry(canary.rule).or_default();
        rule.seen.push_back(SeenCanary {
            sent_by: canary.sent_by.as_str().into(),
            sent_at: canary.sent_at,
            seen_at: at,
        });
        if rule.seen.len() > SHOWN {
            rule.seen.pop_front();
        }
        let Some(source) = self.source.as_ref().filter(|source| *source.name == canary.name) else {
            return false;
        };
        let window = source.window();
        let shared = self.other.as_ref().is_some_and(|(_, seen)| now.saturating_duration_since(*seen) < window);
        if canary.sent_by != *source.sent_by {
            // Canaries of an earlier process may still be in the queue.
            if canary.sent_by.starts_with(SERVER) && canary.sent_at > source.since {
                self.other = Some((canary.sent_by.as_str().into(), now));
            }
            return self.other.is_some() && !shared;
        }
        let Some(put) = self.put.get(&canary.sent_at).copied() else { return false };
        if rule.run.is_some_and(|run| run.put >= put) {
            // It came twice, or was overtaken.
            return false;
        }
        // A canary sent between two that came back is missing: another server took it, or it was lost, and events with it.
        let lost = |run: &CanaryRun| self.put.values().any(|between| run.put < *between && *between < put);
        let goes_on = rule.run.filter(|run| !shared && now.saturating_duration_since(run.put) < window && !lost(run));
        let since = goes_on.map_or(canary.sent_at, |run| run.since);
        rule.run = Some(CanaryRun { since, put, seen: now });
        goes_on.is_none()
    }

    /// Records an event of a call that was made `ago` before now, at `at`. Returns whether that changed what is proved.
    pub(super) fn call_seen(&mut self, at: Timestamp, ago: Duration, now: Instant) -> bool {
        let Some(made) = now.checked_sub(ago).filter(|_| ago < TRAIL) else { return false };
        let goes_on = self.called.filter(|trail| now.saturating_duration_since(trail.made) < TRAIL);
        let trail = match goes_on {
            Some(trail) if trail.made >= made => trail,
            Some(trail) => CallRun { at, made, ..trail },
            None => CallRun { since: at, at, made },
        };
        self.called = Some(trail);
        goes_on.is_none()
    }

    /// Records that a call made `at` may have changed a resource of a kind without naming it.
    pub(super) fn missed(&mut self, kind: Kind, at: Timestamp) {
        let shows = self.missed.entry(kind).or_default();
        *shows = (*shows).max(at + LAG_WINDOW);
    }

    /// Only sweeps after this time show everything that calls did to a kind without naming a resource.
    pub(super) fn shows(&self, kind: &Kind) -> Timestamp {
        self.missed.get(kind).copied().unwrap_or_default()
    }

    /// What prevents events from being received until somebody repairs it.
    fn broken(&self) -> Option<&Arc<Trouble>> {
        self.unreceived.as_ref().filter(|trouble| !trouble.is_passing())
    }

    /// The queue and rules through which events are received.
    #[must_use]
    pub fn source(&self) -> Option<&EventSource> {
        self.source.as_ref()
    }

    /// Whether events are supposed to be received, even if they cannot be.
    #[must_use]
    pub fn is_meant(&self) -> bool {
        self.source.is_some() || self.absent.is_some()
    }

    /// Why there is no queue to receive from.
    #[must_use]
    pub fn absent(&self) -> Option<&Trouble> {
        self.absent.as_deref()
    }

    /// Why nothing can be received at the moment.
    #[must_use]
    pub fn unreceived(&self) -> Option<&Trouble> {
        self.unreceived.as_deref()
    }

    /// When the newest call with an event was made.
    #[must_use]
    pub fn called_at(&self) -> Option<Timestamp> {
        self.called.map(|trail| trail.at)
    }

    /// The last canaries of any sender that arrived through a rule, oldest first.
    pub fn seen(&self, rule: &str) -> impl Iterator<Item = &SeenCanary> {
        self.rules.get(rule).into_iter().flat_map(|rule| &rule.seen)
    }

    /// How long ago the last own canary came back through a rule.
    #[must_use]
    pub fn silence(&self, rule: &str, now: Instant) -> Option<Duration> {
        let run = self.rules.get(rule)?.run?;
        Some(now.saturating_duration_since(run.seen))
    }

    /// Until when a rule is proved; may have passed.
    #[must_use]
    pub fn proved_until(&self, rule: &str) -> Option<Instant> {
        let (run, window) = (self.rules.get(rule)?.run?, self.source.as_ref()?.window());
        Some(run.put + window)
    }

    /// Whether own canaries prove at `now` that events arrive through a rule.
    #[must_use]
    pub fn proved(&self, rule: &str, now: Instant) -> bool {
        self.unproved(&[rule], None, now).is_none()
    }

    /// The time during which everything that these rules match is proved to arrive; if `trail` names the rule for calls, it must
    /// also be proved that calls are recorded.
    #[must_use]
    pub fn cover(&self, rules: &[&str], trail: Option<&str>, now: Instant) -> Option<Cover> {
        let window = self.source.as_ref()?.window();
        if self.absent.is_some() || self.shared_by(now).is_some() || self.broken().is_some() {
            return None;
        }
        let runs = rules.iter().map(|rule| self.rules.get(rule)?.run);
        let covers = runs.map(|run| run.map(|run| Cover { since: run.since, until: run.put + window }));
        let trail = trail.map(|_| self.called.map(|trail| Cover { since: trail.since, until: trail.made + TRAIL }));
        let covers: Option<Vec<Cover>> = covers.chain(trail).collect();
        covers?
            .into_iter()
            .reduce(|one, other| Cover { since: one.since.max(other.since), until: one.until.min(other.until) })
    }

    /// Why that is not proved at `now`; `None` if it is.
    #[must_use]
    pub fn unproved(&self, rules: &[&str], trail: Option<&str>, now: Instant) -> Option<EventsUnproved> {
        if let Some(absent) = &self.absent {
            return Some(EventsUnproved::Absent(Arc::clone(absent)));
        }
        if let Some(by) = self.shared_by(now) {
            return Some(EventsUnproved::Shared { by: Arc::clone(by) });
        }
        if let Some(trouble) = self.broken() {
            return Some(EventsUnproved::Unreceived(Arc::clone(trouble)));
        }
        let source = self.source.as_ref();
        let window = source.map_or(Duration::ZERO, EventSource::window);
        let named = |slug: &str| source.map_or_else(|| slug.into(), |source| source.rule_name(slug));
        let run = |slug: &str| self.rules.get(slug).and_then(|rule| rule.run);
        let silent = rules.iter().find(|slug| run(slug).is_none_or(|run| now >= run.put + window));
        if let Some(slug) = silent {
            if let Some(trouble) = &self.unput {
                return Some(EventsUnproved::Unput(Arc::clone(trouble)));
            }
            if let Some(trouble) = &self.unreceived {
                return Some(EventsUnproved::Unreceived(Arc::clone(trouble)));
            }
            let since = run(slug).map(|run| now.saturating_duration_since(run.seen));
            return Some(EventsUnproved::Silent { rule: named(slug), since });
        }
        let unlogged = self.called.is_none_or(|trail| now >= trail.made + TRAIL);
        trail.filter(|_| unlogged).map(|slug| EventsUnproved::NoTrail { rule: named(slug) })
    }

    /// The other server that receives from the same queue.
    fn shared_by(&self, now: Instant) -> Option<&Arc<str>> {
        let (by, seen) = self.other.as_ref()?;
        (now.saturating_duration_since(*seen) < self.source.as_ref()?.window()).then_some(by)
    }

    /// When the proof next changes if nothing more arrives.
    #[must_use]
    pub(super) fn lapses(&self, now: Instant) -> Option<Instant> {
        let window = self.source.as_ref()?.window();
        let lapses = self.rules.values().filter_map(|rule| Some(rule.run?.put + window));
        let trail = self.called.map(|trail| trail.made + TRAIL);
        let other = self.other.as_ref().map(|(_, seen)| *seen + window);
        lapses.chain(trail).chain(other).filter(|at| *at > now).min()
    }
}

#[cfg(test)]
mod tests;
