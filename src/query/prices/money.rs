//! Amounts of money.

use std::fmt;
use std::iter::Sum;
use std::ops::Add;

use serde::{Serialize, Serializer};

/// Hours in a month, as AWS's own calculator counts them: 365 days of 24 hours in 12 months.
pub const HOURS_A_MONTH: u64 = 730;

/// An amount in millionths of a US dollar. List prices are whole numbers of them, so sums are exact.
///
/// Shown in dollars and cents; serialised as a number of dollars with two decimals, as text such as `"12.40"`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Money(u64);

impl Money {
    /// Nothing.
    pub const ZERO: Money = Money(0);

    /// This many millionths of a dollar.
    #[must_use]
    pub const fn from_micros(micros: u64) -> Self {
        Money(micros)
    }

    /// In millionths of a dollar.
    #[must_use]
    pub const fn as_micros(self) -> u64 {
        self.0
    }

    /// So many times as much.
    #[must_use]
    pub const fn times(self, count: u64) -> Self {
        Money(self.0.saturating_mul(count))
    }

    /// What a month costs of what costs this an hour.
    #[must_use]
    pub const fn a_month(self) -> Self {
        self.times(HOURS_A_MONTH)
    }

    /// In cents, rounded to the nearest.
    #[must_use]
    pub const fn cents(self) -> u64 {
        self.0.saturating_add(5_000) / 10_000
    }
}

impl Add for Money {
    type Output = Money;

    fn add(self, other: Money) -> Money {
        Money(self.0.saturating_add(other.0))
    }
}

impl Sum for Money {
    fn sum<I: Iterator<Item = Money>>(amounts: I) -> Money {
        amounts.fold(Money::ZERO, Add::add)
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cents = self.cents();
        write!(f, "{}.{:02}", cents / 100, cents % 100)
    }
}

impl Serialize for Money {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_shown_in_dollars_and_rounded_cents() {
        let shown = |micros| Money::from_micros(micros).to_string();
        assert_eq!(shown(0), "0.00");
        assert_eq!(shown(4_999), "0.00");
        assert_eq!(shown(5_000), "0.01");
        assert_eq!(shown(12_395_000), "12.40");
        assert_eq!(Money::from_micros(41_600).a_month().to_string(), "30.37");
        assert_eq!(shown(u64::MAX), "18446744073709.55", "no sum wraps around");
        assert_eq!([1, 2].map(Money::from_micros).into_iter().sum::<Money>(), Money::from_micros(3));
    }
}
