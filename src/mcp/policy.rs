//! What a server permits and lists, and how a person permits more.

use serde_json::{Value, json};

/// How a person enables write tools.
const ENABLE: &str = "a person adds --allow-writes to the arguments of the Muster server in the MCP client's \
    configuration (`muster mcp --allow-writes`; over HTTP `muster serve --allow-writes`) and restarts it";

/// What the server as a whole permits and lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServerPolicy {
    /// Whether write tools may exist. A connection can have fewer rights, never more.
    pub allow_writes: bool,
    /// What `resources/list` holds.
    pub list: ListMode,
}

/// What `resources/list` holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ListMode {
    /// All resources up to 500 of them; above that, collections.
    #[default]
    Auto,
    /// Every resource, whatever their number.
    All,
    /// Summaries, VPCs and collections.
    Collections,
}

/// Whether a connection may change AWS, and if not, why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Writes {
    /// The connection may change AWS.
    Allowed,
    /// The connection did not request writes.
    NotAsked,
    /// The connection requested writes, but the server does not permit them.
    NotPermitted,
    /// The connection requested writes under a rule that the server does not know, so the server permits none.
    RuleUnknown,
}

impl Writes {
    /// The rights of a connection that requested writes if `asked`, on a server that permits them if `permits`.
    #[must_use]
    pub fn of(asked: bool, permits: bool) -> Self {
        match (asked, permits) {
            (true, true) => Writes::Allowed,
            (true, false) => Writes::NotPermitted,
            (false, _) => Writes::NotAsked,
        }
    }

    /// Whether the connection may change AWS.
    #[must_use]
    pub fn are_allowed(self) -> bool {
        self == Writes::Allowed
    }

    /// How a person enables writes.
    #[must_use]
    pub fn enable(self) -> String {
        match self {
            Writes::Allowed | Writes::NotAsked => ENABLE.to_owned(),
            Writes::NotPermitted => format!(
                "a person runs `muster restart -- --allow-writes`, because the running Muster server (pid {}) permits no writes",
                std::process::id()
            ),
            Writes::RuleUnknown => format!(
                "a person runs `muster restart` with the newest version, because the running Muster server (pid {}) does not know \
                 a rule of this connection's write policy",
                std::process::id()
            ),
        }
    }

    /// The rights as answers show them.
    #[must_use]
    pub fn shown(self) -> Value {
        if self.are_allowed() { json!({"allowed": true}) } else { json!({"allowed": false, "enable": self.enable()}) }
    }
}
