//! How fresh one kind in one scope is.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use super::unproved::EventsUnproved;
use super::unread::Unread;
use crate::model::{Kind, Scope, Timestamp, Trouble};
use crate::reconcile::credible;
use crate::reconcile::guard::HeldBack;

/// A complete sweep.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Swept {
    /// When its first request was sent.
    pub started: Timestamp,
    /// When its last answer arrived.
    pub ended: Timestamp,
}

/// The rules whose events together cover every change of a kind, and what they allow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventRules {
    /// The time from one sweep's start to the next while all of them are proved; never less than the kind's interval.
    pub interval: Duration,
    /// The slugs of the rules.
    pub rules: &'static [&'static str],
    /// The slug of the rule for recorded calls, if one is among them: it works only while a trail logs.
    pub trail: Option<&'static str>,
}

/// How events affect the sweeps of one (scope, kind) at a moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventProof {
    /// The time from one sweep's start to the next while events are proved to arrive.
    pub interval: Duration,
    /// From when until when events are proved to report every change, if they ever were; the end may have passed.
    pub cover: Option<(Timestamp, Timestamp)>,
    /// Why events are not proved to arrive; `None` if they are.
    pub unproved: Option<EventsUnproved>,
}

/// Why a kind is no longer watched, to stand after a colon.
pub(super) const KIND_LEFT: &str = "`kinds` of the server's configuration leaves this kind out";

/// The state of one (scope, kind).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScopeFreshness {
    /// The scope.
    pub scope: Scope,
    /// The kind.
    pub kind: Kind,
    /// Since when it is no longer watched, because other regions were chosen; `None` if it is watched.
    pub unwatched_since: Option<Timestamp>,
    /// Why its account is no longer watched, to stand after a colon, where that is known.
    pub unwatched_why: Option<Arc<str>>,
    /// The time from one sweep's start to the next, unless events allow it to be longer.
    pub interval: Duration,
    /// How events affect its sweeps; `None` if they are not received, or do not cover every change of the kind.
    pub events: Option<Box<EventProof>>,
    /// The last complete sweep, of this process or an earlier one.
    pub complete: Option<Swept>,
    /// Whether a sweep was completed since this process started.
    pub swept_now: bool,
    /// When the running sweep started.
    pub running_since: Option<Timestamp>,
    /// How many resources the current or last sweep has shown.
    pub seen: u64,
    /// The failure of the last attempt, until one succeeds.
    pub trouble: Option<Box<Trouble>>,
    /// The last failure within the current sweep, which continues and asks again.
    pub stumble: Option<Box<Trouble>>,
    /// The optional parameters that the last complete sweep left out, because the endpoint does not know them.
    pub left_out: Vec<&'static str>,
    /// The listed resources that cannot be read.
    pub unreadable: Arc<Unread>,
    /// The ids that other resources refer to and that AWS, asked for them by the last complete sweep, does not know.
    pub absent: Option<Arc<BTreeSet<Arc<str>>>>,
    /// How many resources the last complete sweep lacked that are not proved gone.
    pub missing: u64,
    /// The resources that vanished all at once in the last complete sweep, and are not assumed to be gone.
    pub held: Option<Box<HeldBack>>,
    /// The start of the last complete sweep that lacked nothing and showed nothing doubtful: everything listed was confirmed at
    /// this time or later.
    pub settled: Option<Timestamp>,
}

impl ScopeFreshness {
    /// Until when answers from this scope are fresh if nothing more is observed; `None` if they never were in this process.
    ///
    /// Stale means that the last complete sweep started longer ago than one interval plus twice its own duration. While events are
    /// proved to report every change since it started, the longer interval counts; when the proof ends, the normal one counts at
    /// once.
    #[must_use]
    pub fn fresh_until(&self) -> Option<Timestamp> {
        self.fresh_until_by(self.events.as_deref())
    }

    /// The same where `events` affect its sweeps.
    pub(super) fn fresh_until_by(&self, events: Option<&EventProof>) -> Option<Timestamp> {
        let complete = self.complete.filter(|_| self.swept_now && self.unwatched_since.is_none())?;
        let until = |interval: Duration| complete.started + interval + 2 * complete.ended.since(complete.started);
        let covering = events.and_then(|events| covering(events, complete));
        let by_events = covering.map(|(events, proved)| until(self.paced(events)).min(proved));
        Some(until(self.interval).max(by_events.unwrap_or_default()))
    }

    /// The current time from one sweep's start to the next: the longer one while events are proved.
    #[must_use]
    pub fn current_interval(&self) -> Duration {
        let complete = self.complete.filter(|_| self.swept_now);
        let events = complete.and_then(|complete| covering(self.events.as_deref()?, complete));
        events.filter(|(events, _)| events.unproved.is_none()).map_or(self.interval, |(events, _)| self.paced(events))
    }

    /// The interval that proved events allow: never a shorter one than without them.
    fn paced(&self, events: &EventProof) -> Duration {
        events.interval.max(self.interval)
    }

    /// The start of the last complete sweep that left nothing open, as far as known at `now`.
    #[must_use]
    pub fn settled_at(&self, now: Timestamp) -> Option<Timestamp> {
        self.settled.filter(|settled| credible(*settled, now) == *settled)
    }

    /// The failure of the last attempt, or of the current one.
    #[must_use]
    pub fn failing(&self) -> Option<&Trouble> {
        self.stumble.as_deref().or(self.trouble.as_deref())
    }

    /// Whether it is no longer watched because its kind is left out, wherever it is.
    #[must_use]
    pub fn is_kind_left(&self) -> bool {
        self.unwatched_since.is_some() && self.unwatched_why.as_deref() == Some(KIND_LEFT)
    }

    /// Why answers from this scope may be out of date at `now`; `None` if they are fresh.
    #[must_use]
    pub fn stale(&self, now: Timestamp) -> Option<String> {
        if let Some(since) = self.unwatched_since {
            let why = self.unwatched_why.as_ref().map_or_else(String::new, |why| format!(": {why}"));
            return Some(format!("no longer watched since {since}{why}"));
        }
        let Some(complete) = self.complete else {
            return Some(match self.failing() {
                Some(trouble) => format!("never swept: {}", trouble.what),
                None if self.running_since.is_some() => format!("first sweep under way, {} seen", self.seen),
                None => "never swept to the end".to_owned(),
            });
        };
        if credible(complete.started, now) != complete.started {
            return Some("the last complete sweep has a time in the future, from a clock that was wrong".to_owned());
        }
        if self.fresh_until().is_some_and(|until| now <= until) {
            return None;
        }
        let age = now.since(complete.started).as_secs();
        if let (Some(unproved), None, true) =
            (self.events.as_ref().and_then(|events| events.unproved.as_ref()), self.failing(), self.swept_now)
        {
            return Some(format!("events are not proved to arrive: {unproved}; last complete sweep {age} s ago"));
        }
        Some(match (self.failing(), self.swept_now) {
            (Some(trouble), _) => format!("last complete sweep {age} s ago: {}", trouble.what),
            (None, false) => format!(
                "this server has not swept it yet, so it is as the last complete sweep showed it {age} s ago; ask again once \
                 the next sweep has ended"
            ),
            (None, true) => format!("last complete sweep {age} s ago, later than expected"),
        })
    }
}

/// The events, if they are proved to report every change since a sweep, and the end of the proof, which may have passed.
fn covering(events: &EventProof, swept: Swept) -> Option<(&EventProof, Timestamp)> {
    let (since, until) = events.cover?;
    (since <= swept.started).then_some((events, until))
}
