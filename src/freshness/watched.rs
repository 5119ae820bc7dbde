//! The state in memory of one kind in one scope.

use std::sync::Arc;
use std::time::Duration;

use super::scope::{ScopeFreshness, Swept};
use super::unread::Unread;
use crate::model::{Kind, Scope, Timestamp, UnreadableItem};
use crate::reconcile::ScopeMemory;
use crate::store::Watermark;

/// The state in memory of one (scope, kind).
#[derive(Debug)]
pub(crate) struct WatchedScope {
    pub(crate) state: ScopeFreshness,
    pub(crate) memory: ScopeMemory,
    /// How many resources the last complete sweep lacked too soon after other evidence.
    spared: u64,
    /// Whether one of several accounts is watched again after a time in which it was not, until a sweep is complete.
    has_returned: bool,
    /// When the first complete sweep of this run started: a run is interrupted if a sweep is later than expected.
    since: Option<Timestamp>,
    /// The unreadable resources of the current sweep.
    unread: Option<Box<Unread>>,
}

/// How the end of a sweep affects its run of watching.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Continuity {
    /// The scope was never swept before, or the run before is saved.
    First,
    /// The scope was not watched for a while before it: the run before ended like this.
    Interrupted(Watermark),
    /// It continues its run.
    Continues,
}

impl WatchedScope {
    /// Records the end of a complete sweep, after its absences were judged. `spared` is the number missing too soon to conclude
    /// anything.
    pub(crate) fn completed(&mut self, swept: Swept, spared: u64) -> Continuity {
        let run = match (self.state.complete, self.since, self.state.fresh_until()) {
            (None, ..) => Continuity::First,
            // What was saved when it was given up is its last run.
            _ if self.has_returned => self.watermark().map_or(Continuity::First, Continuity::Interrupted),
            (Some(_), Some(_), Some(until)) if swept.started > until => match self.watermark() {
                Some(ended) => Continuity::Interrupted(ended),
                None => Continuity::Continues,
            },
            _ => Continuity::Continues,
        };
        if run != Continuity::Continues {
            self.since = None;
        }
        self.since.get_or_insert(swept.started);
        self.has_returned = false;
        self.spared = spared;
        self.show_missing();
        if self.state.missing == 0 && self.memory.doubtful() == 0 {
            self.state.settled = Some(swept.started);
        }
        self.state.complete = Some(swept);
        self.state.swept_now = true;
        self.state.running_since = None;
        self.state.trouble = None;
        self.state.stumble = None;
        let unread = self.unread.take().map_or_else(Unread::default, |unread| *unread).since(&self.state.unreadable);
        if unread != *self.state.unreadable {
            self.state.unreadable = Arc::new(unread);
        }
        run
    }

    /// Records since when it is no longer watched; `None` if it is watched.
    /// With `begins_anew`, what the next sweep finds after a return counts as known before.
    pub(super) fn retire(&mut self, since: Option<Timestamp>, begins_anew: bool) {
        if begins_anew && self.state.unwatched_since.is_some() && since.is_none() {
            self.has_returned = true;
        }
        self.state.unwatched_since = since;
    }

    /// Whether what its next sweep finds existed before Muster looked: it was never swept, or is watched again.
    pub(crate) fn begins(&self) -> bool {
        self.state.complete.is_none() || self.has_returned
    }

    /// Whether it is watched again after a time in which it was not, and not swept since.
    pub(crate) fn returns(&self) -> bool {
        self.has_returned
    }

    /// Records an unreadable resource that the current sweep listed at `at`.
    pub(crate) fn unread(&mut self, item: UnreadableItem, at: Timestamp) {
        Arc::make_mut(&mut self.state.unreadable).notice(&item, at);
        self.unread.get_or_insert_default().add(item, at);
    }

    /// Whether the current sweep listed resources without an id.
    pub(crate) fn lists_nameless(&self) -> bool {
        self.unread.as_ref().is_some_and(|unread| unread.nameless() > 0)
    }

    /// Starts to record the unreadable resources of a sweep.
    pub(crate) fn begin_unread(&mut self) {
        self.unread = None;
    }

    /// Records that a resource was read or is gone.
    pub(crate) fn read(&mut self, id: &str) {
        if let Some(unread) = &mut self.unread {
            unread.remove(id);
        }
        if self.state.unreadable.of(id).is_some() {
            Arc::make_mut(&mut self.state.unreadable).remove(id);
        }
    }

    /// When the scope was last watched, if there was a gap before a sweep that starts at `at`; `None` without a gap, and if it was
    /// never watched.
    pub(crate) fn unwatched_since(&self, at: Timestamp) -> Option<Timestamp> {
        let complete = self.state.complete?;
        let goes_on = self.state.fresh_until().is_some_and(|until| at <= until);
        (!goes_on).then_some(complete.started)
    }

    /// Updates the shown number of missing resources from memory.
    pub(crate) fn show_missing(&mut self) {
        self.state.missing = self.memory.missing() as u64 + self.spared;
        self.state.held = self.memory.hold().map(|hold| Box::new(hold.shown()));
    }

    /// The watermark to save: of this process's complete sweeps, if the last one left nothing open.
    pub(super) fn watermark(&self) -> Option<Watermark> {
        self.run().filter(|run| self.state.settled == Some(run.started))
    }

    /// The current run of watching, whether or not its last sweep left something open.
    pub(super) fn run(&self) -> Option<Watermark> {
        let (swept, since) = (self.state.complete?, self.since?);
        let (scope, kind) = (self.state.scope.clone(), self.state.kind.clone());
        Some(Watermark { scope, kind, since, started: swept.started, ended: swept.ended, complete: true })
    }

    pub(crate) fn new(scope: Scope, kind: Kind, interval: Duration, complete: Option<Swept>) -> Self {
        WatchedScope {
            state: ScopeFreshness {
                scope,
                kind,
                unwatched_since: None,
                unwatched_why: None,
                interval,
                events: None,
                complete,
                swept_now: false,
                running_since: None,
                seen: 0,
                trouble: None,
                stumble: None,
                left_out: Vec::new(),
                unreadable: Unread::none(),
                absent: None,
                missing: 0,
                held: None,
                settled: complete.map(|swept| swept.started),
            },
            memory: ScopeMemory::default(),
            spared: 0,
            has_returned: false,
            since: None,
            unread: None,
        }
    }
}
