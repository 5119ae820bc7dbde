//! Parses amounts of bytes.

use std::fmt;
use std::str::FromStr;

/// An amount of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size(u64);

/// The units, largest first. `M` alone is `MiB`, as `dd` and JVM flags have it; `MB` is a million bytes.
const UNITS: [(&str, u64); 12] = [
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("TB", 1_000_000_000_000),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("KB", 1_000),
    ("T", 1 << 40),
    ("G", 1 << 30),
    ("M", 1 << 20),
    ("K", 1 << 10),
];

/// The text is not a [`Size`].
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{given}` is not a size: give a whole number with a unit, for example 32MiB or 2GiB")]
pub struct SizeError {
    given: String,
}

impl Size {
    /// Makes an amount of bytes.
    #[must_use]
    pub fn of(bytes: u64) -> Self {
        Size(bytes)
    }

    /// Returns the amount in bytes.
    #[must_use]
    pub fn bytes(self) -> u64 {
        self.0
    }
}

impl FromStr for Size {
    type Err = SizeError;

    /// Reads a whole number of bytes, or of a unit from `KiB` to `TiB` or `KB` to `TB`, in any case.
    fn from_str(text: &str) -> Result<Self, SizeError> {
        let wrong = || SizeError { given: text.to_owned() };
        let text = text.trim();
        let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let (number, unit) = text.split_at(digits);
        let unit = match unit.trim_start() {
            "" | "B" | "b" => 1,
            unit => UNITS.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit)).ok_or_else(wrong)?.1,
        };
        let number: u64 = number.parse().map_err(|_| wrong())?;
        number.checked_mul(unit).map(Size).ok_or_else(wrong)
    }
}

impl fmt::Display for Size {
    /// Writes it in the largest binary unit that gives a whole number, as [`FromStr`] reads it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = UNITS.iter().take(4).find(|(_, unit)| self.0 != 0 && self.0.is_multiple_of(*unit));
        match whole {
            Some((name, unit)) => write!(f, "{}{name}", self.0 / unit),
            None => write!(f, "{}", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_read_back_as_they_are_written() {
        for (text, bytes, shown) in [
            ("32MiB", 32 << 20, "32MiB"),
            (" 2 gib ", 2 << 30, "2GiB"),
            ("1500K", 1500 << 10, "1500KiB"),
            ("20MB", 20_000_000, "20000000"),
            ("1048576", 1 << 20, "1MiB"),
            ("0", 0, "0"),
        ] {
            let size: Size = text.parse().unwrap();
            assert_eq!(size.bytes(), bytes, "{text}");
            assert_eq!(size.to_string(), shown);
            assert_eq!(shown.parse(), Ok(size));
        }
    }

    #[test]
    fn what_is_no_size_is_refused() {
        for wrong in ["", "MiB", "-1", "1.5GiB", "3 apples", "99999999999999999999", "99999999999TiB"] {
            assert!(wrong.parse::<Size>().is_err(), "{wrong}");
        }
    }
}
