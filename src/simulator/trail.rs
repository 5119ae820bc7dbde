//! `CloudTrail`'s `LookupEvents`: the calls that the simulator recorded, newest first.
//!
//! It uses AWS JSON 1.1 and, like AWS, at most one lookup attribute: `ResourceName`, `EventName` or `EventId`. A record
//! matches a resource when its parameters or its answer name the resource.
//!
//! # Limits
//! The newest [`MAX_RECORDS`](records::MAX_RECORDS) calls of all accounts together are kept. Each is there at once,
//! while AWS takes up to 15 minutes.

mod records;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::simulator::clock::Moment;
use crate::simulator::happening::{Happening, What};
use crate::simulator::refusal::Refusal;
use crate::simulator::world::World;
use crate::simulator::{envelope, json};

pub(crate) use records::Trail;

/// The number of events on a page, unless the call asks for fewer.
const PAGE: usize = 50;

/// One call to the API.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Call<'a> {
    pub(crate) world: &'a World,
    pub(crate) account: &'a str,
    pub(crate) region: &'a str,
    pub(crate) body: &'a [u8],
}

/// The names of all actions.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    std::iter::once("LookupEvents")
}

/// Whether the simulator has an action of this name.
pub(crate) fn knows(action: &str) -> bool {
    names().any(|name| name == action)
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Lookup {
    #[serde(default)]
    #[serde(rename = "LookupAttributes")]
    attributes: Vec<Attribute>,
    start_time: Option<f64>,
    end_time: Option<f64>,
    max_results: Option<usize>,
    next_token: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Attribute {
    attribute_key: String,
    attribute_value: String,
}

/// Answers one call.
pub(crate) fn answer(call: &Call, action: &str) -> Result<Value, Refusal> {
    if !knows(action) {
        return Err(Refusal::invalid_action(action));
    }
    let lookup: Lookup = json::read(call.body)?;
    let wrong = |code: &'static str, message: &str| Refusal::new(400, code, message);
    let ([] | [_]) = lookup.attributes.as_slice() else {
        return Err(wrong("InvalidLookupAttributesException", "You can specify only one lookup attribute."));
    };
    let attribute = lookup.attributes.first();
    if let Some(attribute) = attribute
        && !["ResourceName", "EventName", "EventId"].contains(&attribute.attribute_key.as_str())
    {
        return Err(wrong("InvalidLookupAttributesException", "The simulator does not look up by this attribute."));
    }
    let limit = lookup.max_results.unwrap_or(PAGE);
    if !(1..=PAGE).contains(&limit) {
        return Err(wrong("InvalidMaxResultsException", "MaxResults must be from 1 to 50."));
    }
    let (from, to) = (lookup.start_time.unwrap_or(f64::MIN), lookup.end_time.unwrap_or(f64::MAX));
    if from > to {
        return Err(wrong("InvalidTimeRangeException", "The start time is after the end time."));
    }
    let skipped = lookup.next_token.map_or(Ok(0), |token| token.parse::<usize>());
    let skipped = skipped.map_err(|_| wrong("InvalidNextTokenException", "The token is not valid."))?;
    // Some calls up to now may not have been recorded yet.
    call.world.pump();
    let records = call.world.trail().0.read();
    let mut found = records.iter().rev().filter(|one| {
        let second = seconds(one.at);
        one.account == call.account
            && one.region == call.region
            && (from..=to).contains(&second)
            && meets(one, attribute)
    });
    let page: Vec<Value> = found.by_ref().skip(skipped).take(limit).map(|one| event(one)).collect();
    Ok(match found.next() {
        Some(_) => json!({ "Events": page, "NextToken": (skipped + limit).to_string() }),
        None => json!({ "Events": page }),
    })
}

/// The records of all accounts and regions, oldest first.
pub(crate) fn calls(world: &World) -> Vec<Value> {
    // Some calls up to now may not have been recorded yet.
    world.pump();
    world.trail().0.read().iter().map(|call| envelope::record(call)).collect()
}

/// `CloudTrail` gives times in whole seconds.
fn seconds(at: Moment) -> f64 {
    at.timestamp().as_second().to_string().parse().unwrap_or_default()
}

fn meets(happening: &Happening, attribute: Option<&Attribute>) -> bool {
    let (Some(Attribute { attribute_key, attribute_value }), What::Call { name, request, response, request_id, .. }) =
        (attribute, &happening.what)
    else {
        return attribute.is_none();
    };
    match attribute_key.as_str() {
        "EventName" => name == attribute_value,
        "EventId" => request_id == attribute_value,
        _ => names_it(request, attribute_value) || names_it(response, attribute_value),
    }
}

fn names_it(value: &Value, id: &str) -> bool {
    match value {
        Value::String(text) => text == id,
        Value::Array(list) => list.iter().any(|one| names_it(one, id)),
        Value::Object(map) => map.values().any(|one| names_it(one, id)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

fn event(happening: &Happening) -> Value {
    let record = envelope::record(happening);
    let of = |name: &str| record.get(name).cloned().unwrap_or(Value::Null);
    json!({
        "EventId": of("eventID"),
        "EventName": of("eventName"),
        "ReadOnly": of("readOnly").to_string(),
        "EventTime": happening.at.timestamp().as_second(),
        "EventSource": of("eventSource"),
        "Username": record.pointer("/userIdentity/userName").cloned().unwrap_or(Value::Null),
        "Resources": [],
        "CloudTrailEvent": record.to_string(),
    })
}
