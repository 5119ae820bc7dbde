//! Puts rows into a table: the columns that are read of those that its terms let through.

use std::collections::BTreeSet;

use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, Statement};

use crate::query::sql::SqlError;
use crate::query::sql::cell::{ColumnForm, SqlCell};
use crate::query::sql::functions::compare_kinds;
use crate::query::sql::narrow::NarrowTerms;
use crate::query::sql::reads::TableRead;
use crate::query::sql::said::filled;
use crate::query::sql::schema::{Column, Field, SqlTable};

/// How many bytes all tables of a statement may take.
pub(super) const ROOM: usize = 128 << 20;
/// What a row takes beside its values.
const ROW: usize = 12;
/// What a value takes, about.
const VALUE: usize = 18;

/// How many rows are put in at once at least: half as long as one by one.
const ROWS: usize = 32;
/// How many values are put in at once where those are more rows.
const VALUES: usize = 256;

/// A value that waits to be put in.
#[derive(Clone, Copy)]
enum StagedValue {
    Null,
    Int(i64),
    /// Text that begins and ends there among the texts that wait.
    Text(usize, usize),
}

/// What fills one table.
pub(super) struct Inserter<'c, 'r> {
    connection: &'c Connection,
    /// Puts one row in.
    one: Statement<'c>,
    /// Puts so many in; made when there are as many.
    many: Option<Statement<'c>>,
    /// The beginning of both, and the marks of one row.
    sql: (String, String),
    /// The values of rows that wait, one row after the other, and their texts.
    staged: Vec<StagedValue>,
    texts: String,
    staged_rows: usize,
    /// How many rows wait for each other.
    at_once: usize,
    table: &'static SqlTable,
    /// The columns that are put in, by their places.
    columns: Vec<usize>,
    /// What a flat row has to meet: the place of a column, and the values that it may have.
    tests: Vec<(usize, ColumnForm, &'r BTreeSet<String>)>,
    rows: u64,
    room: &'r mut usize,
}

impl<'c, 'r> Inserter<'c, 'r> {
    pub(super) fn new(
        connection: &'c Connection,
        table: &'static SqlTable,
        read: &TableRead,
        terms: &'r NarrowTerms,
        room: &'r mut usize,
    ) -> Result<Self, SqlError> {
        let mut columns: Vec<usize> = read.columns.iter().copied().collect();
        // A row of which nothing is read is counted all the same.
        let is_empty = columns.is_empty();
        if is_empty {
            columns.extend(table.stored().next());
        }
        let name = |place: &usize| table.columns.get(*place).map_or("", |column| column.name.as_str());
        let names = columns.iter().map(|place| format!("\"{}\"", name(place))).collect::<Vec<_>>().join(", ");
        let marks = format!("({})", vec!["?"; columns.len()].join(", "));
        let insert = format!("INSERT INTO \"{}\"({names}) VALUES ", table.name);
        if is_empty {
            columns.clear();
        }
        let tests = terms.sets.iter().filter_map(|(column, values)| {
            let (_, column) = table.column(column)?;
            match column.field {
                Field::Nth(place) => Some((place, column.form, values)),
                _ => None,
            }
        });
        Ok(Inserter {
            connection,
            one: filled(connection.prepare(&format!("{insert}{marks}")))?,
            many: None,
            sql: (insert, marks),
            staged: Vec::new(),
            texts: String::new(),
            staged_rows: 0,
            at_once: ROWS.max(VALUES / columns.len().max(1)),
            table,
            columns,
            tests: tests.collect(),
            rows: 0,
            room,
        })
    }

    /// Refuses before anything is read what would take too much room.
    pub(super) fn expect(&self, rows: u64, read: &TableRead) -> Result<(), SqlError> {
        let row = ROW + VALUE * read.columns.len();
        let bytes = usize::try_from(rows).unwrap_or(usize::MAX).saturating_mul(row);
        if bytes > *self.room { Err(self.too_big(rows)) } else { Ok(()) }
    }

    /// The columns that are put in.
    pub(super) fn columns(&self) -> impl Iterator<Item = &'static Column> {
        let table = self.table;
        self.columns.iter().filter_map(|place| table.columns.get(*place))
    }

    /// How many rows were put in.
    pub(super) fn count(&self) -> u64 {
        self.rows
    }

    /// Puts a row of a flat table in, if its terms let it through.
    pub(super) fn row(&mut self, cells: &[SqlCell<'_>]) -> Result<(), SqlError> {
        let meets = self.tests.iter().all(|(place, form, values)| {
            cells.get(*place).is_some_and(|cell| match (form, cell.text()) {
                (ColumnForm::Kind, Some(text)) => values.iter().any(|value| compare_kinds(value, text).is_eq()),
                _ => cell.is_among(values),
            })
        });
        if meets { self.insert(|place| cells.get(place).cloned().unwrap_or(SqlCell::Null)) } else { Ok(()) }
    }

    /// Puts a row in, of the values that `cell` gives for the places of columns.
    pub(super) fn insert<'a>(&mut self, mut cell: impl FnMut(usize) -> SqlCell<'a>) -> Result<(), SqlError> {
        let mut bytes = ROW;
        for place in &self.columns {
            let cell = cell(*place);
            bytes += cell.bytes();
            self.staged.push(match (&cell, cell.text()) {
                (_, Some(text)) => {
                    let start = self.texts.len();
                    self.texts.push_str(text);
                    StagedValue::Text(start, self.texts.len())
                }
                (SqlCell::Int(number), None) => StagedValue::Int(*number),
                (_, None) => StagedValue::Null,
            });
        }
        self.rows += 1;
        match self.room.checked_sub(bytes) {
            Some(room) => *self.room = room,
            None => return Err(self.too_big(self.rows)),
        }
        self.staged_rows += 1;
        if self.staged_rows == self.at_once { self.finish() } else { Ok(()) }
    }

    /// Puts in what waits.
    pub(super) fn finish(&mut self) -> Result<(), SqlError> {
        let width = self.columns.len();
        if self.staged_rows < self.at_once {
            for row in 0..self.staged_rows {
                let values = self.staged.get(row * width..(row + 1) * width).unwrap_or_default();
                filled(put(&mut self.one, values, &self.texts))?;
            }
        } else {
            let mut many = if let Some(many) = self.many.take() {
                many
            } else {
                let (insert, marks) = &self.sql;
                let insert = format!("{insert}{}", vec![marks.as_str(); self.at_once].join(", "));
                filled(self.connection.prepare(&insert))?
            };
            filled(put(&mut many, &self.staged, &self.texts))?;
            self.many = Some(many);
        }
        self.staged.clear();
        self.texts.clear();
        self.staged_rows = 0;
        Ok(())
    }

    fn too_big(&self, rows: u64) -> SqlError {
        let narrowed_by = self.table.narrowed_by();
        let first = narrowed_by.first().copied().unwrap_or("id");
        SqlError::TooBig {
            table: self.table.name.clone(),
            rows,
            by: narrowed_by.join(", "),
            example: format!("{first} = '..'"),
        }
    }
}

/// Runs a statement with these values.
fn put(statement: &mut Statement<'_>, values: &[StagedValue], texts: &str) -> rusqlite::Result<()> {
    for (nth, value) in values.iter().enumerate() {
        let value = match *value {
            StagedValue::Null => ValueRef::Null,
            StagedValue::Int(number) => ValueRef::Integer(number),
            StagedValue::Text(start, end) => ValueRef::Text(texts.get(start..end).unwrap_or_default().as_bytes()),
        };
        statement.raw_bind_parameter(nth + 1, ToSqlOutput::Borrowed(value))?;
    }
    statement.raw_execute().map(drop)
}
