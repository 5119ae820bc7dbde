//! The one resource that a call is about: by URI, or by kind and id.

use serde_json::json;

use super::arguments::Arguments;
use super::search_inventory::{kind, scope};
use crate::kinds::KindSpec;
use crate::mcp::core::Core;
use crate::mcp::error::Fault;
use crate::mcp::uri::Address;
use crate::model::Scope;

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
