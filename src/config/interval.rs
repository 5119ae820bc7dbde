//! Parses durations, and the intervals of kinds.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// How often one kind is swept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interval {
    /// The kind's slug, such as `instance`, or `all`.
    pub kind: String,
    /// From the start of one sweep to the start of the next.
    pub every: Duration,
}

/// The text is not an [`Interval`] or a duration.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum IntervalError {
    /// No `=`.
    #[error("give KIND=DURATION, for example instance=30s")]
    NoKind,
    /// The text is not a duration.
    #[error("`{given}` is not a duration: give a number with a unit, for example 30s, 5m or 1h")]
    NotADuration {
        /// What was given.
        given: String,
    },
}

impl FromStr for Interval {
    type Err = IntervalError;

    fn from_str(text: &str) -> Result<Self, IntervalError> {
        let (kind, every) = text.split_once('=').ok_or(IntervalError::NoKind)?;
        Ok(Interval { kind: kind.trim().to_owned(), every: duration(every)? })
    }
}

impl fmt::Display for Interval {
    /// Writes it as [`FromStr`] reads it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.kind, duration_text(self.every))
    }
}

/// Writes a duration as [`duration`] reads it, in the largest unit of which it is a whole number: `90s`, `5m`, `12h`, `30d`.
#[must_use]
pub fn duration_text(duration: Duration) -> String {
    let millis = duration.as_millis();
    let units = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000)];
    let fits = |(_, length): &(&str, u128)| millis.is_multiple_of(*length) && millis > 0;
    match units.into_iter().find(fits) {
        Some((unit, length)) => format!("{}{unit}", millis / length),
        None if millis == 0 => "0s".to_owned(),
        None => format!("{millis}ms"),
    }
}

/// Parses a duration as people write it: `30s`, `5m`, `1h 30m`, `30d`. A day is 24 hours.
///
/// # Errors
/// [`IntervalError::NotADuration`], also for a negative duration.
pub fn duration(text: &str) -> Result<Duration, IntervalError> {
    let wrong = || IntervalError::NotADuration { given: text.to_owned() };
    let days = text.trim().strip_suffix('d').and_then(|days| days.trim_end().parse::<u32>().ok());
    if let Some(days) = days {
        return Ok(Duration::from_hours(24) * days);
    }
    let signed: jiff::SignedDuration = text.trim().parse().map_err(|_| wrong())?;
    Duration::try_from(signed).map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_written_in_its_largest_whole_unit_and_reads_back() {
        for text in ["30d", "36h", "5m", "90s", "1500ms", "0s"] {
            assert_eq!(duration_text(duration(text).unwrap()), text);
        }
        assert_eq!(duration_text(Duration::from_hours(2)), "2h");
    }

    #[test]
    fn intervals_read_back_as_they_are_written() {
        let interval: Interval = "instance=1m 30s".parse().unwrap();
        assert_eq!(interval.every, Duration::from_secs(90));
        assert_eq!(interval.to_string().parse::<Interval>().unwrap(), interval);
        for wrong in ["instance", "instance=", "instance=-5s", "instance=5"] {
            assert!(wrong.parse::<Interval>().is_err(), "{wrong}");
        }
    }
}
