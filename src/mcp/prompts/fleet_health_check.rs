//! `fleet_health_check`: what of the running instances is not well.

use rmcp::model::JsonObject;
use rmcp::schemars::{self, JsonSchema};
use serde::Deserialize;
use serde_json::{Map, json};

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

fn write(given: JsonObject, _: &Writes) -> Result<String, RequestError> {
    let Arguments { tag, region } = read(given)?;
    let filters = Map::from_iter([("instance-state-name".to_owned(), json!(["running"]))]);
    let asked = AskedInstances::read(tag, region)?.arguments(Map::new(), filters);
    Ok(format!(
        "Check the health of my EC2 fleet. Change nothing.\n\
         1. {}. It counts the running instances by verdict and lists them, the worst first, with what fails since when and what AWS \
         has scheduled.\n\
         2. If it says that more are not shown and the last one shown is not ok, ask again for a part of them, by a tag or a region, \
         until you have seen all that are not ok.\n\
         3. Report a table of the instances that are not ok or have a scheduled event: what is wrong, since when, and the event; \
         then the number of instances that are ok; then what you recommend. Say as of what time this is. If an answer names \
         something stale or incomplete, say so first; get_inventory_summary says what fails and how to fix it.",
        call("get_instance_status", &asked),
    ))
}
