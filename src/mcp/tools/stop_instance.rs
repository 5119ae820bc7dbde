//! `stop_instance`.

use rmcp::schemars::{self, JsonSchema};
use serde::Deserialize;

use super::answer::ToolResult;
use super::arguments::ArgumentError;
use super::arguments::confirmation::Confirmable;
use super::arguments::idempotency_key::Keyed;
use super::arguments::wait_seconds::Awaited;
use super::power::report::PowerAnswer;
use super::power::{Power, PowerArguments, serve};
use super::schema::ToolSchema;
use super::spec::{ToolCall, ToolEffect, ToolSpec};
use crate::aws::StopManner;
use crate::mcp::error::RequestError;

/// The tool.
pub static SPEC: ToolSpec = ToolSpec {
    name: "stop_instance",
    title: "Stop EC2 instances",
    description: "Stops up to 50 running EC2 instances: what runs on them is interrupted, instance store volumes lose their \
                  data, and a public IP address that is not an Elastic IP is given up. Checks each instance live first; one \
                  that is already stopped is not an error. Returns each instance's state before and after, and the seq from \
                  which the inventory shows the change. With dry_run nothing is changed.",
    effect: ToolEffect::Idempotent { destructive: true },
    input: ToolSchema::of_arguments::<Keyed<Confirmable<Awaited<Arguments>>>>(),
    output: ToolSchema::of_answer::<PowerAnswer>(),
    example: r#"{"instance_ids": ["i-0123456789abcdef0"], "dry_run": true}"#,
    call: |call, given| call.with(given, stop),
};

async fn stop(call: ToolCall, arguments: Arguments) -> Result<ToolResult, RequestError> {
    let Arguments { power, force, hibernate } = arguments;
    let power_off = match (force, hibernate) {
        (false, false) => Power::Stop(StopManner::Orderly),
        (true, false) => Power::Stop(StopManner::Forced),
        (false, true) => Power::Stop(StopManner::Hibernating),
        (true, true) => {
            let problem =
                "argument `hibernate`: an instance that is stopped by force cannot hibernate: give one of the two";
            return Err(ArgumentError::said(problem).into());
        }
    };
    Box::pin(serve(call, power, &SPEC, power_off)).await
}

/// Which instances, and how.
#[derive(Debug, Deserialize, JsonSchema)]
struct Arguments {
    #[serde(flatten)]
    power: PowerArguments,
    /// Stop without letting the operating system flush its caches. Use it only if the instance hangs, even while it stops.
    #[serde(default)]
    force: bool,
    /// Keep what is in memory for the next start. Only for instances that were launched with hibernation enabled.
    #[serde(default)]
    hibernate: bool,
}
