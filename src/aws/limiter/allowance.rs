//! Decides when a call may go, without a clock and without waiting.
//!
//! A [`Allowance`] is Muster's share of one of AWS's buckets. A throttled call halves its rate (to a sixteenth at least) after a pause
//! of a second; every ten seconds without throttling add a tenth of the share. This is additive increase, multiplicative decrease,
//! by which programs that share a limit without knowing of each other converge to fair parts. Calls that were already under way
//! when the rate was halved do not halve it again: they say nothing about the new rate.
//!
//! Time is a [`Duration`] since any fixed moment. An earlier time than the last one counts as the last one.

use std::time::Duration;

use super::documented::DocumentedLimit;

/// The purpose of a call, most urgent first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Priority {
    /// A tool, whose caller waits for the answer.
    Tool,
    /// A sweep.
    Sweep,
    /// A describe of ids to confirm what an event or tool reported.
    Refresh,
    /// What clients of EC2's API ask and the copy cannot answer: however much they ask, the copy stays as fresh as it is.
    Passed,
}

impl Priority {
    /// All of them in order, with their names.
    pub(super) const ALL: [(Priority, &'static str); 4] = [
        (Priority::Tool, "tool"),
        (Priority::Sweep, "sweep"),
        (Priority::Refresh, "refresh"),
        (Priority::Passed, "passed"),
    ];
}

/// The lowest rate, as a part of the share.
const FLOOR: f64 = 1.0 / 16.0;
/// How much of the share is added to the rate ...
const STEP: f64 = 0.1;
/// ... after each period of this length without a throttled call.
const EVERY: Duration = Duration::from_secs(10);
/// How long no call goes after a throttled one.
pub(in crate::aws) const PAUSE: Duration = Duration::from_secs(1);
/// The rounding error of a token.
const ROUNDING: f64 = 1e-6;

/// The share of one action's limits in one account and region.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Allowance {
    requests: TokenBucket,
    /// Half of `requests`; refreshes and what is passed on need tokens from both.
    refreshes: TokenBucket,
    /// Instances named in requests, for actions that AWS also limits by instances.
    instances: Option<TokenBucket>,
    slowdown: Slowdown,
}

/// Tokens that are refilled at a constant rate.
#[derive(Clone, Debug, PartialEq)]
struct TokenBucket {
    burst: f64,
    per_second: f64,
    tokens: f64,
    /// The time at which `tokens` was computed.
    at: Duration,
}

/// How much of the share is in use.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Slowdown {
    /// The last throttled call that counted: its time, and the part of the share that remained after it.
    cut: Option<(Duration, f64)>,
}

impl Allowance {
    /// A share of `percent` of AWS's limits on requests, and on instances named in them.
    pub(super) fn new(requests: DocumentedLimit, instances: Option<DocumentedLimit>, percent: u8) -> Self {
        let share = f64::from(percent) / 100.0;
        Allowance {
            requests: TokenBucket::new(requests, share),
            refreshes: TokenBucket::new(requests, share / 2.0),
            instances: instances.map(|limit| TokenBucket::new(limit, share)),
            slowdown: Slowdown::default(),
        }
    }

    /// Takes the tokens for a call that names `instances` instances.
    ///
    /// # Errors
    /// How long to wait before asking again; no token was taken then.
    pub(super) fn take(&mut self, priority: Priority, instances: usize, now: Duration) -> Result<(), Duration> {
        self.slowdown.open(now)?;
        let part = self.slowdown.part(now);
        let named = u32::try_from(instances.max(1)).unwrap_or(u32::MAX);
        let mut needed: Vec<(&mut TokenBucket, u32)> = vec![(&mut self.requests, 1)];
        if priority >= Priority::Refresh {
            needed.push((&mut self.refreshes, 1));
        }
        needed.extend(self.instances.as_mut().map(|bucket| (bucket, named)));
        let wait = needed.iter_mut().filter_map(|(bucket, count)| bucket.lacks(*count, part, now)).max();
        if let Some(wait) = wait {
            return Err(wait);
        }
        for (bucket, count) in needed {
            bucket.take(count, part);
        }
        Ok(())
    }

    /// Records that AWS throttled a call sent at `sent`.
    pub(super) fn throttled(&mut self, sent: Duration, now: Duration) {
        if self.slowdown.cut.is_some_and(|(at, _)| sent <= at) {
            return;
        }
        self.slowdown = Slowdown { cut: Some((now, (self.slowdown.part(now) / 2.0).max(FLOOR))) };
        // AWS's bucket is empty: calls with saved tokens would only be throttled as well.
        for bucket in [&mut self.requests, &mut self.refreshes] {
            bucket.empty(now);
        }
    }

    /// Whether it is as if it had never been used.
    pub(super) fn is_untouched(&self, now: Duration) -> bool {
        let buckets = [Some(&self.requests), Some(&self.refreshes), self.instances.as_ref()];
        let is_open = self.slowdown.open(now).is_ok() && self.slowdown.part(now) >= 1.0;
        is_open && buckets.into_iter().flatten().all(|bucket| bucket.is_full(now))
    }

    /// The current number of requests per second.
    pub(super) fn per_second(&self, now: Duration) -> f64 {
        self.requests.per_second * self.slowdown.part(now)
    }

    /// The number of requests per second without throttling.
    pub(super) fn share_per_second(&self) -> f64 {
        self.requests.per_second
    }
}

#[cfg(test)]
impl Allowance {
    /// Whether as many calls may go at once as with another one.
    fn holds_as(&self, other: &Self, now: Duration) -> bool {
        let at_once = |allowance: &Allowance| {
            let mut allowance = allowance.clone();
            (0..200).take_while(|_| allowance.take(Priority::Tool, 0, now).is_ok()).count()
        };
        at_once(self) == at_once(other)
    }
}

impl Slowdown {
    /// The part of the share in use, [`FLOOR`] to 1.
    fn part(self, now: Duration) -> f64 {
        let Some((at, part)) = self.cut else { return 1.0 };
        let steps = (now.saturating_sub(at).as_secs_f64() / EVERY.as_secs_f64()).floor();
        (part + STEP * steps).min(1.0)
    }

    /// Whether the pause is over; otherwise how long it still lasts.
    fn open(self, now: Duration) -> Result<(), Duration> {
        match self.cut.and_then(|(at, _)| (at + PAUSE).checked_sub(now)) {
            None | Some(Duration::ZERO) => Ok(()),
            Some(left) => Err(left),
        }
    }
}

impl TokenBucket {
    /// A full bucket, with room for at least one call.
    fn new(limit: DocumentedLimit, share: f64) -> Self {
        let burst = (f64::from(limit.burst) * share).floor().max(1.0);
        TokenBucket { burst, per_second: limit.rate.per_second() * share, tokens: burst, at: Duration::ZERO }
    }

    /// How many tokens it holds at a part of the rate.
    fn holds(&self, part: f64) -> f64 {
        (self.burst * part).max(1.0)
    }

    /// Whether it holds all its tokens, at its whole rate.
    fn is_full(&self, now: Duration) -> bool {
        self.tokens + now.saturating_sub(self.at).as_secs_f64() * self.per_second >= self.burst
    }

    /// How long until it has `count` tokens or is full; `None` if it has them.
    fn lacks(&mut self, count: u32, part: f64, now: Duration) -> Option<Duration> {
        let refilled = now.saturating_sub(self.at).as_secs_f64() * self.per_second * part;
        (self.tokens, self.at) = ((self.tokens + refilled).min(self.holds(part)), now.max(self.at));
        let missing = f64::from(count).min(self.holds(part)) - self.tokens;
        // A wait lasts at least a millisecond, the precision of timers, so that callers never spin.
        let wait = || Duration::from_secs_f64(missing / (self.per_second * part)) + Duration::from_millis(1);
        (missing > ROUNDING).then(wait)
    }

    fn take(&mut self, count: u32, part: f64) {
        self.tokens -= f64::from(count).min(self.holds(part));
    }

    fn empty(&mut self, now: Duration) {
        (self.tokens, self.at) = (self.tokens.min(0.0), now.max(self.at));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::aws::limiter::documented::bucket;

    const LIMIT: DocumentedLimit = bucket(100, 20);

    fn seconds(seconds: f64) -> Duration {
        Duration::from_secs_f64(seconds)
    }

    fn allowance() -> Allowance {
        Allowance::new(LIMIT, None, 25)
    }

    #[test]
    fn a_throttled_call_halves_the_rate_to_a_sixteenth_at_least() {
        let mut allowance = allowance();
        for (second, expected) in [(1.0, 2.5), (2.0, 1.25), (3.0, 0.625), (4.0, 0.3125), (5.0, 0.3125)] {
            allowance.throttled(seconds(second), seconds(second));
            assert!((allowance.per_second(seconds(second)) - expected).abs() < 1e-9, "{allowance:?}");
        }
    }

    #[test]
    fn every_ten_seconds_without_a_throttled_call_add_a_tenth_of_the_share() {
        let mut allowance = allowance();
        allowance.throttled(seconds(1.0), seconds(1.0));
        for (second, expected) in [(10.9, 2.5), (11.0, 3.0), (31.0, 4.0), (51.0, 5.0), (500.0, 5.0)] {
            assert!((allowance.per_second(seconds(second)) - expected).abs() < 1e-9, "after {second} s");
        }
    }

    #[test]
    fn calls_under_way_when_the_rate_was_halved_do_not_halve_it_again() {
        let mut allowance = allowance();
        allowance.throttled(seconds(1.0), seconds(2.0));
        let after_one = allowance.clone();
        allowance.throttled(seconds(1.5), seconds(3.0));
        assert_eq!(allowance, after_one);
        allowance.throttled(seconds(3.0), seconds(3.5));
        assert!(allowance.per_second(seconds(3.5)) < after_one.per_second(seconds(3.5)));
    }

    #[test]
    fn a_throttled_call_is_followed_by_a_pause_of_a_second_and_no_burst() {
        let mut allowance = allowance();
        allowance.throttled(seconds(1.0), seconds(1.0));
        assert_eq!(allowance.take(Priority::Tool, 0, seconds(1.25)), Err(seconds(0.75)));
        assert_eq!(allowance.take(Priority::Tool, 0, seconds(2.0)), Ok(()));
        // 2.5 tokens were refilled in that second.
        assert_eq!(allowance.take(Priority::Tool, 0, seconds(2.0)), Ok(()));
        assert!(allowance.take(Priority::Tool, 0, seconds(2.0)).is_err());
    }

    #[derive(Clone, Copy, Debug)]
    enum CallStep {
        Wait(u32),
        Call(Priority),
        Throttled,
    }

    fn steps() -> impl Strategy<Value = Vec<CallStep>> {
        let priority = prop::sample::select(Priority::ALL.map(|(priority, _)| priority).to_vec());
        let step = prop_oneof![
            2 => (0_u32..3000).prop_map(CallStep::Wait),
            8 => priority.prop_map(CallStep::Call),
            1 => Just(CallStep::Throttled),
        ];
        prop::collection::vec(step, 1..300)
    }

    /// In any sequence, at most the share goes, refreshes get at most half of it, and some call always goes.
    fn keeps_to_the_share(steps: &[CallStep], percent: u8) -> Result<(), TestCaseError> {
        let mut allowance = Allowance::new(LIMIT, None, percent);
        let (mut now, mut last, mut all, mut refreshes) = (Duration::ZERO, Duration::ZERO, 0.0, 0.0);
        for step in steps {
            match *step {
                CallStep::Wait(millis) => now += Duration::from_millis(millis.into()),
                CallStep::Throttled => allowance.throttled(last, now),
                CallStep::Call(priority) => {
                    // First the pause has to end, then tokens have to be refilled.
                    for waits in 0.. {
                        let Err(wait) = allowance.take(priority, 0, now) else { break };
                        now += wait;
                        prop_assert!(waits < 2, "the waits were not enough");
                    }
                    last = now;
                    all += 1.0;
                    refreshes += f64::from(u8::from(priority >= Priority::Refresh));
                }
            }
            let share = f64::from(percent) / 100.0;
            let most = |share: f64| (100.0 * share).max(1.0) + 20.0 * share * now.as_secs_f64() + 1e-3;
            prop_assert!(all <= most(share), "{all} calls in {now:?}");
            prop_assert!(refreshes <= most(share / 2.0), "{refreshes} refreshes in {now:?}");
            let slowdown = allowance.per_second(now) / allowance.share_per_second();
            prop_assert!((FLOOR..=1.0).contains(&slowdown), "{slowdown}");
        }
        Ok(())
    }

    #[test]
    fn a_refresh_after_throttles_in_a_row_waits_long_enough_at_the_smallest_share() {
        use CallStep::{Call, Throttled};
        let (tool, refresh) = (Call(Priority::Tool), Call(Priority::Refresh));
        keeps_to_the_share(&[Throttled, tool, Throttled, tool, Throttled, refresh], 1).unwrap();
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn the_share_is_never_exceeded_and_never_lost(steps in steps(), percent in 1_u8..=100) {
            keeps_to_the_share(&steps, percent)?;
        }

        /// After any throttling, 100 seconds without it restore the whole share.
        #[test]
        fn time_without_throttling_restores_the_share(steps in steps()) {
            let (mut allowance, mut now) = (allowance(), Duration::ZERO);
            for step in steps {
                match step {
                    CallStep::Wait(millis) => now += Duration::from_millis(millis.into()),
                    CallStep::Throttled => allowance.throttled(now, now),
                    CallStep::Call(priority) => drop(allowance.take(priority, 0, now)),
                }
            }
            now += Duration::from_secs(100);
            let untouched = Allowance::new(LIMIT, None, 25);
            prop_assert!(!allowance.is_untouched(now) || allowance.holds_as(&untouched, now));
            prop_assert!(allowance.is_untouched(now + Duration::from_hours(1)));
            prop_assert!((allowance.per_second(now) - allowance.share_per_second()).abs() < 1e-9);
        }
    }
}
