//! A record as JSON, for people and programs that read the log without Muster: `muster log export`, and the side file of a repair.
//!
//! One record is one line (JSON Lines): `{"seq", "recorded_at", "cause": {"cause", ..}, "event": {"event", ..}}` with every field
//! of the store, documents as `aws ec2 describe-*` prints them. Text is exact, even if strangers wrote it; terminal control
//! characters are escaped as `\uXXXX`, which reads back as the same text.

use serde_json::{Map, Value, json};

use crate::model::event::Overlay;
use crate::model::{Event, Group, Recorded, ResourceId, WriteAttempt, text};

/// The record as one line of JSON, without the line break.
#[must_use]
pub fn line(record: &Recorded) -> String {
    let json = value(record).to_string();
    let mut line = String::with_capacity(json.len());
    for letter in json.chars() {
        // JSON has none of these outside strings.
        if text::hostile(letter) {
            let mut units = [0; 2];
            for unit in letter.encode_utf16(&mut units) {
                line.extend(format!("\\u{unit:04x}").chars());
            }
        } else {
            line.push(letter);
        }
    }
    line
}

/// The record as a JSON object; its fields are in the order that the module's documentation shows.
#[must_use]
pub fn value(record: &Recorded) -> Value {
    json!({
        "seq": record.seq.0,
        "recorded_at": record.recorded_at,
        "cause": record.cause,
        "event": event(&record.event),
    })
}

fn event(event: &Event) -> Value {
    match event {
        Event::Discovered { id, document, evidence, mapping } => {
            about("discovered", id, json!({ "document": document, "evidence": evidence, "mapping": mapping }))
        }
        Event::Changed { id, changes, evidence, overlay } => {
            let evidence: Map<String, Value> =
                evidence.iter().map(|(group, seen)| (name(*group), json!(seen))).collect();
            about("changed", id, json!({ "changes": changes, "evidence": evidence, "overlay": laid(overlay) }))
        }
        Event::Removed { id, at } => about("removed", id, json!({ "at": at })),
        Event::Remapped { id, changes, mapping } => {
            about("remapped", id, json!({ "changes": changes, "mapping": mapping }))
        }
        Event::ActionRequested {
            action,
            tool,
            targets,
            call,
            by,
            arguments,
            plan,
            key,
            confirmed_by,
            confirmation,
        } => known(
            json!({ "event": "action_requested", "action": action, "tool": tool, "targets": targets }),
            json!({
                "call": call, "by": by, "arguments": arguments, "plan": plan, "key": key, "confirmed_by": confirmed_by,
                "confirmation": confirmation,
            }),
        ),
        Event::ActionFinished { action, outcome, request_id } => known(
            json!({ "event": "action_finished", "action": action, "outcome": outcome }),
            json!({ "request_id": request_id }),
        ),
        Event::ActionRefused { attempt, rule, repeats } => {
            known(attempted("action_refused", attempt), json!({ "rule": rule, "repeats": repeats }))
        }
        Event::ActionConfirmed { attempt, plan, way, outcome, repeats } => known(
            attempted(event.word(), attempt),
            json!({ "plan": plan, "way": way, "outcome": outcome, "repeats": repeats }),
        ),
        Event::Called { at, targets } => json!({ "event": "called", "at": at, "targets": targets }),
    }
}

fn attempted(event: &str, attempt: &WriteAttempt) -> Value {
    let WriteAttempt { tool, targets, by, arguments } = attempt;
    known(json!({ "event": event, "tool": tool, "targets": targets }), json!({ "by": by, "arguments": arguments }))
}

/// An object and those of more fields that are known.
fn known(object: Value, more: Value) -> Value {
    let (Value::Object(mut object), Value::Object(more)) = (object, more) else { return Value::Null };
    object.extend(more.into_iter().filter(|(_, value)| !value.is_null()));
    Value::Object(object)
}

/// The event's name, its resource, then its other fields.
fn about(event: &str, id: &ResourceId, said: Value) -> Value {
    let mut object = Map::new();
    for part in [json!({ "event": event }), json!(id), said] {
        if let Value::Object(fields) = part {
            object.extend(fields);
        }
    }
    Value::Object(object)
}

fn laid(overlay: &Overlay) -> Value {
    match overlay {
        Overlay::Keep => json!("keep"),
        Overlay::Settle => json!("settle"),
        Overlay::Lay(provisional) => json!({ "lay": provisional }),
        Overlay::Tag(tagging) => {
            json!({ "tag": { "version": tagging.version, "at": tagging.at, "superseded": tagging.superseded } })
        }
    }
}

/// A group's name as it serialises.
fn name(group: Group) -> String {
    json!(group).as_str().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests;
