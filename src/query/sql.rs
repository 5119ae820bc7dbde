//! Read-only SQL over the copy: one SELECT, answered by SQLite.
//!
//! An in-memory database is filled with what the statement reads, asked, and dropped. All tables are defined first
//! ([`schema`]). Which of them the statement reads, and which of their columns, is what its compiled program says ([`reads`]):
//! SQLite's authorizer reports too little of `JOIN .. USING` and `NATURAL JOIN`, so it only forbids ([`guard`]). Conditions that
//! every row must meet narrow what is filled in ([`narrow`]); they stay in the statement, so they change no answer. A comparison
//! that no row can ever meet is refused ([`doubt`]).
//!
//! Everything is read from one state of the store, that of a seq or of a point in the past. Nothing is at rest between two
//! statements.
//!
//! # Limits
//! A statement has [`TIME`] with its filling, SQLite [`limits::HEAP`] bytes for all statements of the process, a value 1 MiB. The caller
//! runs one statement at a time.
//!
//! # What comes later
//! A table of prices and one of what the internet can reach are further [`schema::Flat`] tables, filled from their own modules.

mod answer;
mod cell;
mod doubt;
mod error;
mod fill;
mod functions;
mod guard;
mod lazy;
mod limits;
mod links;
mod lookup;
mod narrow;
mod outside;
mod reads;
mod said;
mod schema;
mod search;
mod statement;
mod times;

pub use self::answer::{Most, SqlRows, SqlValue};
pub use self::error::SqlError;
pub use self::fill::visible::Visible;
pub use self::limits::{Expired, TIME};
pub use self::outside::{FreshnessRow, Outside};
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
