//! Counts the resources of a kind by state.

use std::collections::BTreeMap;

use crate::model::{Kind, ScopeFilter};
use crate::store::{On, ReadError, Store};

/// How many resources of a kind there are, and in what states.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StateCounts {
    /// All of them.
    pub total: u64,
    /// By the name of their state; empty for kinds without one.
    pub by_state: BTreeMap<String, u64>,
}

/// How often counting starts again when a commit comes in between.
const TRIES: usize = 3;

/// Counts one kind, in some scopes or everywhere. `state` is the number of the filter that holds the state's name. Total and states
/// agree except for damaged rows, which have no state. If commits keep them from being read at one moment, the states are left
/// out.
///
/// # Errors
/// When the store cannot be read.
pub fn counts(store: &Store, kind: &Kind, scope: &ScopeFilter, state: Option<u16>) -> Result<StateCounts, ReadError> {
    let mut total = store.count(&store.snapshot()?, kind, scope)?;
    let Some(number) = state else { return Ok(StateCounts { total, by_state: BTreeMap::new() }) };
    for _ in 0..TRIES {
        let by_state = store.count_by(kind, scope, &On::Facet(number))?;
        let stated = by_state.values().sum::<u64>();
        if stated <= total && total - stated <= store.damaged_rows(kind, scope) {
            return Ok(StateCounts { total, by_state });
        }
        total = store.count(&store.snapshot()?, kind, scope)?;
    }
    Ok(StateCounts { total, by_state: BTreeMap::new() })
}
