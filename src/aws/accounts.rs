//! Picks the account whose credentials a call uses, by the call's scope.

use std::collections::BTreeMap;
use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::model::{AccountId, Scope};

/// One value per account, picked by the account of a scope.
#[derive(Debug)]
pub(super) struct Accounts<T> {
    /// The value for the configured credentials. Only AWS knows their account, and it may change, so it is used for every account
    /// without a value of its own; each answer is then checked against the account of the scope. Where several accounts are
    /// watched, this one makes no call for a scope: it is not [`usable`](super::account::Account::usable).
    home: Arc<T>,
    /// The values for the accounts that are watched beside one another, once AWS named them.
    others: ArcSwap<BTreeMap<AccountId, Arc<T>>>,
}

impl<T> Accounts<T> {
    /// Holds a value for one account.
    pub(super) fn one(home: T) -> Self {
        Accounts { home: Arc::new(home), others: ArcSwap::default() }
    }

    /// The value for the configured credentials.
    pub(super) fn home(&self) -> &Arc<T> {
        &self.home
    }

    /// The value for the account of `scope`.
    pub(super) fn of(&self, scope: &Scope) -> Arc<T> {
        Arc::clone(self.others.load().get(&scope.account).unwrap_or(&self.home))
    }

    /// Uses `value` for an account from now on.
    pub(super) fn put(&self, account: &AccountId, value: &Arc<T>) {
        self.others.rcu(|others| {
            let mut others = BTreeMap::clone(others);
            others.insert(account.clone(), Arc::clone(value));
            others
        });
    }

    /// Uses `value` for no account any more.
    pub(super) fn take(&self, value: &Arc<T>) {
        self.others.rcu(|others| {
            let mut others = BTreeMap::clone(others);
            others.retain(|_, known| !Arc::ptr_eq(known, value));
            others
        });
    }

    /// The values of accounts that are watched beside one another.
    pub(super) fn others(&self) -> Arc<BTreeMap<AccountId, Arc<T>>> {
        self.others.load_full()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Region;

    #[test]
    fn a_scope_uses_its_own_account_and_else_the_configured_one() {
        let scope = |account: &str| Scope { account: AccountId::new(account), region: Region::new("us-east-1") };
        let accounts = Accounts::one("ours");
        let (theirs, later) = (Arc::new("theirs"), Arc::new("theirs, later"));
        accounts.put(&scope("222222222222").account, &theirs);
        assert_eq!(*accounts.of(&scope("222222222222")), "theirs");
        assert_eq!(*accounts.of(&scope("111111111111")), "ours");
        assert_eq!(accounts.of(&scope("")), *accounts.home(), "before AWS said whose the credentials are");
        accounts.put(&scope("222222222222").account, &later);
        accounts.take(&theirs);
        assert_eq!(*accounts.of(&scope("222222222222")), "theirs, later", "another one took its place before");
        accounts.take(&later);
        assert_eq!(*accounts.of(&scope("222222222222")), "ours");
    }
}
