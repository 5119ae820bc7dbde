//! AWS's time: this machine's clock plus an offset derived from the `Date` headers of AWS's answers.
//!
//! Observations are ordered by AWS's time, because events carry it and describes are compared with them. A machine whose clock is
//! minutes off would otherwise ignore true news or believe stale ones.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::Intercept;
use aws_smithy_runtime_api::client::interceptors::context::{
    BeforeDeserializationInterceptorContextRef, BeforeTransmitInterceptorContextRef,
};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::DateTime;
use aws_smithy_types::config_bag::{ConfigBag, Storable, StoreReplace};
use aws_smithy_types::date_time::Format;
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::model::{Clock, Timestamp};

/// How many answers the estimate uses. More would follow a step of the local clock later; fewer would follow a single wrong header
/// sooner.
const SAMPLES: usize = 15;

/// An estimate closer than this to the current offset changes nothing: a `Date` header has a precision of one second.
const GRAIN_MILLIS: i64 = 1000;

/// A difference from a steady clock above this is a jump; slower drift is corrected by the offset.
const JUMP: Duration = Duration::from_secs(5);

/// AWS's clock, as far as answers show it. Before the first answer it is the local clock.
#[derive(Debug, Default)]
pub struct AwsClock {
    estimator: Mutex<Estimator>,
    beat: Mutex<Beat>,
}

/// Detects jumps: the last time this clock returned, and the steady clock's time at that moment.
#[derive(Debug, Default)]
struct Beat {
    last: Option<(Timestamp, Instant)>,
    /// The first time returned after the last jump.
    steady: Timestamp,
}

impl Beat {
    /// Records that the clock returned `now` while the steady clock showed `instant`.
    fn told(&mut self, now: Timestamp, instant: Instant) {
        if let Some((last, then)) = self.last {
            let expected = last + instant.saturating_duration_since(then);
            if now.since(expected).max(expected.since(now)) > JUMP {
                tracing::warn!(from = %expected, to = %now, "the clock jumped");
                self.steady = now;
            }
        }
        self.last = Some((now, instant));
    }
}

impl AwsClock {
    /// How far AWS's clock is ahead of this machine's, in milliseconds; negative when it is behind.
    #[must_use]
    pub fn offset_millis(&self) -> i64 {
        self.estimator.lock().offset
    }

    fn learn(&self, sent: i64, received: i64, date: &DateTime) {
        let mut estimator = self.estimator.lock();
        let before = estimator.offset;
        estimator.learn(DateSample::new(sent, received, date.secs()));
        if estimator.offset != before {
            tracing::info!(aws.clock.offset_ms = estimator.offset, "the offset of AWS's clock changed");
        }
    }
}

impl Clock for AwsClock {
    fn now(&self) -> Timestamp {
        let now = Timestamp::from_millis(wall_millis().saturating_add(self.offset_millis()));
        self.beat.lock().told(now, Instant::now());
        now
    }

    fn is_anchored(&self) -> bool {
        !self.estimator.lock().samples.is_empty()
    }

    fn steady_since(&self) -> Timestamp {
        self.beat.lock().steady
    }
}

/// Milliseconds since the Unix epoch by this machine's clock.
#[expect(clippy::disallowed_methods, reason = "the one reader of the wall clock")]
fn wall_millis() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// What one answer shows: AWS's clock is ahead by at least `low` and less than `high` milliseconds.
///
/// The header was written between sending and receiving, and is rounded down to the second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct DateSample {
    low: i64,
    high: i64,
}

impl DateSample {
    fn new(sent: i64, received: i64, date_seconds: i64) -> Self {
        let date = date_seconds.saturating_mul(1000);
        DateSample { low: date.saturating_sub(received), high: date.saturating_add(1000).saturating_sub(sent) }
    }

    fn holds(&self, offset: i64) -> bool {
        self.low <= offset && offset < self.high
    }
}

/// The offset that most recent answers agree on (Marzullo's algorithm), kept until it is clearly wrong.
#[derive(Debug, Default)]
struct Estimator {
    /// Oldest first.
    samples: Vec<DateSample>,
    /// The offset in use, in milliseconds.
    offset: i64,
}

impl Estimator {
    fn learn(&mut self, sample: DateSample) {
        if sample.low >= sample.high {
            return; // The local clock stepped back between sending and receiving.
        }
        if self.samples.len() == SAMPLES {
            self.samples.remove(0);
        }
        self.samples.push(sample);
        let Some((low, high)) = self.agreed() else { return };
        let middle = low.midpoint(high);
        // An offset that the answers allow is kept: a slow answer is imprecise and must not move the clock.
        if !(low..high).contains(&self.offset) && (middle - self.offset).abs() >= GRAIN_MILLIS {
            self.offset = middle;
        }
    }

    /// The range of offsets that most samples allow; among equals, the one with the newest sample.
    fn agreed(&self) -> Option<(i64, i64)> {
        let votes = |offset: i64| self.samples.iter().filter(|sample| sample.holds(offset)).count();
        // A range of greatest agreement starts where a sample's range starts.
        let low = self.samples.iter().rev().map(|sample| sample.low).fold(None, |best: Option<(usize, i64)>, low| {
            let votes = votes(low);
            if best.is_some_and(|(most, _)| most >= votes) { best } else { Some((votes, low)) }
        });
        let (_, low) = low?;
        let high = self.samples.iter().filter(|sample| sample.holds(low)).map(|sample| sample.high).min()?;
        Some((low, high))
    }
}

/// Feeds the `Date` header of every answer to the clock.
#[derive(Debug)]
pub(super) struct DateReader(pub(super) Arc<AwsClock>);

/// When an attempt left, by the local clock.
#[derive(Debug)]
struct SentAt(i64);

impl Storable for SentAt {
    type Storer = StoreReplace<Self>;
}

impl Intercept for DateReader {
    fn name(&self) -> &'static str {
        "DateReader"
    }

    fn read_before_transmit(
        &self,
        _: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        cfg: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        cfg.interceptor_state().store_put(SentAt(wall_millis()));
        Ok(())
    }

    /// A missing or unreadable header is ignored.
    fn read_after_transmit(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        cfg: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let date = context.response().headers().get("date");
        let date = date.and_then(|date| DateTime::from_str(date, Format::HttpDate).ok());
        if let (Some(date), Some(SentAt(sent))) = (date, cfg.load::<SentAt>()) {
            self.0.learn(*sent, wall_millis(), &date);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An answer from an AWS that is `offset` ahead: sent at local `sent`, written half way, received 200 ms later.
    fn answer(offset: i64, sent: i64) -> DateSample {
        DateSample::new(sent, sent + 200, (sent + 100 + offset).div_euclid(1000))
    }

    fn after(offsets: impl IntoIterator<Item = i64>) -> i64 {
        let mut estimator = Estimator::default();
        for (n, offset) in (0..).zip(offsets) {
            estimator.learn(answer(offset, 1_000_000 + n * 1370));
        }
        estimator.offset
    }

    #[test]
    fn a_clock_is_anchored_after_the_first_answer_of_aws() {
        let clock = AwsClock::default();
        assert!(!clock.is_anchored());
        clock.learn(0, 100, &DateTime::from_secs(0));
        assert!(clock.is_anchored());
    }

    #[test]
    fn a_clock_that_is_right_stays_as_it_is() {
        assert_eq!(after([0; 40]), 0);
    }

    #[test]
    fn a_difference_below_one_second_is_ignored() {
        assert_eq!(after([700; 40]), 0);
        assert_eq!(after([-700; 40]), 0);
    }

    #[test]
    fn a_wrong_clock_is_corrected_to_within_a_second() {
        for offset in [-3_600_000, -5_300, 2_500, 90_000] {
            assert!((after([offset; 20]) - offset).abs() < 1000, "{offset}: {}", after([offset; 20]));
        }
    }

    #[test]
    fn the_first_answer_already_corrects_a_clock_that_is_far_off() {
        assert!((after([-60_000]) + 60_000).abs() < 1000);
    }

    #[test]
    fn a_lone_wrong_header_is_outvoted() {
        assert_eq!(after([0, 0, 0, 600_000, 0, 0]), 0);
    }

    #[test]
    fn a_step_of_the_local_clock_is_followed_once_most_answers_show_it() {
        let offsets = std::iter::repeat_n(0, 15).chain(std::iter::repeat_n(30_000, 9));
        assert!((after(offsets) - 30_000).abs() < 1000);
    }

    #[test]
    fn an_answer_during_which_the_local_clock_stepped_back_teaches_nothing() {
        let mut estimator = Estimator::default();
        estimator.learn(DateSample::new(90_000, 10_000, 50));
        assert!(estimator.samples.is_empty());
    }

    #[test]
    fn a_slow_answer_that_allows_the_current_offset_changes_nothing() {
        let mut estimator = Estimator::default();
        estimator.learn(DateSample::new(0, 30_000, 29)); // Between 1 s behind and 30 s ahead.
        assert_eq!(estimator.offset, 0);
    }

    #[test]
    fn a_slow_answer_says_less_than_a_fast_one() {
        let mut estimator = Estimator::default();
        estimator.learn(DateSample::new(0, 30_000, 33)); // Between 3 s and 34 s ahead.
        assert_eq!(estimator.offset, 18_500);
        estimator.learn(DateSample::new(31_000, 31_100, 36)); // Between 4.9 s and 6 s ahead.
        assert_eq!(estimator.offset, 5_450);
    }
}
