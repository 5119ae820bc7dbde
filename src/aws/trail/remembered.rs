//! The remembered answers of the event history.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use crate::model::{ApiCall, Region, Timestamp};

/// How many answers are remembered.
const REMEMBERED: usize = 1000;

/// The calls in the event history for a resource in a span of time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrailCalls {
    /// The calls that succeeded and change something, newest first.
    pub calls: Vec<TrailCall>,
    /// Whether these are all; otherwise there are older ones.
    pub complete: bool,
}

/// A call in the event history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrailCall {
    /// When it was made, to the second.
    pub at: Timestamp,
    /// Who called what.
    pub call: ApiCall,
}

/// A query: region, resource, from, to.
pub(in crate::aws) type Key = (Region, String, Timestamp, Timestamp);

/// The newest answers of the event history.
#[derive(Debug, Default)]
pub(in crate::aws) struct Remembered {
    answers: HashMap<Key, Arc<TrailCalls>>,
    order: VecDeque<Key>,
}

impl Remembered {
    /// The remembered answer to a query.
    pub(in crate::aws) fn get(&self, key: &Key) -> Option<Arc<TrailCalls>> {
        self.answers.get(key).cloned()
    }

    /// Remembers an answer; forgets the oldest one if there are too many.
    pub(in crate::aws) fn keep(&mut self, key: Key, calls: &Arc<TrailCalls>) {
        if self.answers.insert(key.clone(), Arc::clone(calls)).is_none() {
            self.order.push_back(key);
        }
        while self.order.len() > REMEMBERED {
            if let Some(oldest) = self.order.pop_front() {
                self.answers.remove(&oldest);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_limited_number_of_answers_is_remembered() {
        let mut memory = Remembered::default();
        let key = |n: i64| (Region::new("r"), "i-1".to_owned(), Timestamp::from_millis(n), Timestamp::from_millis(n));
        for n in 0..1_500 {
            memory.keep(key(n), &Arc::default());
            memory.keep(key(n), &Arc::default());
        }
        assert_eq!((memory.answers.len(), memory.order.len()), (REMEMBERED, REMEMBERED));
        assert!(memory.answers.contains_key(&key(1_499)) && !memory.answers.contains_key(&key(0)));
    }
}
