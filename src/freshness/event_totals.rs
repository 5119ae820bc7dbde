//! What became of the messages that were received, in numbers.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::model::Trouble;

/// How many types are counted one by one; anybody may put events of any type on a bus.
const MAX_TYPES: usize = 64;

/// The longest name of a type that is kept, in characters.
const MAX_NAME: usize = 128;

/// One thing that is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventCount {
    /// A message was received, also one that had been received before.
    Received,
    /// What it said was recorded.
    Applied,
    /// It had been recorded before.
    Repeated,
    /// It said nothing that was not known, or only enough to ask AWS.
    Unchanged,
    /// It could not be read.
    Undecodable,
    /// It could not be read however often it came: it was kept in the store and deleted from the queue.
    Parked,
    /// It was a canary.
    Canaries,
    /// It spoke of a resource that did not become known, however often it came.
    LetGo,
    /// It was deleted from its queue.
    Deleted,
    /// It was not deleted, and comes again.
    DeleteFailures,
    /// Nothing could be received.
    ReceiveFailures,
}

/// What became of all messages since this process started.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct EventTotals {
    /// Messages received, also those that had been received before.
    pub received: u64,
    /// Notifications that were recorded.
    pub applied: u64,
    /// Those that had been recorded before.
    pub repeated: u64,
    /// Those that said nothing new.
    pub unchanged: u64,
    /// Events of types that Muster has no use for, by type: hostile text, as anybody may put events on a bus. `other` are those of
    /// too many types.
    pub unknown_types: BTreeMap<String, u64>,
    /// Messages that cannot be read; those that a queue repeats are counted each time.
    pub undecodable: u64,
    /// Messages that could not be read however often they came: they were kept in the store and deleted from the queue.
    pub parked: u64,
    /// Canaries.
    pub canaries: u64,
    /// Notifications about resources that did not become known.
    pub let_go: u64,
    /// Messages deleted.
    pub deleted: u64,
    /// Messages that were not deleted when they should be, and come again.
    pub delete_failures: u64,
    /// Receives that failed.
    pub receive_failures: u64,
    /// What keeps events from being received now, by queue.
    pub troubles: BTreeMap<String, Trouble>,
}

impl EventTotals {
    /// Counts several of one thing.
    pub(super) fn add(&mut self, what: EventCount, number: usize) {
        let total = match what {
            EventCount::Received => &mut self.received,
            EventCount::Applied => &mut self.applied,
            EventCount::Repeated => &mut self.repeated,
            EventCount::Unchanged => &mut self.unchanged,
            EventCount::Undecodable => &mut self.undecodable,
            EventCount::Parked => &mut self.parked,
            EventCount::Canaries => &mut self.canaries,
            EventCount::LetGo => &mut self.let_go,
            EventCount::Deleted => &mut self.deleted,
            EventCount::DeleteFailures => &mut self.delete_failures,
            EventCount::ReceiveFailures => &mut self.receive_failures,
        };
        *total += u64::try_from(number).unwrap_or(u64::MAX);
    }

    /// Counts an event of a type that Muster has no use for.
    pub(super) fn add_unknown(&mut self, detail_type: &str) {
        let name: String = detail_type.chars().take(MAX_NAME).collect();
        let is_counted = self.unknown_types.len() < MAX_TYPES || self.unknown_types.contains_key(&name);
        *self.unknown_types.entry(if is_counted { name } else { "other".to_owned() }).or_default() += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_that_anybody_makes_up_are_counted_in_bounded_memory() {
        let mut totals = EventTotals::default();
        for number in 0..1_000 {
            totals.add_unknown(&format!("{number} {}", "x".repeat(1_000)));
        }
        totals.add_unknown(&format!("0 {}", "x".repeat(1_000)));
        let unknown = totals.unknown_types;
        assert_eq!(unknown.len(), MAX_TYPES + 1);
        assert_eq!(unknown.values().sum::<u64>(), 1_001);
        assert_eq!(unknown["other"], 1_000 - MAX_TYPES as u64);
        assert!(unknown.keys().all(|name| name.len() <= MAX_NAME));
    }
}
