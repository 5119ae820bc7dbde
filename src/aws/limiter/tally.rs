//! How many calls there were. Time is a [`Duration`] since any fixed moment.

use std::time::Duration;

/// How a call ended, as far as its limits are concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::aws) enum Outcome {
    /// AWS did what was asked, or said that there is no such thing.
    Answered,
    /// AWS turned it away for its limits.
    Throttled,
    /// Anything else.
    Failed,
}

/// Seconds that are told apart, for the calls of the last minute.
const SECONDS: usize = 60;

/// Counts of one action in one account and region.
#[derive(Clone, Debug)]
pub(super) struct Tally {
    total: u64,
    throttled: u64,
    failed: u64,
    /// For each of the last seconds which one it was, and how many calls went in it.
    seconds: [(u64, u64); SECONDS],
}

impl Default for Tally {
    fn default() -> Self {
        Tally { total: 0, throttled: 0, failed: 0, seconds: [(0, 0); SECONDS] }
    }
}

impl Tally {
    /// A call goes.
    pub(super) fn sent(&mut self, now: Duration) {
        self.total += 1;
        let second = now.as_secs();
        let place = usize::try_from(second).unwrap_or_default() % SECONDS;
        if let Some(slot) = self.seconds.get_mut(place) {
            *slot = (second, if slot.0 == second { slot.1 + 1 } else { 1 });
        }
    }

    /// A call ended.
    pub(super) fn ended(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Answered => {}
            Outcome::Throttled => self.throttled += 1,
            Outcome::Failed => self.failed += 1,
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
        let mut tally = Tally::default();
        for second in [0, 0, 30, 59, 60, 200] {
            tally.sent(Duration::from_secs(second));
        }
        assert_eq!(tally.last_minute(Duration::from_secs(200)), 1);
        assert_eq!(tally.last_minute(Duration::from_secs(259)), 1);
        assert_eq!((tally.last_minute(Duration::from_secs(260)), tally.total()), (0, 6));
    }

    #[test]
    fn only_what_went_wrong_is_told_apart() {
        let mut tally = Tally::default();
        for outcome in [Outcome::Answered, Outcome::Throttled, Outcome::Failed, Outcome::Failed] {
            tally.ended(outcome);
        }
        assert_eq!((tally.throttled(), tally.failed()), (1, 2));
    }
}
