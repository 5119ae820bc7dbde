//! The tags of the accounts of an organization, which are asked for rarely.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::{AccountId, Timestamp};

/// How long the tags of an account are kept: each costs a call.
const KEPT: Duration = Duration::from_hours(24);

/// The tags of accounts, and when each was asked for them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TagBook(BTreeMap<AccountId, (Timestamp, BTreeMap<String, String>)>);

impl TagBook {
    /// The tags of an account, if they were asked for within a day.
    #[must_use]
    pub fn fresh(&self, account: &AccountId, now: Timestamp) -> Option<&BTreeMap<String, String>> {
        let (at, tags) = self.0.get(account)?;
        (now >= *at && now.since(*at) < KEPT).then_some(tags)
    }

    /// Notes the tags that an account has at `now`.
    pub fn note(&mut self, account: &AccountId, tags: BTreeMap<String, String>, now: Timestamp) {
        self.0.insert(account.clone(), (now, tags));
    }

    /// Forgets all other accounts.
    pub fn keep_only<'a>(&mut self, accounts: impl Iterator<Item = &'a AccountId>) {
        let kept: BTreeSet<&AccountId> = accounts.collect();
        self.0.retain(|account, _| kept.contains(account));
    }

    /// All of them.
    pub fn each(&self) -> impl Iterator<Item = (&AccountId, Timestamp, &BTreeMap<String, String>)> {
        self.0.iter().map(|(account, (at, tags))| (account, *at, tags))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_kept_for_a_day_and_asked_for_again_when_the_clock_ran_back() {
        let (account, at) = (AccountId::new("111122223333"), Timestamp::from_millis(1_700_000_000_000));
        let mut book = TagBook::default();
        book.note(&account, BTreeMap::from([("Team".to_owned(), "web".to_owned())]), at);
        assert!(book.fresh(&account, at + Duration::from_hours(23)).is_some());
        assert!(book.fresh(&account, at + Duration::from_hours(24)).is_none());
        assert!(book.fresh(&account, at - Duration::from_hours(1)).is_none());
        book.keep_only(std::iter::empty());
        assert!(book.fresh(&account, at).is_none());
    }
}
