//! The output schemas of records and their differences.

use serde_json::{Value, json};

use crate::mcp::tools::schema;
use crate::query::changes::CauseKind;

/// The fields of a change, for output schemas.
#[must_use]
pub fn difference_schema() -> Value {
    schema::object(
        &["path"],
        json!({
            "path": schema::text(
                "The field, as names joined with dots; keys of list elements in brackets: Tags[Name], \
                 BlockDeviceMappings[/dev/sda1].Ebs.Status.",
            ),
            "before": schema::text(
                "Its value before, maps as JSON; absent if there was none. Values over 300 characters are cut with … around the \
                first difference; get_resource with full and as_of shows them whole.",
            ),
            "after": schema::text("Its value after; absent if there is none any more."),
            "added": schema::text(
                "Instead of before and after: the element that the list at path gained. A rule of a security group reads as \
                 `tcp 22 from 0.0.0.0/0`, one for each source.",
            ),
            "removed": schema::text("The element that the list at path lost."),
        }),
    )
}

/// What [`Rendered::data`] holds, for output schemas.
#[must_use]
pub fn record_schema() -> Value {
    schema::object(
        &["seq", "recorded_at", "what", "cause", "changes"],
        json!({
            "seq": schema::count("Its number in the log."),
            "recorded_at": schema::text("When Muster recorded it."),
            "clock_ahead": {
                "type": "boolean",
                "description": "`true` if this machine's clock was ahead when this was recorded, so that later records have \
                earlier times.",
            },
            "what": {
                "type": "string",
                "enum": ["known_since", "appeared", "changed", "removed", "remapped", "action_requested", "action_finished",
                    "action_refused", "action_confirmed", "action_not_confirmed", "called"],
                "description": "What happened; known_since: the first sweep found it, so it was there before.",
            },
            "kind": schema::text("The kind of resource."),
            "part": schema::text("instance-status where the status checks of an instance changed."),
            "id": schema::text("AWS's ID."),
            "uri": schema::text("Where to read the whole resource."),
            "account": schema::text("The AWS account that sees it."),
            "region": schema::text("The region."),
            "name": schema::text("Its name."),
            "cause": schema::object(
                &["by", "words"],
                json!({
                    "by": cause_schema("How Muster learned of it."),
                    "words": schema::text("The same in words."),
                    "event_id": schema::text("The EventBridge event's id."),
                    "action": schema::text("The ID of the recorded tool call."),
                    "tool": schema::text("The tool of Muster that was called."),
                    "call": schema::text("The AWS call that somebody made."),
                    "actor": schema::text("Who made it."),
                    "address": schema::text("Where the call came from."),
                    "agent": schema::text("The client that was used."),
                    "unobserved_since": schema::text("When the gap before that sweep began."),
                }),
            ),
            "who": schema::object(
                &["found", "words"],
                json!({
                    "found": {"type": "boolean", "description": "Whether a call is known that fits the change in time and kind."},
                    "words": schema::text("Who called what and when; or why that is not known."),
                    "from": schema::text("log: an event of a trail; cloudtrail: AWS's event history."),
                    "at": schema::text("When the call was made."),
                    "call": schema::text("The AWS call."),
                    "actor": schema::text("Who made it."),
                    "address": schema::text("Where the call came from."),
                    "agent": schema::text("The client that was used."),
                }),
            ),
            "changes": schema::list(difference_schema(), "What differs; lists are compared by element. Empty unless `what` is \
            changed or remapped."),
            "changes_not_shown": schema::count("How many differences were left out because of their size. compare_resource from \
            seq:N-1 to seq:N (N is this record's seq) shows more, get_resource with full and as_of shows all."),
            "evidence_at": schema::text("When AWS showed it."),
            "observed_between": schema::list(json!({"type": "string"}), "It happened between these two times, while Muster \
                was not watching."),
            "action": schema::text("The ID of the recorded tool call."),
            "tool": schema::text("The tool of Muster that was called."),
            "targets": schema::list(json!({"type": "string"}), "The resources that the call acts on."),
            "outcome": schema::text("How the call or its confirmation ended."),
            "called_by": schema::object(
                &["user"],
                json!({
                    "user": schema::text("Whom the connection proves: uid:1000, or http."),
                    "client": schema::text("The name that the client gives itself."),
                    "version": schema::text("The version that the client gives itself."),
                    "session": schema::text("The connection or session."),
                }),
            ),
            "arguments": schema::text("The tool's arguments as they were sent, as JSON."),
            "plan": schema::text("What the call would do, as the person who confirmed it was shown."),
            "idempotency_key": schema::text("The idempotency key that the call came with."),
            "confirmation": schema::text("How the call was confirmed: elicitation, input or token."),
            "confirmation_seq": schema::count("The seq of the record of that confirmation."),
            "rule": schema::text("The rule that refused the call, and where it comes from."),
            "count": schema::count("How often this happened from first_at to last_at, which is recorded once."),
            "first_at": schema::text("When it happened first."),
            "last_at": schema::text("When it happened last."),
            "request_id": schema::text("AWS's ID of the request."),
        }),
    )
}

/// The causes there are, for schemas.
fn cause_schema(description: &str) -> Value {
    let names: Vec<&str> = CauseKind::ALL.iter().map(|(name, _)| *name).collect();
    json!({"type": "string", "enum": names, "description": description})
}
