//! The arguments `account`, `region` and `ou`, which narrow a question to some scopes.

use std::collections::BTreeSet;

use rmcp::schemars::{self, JsonSchema};
use serde::Deserialize;

use super::ArgumentError;
use crate::kinds::{KINDS, KindSpec};
use crate::mcp::core::Core;
use crate::mcp::error::RequestError;
use crate::mcp::places::{self, PlaceName, UnwatchedPlace};
use crate::model::text::shown;
use crate::model::{AccountId, KnownAccounts, Region, Scope, ScopeFilter, ScopeSet};
use crate::query::{Filters, Point};
use crate::store::{Comparison, On};

/// What an argument must be that names another resource than `uri` does.
pub const AS_URI: &str = "the same as in `uri`, or left out";

/// The accounts and regions to search; everywhere when all are absent.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
pub struct ScopeArguments {
    /// Its number or name.
    pub account: Option<String>,
    /// Only this region.
    pub region: Option<String>,
    /// Organizational unit.
    pub ou: Option<String>,
}

impl ScopeArguments {
    /// Whether they select everything.
    #[must_use]
    pub fn is_everywhere(&self) -> bool {
        self.account.is_none() && self.region.is_none() && self.ou.is_none()
    }

    /// The scopes that the arguments select. A name that no watched scope has is refused, because an answer of zero matches would
    /// look like a fact.
    ///
    /// # Errors
    /// When no watched scope is selected.
    pub async fn scopes(&self, core: &Core, kind: &'static KindSpec) -> Result<ScopeFilter, RequestError> {
        if self.is_everywhere() {
            return Ok(ScopeFilter::Everywhere);
        }
        // A kind that is not watched is in no scope now: whoever asks for the past of it means those of the others.
        let kinds = if core.watches(kind) { vec![kind] } else { core.watched_of(KINDS) };
        if core.scopes(&kinds).is_empty() {
            core.anything(&kinds, &ScopeFilter::Everywhere).await?;
        }
        let progress = core.progress(&kinds, &ScopeFilter::Everywhere);
        let watched: BTreeSet<Scope> = core.scopes(&kinds).into_iter().map(|state| state.scope).collect();
        if watched.is_empty() {
            return Err(RequestError::NotSeenYet {
                subject: "the inventory was".to_owned(),
                progress: progress.into(),
            });
        }
        let retired = core.unwatched(&kinds).into_iter().map(|state| state.scope).collect();
        let chosen = self.among(&core.known_accounts(), &watched, &retired);
        chosen.map_err(|refused| self.unreached(core).unwrap_or(refused))
    }

    /// The error that the account they name cannot be reached, so that it is not known what it holds.
    #[must_use]
    pub fn unreached(&self, core: &Core) -> Option<RequestError> {
        core.unsure_of_account(self.account.as_deref()?.trim())
    }

    /// The same, of these scopes. Those that are no longer watched count where nothing else is selected: then they are meant.
    ///
    /// # Errors
    /// As for [`ScopeArguments::scopes`].
    pub fn among(
        &self,
        known: &KnownAccounts,
        watched: &BTreeSet<Scope>,
        retired: &BTreeSet<Scope>,
    ) -> Result<ScopeFilter, RequestError> {
        let all = || watched.iter().chain(retired);
        let refused = |name, written: &str| {
            let UnwatchedPlace { what, watched } = places::unwatched(name, written, watched, known);
            Err(RequestError::unwatched(&what, watched))
        };
        let mut accounts: Option<BTreeSet<AccountId>> = None;
        if let Some(account) = self.account.as_deref().map(str::trim) {
            let called: BTreeSet<&AccountId> = known.called(account).collect();
            let is_meant = |of: &AccountId| of.as_str() == account || called.contains(of);
            let meant: BTreeSet<AccountId> =
                all().map(|scope| &scope.account).filter(|of| is_meant(of)).cloned().collect();
            if meant.is_empty() {
                return refused(PlaceName::Account, account);
            }
            accounts = Some(meant);
        }
        if let Some(ou) = self.ou.as_deref().map(str::trim) {
            let below: BTreeSet<&AccountId> = known.below(ou).collect();
            let meant: BTreeSet<AccountId> =
                all().map(|scope| &scope.account).filter(|of| below.contains(of)).cloned().collect();
            if meant.is_empty() {
                return refused(PlaceName::Ou, ou);
            }
            accounts = Some(match accounts {
                Some(named) => named.intersection(&meant).cloned().collect(),
                None => meant,
            });
        }
        let region = self.region.as_deref().map(str::trim);
        if let Some(region) = region
            && all().all(|scope| scope.region.as_str() != region)
        {
            return refused(PlaceName::Region, region);
        }
        let set =
            ScopeSet { accounts, regions: region.map(|region| [Region::new(region)].into()), with_retired: false };
        let filter = ScopeFilter::of(set.clone());
        let mut meant = watched.iter().filter(|scope| filter.takes(scope));
        match (meant.next(), meant.next()) {
            (Some(only), None) => Ok(only.into()),
            (Some(_), Some(_)) => Ok(filter),
            (None, _) if retired.iter().any(|scope| filter.takes(scope)) => {
                Ok(ScopeFilter::of(ScopeSet { with_retired: true, ..set }))
            }
            (None, _) => Err(RequestError::unwatched(&self.said(), places::said(watched))),
        }
    }

    /// The error that they select another scope than the one which a URI names.
    #[must_use]
    pub fn unlike(&self, named: &Scope) -> ArgumentError {
        let other_region = self.region.as_deref().filter(|region| *region != named.region.as_str());
        let (name, found) = match (other_region, self.account.as_deref()) {
            (Some(region), _) => ("region", region),
            (None, Some(account)) if account != named.account.as_str() => ("account", account),
            (None, _) => ("ou", self.ou.as_deref().unwrap_or_default()),
        };
        ArgumentError::form(name, AS_URI, found)
    }

    /// What is asked for, in words.
    fn said(&self) -> String {
        let part = |what: &str, name: Option<&str>| name.map(|name| format!("{what}{}", shown(name, 80)));
        let parts = [
            part("region ", self.region.as_deref()),
            part("account ", self.account.as_deref()),
            part("organizational unit ", self.ou.as_deref()),
        ];
        parts.into_iter().flatten().collect::<Vec<_>>().join(" of ")
    }
}

/// The scopes that filters of accounts and regions leave of those that `scope` allows, and a sentence for each of their values that
/// no watched scope has.
///
/// # Errors
/// When they leave no watched scope, because an answer of zero matches would look like a fact; [`RequestError::Unsure`] if they name
/// an account that cannot be reached.
pub fn left_by(
    filters: &Filters,
    core: &Core,
    kind: &'static KindSpec,
    scope: &ScopeFilter,
    point: Option<Point>,
) -> Result<(ScopeFilter, Vec<String>), RequestError> {
    let of_places = |on: &On| matches!(on, On::Account | On::Region);
    let places = || filters.each().filter(|(_, _, tests)| tests.iter().any(|test| of_places(&test.on)));
    if places().next().is_none() {
        return Ok((scope.clone(), Vec::new()));
    }
    let watched: BTreeSet<Scope> = core.scopes(&[kind]).into_iter().map(|state| state.scope).collect();
    let retired = core.unwatched(&[kind]).into_iter().map(|state| state.scope);
    let mut known: BTreeSet<Scope> = watched.iter().cloned().chain(retired).collect();
    let is_left = |known: &Scope| filters.admit(known) && scope.takes(known);
    // As for the arguments: what is no longer watched is meant where nothing else is. Of the past it may have been watched.
    let with_retired = point.is_some() || !scope.is_everywhere() || !watched.iter().any(is_left);
    if !with_retired {
        known.clone_from(&watched);
    }
    if known.is_empty() {
        return Ok((scope.clone(), Vec::new()));
    }
    let mut remarks = Vec::new();
    for (name, values, tests) in places() {
        let is_none = |(_, test): &(&String, &Comparison)| {
            !known.iter().any(|scope| test.on.part(scope).is_some_and(|part| test.pattern.matches(part)))
        };
        let (mut unwatched, mut unreached) = (Vec::new(), Vec::new());
        for (value, test) in values.iter().zip(tests).filter(is_none) {
            match core.unsure_of_account(value).filter(|_| test.on == On::Account) {
                Some(unsure) => unreached.push(unsure),
                None => unwatched.push(format!("{name} {}", shown(value, 80))),
            }
        }
        if unwatched.len() + unreached.len() == values.len() {
            // Of what is not reached nothing is known, of what is not watched nothing is wanted.
            let refused = || RequestError::unwatched(&unwatched.join(" or "), places::said(&known));
            return Err(unreached.into_iter().next().unwrap_or_else(refused));
        }
        let said = |what: String| RequestError::unwatched(&what, places::said(&known)).to_string();
        remarks.extend(unreached.iter().map(ToString::to_string).chain(unwatched.into_iter().map(said)));
    }
    let left: Vec<&Scope> = known.iter().filter(|known| is_left(known)).collect();
    let left_only_retired = left.iter().all(|left| !watched.contains(*left));
    let left = match left.as_slice() {
        [] => return Err(RequestError::unwatched("that account in that region", places::said(&known))),
        [one] if scope.only().is_none() => (*one).into(),
        _ if scope.only().is_some() || (left.len() == known.len() && !left_only_retired) => scope.clone(),
        // Each filter is about accounts or about regions, so that those that are left are all regions of the accounts that are.
        several => ScopeFilter::of(ScopeSet {
            accounts: Some(several.iter().map(|scope| scope.account.clone()).collect()),
            regions: Some(several.iter().map(|scope| scope.region.clone()).collect()),
            with_retired: scope.is_with_retired() || left_only_retired,
        }),
    };
    if point.is_none() && left != *scope {
        core.not_all_failed(kind, &left)?;
    }
    Ok((left, remarks))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::KnownAccount;

    const PROD: &str = "111111111111";
    const DEV: &str = "222222222222";
    const OLD: &str = "333333333333";

    fn scope(account: &str, region: &str) -> Scope {
        Scope { account: AccountId::new(account), region: Region::new(region) }
    }

    fn chosen(account: Option<&str>, region: Option<&str>, ou: Option<&str>) -> Result<ScopeFilter, RequestError> {
        let facts = |number: &str, name: &str, ou: &str| {
            (AccountId::new(number), KnownAccount { name: Some(name.into()), ou: Some(ou.into()), retired: None })
        };
        let known = KnownAccounts::new([
            facts(PROD, "prod", "/Workloads/Production"),
            facts(DEV, "dev", "/Workloads/Development"),
            facts(OLD, "old", "/Sandbox"),
        ]);
        let watched = BTreeSet::from([scope(PROD, "a"), scope(PROD, "b"), scope(DEV, "a")]);
        let retired = BTreeSet::from([scope(OLD, "a"), scope(OLD, "b"), scope(PROD, "c")]);
        let [account, region, ou] = [account, region, ou].map(|text| text.map(str::to_owned));
        ScopeArguments { account, region, ou }.among(&known, &watched, &retired)
    }

    #[test]
    fn arguments_select_every_scope_that_has_what_they_name() {
        let text = |filter: Result<ScopeFilter, RequestError>| filter.unwrap().to_string();
        assert_eq!(text(chosen(Some("prod"), None, None)), format!("{PROD}/*"));
        assert_eq!(text(chosen(Some(DEV), None, None)), format!("{DEV}/a"), "its only scope");
        assert_eq!(text(chosen(None, Some("a"), None)), "*/a");
        assert_eq!(text(chosen(None, None, Some("/Workloads"))), format!("{PROD},{DEV}/*"));
        assert_eq!(text(chosen(None, Some("a"), Some("workloads"))), format!("{PROD},{DEV}/a"));
        assert_eq!(text(chosen(Some("prod"), Some("b"), Some("Production"))), format!("{PROD}/b"));
        assert_eq!(text(chosen(Some("prod"), Some("c"), None)), format!("{PROD}/c"), "named, though no longer watched");
        assert_eq!(text(chosen(Some("OLD"), None, None)), format!("{OLD}/*+"));
    }

    #[test]
    fn a_name_that_no_scope_has_is_refused() {
        let error = |filter: Result<ScopeFilter, RequestError>| filter.unwrap_err().to_string();
        assert!(error(chosen(Some("prot"), None, None)).contains("did you mean `prod`"));
        assert!(error(chosen(None, Some("z"), None)).starts_with("Region z is not watched"));
        assert!(error(chosen(None, None, Some("/Nowhere"))).starts_with("Organizational unit /Nowhere"));
        let none = error(chosen(Some("dev"), Some("b"), None));
        assert!(none.starts_with("Region b of account dev is not watched; this server watches"), "{none}");
        assert!(chosen(Some("dev"), None, Some("Production")).is_err());
    }
}
