//! Points in the past as requests name them, and the records of the log that they mean.

use std::time::Duration;

use jiff::Span;
use jiff::tz::TimeZone;
use thiserror::Error;

use crate::model::{Seq, Timestamp};
use crate::store::{ReadError, Snapshot};

/// How far in the future a time may be and still mean now, because clients' clocks differ from AWS's.
const SKEW: Duration = Duration::from_secs(5);

/// The latest moment that times ago are counted from: the year 9000.
const LATEST: i64 = 221_845_392_000_000;

/// A point in the past as it was requested.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AskedPoint {
    /// A time.
    At(Timestamp),
    /// Right after a record.
    Seq(Seq),
}

/// A point of the log: the records up to `seq` give what was known at `at`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Point {
    /// The time.
    pub at: Timestamp,
    /// The last record up to then.
    pub seq: Seq,
}

/// Why there is no answer about a point in time. Each error names what can be requested instead.
#[derive(Debug, Error)]
pub enum PastError {
    /// Later than now.
    #[error("{at} is in the future: it is now {now}, so ask for an earlier time")]
    Future {
        /// What was requested.
        at: Timestamp,
        /// Now.
        now: Timestamp,
    },
    /// Nothing was recorded at all.
    #[error("the log holds no record yet, so nothing is known about {at}: ask without a time")]
    Empty {
        /// What was requested.
        at: Timestamp,
    },
    /// Earlier than the log remembers.
    #[error("the log does not reach back to {at}: the earliest time it can answer for is {earliest}")]
    TooEarly {
        /// What was requested.
        at: Timestamp,
        /// The earliest time there is an answer for.
        earliest: Timestamp,
    },
    /// A record that is folded away, or record 0.
    #[error("record {seq} is not in the log any more: the log begins with record {first} of {earliest}")]
    Folded {
        /// What was requested.
        seq: Seq,
        /// The first record that can be named.
        first: Seq,
        /// When that was committed.
        earliest: Timestamp,
    },
    /// Retention folded the records away while pages of an answer were being read.
    #[error(
        "the log was shortened meanwhile and no longer reaches back to {at}: the earliest time it can answer for is now \
        {earliest}"
    )]
    Outrun {
        /// What was requested.
        at: Timestamp,
        /// The earliest time there is an answer for now.
        earliest: Timestamp,
    },
    /// A record that is not written yet.
    #[error("there is no record {seq}: the newest is {newest}")]
    Unwritten {
        /// What was requested.
        seq: Seq,
        /// The newest record.
        newest: Seq,
    },
    /// The store could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
}

/// Reads a time: RFC 3339, in UTC where it has no offset, also a date alone; `now`; or a time before `now` in jiff's friendly
/// format, such as `-90s`, `-2h`, `3 days ago` or `1w`.
#[must_use]
pub fn time(text: &str, now: Timestamp) -> Option<Timestamp> {
    let text = text.trim();
    if text.eq_ignore_ascii_case("now") {
        return Some(now);
    }
    let civil = || text.parse::<jiff::civil::DateTime>().ok()?.to_zoned_datetime(TimeZone::UTC).ok();
    Timestamp::parse(text)
        .or_else(|| Some(Timestamp::from_millis(civil()?.timestamp().as_millisecond())))
        .or_else(|| ago(text, now))
}

/// Reads a time before `now` in jiff's friendly format, with a sign, `ago` or neither. Months and days are those of UTC.
#[must_use]
pub fn ago(text: &str, now: Timestamp) -> Option<Timestamp> {
    let length = text.parse::<Span>().ok()?.abs();
    // Beyond what jiff knows lies no time that anybody means.
    let now = jiff::Timestamp::from_millisecond(now.as_millis().min(LATEST)).ok()?.to_zoned_datetime(TimeZone::UTC);
    let at = now.checked_sub(length).ok()?.timestamp().as_millisecond();
    // A time before 1970 is a typing error.
    (at >= 0).then(|| Timestamp::from_millis(at))
}

/// Whether a text is a time [`ago`].
#[must_use]
pub fn is_ago(text: &str) -> bool {
    ago(text, Timestamp::from_millis(LATEST)).is_some()
}

impl AskedPoint {
    /// Reads a point: a [`time`], or `seq:123`.
    #[must_use]
    pub fn parse(text: &str, now: Timestamp) -> Option<Self> {
        match text.trim().strip_prefix("seq:") {
            Some(seq) => Some(AskedPoint::Seq(Seq(seq.parse().ok()?))),
            None => time(text, now).map(AskedPoint::At),
        }
    }

    /// Finds the point of the log.
    ///
    /// # Errors
    /// [`PastError`], when the log does not know that point.
    pub fn point(self, snapshot: &Snapshot, now: Timestamp) -> Result<Point, PastError> {
        match self {
            AskedPoint::At(at) => {
                let earliest = reached(snapshot, at, now)?;
                let seq = snapshot.seq_at(at)?.filter(|seq| *seq >= snapshot.horizon());
                Ok(Point { at, seq: seq.ok_or(PastError::TooEarly { at, earliest })? })
            }
            AskedPoint::Seq(seq) if seq > snapshot.seq() => Err(PastError::Unwritten { seq, newest: snapshot.seq() }),
            AskedPoint::Seq(seq) => {
                let earliest = snapshot.earliest()?.unwrap_or_default();
                let first = snapshot.horizon().max(Seq::ZERO.next());
                match seq {
                    _ if seq < first => Err(PastError::Folded { seq, first, earliest }),
                    _ if seq == snapshot.horizon() => Ok(Point { at: earliest, seq }),
                    _ => Ok(Point { at: snapshot.moment_of(seq)?, seq }),
                }
            }
        }
    }
}

/// The last record that was committed before `at`.
///
/// # Errors
/// [`PastError`], when the log does not reach back to `at`, or `at` is yet to come.
pub fn before(snapshot: &Snapshot, at: Timestamp, now: Timestamp) -> Result<Seq, PastError> {
    reached(snapshot, at, now)?;
    let seq = snapshot.seq_at(at - Duration::from_millis(1))?;
    Ok(seq.unwrap_or(Seq::ZERO).max(snapshot.horizon()))
}

/// When the log begins, if that is after `at` and nothing was folded away: then the log holds everything that was ever known.
///
/// # Errors
/// When the store cannot be read.
pub fn begins_after(snapshot: &Snapshot, at: Timestamp) -> Result<Option<Timestamp>, ReadError> {
    let is_whole = snapshot.horizon() == Seq::ZERO;
    Ok(snapshot.earliest()?.filter(|earliest| is_whole && at < *earliest))
}

/// The earliest time the log reaches back to, when that is not after `at`.
fn reached(snapshot: &Snapshot, at: Timestamp, now: Timestamp) -> Result<Timestamp, PastError> {
    if at > now + SKEW {
        return Err(PastError::Future { at, now });
    }
    match snapshot.earliest()? {
        None => Err(PastError::Empty { at }),
        Some(earliest) if at < earliest => Err(PastError::TooEarly { at, earliest }),
        Some(earliest) => Ok(earliest),
    }
}

/// Checks that the log of a snapshot still reaches back to `point`.
///
/// # Errors
/// [`PastError::Outrun`].
pub fn holds(snapshot: &Snapshot, point: Point) -> Result<(), PastError> {
    if snapshot.horizon() <= point.seq {
        return Ok(());
    }
    Err(PastError::Outrun { at: point.at, earliest: snapshot.earliest()?.unwrap_or_default() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_absolute_or_so_long_ago() {
        let now = Timestamp::parse("2026-11-22T12:00:00Z").unwrap();
        let at = |text| time(text, now).map(|at| at.to_string());
        assert_eq!(at("-15m").as_deref(), Some("2026-11-22T11:45:00.000Z"));
        assert_eq!(at(" -2h ").as_deref(), Some("2026-11-22T10:00:00.000Z"));
        assert_eq!(at("-3d").as_deref(), Some("2026-11-19T12:00:00.000Z"));
        for same in ["1w", "-1w", "7 days", "7d ago", "1 week ago", "2026-11-15T12:00:00", "2026-11-15 12:00", "168h"] {
            assert_eq!(at(same).as_deref(), Some("2026-11-15T12:00:00.000Z"), "{same}");
        }
        assert_eq!(at("2026-11-17T12:00:00+01:00").as_deref(), Some("2026-11-17T11:00:00.000Z"));
        assert_eq!(at("2026-11-17").as_deref(), Some("2026-11-17T00:00:00.000Z"));
        assert!(time("-2h", Timestamp::from_millis(i64::MAX)).is_some(), "whoever only checks has no clock");
        assert_eq!(at("1 month").as_deref(), Some("2026-10-22T12:00:00.000Z"));
        assert_eq!(at("Now"), Some(now.to_string()));
        for odd in [
            "",
            "-",
            "-m",
            "-1",
            "--1m",
            "-+1m",
            "-99999999999999999999d",
            "-9999w",
            "-99999999999d",
            "-1q",
            "yesterday",
        ] {
            assert_eq!(at(odd), None, "{odd}");
        }
        assert_eq!(AskedPoint::parse("seq:12", now), Some(AskedPoint::Seq(Seq(12))));
        assert_eq!(AskedPoint::parse("seq:-1", now), None);
    }
}
