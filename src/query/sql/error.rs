//! Why a statement has no answer. Each says what to write instead.

use thiserror::Error;

use super::limits::TIME;
use crate::query::PastError;
use crate::query::nearness::near;
use crate::store::ReadError;

/// Why a statement has no answer.
#[derive(Debug, Error)]
pub enum SqlError {
    /// SQLite does not understand it.
    #[error("{0}. The dialect is SQLite's")]
    Syntax(String),
    /// There is no such table.
    #[error("there is no table `{name}`{}. Tables: {tables}{described}", near(*nearest))]
    NoTable {
        /// What was named.
        name: String,
        /// The closest one.
        nearest: Option<&'static str>,
        /// All of them.
        tables: String,
        /// What the closest one holds.
        described: String,
    },
    /// There is no such column.
    #[error("there is no column `{name}`{}. Columns: {described}", near(nearest.as_deref()))]
    NoColumn {
        /// What was named.
        name: String,
        /// The closest one.
        nearest: Option<String>,
        /// What the tables of the statement hold.
        described: String,
    },
    /// There is no such function.
    #[error("there is no function `{0}`. Functions are SQLite's own, and ago('7d')")]
    NoFunction(String),
    /// It asks for something else than data of the tables.
    #[error(
        "{0} is not permitted: query_inventory answers one SELECT over its own tables. The tables and their columns are in sqlite_schema (SELECT name, sql FROM sqlite_schema)"
    )]
    Forbidden(String),
    /// It is no SELECT.
    #[error("the statement is not a SELECT: query_inventory only reads")]
    NotSelect,
    /// It is empty.
    #[error("the statement is empty: write one SELECT, such as SELECT state, count(*) FROM instance GROUP BY state")]
    Empty,
    /// It asks for the tables, in the words of a shell.
    #[error(
        "`{written}` is no SELECT, which is all that is answered. The tables are {tables}. SELECT sql FROM sqlite_schema WHERE name = 'instance' shows the columns of one"
    )]
    Listed {
        /// What was written.
        written: String,
        /// All tables.
        tables: String,
    },
    /// It asks for the columns of a table, in the words of a shell.
    #[error("`{written}` is no SELECT, which is all that is answered. The table is {table}")]
    Described {
        /// What was written.
        written: String,
        /// The table with its columns.
        table: String,
    },
    /// Text stands in double quotes.
    #[error("\"{0}\" in double quotes is the name of a column, and there is none: write text in single quotes, '{0}'")]
    DoubleQuotes(String),
    /// It is too long.
    #[error("the statement is longer than {0} KiB")]
    Long(usize),
    /// It is nested too deeply.
    #[error("the statement is nested more than {0} parentheses deep")]
    Deep(usize),
    /// There are several statements.
    #[error("there is more than one statement: send one at a time")]
    Several,
    /// Values are left open.
    #[error("the statement has parameters (such as ?): write the values into it")]
    Parameters,
    /// A comparison can never be true.
    #[error("`{column}` {holds}, so comparing it with {value} can never match: {fix}")]
    Never {
        /// The column.
        column: String,
        /// What it holds.
        holds: String,
        /// What it was compared with.
        value: String,
        /// What to write.
        fix: String,
    },
    /// The log was asked for as a whole.
    #[error("`{table}` is the whole log: bound it by AND on its time (time > ago('7d')), seq{by}")]
    Unbounded {
        /// The table.
        table: &'static str,
        /// What else bounds it.
        by: &'static str,
    },
    /// Too many records of the log.
    #[error("more than {most} records of the log lie in these bounds: bound `{table}` more narrowly by time, seq{by}")]
    TooManyRecords {
        /// How many may be read.
        most: usize,
        /// The table.
        table: &'static str,
        /// What else bounds it.
        by: &'static str,
    },
    /// Too much has changed since.
    #[error(
        "more than {0} resources have changed since then: ask about one kind, fewer ids (id IN (..)), or a later time"
    )]
    TooManyChanged(usize),
    /// It would take too much room.
    #[error(
        "`{table}` takes too much memory ({rows} rows): name fewer columns, or narrow it by AND on {by} (such as {example})"
    )]
    TooBig {
        /// Which table.
        table: String,
        /// How many rows, as far as was counted.
        rows: u64,
        /// What it can be narrowed by.
        by: String,
        /// How.
        example: String,
    },
    /// Too many documents were looked into.
    #[error(
        "the statement reads more than {0} whole documents: filter by columns first, or name the columns you need in place of `document` and *"
    )]
    TooManyDocuments(usize),
    /// The heap is full.
    #[error("the statement takes more memory than it may: name fewer columns, or narrow what it reads and sorts")]
    Memory,
    /// A value is too long.
    #[error("a value of the statement is longer than 1 MiB")]
    Length,
    /// The time is up.
    #[error("the statement takes longer than {} s: narrow what it reads (by id, kind, account, region), or count before you list", TIME.as_secs())]
    Time,
    /// A function was called with something that it does not take.
    #[error("{0}")]
    Function(String),
    /// Only the present of a table is known.
    #[error("the table {0} is known for the present only: leave out `as_of`")]
    PresentOnly(&'static str),
    /// The log does not know the point in the past.
    #[error(transparent)]
    Past(#[from] PastError),
    /// The store could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
}
