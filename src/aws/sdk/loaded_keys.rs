//! The keys that were loaded last, by their id, and the account that they are known to belong to.

use std::sync::Arc;

use arc_swap::ArcSwap;
use aws_credential_types::Credentials;
use aws_credential_types::provider::future::ProvideCredentials as Provided;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};

use crate::model::AccountId;

/// How many keys are remembered. Those that were in use when newer ones were loaded may still be signing.
const REMEMBERED: usize = 4;

/// A key, by its id, and what AWS said of its account.
#[derive(Clone, Debug)]
struct KnownKey {
    id: String,
    /// The account that STS named, or AWS with the key.
    proved: Option<AccountId>,
    /// The account that EC2 showed as the owner of what the key sees.
    shown: Option<AccountId>,
}

impl KnownKey {
    fn new(id: &str) -> Self {
        KnownKey { id: id.to_owned(), proved: None, shown: None }
    }

    fn belongs(&self, account: &AccountId) -> bool {
        self.proved.as_ref().or(self.shown.as_ref()) == Some(account)
    }
}

/// The keys that were loaded last, the newest at the end. An access key belongs to one account for as long as it lives. Clones share
/// them.
#[derive(Clone, Debug, Default)]
pub(in crate::aws) struct LoadedKeys(Arc<ArcSwap<Vec<KnownKey>>>);

impl LoadedKeys {
    /// Notes that a key was loaded, and its account where AWS named it with the key. What was known of it before still counts.
    pub(super) fn note(&self, id: &str, account: Option<&AccountId>) {
        self.0.rcu(|known| {
            let (same, mut keys): (Vec<_>, Vec<_>) = known.iter().cloned().partition(|key| key.id == id);
            let before = same.into_iter().next().unwrap_or_else(|| KnownKey::new(id));
            keys.push(KnownKey { proved: account.cloned().or(before.proved.clone()), ..before });
            keys.drain(..keys.len().saturating_sub(REMEMBERED));
            keys
        });
    }

    /// The key that was loaded last; `None` before the first.
    pub(in crate::aws) fn key(&self) -> Option<String> {
        self.0.load().last().map(|key| key.id.clone())
    }

    /// The key that was loaded last, if it is that of calls since `before` was: `None` if it was exchanged meanwhile, so that it is not
    /// clear which one signed them. They may have been what loaded the first.
    pub(in crate::aws) fn key_since(&self, before: Option<&str>) -> Option<String> {
        self.key().filter(|key| before.is_none_or(|before| before == key))
    }

    /// The account that STS named for the key that was loaded last, if it did.
    pub(in crate::aws) fn account(&self) -> Option<AccountId> {
        self.0.load().last()?.proved.clone()
    }

    /// Whether a key that was loaded lately is known to belong to `account`.
    pub(in crate::aws) fn belongs(&self, id: &str, account: &AccountId) -> bool {
        self.0.load().iter().any(|key| key.id == id && key.belongs(account))
    }

    /// Notes the account that STS named for a key, if that is still remembered.
    pub(in crate::aws) fn prove(&self, id: &str, account: &AccountId) {
        self.of(id, |key| key.proved = Some(account.clone()));
    }

    /// Notes the account that EC2 showed as the owner of what a key sees, if that is still remembered.
    pub(in crate::aws) fn show(&self, id: &str, account: &AccountId) {
        self.of(id, |key| key.shown = Some(account.clone()));
    }

    fn of(&self, id: &str, note: impl Fn(&mut KnownKey)) {
        self.0.rcu(|known| {
            let mut keys = Vec::clone(known);
            if let Some(key) = keys.iter_mut().find(|key| key.id == id) {
                note(key);
            }
            keys
        });
    }
}

/// Notes the keys that a provider loads.
#[derive(Debug)]
pub(super) struct KeyRecorder {
    pub(super) provider: SharedCredentialsProvider,
    pub(super) loaded: LoadedKeys,
}

impl ProvideCredentials for KeyRecorder {
    fn provide_credentials<'a>(&'a self) -> Provided<'a>
    where
        Self: 'a,
    {
        Provided::new(async {
            let credentials = self.provider.provide_credentials().await?;
            self.loaded.note(credentials.access_key_id(), None);
            Ok(credentials)
        })
    }

    fn fallback_on_interrupt(&self) -> Option<Credentials> {
        self.provider.fallback_on_interrupt()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_is_noted_for_the_key_that_it_was_named_for() {
        let (loaded, account) = (LoadedKeys::default(), AccountId::new("111122223333"));
        loaded.prove("A", &account);
        assert_eq!((loaded.key(), loaded.account()), (None, None));
        loaded.note("A", None);
        loaded.prove("B", &account);
        assert_eq!(loaded.account(), None);
        loaded.prove("A", &account);
        assert_eq!(loaded.account(), Some(account.clone()));
        assert_eq!([None, Some("A"), Some("B")].map(|before| loaded.key_since(before).is_some()), [true, true, false]);
        loaded.note("A", None);
        assert_eq!(loaded.account(), Some(account.clone()), "it was loaded again");
        loaded.note("B", None);
        assert_eq!((loaded.key().as_deref(), loaded.account()), (Some("B"), None));
        let other = AccountId::new("210987654321");
        assert!(loaded.belongs("A", &account) && !loaded.belongs("A", &other) && !loaded.belongs("B", &account));
        loaded.prove("A", &other);
        assert_eq!(loaded.account(), None, "an answer that comes late is about its own key");
        for newer in ["C", "D", "E"] {
            loaded.note(newer, None);
        }
        assert!(!loaded.belongs("A", &other), "long ago");
    }

    #[test]
    fn what_ec2_showed_counts_unless_sts_says_otherwise() {
        let (loaded, account) = (LoadedKeys::default(), AccountId::new("111122223333"));
        loaded.note("A", None);
        loaded.show("B", &account);
        assert!(!loaded.belongs("A", &account));
        loaded.show("A", &account);
        assert!(loaded.belongs("A", &account) && !loaded.belongs("A", &AccountId::new("210987654321")));
        assert_eq!(loaded.account(), None, "STS has the last word");
        loaded.prove("A", &AccountId::new("210987654321"));
        assert!(!loaded.belongs("A", &account));
    }
}
