//! The arguments that name one resource: its URI, or its kind and id.

use rmcp::schemars::{self, JsonSchema};
use serde::Deserialize;

use super::ArgumentError;
use super::kind::KindArgument;
use super::scope::{AS_URI, ScopeArguments};
use crate::kinds::{self, INSTANCE, KindSpec};
use crate::mcp::core::Core;
use crate::mcp::error::RequestError;
use crate::mcp::uri::Address;
use crate::model::text::shown;
use crate::model::{Scope, ScopeFilter};

/// One resource.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
pub struct ResourceArguments {
    /// The resource's URI, such as ec2://vpc/vpc-0123456789abcdef0.
    pub uri: Option<String>,
    /// The kind of the id, if its prefix does not show it.
    pub kind: Option<KindArgument>,
    /// AWS's ID, instead of uri.
    pub id: Option<String>,
}

impl ResourceArguments {
    /// The kind and the id of the resource, and the scope that a qualified URI names.
    ///
    /// # Errors
    /// When neither is there, when they name different ones, or when the URI is of something else.
    pub fn resource(&self) -> Result<(&'static KindSpec, String, Option<Scope>), RequestError> {
        let id = self.id.as_deref().map(str::trim);
        let Some(uri) = &self.uri else {
            let id = id.ok_or_else(|| ArgumentError::missing("uri"))?;
            let kind = self.kind.map(|KindArgument(kind)| kind).or_else(|| kinds::of_id(id));
            if let (None, Some(title)) = (kind, kinds::unheld::of_id(id)) {
                let id = shown(id, 80);
                let problem = format!("`{id}` is the id of a {title}, a kind of resource that Muster does not hold");
                return Err(ArgumentError::said(&problem).into());
            }
            let kind = kind.unwrap_or(INSTANCE);
            return Ok((kind, id.to_owned(), None));
        };
        let other =
            |what: &str| ArgumentError::form("uri", &format!("the URI of one resource ({what})"), uri.as_str()).into();
        let (named, of, scope) = match Address::parse(uri)? {
            Address::Resource { kind, id } | Address::History { kind, id } => (kind, id, None),
            Address::Qualified { scope, kind, id } => (kind, id, Some(scope)),
            Address::Summary | Address::Freshness => return Err(other("call get_inventory_summary for this one")),
            Address::Changes => return Err(other("call list_changes for this one")),
            Address::Collection { .. } => return Err(other("call search_inventory for many resources")),
        };
        if let Some(id) = id.filter(|id| *id != of) {
            return Err(ArgumentError::form("id", AS_URI, id).into());
        }
        if let Some(KindArgument(kind)) = self.kind.filter(|KindArgument(kind)| kind.slug != named.slug) {
            return Err(ArgumentError::form("kind", AS_URI, kind.slug).into());
        }
        Ok((named, of, scope))
    }

    /// This resource, if it is named, and those of `ids`, which may be ids or URIs: each with what it was named by.
    pub fn with(&self, ids: &[String]) -> impl Iterator<Item = (String, ResourceArguments)> {
        let lone = self.uri.as_ref().or(self.id.as_ref()).map(|name| (name.clone(), self.clone()));
        let listed = ids.iter().map(|id| id.trim()).filter(|id| !id.is_empty()).map(|id| {
            let one = if id.contains("://") {
                ResourceArguments { uri: Some(id.to_owned()), kind: self.kind, id: None }
            } else {
                ResourceArguments { uri: None, kind: self.kind, id: Some(id.to_owned()) }
            };
            (id.to_owned(), one)
        });
        lone.into_iter().chain(listed.collect::<Vec<_>>())
    }

    /// The same, within the scopes that `account`, `region` and `ou` narrow to, which a qualified URI must agree with.
    ///
    /// # Errors
    /// As for [`ResourceArguments::resource`]; when no such scope is watched, or the URI names another one.
    pub async fn within(
        &self,
        scope: &ScopeArguments,
        core: &Core,
    ) -> Result<(&'static KindSpec, String, ScopeFilter), RequestError> {
        let (kind, id, named) = self.resource()?;
        let asked = scope.scopes(core, kind).await?;
        let Some(named) = named else { return Ok((kind, id, asked)) };
        if !asked.takes(&named) {
            return Err(scope.unlike(&named).into());
        }
        Ok((kind, id, named.into()))
    }
}
