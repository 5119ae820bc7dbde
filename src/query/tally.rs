//! Exact counts, in groups, now or at a point in the past.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use super::filter::Filters;
use super::moment::{PastError, Point};
use super::past;
use crate::model::{Kind, Row, Scope, Seq};
use crate::store::Store;

/// What resources are counted by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Grouping {
    /// The values of the filter with this number.
    Facet(u16),
    /// The value of the tag with this key.
    Tag(String),
}

/// How many resources there are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GroupedCounts {
    /// All that match.
    pub total: u64,
    /// By value. A resource with several values counts for each.
    pub groups: BTreeMap<String, u64>,
    /// Those without any value.
    pub without: u64,
    /// Whether a first sweep was under way at that moment of the past, which had not shown everything yet.
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

/// Counts the resources of a kind that match, in one scope or everywhere, at one moment: that of the seq which is returned,
/// or of `point`. Without groups, and now, it asks the index; else it reads every row, about a millisecond a thousand.
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
    // One moment, however many snapshots the walk takes: the log's end now is a point like any other.
    let point = match point {
        Some(point) => point,
        // Later than any scope was given up, so that those which are no longer watched are left out.
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
