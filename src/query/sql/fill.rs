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
use super::cell::SqlCell;
use super::narrow::{self, NarrowTerms, Narrowed};
use super::reads::Reads;
use super::said::filled;
use super::schema::{self, Flat, SqlTable, TableSource};
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
    table: &SqlTable,
    terms: &NarrowTerms,
    into: &mut Inserter<'_, '_>,
) -> Result<(), SqlError> {
    match table.source {
        TableSource::Kind(spec) => kinds::fill(rows, spec, table, terms, into),
        TableSource::Flat(Flat::Freshness) => freshness(filling.outside, into),
        TableSource::Flat(Flat::Price) => prices(filling.outside, into),
        TableSource::Flat(Flat::Change) => changes::fill(filling, terms, into),
        TableSource::Flat(flat) => flat::fill(rows, flat, terms, into),
    }
}

/// About how many rows a table gets.
fn estimated(filling: &Filling<'_>, table: &SqlTable, terms: &NarrowTerms) -> Result<u64, SqlError> {
    let TableSource::Kind(spec) = table.source else { return Ok(0) };
    match terms.sets.get("id") {
        Some(ids) => Ok(ids.len() as u64),
        None => Ok(filling.snapshot.count(&spec.kind(), None)?),
    }
}

fn freshness(outside: &Outside, into: &mut Inserter<'_, '_>) -> Result<(), SqlError> {
    for row in &outside.freshness {
        into.row(&[
            SqlCell::Text(row.kind),
            SqlCell::Text(row.scope.account.as_str()),
            SqlCell::Text(row.scope.region.as_str()),
            row.as_of.map_or(SqlCell::Null, |at| SqlCell::Owned(times::of(at))),
            SqlCell::Int(i64::from(row.stale.is_some())),
            row.stale.as_deref().map_or(SqlCell::Null, SqlCell::Text),
            SqlCell::Int(i64::from(row.is_complete)),
        ])?;
    }
    Ok(())
}

fn prices(outside: &Outside, into: &mut Inserter<'_, '_>) -> Result<(), SqlError> {
    let Some(table) = &outside.prices else { return Ok(()) };
    let date = table.day();
    for (unit, name, region, price) in table.each() {
        into.row(&[
            SqlCell::Text(region),
            SqlCell::Text(unit),
            SqlCell::Text(name),
            i64::try_from(price.as_micros()).map_or(SqlCell::Null, SqlCell::Int),
            SqlCell::Text(&date),
        ])?;
    }
    Ok(())
}
