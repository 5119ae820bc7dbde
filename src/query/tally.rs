//! Counts resources exactly and adds up their numbers, in groups, now or at a point in the past.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use super::column::{ColumnValue, KindColumn};
use super::filter::Filters;
use super::lent::lender;
use super::moment::{PastError, Point};
use super::selection::MatchingRows;
use crate::model::{Kind, Row, ScopeFilter, Seq};
use crate::store::{On, Store};

/// What to group resources by, and what to add up of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Breakdown {
    /// The columns whose values make the groups.
    pub by: Vec<KindColumn>,
    /// The column whose numbers are added up.
    pub sum: Option<KindColumn>,
}

/// How many resources there are, and the sum of their numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct GroupSize {
    /// How many.
    pub count: u64,
    /// The sum; 0 where nothing is added up.
    pub sum: u64,
}

/// The values of a group, in the order of the columns; `None` where its resources have no value.
pub type GroupKey = Vec<Option<String>>;

/// How many resources match, in groups.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GroupedCounts {
    /// All that match.
    pub total: GroupSize,
    /// The resources with the same values. A resource with several values counts in the group of each.
    pub groups: BTreeMap<GroupKey, GroupSize>,
    /// How many have no number to add up.
    pub without_number: u64,
    /// Whether a first sweep was under way at that point in the past, which had not shown everything yet.
    pub partial: bool,
}

/// The groups that are not among the first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OtherGroups {
    /// How many groups there are.
    pub groups: usize,
    /// The resources in them.
    pub size: GroupSize,
}

/// Counts the matching resources of a kind, in some scopes or everywhere, at the seq that is returned or at `point`. A current
/// count comes from the index, unless it is by names or ids that do not stand there; others read every row.
///
/// # Errors
/// When the log does not reach back to `point`, or the store cannot be read.
pub fn tally(
    store: &Store,
    kind: &Kind,
    scope: &ScopeFilter,
    filters: &Filters,
    breakdown: &Breakdown,
    point: Option<Point>,
) -> Result<(GroupedCounts, Seq), PastError> {
    let mut tally = GroupedCounts::default();
    if *breakdown == Breakdown::default() && point.is_none() {
        let snapshot = store.snapshot()?;
        if filters.is_empty() {
            tally.total.count = store.count(&snapshot, kind, scope)?;
            return Ok((tally, snapshot.seq()));
        }
        if let Some(found) = store.find(kind, scope, filters.matcher(), None, 0) {
            tally.total.count = found.total;
            return Ok((tally, found.seq));
        }
    }
    if point.is_none()
        && let Some(by) = indexed(kind, breakdown)
        && let Some((alike, seq)) = store.alike(kind, scope, filters.matcher(), by.as_slice())
    {
        let on = |column: &KindColumn| indexed_value(kind, column);
        for rows in &alike {
            tally.add_alike(breakdown, rows.count, |column| on(column).map_or_else(Vec::new, |on| rows.values(&on)));
        }
        return Ok((tally, seq));
    }
    let is_lent = breakdown.by.iter().any(KindColumn::is_lent);
    let selection = MatchingRows { kind, scope, filters, point, is_lent };
    let (seq, partial) = selection.each(store, |row| tally.add(breakdown, &row))?;
    Ok((GroupedCounts { partial, ..tally }, seq))
}

/// Where the index has the values of all columns of a breakdown; `None` where it has not.
fn indexed(kind: &Kind, breakdown: &Breakdown) -> Option<Vec<On>> {
    breakdown.by.iter().chain(&breakdown.sum).map(|column| indexed_value(kind, column)).collect()
}

/// Where the index has the values of a column. Names and tags that are another resource's are not there, nor are ids.
fn indexed_value(kind: &Kind, column: &KindColumn) -> Option<On> {
    if column.is_lent() && lender(kind).is_some() {
        return None;
    }
    match &column.value {
        ColumnValue::Filtered(on) => Some(on.clone()),
        ColumnValue::Id | ColumnValue::Name => None,
    }
}

impl GroupSize {
    fn add(&mut self, other: GroupSize) {
        self.count += other.count;
        self.sum = self.sum.saturating_add(other.sum);
    }
}

impl GroupedCounts {
    /// Counts a row.
    pub fn add(&mut self, breakdown: &Breakdown, row: &Row) {
        self.add_alike(breakdown, 1, |column| column.values(row));
    }

    /// Counts so many rows that all have these values in the columns.
    fn add_alike<'r>(&mut self, breakdown: &Breakdown, count: u64, values: impl Fn(&KindColumn) -> Vec<&'r str>) {
        let number =
            breakdown.sum.as_ref().map(|column| values(column).first().and_then(|number| number.parse::<u64>().ok()));
        if number == Some(None) {
            self.without_number += count;
        }
        let size = GroupSize { count, sum: number.flatten().unwrap_or(0).saturating_mul(count) };
        self.total.add(size);
        if breakdown.by.is_empty() {
            return;
        }
        for key in keys(breakdown.by.iter().map(values)) {
            self.groups.entry(key).or_default().add(size);
        }
    }

    /// Changes the values of the column at `place`, of which each resource has one: groups that are alike then are one.
    pub fn rename(&mut self, place: usize, name: impl Fn(&str) -> Option<String>) {
        for (mut key, size) in std::mem::take(&mut self.groups) {
            if let Some(value) = key.get_mut(place) {
                *value = value.as_deref().and_then(&name);
            }
            self.groups.entry(key).or_default().add(size);
        }
    }

    /// The largest groups, at most `count` (by their sums where numbers are added up), and the others together. Equal ones stand
    /// in the order of their values.
    #[must_use]
    pub fn largest(&self, breakdown: &Breakdown, count: usize) -> (Vec<(&GroupKey, GroupSize)>, OtherGroups) {
        let mut groups: Vec<(&GroupKey, GroupSize)> = self.groups.iter().map(|(key, size)| (key, *size)).collect();
        let by_sum = breakdown.sum.is_some();
        groups.sort_by_key(|(_, size)| Reverse(if by_sum { (size.sum, size.count) } else { (size.count, 0) }));
        let rest = groups.split_off(groups.len().min(count));
        (groups, OtherGroups::of(rest.into_iter().map(|(_, size)| size)))
    }
}

impl OtherGroups {
    /// Adds others.
    pub fn add(&mut self, other: OtherGroups) {
        self.groups += other.groups;
        self.size.add(other.size);
    }

    /// These together.
    #[must_use]
    pub fn of(sizes: impl Iterator<Item = GroupSize>) -> Self {
        sizes.fold(OtherGroups::default(), |mut others, size| {
            others.groups += 1;
            others.size.add(size);
            others
        })
    }
}

/// The groups of a row with these values in the columns: one for each combination of them.
fn keys<'r>(columns: impl Iterator<Item = Vec<&'r str>>) -> Vec<GroupKey> {
    columns.fold(vec![Vec::new()], |keys, values| {
        let values: BTreeSet<&str> = values.into_iter().collect();
        let values: Vec<Option<&str>> =
            if values.is_empty() { vec![None] } else { values.into_iter().map(Some).collect() };
        let longer = |key: &GroupKey| {
            let each = values.iter().map(|value| key.iter().cloned().chain([value.map(str::to_owned)]).collect());
            each.collect::<Vec<GroupKey>>()
        };
        keys.iter().flat_map(longer).collect()
    })
}

#[cfg(test)]
mod tests;
