//! AWS Health events: scheduled changes and issues of the resources that they name.
//!
//! AWS Health User Guide, "AWS Health events Amazon `EventBridge` schema". The envelope's region and account are those of the
//! delivery; `eventRegion` and `affectedAccount` are those of the impact. Times are RFC 1123. Large events come in pages, each
//! with its own part of `affectedEntities`; an event without any is about no resource.

use std::time::Duration;

use serde_json::Value as Json;

use super::raw::{Envelope, Lacks, Occurrence, cut, parsed};
use crate::kinds;
use crate::model::{AccountId, Notice, NoticeKind, Observation, Region, Scope, Seen, Timestamp};

/// How long a change without an end is shown after it began. By then `Events` in the status document show the rest of it.
const BEGUN: Duration = Duration::from_hours(24);
/// How long an open issue is shown after its last event. AWS sends each update and the end; if the end is lost, nothing else
/// withdraws the notice.
const OPEN: Duration = Duration::from_hours(7 * 24);

pub(super) fn read(event: &Envelope, place: &Occurrence) -> Result<Vec<Observation>, Lacks> {
    let account = event.text("affectedAccount").filter(|text| AccountId::is_valid(text)).map(AccountId::new);
    let region = event.text("eventRegion").filter(|text| !text.is_empty()).map(Region::new);
    let scope = Scope {
        account: account.unwrap_or_else(|| place.scope.account.clone()),
        region: region.unwrap_or_else(|| place.scope.region.clone()),
    };
    let place = Occurrence { scope, at: place.at };
    let entities = event.detail.get("affectedEntities").and_then(Json::as_array).map_or(&[][..], Vec::as_slice);
    let mut found = Vec::new();
    for entity in entities.iter().take(super::raw::MAX_RESOURCES) {
        let Some(value) = entity.get("entityValue").and_then(Json::as_str) else { continue };
        let Some((spec, id)) = named(value) else { continue };
        if spec.slug == kinds::INSTANCE.slug {
            let status = entity.get("status").and_then(Json::as_str);
            let notice = notice(event, place.at, status)?;
            found.push(place.saw(kinds::INSTANCE_STATUS, id, Seen::Noticed(notice)));
        } else {
            found.push(place.mentioned((spec, id)));
        }
    }
    Ok(found)
}

/// The resource of an entity, which has an id or ARN; `None` for others, such as `AWS_ACCOUNT` and `UNKNOWN`.
fn named(value: &str) -> Option<(&'static kinds::KindSpec, &str)> {
    parsed(value).or_else(|| Some((kinds::of_id(value)?, value)))
}

fn notice(event: &Envelope, at: Timestamp, status: Option<&str>) -> Result<Notice, Lacks> {
    let key = event.text("eventArn").ok_or("detail.eventArn")?;
    let code = event.text("eventTypeCode").ok_or("detail.eventTypeCode")?;
    let time = |field: &str| {
        event.text(field).and_then(|text| Timestamp::parse_rfc_1123(text).or_else(|| Timestamp::parse(text)))
    };
    let begins = time("startTime");
    let open = match (event.text("eventTypeCategory"), begins) {
        (Some("scheduledChange"), Some(begins)) => begins.max(at) + BEGUN,
        _ => at + OPEN,
    };
    let over = event.text("statusCode") == Some("closed") || status.is_some_and(|status| status == "RESOLVED");
    let until = match time("endTime") {
        // An ended notice is kept for as long as late updates of it may arrive.
        Some(_) | None if over => at + BEGUN,
        Some(end) => end,
        None => open,
    };
    Ok(Notice {
        at,
        over,
        key: cut(key, 300),
        kind: NoticeKind::Health,
        code: cut(code, 100),
        description: description(&event.detail),
        begins,
        until,
    })
}

/// The event's description, in English where there is a choice.
fn description(detail: &Json) -> Option<String> {
    let list = detail.get("eventDescription")?.as_array()?;
    let english = |one: &&Json| {
        let language = one.get("language").and_then(Json::as_str);
        language.is_some_and(|language| language.to_ascii_lowercase().starts_with("en"))
    };
    let one = list.iter().find(english).or_else(|| list.first())?;
    let text = one.get("latestDescription")?.as_str()?.trim();
    (!text.is_empty()).then(|| cut(text, 500))
}
