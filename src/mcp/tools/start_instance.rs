//! `start_instance`.

use futures::FutureExt;
use serde_json::json;

use super::power::{Power, input, output, serve};
use super::spec::{Effect, ToolSpec};

/// The tool.
pub static SPEC: ToolSpec = ToolSpec {
    name: "start_instance",
    title: "Start EC2 instances",
    description: "Starts up to 50 stopped EC2 instances. Looks at each live first; one that runs already is an answer, not \
                  an error. Tells the state before and after for each, and the seq at which the inventory shows it. Costs \
                  money while they run. With dry_run nothing is changed.",
    effect: Effect::Idempotent { destructive: false },
    input: || input(json!({})),
    output,
    example: r#"{"instance_ids": ["i-0123456789abcdef0"], "dry_run": false}"#,
    call: |call| serve(call, Power::Start).boxed(),
};
