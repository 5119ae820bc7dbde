//! Completes what a person types into a URI template or a prompt.

use rmcp::model::{CompleteRequestParams, CompletionInfo};

use super::core::Core;
use super::error::RequestError;
use super::prompts;
use super::prompts::spec::CompletedArgument;
use super::resources::templates::{COLLECTION, QUALIFIED, kind_of};
use crate::kinds::{self, INSTANCE, KINDS, KindSpec};
use crate::model::text::hostile;
use crate::model::{AccountId, Region, ResourceId};
use crate::store::On;

/// The filter of security groups that names the first port of what they open.
const OPENS: &str = "ip-permission.from-port";

/// Finds values for the argument that is being typed; none for unknown templates, prompts and arguments. A value that could not be
/// given back, because it holds characters that nobody sees, is left out.
///
/// # Errors
/// When the store cannot be read.
pub fn complete(core: &Core, request: &CompleteRequestParams) -> Result<CompletionInfo, RequestError> {
    let typed = request.argument.value.as_str();
    let name = request.argument.name.as_str();
    if let Some(prompt) = request.r#ref.as_prompt_name() {
        return match prompts::completed(prompt, name) {
            Some(CompletedArgument::Instance) => ids(core, INSTANCE, typed),
            Some(CompletedArgument::Tag) => Ok(among(tags(core, typed)?, typed)),
            Some(CompletedArgument::Region) => Ok(among(regions(core, None), typed)),
            Some(CompletedArgument::Port) => Ok(among(ports(core)?, typed)),
            None => Ok(CompletionInfo::default()),
        };
    }
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
    let values: Vec<String> = match name {
        "id" => match kind {
            Some(kind) => return ids(core, kind, typed),
            None => Vec::new(),
        },
        "kind" if scoped => KINDS.iter().map(|kind| kind.slug.to_owned()).collect(),
        "account" if scoped => core.scopes(KINDS).iter().map(|state| state.scope.account.to_string()).collect(),
        "region" if scoped => regions(core, context("account")),
        _ => Vec::new(),
    };
    Ok(among(values, typed))
}

/// The values that begin with the typed text, in order.
fn among(mut values: Vec<String>, typed: &str) -> CompletionInfo {
    values.retain(|value| value.starts_with(typed) && !value.is_empty() && !value.chars().any(hostile));
    values.sort();
    values.dedup();
    let total = u32::try_from(values.len()).ok();
    values.truncate(CompletionInfo::MAX_VALUES);
    info(values, total, false)
}

/// The watched regions, of one account or of all.
fn regions(core: &Core, account: Option<&String>) -> Vec<String> {
    let known = core.scopes(KINDS).into_iter().map(|state| state.scope);
    let known = known.filter(|scope| account.is_none_or(|account| scope.account.as_str() == account));
    known.map(|scope| scope.region.to_string()).collect()
}

/// Tags of instances as KEY=VALUE: the keys, and the values of the key that was typed. No filter compares values that are redacted.
fn tags(core: &Core, typed: &str) -> Result<Vec<String>, RequestError> {
    let held = |on: &On| core.store.count_by(&INSTANCE.kind(), None, on);
    let is_secret = |key: &str| core.aws.secrets().is_secret(key);
    Ok(match typed.split_once('=') {
        Some((key, _)) if is_secret(key) => Vec::new(),
        Some((key, _)) => held(&On::Tag(key.to_owned()))?.into_keys().map(|value| format!("{key}={value}")).collect(),
        None => held(&On::TagKey)?.into_keys().filter(|key| !is_secret(key)).map(|key| format!("{key}=")).collect(),
    })
}

/// The first port of each range that a security group opens to others.
fn ports(core: &Core) -> Result<Vec<String>, RequestError> {
    let Some((kind, filter)) = kinds::by_slug("security-group").and_then(|kind| Some((kind, kind.filter(OPENS)?)))
    else {
        return Ok(Vec::new());
    };
    let held = core.store.count_by(&kind.kind(), None, &On::Facet(filter.number))?;
    Ok(held.into_keys().filter(|port| port.parse::<u16>().is_ok()).collect())
}

/// Ids that begin with the typed text, read from the first such id on.
fn ids(core: &Core, kind: &'static KindSpec, typed: &str) -> Result<CompletionInfo, RequestError> {
    let (account, region) = (AccountId::new(""), Region::new(""));
    let before = ResourceId { kind: kind.kind(), id: typed.into(), account, region };
    let heads = core.snapshot()?.heads(&kind.kind(), None, Some(&before), CompletionInfo::MAX_VALUES + 1)?;
    let mut values: Vec<String> = heads.iter().map(|head| head.id.id.to_string()).collect();
    values.retain(|id| id.starts_with(typed) && !id.chars().any(hostile));
    values.dedup();
    let more = values.len() > CompletionInfo::MAX_VALUES;
    values.truncate(CompletionInfo::MAX_VALUES);
    let total = if more { None } else { u32::try_from(values.len()).ok() };
    Ok(info(values, total, more))
}

fn info(values: Vec<String>, total: Option<u32>, more: bool) -> CompletionInfo {
    CompletionInfo::with_pagination(values, total, more).unwrap_or_default()
}
