//! How many resources there are.

use std::collections::BTreeMap;

use super::filter::Place;
use crate::model::{Kind, ResourceId, Scope};
use crate::store::{ReadError, Snapshot};

/// Rows read from the store at once.
const STEP: usize = 1000;

/// How many resources of a kind there are, and in what states.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// All of them.
    pub total: u64,
    /// By the name of their state; empty for kinds without one.
    pub by_state: BTreeMap<String, u64>,
}

/// Counts one kind, in one scope or everywhere. `state` says where rows hold the state's name; with it, every row is read.
///
/// # Errors
/// When the store cannot be read.
pub fn counts(
    snapshot: &Snapshot,
    kind: &Kind,
    scope: Option<&Scope>,
    state: Option<Place>,
) -> Result<Counts, ReadError> {
    let Some(state) = state else {
        return Ok(Counts { total: snapshot.count(kind, scope)?, by_state: BTreeMap::new() });
    };
    let mut counts = Counts::default();
    let mut position: Option<ResourceId> = None;
    loop {
        let rows = snapshot.rows(kind, scope, position.as_ref(), STEP)?;
        let Some(last) = rows.last() else { return Ok(counts) };
        position = Some(last.id.clone());
        for row in &rows {
            counts.total += 1;
            let name = state.values(row).next().unwrap_or("unknown");
            match counts.by_state.get_mut(name) {
                Some(count) => *count += 1,
                None => drop(counts.by_state.insert(name.to_owned(), 1)),
            }
        }
    }
}
