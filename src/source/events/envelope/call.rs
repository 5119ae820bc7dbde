//! Calls of the EC2 API, as a trail records them.
//!
//! `EventBridge` User Guide, "AWS service events delivered via CloudTrail"; CloudTrail User Guide, "CloudTrail record contents".
//! The event comes when the API has answered, not when the resource has settled, also for calls that failed. Its `resources` are
//! empty: the ids stand somewhere in `requestParameters` and `responseElements`, whose shapes follow neither the API's reference
//! nor each other (lists are `{"items": [..]}` or, empty, `{}`; newer calls are recorded under `XRequest` with other spellings).
//! So every text counts that is the value of an id member and has the form of an id that Muster knows. A call that AWS adds later
//! needs no change here.

use std::collections::HashSet;

use serde_json::Value as Json;

use super::decoded_event::EventContent;
use super::raw::{Envelope, Lacks, MAX_RESOURCES, Occurrence};
use crate::aws::trail;
use crate::kinds::{self, KINDS, KindSpec};
use crate::model::{Called, Kind, Notification, Observation, ResourceId, Timestamp};

/// Members of a record that hold text chosen by the caller, or ids of other regions and accounts, and are not searched.
const PASSED_OVER: [&str; 9] = [
    "tagset",
    "tags",
    "tagspecificationset",
    "tagspecification",
    "sourcesnapshotid",
    "peervpcid",
    // Groups that a rule only refers to and that do not change.
    "ippermissions",
    "referencedgroupinfo",
    "referencedgroupid",
];
/// Members inside the member of an id: `{"SubnetId": {"tag": 1, "content": "subnet-.."}}`.
const WITHIN: [&str; 4] = ["content", "item", "items", "member"];
/// Verbs of calls that change no existing resource but those they name.
const APART: [&str; 4] = ["Create", "Delete", "Allocate", "Release"];

pub(super) fn read(event: &Envelope, place: &Occurrence) -> Result<EventContent, Lacks> {
    let detail = &event.detail;
    // The call's own time orders it among describes; the envelope has the time of delivery.
    let at = event.text("eventTime").and_then(Timestamp::parse).unwrap_or(place.at);
    if !trail::is_effective(detail) {
        return Ok(EventContent::Call { scope: place.scope.clone(), at, untold: Vec::new() });
    }
    let call = trail::call_of(detail).ok_or("detail.eventName")?;
    let mut found = NamedIds::default();
    for part in ["requestParameters", "responseElements"] {
        detail.get(part).into_iter().for_each(|part| found.look(part, false));
    }
    if found.ids.is_empty() {
        return Ok(EventContent::Call { scope: place.scope.clone(), at, untold: untold(&call.name, |_| false) });
    }
    let place = Occurrence { scope: place.scope.clone(), at };
    let target = |(spec, id): &(&KindSpec, &str)| ResourceId::new(&place.scope, &spec.kind(), *id);
    let mut targets: Vec<ResourceId> =
        found.ids.iter().filter(|(spec, _)| spec.calls.is_about(&call.name)).map(target).collect();
    if targets.is_empty() {
        targets = found.ids.iter().map(target).collect();
    }
    let observations: Vec<Observation> = found.ids.iter().map(|named| place.mentioned(*named)).collect();
    let called = Called { call, at, targets };
    Ok(EventContent::Resources(Notification { event_id: event.id.clone(), observations, called: Some(called) }))
}

/// The kinds of which a call of this name may have changed a resource, without those that the call names (`names`). Only a sweep
/// can find such a change, not a describe by id.
pub(super) fn untold(name: &str, names: impl Fn(&KindSpec) -> bool) -> Vec<Kind> {
    let is_apart = APART.iter().any(|verb| name.starts_with(verb));
    let reached = KINDS.iter().filter(|spec| !is_apart && spec.calls.may_reach(name));
    reached.filter(|spec| !names(spec)).map(|spec| spec.kind()).collect()
}

/// The distinct ids in a record, in order.
#[derive(Default)]
struct NamedIds<'a> {
    ids: Vec<(&'static KindSpec, &'a str)>,
    known: HashSet<&'a str>,
}

impl<'a> NamedIds<'a> {
    /// Searches a part of a record; `named` says that it is the value of an id member. The JSON reader limits the depth.
    fn look(&mut self, part: &'a Json, named: bool) {
        match part {
            Json::String(text) if named => self.take(text),
            Json::Array(list) => list.iter().for_each(|element| self.look(element, named)),
            Json::Object(fields) => {
                for (name, field) in fields {
                    let name = name.to_ascii_lowercase();
                    if !PASSED_OVER.contains(&name.as_str()) {
                        let is_id = name.ends_with("id") || name.ends_with("ids");
                        self.look(field, is_id || (named && WITHIN.contains(&name.as_str())));
                    }
                }
            }
            Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => {}
        }
    }

    fn take(&mut self, text: &'a str) {
        let Some(spec) = kinds::of_id(text).filter(|_| is_id(text)) else { return };
        if self.ids.len() < MAX_RESOURCES && self.known.insert(text) {
            self.ids.push((spec, text));
        }
    }
}

/// Whether `text` has the form of an id: the prefix of its kind and hexadecimal digits. `eni-attach-..` and `vpc-cidr-assoc-..`
/// are ids of other things.
fn is_id(text: &str) -> bool {
    let digits = text.split_once('-').map_or("", |(_, digits)| digits);
    (1..=32).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
}
