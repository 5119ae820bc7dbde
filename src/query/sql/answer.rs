//! The rows that a statement answers, and how many there are in all.

use rusqlite::Statement;
use rusqlite::types::ValueRef;
use serde::{Serialize, Serializer};

use super::SqlError;
use super::guard::SqlGuard;
use crate::model::Seq;

/// How much of an answer is kept. Rows beyond are counted.
#[derive(Clone, Copy, Debug)]
pub struct Most {
    /// Rows.
    pub rows: usize,
    /// Bytes of their values.
    pub bytes: usize,
}

/// What a statement answers.
#[derive(Clone, Debug, PartialEq)]
pub struct SqlRows {
    /// The names of its columns.
    pub columns: Vec<String>,
    /// The first of its rows.
    pub rows: Vec<Vec<SqlValue>>,
    /// How many there are.
    pub total: u64,
    /// Why they were not counted to the end; `None` where they were.
    pub uncounted: Option<String>,
    /// The last record that is taken into account.
    pub seq: Seq,
    /// Whether a first sweep was under way at that moment of the past.
    pub partial: bool,
    /// What there is to know of every answer from these tables, and why there may be nothing.
    pub hints: Vec<String>,
}

/// A value of a row.
#[derive(Clone, Debug, PartialEq)]
pub enum SqlValue {
    /// Nothing.
    Null,
    /// A whole number.
    Int(i64),
    /// Another number.
    Real(f64),
    /// Text. Bytes that are none are shown in hexadecimal.
    Text(String),
}

impl Serialize for SqlValue {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            SqlValue::Null => serializer.serialize_unit(),
            SqlValue::Int(number) => serializer.serialize_i64(*number),
            SqlValue::Real(number) => serializer.serialize_f64(*number),
            SqlValue::Text(text) => serializer.serialize_str(text),
        }
    }
}

impl SqlValue {
    fn of(value: ValueRef<'_>) -> Self {
        match value {
            ValueRef::Null => SqlValue::Null,
            ValueRef::Integer(number) => SqlValue::Int(number),
            ValueRef::Real(number) => SqlValue::Real(number),
            ValueRef::Text(text) => SqlValue::Text(String::from_utf8_lossy(text).into_owned()),
            ValueRef::Blob(bytes) => {
                let digits: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
                SqlValue::Text(format!("x'{}'", digits.concat()))
            }
        }
    }

    fn bytes(&self) -> usize {
        match self {
            SqlValue::Null => 4,
            SqlValue::Int(_) | SqlValue::Real(_) => 8,
            SqlValue::Text(text) => text.len() + 2,
        }
    }
}

/// The rows that were kept, how many there are, and why they were not counted to the end.
type CountedRows = (Vec<Vec<SqlValue>>, u64, Option<String>);

/// Runs a statement to its end. What fails once `most` was kept ends the count only.
pub(super) fn run(
    guard: &SqlGuard,
    statement: &mut Statement<'_>,
    sql: &str,
    most: Most,
) -> Result<CountedRows, SqlError> {
    let width = statement.column_count();
    let (mut kept, mut total, mut bytes, mut is_full) = (Vec::new(), 0_u64, 0, false);
    let mut rows = statement.raw_query();
    loop {
        match rows.next() {
            // One row may take longer than the handler of progress sees.
            Ok(Some(_)) if (guard.expired)() && !is_full => return Err(SqlError::Time),
            Ok(Some(row)) => {
                total += 1;
                if is_full {
                    continue;
                }
                let values = (0..width).map(|column| row.get_ref(column).map(SqlValue::of));
                let values = values.collect::<rusqlite::Result<Vec<SqlValue>>>();
                let values = values.map_err(|error| guard.failure(&error, sql))?;
                bytes += values.iter().map(SqlValue::bytes).sum::<usize>();
                if kept.len() < most.rows && (kept.is_empty() || bytes <= most.bytes) {
                    kept.push(values);
                } else {
                    is_full = true;
                }
            }
            Ok(None) => return Ok((kept, total, None)),
            Err(error) => {
                let failure = guard.failure(&error, sql);
                if is_full && matches!(failure, SqlError::Time | SqlError::TooManyDocuments(_)) {
                    return Ok((kept, total, Some(failure.to_string())));
                }
                return Err(failure);
            }
        }
    }
}
