//! Fills the tables that a statement reads.

mod changes;
mod documents;
pub(super) mod filling;
mod flat;
mod health;
mod inserter;
mod kinds;
mod rows;
pub(super) mod visible;

use self::filling::Filling;
use self::inserter::Inserter;
use self::rows::Rows;
use super::cell::Cell;
use super::narrow::{self, Narrowed, Terms};
use super::reads::Reads;
use super::said::filled;
use super::schema::{self, Flat, Source, Table};
use super::{Outside, SqlError, times};

/// Fills the tables, and tells whether a first sweep was under way at that moment of the past.
pub(super) fn fill(filling: &Filling<'_>, reads: &Reads, mut narrowed: Narrowed) -> Result<bool, SqlError> {
    let mut rows = Rows::new(filling)?;
    let mut room = inserter::ROOM;
    filled(filling.connection.execute_batch("BEGIN"))?;
    for (place, read) in reads {
        let Some(table) = schema::tables().get(*place) else { continue };
        let terms = narrow::usable(table, narrowed.remove(place).unwrap_or_default());
        let mut into = Inserter::new(filling.connection, table, read, &terms, &mut room)?;
        into.expect(estimated(filling, table, &terms)?, read)?;
        fill_one(filling, &mut rows, table, &terms, &mut into)?;
    }
    filled(filling.connection.execute_batch("COMMIT"))?;
    Ok(rows.is_partial())
}

fn fill_one(
    filling: &Filling<'_>,
    rows: &mut Rows<'_>,
    table: &Table,
    terms: &Terms,
    into: &mut Inserter<'_, '_>,
) -> Result<(), SqlError> {
    match table.source {
        Source::Kind(spec) => kinds::fill(rows, spec, table, terms, into),
        Source::Flat(Flat::Freshness) => freshness(filling.outside, into),
        Source::Flat(Flat::Change) => changes::fill(filling, terms, into),
        Source::Flat(flat) => flat::fill(rows, flat, terms, into),
    }
}

/// About how many rows a table gets.
fn estimated(filling: &Filling<'_>, table: &Table, terms: &Terms) -> Result<u64, SqlError> {
    let Source::Kind(spec) = table.source else { return Ok(0) };
    match terms.sets.get("id") {
        Some(ids) => Ok(ids.len() as u64),
        None => Ok(filling.snapshot.count(&spec.kind(), None)?),
    }
}

fn freshness(outside: &Outside, into: &mut Inserter<'_, '_>) -> Result<(), SqlError> {
    for row in &outside.freshness {
        into.row(&[
            Cell::Text(row.kind),
            Cell::Text(row.scope.account.as_str()),
            Cell::Text(row.scope.region.as_str()),
            row.as_of.map_or(Cell::Null, |at| Cell::Owned(times::of(at))),
            Cell::Int(i64::from(row.stale.is_some())),
            row.stale.as_deref().map_or(Cell::Null, Cell::Text),
            Cell::Int(i64::from(row.is_complete)),
        ])?;
    }
    Ok(())
}
