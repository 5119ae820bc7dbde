//! What is permitted and offered, and how to permit more.

use serde_json::{Value, json};

/// How a person enables write tools.
pub const ENABLE: &str = "a person adds --allow-writes to the arguments of the Muster server in the MCP client's \
    configuration (`muster mcp --allow-writes`; over HTTP `muster serve --allow-writes`) and restarts it";

/// What the server as a whole permits and offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Whether write tools may exist. A connection can have less, never more.
    pub allow_writes: bool,
    /// What `resources/list` holds.
    pub list: ListMode,
}

/// What `resources/list` holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ListMode {
    /// Everything while there are at most 2,000 resources, collections above.
    #[default]
    Auto,
    /// Every resource, whatever their number.
    All,
    /// Summaries, VPCs and collections.
    Collections,
}

/// The write policy of a connection, as answers show it.
#[must_use]
pub fn writes(allowed: bool) -> Value {
    if allowed { json!({"allowed": true}) } else { json!({"allowed": false, "enable": ENABLE}) }
}
