//! What the parts of the report hold, for its output schema.

use serde_json::{Value, json};

use crate::mcp::tools::schema;

/// One instance.
pub(super) fn row_schema() -> Value {
    schema::object(
        &[
            "id",
            "uri",
            "account",
            "region",
            "stopped_since",
            "since_is",
            "days",
            "stopped",
            "volumes",
            "addresses",
            "snapshots_at_most",
        ],
        json!({
            "id": schema::text("AWS's ID."),
            "uri": schema::text("Where to read the whole instance."),
            "account": schema::text("The AWS account."),
            "region": schema::text("The region."),
            "name": schema::text("Its name."),
            "type": schema::text("Its instance type."),
            "stopped_since": schema::text("Since when it is stopped, as since_is says."),
            "since_is": {"type": "string", "enum": ["aws", "first_seen", "before"], "description": "Whether AWS says that time, \
                Muster saw it stopped then for the first time, or it was stopped at some time before."},
            "days": schema::count("Whole days since then."),
            "stopped": schema::text("What it costs while stopped: volumes and addresses."),
            "volumes": schema::text("What its EBS volumes cost."),
            "addresses": schema::text("What its public IPv4 addresses cost."),
            "snapshots_at_most": schema::text("What the snapshots of its volumes cost at most."),
            "if_running": schema::text("What it would cost if it ran; absent if that is not known."),
            "owners": {"type": "object", "description": "Tags that say whom to ask."},
            "unpriced": schema::list(json!({"type": "string"}), "What has no known price and is not included, and why."),
            "more_unpriced": schema::count("How many more there are."),
        }),
    )
}

/// What all of them cost.
pub(super) fn month_schema() -> Value {
    json!({
        "type": "object",
        "description": "US dollars a month over all that match, shown or not.",
        "required": ["stopped", "volumes", "addresses", "snapshots_at_most", "if_running", "unpriced"],
        "properties": {
            "stopped": schema::text("While stopped: volumes and addresses."),
            "volumes": schema::text("EBS volumes."),
            "addresses": schema::text("Public IPv4 addresses."),
            "snapshots_at_most": schema::text("Snapshots of these volumes, at most."),
            "if_running": schema::text("Compute, if all ran."),
            "unpriced": schema::object(
                &["stopped", "snapshots", "if_running"],
                json!({
                    "stopped": schema::count("Volumes and addresses without a known price, which are not included."),
                    "snapshots": schema::count("The same of snapshots."),
                    "if_running": schema::count("The same of instances if they ran."),
                }),
            ),
        },
    })
}

/// The price list.
pub(super) fn prices_schema() -> Value {
    schema::object(
        &["published", "may_have_changed", "source", "leaves_out"],
        json!({
            "published": schema::text("The day of AWS's price list."),
            "may_have_changed": {"type": "boolean", "description": "Whether that is more than 180 days ago."},
            "source": schema::text("Where it is from."),
            "leaves_out": schema::text("What list prices leave out."),
        }),
    )
}
