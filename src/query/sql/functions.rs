//! What SQL has here beside SQLite's own: the function `ago`, and the order of times and kinds.

use std::cmp::Ordering;
use std::sync::Arc;

use parking_lot::Mutex;
use rusqlite::Connection;
use rusqlite::functions::FunctionFlags;

use super::lookup::Lookup;
use super::{SqlError, times};
use crate::model::Timestamp;
use crate::query::moment;

/// Adds them to a connection. A function that fails leaves the reason in `lookup`.
pub(super) fn add(connection: &Connection, now: Timestamp, lookup: &Arc<Mutex<Lookup>>) -> rusqlite::Result<()> {
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC;
    let failed = Arc::clone(lookup);
    connection.create_scalar_function("ago", 1, flags, move |context| {
        let given: String = context.get(0).unwrap_or_default();
        moment::ago(&given, now).map(times::of).ok_or_else(|| {
            let error = SqlError::Function(format!(
                "ago takes a time such as '7d', '12h', '30m' or '2w', not '{}'",
                crate::model::text::shown(&given, 40)
            ));
            let text = error.to_string();
            failed.lock().failure.get_or_insert(error);
            rusqlite::Error::UserFunctionError(text.into())
        })
    })?;
    connection.create_collation("utc", times::compare)?;
    connection.create_collation("kind", compare_kinds)
}

/// The order of kinds, which are written with hyphens as slugs and with underscores as tables.
pub(super) fn compare_kinds(one: &str, other: &str) -> Ordering {
    let letters =
        |text: &str| text.bytes().map(|letter| if letter == b'_' { b'-' } else { letter }).collect::<Vec<u8>>();
    letters(one).cmp(&letters(other))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ago_is_so_long_before_now() {
        let now = Timestamp::parse("2026-11-22T12:00:00Z").unwrap();
        let ago = |given, now| moment::ago(given, now).map(times::of);
        assert_eq!(ago("7d", now).as_deref(), Some("2026-11-15 12:00:00"));
        assert_eq!(ago("-30m", now).as_deref(), Some("2026-11-22 11:30:00"));
        assert_eq!(ago("a week", now), None);
    }

    #[test]
    fn a_kind_is_the_same_with_hyphens_and_underscores() {
        assert_eq!(compare_kinds("security-group", "security_group"), Ordering::Equal);
        assert_eq!(compare_kinds("instance", "volume"), Ordering::Less);
    }
}
