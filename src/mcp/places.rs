//! Accounts and regions in words that stay short, however many there are.

use std::collections::BTreeSet;

use crate::model::text::shown;
use crate::model::{AccountId, KnownAccounts, Scope};
use crate::query::nearness::{NEAR, closest, near};

/// How many accounts and regions are named one by one.
pub const NAMED: usize = 20;

/// Some scopes in words: each of them, or how many there are where they are more than [`NAMED`].
#[must_use]
pub fn said<'a>(scopes: impl IntoIterator<Item = &'a Scope>) -> String {
    let scopes: BTreeSet<&Scope> = scopes.into_iter().collect();
    if scopes.len() <= NAMED {
        return scopes.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    }
    let accounts: BTreeSet<&AccountId> = scopes.iter().map(|scope| &scope.account).collect();
    let regions: BTreeSet<&str> = scopes.iter().map(|scope| scope.region.as_str()).collect();
    let accounts = if accounts.len() == 1 { "1 account".to_owned() } else { format!("{} accounts", accounts.len()) };
    let regions = if regions.len() == 1 { "1 region".to_owned() } else { format!("{} regions", regions.len()) };
    format!("{} scopes ({accounts}, {regions})", scopes.len())
}

/// What part of a scope a name was given for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlaceName {
    /// An account, by number or name.
    Account,
    /// A region.
    Region,
    /// An organizational unit.
    Ou,
}

/// A name that no watched scope has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnwatchedPlace {
    /// What was asked for, with the nearest name that some scope has.
    pub what: String,
    /// What is watched.
    pub watched: String,
}

/// Describes a name that no watched scope has.
#[must_use]
pub fn unwatched(name: PlaceName, written: &str, watched: &BTreeSet<Scope>, known: &KnownAccounts) -> UnwatchedPlace {
    let is_watched = |account: &AccountId| watched.iter().any(|scope| scope.account == *account);
    let facts = || known.each().filter(|(account, _)| is_watched(account)).map(|(_, facts)| facts);
    let (what, held): (&str, BTreeSet<&str>) = match name {
        PlaceName::Account => {
            let numbers = watched.iter().map(|scope| scope.account.as_str());
            ("account", numbers.chain(facts().filter_map(|facts| facts.name.as_deref())).collect())
        }
        PlaceName::Region => ("region", watched.iter().map(|scope| scope.region.as_str()).collect()),
        PlaceName::Ou => ("organizational unit", facts().filter_map(|facts| facts.ou.as_deref()).collect()),
    };
    let meant = closest(written, held.iter().copied().filter(|held| *held != written), NEAR);
    let meant = meant.map(|meant| shown(meant, 80));
    let gone = known.called(written).find_map(|account| known.of(account)?.retired.as_ref());
    let gone = gone
        .filter(|_| name == PlaceName::Account)
        .map(|gone| format!(" (no longer watched since {}: {}; nothing of it is held)", gone.at, gone.cause));
    let hint = gone.unwrap_or_else(|| near(meant.as_deref()));
    let what = format!("{what} {}{hint}", shown(written, 80));
    UnwatchedPlace { what, watched: said(watched) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{KnownAccount, Region};

    fn scopes(accounts: usize, regions: usize) -> BTreeSet<Scope> {
        let scope = |n: usize, region: usize| Scope {
            account: AccountId::new(format!("{:012}", 111_111_111_111 + n)),
            region: Region::new(format!("eu-west-{region}")),
        };
        (0..accounts).flat_map(|n| (0..regions).map(move |region| scope(n, region))).collect()
    }

    #[test]
    fn few_are_named_and_many_are_counted() {
        assert_eq!(said(&scopes(1, 2)), "111111111111/eu-west-0, 111111111111/eu-west-1");
        assert_eq!(said(&scopes(500, 17)), "8500 scopes (500 accounts, 17 regions)");
        assert_eq!(said(&scopes(1, 21)), "21 scopes (1 account, 21 regions)");
    }

    #[test]
    fn a_name_that_nothing_has_is_answered_with_the_nearest() {
        let (watched, account) = (scopes(2, 1), AccountId::new("111111111111"));
        let facts = KnownAccount { name: Some("production".into()), ou: Some("/Workloads".into()), retired: None };
        let known = KnownAccounts::new([(account, facts)]);
        let error = |name, written| unwatched(name, written, &watched, &known).what;
        assert!(error(PlaceName::Account, "produktion").contains("`production`"));
        assert!(error(PlaceName::Ou, "/Workload").contains("`/Workloads`"));
        let region = error(PlaceName::Region, "eu-west-9");
        assert_eq!(region, "region eu-west-9 (did you mean `eu-west-0`?)");
    }
}
