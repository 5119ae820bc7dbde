//! The state of the retention lane, and when its turn is.

use std::time::Duration;

use tokio::time::Instant;

use crate::store::retain::{Due, Retention};

/// How many records a step folds at most.
pub(super) const MAX_FOLDED: usize = 200;

/// The number of new records after which a step is due.
const OWED: u64 = MAX_FOLDED as u64 / 2;

/// The log is far above its limit if it exceeds it by the limit divided by this.
const FAR: u64 = 16;

/// How long to wait if what is due cannot be folded yet: it is too young, or somebody holds the log.
pub(super) const YET: Duration = Duration::from_secs(5);

/// How long the size limit is valid: it changes with the number of resources.
pub(super) const LIMIT_FOR: Duration = Duration::from_mins(1);

/// The state of the retention lane.
pub(super) struct Keeper {
    pub(super) retention: Retention,
    /// What is being folded.
    pub(super) target: Option<Due>,
    /// The size limit of history in bytes, and when it was determined.
    pub(super) limit: Option<(u64, Instant)>,
    /// Records added since the last step.
    pub(super) appended: u64,
    /// When to check without a commit.
    pub(super) wake: Option<Instant>,
    /// When this process started.
    pub(super) begun: Instant,
}

impl Keeper {
    /// Checks at once.
    pub(super) fn new(retention: Retention) -> Self {
        let begun = Instant::now();
        Keeper { retention, target: None, limit: None, appended: 0, wake: Some(begun), begun }
    }

    /// When the lane has something to do; `None` while only commits can bring work.
    pub(super) fn wake(&self) -> Option<Instant> {
        self.wake
    }

    /// Counts the records of a commit.
    pub(super) fn appended(&mut self, records: u64) {
        self.appended = self.appended.saturating_add(records);
    }

    /// Whether to check after a commit what is due.
    pub(super) fn is_to_look(&self, history: u64, now: Instant) -> bool {
        let Some((limit, asked)) = self.limit else { return true };
        self.target.is_none() && now - asked >= if history > limit { YET } else { LIMIT_FOR }
    }

    /// Whether a step must follow a commit.
    pub(super) fn owes(&self, history: u64) -> bool {
        self.target.is_some_and(|target| {
            // Records that reach the age limit take no more space than before.
            let is_far = target.down_to > 0 && history > target.down_to + target.down_to / FAR;
            self.appended >= OWED || is_far
        })
    }
}
