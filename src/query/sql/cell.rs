//! A value on its way into a table.

use std::collections::BTreeSet;

use super::times;
use crate::model::Value;

/// A value that a column is filled with.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum SqlCell<'a> {
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
pub(super) enum ColumnForm {
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

impl ColumnForm {
    /// How the column is declared.
    pub(super) fn declared(self) -> &'static str {
        match self {
            ColumnForm::Text | ColumnForm::Json => "TEXT",
            ColumnForm::Number | ColumnForm::Flag => "INTEGER",
            ColumnForm::Time => "TEXT COLLATE utc",
            ColumnForm::Kind => "TEXT COLLATE kind",
        }
    }

    /// What is said of it where columns are described; text is not told.
    pub(super) fn word(self) -> Option<&'static str> {
        match self {
            ColumnForm::Text => None,
            ColumnForm::Number => Some("integer"),
            ColumnForm::Flag => Some("0/1"),
            ColumnForm::Time => Some("time"),
            ColumnForm::Json => Some("json"),
            ColumnForm::Kind => Some("kind"),
        }
    }

    /// A scalar, as documents and rows spell it, in this form.
    pub(super) fn cell(self, text: &str) -> SqlCell<'_> {
        match self {
            ColumnForm::Number => text.parse().map_or(SqlCell::Text(text), SqlCell::Int),
            ColumnForm::Flag => match text {
                "true" => SqlCell::Int(1),
                "false" => SqlCell::Int(0),
                other => SqlCell::Text(other),
            },
            ColumnForm::Time => SqlCell::Owned(times::of_text(text)),
            ColumnForm::Text | ColumnForm::Json | ColumnForm::Kind => SqlCell::Text(text),
        }
    }
}

impl SqlCell<'_> {
    /// The text, where it is text.
    pub(super) fn text(&self) -> Option<&str> {
        match self {
            SqlCell::Text(text) => Some(text),
            SqlCell::Owned(text) => Some(text),
            SqlCell::Null | SqlCell::Int(_) => None,
        }
    }

    /// Whether it is one of these values. Numbers are compared as they are written.
    pub(super) fn is_among(&self, values: &BTreeSet<String>) -> bool {
        match self {
            SqlCell::Null => false,
            SqlCell::Int(number) => values.contains(&number.to_string()),
            SqlCell::Text(text) => values.contains(*text),
            SqlCell::Owned(text) => values.contains(text),
        }
    }

    /// About how many bytes a row grows by it.
    pub(super) fn bytes(&self) -> usize {
        match self {
            SqlCell::Null => 1,
            SqlCell::Int(_) => 6,
            SqlCell::Text(_) | SqlCell::Owned(_) => 2 + self.text().map_or(0, str::len),
        }
    }

    /// A field of a document in a form: scalars as such, lists and maps as JSON.
    pub(super) fn field(value: Option<&Value>, form: ColumnForm) -> SqlCell<'_> {
        match value {
            None | Some(Value::Null) => SqlCell::Null,
            Some(Value::Bool(flag)) if form == ColumnForm::Flag => SqlCell::Int(i64::from(*flag)),
            Some(Value::Bool(flag)) => SqlCell::Text(if *flag { "true" } else { "false" }),
            Some(Value::Int(number)) if form == ColumnForm::Number => SqlCell::Int(*number),
            Some(Value::Int(number)) => SqlCell::Owned(number.to_string()),
            Some(Value::Text(text)) => form.cell(text),
            Some(other @ (Value::List(_) | Value::Map(_))) => {
                serde_json::to_string(other).map_or(SqlCell::Null, SqlCell::Owned)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_flags_are_numbers_and_what_is_neither_stays_as_it_is() {
        assert_eq!(ColumnForm::Number.cell("100"), SqlCell::Int(100));
        assert_eq!(ColumnForm::Number.cell("many"), SqlCell::Text("many"));
        assert_eq!(ColumnForm::Flag.cell("true"), SqlCell::Int(1));
        assert_eq!(ColumnForm::Flag.cell("false"), SqlCell::Int(0));
        assert_eq!(ColumnForm::Text.cell("100"), SqlCell::Text("100"));
    }

    #[test]
    fn a_list_of_a_document_is_json() {
        let list = Value::List(vec!["a".into(), Value::Int(2)]);
        assert_eq!(SqlCell::field(Some(&list), ColumnForm::Json), SqlCell::Owned("[\"a\",2]".to_owned()));
        assert_eq!(SqlCell::field(Some(&Value::Bool(true)), ColumnForm::Flag), SqlCell::Int(1));
        assert_eq!(SqlCell::field(None, ColumnForm::Flag), SqlCell::Null);
    }
}
