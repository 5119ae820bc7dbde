//! Which accounts the keys belong to that sign requests, as STS says. Each is asked for once.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::{Instant, timeout};

use crate::aws::{Aws, AwsError, AwsErrorKind};
use crate::freshness::Freshness;
use crate::model::{AccountId, Scope};

/// How many keys are remembered.
const MOST: usize = 1_000;
/// How many accounts' STS is asked before none is taken to answer.
const MOST_ASKED: usize = 4;
/// How long STS of one account may take.
const PATIENCE: Duration = Duration::from_secs(3);
/// How long nothing is asked of what STS said is no key.
const NO_KEY: Duration = Duration::from_mins(5);
/// How long nothing is asked of a key that STS did not tell, where nothing else says which account is meant.
const UNTOLD: Duration = Duration::from_secs(5);
/// The same where a path says it.
const UNTOLD_BESIDE_PATH: Duration = Duration::from_mins(5);

/// What STS answers about what is no key.
const INVALID: &str = "ValidationError";

/// Whose a key is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyOwner {
    /// It belongs to this account.
    Told(AccountId),
    /// It is no key of AWS's: clients may sign with anything here.
    NoKey,
    /// It may be one of AWS's, and STS did not say whose.
    Untold,
}

/// The accounts of keys. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct KeyOwners(Arc<Mutex<HashMap<String, UsedKey>>>);

/// A key, and when a request was last signed with it.
#[derive(Debug)]
struct UsedKey {
    asked: AskedKey,
    used: Instant,
}

/// A key that is asked about by one at a time.
type AskedKey = Arc<tokio::sync::Mutex<KeptOwner>>;

/// What is known of a key.
#[derive(Debug, Default)]
enum KeptOwner {
    /// Nothing yet.
    #[default]
    Unasked,
    /// It belongs to this account, for ever.
    Told(AccountId),
    /// It was no key then.
    NoKey(Instant),
    /// STS did not say then.
    Untold(Instant),
}

impl KeptOwner {
    /// What is answered without asking again; `has_path` says that a path names the account.
    fn known(&self, now: Instant, has_path: bool) -> Option<KeyOwner> {
        let untold = if has_path { UNTOLD_BESIDE_PATH } else { UNTOLD };
        match self {
            KeptOwner::Told(account) => Some(KeyOwner::Told(account.clone())),
            KeptOwner::NoKey(at) => (now < *at + NO_KEY).then_some(KeyOwner::NoKey),
            KeptOwner::Untold(at) => (now < *at + untold).then_some(KeyOwner::Untold),
            KeptOwner::Unasked => None,
        }
    }
}

impl KeyOwners {
    /// Whose a key is, as STS tells that of one of the watched accounts. Those who ask for the same key ask once, and nobody waits for
    /// another key. `has_path` says that a path names an account, which then only must not be another one.
    pub async fn of(&self, aws: &Aws, freshness: &Freshness, key: &str, has_path: bool) -> KeyOwner {
        if !is_key(key) {
            return KeyOwner::NoKey;
        }
        let asked = self.asked(key);
        let mut kept = asked.lock().await;
        if let Some(owner) = kept.known(Instant::now(), has_path) {
            return owner;
        }
        // Where there was nobody to ask, the next one asks.
        let Some(owner) = told(aws, freshness, key).await else { return KeyOwner::Untold };
        *kept = match &owner {
            KeyOwner::Told(account) => KeptOwner::Told(account.clone()),
            KeyOwner::NoKey => KeptOwner::NoKey(Instant::now()),
            KeyOwner::Untold => KeptOwner::Untold(Instant::now()),
        };
        owner
    }

    /// What is remembered of a key that is used now. Where there are too many, the one makes room that was not used for the longest time:
    /// one whose account is not known, if there is any, since clients may sign with anything.
    fn asked(&self, key: &str) -> AskedKey {
        let (mut kept, used) = (self.0.lock(), Instant::now());
        if let Some(known) = kept.get_mut(key) {
            known.used = used;
            return Arc::clone(&known.asked);
        }
        if kept.len() >= MOST {
            let unused = kept.iter().min_by_key(|(_, known)| (!known.is_untold(), known.used));
            let unused = unused.map(|(key, _)| key.clone());
            unused.and_then(|key| kept.remove(&key));
        }
        let asked = AskedKey::default();
        kept.insert(key.to_owned(), UsedKey { asked: Arc::clone(&asked), used });
        asked
    }
}

impl UsedKey {
    /// Whether its account is not known, and not asked for either.
    fn is_untold(&self) -> bool {
        self.asked.try_lock().is_ok_and(|kept| !matches!(*kept, KeptOwner::Told(_)))
    }
}

/// Asks STS of one account after another, those first that can be looked at, until one tells whose a key is; `None` where no account is
/// watched yet.
async fn told(aws: &Aws, freshness: &Freshness, key: &str) -> Option<KeyOwner> {
    let mut accounts: BTreeMap<AccountId, (bool, Scope)> = BTreeMap::new();
    for state in freshness.scopes() {
        let is_failing = state.failing().is_some();
        let account = state.scope.account.clone();
        let known = accounts.entry(account).or_insert_with(|| (is_failing, state.scope.clone()));
        if known.0 && !is_failing {
            *known = (false, state.scope);
        }
    }
    if accounts.is_empty() {
        return None;
    }
    let mut scopes: Vec<(bool, Scope)> = accounts.into_values().collect();
    scopes.sort_by_key(|(is_failing, _)| *is_failing);
    for (_, scope) in scopes.into_iter().take(MOST_ASKED) {
        match timeout(PATIENCE, aws.key_owner(&scope, key)).await {
            Ok(Ok(account)) if AccountId::is_valid(account.as_str()) => return Some(KeyOwner::Told(account)),
            Ok(Err(error)) if is_no_key(&error) => return Some(KeyOwner::NoKey),
            Ok(Err(error)) => tracing::debug!(%error, "the account of a key is not known"),
            Ok(Ok(_)) | Err(_) => {}
        }
    }
    Some(KeyOwner::Untold)
}

/// Whether STS answered that what it was asked about is no key.
fn is_no_key(error: &AwsError) -> bool {
    error.kind == AwsErrorKind::Answered && error.code.as_deref() == Some(INVALID)
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

    #[test]
    fn what_sts_did_not_tell_is_asked_again_soon_unless_a_path_names_the_account() {
        let at = Instant::now();
        let after =
            |kept: &KeptOwner, seconds: u64, has_path: bool| kept.known(at + Duration::from_secs(seconds), has_path);
        let untold = KeptOwner::Untold(at);
        assert_eq!((after(&untold, 4, false), after(&untold, 6, false)), (Some(KeyOwner::Untold), None));
        assert_eq!((after(&untold, 6, true), after(&untold, 301, true)), (Some(KeyOwner::Untold), None));
        let none = KeptOwner::NoKey(at);
        assert_eq!((after(&none, 6, false), after(&none, 301, false)), (Some(KeyOwner::NoKey), None));
        let account = AccountId::new("111111111111");
        assert_eq!(after(&KeptOwner::Told(account.clone()), 1_000_000, false), Some(KeyOwner::Told(account)));
        assert_eq!(after(&KeptOwner::Unasked, 0, true), None);
    }

    fn key(number: usize) -> String {
        format!("AKIA{number:016}")
    }

    async fn told(owners: &KeyOwners, number: usize) {
        *owners.asked(&key(number)).lock().await = KeptOwner::Told(AccountId::new("111111111111"));
    }

    #[tokio::test]
    async fn keys_whose_accounts_are_known_stay_and_others_make_room() {
        let owners = KeyOwners::default();
        for number in 0..MOST {
            owners.asked(&key(number));
            if number < 10 {
                told(&owners, number).await;
            }
        }
        let asked = owners.asked("AKIAIOSFODNN7EXAMPLE");
        assert_eq!(owners.0.lock().len(), MOST);
        assert!(Arc::ptr_eq(&asked, &owners.asked("AKIAIOSFODNN7EXAMPLE")), "whoever asks for the same key asks once");
        assert!(matches!(*owners.asked(&key(9)).lock().await, KeptOwner::Told(_)));
        assert!(!owners.0.lock().contains_key(&key(10)), "the one that was not used for the longest time");
    }

    /// Temporary keys come anew every hour: the thousandth was the last that was remembered.
    #[tokio::test(start_paused = true)]
    async fn a_new_key_takes_the_place_of_the_one_that_was_not_used_for_the_longest_time() {
        let owners = KeyOwners::default();
        for number in 0..MOST {
            told(&owners, number).await;
            tokio::time::advance(Duration::from_millis(1)).await;
        }
        owners.asked(&key(0));
        for number in MOST..MOST + 20 {
            let asked = owners.asked(&key(number));
            assert!(Arc::ptr_eq(&asked, &owners.asked(&key(number))), "whoever asks for the same key asks once");
            told(&owners, number).await;
            tokio::time::advance(Duration::from_millis(1)).await;
        }
        let kept = owners.0.lock();
        assert_eq!((kept.len(), kept.contains_key(&key(0)), kept.contains_key(&key(1))), (MOST, true, false));
        assert!((MOST..MOST + 20).all(|number| kept.contains_key(&key(number))));
    }
}
