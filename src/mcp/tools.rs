//! The tools: one file each in `tools/`, one line each in [`TOOLS`].
//!
//! A tool says what it takes and gives as JSON Schema, written out by hand: models read these schemas, and some clients
//! drop tools whose schemas hold `null` unions or boolean sub-schemas. A committed snapshot shows every change to them.
//!
//! Text and structured content of an answer hold the same rows, and each stays below [`BUDGET`].

pub mod answer;
pub mod arguments;
pub mod as_of;
pub mod change;
pub mod compare_resource;
pub mod count_inventory;
pub mod create_snapshot;
pub mod get_instance_status;
pub mod get_inventory_summary;
pub mod get_resource;
pub mod list_changes;
pub mod named;
pub mod power;
pub mod rows;
pub mod schema;
pub mod search_inventory;
pub mod start_instance;
pub mod stop_instance;
pub mod table;
pub mod verdict;
pub mod write_through;
pub mod zero;

use std::sync::{Arc, LazyLock};

use futures::future::BoxFuture;
use rmcp::model::{CallToolResult, JsonObject, Tool, ToolAnnotations};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::core::Core;
use super::error::Fault;
use super::policy::Writes;
use crate::query::filter::nearest;
use answer::Answer;
use arguments::Arguments;

/// The most bytes of text, and of structured content, in one answer: about 8,000 tokens.
pub const BUDGET: usize = 28_000;

/// Every tool, in the order in which they are listed.
pub static TOOLS: &[&ToolSpec] = &[
    &search_inventory::SPEC,
    &count_inventory::SPEC,
    &get_resource::SPEC,
    &get_instance_status::SPEC,
    &get_inventory_summary::SPEC,
    &list_changes::SPEC,
    &compare_resource::SPEC,
    &start_instance::SPEC,
    &stop_instance::SPEC,
    &create_snapshot::SPEC,
];

/// Everything that is particular to one tool.
pub struct ToolSpec {
    /// The name that clients call.
    pub name: &'static str,
    /// The name that people see.
    pub title: &'static str,
    /// What it does, when to use it, and what it answers.
    pub description: &'static str,
    /// What it does to AWS.
    pub effect: Effect,
    /// The JSON Schema of its arguments.
    pub input: fn() -> Value,
    /// The JSON Schema of its structured content.
    pub output: fn() -> Value,
    /// Arguments that work, for error messages.
    pub example: &'static str,
    /// Serves a call.
    pub call: fn(Call) -> BoxFuture<'static, Result<Answer, Fault>>,
}

/// What a tool does to AWS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Nothing.
    Read,
    /// It changes something, and a second call with the same arguments changes no more.
    Idempotent {
        /// Whether something may be interrupted or lost.
        destructive: bool,
    },
    /// Each call makes something more.
    Creates,
}

/// A call of a tool.
pub struct Call {
    /// What serves it.
    pub core: Arc<Core>,
    /// Its arguments.
    pub arguments: Arguments,
    /// Whether the connection may write.
    pub writes: Writes,
    /// Ends what waits.
    pub stop: CancellationToken,
}

impl ToolSpec {
    /// Whether it exists only where writes are allowed.
    #[must_use]
    pub fn is_write(&self) -> bool {
        self.effect != Effect::Read
    }

    fn tool(&self) -> Tool {
        let (destructive, idempotent) = match self.effect {
            Effect::Read => (false, true),
            Effect::Idempotent { destructive } => (destructive, true),
            Effect::Creates => (false, false),
        };
        // Reads answer from the local copy; a write reaches into AWS.
        let hints = ToolAnnotations::with_title(self.title)
            .read_only(!self.is_write())
            .destructive(destructive)
            .idempotent(idempotent)
            .open_world(self.is_write());
        Tool::new(self.name, self.description, object((self.input)()))
            .with_title(self.title)
            .with_raw_output_schema(Arc::new(object((self.output)())))
            .with_annotations(hints)
    }
}

/// The tools as clients see them, with write tools where `writes`.
#[must_use]
pub fn listed(writes: bool) -> Vec<Tool> {
    static LISTED: LazyLock<Vec<(bool, Tool)>> =
        LazyLock::new(|| TOOLS.iter().map(|spec| (spec.is_write(), spec.tool())).collect());
    LISTED.iter().filter(|(write, _)| writes || !write).map(|(_, tool)| tool.clone()).collect()
}

/// The tool called `name`, where `writes` if it is a write tool.
///
/// # Errors
/// [`Fault::UnknownTool`] with the nearest name; [`Fault::WritesOff`] for a write tool that is there but off.
pub fn find(name: &str, writes: Writes) -> Result<&'static ToolSpec, Fault> {
    let Some(spec) = TOOLS.iter().find(|spec| spec.name == name) else {
        let allowed = writes.are_allowed();
        let known = TOOLS.iter().filter(|spec| allowed || !spec.is_write()).map(|spec| spec.name);
        let nearest = nearest(name, TOOLS.iter().map(|spec| spec.name));
        let is_off = !allowed && TOOLS.iter().any(|spec| Some(spec.name) == nearest && spec.is_write());
        return Err(Fault::UnknownTool {
            name: crate::model::text::shown(name, 80),
            nearest,
            tools: known.collect::<Vec<_>>().join(", "),
            off: is_off.then_some(writes),
        });
    };
    if spec.is_write() && !writes.are_allowed() {
        return Err(Fault::WritesOff { tool: spec.name, writes });
    }
    Ok(spec)
}

/// Serves a call of `spec`. A failure becomes a result that the model can read. `stop` ends what waits.
pub async fn call(
    spec: &'static ToolSpec,
    core: Arc<Core>,
    arguments: Option<JsonObject>,
    writes: Writes,
    stop: &CancellationToken,
) -> CallToolResult {
    let served = async {
        let arguments = Arguments::new(spec, arguments.unwrap_or_default())?;
        (spec.call)(Call { core, arguments, writes, stop: stop.clone() }).await
    };
    match served.await {
        Ok(answer) => answer.result(),
        Err(fault) => fault.result(),
    }
}

fn object(schema: Value) -> JsonObject {
    match schema {
        Value::Object(object) => object,
        _ => JsonObject::new(),
    }
}

#[cfg(test)]
mod tests;
