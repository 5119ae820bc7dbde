//! The pace of describes by id: a few calls may follow each other closely, and then one goes every [`EVERY`].
//!
//! So a change in a quiet account is described at once, as is the next one, and an account in which something changes all the time costs
//! ten calls a minute, however much changes. It is pure: time is passed in.

use std::time::Duration;

/// From one call to the next under steady traffic.
pub(super) const EVERY: Duration = Duration::from_secs(6);

/// How many calls may follow each other closely after a time without calls.
const BURST: u32 = 3;

/// When calls may go. Time is a [`Duration`] since any fixed moment.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct CallPace {
    /// When all of the [`BURST`] may go again.
    rested: Duration,
}

impl CallPace {
    /// When a call may go that is due at `due`.
    pub(super) fn allows(&self, due: Duration) -> Duration {
        due.max(self.rested.saturating_sub(EVERY * (BURST - 1)))
    }

    /// Counts a call. One that did not wait for the pace delays the next by no more than [`EVERY`].
    pub(super) fn called(&mut self, now: Duration) {
        self.rested = (self.rested.max(now) + EVERY).min(now + EVERY * BURST);
    }
}
