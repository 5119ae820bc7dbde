//! The keys that were loaded last, by their id, and the account that they are known to belong to.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use aws_credential_types::Credentials;
use aws_credential_types::provider::future::ProvideCredentials as Provided;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};

use crate::model::AccountId;

/// The keys that were loaded last. An access key belongs to one account for as long as it lives. Clones share it.
#[derive(Clone, Debug, Default)]
pub(in crate::aws) struct LoadedKeys(Arc<ArcSwapOption<(String, Option<AccountId>)>>);

impl LoadedKeys {
    /// Notes that a key was loaded, and its account where AWS named it with the key.
    pub(super) fn note(&self, key: &str, account: Option<AccountId>) {
        self.0.store(Some(Arc::new((key.to_owned(), account))));
    }

    /// The key that was loaded last; `None` before the first.
    pub(in crate::aws) fn key(&self) -> Option<String> {
        self.0.load().as_ref().map(|loaded| loaded.0.clone())
    }

    /// The account of the key that was loaded last, if it is known.
    pub(in crate::aws) fn account(&self) -> Option<AccountId> {
        self.0.load().as_ref()?.1.clone()
    }

    /// Notes the account that AWS named for `key`, if that is still the one that was loaded last.
    pub(in crate::aws) fn prove(&self, key: &str, account: &AccountId) {
        self.0.rcu(|loaded| match loaded {
            Some(known) if known.0 == key => Some(Arc::new((key.to_owned(), Some(account.clone())))),
            other => other.clone(),
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
        loaded.note("B", None);
        assert_eq!((loaded.key().as_deref(), loaded.account()), (Some("B"), None));
    }
}
