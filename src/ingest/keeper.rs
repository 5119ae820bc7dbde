//! What the lane of retention remembers, and when it is its turn.

use std::time::Duration;

use tokio::time::Instant;

use crate::store::retain::{Due, Retention};

/// A step folds at most this many records.
pub(super) const MAX_FOLDED: usize = 200;

/// After this many new records a step is owed.
const OWED: u64 = MAX_FOLDED as u64 / 2;

/// Well above its limit: by one part in this many.
const FAR: u64 = 16;

/// How long to wait when what is due cannot be folded yet: it is too young, or somebody holds the log.
pub(super) const YET: Duration = Duration::from_secs(5);

/// How long the limit is good for: it moves with the number of resources.
pub(super) const LIMIT_FOR: Duration = Duration::from_mins(1);

/// What the lane of retention remembers.
pub(super) struct Keeper {
    pub(super) retention: Retention,
    /// What is being folded.
    pub(super) target: Option<Due>,
    /// How many bytes history may take, and when that was asked.
    pub(super) limit: Option<(u64, Instant)>,
    /// Records since the last step.
    pub(super) appended: u64,
    /// When to look without being told.
    pub(super) wake: Option<Instant>,
    /// When this process began to look.
    pub(super) begun: Instant,
}

impl Keeper {
    /// Looks at once.
    pub(super) fn new(retention: Retention) -> Self {
        let begun = Instant::now();
        Keeper { retention, target: None, limit: None, appended: 0, wake: Some(begun), begun }
    }

    /// When the lane has something to do; `None` while only commits can bring something.
    pub(super) fn wake(&self) -> Option<Instant> {
        self.wake
    }

    /// Notes that a commit brought records.
    pub(super) fn appended(&mut self, records: u64) {
        self.appended = self.appended.saturating_add(records);
    }

    /// Whether it is time to look what is due after a commit.
    pub(super) fn is_to_look(&self, history: u64, now: Instant) -> bool {
        let Some((limit, asked)) = self.limit else { return true };
        self.target.is_none() && now - asked >= if history > limit { YET } else { LIMIT_FOR }
    }

    /// Whether a step must follow a commit.
    pub(super) fn owes(&self, history: u64) -> bool {
        self.target.is_some_and(|target| {
            // Records that came of age take no more space than they did before.
            let is_far = target.down_to > 0 && history > target.down_to + target.down_to / FAR;
            self.appended >= OWED || is_far
        })
    }
}
