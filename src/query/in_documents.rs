//! Filters whose values only documents hold: AWS documents far more filters than rows have room for.
//!
//! The other filters of a question decide first, by the index; the documents of what they leave are read one by one, about 20
//! microseconds each. So a question may leave at most [`MAX_READ`] resources to be read, or has to be narrowed.

use std::collections::BTreeSet;

use thiserror::Error;

use super::filter::{DocumentCondition, FilterError, Filters};
use crate::kinds::KindSpec;
use crate::model::{ResourceId, ScopeFilter};
use crate::store::{ReadError, Store};

/// The most documents that one question reads.
pub const MAX_READ: usize = 20_000;

/// Why filters on documents have no answer.
#[derive(Debug, Error)]
pub enum InDocumentsError {
    /// Too many documents would have to be read.
    #[error(
        "the filter {name} is looked up in descriptions one by one, of at most {MAX_READ} {plural} at a time, and {found} match the \
         other filters: add one that leaves fewer, such as {narrow}"
    )]
    TooMany {
        /// The filter.
        name: &'static str,
        /// The kind's name for several resources.
        plural: &'static str,
        /// How many resources the other filters leave.
        found: u64,
        /// Filters that narrow.
        narrow: &'static str,
    },
    /// No value of a filter can ever match.
    #[error(transparent)]
    Filter(#[from] FilterError),
    /// The store could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
}

/// The same filters, with those that only documents can decide replaced by the ids of the resources of `kind` that meet them.
/// Blocks while it reads.
///
/// # Errors
/// [`InDocumentsError`].
pub fn looked_up(
    store: &Store,
    kind: &'static KindSpec,
    scope: &ScopeFilter,
    mut filters: Filters,
) -> Result<Filters, InDocumentsError> {
    let conditions = filters.take_conditions();
    let Some(first) = conditions.first() else { return Ok(filters) };
    let found = store.scan(&kind.kind(), scope, filters.matcher(), None, MAX_READ)?;
    if found.total > MAX_READ as u64 {
        let narrow = if kind.filter("vpc-id").is_some() { "vpc-id or a tag" } else { "a tag or a state" };
        return Err(InDocumentsError::TooMany { name: first.name(), plural: kind.plural, found: found.total, narrow });
    }
    let ids = matching(store, &found.ids, &conditions)?;
    Ok(filters.and_ids(kind, ids, conditions.iter().map(|condition| (condition.name(), condition.values()))))
}

/// Those of `ids` whose documents meet every condition.
fn matching(
    store: &Store,
    ids: &[ResourceId],
    conditions: &[DocumentCondition],
) -> Result<BTreeSet<String>, InDocumentsError> {
    let snapshot = store.snapshot()?;
    let mut seen = vec![BTreeSet::new(); conditions.len()];
    let mut matching = BTreeSet::new();
    for id in ids {
        // One that the index names may be gone by now.
        let Some(current) = snapshot.current(id)? else { continue };
        let mut meets_all = true;
        for (condition, seen) in conditions.iter().zip(&mut seen) {
            let held = condition.held(&current.document);
            meets_all &= condition.is_met(&held);
            if condition.is_doubtful() {
                seen.extend(held);
            }
        }
        if meets_all {
            matching.insert(id.id.to_string());
        }
    }
    for (condition, seen) in conditions.iter().zip(&seen) {
        condition.refuse(seen)?;
    }
    Ok(matching)
}
