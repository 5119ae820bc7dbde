//! The simulator's clock. Only this file reads the wall clock; tests move a clock by hand instead.
//!
//! Everything that depends on time (states, status checks, retention, the `Date` header) is computed from a [`Moment`]
//! that is read once per request, so an answer never mixes two times.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::Offset;

/// Where the simulator reads the time. Clones of a manual clock move together.
#[derive(Debug, Clone)]
pub enum Clock {
    /// The machine's wall clock.
    Wall,
    /// A clock that moves only through [`Clock::advance`] and [`Clock::set`]: milliseconds since the epoch.
    Manual(Arc<AtomicI64>),
    /// Another clock plus an offset in milliseconds, which may change at any moment.
    Skewed(Box<Clock>, Arc<AtomicI64>),
}

impl Clock {
    /// A clock that stays at `start` until it is moved.
    #[must_use]
    pub fn manual(start: Timestamp) -> Self {
        Self::Manual(Arc::new(AtomicI64::new(start.as_millisecond())))
    }

    /// The time now.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.moment().timestamp()
    }

    /// Moves a manual clock forward. A wall clock ignores this.
    pub fn advance(&self, by: Duration) {
        match self {
            Self::Wall => {}
            Self::Manual(hands) => {
                hands.fetch_add(millis(by), Ordering::SeqCst);
            }
            Self::Skewed(clock, _) => clock.advance(by),
        }
    }

    /// Sets a manual clock to `to`, forward or back. A wall clock ignores this.
    pub fn set(&self, to: Timestamp) {
        match self {
            Self::Wall => {}
            Self::Manual(hands) => hands.store(to.as_millisecond(), Ordering::SeqCst),
            Self::Skewed(clock, _) => clock.set(to),
        }
    }

    /// This clock plus the offset that `skew` holds in milliseconds. Setting the result sets the clock below the
    /// offset.
    pub(crate) fn skewed_by(&self, skew: Arc<AtomicI64>) -> Self {
        Self::Skewed(Box::new(self.clone()), skew)
    }

    /// How long to sleep before checking whether `next` has come; `None` when nothing is due.
    ///
    /// It is never the whole time that is left, because a clock can be moved meanwhile.
    pub(crate) fn doze(&self, next: Option<Moment>) -> Duration {
        const LOOK: Duration = Duration::from_millis(5);
        match next {
            _ if self.is_manual() => LOOK,
            None => Duration::from_secs(1),
            Some(next) => {
                let left = u64::try_from(next.0.saturating_sub(self.moment().0)).unwrap_or(0);
                Duration::from_millis(left).clamp(Duration::from_millis(1), 4 * LOOK)
            }
        }
    }

    fn is_manual(&self) -> bool {
        match self {
            Self::Wall => false,
            Self::Manual(_) => true,
            Self::Skewed(clock, _) => clock.is_manual(),
        }
    }

    pub(crate) fn moment(&self) -> Moment {
        match self {
            #[expect(clippy::disallowed_methods, reason = "the simulator's one reader of the wall clock")]
            Self::Wall => Moment(Timestamp::now().as_millisecond()),
            Self::Manual(hands) => Moment(hands.load(Ordering::SeqCst)),
            Self::Skewed(clock, skew) => Moment(clock.moment().0.saturating_add(skew.load(Ordering::SeqCst))),
        }
    }
}

/// A moment in milliseconds since the epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moment(pub(crate) i64);

impl Moment {
    /// Before everything. What happened at this moment has always been so.
    pub(crate) const NEVER: Self = Self(i64::MIN / 4);
    /// After everything. A read at this moment sees the newest versions.
    pub(crate) const LAST: Self = Self(i64::MAX);

    pub(crate) fn of(timestamp: Timestamp) -> Self {
        Self(timestamp.as_millisecond())
    }

    pub(crate) fn timestamp(self) -> Timestamp {
        Timestamp::from_millisecond(self.0).unwrap_or(Timestamp::UNIX_EPOCH)
    }

    pub(crate) fn plus(self, by: Duration) -> Self {
        Self(self.0.saturating_add(millis(by)))
    }

    /// `2026-11-22T13:04:20.000Z`. EC2 keeps most of its times to the second and prints them like this.
    pub(crate) fn iso(self) -> String {
        self.shape("-", "T", ".000Z")
    }

    /// `2026-11-22T13:04:20Z`, the form in STS answers and in events.
    pub(crate) fn iso_bare(self) -> String {
        self.shape("-", "T", "Z")
    }

    /// `2026-11-22T13:04:20.123Z`, the form in snapshots.
    pub(crate) fn iso_millis(self) -> String {
        let millis = self.0.rem_euclid(1_000);
        self.shape("-", "T", &format!(".{millis:03}Z"))
    }

    /// `2026-11-22 13:04:20 GMT`, as in `User initiated (...)`.
    pub(crate) fn gmt(self) -> String {
        self.shape("-", " ", " GMT")
    }

    /// `Sun, 22 Nov 2026 13:04:20 GMT`, the HTTP `Date` header.
    pub(crate) fn http_date(self) -> String {
        self.timestamp().strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
    }

    fn shape(self, dash: &str, between: &str, end: &str) -> String {
        let at: DateTime = Offset::UTC.to_datetime(self.timestamp());
        let mut out = String::with_capacity(32);
        let (year, month, day) = (at.year(), at.month(), at.day());
        let (hour, minute, second) = (at.hour(), at.minute(), at.second());
        // Writing into a String cannot fail.
        write!(out, "{year:04}{dash}{month:02}{dash}{day:02}{between}{hour:02}:{minute:02}:{second:02}{end}").ok();
        out
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX / 4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_print_as_ec2_prints_them() {
        let at = Moment::of("2026-11-22T13:04:20.123Z".parse().unwrap());
        assert_eq!(at.iso(), "2026-11-22T13:04:20.000Z");
        assert_eq!(at.iso_bare(), "2026-11-22T13:04:20Z");
        assert_eq!(at.iso_millis(), "2026-11-22T13:04:20.123Z");
        assert_eq!(at.gmt(), "2026-11-22 13:04:20 GMT");
        assert_eq!(at.http_date(), "Sun, 22 Nov 2026 13:04:20 GMT");
    }

    #[test]
    fn a_manual_clock_moves_only_by_hand_and_all_clones_with_it() {
        let clock = Clock::manual("2026-01-01T00:00:00Z".parse().unwrap());
        let clone = clock.clone();
        clock.advance(Duration::from_secs(61));
        assert_eq!(clone.now().to_string(), "2026-01-01T00:01:01Z");
    }
}
