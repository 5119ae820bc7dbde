//! The arguments `account` and `region`, which narrow a question to one scope.

use rmcp::schemars::{self, JsonSchema};
use serde::Deserialize;

use super::ArgumentError;
use crate::kinds::KindSpec;
use crate::mcp::core::Core;
use crate::mcp::error::RequestError;
use crate::model::Scope;

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
