//! The columns of a kind's resources: what searches show and sort by, and what counts group by and add up.

use std::borrow::Cow;

use crate::kinds::KindSpec;
use crate::model::{Form, Row};
use crate::query::filter_name;
use crate::store::On;

/// A column of one kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KindColumn {
    /// The name under which it was asked for.
    pub name: String,
    /// Where its values are.
    pub value: ColumnValue,
    /// What its values look like.
    pub form: Form,
    /// Whether a resource can have several values.
    pub is_many: bool,
}

/// Where the values of a column are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ColumnValue {
    /// The resource's id.
    Id,
    /// The resource's name.
    Name,
    /// What a filter of the same name matches.
    Filtered(On),
}

/// The columns that every kind has beside those of its filters and tags.
pub const COMMON: [&str; 4] = ["id", "name", "account", "region"];

impl KindColumn {
    /// The column of this name: the name of a default column or of a filter in any of its spellings, `tag:KEY`, `tag-key`, or one
    /// of [`COMMON`].
    #[must_use]
    pub fn named(kind: &KindSpec, name: &str) -> Option<Self> {
        let common = || COMMON.iter().find(|common| common.eq_ignore_ascii_case(name));
        let column = KindColumn::exactly(kind, name)
            .or_else(|| KindColumn::exactly(kind, common()?))
            .or_else(|| KindColumn::exactly(kind, &filter_name::meant(kind, name)?))?;
        Some(KindColumn { name: name.to_owned(), ..column })
    }

    fn exactly(kind: &KindSpec, name: &str) -> Option<Self> {
        let one = |value, form| Some(KindColumn { name: name.to_owned(), value, form, is_many: false });
        if let Some(key) = name.strip_prefix("tag:") {
            return one(ColumnValue::Filtered(On::Tag(key.to_owned())), Form::Text);
        }
        if let Some(filter) = kind.filter(kind.filter_of_column(name).unwrap_or(name)) {
            let value = ColumnValue::Filtered(On::Facet(filter.number));
            return Some(KindColumn { name: name.to_owned(), value, form: filter.form, is_many: filter.is_many });
        }
        match name {
            "id" => one(ColumnValue::Id, Form::Text),
            "name" => Some(KindColumn::of_names()),
            "account" => one(ColumnValue::Filtered(On::Account), Form::Account),
            "region" => one(ColumnValue::Filtered(On::Region), Form::Text),
            "tag-key" => Some(KindColumn { is_many: true, ..one(ColumnValue::Filtered(On::TagKey), Form::Text)? }),
            _ => None,
        }
    }

    /// The column of names.
    #[must_use]
    pub fn of_names() -> Self {
        KindColumn { name: "name".to_owned(), value: ColumnValue::Name, form: Form::Text, is_many: false }
    }

    /// The columns of a kind that can be added up: whole numbers, of which each resource has one.
    pub fn numbers(kind: &KindSpec) -> impl Iterator<Item = &'static str> {
        let is_number = |filter: &&crate::kinds::Filter| filter.form == Form::Number && !filter.is_many;
        kind.filters.iter().filter(is_number).map(|filter| filter.name)
    }

    /// Whether its values are those of tags or names, which a status has from its instance.
    #[must_use]
    pub fn is_lent(&self) -> bool {
        matches!(&self.value, ColumnValue::Name | ColumnValue::Filtered(On::Tag(_) | On::TagKey))
    }

    /// The values of a row.
    #[must_use]
    pub fn values<'r>(&self, row: &'r Row) -> Vec<&'r str> {
        match &self.value {
            ColumnValue::Id => vec![&row.id.id],
            ColumnValue::Name => row.fields.name.as_deref().into_iter().collect(),
            ColumnValue::Filtered(on) => on.values(row).collect(),
        }
    }

    /// The values of a row as one text, empty where it has none.
    #[must_use]
    pub fn text<'r>(&self, row: &'r Row) -> Cow<'r, str> {
        match self.values(row).as_slice() {
            [] => Cow::Borrowed(""),
            [one] => Cow::Borrowed(*one),
            several => Cow::Owned(several.join(",")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::{INSTANCE, SNAPSHOT, VOLUME, by_slug};

    #[test]
    fn a_column_is_found_by_the_names_of_searches_and_of_filters() {
        let value = |name: &str| KindColumn::named(INSTANCE, name).map(|column| column.value);
        assert_eq!(value("state"), value("instance-state-name"));
        assert_eq!(value("region"), Some(ColumnValue::Filtered(On::Region)));
        assert_eq!(value("tag:a,b"), Some(ColumnValue::Filtered(On::Tag("a,b".to_owned()))));
        assert_eq!((value("InstanceType"), value("ID")), (value("instance-type"), Some(ColumnValue::Id)));
        assert_eq!((value("name"), value("colour")), (Some(ColumnValue::Name), None));
        let image = KindColumn::named(by_slug("image").unwrap(), "name").unwrap();
        assert!(matches!(image.value, ColumnValue::Filtered(On::Facet(_))), "AWS's filter has that name: {image:?}");
    }

    #[test]
    fn only_single_whole_numbers_are_added_up() {
        let of = |kind| KindColumn::numbers(kind).collect::<Vec<_>>();
        assert_eq!((of(VOLUME), of(SNAPSHOT)), (vec!["size"], vec!["volume-size"]));
        assert_eq!((of(INSTANCE), of(by_slug("image").unwrap())), (Vec::new(), Vec::new()));
    }
}
