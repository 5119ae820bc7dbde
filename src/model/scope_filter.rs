//! The scopes that a question is about.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use super::{AccountId, Region, Scope};

/// Which scopes a question is about. Clones are cheap.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ScopeFilter {
    /// Every scope that is watched.
    #[default]
    Everywhere,
    /// One scope, even if it is no longer watched.
    One(Scope),
    /// The scopes of some accounts and regions.
    Several(Arc<ScopeSet>),
}

/// The scopes of some accounts and regions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ScopeSet {
    /// The accounts; all of them when `None`.
    pub accounts: Option<BTreeSet<AccountId>>,
    /// The regions; all of them when `None`.
    pub regions: Option<BTreeSet<Region>>,
    /// Whether scopes that are no longer watched count as well.
    pub with_retired: bool,
}

impl ScopeFilter {
    /// The scopes of a set: in its shortest form.
    #[must_use]
    pub fn of(set: ScopeSet) -> Self {
        let lone = |scopes: &ScopeSet| {
            let (accounts, regions) = (scopes.accounts.as_ref()?, scopes.regions.as_ref()?);
            let ((account, 1), (region, 1)) = ((accounts.first()?, accounts.len()), (regions.first()?, regions.len()))
            else {
                return None;
            };
            Some(Scope { account: account.clone(), region: region.clone() })
        };
        match lone(&set) {
            Some(scope) => ScopeFilter::One(scope),
            None if set == ScopeSet::default() => ScopeFilter::Everywhere,
            None => ScopeFilter::Several(Arc::new(set)),
        }
    }

    /// Whether it is about some accounts only.
    #[must_use]
    pub fn names_accounts(&self) -> bool {
        match self {
            ScopeFilter::Everywhere => false,
            ScopeFilter::One(_) => true,
            ScopeFilter::Several(set) => set.accounts.is_some(),
        }
    }

    /// Whether a scope is meant, apart from whether it is watched.
    #[must_use]
    pub fn takes(&self, scope: &Scope) -> bool {
        self.takes_parts(scope.account.as_str(), scope.region.as_str())
    }

    /// The same of a scope given by its account and its region.
    #[must_use]
    pub fn takes_parts(&self, account: &str, region: &str) -> bool {
        match self {
            ScopeFilter::Everywhere => true,
            ScopeFilter::One(scope) => scope.account.as_str() == account && scope.region.as_str() == region,
            ScopeFilter::Several(set) => {
                set.accounts.as_ref().is_none_or(|accounts| accounts.contains(account))
                    && set.regions.as_ref().is_none_or(|regions| regions.contains(region))
            }
        }
    }

    /// The only scope, where it is one.
    #[must_use]
    pub fn only(&self) -> Option<&Scope> {
        match self {
            ScopeFilter::One(scope) => Some(scope),
            ScopeFilter::Everywhere | ScopeFilter::Several(_) => None,
        }
    }

    /// Whether every watched scope is meant.
    #[must_use]
    pub fn is_everywhere(&self) -> bool {
        *self == ScopeFilter::Everywhere
    }

    /// Whether scopes that are no longer watched count as well, where they are meant.
    #[must_use]
    pub fn is_with_retired(&self) -> bool {
        match self {
            ScopeFilter::Everywhere => false,
            ScopeFilter::One(_) => true,
            ScopeFilter::Several(set) => set.with_retired,
        }
    }

    /// The same scopes as a set.
    #[must_use]
    pub fn to_set(&self) -> ScopeSet {
        match self {
            ScopeFilter::Everywhere => ScopeSet::default(),
            ScopeFilter::One(Scope { account, region }) => ScopeSet {
                accounts: Some(BTreeSet::from([account.clone()])),
                regions: Some(BTreeSet::from([region.clone()])),
                with_retired: true,
            },
            ScopeFilter::Several(set) => ScopeSet::clone(set),
        }
    }
}

impl From<Scope> for ScopeFilter {
    fn from(scope: Scope) -> Self {
        ScopeFilter::One(scope)
    }
}

impl From<&Scope> for ScopeFilter {
    fn from(scope: &Scope) -> Self {
        ScopeFilter::One(scope.clone())
    }
}

impl From<Option<Scope>> for ScopeFilter {
    fn from(scope: Option<Scope>) -> Self {
        scope.map_or(ScopeFilter::Everywhere, ScopeFilter::One)
    }
}

/// Unambiguous, so that it tells questions apart: nothing for all, and `account/region` with commas between several of each.
impl fmt::Display for ScopeFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let set = match self {
            ScopeFilter::Everywhere => return Ok(()),
            ScopeFilter::One(scope) => return scope.fmt(f),
            ScopeFilter::Several(set) => set,
        };
        list(f, set.accounts.as_ref().map(|accounts| accounts.iter().map(AccountId::as_str)))?;
        f.write_str("/")?;
        list(f, set.regions.as_ref().map(|regions| regions.iter().map(Region::as_str)))?;
        if set.with_retired { f.write_str("+") } else { Ok(()) }
    }
}

fn list<'a>(f: &mut fmt::Formatter<'_>, names: Option<impl Iterator<Item = &'a str>>) -> fmt::Result {
    match names {
        None => f.write_str("*"),
        Some(names) => f.write_str(&names.collect::<Vec<_>>().join(",")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope(account: &str, region: &str) -> Scope {
        Scope { account: AccountId::new(account), region: Region::new(region) }
    }

    fn set(accounts: &[&str], regions: &[&str]) -> ScopeFilter {
        ScopeFilter::of(ScopeSet {
            accounts: (!accounts.is_empty()).then(|| accounts.iter().map(|name| AccountId::new(*name)).collect()),
            regions: (!regions.is_empty()).then(|| regions.iter().map(|name| Region::new(*name)).collect()),
            with_retired: false,
        })
    }

    #[test]
    fn a_set_takes_each_region_of_each_of_its_accounts() {
        let some = set(&["1", "2"], &["a"]);
        assert!(some.takes(&scope("1", "a")) && some.takes(&scope("2", "a")));
        assert!(!some.takes(&scope("1", "b")) && !some.takes(&scope("3", "a")));
        assert!(set(&[], &["a"]).takes(&scope("3", "a")) && !set(&[], &["a"]).takes(&scope("3", "b")));
    }

    #[test]
    fn a_set_has_one_form() {
        assert_eq!(set(&[], &[]), ScopeFilter::Everywhere);
        assert_eq!(set(&["1"], &["a"]), ScopeFilter::One(scope("1", "a")));
        for filter in [set(&["1", "2"], &["a"]), set(&["1"], &[]), ScopeFilter::Everywhere] {
            assert_eq!(ScopeFilter::of(filter.to_set()), filter);
            assert_eq!((filter.only(), filter.is_with_retired()), (None, false));
        }
    }

    #[test]
    fn its_text_tells_filters_apart() {
        let shown: Vec<String> = [set(&[], &[]), set(&["1"], &["a"]), set(&["1"], &[]), set(&["1", "2"], &["a", "b"])]
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(shown, ["", "1/a", "1/*", "1,2/a,b"]);
    }
}
