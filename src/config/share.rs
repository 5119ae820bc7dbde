//! The share of AWS's request limits that Muster may use.

use std::fmt;
use std::str::FromStr;

/// A share of AWS's request limits, in whole percent from 1 to 100.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestShare(u8);

impl Default for RequestShare {
    fn default() -> Self {
        RequestShare(25)
    }
}

impl RequestShare {
    /// Returns the share in percent, 1 to 100.
    #[must_use]
    pub fn percent(self) -> u8 {
        self.0
    }
}

/// The text is not a [`RequestShare`].
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{given}` is not a share: give a number from 0.01 to 1, for example 0.25")]
pub struct RequestShareError {
    given: String,
}

impl FromStr for RequestShare {
    type Err = RequestShareError;

    fn from_str(text: &str) -> Result<Self, RequestShareError> {
        let share: Option<f64> = text.trim().parse().ok();
        let percent = |share: f64| (1..=100).find(|percent| (f64::from(*percent) / 100.0 - share).abs() < 0.005);
        share.and_then(percent).map(RequestShare).ok_or_else(|| RequestShareError { given: text.to_owned() })
    }
}

impl fmt::Display for RequestShare {
    /// Writes it as [`FromStr`] reads it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.2}", f64::from(self.0) / 100.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_must_be_a_share() {
        for wrong in ["0", "-0.5", "1.5", "NaN", "25", "inf", "a quarter"] {
            assert!(wrong.parse::<RequestShare>().is_err(), "{wrong}");
        }
        for (text, percent) in [("1", 100), ("0.25", 25), ("0.01", 1), (".5", 50)] {
            let share: RequestShare = text.parse().unwrap();
            assert_eq!(share.percent(), percent);
            assert_eq!(share.to_string().parse::<RequestShare>().unwrap(), share);
        }
    }
}
