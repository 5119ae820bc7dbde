//! What is permitted and offered, and how to permit more.

use serde_json::{Value, json};

/// How a person enables write tools.
const ENABLE: &str = "a person adds --allow-writes to the arguments of the Muster server in the MCP client's \
    configuration (`muster mcp --allow-writes`; over HTTP `muster serve --allow-writes`) and restarts it";

/// What the server as a whole permits and offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServerPolicy {
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

/// Whether a connection may change AWS, and if not, who would have to permit it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Writes {
    /// It may.
    Allowed,
    /// The connection did not ask for it.
    NotAsked,
    /// The connection asked, and the server permits none.
    NotPermitted,
}

impl Writes {
    /// What a connection that `asked` gets of a server that `permits`.
    #[must_use]
    pub fn of(asked: bool, permits: bool) -> Self {
        match (asked, permits) {
            (true, true) => Writes::Allowed,
            (true, false) => Writes::NotPermitted,
            (false, _) => Writes::NotAsked,
        }
    }

    /// Whether it may.
    #[must_use]
    pub fn are_allowed(self) -> bool {
        self == Writes::Allowed
    }

    /// How a person enables them.
    #[must_use]
    pub fn enable(self) -> String {
        match self {
            Writes::Allowed | Writes::NotAsked => ENABLE.to_owned(),
            Writes::NotPermitted => format!(
                "a person stops the running Muster server (pid {}), which permits no writes, or restarts it with \
                 --allow-writes (`muster serve --allow-writes`)",
                std::process::id()
            ),
        }
    }

    /// As answers show it.
    #[must_use]
    pub fn shown(self) -> Value {
        if self.are_allowed() { json!({"allowed": true}) } else { json!({"allowed": false, "enable": self.enable()}) }
    }
}
