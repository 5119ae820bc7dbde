//! The tokens of a server, each with who has it.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::caller::KnownCaller;
use super::token_book::{TokenBook, TokenEntry};
use super::token_hash::TokenHash;
use crate::policy::{GrantBook, Grantee, Visibility};

/// The tokens of a server.
#[derive(Debug, Default)]
pub(super) struct HeldTokens(Vec<HeldToken>);

#[derive(Debug)]
struct HeldToken {
    hash: TokenHash,
    caller: Arc<KnownCaller>,
}

impl HeldTokens {
    /// The tokens of a book. Whoever has the same token with the same rights as in `before` goes on; the others of `before` are over.
    pub(super) fn renewed(before: &HeldTokens, book: &TokenBook, grants: &GrantBook) -> Self {
        let held = book.entries().iter().map(|entry| {
            let caller = KnownCaller::of_token(grantee(entry, grants), &entry.hash, CancellationToken::new());
            let same = |held: &&HeldToken| {
                held.hash == entry.hash
                    && held.caller.is_same(&caller)
                    && held.caller.grantee().ends == caller.grantee().ends
            };
            let known = before.0.iter().find(same).map(|held| Arc::clone(&held.caller));
            HeldToken { hash: entry.hash, caller: known.unwrap_or(caller) }
        });
        let now = HeldTokens(held.collect());
        for held in &before.0 {
            if !now.0.iter().any(|other| Arc::ptr_eq(&other.caller, &held.caller)) {
                held.caller.revoke();
            }
        }
        now
    }

    /// Whoever has the token of a hash. Every token is compared, whichever it is.
    pub(super) fn find(&self, hash: &TokenHash) -> Option<&Arc<KnownCaller>> {
        let mut found = None;
        for held in &self.0 {
            if held.hash.is(hash) {
                found = Some(&held.caller);
            }
        }
        found
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

/// Whoever has a token. Without grants they may see all that the server knows.
fn grantee(entry: &TokenEntry, grants: &GrantBook) -> Grantee {
    let visibility = match &entry.grants {
        None => Visibility::everything(),
        Some(names) => grants.visibility(names.iter().map(String::as_str)),
    };
    let writes = !entry.read_only && visibility.may_change_anything();
    Grantee {
        name: entry.name.as_str().into(),
        issuer: None,
        visibility: Arc::new(visibility),
        writes,
        ends: entry.expires,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Timestamp;
    use crate::policy::Grant;

    fn entry(name: &str, grants: Option<&[&str]>) -> TokenEntry {
        let grants = grants.map(|grants| grants.iter().map(|grant| (*grant).to_owned()).collect());
        let hash = TokenHash::of(name);
        TokenEntry { name: name.to_owned(), hash, created: None, expires: None, grants, read_only: false }
    }

    fn book(entries: &[TokenEntry]) -> TokenBook {
        let mut book = TokenBook::default();
        for entry in entries {
            book.add(entry.clone()).unwrap();
        }
        book
    }

    #[test]
    fn a_token_that_is_gone_or_has_other_rights_is_over_and_the_others_go_on() {
        let grants = |account: &str| GrantBook::new(vec![Grant::of_accounts("payments", [account])]);
        let all = [entry("a", None), entry("b", Some(&["payments"])), entry("c", None), entry("d", None)];
        let first = HeldTokens::renewed(&HeldTokens::default(), &book(&all), &grants("111111111111"));
        let callers: Vec<Arc<KnownCaller>> =
            ["a", "b", "c", "d"].map(|name| Arc::clone(first.find(&TokenHash::of(name)).unwrap())).into();
        assert!(first.find(&TokenHash::of("e")).is_none());
        let ending = TokenEntry { expires: Some(Timestamp::from_millis(1)), ..all[3].clone() };
        let now = book(&[all[0].clone(), all[1].clone(), ending]);
        let second = HeldTokens::renewed(&first, &now, &grants("222222222222"));
        assert_eq!(callers.iter().map(|caller| caller.is_revoked()).collect::<Vec<_>>(), [false, true, true, true]);
        assert!(Arc::ptr_eq(second.find(&TokenHash::of("a")).unwrap(), &callers[0]));
        assert!(second.find(&TokenHash::of("c")).is_none());
        assert!(!second.find(&TokenHash::of("b")).unwrap().is_revoked());
    }

    #[test]
    fn a_token_with_a_grant_that_is_not_there_sees_nothing() {
        let tokens = HeldTokens::renewed(
            &HeldTokens::default(),
            &book(&[entry("a", Some(&["gone"])), entry("b", None)]),
            &GrantBook::default(),
        );
        let of = |name| tokens.find(&TokenHash::of(name)).unwrap().grantee().clone();
        assert_eq!((&*of("a").visibility, of("a").writes), (&Visibility::nothing(), false));
        assert_eq!((of("b").visibility.is_everything(), of("b").writes), (true, true));
    }
}
