//! Which account and region a request is about.

use std::collections::BTreeSet;

use thiserror::Error;

use crate::model::{AccountId, Region, Scope};

/// How many accounts or regions an error names.
const NAMED: usize = 10;

/// What a request says of its place.
#[derive(Clone, Copy, Debug, Default)]
pub struct AskedPlace<'a> {
    /// The account that the path names.
    pub path: Option<&'a str>,
    /// The account that the key of the signature belongs to, where that is known.
    pub key: Option<&'a AccountId>,
    /// The region that the signature, or else the host, names.
    pub region: Option<&'a str>,
    /// Why it cannot be about the only account that is reached, where it names none.
    pub doubt: Option<PlaceDoubt<'a>>,
}

/// Why a request that names no account cannot be about the only one that is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlaceDoubt<'a> {
    /// It is signed with what may be a key of another account.
    Untold,
    /// Several accounts are to be watched, as this lists them.
    Several(&'a str),
}

/// Why a request has no place.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PlaceError {
    /// It names no region.
    #[error(
        "The request names no region, neither by its signature nor by its host: give the client one (AWS_REGION, and AWS_DEFAULT_REGION \
         for boto3 and version 1 of the AWS CLI, or region in its profile), or send it to the host ec2.REGION.localhost"
    )]
    NoRegion,
    /// It names no account, and several are watched.
    #[error(
        "Muster watches several accounts ({0}), and the request does not say which it is about: put the account into the path of the \
         endpoint, such as AWS_ENDPOINT_URL_EC2=http://ADDRESS/ACCOUNT/, or sign it with a key of that account"
    )]
    NoAccount(String),
    /// It names no account, and nobody said whose its key is.
    #[error(
        "STS did not say which account the key belongs to that signed the request (sts:GetAccessKeyInfo), so that it may be about \
         another account than Muster watches ({0}): put the account into the path of the endpoint, such as \
         AWS_ENDPOINT_URL_EC2=http://ADDRESS/ACCOUNT/"
    )]
    Untold(String),
    /// Its path and its key name different accounts.
    #[error(
        "The path of the endpoint names the account {path}, and the key that signed the request belongs to {key}: use a key of that \
         account, or another path"
    )]
    Contradiction {
        /// The account of the path.
        path: String,
        /// The account of the key.
        key: AccountId,
    },
    /// The key lets see nothing of what is watched.
    #[error(
        "Muster watches nothing that the key lets see which signed the request: give it other grants, or use another key"
    )]
    NothingSeen,
    /// Muster does not watch the account.
    #[error(
        "Muster does not watch the account {account}. Watched: {watched}. Send this call to AWS, or have Muster watch it"
    )]
    UnwatchedAccount {
        /// The account.
        account: String,
        /// Those that are watched.
        watched: String,
    },
    /// Muster does not watch the region.
    #[error("Muster does not watch {region} of the account {account}. Watched there: {watched}. {}", next(meant.as_ref()))]
    UnwatchedRegion {
        /// The region.
        region: String,
        /// The account.
        account: AccountId,
        /// Those that are watched.
        watched: String,
        /// The one among them that is probably meant.
        meant: Option<Region>,
    },
    /// Nothing is watched yet.
    #[error("Muster watches nothing yet: it finds out which account its credentials belong to")]
    Nothing,
}

/// The scope that a request is about, of those that are watched.
///
/// # Errors
/// [`PlaceError`].
pub fn place(asked: AskedPlace<'_>, watched: &BTreeSet<Scope>) -> Result<Scope, PlaceError> {
    let region = asked.region.ok_or(PlaceError::NoRegion)?;
    let account = account(asked, watched)?;
    let scope = Scope { account: account.clone(), region: Region::new(region) };
    if watched.contains(&scope) {
        return Ok(scope);
    }
    let there = watched.iter().filter(|scope| scope.account == account).map(|scope| scope.region.as_str());
    let meant = there.clone().find(|known| is_slip(region, known)).map(Region::new);
    let (region, watched) = (region.to_owned(), listed(there));
    Err(PlaceError::UnwatchedRegion { region, account, watched, meant })
}

/// Whether a name is that of a region but for its signs and the case of its letters, or that of one of its zones.
fn is_slip(given: &str, region: &str) -> bool {
    let bare = |name: &str| -> String {
        name.chars().filter(char::is_ascii_alphanumeric).map(|letter| letter.to_ascii_lowercase()).collect()
    };
    let (given, region) = (bare(given), bare(region));
    given.strip_prefix(&region).is_some_and(|zone| zone.len() < 2 && zone.chars().all(char::is_alphabetic))
}

/// What to do about a region that is not watched.
fn next(meant: Option<&Region>) -> String {
    match meant {
        Some(region) => format!("Give the client the region {region}, if that is meant"),
        None => "Send this call to AWS, or have Muster watch that region (`regions` of the account in the configuration file, or \
                 --regions where it has none)"
            .to_owned(),
    }
}

/// The account that a request is about, of those that are watched.
///
/// # Errors
/// [`PlaceError`].
pub fn account(asked: AskedPlace<'_>, watched: &BTreeSet<Scope>) -> Result<AccountId, PlaceError> {
    let AskedPlace { path, key, doubt, .. } = asked;
    let accounts: BTreeSet<&AccountId> = watched.iter().map(|scope| &scope.account).collect();
    let named = || listed(accounts.iter().map(|account| account.as_str()));
    if accounts.is_empty() {
        return Err(PlaceError::Nothing);
    }
    if let (Some(path), Some(key)) = (path, key)
        && path != key.as_str()
    {
        return Err(PlaceError::Contradiction { path: path.to_owned(), key: key.clone() });
    }
    let account = match path.or(key.map(AccountId::as_str)) {
        Some(account) => accounts
            .iter()
            .find(|known| known.as_str() == account)
            .ok_or_else(|| PlaceError::UnwatchedAccount { account: account.to_owned(), watched: named() })?,
        None => match doubt {
            Some(PlaceDoubt::Untold) => return Err(PlaceError::Untold(named())),
            Some(PlaceDoubt::Several(all)) => return Err(PlaceError::NoAccount(all.to_owned())),
            None if accounts.len() == 1 => accounts.first().ok_or(PlaceError::Nothing)?,
            None => return Err(PlaceError::NoAccount(named())),
        },
    };
    Ok((*account).clone())
}

/// Whether the message of an error is that a request does not say which of several accounts it is about.
#[must_use]
pub fn asks_for_account(message: &str) -> bool {
    let said = PlaceError::NoAccount("\n".to_owned()).to_string();
    said.split_once('\n').is_some_and(|(before, after)| message.starts_with(before) && message.ends_with(after))
}

/// The account that a path names: `/` names none, and `/123456789012/` does; `None` for any other path.
#[must_use]
pub fn account_of_path(path: &str) -> Option<Option<&str>> {
    let name = path.trim_matches('/');
    if name.is_empty() {
        return Some(None);
    }
    (name.len() == 12 && name.bytes().all(|letter| letter.is_ascii_digit())).then_some(Some(name))
}

/// Lists accounts that are to be watched, `unnamed` of which nobody knows the number of yet; `None` where there are not several.
#[must_use]
pub fn several(accounts: &BTreeSet<AccountId>, unnamed: usize) -> Option<String> {
    if accounts.len() + unnamed < 2 {
        return None;
    }
    let named = listed(accounts.iter().map(AccountId::as_str));
    Some(match (named.is_empty(), unnamed) {
        (_, 0) => named,
        (true, _) => format!("{unnamed} that cannot be reached"),
        (false, _) => format!("{named} and {unnamed} that cannot be reached"),
    })
}

/// The first of them, and how many more there are.
fn listed<'a>(names: impl Iterator<Item = &'a str> + Clone) -> String {
    let (first, all) = (names.clone().take(NAMED).collect::<Vec<_>>().join(", "), names.count());
    if all > NAMED { format!("{first} and {} more", all - NAMED) } else { first }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ONE: &str = "111111111111";
    const TWO: &str = "222222222222";
    const THREE: &str = "333333333333";

    fn scope(account: &str, region: &str) -> Scope {
        Scope { account: AccountId::new(account), region: Region::new(region) }
    }

    #[test]
    fn the_question_which_account_is_meant_is_known_by_its_message() {
        assert!(asks_for_account(&PlaceError::NoAccount(format!("{ONE}, {TWO}")).to_string()));
        for other in [PlaceError::NoRegion, PlaceError::Untold(ONE.to_owned()), PlaceError::Nothing] {
            assert!(!asks_for_account(&other.to_string()), "{other}");
        }
    }

    #[test]
    fn an_account_is_named_by_path_or_key_or_is_the_only_one() {
        let one = BTreeSet::from([scope(ONE, "eu-west-1"), scope(ONE, "us-east-1")]);
        let two = BTreeSet::from([scope(ONE, "eu-west-1"), scope(TWO, "eu-west-1")]);
        let found = |path, key: Option<&str>, watched: &BTreeSet<Scope>| {
            let key = key.map(AccountId::new);
            place(AskedPlace { path, key: key.as_ref(), region: Some("eu-west-1"), doubt: None }, watched)
        };
        assert_eq!(found(None, None, &one), Ok(scope(ONE, "eu-west-1")));
        assert_eq!(found(Some(TWO), None, &two), Ok(scope(TWO, "eu-west-1")));
        assert_eq!(found(None, Some(TWO), &two), Ok(scope(TWO, "eu-west-1")));
        assert_eq!(found(Some(TWO), Some(TWO), &two), Ok(scope(TWO, "eu-west-1")));
        let both = found(None, None, &two).unwrap_err().to_string();
        assert!([ONE, TWO, "/ACCOUNT/", "a key of that account"].iter().all(|it| both.contains(it)), "{both}");
        assert!(matches!(found(Some(ONE), Some(TWO), &two), Err(PlaceError::Contradiction { .. })));
        assert!(matches!(found(Some(ONE), Some(TWO), &one), Err(PlaceError::Contradiction { .. })));
        // A key of an account that is not watched is not answered about another one.
        assert!(matches!(found(None, Some(THREE), &one), Err(PlaceError::UnwatchedAccount { .. })));
        assert!(matches!(found(Some(THREE), None, &one), Err(PlaceError::UnwatchedAccount { .. })));
        assert_eq!(found(None, None, &BTreeSet::new()), Err(PlaceError::Nothing));
    }

    #[test]
    fn the_only_account_that_is_reached_is_not_meant_where_another_may_be() {
        let watched = BTreeSet::from([scope(ONE, "eu-west-1")]);
        let asked = AskedPlace { region: Some("eu-west-1"), ..AskedPlace::default() };
        let untold = AskedPlace { doubt: Some(PlaceDoubt::Untold), ..asked };
        assert_eq!(place(asked, &watched), Ok(scope(ONE, "eu-west-1")));
        let error = place(untold, &watched).unwrap_err().to_string();
        assert!(error.contains("sts:GetAccessKeyInfo") && error.contains("/ACCOUNT/"), "{error}");
        assert_eq!(place(AskedPlace { path: Some(ONE), ..untold }, &watched), Ok(scope(ONE, "eu-west-1")));
        assert_eq!(place(untold, &BTreeSet::new()), Err(PlaceError::Nothing));
        let accounts = |names: &[&str]| names.iter().map(|name| AccountId::new(*name)).collect::<BTreeSet<_>>();
        assert_eq!((several(&accounts(&[]), 1), several(&accounts(&[ONE]), 0)), (None, None));
        assert_eq!(several(&accounts(&[ONE, TWO]), 0), Some(format!("{ONE}, {TWO}")));
        assert_eq!(several(&accounts(&[]), 2).as_deref(), Some("2 that cannot be reached"));
        let all = several(&accounts(&[ONE]), 1).unwrap();
        assert_eq!(all, format!("{ONE} and 1 that cannot be reached"));
        let several = AskedPlace { doubt: Some(PlaceDoubt::Several(&all)), ..asked };
        assert_eq!(place(several, &watched), Err(PlaceError::NoAccount(all.clone())));
    }

    #[test]
    fn a_region_has_to_be_watched_and_named() {
        let watched = BTreeSet::from([scope(ONE, "eu-west-1"), scope(TWO, "us-east-1")]);
        let asked = AskedPlace { path: Some(ONE), region: Some("us-east-1"), ..AskedPlace::default() };
        let error = place(asked, &watched).unwrap_err().to_string();
        assert!(error.contains("us-east-1 of the account 111111111111. Watched there: eu-west-1."), "{error}");
        assert!(error.contains("`regions` of the account in the configuration file, or --regions"), "{error}");
        assert_eq!(place(AskedPlace { region: None, ..asked }, &watched), Err(PlaceError::NoRegion));
        let error = PlaceError::NoRegion.to_string();
        assert!(error.contains("AWS_DEFAULT_REGION") && error.contains("ec2.REGION.localhost"), "{error}");
    }

    #[test]
    fn a_region_that_is_misspelt_is_answered_with_the_one_that_is_meant() {
        let watched = BTreeSet::from([scope(ONE, "eu-west-1"), scope(ONE, "us-gov-west-1")]);
        let said = |region| {
            place(AskedPlace { region: Some(region), ..AskedPlace::default() }, &watched).unwrap_err().to_string()
        };
        for (given, meant) in [
            ("eu-west1", "eu-west-1"),
            ("EU-West-1", "eu-west-1"),
            ("eu_west_1", "eu-west-1"),
            ("eu-west-1a", "eu-west-1"),
            ("us-govwest-1", "us-gov-west-1"),
        ] {
            assert!(said(given).ends_with(&format!("Give the client the region {meant}, if that is meant")), "{given}");
        }
        for other in ["eu-west-2", "eu-west-11", "eu-west-1ab", "eu-west", "us-west-1"] {
            assert!(said(other).contains("--regions"), "{other}");
        }
    }

    #[test]
    fn a_path_names_an_account_or_none_or_is_another() {
        assert_eq!((account_of_path("/"), account_of_path("")), (Some(None), Some(None)));
        assert_eq!(account_of_path("/123456789012/"), Some(Some("123456789012")));
        assert_eq!(account_of_path("/123456789012"), Some(Some("123456789012")));
        for other in ["/mcp", "/12345678901", "/1234567890123", "/123456789012/x", "/..", "/12345678901x"] {
            assert_eq!(account_of_path(other), None, "{other}");
        }
    }

    proptest! {
        #[test]
        fn what_is_answered_about_is_watched_and_what_was_named(
            watched in proptest::collection::btree_set((0..3_usize, 0..3_usize), 0..6),
            path in proptest::option::of(0..4_usize),
            key in proptest::option::of(0..4_usize),
            region in proptest::option::of(0..4_usize),
            doubt in 0..3_usize,
        ) {
            let account = |n: usize| [ONE, TWO, THREE, "444444444444"][n];
            let named = |n: usize| ["eu-west-1", "us-east-1", "eu-west-2", "eu-west-3"][n];
            let watched: BTreeSet<Scope> = watched.into_iter().map(|(a, r)| scope(account(a), named(r))).collect();
            let by_key = key.map(|key| AccountId::new(account(key)));
            let doubt = [None, Some(PlaceDoubt::Untold), Some(PlaceDoubt::Several("both"))][doubt];
            let asked = AskedPlace { path: path.map(account), key: by_key.as_ref(), region: region.map(named), doubt };
            if let Ok(found) = place(asked, &watched) {
                prop_assert!(watched.contains(&found));
                prop_assert_eq!(Some(found.region.as_str()), asked.region);
                prop_assert!(asked.path.is_none_or(|path| path == found.account.as_str()));
                prop_assert!(asked.key.is_none_or(|key| *key == found.account));
                let is_only = watched.iter().all(|scope| scope.account == found.account);
                prop_assert!((is_only && doubt.is_none()) || asked.path.is_some() || asked.key.is_some());
            }
        }
    }
}
