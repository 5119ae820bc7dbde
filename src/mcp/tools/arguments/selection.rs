//! The arguments that select resources of one kind.

use rmcp::schemars::{self, JsonSchema};
use serde::Deserialize;

use super::filters::FilterArgument;
use super::kind::KindArgument;
use super::scope::ScopeArguments;

/// Selects the resources of one kind that match filters, everywhere or in one account and region.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct SelectionArguments {
    /// The kind of resource. Default: instance.
    #[serde(default)]
    pub(in crate::mcp::tools) kind: KindArgument,
    #[serde(default)]
    pub(in crate::mcp::tools) filters: FilterArgument,
    #[serde(flatten)]
    pub(in crate::mcp::tools) scope: ScopeArguments,
}
