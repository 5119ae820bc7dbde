//! What tables hold that the store does not know: how fresh each kind is in each scope, and list prices.

use std::sync::Arc;

use crate::model::{Scope, Timestamp};
use crate::query::prices::PriceTable;

/// What is not read from the store.
#[derive(Clone, Debug, Default)]
pub struct Outside {
    /// The rows of the table `freshness`.
    pub freshness: Vec<FreshnessRow>,
    /// The rows of the table `price`; none without a table.
    pub prices: Option<Arc<PriceTable>>,
}

/// How fresh one kind is in one scope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FreshnessRow {
    /// The kind's slug.
    pub kind: &'static str,
    /// Where.
    pub scope: Scope,
    /// When everything of it was last confirmed.
    pub as_of: Option<Timestamp>,
    /// Why it may be out of date; `None` while it is fresh.
    pub stale: Option<String>,
    /// Whether it was ever seen completely.
    pub is_complete: bool,
}
