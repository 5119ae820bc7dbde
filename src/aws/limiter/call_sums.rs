//! What calls came to and how long they waited, over all accounts and regions.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;

use super::allowance::Priority;
use super::tally::AttemptOutcome;
use crate::model::{CountedDurations, DurationTally};

/// The bounds of how long a call waits until it may go.
const WAIT: &[Duration] = &[
    Duration::from_millis(1),
    Duration::from_millis(10),
    Duration::from_millis(50),
    Duration::from_millis(100),
    Duration::from_millis(250),
    Duration::from_secs(1),
    Duration::from_millis(2_500),
    Duration::from_secs(10),
    Duration::from_mins(1),
    Duration::from_mins(5),
];

/// The totals of one action. They only grow, also when an account is given up or gets another share.
#[derive(Debug, Default)]
pub(super) struct ActionSums {
    answered: AtomicU64,
    throttled: AtomicU64,
    failed: AtomicU64,
}

/// The totals of all actions.
#[derive(Debug)]
pub(super) struct CallSums {
    actions: Mutex<BTreeMap<&'static str, Arc<ActionSums>>>,
    waits: [DurationTally; Priority::ALL.len()],
}

/// The calls of one action that have ended since this process started, over all accounts and regions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CountedCalls {
    /// The IAM action, which names the call.
    pub action: &'static str,
    /// Those that AWS answered, also that a resource does not exist.
    pub answered: u64,
    /// Those that AWS throttled.
    pub throttled: u64,
    /// Those that failed otherwise.
    pub failed: u64,
}

impl Default for CallSums {
    fn default() -> Self {
        CallSums { actions: Mutex::default(), waits: std::array::from_fn(|_| DurationTally::new(WAIT)) }
    }
}

impl ActionSums {
    /// Counts a call that ended.
    pub(super) fn ended(&self, outcome: AttemptOutcome) {
        let total = match outcome {
            AttemptOutcome::Answered => &self.answered,
            AttemptOutcome::Throttled => &self.throttled,
            AttemptOutcome::Failed => &self.failed,
        };
        total.fetch_add(1, Ordering::Relaxed);
    }
}

impl CallSums {
    /// The totals of an action.
    pub(super) fn of(&self, action: &'static str) -> Arc<ActionSums> {
        Arc::clone(self.actions.lock().entry(action).or_default())
    }

    /// Counts a call that waited this long until it could go.
    pub(super) fn waited(&self, priority: Priority, wait: Duration) {
        if let Some(waits) = self.waits.get(priority as usize) {
            waits.note(wait);
        }
    }

    /// The calls so far, by action.
    pub(super) fn calls(&self) -> Vec<CountedCalls> {
        let actions = self.actions.lock();
        let counted = actions.iter().map(|(action, totals)| CountedCalls {
            action,
            answered: totals.answered.load(Ordering::Relaxed),
            throttled: totals.throttled.load(Ordering::Relaxed),
            failed: totals.failed.load(Ordering::Relaxed),
        });
        counted.collect()
    }

    /// How long calls waited, by the name of their priority.
    pub(super) fn waits(&self) -> Vec<(&'static str, CountedDurations)> {
        Priority::ALL.iter().zip(&self.waits).map(|((_, name), waits)| (*name, waits.counted())).collect()
    }
}
