//! Which resource a row is of.

use crate::model::{AccountId, Kind, Region, ResourceId, Scope};

/// Which resource a row is of, without a copy of its id.
#[derive(Clone, Copy)]
pub(super) struct RowKey<'a> {
    kind: &'a Kind,
    /// Its id.
    pub(super) id: &'a str,
    /// The observing account.
    pub(super) account: &'a str,
    /// The region.
    pub(super) region: &'a str,
}

impl<'a> RowKey<'a> {
    pub(super) fn new(kind: &'a Kind, scope: &'a Scope, id: &'a str) -> Self {
        RowKey { kind, id, account: scope.account.as_str(), region: scope.region.as_str() }
    }

    pub(super) fn of(id: &'a ResourceId) -> Self {
        RowKey { kind: &id.kind, id: &id.id, account: id.account.as_str(), region: id.region.as_str() }
    }

    /// The resource.
    pub(super) fn owned(&self) -> ResourceId {
        let scope = Scope { account: AccountId::new(self.account), region: Region::new(self.region) };
        ResourceId::new(&scope, self.kind, self.id)
    }
}
