//! The arguments `account` and `region`, which narrow a question to one scope.

use rmcp::schemars::{self, JsonSchema};
use serde::Deserialize;

use super::ArgumentError;
use crate::kinds::KindSpec;
use crate::mcp::core::Core;
use crate::mcp::error::RequestError;
use crate::model::Scope;
use crate::model::text::shown;
use crate::query::{Filters, Point};
use crate::store::On;

/// The account and the region to search; everywhere when both are absent.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
pub struct ScopeArguments {
    /// Only this AWS account. Give region as well if several regions are watched.
    pub account: Option<String>,
    /// Only this region.
    pub region: Option<String>,
}

impl ScopeArguments {
    /// The scope that the arguments select. One argument is enough if only one watched scope matches it. A scope that is not
    /// watched is refused, because an answer of zero matches would look like a fact.
    ///
    /// # Errors
    /// When the scope is not watched, or several scopes match.
    pub async fn scope(&self, core: &Core, kind: &'static KindSpec) -> Result<Option<Scope>, RequestError> {
        let (account, region) = (self.account.as_deref(), self.region.as_deref());
        let (name, wanted, what) = match (account, region) {
            (None, None) => return Ok(None),
            (Some(account), None) => ("account", account.to_owned(), format!("account {account}")),
            (None, Some(region)) => ("region", region.to_owned(), format!("region {region}")),
            (Some(account), Some(region)) => {
                let wanted = format!("{region} of account {account}");
                ("region", wanted.clone(), format!("region {wanted}"))
            }
        };
        if core.scopes(&[kind]).is_empty() {
            core.anything(&[kind], None).await?;
        }
        let progress = core.progress(&[kind], None);
        if core.scopes(&[kind]).is_empty() {
            return Err(RequestError::NotSeenYet {
                subject: "the inventory was".to_owned(),
                progress: progress.into(),
            });
        }
        let is_meant = |scope: &Scope| {
            account.is_none_or(|account| account == scope.account.as_str())
                && region.is_none_or(|region| region == scope.region.as_str())
        };
        let mut scopes: Vec<Scope> = core.scopes(&[kind]).into_iter().map(|state| state.scope).collect();
        let known: Vec<String> = scopes.iter().map(ToString::to_string).collect();
        scopes.retain(is_meant);
        if scopes.is_empty() {
            // A scope that is no longer watched is answered, with a label, when it is named.
            scopes = core.unwatched(&[kind]).into_iter().map(|state| state.scope).filter(is_meant).collect();
        }
        match scopes.as_slice() {
            [scope] => Ok(Some(scope.clone())),
            [] => Err(RequestError::unwatched(&what, &known)),
            several => Err(ArgumentError::ambiguous(name, &wanted, several).into()),
        }
    }
}

/// The scope that filters of accounts and regions leave of those that `scope` allows, where they leave only one, and a sentence for
/// each of their values that no watched scope has.
///
/// # Errors
/// When they leave no watched scope, because an answer of zero matches would look like a fact.
pub fn left_by(
    filters: &Filters,
    core: &Core,
    kind: &'static KindSpec,
    scope: Option<&Scope>,
    point: Option<Point>,
) -> Result<(Option<Scope>, Vec<String>), RequestError> {
    let mut known = core.scopes(&[kind]);
    if scope.is_some() || point.is_some() {
        known.extend(core.unwatched(&[kind]));
    }
    let known: Vec<Scope> = known.into_iter().map(|state| state.scope).collect();
    let of_places = |on: &On| matches!(on, On::Account | On::Region);
    let places = || filters.each().filter(|(_, _, tests)| tests.iter().any(|test| of_places(&test.on)));
    if known.is_empty() || places().next().is_none() {
        return Ok((scope.cloned(), Vec::new()));
    }
    let names: Vec<String> = known.iter().map(ToString::to_string).collect();
    let mut unwatched = Vec::new();
    for (name, values, tests) in places() {
        let is_none = |(_, test): &(&String, &crate::store::Comparison)| {
            !known.iter().any(|scope| test.on.part(scope).is_some_and(|part| test.pattern.matches(part)))
        };
        let nowhere: Vec<String> =
            values.iter().zip(tests).filter(is_none).map(|(value, _)| format!("{name} {}", shown(value, 80))).collect();
        if nowhere.len() == values.len() {
            return Err(RequestError::unwatched(&nowhere.join(" or "), &names));
        }
        unwatched.extend(nowhere);
    }
    let left: Vec<&Scope> = known.iter().filter(|scope| filters.admit(scope)).collect();
    let left = match left.as_slice() {
        [] => return Err(RequestError::unwatched("that account in that region", &names)),
        [one] if scope.is_none() => Some((*one).clone()),
        _ => scope.cloned(),
    };
    let said = |what: String| RequestError::unwatched(&what, &names).to_string();
    Ok((left, unwatched.into_iter().map(said).collect()))
}
