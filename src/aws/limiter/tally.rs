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

/// How many seconds are counted separately, for the calls of the last minute.
const SECONDS: u64 = 60;

/// How many of them there is room for while few calls are made: a server has thousands of actions that are called once in a while.
const ROOM: usize = 4;

/// All calls of one action in one account and region.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct CallTotals {
    /// All of them.
    pub(super) total: u64,
    /// Those that AWS throttled.
    pub(super) throttled: u64,
    /// Those that failed otherwise.
    pub(super) failed: u64,
}

/// The counts of one action in one account and region.
#[derive(Clone, Debug, Default)]
pub(super) struct CallTally {
    totals: CallTotals,
    /// The last seconds with calls in them, each with their number.
    seconds: Vec<(u64, u64)>,
}

impl CallTally {
    /// Goes on from what was counted before.
    pub(super) fn of(totals: CallTotals) -> Self {
        CallTally { totals, seconds: Vec::new() }
    }

    /// Counts a call that was sent.
    pub(super) fn sent(&mut self, now: Duration) {
        self.totals.total += 1;
        let second = now.as_secs();
        if let Some((_, calls)) = self.seconds.iter_mut().rev().find(|(known, _)| *known == second) {
            *calls += 1;
            return;
        }
        self.seconds.retain(|(known, _)| *known + SECONDS > second);
        if self.seconds.len() < ROOM {
            self.seconds.shrink_to(ROOM);
        }
        self.seconds.push((second, 1));
    }

    /// Counts a call that ended.
    pub(super) fn ended(&mut self, outcome: AttemptOutcome) {
        match outcome {
            AttemptOutcome::Answered => {}
            AttemptOutcome::Throttled => self.totals.throttled += 1,
            AttemptOutcome::Failed => self.totals.failed += 1,
        }
    }

    pub(super) fn totals(&self) -> CallTotals {
        self.totals
    }

    /// Calls in this second and the 59 before it.
    pub(super) fn last_minute(&self, now: Duration) -> u64 {
        let (this, before) = (now.as_secs(), now.as_secs().saturating_sub(SECONDS - 1));
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
        assert_eq!((tally.last_minute(Duration::from_secs(260)), tally.totals().total), (0, 6));
    }

    #[test]
    fn seldom_calls_take_little_room() {
        let mut tally = CallTally::default();
        for second in 0..10_000 {
            tally.sent(Duration::from_secs(second));
        }
        assert_eq!((tally.last_minute(Duration::from_secs(9_999)), tally.seconds.len()), (60, 60));
        for hour in 10..20 {
            tally.sent(Duration::from_hours(hour));
        }
        assert_eq!((tally.totals().total, tally.seconds.len()), (10_010, 1));
        assert!(tally.seconds.capacity() <= ROOM, "{}", tally.seconds.capacity());
    }

    #[test]
    fn throttled_and_failed_calls_are_counted_apart() {
        let mut tally = CallTally::default();
        for outcome in
            [AttemptOutcome::Answered, AttemptOutcome::Throttled, AttemptOutcome::Failed, AttemptOutcome::Failed]
        {
            tally.ended(outcome);
        }
        assert_eq!(tally.totals(), CallTotals { total: 0, throttled: 1, failed: 2 });
    }
}
