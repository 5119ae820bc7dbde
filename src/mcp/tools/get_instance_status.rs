//! `get_instance_status`: the state and health of instances.

mod row;

use std::sync::Arc;

use futures::future::join_all;

use super::answer::ToolResult;
use super::arguments::instances::InstanceArguments;
use super::schema::ToolSchema;
use super::spec::{ToolCall, ToolEffect, ToolSpec};
use crate::kinds::INSTANCE;
use crate::mcp::core::Core;
use crate::mcp::error::RequestError;
use crate::mcp::fresh::missing;
use row::{StatusAnswer, StatusRow, answer, known};

const MAX_INSTANCES: usize = 100;

/// The tool.
pub static SPEC: ToolSpec = ToolSpec {
    name: "get_instance_status",
    title: "EC2 instance status",
    description: "Shows the state and health of up to 100 EC2 instances: state, type, zone, launch time, monitoring, \
                  system, instance and EBS status checks with details, scheduled events, and what AWS announced: spot \
                  interruptions, rebalance recommendations, AWS Health. Each row says when it was \
                  last confirmed; a change reported by AWS a moment ago is marked provisional. Makes no AWS call.",
    effect: ToolEffect::Read,
    input: ToolSchema::of_arguments::<Arguments>(),
    output: ToolSchema::of_answer::<StatusAnswer<'static>>(),
    example: r#"{"instance_ids": ["i-0123456789abcdef0", "i-0fedcba9876543210"]}"#,
    call: |call, given| call.with(given, serve),
};

/// Which instances.
type Arguments = InstanceArguments<MAX_INSTANCES>;

async fn serve(call: ToolCall, arguments: Arguments) -> Result<ToolResult, RequestError> {
    let (core, ids) = (call.core, arguments.ids()?);
    let seq = core.snapshot()?.seq();
    let rows = join_all(ids.into_iter().map(|id| row(Arc::clone(&core), id))).await;
    answer(&rows, seq)
}

async fn row(core: Arc<Core>, instance_id: String) -> StatusRow {
    match core.find(INSTANCE, &instance_id, None).await {
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
