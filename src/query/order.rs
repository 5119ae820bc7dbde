//! Orders of rows by the values of a column, and the first rows of such an order.

use std::cmp::Ordering;

use super::column::KindColumn;
use crate::kinds::KindSpec;
use crate::model::{Form, ResourceId, Row, Timestamp};

/// An order of rows by a column. Rows without a value come last, rows with equal values stand in the order of their ids.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowOrder {
    column: KindColumn,
    descending: bool,
}

/// A value in its place: numbers by size, times by time, then what is not of the column's form by its text, and none at all at the
/// end.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum SortKey {
    Number(i128),
    Time(Timestamp),
    Text(String),
    Absent,
}

impl SortKey {
    fn of(form: Form, value: Option<&str>) -> Self {
        let Some(value) = value else { return SortKey::Absent };
        let read = match form {
            Form::Number | Form::Port | Form::Percent => {
                value.strip_suffix('%').unwrap_or(value).parse().ok().map(SortKey::Number)
            }
            Form::Time => Timestamp::parse(value).map(SortKey::Time),
            _ => None,
        };
        read.unwrap_or_else(|| SortKey::Text(value.to_owned()))
    }

    fn compare(&self, other: &Self, descending: bool) -> Ordering {
        let order = match (self, other) {
            // What has no value is last, whichever way.
            (SortKey::Absent, _) | (_, SortKey::Absent) => return self.cmp(other),
            _ => self.cmp(other),
        };
        if descending { order.reverse() } else { order }
    }
}

impl RowOrder {
    /// Reads the name of a column, with a hyphen before it for descending.
    ///
    /// # Errors
    /// The name of a column that the kind does not have.
    pub fn parse<'a>(kind: &KindSpec, written: &'a str) -> Result<Self, &'a str> {
        let (name, descending) = match written.strip_prefix('-') {
            Some(name) => (name.trim_start(), true),
            None => (written.strip_prefix('+').unwrap_or(written), false),
        };
        KindColumn::named(kind, name).map(|column| RowOrder { column, descending }).ok_or(name)
    }

    /// The column.
    #[must_use]
    pub fn column(&self) -> &KindColumn {
        &self.column
    }

    /// The order as it is written.
    #[must_use]
    pub fn written(&self) -> String {
        format!("{}{}", if self.descending { "-" } else { "" }, self.column.name)
    }

    /// The value by which a row is sorted: the first of several in this order.
    #[must_use]
    pub fn value<'r>(&self, row: &'r Row) -> Option<&'r str> {
        let key = |value: &&str| SortKey::of(self.column.form, Some(value));
        self.column.values(row).into_iter().min_by(|one, other| key(one).compare(&key(other), self.descending))
    }

    /// The place of a value, or of rows without any.
    #[must_use]
    pub fn place(&self, value: Option<&str>) -> OrderPlace {
        OrderPlace { key: self.key(value), descending: self.descending }
    }

    fn key(&self, value: Option<&str>) -> SortKey {
        SortKey::of(self.column.form, value)
    }
}

/// The place of a value in an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderPlace {
    key: SortKey,
    descending: bool,
}

impl Ord for OrderPlace {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key.compare(&other.key, self.descending)
    }
}

impl PartialOrd for OrderPlace {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// The least and the greatest of values of one form, by size or time; `None` where no value has the form.
pub fn extremes<'a>(form: Form, values: impl Iterator<Item = &'a str>) -> Option<(&'a str, &'a str)> {
    let mut placed: Vec<(SortKey, &str)> = values.map(|value| (SortKey::of(form, Some(value)), value)).collect();
    placed.retain(|(key, _)| !matches!(key, SortKey::Text(_) | SortKey::Absent));
    placed.sort_by(|(one, _), (other, _)| one.compare(other, false));
    Some((placed.first()?.1, placed.last()?.1))
}

/// The first rows of an order, at most so many, after one that is named by its value and id.
pub struct FirstRows<'a> {
    order: &'a RowOrder,
    after: Option<(SortKey, &'a ResourceId)>,
    limit: usize,
    kept: Vec<(SortKey, Row)>,
}

impl<'a> FirstRows<'a> {
    /// No rows yet.
    #[must_use]
    pub fn new(order: &'a RowOrder, after: Option<(Option<&str>, &'a ResourceId)>, limit: usize) -> Self {
        let after = after.map(|(value, id)| (order.key(value), id));
        FirstRows { order, after, limit, kept: Vec::new() }
    }

    /// Looks at a row.
    pub fn add(&mut self, row: Row) {
        let key = self.order.key(self.order.value(&row));
        let is_after = self
            .after
            .as_ref()
            .is_none_or(|(after, id)| key.compare(after, self.order.descending).then_with(|| row.id.cmp(id)).is_gt());
        if !is_after {
            return;
        }
        self.kept.push((key, row));
        if self.kept.len() > self.limit.saturating_mul(2).saturating_add(64) {
            self.cut();
        }
    }

    /// The rows, in order.
    #[must_use]
    pub fn rows(mut self) -> Vec<Row> {
        self.cut();
        self.kept.into_iter().map(|(_, row)| row).collect()
    }

    fn cut(&mut self) {
        let descending = self.order.descending;
        self.kept.sort_unstable_by(|(one, a), (other, b)| one.compare(other, descending).then_with(|| a.id.cmp(&b.id)));
        self.kept.truncate(self.limit);
    }
}

#[cfg(test)]
mod tests;
