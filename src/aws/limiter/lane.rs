//! When a call may go: the decision, without clock or waiting.
//!
//! A [`Lane`] is the share of one bucket of AWS's. Its pace goes down by half with a throttled call, with a pause of a
//! second, to a sixteenth at least, and up by a tenth of the share for every ten seconds without one: additive increase,
//! multiplicative decrease, by which programs that share a limit without knowing of each other find fair parts of it. Of
//! the calls that were under way when the pace went down, none brings it down again: they tell nothing about the new pace.
//!
//! Time is a [`Duration`] since any fixed moment. One before the last counts as the last.

use std::time::Duration;

use super::documented::Limit;

/// Who asks, most urgent first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Priority {
    /// Somebody waits for a tool's answer.
    Tool,
    /// A sweep.
    Sweep,
    /// A describe of named ids to confirm what an event or tool said.
    Refresh,
}

/// The lowest pace, as a part of the share.
const FLOOR: f64 = 1.0 / 16.0;
/// What is added to the pace, as a part of the share, ...
const STEP: f64 = 0.1;
/// ... for every so long without a throttled call.
const EVERY: Duration = Duration::from_secs(10);
/// The silence after a throttled call.
pub(in crate::aws) const PAUSE: Duration = Duration::from_secs(1);
/// What rounding may lack of a token.
const ROUNDING: f64 = 1e-6;

/// The share of one action's limits in one account and region.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Lane {
    requests: Bucket,
    /// Half of `requests`, which refreshes take from as well.
    refreshes: Bucket,
    /// Instances named in requests, for actions that AWS limits by them too.
    instances: Option<Bucket>,
    pace: Pace,
}

/// Tokens that are refilled at a rate.
#[derive(Clone, Debug, PartialEq)]
struct Bucket {
    burst: f64,
    per_second: f64,
    tokens: f64,
    /// When `tokens` was right.
    at: Duration,
}

/// How much of the share is used.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Pace {
    /// The last throttled call that counted: when, and to which part of the share it brought the pace.
    cut: Option<(Duration, f64)>,
}

impl Lane {
    /// `percent` of AWS's limits: for requests, and for instances named in them.
    pub(super) fn new(requests: Limit, instances: Option<Limit>, percent: u8) -> Self {
        let share = f64::from(percent) / 100.0;
        Lane {
            requests: Bucket::new(requests, share),
            refreshes: Bucket::new(requests, share / 2.0),
            instances: instances.map(|limit| Bucket::new(limit, share)),
            pace: Pace::default(),
        }
    }

    /// Takes what a call needs that names `instances` instances.
    ///
    /// # Errors
    /// How long until it is worth asking again; then nothing was taken.
    pub(super) fn take(&mut self, priority: Priority, instances: usize, now: Duration) -> Result<(), Duration> {
        self.pace.open(now)?;
        let part = self.pace.part(now);
        let named = u32::try_from(instances.max(1)).unwrap_or(u32::MAX);
        let mut needed: Vec<(&mut Bucket, u32)> = vec![(&mut self.requests, 1)];
        if priority == Priority::Refresh {
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

    /// AWS turned away a call that was sent at `sent`.
    pub(super) fn throttled(&mut self, sent: Duration, now: Duration) {
        if self.pace.cut.is_some_and(|(at, _)| sent <= at) {
            return;
        }
        self.pace = Pace { cut: Some((now, (self.pace.part(now) / 2.0).max(FLOOR))) };
        // AWS's bucket is empty. What was saved up here would only be turned away as well.
        for bucket in [&mut self.requests, &mut self.refreshes] {
            bucket.empty(now);
        }
    }

    /// How many requests a second go now.
    pub(super) fn per_second(&self, now: Duration) -> f64 {
        self.requests.per_second * self.pace.part(now)
    }

    /// How many requests a second go when nothing is throttled.
    pub(super) fn share_per_second(&self) -> f64 {
        self.requests.per_second
    }
}

impl Pace {
    /// The part of the share, [`FLOOR`] to 1.
    fn part(self, now: Duration) -> f64 {
        let Some((at, part)) = self.cut else { return 1.0 };
        let steps = (now.saturating_sub(at).as_secs_f64() / EVERY.as_secs_f64()).floor();
        (part + STEP * steps).min(1.0)
    }

    /// Whether the pause is over; else how long it lasts.
    fn open(self, now: Duration) -> Result<(), Duration> {
        match self.cut.and_then(|(at, _)| (at + PAUSE).checked_sub(now)) {
            None | Some(Duration::ZERO) => Ok(()),
            Some(left) => Err(left),
        }
    }
}

impl Bucket {
    /// Full, with room for one call at least.
    fn new(limit: Limit, share: f64) -> Self {
        let burst = (f64::from(limit.burst) * share).floor().max(1.0);
        Bucket { burst, per_second: f64::from(limit.per_second) * share, tokens: burst, at: Duration::ZERO }
    }

    /// How many it holds at a part of the pace.
    fn holds(&self, part: f64) -> f64 {
        (self.burst * part).max(1.0)
    }

    /// How long until it has `count` tokens, or as many as it holds; `None` when it has them.
    fn lacks(&mut self, count: u32, part: f64, now: Duration) -> Option<Duration> {
        let refilled = now.saturating_sub(self.at).as_secs_f64() * self.per_second * part;
        (self.tokens, self.at) = ((self.tokens + refilled).min(self.holds(part)), now.max(self.at));
        let missing = f64::from(count).min(self.holds(part)) - self.tokens;
        // A wait is at least a millisecond, the grain of timers, so that it never spins.
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

    const LIMIT: Limit = Limit { burst: 100, per_second: 20 };

    fn seconds(seconds: f64) -> Duration {
        Duration::from_secs_f64(seconds)
    }

    fn lane() -> Lane {
        Lane::new(LIMIT, None, 25)
    }

    #[test]
    fn a_throttled_call_halves_the_pace_to_a_sixteenth_at_least() {
        let mut lane = lane();
        for (second, expected) in [(1.0, 2.5), (2.0, 1.25), (3.0, 0.625), (4.0, 0.3125), (5.0, 0.3125)] {
            lane.throttled(seconds(second), seconds(second));
            assert!((lane.per_second(seconds(second)) - expected).abs() < 1e-9, "{lane:?}");
        }
    }

    #[test]
    fn every_ten_seconds_without_a_throttled_call_add_a_tenth_of_the_share() {
        let mut lane = lane();
        lane.throttled(seconds(1.0), seconds(1.0));
        for (second, expected) in [(10.9, 2.5), (11.0, 3.0), (31.0, 4.0), (51.0, 5.0), (500.0, 5.0)] {
            assert!((lane.per_second(seconds(second)) - expected).abs() < 1e-9, "after {second} s");
        }
    }

    #[test]
    fn calls_that_were_under_way_when_the_pace_went_down_do_not_bring_it_down_again() {
        let mut lane = lane();
        lane.throttled(seconds(1.0), seconds(2.0));
        let after_one = lane.clone();
        lane.throttled(seconds(1.5), seconds(3.0));
        assert_eq!(lane, after_one);
        lane.throttled(seconds(3.0), seconds(3.5));
        assert!(lane.per_second(seconds(3.5)) < after_one.per_second(seconds(3.5)));
    }

    #[test]
    fn after_a_throttled_call_comes_a_second_of_silence_and_no_burst() {
        let mut lane = lane();
        lane.throttled(seconds(1.0), seconds(1.0));
        assert_eq!(lane.take(Priority::Tool, 0, seconds(1.25)), Err(seconds(0.75)));
        assert_eq!(lane.take(Priority::Tool, 0, seconds(2.0)), Ok(()));
        // 2.5 tokens came in that second.
        assert_eq!(lane.take(Priority::Tool, 0, seconds(2.0)), Ok(()));
        assert!(lane.take(Priority::Tool, 0, seconds(2.0)).is_err());
    }

    #[derive(Clone, Copy, Debug)]
    enum Step {
        Wait(u32),
        Call(Priority),
        Throttled,
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let priority = prop_oneof![Just(Priority::Tool), Just(Priority::Sweep), Just(Priority::Refresh)];
        let step = prop_oneof![
            2 => (0_u32..3000).prop_map(Step::Wait),
            8 => priority.prop_map(Step::Call),
            1 => Just(Step::Throttled),
        ];
        prop::collection::vec(step, 1..300)
    }

    /// Whatever happens, no more goes than the share, of refreshes no more than half of it, and never nothing.
    fn keeps_to_the_share(steps: &[Step], percent: u8) -> Result<(), TestCaseError> {
        let mut lane = Lane::new(LIMIT, None, percent);
        let (mut now, mut last, mut all, mut refreshes) = (Duration::ZERO, Duration::ZERO, 0.0, 0.0);
        for step in steps {
            match *step {
                Step::Wait(millis) => now += Duration::from_millis(millis.into()),
                Step::Throttled => lane.throttled(last, now),
                Step::Call(priority) => {
                    // The end of a pause first, then the tokens.
                    for waits in 0.. {
                        let Err(wait) = lane.take(priority, 0, now) else { break };
                        now += wait;
                        prop_assert!(waits < 2, "the waits were not enough");
                    }
                    last = now;
                    all += 1.0;
                    refreshes += f64::from(u8::from(priority == Priority::Refresh));
                }
            }
            let share = f64::from(percent) / 100.0;
            let most = |share: f64| (100.0 * share).max(1.0) + 20.0 * share * now.as_secs_f64() + 1e-3;
            prop_assert!(all <= most(share), "{all} calls in {now:?}");
            prop_assert!(refreshes <= most(share / 2.0), "{refreshes} refreshes in {now:?}");
            let pace = lane.per_second(now) / lane.share_per_second();
            prop_assert!((FLOOR..=1.0).contains(&pace), "{pace}");
        }
        Ok(())
    }

    #[test]
    fn a_refresh_after_throttles_in_a_row_waits_long_enough_at_the_smallest_share() {
        use Step::{Call, Throttled};
        let (tool, refresh) = (Call(Priority::Tool), Call(Priority::Refresh));
        keeps_to_the_share(&[Throttled, tool, Throttled, tool, Throttled, refresh], 1).unwrap();
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn the_share_is_never_exceeded_and_never_lost(steps in steps(), percent in 1_u8..=100) {
            keeps_to_the_share(&steps, percent)?;
        }

        /// However hard it was throttled, 100 seconds of peace bring all of the share back.
        #[test]
        fn peace_brings_the_share_back(steps in steps()) {
            let (mut lane, mut now) = (lane(), Duration::ZERO);
            for step in steps {
                match step {
                    Step::Wait(millis) => now += Duration::from_millis(millis.into()),
                    Step::Throttled => lane.throttled(now, now),
                    Step::Call(priority) => drop(lane.take(priority, 0, now)),
                }
            }
            now += Duration::from_secs(100);
            prop_assert!((lane.per_second(now) - lane.share_per_second()).abs() < 1e-9);
        }
    }
}
