//! How long to wait after failures.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};

use crate::aws::AwsError;
use crate::model::ErrorClass;

/// The first delay and the growth are those of kube-rs's watchers, which poll a throttling API server likewise.
const FIRST: Duration = Duration::from_millis(800);
/// Jitter adds up to the delay again: at most 30 s.
const LONGEST: Duration = Duration::from_secs(15);

/// The pause after a failure on this machine, such as missing credentials, before the next attempt. A login in another window may
/// fix it, and nothing is sent to AWS meanwhile.
const LOCAL: Duration = Duration::from_secs(30);

/// The pause after the first answer that a session is over: a new one is asked for by then.
const RENEWAL: Duration = Duration::from_secs(1);

/// The pause after a failure that only a person can fix, by the number of failures in a row: one, one, two, and then five
/// minutes. A session that is over may have been renewed a moment later; only if the new one is refused too, a person has to help.
#[must_use]
pub fn pause(error: &AwsError, failures: u32) -> Duration {
    let is_over = error.is_about_expiry();
    match failures.saturating_sub(u32::from(is_over)) {
        0 if is_over => RENEWAL,
        _ if error.is_local() => LOCAL,
        0..=2 => Duration::from_mins(1),
        3 => Duration::from_mins(2),
        _ => Duration::from_mins(5),
    }
}

/// How long to wait after failures of any class.
#[derive(Debug, Default)]
pub struct Patience {
    backoff: Backoff,
    /// How many failures in a row only a person could fix.
    refusals: u32,
}

impl Patience {
    /// How long to wait after one more failure.
    pub fn failed(&mut self, error: &AwsError) -> Duration {
        match error.class {
            // Nothing is sent to AWS before there are credentials and a region.
            _ if error.is_local() => self.backoff.failed(),
            ErrorClass::Throttled | ErrorClass::Transient => self.backoff.failed(),
            ErrorClass::Denied | ErrorClass::NotFound | ErrorClass::Fatal | ErrorClass::DryRun => {
                self.refusals = self.refusals.saturating_add(1);
                pause(error, self.refusals)
            }
        }
    }

    /// Records an answered call, after which passing failures count from the start.
    pub fn answered(&mut self) {
        self.backoff.succeeded();
    }

    /// Records a full success, which resets everything.
    pub fn succeeded(&mut self) {
        *self = Patience::default();
    }
}

/// Delays that double from 0.8 s to 15 s, each stretched at random up to twofold, until a success starts them over.
#[derive(Debug)]
pub struct Backoff {
    delays: ExponentialBackoff,
    failures: u32,
}

impl Backoff {
    /// A backoff without failures.
    #[must_use]
    pub fn new() -> Self {
        Backoff { delays: delays(), failures: 0 }
    }

    /// How long to wait after one more failure.
    pub fn failed(&mut self) -> Duration {
        self.failures += 1;
        self.delays.next().unwrap_or(LONGEST)
    }

    /// Resets the delays.
    pub fn succeeded(&mut self) {
        if self.failures > 0 {
            *self = Backoff::new();
        }
    }
}

impl Default for Backoff {
    fn default() -> Self {
        Backoff::new()
    }
}

fn delays() -> ExponentialBackoff {
    ExponentialBuilder::new()
        .with_min_delay(FIRST)
        .with_factor(2.0)
        .with_max_delay(LONGEST)
        .without_max_times()
        .with_jitter()
        .with_jitter_seed(fastrand::u64(..))
        .build()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::scripted::failure;

    #[test]
    fn delays_double_to_a_limit_and_are_stretched_up_to_twofold() {
        let mut backoff = Backoff::new();
        for base in [0.8, 1.6, 3.2, 6.4, 12.8, 15.0, 15.0] {
            let delay = backoff.failed().as_secs_f64();
            assert!((base * 0.999..=base * 2.001).contains(&delay), "{delay} at {base}");
        }
    }

    #[test]
    fn a_success_starts_over() {
        let mut backoff = Backoff::new();
        for _ in 0..9 {
            backoff.failed();
        }
        backoff.succeeded();
        assert!(backoff.failed() <= FIRST * 2);
    }

    #[test]
    fn a_session_that_is_over_is_tried_again_at_once_and_then_like_any_refusal() {
        let over = failure(ErrorClass::Fatal, "ExpiredToken");
        let pauses = |error: &AwsError| (1..7).map(|failures| pause(error, failures).as_secs()).collect::<Vec<_>>();
        assert_eq!(pauses(&over), [1, 60, 60, 120, 300, 300]);
        assert_eq!(pauses(&failure(ErrorClass::Fatal, "AuthFailure")), [60, 60, 120, 300, 300, 300]);
        let mut patience = Patience::default();
        let waits: Vec<u64> = (0..3).map(|_| patience.failed(&over).as_secs()).collect();
        assert_eq!(waits, [1, 60, 60], "whoever asks for the account waits likewise");
    }

    #[test]
    fn two_backoffs_do_not_beat_in_time() {
        let delays = |mut backoff: Backoff| (0..6).map(|_| backoff.failed()).collect::<Vec<_>>();
        assert_ne!(delays(Backoff::new()), delays(Backoff::new()));
    }
}
