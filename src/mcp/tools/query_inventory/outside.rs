//! What tables of SQL hold that the store does not know: how fresh each kind is in each scope, and what is known of each account.

use std::collections::{BTreeMap, BTreeSet};

use crate::freshness::{MemberTrouble, ScopeCoverage, ScopeFreshness};
use crate::kinds::{self, KINDS};
use crate::mcp::cause::cause;
use crate::mcp::core::Core;
use crate::mcp::stale::Stale;
use crate::model::text::shown;
use crate::model::{AccountId, Scope};
use crate::query::sql::{AccountRow, FreshnessRow, Outside};

/// The longest name of an account or of the units above it.
const NAME: usize = 500;

/// All of it. `doubts` says what the table `exposure` cannot rely on.
pub(super) fn outside(
    core: &Core,
    doubts: BTreeMap<(Scope, &'static str), String>,
    left_out: BTreeSet<&'static str>,
) -> Outside {
    let states = core.ingest.freshness().scopes();
    let (freshness, accounts) = (freshness(core, &states), accounts(core, &states));
    Outside { freshness, accounts, prices: Some(core.prices()), left_out, doubts }
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

/// The rows of the table `account`: those that are watched, those that cannot be reached, and those that are no longer watched.
fn accounts(core: &Core, states: &[ScopeFreshness]) -> Vec<AccountRow> {
    let mut rows = watched(core, states);
    let known = core.known_accounts();
    let named = |account: &AccountId| {
        let facts = known.of(account);
        let name = facts.and_then(|facts| facts.name.as_deref()).map(|name| shown(name, NAME));
        (name, facts.and_then(|facts| facts.ou.as_deref()).map(|ou| shown(ou, NAME)))
    };
    for MemberTrouble { label, account, trouble } in core.ingest.freshness().unreached() {
        let (name, ou) = account.as_ref().map(named).unwrap_or_default();
        let is_shown = rows.iter().any(|row| row.account.is_some() && row.account == account);
        if !is_shown {
            let name = name.or_else(|| Some(shown(&label, NAME)));
            let reason = format!("{}. {}", trouble.what, trouble.next_step());
            rows.push(AccountRow { account, name, ou, ..unseen("unreached", reason) });
        }
    }
    let mut retired: BTreeMap<AccountId, (BTreeSet<Scope>, Option<String>)> = BTreeMap::new();
    for state in core.unwatched(KINDS) {
        let why = state.stale(core.now());
        let (scopes, reason) = retired.entry(state.scope.account.clone()).or_default();
        scopes.insert(state.scope);
        *reason = reason.take().max(why);
    }
    for (account, (scopes, reason)) in retired {
        if rows.iter().all(|row| row.account.as_ref() != Some(&account)) {
            let (name, ou) = named(&account);
            let row = unseen("retired", reason.unwrap_or_default());
            rows.push(AccountRow { account: Some(account), name, ou, regions: scopes.len(), ..row });
        }
    }
    rows
}

/// The row of an account of which nothing is watched.
fn unseen(state: &'static str, reason: String) -> AccountRow {
    AccountRow {
        account: None,
        name: None,
        ou: None,
        regions: 0,
        covered: 0,
        pending: 0,
        failed: 0,
        as_of: None,
        cause: None,
        state,
        reason: Some(reason),
    }
}

/// The rows of the accounts that are watched.
fn watched(core: &Core, states: &[ScopeFreshness]) -> Vec<AccountRow> {
    let mut scopes: BTreeMap<&AccountId, BTreeMap<&Scope, Vec<&ScopeFreshness>>> = BTreeMap::new();
    for state in states {
        scopes.entry(&state.scope.account).or_default().entry(&state.scope).or_default().push(state);
    }
    let known = core.known_accounts();
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
        let (pending, failed) = (count(ScopeCoverage::Pending), count(ScopeCoverage::Failed));
        let cause = causes.into_iter().max_by_key(|(_, scopes)| scopes.len()).map(|(cause, _)| cause);
        let state = match () {
            () if pending > 0 => "pending",
            () if failed == scopes.len() => "failed",
            () => "watched",
        };
        AccountRow {
            account: Some(account.clone()),
            name: facts.and_then(|facts| facts.name.as_deref()).map(|name| shown(name, NAME)),
            ou: facts.and_then(|facts| facts.ou.as_deref()).map(|ou| shown(ou, NAME)),
            regions: scopes.len(),
            covered: scopes.values().filter(covered).count(),
            pending,
            failed,
            as_of: all()
                .filter(|state| state.coverage() == ScopeCoverage::Covered)
                .map(|state| state.settled)
                .min()
                .flatten(),
            reason: if state == "failed" { cause.clone() } else { None },
            cause,
            state,
        }
    });
    rows.collect()
}
