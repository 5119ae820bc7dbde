//! `stop_instance`.

use rmcp::schemars::{self, JsonSchema};
use serde::Deserialize;

use super::arguments::idempotency_key::Keyed;
use super::power::report::PowerAnswer;
use super::power::{Power, PowerArguments, serve};
use super::schema::ToolSchema;
use super::spec::{ToolEffect, ToolSpec};

/// The tool.
pub static SPEC: ToolSpec = ToolSpec {
    name: "stop_instance",
    title: "Stop EC2 instances",
    description: "Stops up to 50 running EC2 instances: what runs on them is interrupted, instance store volumes lose their \
                  data, and a public IP address that is not an Elastic IP is given up. Checks each instance live first; one \
                  that is already stopped is not an error. Returns each instance's state before and after, and the seq from \
                  which the inventory shows the change. With dry_run nothing is changed.",
    effect: ToolEffect::Idempotent { destructive: true },
    input: ToolSchema::of_arguments::<Keyed<Arguments>>(),
    output: ToolSchema::of_answer::<PowerAnswer>(),
    example: r#"{"instance_ids": ["i-0123456789abcdef0"], "dry_run": true}"#,
    call: |call, given| {
        call.with(given, |call, Arguments { power, force }| serve(call, power, &SPEC, Power::Stop { force }))
    },
};

/// Which instances, and how.
#[derive(Debug, Deserialize, JsonSchema)]
struct Arguments {
    #[serde(flatten)]
    power: PowerArguments,
    /// Stop without letting the operating system flush its caches. Use it only if the instance hangs, even while it stops.
    #[serde(default)]
    force: bool,
}
