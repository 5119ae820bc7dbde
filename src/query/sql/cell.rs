//! A value on its way into a table.

use rusqlite::ToSql;
use rusqlite::types::{ToSqlOutput, ValueRef};

use super::times;
use crate::model::Value;

/// A value that a column is filled with.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Cell<'a> {
    /// Nothing is known, or there is none.
    Null,
    /// A number, or 0 and 1 for a flag.
    Int(i64),
    /// Text.
    Text(&'a str),
    /// Text that was made for it.
    Owned(String),
}

/// What a column's values are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// Text.
    Text,
    /// A whole number.
    Number,
    /// 0 or 1.
    Flag,
    /// A time in UTC, as SQLite's date functions write it.
    Time,
    /// A JSON document, or an array of the values where a resource can have several.
    Json,
    /// The slug of a kind.
    Kind,
}

impl Form {
    /// How the column is declared.
    pub(super) fn declared(self) -> &'static str {
        match self {
            Form::Text | Form::Json => "TEXT",
            Form::Number | Form::Flag => "INTEGER",
            Form::Time => "TEXT COLLATE utc",
            Form::Kind => "TEXT COLLATE kind",
        }
    }

    /// What is said of it where columns are described; text is not told.
    pub(super) fn word(self) -> Option<&'static str> {
        match self {
            Form::Text => None,
            Form::Number => Some("integer"),
            Form::Flag => Some("0/1"),
            Form::Time => Some("time"),
            Form::Json => Some("json"),
            Form::Kind => Some("kind"),
        }
    }

    /// A scalar, as documents and rows spell it, in this form.
    pub(super) fn cell(self, text: &str) -> Cell<'_> {
        match self {
            Form::Number => text.parse().map_or(Cell::Text(text), Cell::Int),
            Form::Flag => match text {
                "true" => Cell::Int(1),
                "false" => Cell::Int(0),
                other => Cell::Text(other),
            },
            Form::Time => Cell::Owned(times::of_text(text)),
            Form::Text | Form::Json | Form::Kind => Cell::Text(text),
        }
    }
}

impl Cell<'_> {
    /// The text, where it is text.
    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Cell::Text(text) => Some(text),
            Cell::Owned(text) => Some(text),
            Cell::Null | Cell::Int(_) => None,
        }
    }

    /// About how many bytes a row grows by it.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Cell::Null => 1,
            Cell::Int(_) => 6,
            Cell::Text(_) | Cell::Owned(_) => 2 + self.text().map_or(0, str::len),
        }
    }

    /// A field of a document in a form: scalars as such, lists and maps as JSON.
    pub(super) fn field(value: Option<&Value>, form: Form) -> Cell<'_> {
        match value {
            None | Some(Value::Null) => Cell::Null,
            Some(Value::Bool(flag)) if form == Form::Flag => Cell::Int(i64::from(*flag)),
            Some(Value::Bool(flag)) => Cell::Text(if *flag { "true" } else { "false" }),
            Some(Value::Int(number)) if form == Form::Number => Cell::Int(*number),
            Some(Value::Int(number)) => Cell::Owned(number.to_string()),
            Some(Value::Text(text)) => form.cell(text),
            Some(other @ (Value::List(_) | Value::Map(_))) => {
                serde_json::to_string(other).map_or(Cell::Null, Cell::Owned)
            }
        }
    }
}

impl ToSql for Cell<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Cell::Null => ValueRef::Null,
            Cell::Int(number) => ValueRef::Integer(*number),
            Cell::Text(text) => ValueRef::Text(text.as_bytes()),
            Cell::Owned(text) => ValueRef::Text(text.as_bytes()),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_flags_are_numbers_and_what_is_neither_stays_as_it_is() {
        assert_eq!(Form::Number.cell("100"), Cell::Int(100));
        assert_eq!(Form::Number.cell("many"), Cell::Text("many"));
        assert_eq!(Form::Flag.cell("true"), Cell::Int(1));
        assert_eq!(Form::Flag.cell("false"), Cell::Int(0));
        assert_eq!(Form::Text.cell("100"), Cell::Text("100"));
    }

    #[test]
    fn a_list_of_a_document_is_json() {
        let list = Value::List(vec!["a".into(), Value::Int(2)]);
        assert_eq!(Cell::field(Some(&list), Form::Json), Cell::Owned("[\"a\",2]".to_owned()));
        assert_eq!(Cell::field(Some(&Value::Bool(true)), Form::Flag), Cell::Int(1));
        assert_eq!(Cell::field(None, Form::Flag), Cell::Null);
    }
}
