//! A row that is only looked at.

use crate::model::{Row, RowFields, Seq};

/// What a row says, without a copy of it.
pub struct RowView<'a> {
    /// The resource's name, as AWS gave it (hostile until shown).
    pub name: Option<&'a str>,
    /// The record that changed the resource last.
    pub changed: Seq,
    /// The values of filters, by the filter's number.
    pub facets: Vec<(u16, &'a str)>,
    /// The tags.
    pub tags: Vec<(&'a str, &'a str)>,
}

impl<'a> RowView<'a> {
    /// A look at a row.
    #[must_use]
    pub fn of(row: &'a Row) -> Self {
        let RowFields { name, facets, tags, .. } = &row.fields;
        RowView {
            name: name.as_deref(),
            changed: row.changed,
            facets: facets.iter().map(|(number, value)| (*number, value.as_str())).collect(),
            tags: tags.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect(),
        }
    }
}
