//! Values that are more than AWS's filters know: words for the absence and presence of a value, and bounds.

use super::error::FilterError;
use crate::kinds::health;
use crate::model::text::shown;
use crate::model::{Form, Timestamp};
use crate::query::moment::time;
use crate::store::{BoundLimit, BoundSide, ValueBound, ValuePattern};

/// Matches resources without any value.
pub const ABSENT: &str = "@absent";
/// Matches resources with any value.
pub const PRESENT: &str = "@present";

/// Whether a value looks like another word for [`ABSENT`].
#[must_use]
pub fn means_absent(value: &str) -> bool {
    matches!(value.to_ascii_lowercase().as_str(), "" | "absent" | "missing" | "@missing" | "none" | "@none" | "null")
}

/// The list, as JSON, of the values that one text names with commas between them, if all of them are values.
#[must_use]
pub fn parts(value: &str, is_value: impl Fn(&str) -> bool) -> Option<String> {
    let parts: Vec<&str> = value.split(',').map(str::trim).collect();
    let is_list = parts.len() > 1 && parts.iter().all(|part| is_value(part));
    is_list.then(|| shown(&serde_json::json!(parts).to_string(), 200))
}

/// A value that is more than AWS's filters know.
pub(super) enum SpecialValue {
    /// A value word.
    Word(ValuePattern),
    /// A bound. All bounds of a filter count together, as a range.
    Bound(ValueBound),
}

/// The beginning of a date in UTC.
fn midnight(date: &str) -> Option<Timestamp> {
    Timestamp::parse(&format!("{date}T00:00:00Z"))
}

/// Reads one of the value words, or a bound on a filter of numbers or times. `None` for any other value. A backslash before the
/// first character makes a value literal.
///
/// # Errors
/// [`FilterError::Bound`] when what follows the sign of a bound is neither a number nor a time.
pub(super) fn read(name: &str, value: &str, form: Form, now: Timestamp) -> Result<Option<SpecialValue>, FilterError> {
    match value {
        ABSENT => return Ok(Some(SpecialValue::Word(ValuePattern::absent()))),
        PRESENT => return Ok(Some(SpecialValue::Word(ValuePattern::new("*")))),
        _ => {}
    }
    if value == health::NOT_OK && form == Form::Word(&health::VERDICTS) {
        let bad = health::BAD.map(str::to_owned).into();
        return Ok(Some(SpecialValue::Word(ValuePattern::one_of(bad))));
    }
    let expected = match form {
        Form::Time => {
            "a time: RFC 3339 such as 2026-11-17T12:00:00Z, a date such as 2026-11-17, or a time ago such as -7d"
        }
        Form::Number | Form::Port | Form::Percent => "a number",
        _ => return Ok(None),
    };
    let Some((side, limit)) = BoundSide::split(value) else { return Ok(None) };
    let limit = match form {
        Form::Time => time(limit, now).or_else(|| midnight(limit)).map(BoundLimit::Time),
        _ => BoundLimit::number(limit),
    };
    let wrong = || FilterError::Bound { name: shown(name, 80), value: shown(value, 80), expected };
    Ok(Some(SpecialValue::Bound(ValueBound { side, limit: limit.ok_or_else(wrong)? })))
}
