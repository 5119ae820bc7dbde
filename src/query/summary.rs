//! How many resources there are.

use std::collections::BTreeMap;

use crate::model::{Kind, Scope};
use crate::store::{ReadError, Store};

/// How many resources of a kind there are, and in what states.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// All of them.
    pub total: u64,
    /// By the name of their state; empty for kinds without one.
    pub by_state: BTreeMap<String, u64>,
}

/// Counts one kind, in one scope or everywhere. `state` is the number of the filter that holds the state's name.
///
/// # Errors
/// When the store cannot be read.
pub fn counts(store: &Store, kind: &Kind, scope: Option<&Scope>, state: Option<u16>) -> Result<Counts, ReadError> {
    let total = store.snapshot()?.count(kind, scope)?;
    let by_state = match state {
        Some(number) => store.count_by(kind, scope, number)?,
        None => BTreeMap::new(),
    };
    Ok(Counts { total, by_state })
}
