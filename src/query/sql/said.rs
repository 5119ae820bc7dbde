//! What SQLite says of a statement, in our words.

use rusqlite::ErrorCode;

use super::error::SqlError;
use super::schema;
use crate::model::text::shown;

/// What SQLite said, in our words. `sql` is the statement that it was about.
pub(super) fn of(error: &rusqlite::Error, sql: &str) -> SqlError {
    let (code, message) = match error {
        rusqlite::Error::MultipleStatement => return SqlError::Several,
        rusqlite::Error::Empty => return SqlError::Empty,
        rusqlite::Error::SqlInputError { error, msg, .. } => (error.code, msg.clone()),
        rusqlite::Error::SqliteFailure(error, message) => {
            (error.code, message.clone().unwrap_or_else(|| error.to_string()))
        }
        other => return SqlError::Syntax(shown(&other.to_string(), 300)),
    };
    match code {
        ErrorCode::OperationInterrupted => return SqlError::Time,
        ErrorCode::OutOfMemory => return SqlError::Memory,
        ErrorCode::TooBig => return SqlError::Length,
        _ => {}
    }
    let message = shown(&message, 300);
    if let Some(name) = message.strip_prefix("no such table: ") {
        return no_table(name);
    }
    if let Some(name) = message.strip_prefix("no such column: ") {
        // SQLite takes text in double quotes for the name of a column.
        if let Some((quoted, _)) = name.split_once(" - should this be a string literal") {
            return quoted_text(quoted.trim_matches('"'), sql);
        }
        return no_column(name.split(" - ").next().unwrap_or(name).trim_matches('"'), sql);
    }
    if let Some(name) = message.strip_prefix("no such function: ") {
        return SqlError::NoFunction(name.to_owned());
    }
    SqlError::Syntax(message)
}

/// That there is no such table, with those that there are.
pub(super) fn no_table(name: &str) -> SqlError {
    let plain = name.rsplit('.').next().unwrap_or(name);
    let nearest = schema::nearest(plain);
    let described = nearest.map_or_else(String::new, |table| format!(". {}", schema::described(table)));
    let tables = schema::tables().iter().map(|table| table.name.as_str()).collect::<Vec<_>>().join(", ");
    SqlError::NoTable { name: name.to_owned(), nearest: nearest.map(|table| table.name.as_str()), tables, described }
}

/// Text in double quotes, unless it is nearly the name of a column.
fn quoted_text(name: &str, sql: &str) -> SqlError {
    let is_nearly = |column: String| column.eq_ignore_ascii_case(&name.replace(['-', '.', ' '], "_"));
    if schema::nearest_column(&schema::named_in(sql), name).is_some_and(is_nearly) {
        return no_column(name, sql);
    }
    SqlError::DoubleQuotes(name.to_owned())
}

fn no_column(name: &str, sql: &str) -> SqlError {
    let plain = name.rsplit('.').next().unwrap_or(name);
    let tables = schema::named_in(sql);
    let nearest = schema::nearest_column(&tables, plain);
    let described = tables.iter().map(|table| schema::described(table)).collect::<Vec<_>>().join("; ");
    let described = if described.is_empty() { "the statement names no table".to_owned() } else { described };
    SqlError::NoColumn { name: name.to_owned(), nearest, described }
}

/// What SQLite says while tables are filled.
pub(super) fn filled<T>(outcome: rusqlite::Result<T>) -> Result<T, SqlError> {
    outcome.map_err(|error| of(&error, ""))
}
