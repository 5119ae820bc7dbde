//! What tables of SQL hold that the store does not know: how fresh each kind is in each scope, and what is known of each account.

use std::collections::{BTreeMap, BTreeSet};

use crate::freshness::{ScopeCoverage, ScopeFreshness};
use crate::kinds;
use crate::mcp::cause::cause;
use crate::mcp::core::Core;
use crate::mcp::stale::Stale;
use crate::model::text::shown;
use crate::model::{AccountId, Scope};
use crate::query::sql::{AccountRow, FreshnessRow, Outside};

/// The longest name of an account or of the units above it.
const NAME: usize = 500;

/// All of it. `doubts` says what the table `exposure` cannot rely on.
pub(super) fn outside(core: &Core, doubts: BTreeMap<(Scope, &'static str), String>) -> Outside {
    let states = core.ingest.freshness().scopes();
    let (freshness, accounts) = (freshness(core, &states), accounts(core, &states));
    Outside { freshness, accounts, prices: Some(core.prices()), doubts }
}

/// The rows of the table `freshness`.
fn freshness(core: &Core, states: &[ScopeFreshness]) -> Vec<FreshnessRow> {
    let (everywhere, now) = (core.ingest.freshness().trouble(), core.now());
    let rows = states.iter().filter_map(|state| {
        Some(FreshnessRow {
            kind: kinds::of(&state.kind)?.slug,
            scope: state.scope.clone(),
            as_of: state.settled,
            stale: Stale::of(state, everywhere.as_ref(), now).map(|stale| stale.why),
            is_complete: state.complete.is_some(),
            standing: match state.coverage() {
                ScopeCoverage::Covered => "covered",
                ScopeCoverage::Pending => "pending",
                ScopeCoverage::Failed => "failed",
            },
            cause: state.failing().map(|trouble| cause(trouble, &state.scope)),
        })
    });
    rows.collect()
}

/// The rows of the table `account`.
fn accounts(core: &Core, states: &[ScopeFreshness]) -> Vec<AccountRow> {
    let mut scopes: BTreeMap<&AccountId, BTreeMap<&Scope, Vec<&ScopeFreshness>>> = BTreeMap::new();
    for state in states {
        scopes.entry(&state.scope.account).or_default().entry(&state.scope).or_default().push(state);
    }
    let known = core.aws.known_accounts();
    let rows = scopes.into_iter().map(|(account, scopes)| {
        let facts = known.of(account);
        let is = |states: &Vec<&ScopeFreshness>, standing| states.iter().any(|state| state.coverage() == standing);
        let count = |standing| scopes.values().filter(|states| is(states, standing)).count();
        let all = || scopes.values().flatten();
        let mut causes: BTreeMap<String, BTreeSet<&Scope>> = BTreeMap::new();
        for state in all().filter(|state| state.coverage() == ScopeCoverage::Failed) {
            let Some(trouble) = &state.trouble else { continue };
            causes.entry(cause(trouble, &state.scope)).or_default().insert(&state.scope);
        }
        let covered =
            |states: &&Vec<&ScopeFreshness>| states.iter().all(|state| state.coverage() == ScopeCoverage::Covered);
        AccountRow {
            account: account.clone(),
            name: facts.and_then(|facts| facts.name.as_deref()).map(|name| shown(name, NAME)),
            ou: facts.and_then(|facts| facts.ou.as_deref()).map(|ou| shown(ou, NAME)),
            regions: scopes.len(),
            covered: scopes.values().filter(covered).count(),
            pending: count(ScopeCoverage::Pending),
            failed: count(ScopeCoverage::Failed),
            as_of: all()
                .filter(|state| state.coverage() == ScopeCoverage::Covered)
                .map(|state| state.settled)
                .min()
                .flatten(),
            cause: causes.into_iter().max_by_key(|(_, scopes)| scopes.len()).map(|(cause, _)| cause),
        }
    });
    rows.collect()
}
