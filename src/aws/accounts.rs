//! Which account's credentials a call for a scope is made with.

use std::collections::BTreeMap;

use crate::model::{AccountId, Scope};

/// Something that each account has one of, picked by the account of a scope.
///
/// One account, for now: `others` is filled once several can be configured.
#[derive(Debug)]
pub(super) struct Accounts<T> {
    /// That of the configured credentials. AWS alone knows whose they are, and they may change, so it stands for every account
    /// that has none of its own; each answer is then held to the account of the scope.
    home: T,
    others: BTreeMap<AccountId, T>,
}

impl<T> Accounts<T> {
    /// One account.
    pub(super) fn one(home: T) -> Self {
        Accounts { home, others: BTreeMap::new() }
    }

    /// That of the configured credentials.
    pub(super) fn home(&self) -> &T {
        &self.home
    }

    /// That of the account of `scope`.
    pub(super) fn of(&self, scope: &Scope) -> &T {
        self.others.get(&scope.account).unwrap_or(&self.home)
    }

    /// What `make` makes of each.
    pub(super) async fn map<U>(&self, make: impl AsyncFn(&T) -> U) -> Accounts<U> {
        let mut others = BTreeMap::new();
        for (account, of) in &self.others {
            others.insert(account.clone(), make(of).await);
        }
        Accounts { home: make(&self.home).await, others }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Region;

    #[tokio::test]
    async fn a_scope_is_asked_as_its_own_account_and_as_the_configured_one_where_no_other_is_known() {
        let scope = |account: &str| Scope { account: AccountId::new(account), region: Region::new("us-east-1") };
        let others = BTreeMap::from([(AccountId::new("222222222222"), "theirs")]);
        let accounts = Accounts { home: "ours", others }.map(async |of| format!("{of}, pinned")).await;
        assert_eq!(accounts.of(&scope("222222222222")), "theirs, pinned");
        assert_eq!(accounts.of(&scope("111111111111")), "ours, pinned");
        assert_eq!(accounts.of(&scope("")), accounts.home(), "before AWS said whose the credentials are");
    }
}
