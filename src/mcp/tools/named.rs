//! The one resource that a call is about: by URI, or by kind and id.

use serde_json::json;

use super::arguments::Arguments;
use super::search_inventory::kind;
use crate::kinds::KindSpec;
use crate::mcp::error::Fault;
use crate::mcp::uri::Address;
use crate::model::Scope;

/// The resource that `uri`, or `kind` and `id`, name; and the scope, for the qualified form of a URI.
///
/// # Errors
/// When neither is there, or the URI is of something else.
pub fn resource(arguments: &Arguments) -> Result<(&'static KindSpec, String, Option<Scope>), Fault> {
    if let Some(uri) = arguments.text("uri")? {
        let other = |what: &str| arguments.form("uri", &format!("one resource's URI: {what}"), &json!(uri)).into();
        return match Address::parse(uri)? {
            Address::Resource { kind, id } | Address::History { kind, id } => Ok((kind, id, None)),
            Address::Qualified { scope, kind, id } => Ok((kind, id, Some(scope))),
            Address::Summary | Address::Freshness => Err(other("for this one call get_inventory_summary")),
            Address::Changes => Err(other("for this one call list_changes")),
            Address::Collection { .. } => Err(other("for many call search_inventory")),
        };
    }
    let id = arguments.text("id")?.ok_or_else(|| arguments.missing("uri"))?;
    Ok((kind(arguments, "kind")?, id.trim().to_owned(), None))
}
