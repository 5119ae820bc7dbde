//! Completes what a person types into a URI template or a prompt.

use rmcp::model::{CompleteRequestParams, CompletionInfo};

use super::core::Core;
use super::error::RequestError;
use super::resources::templates::{COLLECTION, QUALIFIED, kind_of};
use crate::kinds::{self, KINDS, KindSpec};
use crate::model::{AccountId, Region, ResourceId};

/// Finds values for the argument that is being typed; none for unknown templates and arguments.
///
/// # Errors
/// When the store cannot be read.
pub fn complete(core: &Core, request: &CompleteRequestParams) -> Result<CompletionInfo, RequestError> {
    let typed = request.argument.value.as_str();
    let name = request.argument.name.as_str();
    // A blank argument does not narrow the values.
    let context = |name: &str| {
        let given = request.context.as_ref().and_then(|context| context.get_argument(name));
        given.filter(|value| !value.trim().is_empty())
    };
    let template = request.r#ref.as_resource_uri().unwrap_or_default();
    let scoped = template == COLLECTION || template == QUALIFIED;
    let kind = match kind_of(template) {
        Some(kind) => Some(kind),
        None => context("kind").and_then(|slug| kinds::by_slug(slug)),
    };
    let mut values: Vec<String> = match name {
        "id" => match kind {
            Some(kind) => return ids(core, kind, typed),
            None => Vec::new(),
        },
        "kind" if scoped => KINDS.iter().map(|kind| kind.slug.to_owned()).collect(),
        "account" if scoped => core.scopes(KINDS).iter().map(|state| state.scope.account.to_string()).collect(),
        "region" if scoped || request.r#ref.as_prompt_name().is_some() => {
            let known = core.scopes(KINDS).into_iter().map(|state| state.scope);
            let account = context("account");
            let known = known.filter(|scope| account.is_none_or(|account| scope.account.as_str() == account));
            known.map(|scope| scope.region.to_string()).collect()
        }
        _ => Vec::new(),
    };
    values.retain(|value| value.starts_with(typed));
    values.sort();
    values.dedup();
    let total = u32::try_from(values.len()).ok();
    values.truncate(CompletionInfo::MAX_VALUES);
    Ok(info(values, total, false))
}

/// Ids that begin with the typed text, read from the first such id on.
fn ids(core: &Core, kind: &'static KindSpec, typed: &str) -> Result<CompletionInfo, RequestError> {
    let (account, region) = (AccountId::new(""), Region::new(""));
    let before = ResourceId { kind: kind.kind(), id: typed.into(), account, region };
    let heads = core.snapshot()?.heads(&kind.kind(), None, Some(&before), CompletionInfo::MAX_VALUES + 1)?;
    let mut values: Vec<String> = heads.iter().map(|head| head.id.id.to_string()).collect();
    values.retain(|id| id.starts_with(typed));
    values.dedup();
    let more = values.len() > CompletionInfo::MAX_VALUES;
    values.truncate(CompletionInfo::MAX_VALUES);
    let total = if more { None } else { u32::try_from(values.len()).ok() };
    Ok(info(values, total, more))
}

fn info(values: Vec<String>, total: Option<u32>, more: bool) -> CompletionInfo {
    CompletionInfo::with_pagination(values, total, more).unwrap_or_default()
}
