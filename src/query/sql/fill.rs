//! Fills the tables that a statement reads.

mod actions;
mod changes;
mod documents;
mod exposed;
pub(super) mod filling;
mod flat;
mod health;
mod inserter;
mod kinds;
mod row_key;
mod rows;
pub(super) mod visible;

use crate::model::ScopeFilter;
use std::collections::BTreeSet;

use rusqlite::Connection;

use self::filling::Filling;
use self::inserter::Inserter;
use self::rows::Rows;
use super::cell::SqlCell;
use super::joined::{self, JoinedColumns};
use super::links::TableLink;
use super::narrow::{self, NarrowTerms, Narrowed};
use super::reads::Reads;
use super::said::filled;
use super::schema::{self, Column, Flat, SqlTable, TableSource};
use super::{Outside, SqlError, times};

/// How many rows of a table may tell by which values another is narrowed.
const LINKED: u64 = 50_000;

/// What there is to say of what was filled in.
#[derive(Default)]
pub(super) struct FilledTables {
    /// Whether a first sweep was under way at that moment of the past.
    pub(super) partial: bool,
    /// What every answer from it says.
    pub(super) notes: Vec<String>,
}

/// Fills the tables.
pub(super) fn fill(
    filling: &Filling<'_>,
    reads: &Reads,
    mut narrowed: Narrowed,
    links: &BTreeSet<TableLink>,
    joined: &JoinedColumns,
) -> Result<FilledTables, SqlError> {
    let mut rows = Rows::new(filling)?;
    let mut notes = Vec::new();
    let mut room = inserter::ROOM;
    let is_join = reads.values().map(|read| read.times).sum::<usize>() > 1;
    let mut is_indexed = false;
    let mut waiting: Vec<usize> = reads.keys().copied().collect();
    filled(filling.connection.execute_batch("BEGIN"))?;
    // Those that are narrowed come first: they narrow those that are linked with them.
    while let Some(nth) = next(&waiting, &narrowed) {
        let place = waiting.remove(nth);
        let (Some(table), Some(read)) = (schema::tables().get(place), reads.get(&place)) else { continue };
        let terms = narrow::usable(table, narrowed.remove(&place).unwrap_or_default());
        let mut into = Inserter::new(filling.connection, table, read, &terms, &mut room)?;
        into.expect(estimated(filling, table, &terms)?, read)?;
        rows.keep_within(terms.sets.get("account"), terms.sets.get("region"));
        notes.extend(fill_one(filling, &mut rows, table, &terms, &mut into)?);
        into.finish()?;
        let rows = into.count();
        if is_join {
            let indexes = filled(joined.index(filling.connection, place, read, rows))?;
            room =
                room.saturating_sub(usize::try_from(rows).unwrap_or(usize::MAX).saturating_mul(joined::ROW * indexes));
            is_indexed = is_indexed || indexes > 0;
        }
        if terms.sets.is_empty() || rows > LINKED {
            continue;
        }
        for link in links.iter().filter(|link| link.from.0 == place && waiting.contains(&link.to.0)) {
            // What is not read is not filled in.
            let is_read = |(column, _): (usize, &Column)| read.columns.contains(&column);
            if table.column(&link.from.1).is_some_and(is_read) {
                let values = filled(values(filling.connection, table, &link.from.1))?;
                narrowed.entry(link.to.0).or_default().meet(&link.to.1, values);
            }
        }
    }
    if is_indexed {
        filled(JoinedColumns::count(filling.connection))?;
    }
    filled(filling.connection.execute_batch("COMMIT"))?;
    Ok(FilledTables { partial: rows.is_partial(), notes })
}

/// Which of the tables that wait is filled next.
fn next(waiting: &[usize], narrowed: &Narrowed) -> Option<usize> {
    let is_narrowed = |place: &usize| {
        let table = schema::tables().get(*place);
        let sets = narrowed.get(place).into_iter().flat_map(|terms| terms.sets.keys());
        table.is_some_and(|table| sets.into_iter().any(|column| table.is_narrowed_by(column)))
    };
    waiting.iter().position(is_narrowed).or(if waiting.is_empty() { None } else { Some(0) })
}

/// All values of a column of text that was filled in.
fn values(connection: &Connection, table: &SqlTable, column: &str) -> rusqlite::Result<BTreeSet<String>> {
    let mut statement = connection.prepare(&format!("SELECT \"{column}\" FROM \"{}\"", table.name))?;
    let mut rows = statement.query([])?;
    let mut found = BTreeSet::new();
    while let Some(row) = rows.next()? {
        if let Some(value) = row.get::<_, Option<String>>(0)? {
            found.insert(value);
        }
    }
    Ok(found)
}

/// Fills one, and returns what every answer from it says.
fn fill_one(
    filling: &Filling<'_>,
    rows: &mut Rows<'_>,
    table: &'static SqlTable,
    terms: &NarrowTerms,
    into: &mut Inserter<'_, '_>,
) -> Result<Vec<String>, SqlError> {
    match table.source {
        TableSource::Flat(Flat::Exposure) => return exposed::fill(filling, rows, terms, into),
        TableSource::Kind(spec) => kinds::fill(rows, spec, table, terms, into),
        TableSource::Flat(Flat::Freshness) => freshness(filling.outside, into),
        TableSource::Flat(Flat::Account) => accounts(filling.outside, into),
        TableSource::Flat(Flat::Price) => prices(filling.outside, into),
        TableSource::Flat(Flat::Change) => changes::fill(filling, terms, into),
        TableSource::Flat(Flat::Action) => actions::fill(filling, terms, into),
        TableSource::Flat(flat) => flat::fill(rows, flat, terms, &filling.outside.left_out, into),
    }?;
    Ok(Vec::new())
}

/// About how many rows a table gets.
fn estimated(filling: &Filling<'_>, table: &SqlTable, terms: &NarrowTerms) -> Result<u64, SqlError> {
    let TableSource::Kind(spec) = table.source else { return Ok(0) };
    match terms.sets.get("id") {
        Some(ids) => Ok(ids.len() as u64),
        // How many of all have these values shows only when they are read.
        None if terms.sets.keys().any(|column| !matches!(column.as_str(), "account" | "region")) => Ok(0),
        None => Ok(filling.store.count(&filling.snapshot, &spec.kind(), &ScopeFilter::Everywhere)?),
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
            SqlCell::Text(row.standing),
            row.cause.as_deref().map_or(SqlCell::Null, SqlCell::Text),
        ])?;
    }
    Ok(())
}

fn accounts(outside: &Outside, into: &mut Inserter<'_, '_>) -> Result<(), SqlError> {
    let text = |text: &Option<String>| text.clone().map_or(SqlCell::Null, SqlCell::Owned);
    let count = |count: usize| SqlCell::Int(i64::try_from(count).unwrap_or(i64::MAX));
    for row in &outside.accounts {
        into.row(&[
            row.account.as_ref().map_or(SqlCell::Null, |account| SqlCell::Text(account.as_str())),
            text(&row.name),
            text(&row.ou),
            count(row.regions),
            count(row.covered),
            count(row.pending),
            count(row.failed),
            row.as_of.map_or(SqlCell::Null, |at| SqlCell::Owned(times::of(at))),
            text(&row.cause),
            SqlCell::Text(row.state),
            text(&row.reason),
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
