//! Custom events, and testing a pattern against an event.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::simulator::bus::Pattern;
use crate::simulator::clock::Moment;
use crate::simulator::envelope::envelope;
use crate::simulator::events::call::{Answer, Call, default_bus, invalid, required};

/// The most events that one call puts.
const MAX_ENTRIES: usize = 10;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct PutEventsRequest {
    #[serde(default)]
    entries: Vec<EventEntry>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct EventEntry {
    /// Seconds since the epoch.
    time: Option<f64>,
    source: Option<String>,
    #[serde(default)]
    resources: Vec<String>,
    detail_type: Option<String>,
    detail: Option<String>,
    event_bus_name: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Test {
    event_pattern: Option<String>,
    event: Option<String>,
}

/// Puts events on the bus, each independently: the answer reports a refused event at its position.
pub(super) fn answer(call: &Call) -> Answer {
    let put: PutEventsRequest = call.read()?;
    if put.entries.is_empty() || put.entries.len() > MAX_ENTRIES {
        let reason = "failed to satisfy constraint: Member must have length between 1 and 10";
        return Err(invalid(format!("1 validation error detected: Value at 'entries' {reason}")));
    }
    let mut failed = 0;
    let mut answers = Vec::with_capacity(put.entries.len());
    for entry in put.entries {
        match event(call, &entry) {
            Ok(event) => {
                answers.push(json!({ "EventId": event.get("id") }));
                // Like AWS, accepts an event for a bus that does not exist, and loses it.
                if default_bus(call, entry.event_bus_name.as_deref()).is_ok() {
                    call.world.emit(call.account, call.region, event);
                }
            }
            Err((code, message)) => {
                failed += 1;
                answers.push(json!({ "ErrorCode": code, "ErrorMessage": message }));
            }
        }
    }
    Ok(json!({ "FailedEntryCount": failed, "Entries": answers }))
}

pub(super) fn test_pattern(call: &Call) -> Answer {
    let asked: Test = call.read()?;
    let pattern = Pattern::parse(required(asked.event_pattern.as_deref(), "eventPattern")?)?;
    let event = required(asked.event.as_deref(), "event")?;
    let parsed: Value = serde_json::from_str(event).map_err(|_| invalid("Parameter Event is not valid."))?;
    let mandatory = ["id", "account", "source", "time", "region", "resources", "detail-type"];
    if let Some(missing) = mandatory.iter().find(|name| parsed.get(**name).is_none()) {
        return Err(invalid(format!("Parameter Event is not valid. Reason: {missing} is a required field.")));
    }
    Ok(json!({ "Result": pattern.matches(&parsed.to_string()) }))
}

type EntryError = (&'static str, String);

fn event(call: &Call, entry: &EventEntry) -> Result<Value, EntryError> {
    let lacks = |name: &str| {
        let message = format!("Parameter {name} is not valid. Reason: {name} is a required argument.");
        ("InvalidArgument", message)
    };
    let text =
        |member: &Option<String>, name| member.clone().filter(|text| !text.is_empty()).ok_or_else(|| lacks(name));
    let source = text(&entry.source, "Source")?;
    let detail_type = text(&entry.detail_type, "DetailType")?;
    let detail = text(&entry.detail, "Detail")?;
    if source.starts_with("aws.") {
        return Err(("NotAuthorizedForSourceException", "Not authorized for the source.".to_owned()));
    }
    let detail: Value = serde_json::from_str(&detail).ok().filter(Value::is_object).ok_or_else(malformed)?;
    #[expect(clippy::cast_possible_truncation, reason = "milliseconds since the epoch are far within")]
    let at = entry.time.map_or(call.now, |seconds| Moment((seconds * 1_000.0) as i64));
    Ok(envelope(call.account, call.region, at, &source, &detail_type, &entry.resources, &detail))
}

fn malformed() -> EntryError {
    ("MalformedDetail", "Detail is malformed.".to_owned())
}
