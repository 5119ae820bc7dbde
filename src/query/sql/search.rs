//! `instr` and `replace` in time that grows with their texts, not with the product of their lengths.
//!
//! SQLite's own compare the sought text at every place, and nothing interrupts a function: one call over texts of a megabyte takes
//! seconds.

use std::ffi::c_int;

use rusqlite::Connection;
use rusqlite::ffi::{SQLITE_INTERRUPT, SQLITE_TOOBIG};
use rusqlite::functions::{Context, FunctionFlags};
use rusqlite::types::ValueRef;

use super::limits::{Expired, VALUE};

/// Puts them in the place of SQLite's own. A call after the time is up fails.
pub(super) fn add(connection: &Connection, expired: &Expired) -> rusqlite::Result<()> {
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC | FunctionFlags::SQLITE_INNOCUOUS;
    let over = expired.clone();
    connection.create_scalar_function("instr", 2, flags, move |context| {
        in_time(&over)?;
        let (Some(text), Some(sought)) = (text(context, 0), text(context, 1)) else { return Ok(None) };
        Ok(Some(place(&text, &sought)))
    })?;
    let over = expired.clone();
    connection.create_scalar_function("replace", 3, flags, move |context| {
        in_time(&over)?;
        let (Some(text), Some(sought), Some(with)) = (text(context, 0), text(context, 1), text(context, 2)) else {
            return Ok(None);
        };
        replaced(text, &sought, &with).map(Some)
    })
}

/// Fails when the time is up.
pub(super) fn in_time(expired: &Expired) -> rusqlite::Result<()> {
    if expired() { Err(failure(SQLITE_INTERRUPT)) } else { Ok(()) }
}

/// A failure by SQLite's own code for it.
fn failure(code: c_int) -> rusqlite::Error {
    rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(code), None)
}

/// An argument as text; `None` for NULL.
pub(super) fn text(context: &Context<'_>, at: usize) -> Option<String> {
    match context.get_raw(at) {
        ValueRef::Null => None,
        ValueRef::Integer(number) => Some(number.to_string()),
        ValueRef::Real(number) => Some(format!("{number:?}")),
        ValueRef::Text(text) | ValueRef::Blob(text) => Some(String::from_utf8_lossy(text).into_owned()),
    }
}

/// The place of a text in another, from 1 and in characters; 0 where it is not.
fn place(text: &str, sought: &str) -> i64 {
    let before = text.find(sought).and_then(|at| text.get(..at));
    before.map_or(0, |before| i64::try_from(before.chars().count()).unwrap_or(i64::MAX).saturating_add(1))
}

fn replaced(text: String, sought: &str, with: &str) -> rusqlite::Result<String> {
    if sought.is_empty() {
        return Ok(text);
    }
    let longer = with.len().saturating_sub(sought.len());
    let length = text.len().saturating_add(text.matches(sought).count().saturating_mul(longer));
    if i32::try_from(length).is_ok_and(|length| length <= VALUE) {
        return Ok(text.replace(sought, with));
    }
    Err(failure(SQLITE_TOOBIG))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn they_answer_as_those_of_sqlite_do() {
        let (ours, theirs) = (Connection::open_in_memory().unwrap(), Connection::open_in_memory().unwrap());
        let never: Expired = Arc::new(|| false);
        add(&ours, &never).unwrap();
        for call in [
            "instr('wäb-1', '-1')",
            "instr('abc', '')",
            "instr('abc', 'x')",
            "instr(NULL, 'x')",
            "instr(1234, 34)",
            "instr(2.5, '.5')",
            "replace('a-b-c', '-', '++')",
            "replace('abc', '', 'x')",
            "replace('abc', NULL, 'x')",
            "replace(1214, 1, 9)",
        ] {
            let ask = |connection: &Connection| {
                let sql = format!("SELECT coalesce(quote({call}), 'NULL')");
                connection.query_row(&sql, [], |row| row.get::<_, String>(0)).unwrap()
            };
            assert_eq!(ask(&ours), ask(&theirs), "{call}");
        }
    }

    #[test]
    fn long_texts_are_bounded_and_nothing_is_done_after_the_time() {
        let connection = Connection::open_in_memory().unwrap();
        let never: Expired = Arc::new(|| false);
        add(&connection, &never).unwrap();
        let grown = "SELECT replace(printf('%.900000c', 'a'), 'a', 'aaaa')";
        assert!(connection.query_row(grown, [], |row| row.get::<_, String>(0)).is_err());
        let sought = "SELECT instr(printf('%.1000000c', 'a'), printf('%.500000c', 'a') || 'b')";
        assert_eq!(connection.query_row(sought, [], |row| row.get::<_, i64>(0)).unwrap(), 0);
        let always: Expired = Arc::new(|| true);
        add(&connection, &always).unwrap();
        assert!(connection.query_row("SELECT instr('a', 'a')", [], |row| row.get::<_, i64>(0)).is_err());
    }
}
