//! What became of the messages that were received.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::model::Trouble;
use parking_lot::Mutex;
use serde::Serialize;

/// How many types are counted one by one; anybody may put events of any type on a bus.
const TYPES: usize = 64;

/// The longest name of a type that is kept, in characters.
const LONGEST: usize = 128;

/// One thing that is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Count {
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

/// The counts since this process started. Clones count together.
#[derive(Clone, Debug, Default)]
pub struct EventCounts(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    received: AtomicU64,
    applied: AtomicU64,
    repeated: AtomicU64,
    unchanged: AtomicU64,
    undecodable: AtomicU64,
    parked: AtomicU64,
    canaries: AtomicU64,
    let_go: AtomicU64,
    deleted: AtomicU64,
    delete_failures: AtomicU64,
    receive_failures: AtomicU64,
    unknown: Mutex<BTreeMap<String, u64>>,
    troubles: Mutex<BTreeMap<String, Trouble>>,
}

/// The counts at one moment. Each is exact; two of them may be a message apart.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counted {
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

impl EventCounts {
    /// Counts one.
    pub fn count(&self, what: Count) {
        self.count_all(what, 1);
    }

    /// Counts several.
    pub fn count_all(&self, what: Count, number: usize) {
        let number = u64::try_from(number).unwrap_or(u64::MAX);
        self.of(what).fetch_add(number, Ordering::Relaxed);
    }

    /// Counts an event of a type that Muster has no use for.
    pub fn count_unknown(&self, detail_type: &str) {
        let mut unknown = self.0.unknown.lock();
        let name: String = detail_type.chars().take(LONGEST).collect();
        let name = if unknown.len() < TYPES || unknown.contains_key(&name) { name } else { "other".to_owned() };
        *unknown.entry(name).or_default() += 1;
    }

    /// Sets what keeps events of a queue from being received, or clears it.
    pub fn set_trouble(&self, queue: &str, trouble: Option<Trouble>) {
        let mut troubles = self.0.troubles.lock();
        match trouble {
            Some(trouble) => drop(troubles.insert(queue.to_owned(), trouble)),
            None => drop(troubles.remove(queue)),
        }
    }

    /// All of them, now.
    #[must_use]
    pub fn read(&self) -> Counted {
        let of = |what| self.of(what).load(Ordering::Relaxed);
        Counted {
            received: of(Count::Received),
            applied: of(Count::Applied),
            repeated: of(Count::Repeated),
            unchanged: of(Count::Unchanged),
            unknown_types: self.0.unknown.lock().clone(),
            undecodable: of(Count::Undecodable),
            parked: of(Count::Parked),
            canaries: of(Count::Canaries),
            let_go: of(Count::LetGo),
            deleted: of(Count::Deleted),
            delete_failures: of(Count::DeleteFailures),
            receive_failures: of(Count::ReceiveFailures),
            troubles: self.0.troubles.lock().clone(),
        }
    }

    fn of(&self, what: Count) -> &AtomicU64 {
        match what {
            Count::Received => &self.0.received,
            Count::Applied => &self.0.applied,
            Count::Repeated => &self.0.repeated,
            Count::Unchanged => &self.0.unchanged,
            Count::Undecodable => &self.0.undecodable,
            Count::Parked => &self.0.parked,
            Count::Canaries => &self.0.canaries,
            Count::LetGo => &self.0.let_go,
            Count::Deleted => &self.0.deleted,
            Count::DeleteFailures => &self.0.delete_failures,
            Count::ReceiveFailures => &self.0.receive_failures,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_that_anybody_makes_up_are_counted_in_bounded_memory() {
        let counts = EventCounts::default();
        for number in 0..1_000 {
            counts.clone().count_unknown(&format!("{number} {}", "x".repeat(1_000)));
        }
        counts.count_unknown(&format!("0 {}", "x".repeat(1_000)));
        let unknown = counts.read().unknown_types;
        assert_eq!(unknown.len(), TYPES + 1);
        assert_eq!(unknown.values().sum::<u64>(), 1_001);
        assert_eq!(unknown["other"], 1_000 - TYPES as u64);
        assert!(unknown.keys().all(|name| name.len() <= LONGEST));
    }
}
