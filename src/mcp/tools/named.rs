//! The one resource that a call is about: by URI, or by kind and id.

use serde_json::json;

use super::arguments::Arguments;
use crate::kinds::{self, KINDS, KindSpec};
use crate::mcp::core::Core;
use crate::mcp::error::Fault;
use crate::mcp::uri::Address;
use crate::model::Scope;
use crate::query::filter::{near, nearest};

/// The resource that `uri`, or `kind` and `id`, name; and the scope, for the qualified form of a URI.
///
/// # Errors
/// When neither is there, when they name different ones, or when the URI is of something else.
pub fn resource(arguments: &Arguments) -> Result<(&'static KindSpec, String, Option<Scope>), Fault> {
    let id = arguments.text("id")?.map(str::trim);
    if let Some(uri) = arguments.text("uri")? {
        let other = |what: &str| arguments.form("uri", &format!("one resource's URI: {what}"), &json!(uri)).into();
        let (named, of, scope) = match Address::parse(uri)? {
            Address::Resource { kind, id } | Address::History { kind, id } => (kind, id, None),
            Address::Qualified { scope, kind, id } => (kind, id, Some(scope)),
            Address::Summary | Address::Freshness => return Err(other("for this one call get_inventory_summary")),
            Address::Changes => return Err(other("for this one call list_changes")),
            Address::Collection { .. } => return Err(other("for many call search_inventory")),
        };
        if let Some(id) = id.filter(|id| *id != of) {
            return Err(arguments.form("id", "that of `uri`, or left out", &json!(id)).into());
        }
        if arguments.value("kind").is_some() && kind(arguments, "kind")?.slug != named.slug {
            let found = arguments.value("kind").cloned().unwrap_or_default();
            return Err(arguments.form("kind", "that of `uri`, or left out", &found).into());
        }
        return Ok((named, of, scope));
    }
    let id = id.ok_or_else(|| arguments.missing("uri"))?;
    Ok((kind(arguments, "kind")?, id.to_owned(), None))
}

/// The scope that the arguments `account` and `region` narrow to, which a qualified URI must agree with.
///
/// # Errors
/// When it is not watched, or the URI names another one.
pub async fn within(
    core: &Core,
    arguments: &Arguments,
    kind: &'static KindSpec,
    named: Option<Scope>,
) -> Result<Option<Scope>, Fault> {
    match (named, scope(core, arguments, kind).await?) {
        (Some(named), Some(asked)) if named != asked => {
            let name = if named.region == asked.region { "account" } else { "region" };
            let found = arguments.value(name).cloned().unwrap_or_default();
            Err(arguments.form(name, "that of `uri`, or left out", &found).into())
        }
        (Some(named), _) => Ok(Some(named)),
        (None, asked) => Ok(asked),
    }
}

/// The kind that an argument names; instances when it is absent.
///
/// # Errors
/// When there is no such kind.
pub fn kind(arguments: &Arguments, name: &str) -> Result<&'static KindSpec, Fault> {
    let slug = arguments.text(name)?.unwrap_or("instance");
    let found = kinds::by_slug(slug).or_else(|| kinds::by_name(slug));
    found.ok_or_else(|| {
        let slugs: Vec<&str> = KINDS.iter().map(|kind| kind.slug).collect();
        let near = near(nearest(slug, slugs.iter().copied()));
        arguments.form(name, &format!("one of {}{near}", slugs.join(", ")), &json!(slug)).into()
    })
}

/// The scope that `account` and `region` narrow to. Either alone is enough where it is watched only once. A scope that
/// nobody watches is refused: that nothing matches there would look like a fact.
///
/// # Errors
/// When it is not watched, or not only one is meant.
pub async fn scope(core: &Core, arguments: &Arguments, kind: &'static KindSpec) -> Result<Option<Scope>, Fault> {
    let (account, region) = (arguments.text("account")?, arguments.text("region")?);
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
        return Err(Fault::NotSeenYet { subject: "the inventory was".to_owned(), progress: progress.into() });
    }
    let is_meant = |scope: &Scope| {
        account.is_none_or(|account| account == scope.account.as_str())
            && region.is_none_or(|region| region == scope.region.as_str())
    };
    let mut scopes: Vec<Scope> = core.scopes(&[kind]).into_iter().map(|state| state.scope).collect();
    let known: Vec<String> = scopes.iter().map(ToString::to_string).collect();
    scopes.retain(is_meant);
    if scopes.is_empty() {
        // What is no longer watched is answered when it is asked for by name, and labelled.
        scopes = core.unwatched(&[kind]).into_iter().map(|state| state.scope).filter(is_meant).collect();
    }
    match scopes.as_slice() {
        [scope] => Ok(Some(scope.clone())),
        [] => Err(Fault::unwatched(&what, &known)),
        _ => Err(arguments.form(name, "given with both account and region", &json!(wanted)).into()),
    }
}
