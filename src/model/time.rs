//! Instants in AWS time, and the clock that tells it.

use std::fmt;
use std::ops::{Add, Sub};
use std::sync::Arc;
use std::time::Duration;

use serde::{Serialize, Serializer};

/// An instant in milliseconds since the Unix epoch, UTC.
///
/// Shown and serialised as RFC 3339 with millisecond precision. The log stores the bare integer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The Unix epoch, which is before anything that AWS reports.
    pub const EPOCH: Timestamp = Timestamp(0);

    /// The instant `millis` milliseconds after the Unix epoch.
    #[must_use]
    pub const fn from_millis(millis: i64) -> Self {
        Timestamp(millis)
    }

    /// Milliseconds since the Unix epoch.
    #[must_use]
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// The second of this instant, for sources with a precision of one second.
    #[must_use]
    pub const fn second(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// Time from `earlier` to `self`; zero when `earlier` is later.
    #[must_use]
    pub fn since(self, earlier: Timestamp) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// Parses RFC 3339, such as `2026-11-22T12:55:10Z`. `None` when `text` is anything else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        usual(text).or_else(|| text.parse::<jiff::Timestamp>().ok().map(|at| Timestamp(at.as_millisecond())))
    }

    /// Parses RFC 1123, such as `Mon, 05 Jun 2023 15:10:09 GMT`. A wrong day of the week is ignored, since AWS's own examples have
    /// such. `None` when `text` is anything else.
    #[must_use]
    pub fn parse_rfc_1123(text: &str) -> Option<Self> {
        let parser = jiff::fmt::rfc2822::DateTimeParser::new().relaxed_weekday(true);
        parser.parse_timestamp(text.trim()).ok().map(|at| Timestamp(at.as_millisecond()))
    }
}

/// Reads a time as documents write it, whole seconds in UTC: several times as fast, for whoever sorts a hundred thousand of them.
/// `None` for every other text.
fn usual(text: &str) -> Option<Timestamp> {
    let bytes: &[u8; 19] =
        text.strip_suffix("+00:00").or_else(|| text.strip_suffix('Z'))?.as_bytes().try_into().ok()?;
    let [y0, y1, y2, y3, b'-', o0, o1, b'-', d0, d1, b'T', h0, h1, b':', m0, m1, b':', s0, s1] = *bytes else {
        return None;
    };
    let digits = [y0, y1, y2, y3, o0, o1, d0, d1, h0, h1, m0, m1, s0, s1];
    if !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let two = |high: u8, low: u8| i64::from(high - b'0') * 10 + i64::from(low - b'0');
    let (year, month, day) = (two(y0, y1) * 100 + two(y2, y3), two(o0, o1), two(d0, d1));
    let (hour, minute, second) = (two(h0, h1), two(m0, m1), two(s0, s1));
    // Days up to the 28th are in every month; jiff reads the others, and says which of them there are.
    let is_usual = (1..=12).contains(&month) && (1..=28).contains(&day) && year >= 1970;
    if !is_usual || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    // Years that begin in March have the leap day at their end.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 1 - 719_468;
    Some(Timestamp((((days * 24 + hour) * 60 + minute) * 60 + second) * 1000))
}

/// A clock. The one real clock is `aws::clock`, which follows AWS's time; tests use their own.
pub trait Clock: Send + Sync {
    /// Now, in AWS time.
    fn now(&self) -> Timestamp;

    /// Whether AWS's time is known. Until then this is the machine's own clock.
    fn is_anchored(&self) -> bool {
        true
    }

    /// Since when the clock has run without a jump. Times before and after a jump cannot be compared.
    fn steady_since(&self) -> Timestamp {
        Timestamp::EPOCH
    }
}

/// A clock that several parts share.
pub type SharedClock = Arc<dyn Clock>;

impl Add<Duration> for Timestamp {
    type Output = Timestamp;

    fn add(self, by: Duration) -> Timestamp {
        Timestamp(self.0.saturating_add(i64::try_from(by.as_millis()).unwrap_or(i64::MAX)))
    }
}

impl Sub<Duration> for Timestamp {
    type Output = Timestamp;

    fn sub(self, by: Duration) -> Timestamp {
        Timestamp(self.0.saturating_sub(i64::try_from(by.as_millis()).unwrap_or(i64::MAX)))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_millisecond(self.0) {
            Ok(at) => write!(f, "{at:.3}"),
            // Outside the calendar (a corrupt clock) the number is shown.
            Err(_) => write!(f, "{}ms", self.0),
        }
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_rfc_3339_with_milliseconds_and_parses_it_back() {
        let at = Timestamp::from_millis(1_795_353_310_123);
        assert_eq!(at.to_string(), "2026-11-22T13:15:10.123Z");
        assert_eq!(Timestamp::parse(&at.to_string()), Some(at));
        assert_eq!(Timestamp::parse("yesterday"), None);
        let at = Timestamp::parse("2023-06-05T15:10:09Z");
        assert_eq!(Timestamp::parse_rfc_1123("Mon, 05 Jun 2023 15:10:09 GMT"), at);
        assert_eq!(Timestamp::parse_rfc_1123("Sat, 05 Jun 2023 15:10:09 GMT"), at);
        assert_eq!(Timestamp::parse_rfc_1123("2023-06-05T15:10:09Z"), None);
    }

    #[test]
    fn times_of_documents_are_what_any_reader_of_rfc_3339_takes_them_for() {
        let read = |text: &str| text.parse::<jiff::Timestamp>().ok().map(jiff::Timestamp::as_millisecond);
        for day in 0..60_000_i64 {
            let at = jiff::Timestamp::from_second(day * 86_400 + (day * 7_919) % 86_400).unwrap();
            let text = at.strftime("%Y-%m-%dT%H:%M:%S+00:00").to_string();
            assert_eq!(Timestamp::parse(&text).map(Timestamp::as_millis), read(&text), "{text}");
            let text = at.to_string();
            assert_eq!(Timestamp::parse(&text).map(Timestamp::as_millis), read(&text), "{text}");
        }
        for odd in [
            "2026-02-29T00:00:00Z",
            "2026-02-28T24:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-11-22T12:55:10+01:00",
            "2026-11-22 12:55:10Z",
            "2026-11-22T12:55:60Z",
            "2026-11-2xT12:55:10Z",
            "1969-11-22T12:55:10Z",
            "",
        ] {
            assert_eq!(Timestamp::parse(odd).map(Timestamp::as_millis), read(odd), "{odd}");
        }
    }

    #[test]
    fn time_since_something_later_is_zero() {
        let (a, b) = (Timestamp::from_millis(5), Timestamp::from_millis(9));
        assert_eq!(a.since(b), Duration::ZERO);
        assert_eq!(b.since(a), Duration::from_millis(4));
    }
}
