//! Picks the account whose credentials a call uses, by the call's scope.

use std::collections::BTreeMap;

use crate::model::{AccountId, Scope};

/// One value per account, picked by the account of a scope.
///
/// There is one account for now: `others` stays empty until several can be configured.
#[derive(Debug)]
pub(super) struct Accounts<T> {
    /// The value for the configured credentials. Only AWS knows their account, and it may change, so it is used for every account
    /// without a value of its own; each answer is then checked against the account of the scope.
    home: T,
    others: BTreeMap<AccountId, T>,
}

impl<T> Accounts<T> {
    /// Holds a value for one account.
    pub(super) fn one(home: T) -> Self {
        Accounts { home, others: BTreeMap::new() }
    }

    /// The value for the configured credentials.
    pub(super) fn home(&self) -> &T {
        &self.home
    }

    /// The value for the account of `scope`.
    pub(super) fn of(&self, scope: &Scope) -> &T {
        self.others.get(&scope.account).unwrap_or(&self.home)
    }

    /// Applies `make` to each value.
    pub(super) async fn map<U>(&self, make: impl AsyncFn(&T) -> U) -> Accounts<U> {
        let mut others = BTreeMap::new();
        for (account, of) in &self.others {
            others.insert(account.clone(), make(of).await);
        }
        Accounts { home: make(&self.home).await, others }
    }

    /// What `make` makes of each value.
    pub(super) fn made<U>(self, make: impl Fn(T) -> U) -> Accounts<U> {
        let others = self.others.into_iter().map(|(account, of)| (account, make(of))).collect();
        Accounts { home: make(self.home), others }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Region;

    #[tokio::test]
    async fn a_scope_uses_its_own_account_and_else_the_configured_one() {
        let scope = |account: &str| Scope { account: AccountId::new(account), region: Region::new("us-east-1") };
        let others = BTreeMap::from([(AccountId::new("222222222222"), "theirs")]);
        let accounts = Accounts { home: "ours", others }.map(async |of| format!("{of}, pinned")).await;
        assert_eq!(accounts.of(&scope("222222222222")), "theirs, pinned");
        assert_eq!(accounts.of(&scope("111111111111")), "ours, pinned");
        assert_eq!(accounts.of(&scope("")), accounts.home(), "before AWS said whose the credentials are");
    }
}
