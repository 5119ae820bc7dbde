//! Fills the table of a kind from its rows.

use std::borrow::Cow;
use std::collections::BTreeSet;

use super::inserter::Inserter;
use super::row_key::RowKey;
use super::rows::{NAME, Rows};
use crate::kinds::KindSpec;
use crate::query::sql::SqlError;
use crate::query::sql::cell::{ColumnForm, SqlCell};
use crate::query::sql::narrow::NarrowTerms;
use crate::query::sql::schema::{Column, Field, SqlTable};
use crate::store::{RowSelection, RowView, TagSelection};

pub(super) fn fill(
    rows: &mut Rows<'_>,
    spec: &'static KindSpec,
    table: &'static SqlTable,
    terms: &NarrowTerms,
    into: &mut Inserter<'_, '_>,
) -> Result<(), SqlError> {
    let tests: Vec<(&Column, &BTreeSet<String>)> = terms
        .sets
        .iter()
        .filter_map(|(column, values)| Some((table.column(column)?.1, values)))
        .filter(|(column, _)| column.field != Field::Id)
        .collect();
    let read: Vec<&Column> = into.columns().chain(tests.iter().map(|(column, _)| *column)).collect();
    let insert = |key: &RowKey<'_>, row: &RowView<'_>| {
        let meets = |(column, values): &(&Column, &BTreeSet<String>)| cell(column, *key, row).is_among(values);
        if !tests.iter().all(meets) {
            return Ok(());
        }
        into.insert(|place| table.columns.get(place).map_or(SqlCell::Null, |column| cell(column, *key, row)))
    };
    let ids = terms.sets.get("id");
    if !read.iter().all(|column| is_indexed(spec, column)) {
        return rows.stored(spec, ids, insert);
    }
    let facets = read.iter().filter_map(|column| match column.field {
        Field::Facet(number) => Some(number),
        _ => None,
    });
    let is_tagged = read.iter().any(|column| column.field == Field::Tags);
    let is_named = read.iter().any(|column| column.field == Field::Name);
    let tags = match (is_tagged, is_named) {
        (true, _) => TagSelection::All,
        (false, true) => TagSelection::Key(NAME),
        (false, false) => TagSelection::None,
    };
    let only = tests.iter().filter_map(|(column, values)| match column.field {
        // Only text stands in the index as it does in the table.
        Field::Facet(number) if column.form == ColumnForm::Text => Some((number, *values)),
        _ => None,
    });
    let without_ids = rows.sees_all() && !read.iter().any(|column| column.field == Field::Id);
    let selection = RowSelection { facets: facets.collect(), tags, only: only.collect(), ids, without_ids };
    rows.each(spec, &selection, insert)
}

/// Whether the index holds what a column does: not the order of several values of a filter, and no names but those of tags.
fn is_indexed(spec: &KindSpec, column: &Column) -> bool {
    match column.field {
        Field::Name => spec.name_field.is_none(),
        Field::Facet(_) => !column.is_array,
        Field::Id | Field::Account | Field::Region | Field::Tags => true,
        Field::Same(_) | Field::Lazy(_) | Field::Nth(_) => false,
    }
}

/// What a row has in a column.
fn cell<'a>(column: &Column, key: RowKey<'a>, row: &RowView<'a>) -> SqlCell<'a> {
    match column.field {
        Field::Id => SqlCell::Text(key.id),
        Field::Name => row.name.map_or(SqlCell::Null, SqlCell::Text),
        Field::Account => SqlCell::Text(key.account),
        Field::Region => SqlCell::Text(key.region),
        Field::Facet(number) if column.is_array => array(number, row),
        Field::Facet(number) => facet(number, row).map_or(SqlCell::Null, |text| column.form.cell(text)),
        Field::Tags => SqlCell::Owned(tags(row)),
        Field::Same(_) | Field::Lazy(_) | Field::Nth(_) => SqlCell::Null,
    }
}

/// The number of a filter.
pub(super) fn number(spec: &KindSpec, name: &str) -> u16 {
    spec.filter(name).map_or(u16::MAX, |filter| filter.number)
}

/// The value of the filter of this number, of which a resource has one.
pub(super) fn facet<'a>(number: u16, row: &RowView<'a>) -> Option<&'a str> {
    row.facets.iter().find(|(known, _)| *known == number).map(|(_, value)| *value)
}

/// All values of the filter of this number.
pub(super) fn facets<'a>(number: u16, row: &RowView<'a>) -> impl Iterator<Item = &'a str> {
    row.facets.iter().filter(move |(known, _)| *known == number).map(|(_, value)| *value)
}

/// All values as JSON; nothing where there is none.
fn array<'a>(number: u16, row: &RowView<'a>) -> SqlCell<'a> {
    let values: Vec<&str> = facets(number, row).collect();
    if values.is_empty() {
        return SqlCell::Null;
    }
    serde_json::to_string(&values).map_or(SqlCell::Null, SqlCell::Owned)
}

fn tags(row: &RowView<'_>) -> String {
    let tags = row.tags.iter().map(|(key, value)| ((*key).to_owned(), serde_json::Value::from(*value)));
    serde_json::Value::Object(tags.collect()).to_string()
}

/// A time of a filter as tables hold it.
pub(super) fn time(text: Option<&str>) -> SqlCell<'_> {
    text.map_or(SqlCell::Null, |text| ColumnForm::Time.cell(text))
}

/// Text that may not be there.
pub(super) fn text(text: Option<&str>) -> SqlCell<'_> {
    text.map_or(SqlCell::Null, SqlCell::Text)
}

/// Words joined as JSON.
pub(super) fn list(words: &[Cow<'_, str>]) -> String {
    serde_json::to_string(words).unwrap_or_default()
}
