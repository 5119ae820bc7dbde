//! What is idle, ordered by when it became so.

use std::collections::BTreeMap;

/// Things that are idle, the longest idle first.
#[derive(Debug)]
pub(super) struct IdleQueue<T> {
    last: u64,
    idle: BTreeMap<u64, T>,
}

impl<T> Default for IdleQueue<T> {
    fn default() -> Self {
        IdleQueue { last: 0, idle: BTreeMap::new() }
    }
}

impl<T> IdleQueue<T> {
    /// Adds what becomes idle now, and returns its number.
    pub(super) fn add(&mut self, thing: T) -> u64 {
        self.last += 1;
        self.idle.insert(self.last, thing);
        self.last
    }

    /// Removes what is no longer idle.
    pub(super) fn remove(&mut self, number: u64) -> Option<T> {
        self.idle.remove(&number)
    }

    /// What has been idle for the longest time.
    pub(super) fn longest(&self) -> Option<&T> {
        self.idle.first_key_value().map(|(_, thing)| thing)
    }

    /// Removes what has been idle for the longest time.
    pub(super) fn remove_longest(&mut self) -> Option<T> {
        self.idle.pop_first().map(|(_, thing)| thing)
    }

    /// How many are idle.
    pub(super) fn len(&self) -> usize {
        self.idle.len()
    }
}
