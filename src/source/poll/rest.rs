//! The rest between two sweeps of a kind in a scope.

use std::time::Duration;

use tokio::time::Instant;

/// How long sweeps rest: until a part of the interval after the start of the last one, and no later than it was due when the rest began.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SweepRest {
    /// When the last sweep began.
    began: Instant,
    /// After which part of the interval the next one follows.
    part: f64,
    due: Instant,
}

impl SweepRest {
    /// The rest after a sweep that began at `began`.
    #[must_use]
    pub(super) fn new(began: Instant, part: f64, interval: Duration) -> Self {
        SweepRest { began, part, due: began + interval.mul_f64(part) }
    }

    /// When it ends at this interval: a change of the interval can only shorten it.
    #[must_use]
    pub fn due(&self, interval: Duration) -> Instant {
        self.due.min(self.began + interval.mul_f64(self.part))
    }

    /// Lets it end no later than at this interval.
    pub(super) fn shorten(&mut self, interval: Duration) {
        self.due = self.due(interval);
    }
}
