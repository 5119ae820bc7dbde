//! Counts resources exactly, in groups, now or at a point in the past.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use super::filter::Filters;
use super::moment::{PastError, Point};
use super::past;
use crate::model::{Kind, Row, Scope, Seq};
use crate::store::Store;

/// What to group resources by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Grouping {
    /// The values of the filter with this number.
    Facet(u16),
    /// The value of the tag with this key.
    Tag(String),
}

/// How many resources match, in groups.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GroupedCounts {
    /// All that match.
    pub total: u64,
    /// The number of resources for each value. A resource with several values counts for each.
    pub groups: BTreeMap<String, u64>,
    /// How many have no value.
    pub without: u64,
    /// Whether a first sweep was under way at that point in the past, which had not shown everything yet.
    pub partial: bool,
}

impl Grouping {
    fn values<'r>(&self, row: &'r Row) -> BTreeSet<&'r str> {
        match self {
            Grouping::Facet(wanted) => {
                let facets = row.fields.facets.iter().filter(|(number, _)| number == wanted);
                facets.map(|(_, value)| value.as_str()).collect()
            }
            Grouping::Tag(wanted) => {
                let tags = row.fields.tags.iter().filter(|(key, _)| key == wanted);
                tags.map(|(_, value)| value.as_str()).collect()
            }
        }
    }
}

/// Counts the matching resources of a kind, in one scope or everywhere, at the seq that is returned or at `point`. A current
/// count without groups comes from the index; others read every row, at about a millisecond per thousand.
///
/// # Errors
/// When the log does not reach back to `point`, or the store cannot be read.
pub fn tally(
    store: &Store,
    kind: &Kind,
    scope: Option<&Scope>,
    filters: &Filters,
    grouping: Option<&Grouping>,
    point: Option<Point>,
) -> Result<(GroupedCounts, Seq), PastError> {
    let snapshot = store.snapshot()?;
    let mut tally = GroupedCounts::default();
    if (grouping, point) == (None, None) {
        if filters.is_empty() {
            tally.total = snapshot.count(kind, scope)?;
            return Ok((tally, snapshot.seq()));
        }
        if let Some(found) = store.index().scan(kind, scope, filters.matcher(), None, 0) {
            tally.total = found.total;
            return Ok((tally, found.seq));
        }
    }
    // The count is for one point, however many snapshots the walk takes.
    let point = match point {
        Some(point) => point,
        // This is after every scope stopped being watched, so that those scopes are left out.
        None => Point { at: snapshot.newest_time()?, seq: snapshot.seq() },
    };
    drop(snapshot);
    let partial = past::each(store, kind, scope, point, None, |row| {
        if filters.matcher().matches(&row.fields) {
            tally.add(grouping, &row);
        }
        ControlFlow::Continue(())
    })?;
    Ok((GroupedCounts { partial, ..tally }, point.seq))
}

impl GroupedCounts {
    fn add(&mut self, grouping: Option<&Grouping>, row: &Row) {
        self.total += 1;
        let Some(grouping) = grouping else { return };
        let values = grouping.values(row);
        if values.is_empty() {
            self.without += 1;
        }
        for value in values {
            match self.groups.get_mut(value) {
                Some(count) => *count += 1,
                None => drop(self.groups.insert(value.to_owned(), 1)),
            }
        }
    }
}
