//! `CloudTrail`: who called AWS, from its records and its event history.
//!
//! The event history exists without a trail, covers 90 days, and is separate in each region. A call takes up to 15 minutes to
//! appear in it, and `LookupEvents` is limited to two calls a second (CloudTrail user guide, "Viewing event history" and "Quotas").
//! So it is queried on demand only, and answers are remembered, except empty ones for a time that may not be complete yet.

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_cloudtrail::types::{Event, LookupAttribute, LookupAttributeKey};
use aws_smithy_types::DateTime;
use serde_json::Value as Json;

pub(super) mod remembered;

pub use remembered::{TrailCall, TrailCalls};

use super::{Aws, AwsError, Priority};
use crate::model::{ApiCall, Scope, Timestamp};

/// How long a call takes at most to appear in the event history.
pub const SETTLES: Duration = Duration::from_mins(15);
/// How far back the event history reaches.
pub const REACHES: Duration = Duration::from_hours(90 * 24);

/// Events per page: AWS's maximum.
const PAGE: i32 = 50;
/// Pages per lookup: if a resource has more calls in a quarter of an hour, its change cannot be attributed to one of them.
const PAGES: usize = 3;
const LOOKUP: &str = "cloudtrail:LookupEvents";

impl Aws {
    /// The calls between `from` and `to` that name `resource`, from the event history of the scope's account and region.
    ///
    /// # Errors
    /// [`AwsError`], also if the credentials in use belong to another account than the scope's: its history would not have the
    /// calls.
    pub async fn calls_of(
        &self,
        scope: &Scope,
        resource: &str,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Arc<TrailCalls>, AwsError> {
        let account = self.account_of(scope).found.lock().account.clone();
        if let Some(found) = account.filter(|found| *found != scope.account) {
            return Err(AwsError::other_account(&scope.account, found.as_str(), &self.call(scope, LOOKUP)));
        }
        let key = (scope.region.clone(), resource.to_owned(), from, to);
        if let Some(known) = self.account_of(scope).trail.lock().get(&key) {
            return Ok(known);
        }
        let client = self.clients(scope, LOOKUP).await?.trail();
        let attribute = LookupAttribute::builder()
            .attribute_key(LookupAttributeKey::ResourceName)
            .attribute_value(resource)
            .build()
            .ok();
        let (mut found, mut token) = (TrailCalls::default(), None);
        for _ in 0..PAGES {
            let send = || {
                client
                    .lookup_events()
                    .set_lookup_attributes(attribute.clone().map(|attribute| vec![attribute]))
                    .start_time(DateTime::from_millis(from.as_millis()))
                    .end_time(DateTime::from_millis(to.as_millis()))
                    .max_results(PAGE)
                    .set_next_token(token.clone())
                    .send()
            };
            let (answer, _) = self.repeatable(scope, LOOKUP, Priority::Tool, send).await?;
            found.calls.extend(answer.events.unwrap_or_default().iter().filter_map(read));
            token = answer.next_token.filter(|token| !token.is_empty());
            if token.is_none() {
                break;
            }
        }
        found.complete = token.is_none();
        let found = Arc::new(found);
        // Missing events may still appear.
        if !found.calls.is_empty() || to + SETTLES <= self.clock().now() {
            self.account_of(scope).trail.lock().keep(key, &found);
        }
        Ok(found)
    }
}

/// The call of an event of the history, unless the call failed or changes nothing.
fn read(event: &Event) -> Option<TrailCall> {
    let record: Json = serde_json::from_str(event.cloud_trail_event()?).ok()?;
    if !is_effective(&record) {
        return None;
    }
    let at = event.event_time().and_then(|at| at.to_millis().ok()).map(Timestamp::from_millis);
    let at = at.or_else(|| Timestamp::parse(record.get("eventTime")?.as_str()?))?;
    Some(TrailCall { at, call: call_of(&record)? })
}

/// Whether a `CloudTrail` record is of a call that succeeded and changes something.
#[must_use]
pub fn is_effective(record: &Json) -> bool {
    let failed = record.get("errorCode").is_some_and(|code| !code.is_null());
    !failed && record.get("readOnly").and_then(Json::as_bool) != Some(true)
}

/// Who called what, from a `CloudTrail` record; `None` if it does not name the call. Texts are cut to a maximum length.
#[must_use]
pub fn call_of(record: &Json) -> Option<ApiCall> {
    let cut = |text: &str, limit: usize| text.chars().take(limit).collect::<String>();
    let text = |field: &str| record.get(field).and_then(Json::as_str);
    let identity = |field: &str| record.get("userIdentity")?.get(field)?.as_str().filter(|text| !text.is_empty());
    let actor = ["arn", "principalId", "invokedBy", "type"].into_iter().find_map(identity).unwrap_or("unknown");
    Some(ApiCall {
        name: cut(text("eventName")?, 128),
        actor: cut(actor, 512),
        address: text("sourceIPAddress").map(|text| cut(text, 256)),
        agent: text("userAgent").map(|text| cut(text, 512)),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::aws::scripted::{Reply, Scripted};
    use crate::model::fixtures::scope;

    fn record(name: &str, error: Option<&str>) -> Json {
        let mut record = json!({
            "eventName": name, "eventTime": "2026-11-22T12:00:00Z", "sourceIPAddress": "198.51.100.7", "userAgent": "aws-cli",
            "userIdentity": {"arn": "arn:aws:iam::123456789012:user/alice"}, "readOnly": false,
        });
        if let Some(error) = error {
            record["errorCode"] = json!(error);
        }
        record
    }

    fn answer(records: &[Json], next: Option<&str>) -> Reply {
        let events: Vec<Json> = records
            .iter()
            .map(|record| json!({"EventTime": 1_795_348_800, "CloudTrailEvent": record.to_string()}))
            .collect();
        Reply { status: 200, date: None, body: json!({"Events": events, "NextToken": next}).to_string() }
    }

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    #[tokio::test]
    async fn successful_calls_are_read_page_by_page_and_remembered() {
        let first = answer(&[record("StopInstances", None), record("StartInstances", Some("Client.X"))], Some("t"));
        let server = Scripted::new([first, answer(&[record("CreateTags", None)], None)]).await;
        let aws = server.aws();
        let (from, to) = (at("2026-11-22T11:50:00Z"), at("2026-11-22T12:00:02Z"));
        let found = aws.calls_of(&scope(), "i-1", from, to).await.unwrap();
        let names: Vec<&str> = found.calls.iter().map(|call| call.call.name.as_str()).collect();
        assert_eq!((names, found.complete), (vec!["StopInstances", "CreateTags"], true));
        assert_eq!(found.calls[0].at, at("2026-11-22T12:00:00Z"));
        let asked: Json = serde_json::from_str(&server.asked()[0]).unwrap();
        assert_eq!(asked["LookupAttributes"], json!([{"AttributeKey": "ResourceName", "AttributeValue": "i-1"}]));
        // The server has no third answer.
        assert_eq!(aws.calls_of(&scope(), "i-1", from, to).await.unwrap(), found);
        assert_eq!(server.asked().len(), 2);
    }

    #[tokio::test]
    async fn an_empty_answer_is_not_remembered_while_calls_may_still_appear() {
        let server = Scripted::new([answer(&[], None), answer(&[record("StopInstances", None)], None)]).await;
        let aws = server.aws();
        let now = aws.clock().now();
        let (from, to) = (now - SETTLES, now);
        assert!(aws.calls_of(&scope(), "i-1", from, to).await.unwrap().calls.is_empty());
        assert_eq!(aws.calls_of(&scope(), "i-1", from, to).await.unwrap().calls.len(), 1);
    }
}
