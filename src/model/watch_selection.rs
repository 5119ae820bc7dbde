//! Which scopes are watched.

use std::collections::{BTreeMap, BTreeSet};

use super::{AccountId, Region, Scope};

/// Which scopes are watched, as far as it is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WatchSelection {
    /// These regions of the one account there is.
    Regions(BTreeSet<Region>),
    /// Several accounts.
    Accounts {
        /// The watched ones, each with its regions; `None` while they are not known.
        watched: BTreeMap<AccountId, Option<BTreeSet<Region>>>,
        /// The accounts that were watched and no longer are.
        given_up: BTreeSet<AccountId>,
        /// Whether these are all accounts: if not, another account may still turn out to be watched.
        is_whole: bool,
    },
}

impl WatchSelection {
    /// These regions of the one account there is.
    #[must_use]
    pub fn regions(regions: impl IntoIterator<Item = Region>) -> Self {
        WatchSelection::Regions(regions.into_iter().collect())
    }

    /// Whether `scope` is watched; `None` while that is not known.
    #[must_use]
    pub fn watches(&self, scope: &Scope) -> Option<bool> {
        match self {
            WatchSelection::Regions(regions) => Some(regions.contains(&scope.region)),
            WatchSelection::Accounts { watched, given_up, is_whole } => match watched.get(&scope.account) {
                Some(regions) => regions.as_ref().map(|regions| regions.contains(&scope.region)),
                None => (*is_whole || given_up.contains(&scope.account)).then_some(false),
            },
        }
    }

    /// Whether `scope` is watched, or in an account that is, whose regions are not known yet; `None` while its account may still turn
    /// out to be watched.
    #[must_use]
    pub fn watches_soon(&self, scope: &Scope) -> Option<bool> {
        match self {
            WatchSelection::Accounts { watched, .. } if matches!(watched.get(&scope.account), Some(None)) => Some(true),
            _ => self.watches(scope),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope(account: &str, region: &str) -> Scope {
        Scope { account: AccountId::new(account), region: Region::new(region) }
    }

    #[test]
    fn an_account_is_watched_in_its_regions_and_unknown_ones_stay_as_they_are() {
        let regions = BTreeSet::from([Region::new("eu-west-1")]);
        let watched = [("111111111111", Some(regions)), ("222222222222", None)];
        let watched = watched.into_iter().map(|(account, regions)| (AccountId::new(account), regions)).collect();
        let given_up = BTreeSet::from([AccountId::new("333333333333")]);
        let part = WatchSelection::Accounts { watched, given_up, is_whole: false };
        assert_eq!(part.watches(&scope("111111111111", "eu-west-1")), Some(true));
        assert_eq!(part.watches(&scope("111111111111", "us-east-1")), Some(false));
        assert_eq!(part.watches(&scope("222222222222", "us-east-1")), None, "its regions are not known");
        assert_eq!(part.watches_soon(&scope("222222222222", "us-east-1")), Some(true));
        assert_eq!(part.watches_soon(&scope("444444444444", "us-east-1")), None);
        assert_eq!(part.watches(&scope("333333333333", "us-east-1")), Some(false), "given up");
        assert_eq!(part.watches(&scope("444444444444", "us-east-1")), None, "it may turn out to be one of them");
        let WatchSelection::Accounts { watched, given_up, .. } = part else { unreachable!() };
        let whole = WatchSelection::Accounts { watched, given_up, is_whole: true };
        assert_eq!(whole.watches(&scope("444444444444", "us-east-1")), Some(false));
        let alone = WatchSelection::regions([Region::new("eu-west-1")]);
        assert_eq!(alone.watches(&scope("444444444444", "eu-west-1")), Some(true));
        assert_eq!(alone.watches(&scope("444444444444", "us-east-1")), Some(false));
    }
}
