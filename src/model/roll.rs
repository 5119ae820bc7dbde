//! The accounts of an organization that are watched, from one listing to the next.
//!
//! A listing is complete, or it changes nothing. An account that listings lack is not given up at once: AWS's answer may be wrong,
//! and so may whoever moved it. It goes once listings have lacked it for long enough, and not while too many are lacking.

use std::collections::BTreeMap;
use std::time::Duration;

use super::organization::{AccountRules, AccountState, OrganizationAccount};
use super::{AccountId, Timestamp};

/// Up to so many accounts may be lacking at once without being held.
const FEW: usize = 2;
/// The largest part of the accounts that may be lacking at once without being held, in percent.
const PART: usize = 10;

/// The accounts of an organization, as listings have shown them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Roll {
    /// When the last listing began; `None` before the first.
    pub listed: Option<Timestamp>,
    /// The accounts that are or were watched.
    pub accounts: BTreeMap<AccountId, Enrolled>,
}

/// An account that is or was watched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Enrolled {
    /// The account, as the last listing showed it in which it was selected.
    pub shown: OrganizationAccount,
    /// When that listing began.
    pub seen: Timestamp,
    /// Since when listings lack it.
    pub absent: Option<AbsentSince>,
    /// When it was given up.
    pub retired: Option<Timestamp>,
}

/// Since when listings lack an account, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AbsentSince {
    /// When the first of these listings began.
    pub since: Timestamp,
    /// How the last one lacks it.
    pub why: AbsenceCause,
}

/// How a listing lacks an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AbsenceCause {
    /// It is not in the listing.
    Unlisted,
    /// It is there as closed.
    Closed,
    /// It is there, but where it stands now, or with its present tags, the configuration does not select it.
    Unselected,
}

/// What a listing changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RollChange {
    /// The accounts from now on.
    pub roll: Roll,
    /// The accounts that are given up with this listing.
    pub retired: Vec<AccountId>,
    /// The accounts that listings lack and that stay, because too many are lacking.
    pub held: Vec<AccountId>,
}

impl AbsenceCause {
    /// What it is, to stand after the account.
    #[must_use]
    pub fn told(self) -> &'static str {
        match self {
            AbsenceCause::Unlisted => "is not in the organization any more",
            AbsenceCause::Closed => "is closed",
            AbsenceCause::Unselected => "is not selected any more where it stands now",
        }
    }
}

impl Roll {
    /// The accounts that are watched. What the configuration excludes since it was read again is not, at once.
    pub fn watched<'a>(&'a self, rules: &'a AccountRules) -> impl Iterator<Item = &'a Enrolled> {
        self.accounts.values().filter(|enrolled| enrolled.retired.is_none() && rules.select(&enrolled.shown))
    }

    /// The accounts after a complete listing that began at `now`. An account that listings have lacked for `forget_after` is retired,
    /// unless too many are lacking: then all stay.
    #[must_use]
    pub fn after(
        &self,
        listing: &[OrganizationAccount],
        rules: &AccountRules,
        now: Timestamp,
        forget_after: Duration,
    ) -> RollChange {
        let mut accounts = self.accounts.clone();
        for listed in listing {
            // Tags were not asked for before: those of now decide.
            if let Some(enrolled) = accounts.get_mut(&listed.account)
                && enrolled.shown.tags.is_none()
            {
                enrolled.shown.tags.clone_from(&listed.tags);
            }
        }
        accounts.retain(|_, enrolled| rules.select(&enrolled.shown));
        let listed: BTreeMap<&AccountId, &OrganizationAccount> =
            listing.iter().map(|listed| (&listed.account, listed)).collect();
        for (account, enrolled) in &mut accounts {
            let why = match listed.get(account) {
                None => AbsenceCause::Unlisted,
                Some(listed) if listed.state == AccountState::Closed => AbsenceCause::Closed,
                Some(listed) if !rules.select(listed) => AbsenceCause::Unselected,
                Some(_) => continue,
            };
            let since = enrolled.absent.map_or(now, |absent| absent.since);
            enrolled.absent = Some(AbsentSince { since, why });
        }
        for listed in listed.into_values().filter(|listed| listed.state == AccountState::Open && rules.select(listed)) {
            let shown = Enrolled { shown: listed.clone(), seen: now, absent: None, retired: None };
            accounts.insert(listed.account.clone(), shown);
        }
        let present = accounts.values().filter(|enrolled| enrolled.retired.is_none());
        let lacking: Vec<AccountId> = present
            .clone()
            .filter(|enrolled| enrolled.absent.is_some())
            .map(|enrolled| enrolled.shown.account.clone())
            .collect();
        let is_held = lacking.len() > FEW && lacking.len() * 100 > present.count() * PART;
        let (mut retired, mut held) = (Vec::new(), Vec::new());
        for account in lacking {
            let Some(enrolled) = accounts.get_mut(&account) else { continue };
            let is_due = enrolled.absent.is_some_and(|absent| now.since(absent.since) >= forget_after);
            if is_held {
                held.push(account);
            } else if is_due {
                enrolled.retired = Some(now);
                retired.push(account);
            }
        }
        RollChange { roll: Roll { listed: Some(now), accounts }, retired, held }
    }
}

#[cfg(test)]
mod tests;
