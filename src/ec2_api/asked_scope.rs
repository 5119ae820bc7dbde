//! Which watched account and region a request is about, and why there are none.

use std::collections::BTreeSet;

use super::copy_fault::CopyFault;
use super::place::{AskedPlace, PlaceError, account, place};
use crate::freshness::{Freshness, MemberTrouble};
use crate::model::Scope;

/// The scope that a request is about, of those that are watched.
///
/// # Errors
/// [`CopyFault`]; where its account cannot be reached, or none can, that is no matter of moments.
pub fn asked_scope(
    freshness: &Freshness,
    asked: AskedPlace<'_>,
    watched: &BTreeSet<Scope>,
) -> Result<Scope, CopyFault> {
    place(asked, watched).map_err(|error| unplaced(freshness, error))
}

/// Watched scopes of the account that a request is about, at least one, and first those that can be looked at; among these, and among
/// the others, first that of its region. What is asked is the same in all regions.
///
/// # Errors
/// [`CopyFault`].
pub fn any_scopes(freshness: &Freshness, asked: AskedPlace<'_>) -> Result<(Scope, Vec<Scope>), CopyFault> {
    let states = freshness.scopes();
    let watched: BTreeSet<Scope> = states.iter().map(|state| state.scope.clone()).collect();
    let account = account(asked, &watched).map_err(|error| unplaced(freshness, error))?;
    let is_failing =
        |scope: &Scope| states.iter().filter(|state| state.scope == *scope).all(|state| state.failing().is_some());
    let mut found: Vec<&Scope> = watched.iter().filter(|scope| scope.account == account).collect();
    found.sort_by_cached_key(|scope| (is_failing(scope), Some(scope.region.as_str()) != asked.region));
    let mut found = found.into_iter().cloned();
    let first = found.next().ok_or_else(|| unplaced(freshness, PlaceError::Nothing))?;
    Ok((first, found.collect()))
}

fn unplaced(freshness: &Freshness, error: PlaceError) -> CopyFault {
    let members = freshness.members();
    let (whom, trouble) = match &error {
        PlaceError::Nothing => {
            let of_account = || members.into_iter().next().map(|member| member.trouble);
            ("any account".to_owned(), freshness.trouble().or_else(of_account))
        }
        PlaceError::UnwatchedAccount { account, .. } => {
            let named = members.into_iter().find(|member| member.is_called(account));
            let whom = named.as_ref().map_or_else(String::new, MemberTrouble::told);
            (format!("the account {whom}"), named.map(|member| member.trouble))
        }
        _ => return error.into(),
    };
    let Some(trouble) = trouble else {
        // Something is watched, and they see nothing of it: that is no matter of moments either.
        let is_seen = error != PlaceError::Nothing || freshness.len() == 0;
        return if is_seen { error.into() } else { PlaceError::NothingSeen.into() };
    };
    let what = trouble.what.trim_end_matches('.').to_owned();
    CopyFault::Unreached { whom, what, fix: trouble.next_step() }
}
