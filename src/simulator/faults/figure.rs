//! The figures of faults: shares, multiples and times. Each says what it allows when it refuses a value.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use jiff::SignedDuration;
use serde::{Deserialize, Serialize};

/// The greatest delay of events that can be set, in milliseconds: an hour.
pub(crate) const MAX_LATE_MS: u64 = 3_600_000;

/// Why a figure cannot be used.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum FigureError {
    /// Not a share.
    #[error("{given} is no share; give a number from 0 to 1")]
    Share {
        /// What was given.
        given: String,
    },
    /// Not a multiple.
    #[error("{given} is no multiple; give a number above 0")]
    Scale {
        /// What was given.
        given: String,
    },
    /// Not a time, or a negative one.
    #[error("{given:?} is no time; give one like 5s or 250ms")]
    Span {
        /// What was given.
        given: String,
    },
    /// Not a possible delay of events.
    #[error(
        "{given} is not a possible delay of events; give milliseconds, at most {} (1 hour), the least first",
        MAX_LATE_MS
    )]
    Late {
        /// What was given.
        given: String,
    },
    /// Not a time, or one that is too long.
    #[error("{given:?} is no time; give one like 90s, -1h or 250ms, of at most a hundred years")]
    Skew {
        /// What was given.
        given: String,
    },
}

/// A share, from 0 (none) to 1 (all).
#[derive(Debug, Clone, Copy, Default, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct Share(f64);

impl Share {
    /// The number.
    #[must_use]
    pub const fn get(self) -> f64 {
        self.0
    }
}

impl TryFrom<f64> for Share {
    type Error = FigureError;

    fn try_from(given: f64) -> Result<Self, FigureError> {
        if (0.0..=1.0).contains(&given) {
            Ok(Self(given))
        } else {
            Err(FigureError::Share { given: given.to_string() })
        }
    }
}

impl FromStr for Share {
    type Err = FigureError;

    fn from_str(text: &str) -> Result<Self, FigureError> {
        text.parse::<f64>().map_err(|_| FigureError::Share { given: text.to_owned() })?.try_into()
    }
}

impl From<Share> for f64 {
    fn from(share: Share) -> Self {
        share.0
    }
}

/// A multiple; 1 by default.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct Scale(f64);

impl Scale {
    /// The number.
    #[must_use]
    pub const fn get(self) -> f64 {
        self.0
    }
}

impl Default for Scale {
    fn default() -> Self {
        Self(1.0)
    }
}

impl TryFrom<f64> for Scale {
    type Error = FigureError;

    fn try_from(given: f64) -> Result<Self, FigureError> {
        let possible = given.is_finite() && given > 0.0;
        if possible { Ok(Self(given)) } else { Err(FigureError::Scale { given: given.to_string() }) }
    }
}

impl FromStr for Scale {
    type Err = FigureError;

    fn from_str(text: &str) -> Result<Self, FigureError> {
        text.parse::<f64>().map_err(|_| FigureError::Scale { given: text.to_owned() })?.try_into()
    }
}

impl From<Scale> for f64 {
    fn from(scale: Scale) -> Self {
        scale.0
    }
}

/// A length of time, written like `5s`, `1m 30s` or `250ms`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Span(Duration);

impl Span {
    /// The length.
    #[must_use]
    pub const fn get(self) -> Duration {
        self.0
    }
}

impl From<Duration> for Span {
    fn from(duration: Duration) -> Self {
        Self(duration)
    }
}

impl FromStr for Span {
    type Err = FigureError;

    fn from_str(text: &str) -> Result<Self, FigureError> {
        let signed = text.trim().parse::<SignedDuration>().ok();
        let positive = signed.and_then(|signed| Duration::try_from(signed).ok());
        positive.map(Self).ok_or_else(|| FigureError::Span { given: text.to_owned() })
    }
}

impl TryFrom<String> for Span {
    type Error = FigureError;

    fn try_from(text: String) -> Result<Self, FigureError> {
        text.parse()
    }
}

impl fmt::Display for Span {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let signed = SignedDuration::try_from(self.0).unwrap_or(SignedDuration::MAX);
        write!(out, "{signed:#}")
    }
}

impl From<Span> for String {
    fn from(span: Span) -> Self {
        span.to_string()
    }
}

/// A difference between clocks, written like a [`Span`] with a sign.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Skew(SignedDuration);

impl Skew {
    /// Larger differences would produce times that the calendar cannot express.
    const LIMIT: SignedDuration = SignedDuration::from_hours(100 * 365 * 24);

    pub(crate) fn millis(self) -> i64 {
        i64::try_from(self.0.as_millis()).unwrap_or(0)
    }
}

impl FromStr for Skew {
    type Err = FigureError;

    fn from_str(text: &str) -> Result<Self, FigureError> {
        let signed = text.trim().parse::<SignedDuration>().ok().filter(|skew| skew.abs() <= Self::LIMIT);
        signed.map(Self).ok_or_else(|| FigureError::Skew { given: text.to_owned() })
    }
}

impl TryFrom<String> for Skew {
    type Error = FigureError;

    fn try_from(text: String) -> Result<Self, FigureError> {
        text.parse()
    }
}

impl fmt::Display for Skew {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:#}", self.0)
    }
}

impl From<Skew> for String {
    fn from(skew: Skew) -> Self {
        skew.to_string()
    }
}
