//! Bounds on numbers and times, such as `>-7d` and `<=100`.

use crate::model::Timestamp;

/// A bound that a value keeps or not.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ValueBound {
    /// On which side of the limit values are.
    pub side: BoundSide,
    /// The limit.
    pub limit: BoundLimit,
}

/// A side of a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BoundSide {
    /// Less than the limit, or earlier.
    Below,
    /// The limit and less, or earlier.
    AtMost,
    /// The limit and more, or later.
    AtLeast,
    /// More than the limit, or later.
    Above,
}

/// What values are compared with.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum BoundLimit {
    /// A number; a percentage counts as its number.
    Number(f64),
    /// A time.
    Time(Timestamp),
}

impl BoundSide {
    /// Reads the sign that a text begins with, and gives the rest of the text. `None` when it begins with no such sign.
    #[must_use]
    pub fn split(text: &str) -> Option<(Self, &str)> {
        let signs =
            [(">=", BoundSide::AtLeast), ("<=", BoundSide::AtMost), (">", BoundSide::Above), ("<", BoundSide::Below)];
        signs.into_iter().find_map(|(sign, side)| Some((side, text.trim_start().strip_prefix(sign)?.trim())))
    }
}

impl BoundLimit {
    /// Reads a number or a percentage.
    #[must_use]
    pub fn number(text: &str) -> Option<Self> {
        number(text).map(BoundLimit::Number)
    }
}

impl ValueBound {
    /// Whether a value keeps the bound. A text that is neither a number nor a time, as the limit is, does not.
    #[must_use]
    pub fn admits(&self, value: &str) -> bool {
        let order = match self.limit {
            BoundLimit::Number(limit) => number(value).and_then(|value| value.partial_cmp(&limit)),
            BoundLimit::Time(limit) => Timestamp::parse(value).map(|value| value.cmp(&limit)),
        };
        order.is_some_and(|order| match self.side {
            BoundSide::Below => order.is_lt(),
            BoundSide::AtMost => order.is_le(),
            BoundSide::AtLeast => order.is_ge(),
            BoundSide::Above => order.is_gt(),
        })
    }
}

fn number(text: &str) -> Option<f64> {
    text.strip_suffix('%').unwrap_or(text).parse::<f64>().ok().filter(|number| number.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_percentages_and_times_are_compared_as_such() {
        let admits = |bound: &str, value: &str| {
            let (side, limit) = BoundSide::split(bound).unwrap();
            let limit = BoundLimit::number(limit).or_else(|| Timestamp::parse(limit).map(BoundLimit::Time)).unwrap();
            ValueBound { side, limit }.admits(value)
        };
        assert!(admits(">9", "10") && !admits(">10", "10") && admits(">= 10", "10") && !admits("<9", "10"));
        assert!(admits("<100%", "80%") && admits("<=100", "100%") && !admits("<100", "100%"));
        let noon = "2026-11-17T12:00:00Z";
        assert!(
            admits(&format!(">={noon}"), "2026-11-17T12:00:00.000Z")
                && admits(&format!("<{noon}"), "2026-11-17T11:59:59+00:00")
        );
        assert!(!admits(">1", "x") && !admits(">1", "") && !admits(&format!("<{noon}"), "yesterday"));
        assert_eq!((BoundSide::split("10"), BoundLimit::number("inf"), BoundLimit::number("NaN")), (None, None, None));
    }
}
