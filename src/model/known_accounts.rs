//! What people call the accounts that are or were watched, and where they stand in their organization.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{AccountId, Timestamp};

/// The accounts that are or were watched, by number.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KnownAccounts(BTreeMap<AccountId, KnownAccount>);

/// What is known of an account besides its number. Names come from other people: they are data, and hostile until shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KnownAccount {
    /// Its name.
    pub name: Option<Arc<str>>,
    /// The names of the organizational units above it, from the root down, such as `/Workloads/Production`; `None` where nobody
    /// says.
    pub ou: Option<Arc<str>>,
    /// When it stopped being watched, and why; `None` while it is meant to be watched.
    pub retired: Option<AccountRetirement>,
}

/// That an account stopped being watched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountRetirement {
    /// When that was noticed.
    pub at: Timestamp,
    /// The cause, to stand after a colon.
    pub cause: Arc<str>,
}

impl KnownAccounts {
    /// The accounts with these facts.
    #[must_use]
    pub fn new(accounts: impl IntoIterator<Item = (AccountId, KnownAccount)>) -> Self {
        KnownAccounts(accounts.into_iter().collect())
    }

    /// What is known of an account.
    #[must_use]
    pub fn of(&self, account: &AccountId) -> Option<&KnownAccount> {
        self.0.get(account)
    }

    /// All of them, by number.
    pub fn each(&self) -> impl Iterator<Item = (&AccountId, &KnownAccount)> {
        self.0.iter()
    }

    /// The accounts that `text` means: the one of this number, or all of this name, whatever its letter case.
    pub fn called(&self, text: &str) -> impl Iterator<Item = &AccountId> {
        let is_meant = move |account: &AccountId, known: &KnownAccount| {
            account.as_str() == text || known.name.as_ref().is_some_and(|name| name.eq_ignore_ascii_case(text))
        };
        self.0.iter().filter(move |(account, known)| is_meant(account, known)).map(|(account, _)| account)
    }

    /// The accounts below an organizational unit, given by its path such as `/Workloads` or by its own name.
    pub fn below(&self, ou: &str) -> impl Iterator<Item = &AccountId> {
        let is_path = ou.starts_with('/');
        let wanted: Vec<&str> = ou.split('/').filter(|name| !name.is_empty()).collect();
        let is_below = move |path: &str| {
            let names: Vec<&str> = path.split('/').filter(|name| !name.is_empty()).collect();
            let is_at = |names: &[&str]| {
                names.len() >= wanted.len() && names.iter().zip(&wanted).all(|(a, b)| a.eq_ignore_ascii_case(b))
            };
            if is_path { is_at(&names) } else { (0..names.len()).any(|first| names.get(first..).is_some_and(is_at)) }
        };
        let found = self.0.iter().filter(move |(_, known)| known.ou.as_deref().is_some_and(&is_below));
        found.map(|(account, _)| account)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known() -> KnownAccounts {
        let account = |number: &str, name: &str, ou: &str| {
            (AccountId::new(number), KnownAccount { name: Some(name.into()), ou: Some(ou.into()), retired: None })
        };
        KnownAccounts::new([
            account("111111111111", "Prod", "/Workloads/Production"),
            account("222222222222", "dev", "/Workloads/Development"),
            account("333333333333", "dev", "/Sandbox"),
        ])
    }

    fn numbers<'a>(found: impl Iterator<Item = &'a AccountId>) -> Vec<&'a str> {
        found.map(AccountId::as_str).collect()
    }

    #[test]
    fn an_account_is_meant_by_its_number_or_its_name() {
        let known = known();
        assert_eq!(numbers(known.called("111111111111")), ["111111111111"]);
        assert_eq!(numbers(known.called("prod")), ["111111111111"]);
        assert_eq!(numbers(known.called("DEV")), ["222222222222", "333333333333"]);
        assert!(numbers(known.called("production")).is_empty());
    }

    #[test]
    fn a_unit_holds_what_is_below_it_and_is_found_by_path_or_name() {
        let known = known();
        assert_eq!(numbers(known.below("/workloads")), ["111111111111", "222222222222"]);
        assert_eq!(numbers(known.below("/Workloads/Production")), ["111111111111"]);
        assert_eq!(numbers(known.below("development")), ["222222222222"]);
        assert!(numbers(known.below("/Production")).is_empty());
        assert!(numbers(known.below("Work")).is_empty());
    }
}
