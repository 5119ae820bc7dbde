//! Read-only SQL over the copy: one SELECT, answered by SQLite.
//!
//! An in-memory database is filled with what the statement reads, asked, and dropped. All tables are defined first
//! ([`schema`]). Which of them the statement reads, and which of their columns, is what its compiled program says ([`reads`]):
//! SQLite's authorizer reports too little of `JOIN .. USING` and `NATURAL JOIN`, so it only forbids ([`guard`]). Conditions that
//! every row must meet narrow what is filled in ([`narrow`]); they stay in the statement, so they change no answer. A comparison
//! that no row can ever meet is refused ([`doubt`]).
//!
//! Tables are filled out of the index in memory where it stands at the statement's moment and holds what is read, else from the
//! rows as they are stored: a test holds both to be the same. What is filled in first narrows what is joined with it ([`links`]).
//! When nothing is found, the answer names what is asked for and nothing has ([`absent`]); what SQLite takes otherwise than it is
//! meant is told as well ([`pitfalls`]).
//!
//! Everything is read from one state of the store, that of a seq or of a point in the past. Nothing is at rest between two
//! statements.
//!
//! # Limits
//! A statement has [`TIME`] with its filling, SQLite [`limits::HEAP`] bytes for all statements of the process, a value 1 MiB. The caller
//! runs one statement at a time.

mod absent;
mod answer;
mod cell;
mod doubt;
mod error;
mod fill;
mod functions;
mod guard;
mod joined;
mod lazy;
mod like;
mod limits;
mod links;
mod lookup;
mod narrow;
mod outside;
mod parse_tree;
mod pitfalls;
mod reads;
mod said;
mod schema;
mod search;
mod shell_words;
mod statement;
mod times;

pub use self::answer::{Most, SqlRows, SqlValue};
pub use self::error::SqlError;
pub use self::fill::visible::Visible;
pub use self::limits::{Expired, TIME};
pub use self::outside::{AccountRow, FreshnessRow, Outside};
pub use self::statement::SqlStatement;

/// Every table with its columns, as they are described to whoever asks.
#[must_use]
pub fn described() -> Vec<(&'static str, Vec<String>)> {
    let columns = |table: &schema::SqlTable| table.columns.iter().map(schema::Column::described).collect();
    schema::tables().iter().map(|table| (table.name.as_str(), columns(table))).collect()
}

#[cfg(test)]
mod samples;
#[cfg(test)]
mod tests;
