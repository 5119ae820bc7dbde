//! How EventBridge's events reach one scope, and whether that is proved.
//!
//! Events are best effort, and a rule that somebody disabled says nothing at all: that nothing comes looks like nothing happens. So a
//! server puts *canaries* on the bus, custom events that each rule's pattern lets through like AWS's own, and a rule is **proved** as long
//! as the newest canary of this process that came back through it was put there less than a window ago (two intervals and 15 s).
//! What counts is when it was put, not when it came: where the queue has a backlog, events are as late as canaries.
//!
//! A *run* of proof goes on from the time at which its first canary was put until it lapses. Only what changed within a run is sure to
//! have been told, so sweeps are spared only after one that began within the run: what was missed before it is known by then. A canary
//! that does not come, though a later one does, ends the run: the rule is alive, but what else is missing nobody knows. A call that may
//! have changed a resource of a kind without naming it is told by no describe by id, so there the sweep must have begun after it.
//!
//! Canaries of another server prove nothing. One on the same queue means that each of the two takes events from the other, so then nothing
//! is proved. That a trail logs at all is proved by an event of any recorded call within 24 hours: canaries do not pass through
//! `CloudTrail`.
//!
//! Silence is measured by the steady clock, which does not jump; what is compared with sweeps is dated like them, in AWS time. Time is
//! given by the caller.

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

/// How many canaries of any sender are kept to show, for each rule.
const SHOWN: usize = 8;

/// How many own canaries may be under way: an older one that comes back proves nothing any more.
const UNDER_WAY: usize = 16;

/// What is known of the way events take to one scope.
#[derive(Clone, Debug, Default)]
pub struct EventPath {
    source: Option<EventSource>,
    /// Why there is nothing to listen to.
    absent: Option<Arc<Trouble>>,
    rules: BTreeMap<&'static str, RuleProof>,
    /// When own canaries were put, by the date they bear.
    put: BTreeMap<Timestamp, Instant>,
    /// Why no canaries can be put.
    unput: Option<Arc<Trouble>>,
    /// Why nothing can be received.
    unreceived: Option<Arc<Trouble>>,
    /// The other server whose canary came last, and when.
    other: Option<(Arc<str>, Instant)>,
    called: Option<CallRun>,
    /// From when on sweeps show what calls did to a kind without naming a resource of it.
    missed: BTreeMap<Kind, Timestamp>,
}

/// What is known of one rule.
#[derive(Clone, Debug, Default)]
struct RuleProof {
    run: Option<CanaryRun>,
    seen: VecDeque<SeenCanary>,
}

/// A run of canaries that came back.
#[derive(Clone, Copy, Debug)]
struct CanaryRun {
    /// When the first of the run was put.
    since: Timestamp,
    /// When the last that came back was put.
    put: Instant,
    /// When it came back.
    seen: Instant,
}

/// A run of events of recorded calls.
#[derive(Clone, Copy, Debug)]
struct CallRun {
    /// When the first call of the run was made.
    since: Timestamp,
    /// When the last was made.
    at: Timestamp,
    /// The same by the steady clock.
    made: Instant,
}

/// A canary that came, whoever put it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeenCanary {
    /// Who put it: hostile text.
    pub sent_by: Arc<str>,
    /// When, by its sender's word.
    pub sent_at: Timestamp,
    /// When it came.
    pub seen_at: Timestamp,
}

/// The time for which all that several rules let through is proved to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cover {
    /// What changed since then was told.
    pub since: Timestamp,
    /// Until then it is, if no canary comes any more; may have passed.
    pub until: Instant,
}

impl EventPath {
    /// From now on a queue is listened to. What was known of the same one before stays.
    pub(super) fn listen(&mut self, source: EventSource) {
        if self.source.as_ref().is_some_and(|before| before.queue != source.queue) {
            self.rules.clear();
        }
        self.source = Some(source);
        self.absent = None;
    }

    /// There is nothing to listen to.
    pub(super) fn miss(&mut self, why: Trouble) {
        self.absent = Some(Arc::new(why));
    }

    /// Own canaries that bear the date `at` are about to be put on the bus.
    pub(super) fn canaries_sent(&mut self, at: Timestamp, now: Instant) {
        self.put.insert(at, now);
        // The oldest by the steady clock: by a clock that was set back, the newest bears the lowest date.
        while self.put.len() > UNDER_WAY {
            let oldest = self.put.iter().min_by_key(|(_, put)| **put).map(|(at, _)| *at);
            oldest.and_then(|at| self.put.remove(&at));
        }
    }

    /// What became of that.
    pub(super) fn canaries_answered(&mut self, trouble: Option<Trouble>) {
        if trouble.is_some() {
            // What was not put is not missed.
            let newest = self.put.iter().max_by_key(|(_, put)| **put).map(|(at, _)| *at);
            newest.and_then(|at| self.put.remove(&at));
        }
        self.unput = trouble.map(Arc::new);
    }

    /// What became of receiving.
    pub(super) fn receiving(&mut self, trouble: Option<Trouble>) {
        self.unreceived = trouble.map(Arc::new);
    }

    /// Takes a canary in that came `at`; gives whether that turned what is proved.
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
            // What an earlier process put may still be in the queue.
            if canary.sent_by.starts_with(SERVER) && canary.sent_at > source.since {
                self.other = Some((canary.sent_by.as_str().into(), now));
            }
            return self.other.is_some() && !shared;
        }
        let Some(put) = self.put.get(&canary.sent_at).copied() else { return false };
        if rule.run.is_some_and(|run| run.put >= put) {
            // It came again, or was overtaken.
            return false;
        }
        // One that was put between two that came back, and did not come: somebody else took it, or it was lost, and events with it.
        let lost = |run: &CanaryRun| self.put.values().any(|between| run.put < *between && *between < put);
        let goes_on = rule.run.filter(|run| !shared && now.saturating_duration_since(run.put) < window && !lost(run));
        let since = goes_on.map_or(canary.sent_at, |run| run.since);
        rule.run = Some(CanaryRun { since, put, seen: now });
        goes_on.is_none()
    }

    /// Takes in that an event came of a call that was made `ago` before now, at `at`; gives whether that turned what is proved.
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

    /// Takes in that a call, made `at`, may have changed a resource of a kind without naming one.
    pub(super) fn missed(&mut self, kind: Kind, at: Timestamp) {
        let shows = self.missed.entry(kind).or_default();
        *shows = (*shows).max(at + LAG_WINDOW);
    }

    /// From when on sweeps show everything that calls did to a kind without naming a resource of it.
    pub(super) fn shows(&self, kind: &Kind) -> Timestamp {
        self.missed.get(kind).copied().unwrap_or_default()
    }

    /// What keeps events from being taken in, and will until somebody mends it.
    fn broken(&self) -> Option<&Arc<Trouble>> {
        self.unreceived.as_ref().filter(|trouble| !trouble.is_passing())
    }

    /// How events are listened to.
    #[must_use]
    pub fn source(&self) -> Option<&EventSource> {
        self.source.as_ref()
    }

    /// Whether events are meant to be listened to, whether or not they can be.
    #[must_use]
    pub fn is_meant(&self) -> bool {
        self.source.is_some() || self.absent.is_some()
    }

    /// Why there is no queue to listen to.
    #[must_use]
    pub fn absent(&self) -> Option<&Trouble> {
        self.absent.as_deref()
    }

    /// Why nothing can be received at the moment.
    #[must_use]
    pub fn unreceived(&self) -> Option<&Trouble> {
        self.unreceived.as_deref()
    }

    /// When the newest call was made that an event told of.
    #[must_use]
    pub fn called_at(&self) -> Option<Timestamp> {
        self.called.map(|trail| trail.at)
    }

    /// The canaries of any sender that came through a rule last, oldest first.
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

    /// Whether own canaries prove at `now` that events come through a rule.
    #[must_use]
    pub fn proved(&self, rule: &str, now: Instant) -> bool {
        self.unproved(&[rule], None, now).is_none()
    }

    /// The time for which everything that these rules let through is proved to come; where `trail` is the rule that tells of calls,
    /// also that they are recorded.
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

    /// Why that is not proved at `now`; `None` while it is.
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

    /// When what is proved turns next, if nothing comes any more.
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
