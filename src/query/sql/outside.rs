//! What tables hold that the store does not know: how fresh and complete each kind is in each scope, and list prices.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::kinds::{INTERNET_GATEWAY, KindSpec, NETWORK_ACL, NETWORK_INTERFACE, ROUTE_TABLE, SECURITY_GROUP, SUBNET};
use crate::model::{AccountId, Scope, Timestamp};
use crate::query::prices::PriceTable;

/// What is not read from the store.
#[derive(Clone, Debug, Default)]
pub struct Outside {
    /// The rows of the table `freshness`.
    pub freshness: Vec<FreshnessRow>,
    /// The rows of the table `account`.
    pub accounts: Vec<AccountRow>,
    /// The rows of the table `price`; none without a table.
    pub prices: Option<Arc<PriceTable>>,
    /// The slugs of the kinds of which no table holds anything, because they are not watched.
    pub left_out: BTreeSet<&'static str>,
    /// Why what is held cannot be relied on, by scope and the kind's slug, of the kinds that [`Outside::ASKED`] names. What is not
    /// named can be.
    pub doubts: BTreeMap<(Scope, &'static str), String>,
}

impl Outside {
    /// The kinds on whose completeness the table `exposure` depends.
    pub const ASKED: [&'static KindSpec; 6] =
        [NETWORK_INTERFACE, SUBNET, SECURITY_GROUP, NETWORK_ACL, ROUTE_TABLE, INTERNET_GATEWAY];

    /// Why what is held of a kind cannot be relied on.
    pub(super) fn unsure(&self, scope: &Scope, kind: &KindSpec) -> Option<String> {
        self.doubts.get(&(scope.clone(), kind.slug)).cloned()
    }
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
    /// `covered`, `pending` or `failed`.
    pub standing: &'static str,
    /// The cause of its failure, as an error code or in words; `None` while nothing fails.
    pub cause: Option<String>,
}

/// One account that is watched, is meant to be, or was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountRow {
    /// Its number, where it is known.
    pub account: Option<AccountId>,
    /// Its name, if anybody says.
    pub name: Option<String>,
    /// The organizational units above it, if anybody says.
    pub ou: Option<String>,
    /// How many of its regions are watched.
    pub regions: usize,
    /// How many of these were seen completely, in all kinds.
    pub covered: usize,
    /// How many have a kind whose first sweep is not complete.
    pub pending: usize,
    /// How many have a kind that could not be looked at.
    pub failed: usize,
    /// When everything of those that were seen was last confirmed.
    pub as_of: Option<Timestamp>,
    /// The cause that most of those have that failed.
    pub cause: Option<String>,
    /// `watched`, `pending`, `failed`, `unreached` or `retired`.
    pub state: &'static str,
    /// Why, unless it is watched.
    pub reason: Option<String>,
}
