//! Decides which ids to describe, and when. It is pure: time is passed in.
//!
//! An id waits a little after its first mention, so that a burst of events costs one describe. It is described again, at the times
//! that its kind has ([`KindSpec::refreshes`](crate::kinds::KindSpec::refreshes)), while answers disagree with the event, because
//! describes lag behind events; and at all of these times after a tool had AWS change it, because such a change takes a while. When
//! too many ids wait, a full listing is cheaper.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use crate::model::Wanted;

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
        RefreshQueue { after, entries: HashMap::new(), due: BTreeSet::new() }
    }

    /// Adds what an event or a tool mentioned at `now`.
    pub fn push(&mut self, wanted: Wanted, now: Tick) -> Pushed {
        let Wanted { id, expects, is_changing } = wanted;
        let id = id.id;
        if self.entries.len() >= MAX_WAITING && !self.entries.contains_key(&id) {
            self.entries.clear();
            self.due.clear();
            return Pushed::Overflowed;
        }
        let first = self.after.first().copied().unwrap_or_default();
        match self.entries.get_mut(&id) {
            None => {
                self.due.insert((now + first, Arc::clone(&id)));
                let due = Some(now + first);
                self.entries.insert(id, WaitingId { mentioned: now, expects, is_changing, step: 0, due, again: false });
            }
            Some(entry) => {
                entry.expects = expects.or(entry.expects.take());
                entry.is_changing |= is_changing;
                match entry.due {
                    // A further mention does not delay the first describe.
                    Some(_) if entry.step == 0 => {}
                    Some(due) => {
                        self.due.remove(&(due, Arc::clone(&id)));
                        (entry.mentioned, entry.step, entry.due) = (now, 0, Some(now + first));
                        self.due.insert((now + first, id));
                    }
                    None => (entry.mentioned, entry.again) = (now, true),
                }
            }
        }
        Pushed::Waits
    }

    /// When the next id is due.
    #[must_use]
    pub fn next_due(&self) -> Option<Tick> {
        self.due.first().map(|(due, _)| *due)
    }

    /// Takes at most `limit` ids that are due at `now`, the longest waiting first. Each must be [`RefreshQueue::answered`] or
    /// [`RefreshQueue::put_back`].
    pub fn take(&mut self, now: Tick, limit: usize) -> Vec<Arc<str>> {
        let mut taken = Vec::new();
        while taken.len() < limit && self.next_due().is_some_and(|due| due <= now) {
            let Some((_, id)) = self.due.pop_first() else { break };
            if let Some(entry) = self.entries.get_mut(&id) {
                entry.due = None;
            }
            taken.push(id);
        }
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
                (entry.step, entry.due) = (step, Some(due));
                self.due.insert((due, Arc::clone(id)));
            }
            None => drop(self.entries.remove(id)),
        }
    }

    /// Puts ids back that could not be described, until `due`.
    pub fn put_back(&mut self, ids: impl IntoIterator<Item = Arc<str>>, due: Tick) {
        for id in ids {
            if let Some(entry) = self.entries.get_mut(&id).filter(|entry| entry.due.is_none()) {
                entry.due = Some(due);
                self.due.insert((due, id));
            }
        }
    }

    /// Drops ids, because a sweep will show their state.
    pub fn forget(&mut self, ids: impl IntoIterator<Item = Arc<str>>) {
        for id in ids {
            if let Some(due) = self.entries.remove(&id).and_then(|entry| entry.due) {
                self.due.remove(&(due, id));
            }
        }
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
mod tests {
    use super::*;
    use crate::kinds::{self, KindSpec};
    use crate::model::ResourceId;
    use crate::model::fixtures::scope;

    fn queue() -> RefreshQueue {
        RefreshQueue::new(KindSpec::DEFAULT.refreshes)
    }

    fn s(seconds: u64) -> Tick {
        Duration::from_secs(seconds)
    }

    fn id(name: &str) -> Arc<str> {
        name.into()
    }

    fn wanted(name: &str, expects: Option<&str>) -> Wanted {
        let id = ResourceId::new(&scope(), &kinds::INSTANCE.kind(), name);
        Wanted { id, expects: expects.map(str::to_owned), is_changing: false }
    }

    #[test]
    fn a_burst_of_mentions_is_one_question_two_seconds_after_the_first() {
        let mut queue = queue();
        for now in [10, 11] {
            queue.push(wanted("i-1", None), s(now));
        }
        assert_eq!(queue.take(s(11), 100), Vec::<Arc<str>>::new());
        assert_eq!(queue.take(s(12), 100), [id("i-1")]);
        queue.answered(&id("i-1"), true, None, s(12));
        assert!(queue.is_empty());
    }

    #[test]
    fn an_answer_that_disagrees_is_asked_for_again_at_15_and_60_seconds_and_no_more() {
        let mut queue = queue();
        queue.push(wanted("i-1", Some("running")), s(10));
        for due in [12, 25, 70] {
            assert_eq!(queue.next_due(), Some(s(due)));
            assert_eq!(queue.take(s(due), 100).len(), 1);
            queue.answered(&id("i-1"), true, Some("pending"), s(due));
        }
        assert!(queue.is_empty());
    }

    #[test]
    fn what_a_tool_changed_is_described_at_every_time_whatever_the_answers_show() {
        let mut queue = queue();
        queue.push(Wanted { is_changing: true, ..wanted("i-1", Some("stopping")) }, s(10));
        // An event about it asks for no fewer.
        queue.push(wanted("i-1", None), s(11));
        for (due, shown) in [(12, "stopping"), (25, "stopped"), (70, "stopped")] {
            assert_eq!(queue.next_due(), Some(s(due)));
            assert_eq!(queue.take(s(due), 100).len(), 1);
            queue.answered(&id("i-1"), true, Some(shown), s(due));
        }
        assert!(queue.is_empty());
    }

    #[test]
    fn a_snapshot_that_was_just_made_is_looked_at_more_often_at_first() {
        let mut queue = RefreshQueue::new(kinds::SNAPSHOT.refreshes);
        queue.push(wanted("snap-1", Some("completed")), s(10));
        for due in [12, 15, 25, 70] {
            assert_eq!(queue.next_due(), Some(s(due)));
            assert_eq!(queue.take(s(due), 100).len(), 1);
            queue.answered(&id("snap-1"), true, Some("pending"), s(due));
        }
        assert!(queue.is_empty(), "however long it takes, it is not looked at for ever");
    }

    #[test]
    fn a_mention_while_it_is_asked_for_asks_once_more() {
        let mut queue = queue();
        queue.push(wanted("i-1", Some("pending")), s(10));
        queue.take(s(12), 100);
        queue.push(wanted("i-1", Some("running")), s(13));
        queue.answered(&id("i-1"), true, Some("running"), s(14));
        assert_eq!(queue.next_due(), Some(s(15)));
        queue.take(s(15), 100);
        queue.answered(&id("i-1"), true, Some("running"), s(16));
        assert!(queue.is_empty());
    }

    #[test]
    fn too_many_are_let_go_for_one_sweep() {
        let mut queue = queue();
        for n in 0..MAX_WAITING {
            assert_eq!(queue.push(wanted(&format!("i-{n}"), None), s(0)), Pushed::Waits);
        }
        assert_eq!(queue.push(wanted("i-1", None), s(1)), Pushed::Waits);
        assert_eq!(queue.push(wanted("one too many", None), s(1)), Pushed::Overflowed);
        assert!(queue.is_empty() && queue.next_due().is_none());
    }

    #[test]
    fn what_could_not_be_asked_for_waits_again() {
        let mut queue = queue();
        queue.push(wanted("i-1", None), s(0));
        let taken = queue.take(s(2), 100);
        queue.put_back(taken, s(9));
        assert_eq!(queue.next_due(), Some(s(9)));
        assert_eq!((queue.len(), queue.take(s(9), 100).len()), (1, 1));
    }
}
