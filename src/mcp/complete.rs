//! Completes what a person types into a URI template or a prompt.

use std::collections::BTreeSet;

use rmcp::model::{CompleteRequestParams, CompletionInfo};

use super::core::Core;
use super::error::RequestError;
use super::prompts;
use super::prompts::spec::CompletedArgument;
use super::resources::templates::{COLLECTION, QUALIFIED, kind_of};
use crate::kinds::{self, INSTANCE, KINDS, KindSpec};
use crate::model::text::{hostile, shown};
use crate::model::{AccountId, Region, ResourceId, ScopeFilter, ScopeSet};
use crate::store::{Comparison, Matcher, On, ValuePattern};

/// The filter of security groups that names the first port of what they open.
const OPENS: &str = "ip-permission.from-port";
/// The lengths of time that are offered.
const DAYS: [u16; 6] = [7, 14, 30, 90, 180, 365];
/// The tag that names a resource.
const NAME: &str = "Name";

/// The values that complete what is typed.
#[derive(Clone, Copy, Debug)]
pub enum CompletionSource {
    /// Ids of resources, found by id or by name; of no kind while the kind is not known.
    Ids(Option<&'static KindSpec>),
    /// Kinds, by slug.
    Kinds,
    /// Watched accounts, found by number or by name.
    Accounts,
    /// Watched regions.
    Regions,
    /// Tags of instances, as KEY=VALUE.
    Tags,
    /// Ports that security groups open.
    Ports,
    /// Lengths of time, in days.
    Days,
}

impl CompletionSource {
    /// The values for the argument that is being typed.
    ///
    /// # Errors
    /// When there is no such template, prompt or argument.
    pub fn of(request: &CompleteRequestParams) -> Result<Self, RequestError> {
        let name = request.argument.name.as_str();
        if let Some(prompt) = request.r#ref.as_prompt_name() {
            return Ok(match prompts::completed(prompt, name)? {
                CompletedArgument::Instance => CompletionSource::Ids(Some(INSTANCE)),
                CompletedArgument::Tag => CompletionSource::Tags,
                CompletedArgument::Region => CompletionSource::Regions,
                CompletedArgument::Port => CompletionSource::Ports,
                CompletedArgument::Days => CompletionSource::Days,
            });
        }
        let template = request.r#ref.as_resource_uri().unwrap_or_default();
        let kind = kind_of(template);
        let is_scoped = template == COLLECTION || template == QUALIFIED;
        match name {
            "id" if kind.is_some() => Ok(CompletionSource::Ids(kind)),
            "id" if template == QUALIFIED => Ok(CompletionSource::Ids(given(request, "kind").and_then(kinds::by_slug))),
            "kind" if is_scoped => Ok(CompletionSource::Kinds),
            "account" if is_scoped => Ok(CompletionSource::Accounts),
            "region" if is_scoped => Ok(CompletionSource::Regions),
            _ if kind.is_some() || is_scoped => Err(RequestError::NothingToComplete {
                what: "variable",
                name: shown(name, 80),
                place: template.to_owned(),
            }),
            _ => Err(RequestError::NothingToComplete {
                what: "template",
                name: shown(template, 200),
                place: "resources/templates/list".to_owned(),
            }),
        }
    }

    /// Finds the values. One that could not be given back, because it holds characters that nobody sees, is left out.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn complete(self, core: &Core, request: &CompleteRequestParams) -> Result<CompletionInfo, RequestError> {
        let typed = request.argument.value.as_str();
        let account = given(request, "account");
        let values: Vec<String> = match self {
            CompletionSource::Ids(Some(kind)) if core.watches(kind) => {
                let accounts = account.map(|account| called(core, account));
                let regions = given(request, "region").map(|region| [Region::new(region)].into());
                // Who names a scope means it even if it is no longer watched.
                let with_retired = accounts.is_some() && regions.is_some();
                let scope = ScopeFilter::of(ScopeSet { accounts, regions, with_retired });
                return ids(core, kind, &scope, typed);
            }
            CompletionSource::Ids(_) => Vec::new(),
            CompletionSource::Kinds => core.watched_of(KINDS).iter().map(|kind| kind.slug.to_owned()).collect(),
            CompletionSource::Accounts => return Ok(among(accounts(core, typed), "")),
            CompletionSource::Regions => regions(core, account),
            CompletionSource::Tags => tags(core, typed)?,
            CompletionSource::Ports => ports(core)?,
            CompletionSource::Days => DAYS.map(|days| format!("{days}d")).to_vec(),
        };
        Ok(among(values, typed))
    }
}

/// An argument that was given before. A blank one does not narrow the values.
fn given<'r>(request: &'r CompleteRequestParams, name: &str) -> Option<&'r str> {
    let given = request.context.as_ref().and_then(|context| context.get_argument(name));
    given.map(String::as_str).filter(|value| !value.trim().is_empty())
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

/// The numbers of watched accounts whose number or name begins with the typed text. URIs take numbers only.
fn accounts(core: &Core, typed: &str) -> Vec<String> {
    let (known, typed) = (core.known_accounts(), typed.to_lowercase());
    let name = |account: &AccountId| known.of(account)?.name.as_deref().map(str::to_lowercase);
    let begins = |account: &AccountId| {
        account.as_str().starts_with(&typed) || name(account).is_some_and(|name| name.starts_with(&typed))
    };
    let watched: BTreeSet<AccountId> = core.scopes(KINDS).into_iter().map(|state| state.scope.account).collect();
    watched.iter().filter(|account| begins(account)).map(ToString::to_string).collect()
}

/// The accounts of this number or name.
fn called(core: &Core, account: &str) -> BTreeSet<AccountId> {
    core.known_accounts().called(account).cloned().chain([AccountId::new(account)]).collect()
}

/// The watched regions, of one account or of all.
fn regions(core: &Core, account: Option<&str>) -> Vec<String> {
    let known = core.scopes(KINDS).into_iter().map(|state| state.scope);
    let accounts = account.map(|account| called(core, account));
    let known = known.filter(|scope| accounts.as_ref().is_none_or(|accounts| accounts.contains(&scope.account)));
    known.map(|scope| scope.region.to_string()).collect()
}

/// Tags of instances as KEY=VALUE: the keys, and the values of the key that was typed. No filter compares values that are redacted.
fn tags(core: &Core, typed: &str) -> Result<Vec<String>, RequestError> {
    let held = |on: &On| core.store.count_by(&INSTANCE.kind(), &ScopeFilter::Everywhere, on);
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
    let held = core.store.count_by(&kind.kind(), &ScopeFilter::Everywhere, &On::Facet(filter.number))?;
    Ok(held.into_keys().filter(|port| port.parse::<u16>().is_ok()).collect())
}

/// The ids that begin with the typed text, read from the first such id on; then those of resources whose name begins with it.
fn ids(core: &Core, kind: &'static KindSpec, scope: &ScopeFilter, typed: &str) -> Result<CompletionInfo, RequestError> {
    const MOST: usize = CompletionInfo::MAX_VALUES;
    let (account, region) = (AccountId::new(""), Region::new(""));
    let before = ResourceId { kind: kind.kind(), id: typed.into(), account, region };
    let heads = core.snapshot()?.heads(&kind.kind(), scope, Some(&before), MOST + 1)?;
    let mut values: Vec<String> = heads.iter().map(|head| head.id.id.to_string()).collect();
    values.retain(|id| id.starts_with(typed));
    if values.len() <= MOST && !typed.is_empty() {
        // Status checks are of an instance, which has the name.
        let whole = kind.status_of.and_then(kinds::by_slug).unwrap_or(kind);
        let named = Matcher::any().and(named(core, whole, typed));
        let named = core.store.scan(&whole.kind(), scope, &named, None, MOST + 1)?;
        values.extend(named.ids.iter().map(|id| id.id.to_string()));
    }
    let mut known = std::collections::HashSet::new();
    values.retain(|id| !id.chars().any(hostile) && known.insert(id.clone()));
    let more = values.len() > MOST;
    values.truncate(MOST);
    let total = if more { None } else { u32::try_from(values.len()).ok() };
    Ok(info(values, total, more))
}

/// That the name of a resource begins with the typed text.
fn named(core: &Core, kind: &KindSpec, typed: &str) -> Vec<Comparison> {
    let tag = (!core.aws.secrets().is_secret(NAME)).then(|| On::Tag(NAME.to_owned()));
    let field = kind.filters.iter().find(|filter| kind.name_field.is_some_and(|name| filter.paths == [name]));
    let field = field.map(|filter| On::Facet(filter.number));
    let pattern = ValuePattern::beginning(typed);
    tag.into_iter().chain(field).map(|on| Comparison { on, pattern: pattern.clone() }).collect()
}

fn info(values: Vec<String>, total: Option<u32>, more: bool) -> CompletionInfo {
    CompletionInfo::with_pagination(values, total, more).unwrap_or_default()
}
