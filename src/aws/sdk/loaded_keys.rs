//! The keys that were loaded last, by their id, and the account that they are known to belong to.

use std::sync::Arc;

use arc_swap::ArcSwap;
use aws_credential_types::Credentials;
use aws_credential_types::provider::future::ProvideCredentials as Provided;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};

use crate::model::AccountId;

/// How many keys are remembered. Those that were in use when newer ones were loaded may still be signing.
const REMEMBERED: usize = 4;

/// A key, and its account if that is known.
type KnownKey = (String, Option<AccountId>);

/// The keys that were loaded last, the newest at the end. An access key belongs to one account for as long as it lives. Clones share
/// them.
#[derive(Clone, Debug, Default)]
pub(in crate::aws) struct LoadedKeys(Arc<ArcSwap<Vec<KnownKey>>>);

impl LoadedKeys {
    /// Notes that a key was loaded, and its account where AWS named it with the key.
    pub(super) fn note(&self, key: &str, account: Option<&AccountId>) {
        self.0.rcu(|known| {
            let mut keys: Vec<_> = known.iter().filter(|(known, _)| known != key).cloned().collect();
            keys.push((key.to_owned(), account.cloned()));
            keys.drain(..keys.len().saturating_sub(REMEMBERED));
            keys
        });
    }

    /// The key that was loaded last; `None` before the first.
    pub(in crate::aws) fn key(&self) -> Option<String> {
        self.0.load().last().map(|(key, _)| key.clone())
    }

    /// The key that was loaded last, if it is that of calls since `before` was: `None` if it was exchanged meanwhile, so that it is not
    /// clear which one signed them. They may have been what loaded the first.
    pub(in crate::aws) fn key_since(&self, before: Option<&str>) -> Option<String> {
        self.key().filter(|key| before.is_none_or(|before| before == key))
    }

    /// The account of the key that was loaded last, if it is known.
    pub(in crate::aws) fn account(&self) -> Option<AccountId> {
        self.0.load().last()?.1.clone()
    }

    /// Whether a key that was loaded lately is known to belong to `account`.
    pub(in crate::aws) fn belongs(&self, key: &str, account: &AccountId) -> bool {
        self.0.load().iter().any(|(known, of)| known == key && of.as_ref() == Some(account))
    }

    /// Notes the account that AWS named for `key`, if that is still the one that was loaded last.
    pub(in crate::aws) fn prove(&self, key: &str, account: &AccountId) {
        self.0.rcu(|known| {
            let mut keys = Vec::clone(known);
            if let Some((_, of)) = keys.last_mut().filter(|(known, _)| known == key) {
                *of = Some(account.clone());
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
    fn an_account_is_noted_only_for_the_key_that_was_loaded_last() {
        let (loaded, account) = (LoadedKeys::default(), AccountId::new("111122223333"));
        loaded.prove("A", &account);
        assert_eq!((loaded.key(), loaded.account()), (None, None));
        loaded.note("A", None);
        loaded.prove("B", &account);
        assert_eq!(loaded.account(), None);
        loaded.prove("A", &account);
        assert_eq!(loaded.account(), Some(account.clone()));
        assert_eq!([None, Some("A"), Some("B")].map(|before| loaded.key_since(before).is_some()), [true, true, false]);
        loaded.note("B", None);
        assert_eq!((loaded.key().as_deref(), loaded.account()), (Some("B"), None));
        let other = AccountId::new("210987654321");
        assert!(loaded.belongs("A", &account) && !loaded.belongs("A", &other) && !loaded.belongs("B", &account));
        for newer in ["C", "D", "E"] {
            loaded.note(newer, None);
        }
        assert!(!loaded.belongs("A", &account), "long ago");
    }
}
