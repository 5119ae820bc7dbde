//! `snapshot_before_restart`: snapshots an instance's volumes, and restarts it once they are complete.

use rmcp::model::JsonObject;
use rmcp::schemars::{self, JsonSchema};
use serde::Deserialize;
use serde_json::json;

use super::call::call;
use super::given::plain;
use super::spec::{CompletedArgument, PromptSpec, read};
use crate::mcp::error::RequestError;
use crate::mcp::policy::Writes;
use crate::mcp::tools::schema::ToolSchema;

/// The prompt.
pub(super) static SPEC: PromptSpec = PromptSpec {
    name: "snapshot_before_restart",
    title: "Snapshot before restart",
    description: "Snapshots all volumes of an instance, waits until the snapshots are complete, and then reboots it.",
    input: ToolSchema::of_arguments::<Arguments>(),
    example: r#"{"instance_id": "i-0123456789abcdef0"}"#,
    completed: &[("instance_id", CompletedArgument::Instance)],
    write,
};

/// Which instance is restarted.
#[derive(Debug, Deserialize, JsonSchema)]
struct Arguments {
    /// The EC2 instance ID
    instance_id: String,
}

/// The tools that it needs to change anything, and whether each only adds.
const NEEDED: [(&str, bool); 2] = [("create_snapshot", true), ("reboot_instance", false)];

/// What a placeholder in the arguments of a later step stands for.
const SNAPSHOTS: &str = "<each snapshot id of step 2>";

fn write(given: JsonObject, writes: &Writes) -> Result<String, RequestError> {
    let Arguments { instance_id } = read(given)?;
    let id = plain("instance_id", "an instance ID such as i-0123456789abcdef0", instance_id)?;
    let look = call("get_resource", &json!({"kind": "instance", "id": id}));
    let off: Vec<_> = NEEDED.iter().filter(|(tool, adds)| !writes.allow(tool, *adds)).collect();
    if let Some((tool, adds)) = off.first() {
        let off = off.iter().map(|(tool, _)| *tool).collect::<Vec<_>>().join(" and ");
        let snapshots =
            json!({"kind": "snapshot", "filters": {"volume-id": ["<each volume id of step 1>"]}, "limit": 20});
        return Ok(format!(
            "I want to snapshot the volumes of {id} and then reboot it. This connection may not use {off}. Change nothing.\n\
             1. {look}. Tell me its name, its state and its attached volumes.\n\
             2. {}. Tell me the newest completed snapshot of each volume, and when it was started.\n\
             3. Tell me how to allow the rest: {}. Then I start this prompt again.",
            call("search_inventory", &snapshots),
            writes.enable(tool, *adds),
        ));
    }
    let make = json!({"instance_ids": [id], "description": format!("before the reboot of {id}"), "dry_run": false});
    let complete = json!({"ids": [SNAPSHOTS], "until": "completed", "wait_seconds": 45});
    let reboot = json!({"instance_ids": [id], "dry_run": false});
    let well = json!({"ids": [id], "until": "status_ok", "wait_seconds": 45});
    Ok(format!(
        "Snapshot all volumes of {id}, and reboot it only after the snapshots are complete.\n\
         1. {look}. Tell me its name, its state and its attached volumes. Stop here if it does not run: reboot_instance \
         reboots running instances only.\n\
         2. {}. It makes one snapshot of every attached EBS volume, all at the same moment, as if the power had failed then; \
         instance store volumes are not included. Each call makes new snapshots, which cost storage: if the outcome is \
         unclear, look with search_inventory before you repeat it.\n\
         3. {}. While done is false, call it again and tell me the progress; large volumes take long.\n\
         4. Name the snapshots and ask me whether to reboot now. Only if I say yes: {}. It interrupts what runs there, so it needs a \
         confirmation: either my client asks me, or it answers with its plan and a token. Then show me the plan, and only if I \
         agree call it again with that token as confirmation.\n\
         5. {}. While done is false, call it again, for ten minutes at most.\n\
         6. Report the snapshot of each device, and whether all status checks are ok. No tool here deletes or restores \
         snapshots: I do that in AWS.",
        call("create_snapshot", &make),
        call("wait_for", &complete),
        call("reboot_instance", &reboot),
        call("wait_for", &well),
    ))
}
