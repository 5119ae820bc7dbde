//! Counts calls. Time is a [`Duration`] since any fixed moment.

use std::time::Duration;

/// How a call ended, as far as limits are concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::aws) enum AttemptOutcome {
    /// AWS did what was asked, or answered that the resource does not exist.
    Answered,
    /// AWS throttled it.
    Throttled,
    /// It failed otherwise.
    Failed,
}

/// The number of seconds that are counted separately, for the calls of the last minute.
const SECONDS: usize = 60;

/// The counts of one action in one account and region.
#[derive(Clone, Debug)]
pub(super) struct CallTally {
    total: u64,
    throttled: u64,
    failed: u64,
    /// For each of the last seconds, its number and the calls in it.
    seconds: [(u64, u64); SECONDS],
}

impl Default for CallTally {
    fn default() -> Self {
        CallTally { total: 0, throttled: 0, failed: 0, seconds: [(0, 0); SECONDS] }
    }
}

impl CallTally {
    /// Counts a call that was sent.
    pub(super) fn sent(&mut self, now: Duration) {
        self.total += 1;
        let second = now.as_secs();
        let place = usize::try_from(second).unwrap_or_default() % SECONDS;
        if let Some(slot) = self.seconds.get_mut(place) {
            *slot = (second, if slot.0 == second { slot.1 + 1 } else { 1 });
        }
    }

    /// Counts a call that ended.
    pub(super) fn ended(&mut self, outcome: AttemptOutcome) {
        match outcome {
            AttemptOutcome::Answered => {}
            AttemptOutcome::Throttled => self.throttled += 1,
            AttemptOutcome::Failed => self.failed += 1,
        }
    }

    pub(super) fn total(&self) -> u64 {
        self.total
    }

    pub(super) fn throttled(&self) -> u64 {
        self.throttled
    }

    pub(super) fn failed(&self) -> u64 {
        self.failed
    }

    /// Calls in this second and the 59 before it.
    pub(super) fn last_minute(&self, now: Duration) -> u64 {
        let (this, before) = (now.as_secs(), now.as_secs().saturating_sub(SECONDS as u64 - 1));
        self.seconds.iter().filter(|(second, _)| (before..=this).contains(second)).map(|(_, calls)| calls).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_minute_forgets_what_is_older() {
        let mut tally = CallTally::default();
        for second in [0, 0, 30, 59, 60, 200] {
            tally.sent(Duration::from_secs(second));
        }
        assert_eq!(tally.last_minute(Duration::from_secs(200)), 1);
        assert_eq!(tally.last_minute(Duration::from_secs(259)), 1);
        assert_eq!((tally.last_minute(Duration::from_secs(260)), tally.total()), (0, 6));
    }

    #[test]
    fn throttled_and_failed_calls_are_counted_apart() {
        let mut tally = CallTally::default();
        for outcome in
            [AttemptOutcome::Answered, AttemptOutcome::Throttled, AttemptOutcome::Failed, AttemptOutcome::Failed]
        {
            tally.ended(outcome);
        }
        assert_eq!((tally.throttled(), tally.failed()), (1, 2));
    }
}
