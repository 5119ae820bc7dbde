//! `stop_instance`.

use futures::FutureExt;
use serde_json::json;

use super::power::{Power, input, output, serve};
use super::schema;
use super::spec::{Effect, ToolSpec};

/// The tool.
pub static SPEC: ToolSpec = ToolSpec {
    name: "stop_instance",
    title: "Stop EC2 instances",
    description: "Stops up to 50 running EC2 instances: what runs on them is interrupted, instance store volumes lose their \
                  data, and a public IP address that is not an Elastic IP is given up. Looks at each live first; one that \
                  is stopped already is an answer, not an error. Tells the state before and after for each, and the seq at \
                  which the inventory shows it. With dry_run nothing is changed.",
    effect: Effect::Idempotent { destructive: true },
    input: || {
        input(json!({
            "force": schema::flag("Stop without letting the operating system flush its caches. Only when it hangs, also while stopping.", false),
        }))
    },
    output,
    example: r#"{"instance_ids": ["i-0123456789abcdef0"], "dry_run": true}"#,
    call: |call| {
        async move {
            let force = call.arguments.flag("force", false)?;
            serve(call, Power::Stop { force }).await
        }
        .boxed()
    },
};
