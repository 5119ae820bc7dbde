//! Decides which ids to describe, and when. It is pure: time is passed in.
//!
//! An id waits a little after its first mention, so that a burst of events costs one describe. It is described again, at the times
//! that its kind has ([`KindSpec::refreshes`](crate::kinds::KindSpec::refreshes)), while answers disagree with the event, because
//! describes lag behind events; and at all of these times after a tool had AWS change it, because such a change takes a while. When
//! too many ids wait, a full listing is cheaper.
//!
//! A call describes all ids that are due, and calls have a pace: under steady traffic one goes every 6 s, so that an id is described
//! that much after it is due at the latest. What a tool had AWS change does not wait for the pace, and neither do ids that fill a call.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use super::pace::CallPace;
use crate::model::Wanted;

/// The most ids in one call.
pub const PER_CALL: usize = 100;

/// The most ids that may wait; beyond it they are dropped for one sweep.
pub const MAX_WAITING: usize = 2_000;

/// A time on some clock that does not jump.
type Tick = Duration;

/// The ids of one kind in one scope that wait to be described.
#[derive(Debug)]
pub struct RefreshQueue {
    /// When an id is described, counted from its mention.
    after: &'static [Duration],
    entries: HashMap<Arc<str>, WaitingId>,
    due: BTreeSet<(Tick, Arc<str>)>,
    /// Those of `due` that wait for no pace.
    urgent: BTreeSet<(Tick, Arc<str>)>,
    pace: CallPace,
}

#[derive(Debug)]
struct WaitingId {
    mentioned: Tick,
    expects: Option<String>,
    /// Whether it is described at all of the times, whatever the answers show.
    is_changing: bool,
    /// Which of the times is next.
    step: usize,
    /// When it is due; `None` while it is being described.
    due: Option<Tick>,
    /// Whether it was mentioned again while it was being described, so that the answer may be older.
    again: bool,
}

/// Whether an id was added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pushed {
    /// It waits.
    Waits,
    /// Too many waited: all were dropped, and a sweep must run instead.
    Overflowed,
}

impl RefreshQueue {
    /// An empty queue, whose ids are described at these times after their mention.
    #[must_use]
    pub fn new(after: &'static [Duration]) -> Self {
        let (due, urgent) = (BTreeSet::new(), BTreeSet::new());
        RefreshQueue { after, entries: HashMap::new(), due, urgent, pace: CallPace::default() }
    }

    /// Adds what an event or a tool mentioned at `now`.
    pub fn push(&mut self, wanted: Wanted, now: Tick) -> Pushed {
        let Wanted { id, expects, is_changing } = wanted;
        let id = id.id;
        if self.entries.len() >= MAX_WAITING && !self.entries.contains_key(&id) {
            self.entries.clear();
            self.due.clear();
            self.urgent.clear();
            return Pushed::Overflowed;
        }
        let due = now + self.after.first().copied().unwrap_or_default();
        match self.entries.get_mut(&id) {
            None => {
                let entry = WaitingId { mentioned: now, expects, is_changing, step: 0, due: None, again: false };
                self.entries.insert(Arc::clone(&id), entry);
                self.wait(&id, due);
            }
            Some(entry) => {
                entry.expects = expects.or(entry.expects.take());
                entry.is_changing |= is_changing;
                match entry.due {
                    // A further mention does not delay the first describe.
                    Some(due) if entry.step == 0 => self.wait(&id, due),
                    Some(_) => {
                        (entry.mentioned, entry.step) = (now, 0);
                        self.wait(&id, due);
                    }
                    None => (entry.mentioned, entry.again) = (now, true),
                }
            }
        }
        Pushed::Waits
    }

    /// When the next call is due.
    #[must_use]
    pub fn next_due(&self) -> Option<Tick> {
        let due = |(due, _): &(Tick, Arc<str>)| *due;
        let first = self.due.first().map(|first| self.pace.allows(due(first)))?;
        let full = self.due.iter().nth(PER_CALL - 1).map(due);
        Some([self.urgent.first().map(due), full].into_iter().flatten().fold(first, Tick::min))
    }

    /// Takes the ids of a call if one is due at `now`: at most [`PER_CALL`] that are due, the urgent ones and then the longest
    /// waiting first. Each must be [`RefreshQueue::answered`] or [`RefreshQueue::put_back`].
    pub fn take(&mut self, now: Tick) -> Vec<Arc<str>> {
        let mut taken = Vec::new();
        if self.next_due().is_none_or(|due| due > now) {
            return taken;
        }
        while taken.len() < PER_CALL {
            let is_due = |first: &&(Tick, Arc<str>)| first.0 <= now;
            let first = self.urgent.first().filter(is_due).or_else(|| self.due.first().filter(is_due));
            let Some((due, id)) = first.cloned() else { break };
            self.unschedule(&id, due);
            if let Some(entry) = self.entries.get_mut(&id) {
                entry.due = None;
            }
            taken.push(id);
        }
        self.pace.called(now);
        taken
    }

    /// Records that `id` was answered, whether that settled it, and which state AWS showed.
    pub fn answered(&mut self, id: &Arc<str>, settled: bool, shown: Option<&str>, now: Tick) {
        let Some(entry) = self.entries.get_mut(id) else { return };
        let agrees = entry.expects.as_deref().is_none_or(|expects| shown == Some(expects));
        let step = if entry.again {
            Some(0)
        } else {
            Some(entry.step + 1).filter(|_| entry.is_changing || !settled || !agrees)
        };
        entry.again = false;
        match step.and_then(|step| Some((step, *self.after.get(step)?))) {
            Some((step, after)) => {
                // A late answer delays the next describe, because AWS's lag has to pass first.
                let last = step.checked_sub(1).and_then(|last| self.after.get(last));
                let pause = last.map_or(Duration::ZERO, |last| after.saturating_sub(*last));
                let due = (entry.mentioned + after).max(now + pause);
                entry.step = step;
                self.wait(id, due);
            }
            None => drop(self.entries.remove(id)),
        }
    }

    /// Puts ids back that could not be described, until `due`.
    pub fn put_back(&mut self, ids: impl IntoIterator<Item = Arc<str>>, due: Tick) {
        for id in ids {
            if self.entries.get(&id).is_some_and(|entry| entry.due.is_none()) {
                self.wait(&id, due);
            }
        }
    }

    /// Drops ids, because a sweep will show their state.
    pub fn forget(&mut self, ids: impl IntoIterator<Item = Arc<str>>) {
        for id in ids {
            if let Some(due) = self.entries.remove(&id).and_then(|entry| entry.due) {
                self.unschedule(&id, due);
            }
        }
    }

    /// Has an id wait until `due`.
    fn wait(&mut self, id: &Arc<str>, due: Tick) {
        let Some(entry) = self.entries.get_mut(id) else { return };
        let (before, is_urgent) = (entry.due.replace(due), entry.is_changing);
        if let Some(before) = before {
            self.unschedule(id, before);
        }
        self.due.insert((due, Arc::clone(id)));
        if is_urgent {
            self.urgent.insert((due, Arc::clone(id)));
        }
    }

    fn unschedule(&mut self, id: &Arc<str>, due: Tick) {
        let entry = (due, Arc::clone(id));
        self.due.remove(&entry);
        self.urgent.remove(&entry);
    }

    /// How many ids wait or are being described.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether no id waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

#[cfg(test)]
mod tests;
