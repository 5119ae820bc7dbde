//! `get_instance_status`: the state and health of instances, the worst first.

mod choice;
mod row;
mod status_answer;

use std::sync::Arc;

use futures::future::join_all;
use rmcp::schemars::{self, JsonSchema};
use serde::Deserialize;
use serde_json::Value;

use super::answer::ToolResult;
use super::arguments::ArgumentError;
use super::arguments::filters::{FilterArgument, GivenFilters};
use super::arguments::instances::InstanceArguments;
use super::arguments::scope::ScopeArguments;
use super::schema::ToolSchema;
use super::spec::{ToolCall, ToolEffect, ToolSpec};
use crate::kinds::INSTANCE;
use crate::mcp::core::Core;
use crate::mcp::error::RequestError;
use crate::mcp::fresh::missing;
use crate::model::ScopeFilter;
use choice::ChosenInstances;
use row::{StatusRow, known};
use status_answer::answer;

const MAX_INSTANCES: usize = 100;

/// The tool.
pub static SPEC: ToolSpec = ToolSpec {
    name: "get_instance_status",
    title: "EC2 instance status",
    description: "Shows the health of EC2 instances, the worst first: verdict, state, status checks, what fails since \
                  when, scheduled events, and AWS's announcements (spot, Health). Takes instance_ids or filters; without \
                  either, all.",
    effect: ToolEffect::Read,
    input: ToolSchema::of_arguments::<Arguments>(),
    output: ToolSchema::written(output),
    example: r#"{"filters": {"tag:Name": ["web-*"], "region": ["eu-west-1"]}}"#,
    call: |call, given| call.with(given, serve),
};

/// Which instances.
#[derive(Debug, Deserialize, JsonSchema)]
struct Arguments {
    #[serde(flatten)]
    instances: InstanceArguments<MAX_INSTANCES>,
    #[serde(default)]
    filters: FilterArgument,
    #[serde(flatten)]
    scope: ScopeArguments,
}

fn output() -> Value {
    status_answer::described()
}

async fn serve(call: ToolCall, arguments: Arguments) -> Result<ToolResult, RequestError> {
    let core = call.core;
    let Arguments { instances, filters, scope } = arguments;
    let scope = scope.scopes(&core, INSTANCE).await?;
    if !instances.is_empty() {
        if !filters.is_empty() {
            return Err(ArgumentError::said("give `instance_ids` or `filters`, not both").into());
        }
        let ids = instances.ids()?;
        let seq = core.snapshot()?.seq();
        let rows = join_all(ids.into_iter().map(|id| row(Arc::clone(&core), id, scope.clone()))).await;
        return answer(rows, None, seq);
    }
    let filters = GivenFilters::asked(&filters, INSTANCE, &core)?;
    core.anything(&[INSTANCE], &scope).await?;
    let chosen = core.walk(move |core| ChosenInstances::of(core, &filters, &scope, MAX_INSTANCES)).await?;
    let looked_at = chosen.worst.iter().map(|id| row(Arc::clone(&core), id.id.to_string(), id.scope().into()));
    let mut rows = join_all(looked_at).await;
    // One that is gone since then does not count any more.
    rows.retain(|row| row.known.is_some());
    answer(rows, Some(&chosen), chosen.seq)
}

async fn row(core: Arc<Core>, instance_id: String, scope: ScopeFilter) -> StatusRow {
    match core.find(INSTANCE, &instance_id, &scope).await {
        Ok(found) => {
            let lacked = core.ingest.freshness().lacked(&found.id).map(missing);
            let mut known = known(&found, core.now());
            known.stale = known.stale.or(lacked);
            StatusRow { instance_id, known: Some(known), error: None, failure: None }
        }
        Err(fault) => {
            let failure = Some(fault.code());
            StatusRow { instance_id, known: None, error: Some(fault.to_string()), failure }
        }
    }
}
