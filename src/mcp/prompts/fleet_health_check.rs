//! `fleet_health_check`: what of the running instances is not well.

use rmcp::model::JsonObject;
use rmcp::schemars::{self, JsonSchema};
use serde::Deserialize;
use serde_json::json;

use super::call::call;
use super::given::AskedInstances;
use super::spec::{CompletedArgument, PromptSpec, read};
use crate::mcp::error::RequestError;
use crate::mcp::policy::Writes;
use crate::mcp::tools::schema::ToolSchema;

/// The prompt.
pub(super) static SPEC: PromptSpec = PromptSpec {
    name: "fleet_health_check",
    title: "Fleet health check",
    description: "Checks the health of all running instances, or of those with a tag.",
    input: ToolSchema::of_arguments::<Arguments>(),
    example: r#"{"tag": "Team=web", "region": "us-east-1"}"#,
    completed: &[("tag", CompletedArgument::Tag), ("region", CompletedArgument::Region)],
    write,
};

/// Which instances are checked.
#[derive(Debug, Deserialize, JsonSchema)]
struct Arguments {
    /// Only instances with this tag, as KEY=VALUE; the value may hold * and ?
    tag: Option<String>,
    /// Only instances in this region
    region: Option<String>,
}

fn write(given: JsonObject, _: Writes) -> Result<String, RequestError> {
    let Arguments { tag, region } = read(given)?;
    let narrowed = AskedInstances::read(tag, region)?;
    let from = format!(
        "FROM instance i{} LEFT JOIN instance_health h ON h.instance_id = i.id AND h.account = i.account AND h.region = \
         i.region WHERE i.state = 'running'{}",
        narrowed.joined(),
        narrowed.conditions()
    );
    let counts = format!(
        "SELECT coalesce(h.verdict, 'unknown') AS verdict, count(*) AS instances {from} GROUP BY 1 ORDER BY instances DESC"
    );
    let unwell = format!(
        "SELECT i.id, i.name, i.region, coalesce(h.verdict, 'unknown') AS verdict, h.failed_checks, h.next_event, \
         h.next_event_at {from} AND (coalesce(h.verdict, 'unknown') <> 'ok' OR h.next_event IS NOT NULL) ORDER BY h.verdict, i.id"
    );
    Ok(format!(
        "Check the health of my EC2 fleet. Change nothing.\n\
         1. {}. It counts the running instances by the worst of their status checks.\n\
         2. {}. It lists those that are not ok, and those for which AWS has scheduled an event.\n\
         3. If step 2 lists any, call get_instance_status with {{\"instance_ids\": [..]}}, up to 100 ids at a time: it says \
         which check fails and since when.\n\
         4. Report a table of these instances with what is wrong, since when, and any scheduled event; then the number of \
         instances that are ok; then what you recommend. Say as of what time this is. If an answer names something stale or \
         incomplete, say so first; get_inventory_summary says what fails and how to fix it.",
        call("query_inventory", &json!({"sql": counts})),
        call("query_inventory", &json!({"sql": unwell})),
    ))
}
