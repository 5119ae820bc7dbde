//! `reboot_instance`.

use rmcp::schemars::{self, JsonSchema};
use serde::Deserialize;

use super::arguments::idempotency_key::Keyed;
use super::power::report::PowerAnswer;
use super::power::{Power, PowerArguments, serve};
use super::schema::ToolSchema;
use super::spec::{ToolEffect, ToolSpec};

/// The tool.
pub static SPEC: ToolSpec = ToolSpec {
    name: "reboot_instance",
    title: "Reboot EC2 instances",
    description: "Reboots up to 50 running EC2 instances: what runs on them is interrupted for a minute or so; volumes, \
                  addresses and the host stay. Looks at each live first. AWS reboots asynchronously and reports no state for \
                  it; wait_for with until status_ok waits for the status checks. Each call reboots once more. With dry_run \
                  nothing is changed.",
    effect: ToolEffect::Interrupts,
    input: ToolSchema::of_arguments::<Keyed<Arguments>>(),
    output: ToolSchema::of_answer::<PowerAnswer>(),
    example: r#"{"instance_ids": ["i-0123456789abcdef0"], "dry_run": true}"#,
    call: |call, given| call.with(given, |call, Arguments { power }| serve(call, power, &SPEC, Power::Reboot)),
};

/// Which instances.
#[derive(Debug, Deserialize, JsonSchema)]
struct Arguments {
    #[serde(flatten)]
    power: PowerArguments,
}
