//! Times in tables: UTC text as SQLite's own date functions write it, so that they compare with it.
//!
//! `2026-11-22 12:55:10`, with milliseconds where there are any. Columns of times have the collation [`compare`], by which also
//! RFC 3339 text (`2026-11-22T12:55:10Z`) is before or after them as it should be.

use std::borrow::Cow;
use std::cmp::Ordering;

use crate::model::Timestamp;

/// A time as tables hold it.
pub(super) fn of(at: Timestamp) -> String {
    written(&at.to_string())
}

/// The same of a time as documents spell it. Text that is no time stays as it is.
pub(super) fn of_text(text: &str) -> String {
    match plain(text) {
        Some(plain) => plain,
        None => Timestamp::parse(text).map_or_else(|| text.to_owned(), of),
    }
}

/// What a second of a document (`2026-11-22T12:55:10+00:00`) is, without the calendar: it is most of all times.
fn plain(text: &str) -> Option<String> {
    let seconds = text.strip_suffix("+00:00").or_else(|| text.strip_suffix('Z'))?;
    let is_plain = seconds.len() == 19 && seconds.is_ascii() && seconds.as_bytes().get(10) == Some(&b'T');
    is_plain.then(|| seconds.replacen('T', " ", 1))
}

/// RFC 3339 in UTC without its letters, and without a fraction of nothing.
fn written(text: &str) -> String {
    let text = text.strip_suffix('Z').unwrap_or(text);
    text.strip_suffix(".000").unwrap_or(text).replacen('T', " ", 1)
}

/// The order of times as text, in whichever of both forms each is written.
pub(super) fn compare(one: &str, other: &str) -> Ordering {
    same_form(one).cmp(&same_form(other))
}

/// A time in the form of tables.
pub(super) fn same_form(text: &str) -> Cow<'_, str> {
    match text.as_bytes().get(10) {
        Some(b'T' | b't') => Cow::Owned(of_text(text)),
        _ => Cow::Borrowed(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_to_write_a_time_becomes_the_same() {
        for text in [
            "2026-11-22T12:55:10+00:00",
            "2026-11-22T12:55:10Z",
            "2026-11-22T12:55:10.000Z",
            "2026-11-22T13:55:10+01:00",
        ] {
            assert_eq!(of_text(text), "2026-11-22 12:55:10", "{text}");
        }
        assert_eq!(of_text("2026-11-22T12:55:10.123Z"), "2026-11-22 12:55:10.123");
        assert_eq!(of_text("soon"), "soon");
    }

    #[test]
    fn times_of_both_forms_are_in_the_order_of_time() {
        let before = |one, other| assert_eq!(compare(one, other), Ordering::Less, "{one} {other}");
        before("2026-11-22 12:55:10", "2026-11-22T12:55:11Z");
        before("2026-11-22T12:55:10Z", "2026-11-22 12:55:11");
        before("2026-11-22", "2026-11-22 00:00:00");
        assert_eq!(compare("2026-11-22 12:55:10", "2026-11-22T12:55:10Z"), Ordering::Equal);
    }
}
