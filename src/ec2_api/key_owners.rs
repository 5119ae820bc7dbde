//! Which accounts the keys belong to that sign requests, as STS says. Each is asked for once.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

use crate::aws::Aws;
use crate::freshness::Freshness;
use crate::model::AccountId;

/// How many keys are remembered.
const MOST: usize = 1_000;
/// How long STS may take.
const PATIENCE: Duration = Duration::from_secs(3);
/// How long nothing is asked of a key that STS did not tell.
const UNTOLD: Duration = Duration::from_mins(5);

/// The accounts of keys. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct KeyOwners(Arc<Mutex<HashMap<String, KeptOwner>>>);

/// What is known of a key.
#[derive(Clone, Debug)]
enum KeptOwner {
    /// It belongs to this account, for ever.
    Told(AccountId),
    /// STS did not say.
    Untold { until: Instant },
}

impl KeyOwners {
    /// The account that a key belongs to, as STS tells that of one of the watched scopes; `None` where nobody says. Those who ask for the
    /// same key ask once.
    pub async fn of(&self, aws: &Aws, freshness: &Freshness, key: &str) -> Option<AccountId> {
        if !is_key(key) {
            return None;
        }
        let mut kept = self.0.lock().await;
        match kept.get(key) {
            Some(KeptOwner::Told(account)) => return Some(account.clone()),
            Some(KeptOwner::Untold { until }) if Instant::now() < *until => return None,
            _ => {}
        }
        if kept.len() >= MOST {
            kept.clear();
        }
        let scope = freshness.scopes().into_iter().next()?.scope;
        let owner = match timeout(PATIENCE, aws.key_owner(&scope, key)).await {
            Ok(Ok(account)) if AccountId::is_valid(account.as_str()) => KeptOwner::Told(account),
            Ok(Ok(_)) | Err(_) => KeptOwner::Untold { until: Instant::now() + UNTOLD },
            Ok(Err(error)) => {
                tracing::debug!(%error, "the account of a key is not known");
                KeptOwner::Untold { until: Instant::now() + UNTOLD }
            }
        };
        kept.insert(key.to_owned(), owner.clone());
        match owner {
            KeptOwner::Told(account) => Some(account),
            KeptOwner::Untold { .. } => None,
        }
    }
}

/// Whether text can be the id of a key of AWS. What clients sign with that nobody checks often is not.
fn is_key(key: &str) -> bool {
    let is_letter = |letter: u8| letter.is_ascii_uppercase() || letter.is_ascii_digit();
    (16..=128).contains(&key.len())
        && key.bytes().all(is_letter)
        && (key.starts_with("AKIA") || key.starts_with("ASIA"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_looks_like_a_key_is_asked_about() {
        assert!(is_key("AKIAIOSFODNN7EXAMPLE") && is_key("ASIA444455556666WXYZ"));
        for other in ["", "testing", "test", "AKIAIOSFODNN7example", "123456789012", "AROAIOSFODNN7EXAMPLE", "AKIA"] {
            assert!(!is_key(other), "{other}");
        }
    }
}
