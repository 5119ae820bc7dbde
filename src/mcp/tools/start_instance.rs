//! `start_instance`.

use super::arguments::confirmation::Confirmable;
use super::arguments::idempotency_key::Keyed;
use super::arguments::wait_seconds::Awaited;
use super::power::report::PowerAnswer;
use super::power::{Power, PowerArguments, serve};
use super::schema::ToolSchema;
use super::spec::{ToolEffect, ToolSpec};

/// The tool.
pub static SPEC: ToolSpec = ToolSpec {
    name: "start_instance",
    title: "Start EC2 instances",
    description: "Starts up to 50 stopped EC2 instances. Checks each instance live first; one that already runs is not an \
        error. Returns each instance's state before and after, and the seq from which the inventory shows the change. Running \
        instances cost money. With dry_run nothing is changed.",
    effect: ToolEffect::Idempotent { destructive: false },
    input: ToolSchema::of_arguments::<Keyed<Confirmable<Awaited<PowerArguments>>>>(),
    output: ToolSchema::of_answer::<PowerAnswer>(),
    example: r#"{"instance_ids": ["i-0123456789abcdef0"], "dry_run": false}"#,
    call: |call, given| call.with(given, |call, arguments| serve(call, arguments, &SPEC, Power::Start)),
};
