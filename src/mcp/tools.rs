//! The tools: one file each in `tools/`, one line each in [`TOOLS`].
//!
//! The arguments of a tool are one struct, from which its schema and its parsing follow ([`arguments`]). Models read the schemas,
//! and some clients drop tools whose schemas hold `null` unions or boolean sub-schemas ([`schema`]). A committed snapshot shows
//! every change to them.
//!
//! Text and structured content of an answer hold the same rows, and each stays below [`budget::BUDGET`].

#![allow(
    clippy::doc_markdown,
    reason = "the documentation of a field is what models read in a schema, as it stands: it holds no Markdown"
)]

pub mod agreement;
pub mod answer;
pub mod arguments;
pub mod as_of;
pub mod asked_ids;
pub mod awaited_change;
pub mod budget;
pub mod change;
pub mod compare_resource;
pub mod count_inventory;
pub mod create_snapshot;
pub mod definition;
pub mod fate;
pub mod find_relations;
pub mod gate;
pub mod get_instance_status;
pub mod get_inventory_summary;
pub mod get_resource;
pub mod kept_answer;
pub mod keyed;
pub mod label;
pub mod list_changes;
mod newer;
pub mod plan;
pub mod power;
pub mod query_inventory;
pub mod reboot_instance;
pub mod report_stopped_instances;
pub mod rows;
pub mod schema;
pub mod search_inventory;
pub mod spec;
pub mod start_instance;
pub mod stop_instance;
pub mod table;
pub mod tokens;
pub mod verdict;
pub mod wait_for;
pub mod waiting;
pub mod write_through;
pub mod zero;

use std::sync::{Arc, LazyLock};

use rmcp::model::{CallToolResponse, CallToolResult, JsonObject, Tool};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::core::Core;
use super::error::RequestError;
use super::policy::Writes;
use crate::query::nearness::nearest;
use arguments::instances::InstanceArguments;
use arguments::{confirmation, idempotency_key, wait_seconds};
use awaited_change::WaitSetting;
use spec::{CallSetting, ToolCall, ToolSpec};

/// Every tool, in the order in which they are listed.
pub static TOOLS: &[&ToolSpec] = &[
    &search_inventory::SPEC,
    &count_inventory::SPEC,
    &query_inventory::SPEC,
    &get_resource::SPEC,
    &get_instance_status::SPEC,
    &get_inventory_summary::SPEC,
    &list_changes::SPEC,
    &compare_resource::SPEC,
    &wait_for::SPEC,
    &find_relations::SPEC,
    &report_stopped_instances::SPEC,
    &start_instance::SPEC,
    &stop_instance::SPEC,
    &reboot_instance::SPEC,
    &create_snapshot::SPEC,
];

/// The tools as clients see them, with those write tools that `writes` allow.
#[must_use]
pub fn listed(writes: &Writes) -> Vec<Tool> {
    static LISTED: LazyLock<Vec<Tool>> = LazyLock::new(|| definition::definitions(TOOLS));
    TOOLS.iter().zip(LISTED.iter()).filter(|(spec, _)| is_on(spec, writes)).map(|(_, tool)| tool.clone()).collect()
}

/// Whether a tool exists for a connection with these rights.
#[must_use]
pub fn is_on(spec: &ToolSpec, writes: &Writes) -> bool {
    !spec.is_write() || writes.allow(spec.name, spec.only_adds())
}

/// The names of the tools that only read.
#[must_use]
pub fn read_only() -> Vec<String> {
    TOOLS.iter().filter(|spec| !spec.is_write()).map(|spec| spec.name.to_owned()).collect()
}

/// The names of the tools that change AWS, and whether each only adds something.
#[must_use]
pub fn writing() -> Vec<(String, bool)> {
    let writing = TOOLS.iter().filter(|spec| spec.is_write());
    writing.map(|spec| (spec.name.to_owned(), spec.only_adds())).collect()
}

/// The tool called `name`; a write tool only if `writes` allow it.
///
/// # Errors
/// [`RequestError::UnknownTool`] with the nearest name; [`RequestError::WritesOff`] for a write tool that is there but off.
pub fn find(name: &str, writes: &Writes) -> Result<&'static ToolSpec, RequestError> {
    let Some(spec) = TOOLS.iter().find(|spec| spec.name == name) else {
        let known = TOOLS.iter().filter(|spec| is_on(spec, writes)).map(|spec| spec.name);
        let nearest = nearest(name, TOOLS.iter().map(|spec| spec.name));
        let off = TOOLS.iter().find(|spec| Some(spec.name) == nearest && !is_on(spec, writes));
        return Err(RequestError::UnknownTool {
            name: crate::model::text::shown(name, 80),
            nearest,
            tools: known.collect::<Vec<_>>().join(", "),
            off: off.map(|spec| writes.enable(spec.name, spec.only_adds())),
        });
    };
    if !is_on(spec, writes) {
        return Err(RequestError::WritesOff { tool: spec.name, enable: writes.enable(spec.name, spec.only_adds()) });
    }
    Ok(spec)
}

/// The tool called `name`, which changes AWS, whether or not somebody may use it.
///
/// # Errors
/// [`RequestError::UnknownTool`] with the nearest name; [`RequestError::OnlyReads`] for a tool that changes nothing.
pub fn find_write(name: &str) -> Result<&'static ToolSpec, RequestError> {
    let writes = || TOOLS.iter().filter(|spec| spec.is_write()).map(|spec| spec.name);
    let tools = writes().collect::<Vec<_>>().join(", ");
    match TOOLS.iter().find(|spec| spec.name == name) {
        Some(spec) if spec.is_write() => Ok(spec),
        Some(spec) => Err(RequestError::OnlyReads { tool: spec.name, tools }),
        None => Err(RequestError::UnknownTool {
            name: crate::model::text::shown(name, 80),
            nearest: nearest(name, writes()),
            tools,
            off: None,
        }),
    }
}

/// Serves a call of a tool that only reads, for a command: it asks nothing.
pub async fn read(
    spec: &'static ToolSpec,
    core: Arc<Core>,
    arguments: Option<JsonObject>,
    stop: &CancellationToken,
) -> CallToolResult {
    match call(spec, core, arguments, Writes::not_asked(), stop, CallSetting::default()).await {
        CallToolResponse::Complete(result) => result,
        _ => RequestError::Stopping.result(),
    }
}

/// Serves a call of `spec`. A failure becomes a result that the model can read. `stop` ends what waits.
pub async fn call(
    spec: &'static ToolSpec,
    core: Arc<Core>,
    arguments: Option<JsonObject>,
    writes: Writes,
    stop: &CancellationToken,
    mut setting: CallSetting,
) -> CallToolResponse {
    let served = async {
        let mut given = spec.clean(arguments.unwrap_or_default())?;
        if !spec.is_write() {
            return (spec.call)(ToolCall { core, writes, stop: stop.clone(), setting }, given).await;
        }
        // A token is nobody's business but the server's and the client's.
        let token = confirmation::take(&mut given)?;
        setting.running.origin.note_arguments(&given);
        if given.get("dry_run") != Some(&Value::Bool(true)) {
            core.audited(&writes, || setting.running.origin.attempt(spec.name, Vec::new())).await?;
        }
        let key = idempotency_key::take(&mut given)?;
        let patience = wait_seconds::take(&mut given)?;
        let (note, ended) = (setting.note.clone(), setting.ended.clone());
        let instances = arguments::read::<InstanceArguments<{ usize::MAX }>>(given.clone())?.ids()?;
        setting.confirmer.bind(spec.name, &given, &instances, token);
        let is_dry_run = given.get("dry_run") == Some(&Value::Bool(true));
        let call = ToolCall { core: Arc::clone(&core), writes, stop: stop.clone(), setting };
        let answer = match key.filter(|_| !is_dry_run) {
            Some(key) => keyed::call(spec, call, given, key).await?,
            None => (spec.call)(call, given).await?,
        };
        if is_dry_run || patience.is_zero() {
            return Ok(answer);
        }
        let setting = WaitSetting { note: &note, stop, ended: &ended };
        Ok(awaited_change::waited(spec, &core, answer, patience, setting).await)
    };
    match served.await {
        Ok(answer) => answer.response(),
        Err(fault) => fault.with_example(spec.example).result().into(),
    }
}

#[cfg(test)]
mod tests;
