//! The call of which somebody asks what became of it.

use std::sync::Arc;

use rmcp::model::JsonObject;
use serde_json::Value;

use crate::mcp::tools::create_snapshot;
use crate::mcp::tools::spec::ToolSpec;
use crate::model::Timestamp;

/// A call by what the log knows it by.
#[derive(Clone, Debug)]
pub struct NamedCall {
    /// Its name.
    pub name: Arc<str>,
    /// The user who made it.
    pub user: Arc<str>,
    /// It was made then or later.
    pub since: Timestamp,
}

/// What was called, as whoever asks says.
pub(super) struct AskedCall {
    pub(super) spec: &'static ToolSpec,
    pub(super) of: NamedCall,
    pub(super) dry_run: bool,
    /// Whether a stop was to be forced.
    pub(super) force: bool,
}

impl AskedCall {
    /// The call of a tool with these arguments.
    pub(super) fn new(spec: &'static ToolSpec, of: NamedCall, given: &JsonObject) -> Self {
        AskedCall { spec, of, dry_run: is_set(given, "dry_run"), force: is_set(given, "force") }
    }

    pub(super) fn is_snapshot(&self) -> bool {
        self.spec.name == create_snapshot::SPEC.name
    }

    /// Whether the call that the log holds with these arguments was to be forced. Arguments that were cut do not tell: then it counts
    /// as forced, of which the state of an instance shows less.
    pub(super) fn was_forced(&self, recorded: Option<&str>) -> bool {
        let Some(recorded) = recorded else { return self.force };
        serde_json::from_str::<JsonObject>(recorded).map_or(true, |given| is_set(&given, "force"))
    }
}

fn is_set(given: &JsonObject, name: &str) -> bool {
    given.get(name) == Some(&Value::Bool(true))
}
