//! `stopped_instance_savings`: what stopped instances cost, and what of it can be saved.

use rmcp::model::JsonObject;
use rmcp::schemars::{self, JsonSchema};
use serde::Deserialize;
use serde_json::{Map, json};

use super::call::call;
use super::given::{AskedInstances, whole};
use super::spec::{CompletedArgument, PromptSpec, read};
use crate::mcp::error::RequestError;
use crate::mcp::policy::Writes;
use crate::mcp::tools::schema::ToolSchema;

/// The prompt.
pub(super) static SPEC: PromptSpec = PromptSpec {
    name: "stopped_instance_savings",
    title: "Savings of stopped instances",
    description: "Reports what stopped instances cost each month, since when they are stopped, and whom to ask.",
    input: ToolSchema::of_arguments::<Arguments>(),
    example: r#"{"older_than": "30d", "tag": "Team=web"}"#,
    completed: &[
        ("older_than", CompletedArgument::Days),
        ("tag", CompletedArgument::Tag),
        ("region", CompletedArgument::Region),
    ],
    write,
};

/// Which stopped instances.
#[derive(Debug, Deserialize, JsonSchema)]
struct Arguments {
    /// Only instances stopped for at least this long, such as 30d or 12h
    older_than: Option<String>,
    /// Only instances with this tag, as KEY=VALUE; the value may hold * and ?
    tag: Option<String>,
    /// Only instances in this region
    region: Option<String>,
}

fn write(given: JsonObject, _: &Writes) -> Result<String, RequestError> {
    let Arguments { older_than, tag, region } = read(given)?;
    let narrowed = AskedInstances::read(tag, region)?;
    let mut arguments = Map::new();
    if let Some(older_than) = older_than {
        arguments.insert("older_than".to_owned(), json!(whole("older_than", older_than)?));
    }
    arguments.insert("limit".to_owned(), json!(100));
    let asked = narrowed.arguments(arguments, Map::new());
    Ok(format!(
        "Tell me what my stopped EC2 instances cost and what I can save. Change nothing.\n\
         1. {}.\n\
         2. Report a table, the dearest first: name, id, stopped since when, cost per month while stopped, owner tags. If fewer \
         rows than match are shown, say so: the rows are the dearest, the totals are of all. Then the total, the date of the price list, and how many prices are unknown.\n\
         3. Say what this means. A stopped instance costs no compute: only its EBS volumes and idle Elastic IP addresses can be \
         saved. Snapshots are an upper bound and not part of the total. What an instance would cost running is no saving.\n\
         4. For each instance name the owner whom I should ask. When it was last used is not known, only since when it is \
         stopped: do not guess. No tool here terminates instances, deletes volumes or releases addresses: I do that in AWS, \
         after a snapshot of what is kept.",
        call("report_stopped_instances", &asked),
    ))
}
