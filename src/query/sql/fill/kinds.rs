//! Fills the table of a kind from its rows.

use std::borrow::Cow;

use super::inserter::Inserter;
use super::rows::Rows;
use crate::kinds::KindSpec;
use crate::model::ResourceId;
use crate::query::sql::SqlError;
use crate::query::sql::cell::{ColumnForm, SqlCell};
use crate::query::sql::narrow::NarrowTerms;
use crate::query::sql::schema::{Column, Field, SqlTable};
use crate::store::RowView;

pub(super) fn fill(
    rows: &mut Rows<'_>,
    spec: &'static KindSpec,
    table: &SqlTable,
    terms: &NarrowTerms,
    into: &mut Inserter<'_, '_>,
) -> Result<(), SqlError> {
    let [ids, accounts, regions] = ["id", "account", "region"].map(|column| terms.sets.get(column));
    rows.each(&spec.kind(), ids, |id, row| {
        let is_wanted = accounts.is_none_or(|wanted| wanted.contains(id.account.as_str()))
            && regions.is_none_or(|wanted| wanted.contains(id.region.as_str()));
        if !is_wanted {
            return Ok(());
        }
        into.insert(|place| table.columns.get(place).map_or(SqlCell::Null, |column| cell(column, id, row)))
    })
}

/// What a row has in a column.
fn cell<'a>(column: &Column, id: &'a ResourceId, row: &RowView<'a>) -> SqlCell<'a> {
    match column.field {
        Field::Id => SqlCell::Text(&id.id),
        Field::Name => row.name.map_or(SqlCell::Null, SqlCell::Text),
        Field::Account => SqlCell::Text(id.account.as_str()),
        Field::Region => SqlCell::Text(id.region.as_str()),
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
