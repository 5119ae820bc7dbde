//! Which watched account and region a request is about, and why there are none.

use std::collections::BTreeSet;

use super::copy_fault::CopyFault;
use super::place::{AskedPlace, PlaceError, account, place};
use crate::freshness::Freshness;
use crate::model::Scope;

/// The scope that a request is about, of those that are watched.
///
/// # Errors
/// [`CopyFault`]; where there are none because no account can be reached, that is no matter of moments.
pub fn asked_scope(
    freshness: &Freshness,
    asked: AskedPlace<'_>,
    watched: &BTreeSet<Scope>,
) -> Result<Scope, CopyFault> {
    place(asked, watched).map_err(|error| unplaced(freshness, error))
}

/// A watched scope of the account that a request is about: that of its region, or else of another one, first of those that can be
/// looked at. What is asked is the same in all regions.
///
/// # Errors
/// [`CopyFault`].
pub fn any_scope(freshness: &Freshness, asked: AskedPlace<'_>) -> Result<Scope, CopyFault> {
    let states = freshness.scopes();
    let watched: BTreeSet<Scope> = states.iter().map(|state| state.scope.clone()).collect();
    let account = account(asked, &watched).map_err(|error| unplaced(freshness, error))?;
    let of_account = || watched.iter().filter(|scope| scope.account == account);
    let is_failing =
        |scope: &Scope| states.iter().filter(|state| state.scope == *scope).all(|state| state.failing().is_some());
    let named = of_account().find(|scope| Some(scope.region.as_str()) == asked.region);
    let others = || of_account().find(|scope| !is_failing(scope)).or_else(|| of_account().next());
    let found = named.or_else(others);
    found.cloned().ok_or_else(|| unplaced(freshness, PlaceError::Nothing))
}

fn unplaced(freshness: &Freshness, error: PlaceError) -> CopyFault {
    let of_account = || freshness.members().into_iter().next().map(|member| member.trouble);
    match freshness.trouble().or_else(of_account) {
        Some(trouble) if error == PlaceError::Nothing => {
            let what = trouble.what.trim_end_matches('.').to_owned();
            CopyFault::Unreached { what, fix: trouble.next_step() }
        }
        _ => error.into(),
    }
}
