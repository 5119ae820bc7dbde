//! Counts of received messages by result.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::model::Trouble;

/// How many types are counted separately; anybody may put events of any type on a bus.
const MAX_TYPES: usize = 64;

/// The longest name of a type that is kept, in characters.
const MAX_NAME: usize = 128;

/// A result that is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventCount {
    /// A message was received, possibly not for the first time.
    Received,
    /// Its content was recorded.
    Applied,
    /// Its content had already been recorded.
    Repeated,
    /// It had no news, or only enough to request a describe.
    Unchanged,
    /// It could not be read.
    Undecodable,
    /// It was still unreadable after many receives: it was kept in the store and deleted from the queue.
    Parked,
    /// It was a canary.
    Canaries,
    /// It was about a resource that never became known.
    LetGo,
    /// It was about an account or a region that is not watched.
    Elsewhere,
    /// It was only about kinds that are not watched.
    OtherKinds,
    /// It was deleted from its queue.
    Deleted,
    /// It was not deleted, and is delivered again.
    DeleteFailures,
    /// A receive failed.
    ReceiveFailures,
}

/// The counts of all messages since this process started.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct EventTotals {
    /// Received messages, including repeated ones.
    pub received: u64,
    /// Notifications that were recorded.
    pub applied: u64,
    /// Notifications that had already been recorded.
    pub repeated: u64,
    /// Notifications without news.
    pub unchanged: u64,
    /// Events of types that Muster does not use, by type: hostile text, since anybody may put events on a bus. `other` counts the
    /// types beyond the limit.
    pub unknown_types: BTreeMap<String, u64>,
    /// Unreadable messages; repeated ones are counted each time.
    pub undecodable: u64,
    /// Messages that stayed unreadable after many receives: they were kept in the store and deleted from the queue.
    pub parked: u64,
    /// Canaries.
    pub canaries: u64,
    /// Notifications about resources that never became known.
    pub let_go: u64,
    /// Events of accounts and regions that are not watched.
    pub elsewhere: u64,
    /// Events of kinds that are not watched.
    pub other_kinds: u64,
    /// Deleted messages.
    pub deleted: u64,
    /// Messages that could not be deleted, and are delivered again.
    pub delete_failures: u64,
    /// Failed receives.
    pub receive_failures: u64,
    /// What prevents events from being received now, by queue.
    pub troubles: BTreeMap<String, Trouble>,
}

impl EventTotals {
    /// Adds to a count.
    pub(super) fn add(&mut self, what: EventCount, number: usize) {
        let total = match what {
            EventCount::Received => &mut self.received,
            EventCount::Applied => &mut self.applied,
            EventCount::Repeated => &mut self.repeated,
            EventCount::Elsewhere => &mut self.elsewhere,
            EventCount::OtherKinds => &mut self.other_kinds,
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

    /// Counts an event of a type that Muster does not use.
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
