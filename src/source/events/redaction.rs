//! Takes the secrets out of tags before anything of an event is passed on.

use serde_json::Value as Json;

use super::envelope::{DecodedEvent, EventContent};
use crate::model::{SecretTags, Seen, Value};

/// What a key and its value are called where tags are listed one by one.
const PAIRS: [(&str, &str); 2] = [("key", "value"), ("Key", "Value")];

/// The same event without the secrets in its tags.
pub(super) fn event(mut event: DecodedEvent, secrets: &SecretTags) -> DecodedEvent {
    if let EventContent::Resources(notification) = &mut event.says {
        for observation in &mut notification.observations {
            if let Seen::TagsAsserted { tags, .. } = &mut observation.seen {
                let listed = std::mem::replace(tags, Value::Null);
                *tags = secrets.redacted_tags(&observation.id.id, listed);
            }
        }
    }
    event
}

/// The body of a message that cannot be read, without anything that looks like a secret in a tag. Where the body is no JSON, nothing
/// tells what is one.
pub(super) fn body(body: String, secrets: &SecretTags) -> String {
    let Ok(mut json) = serde_json::from_str::<Json>(&body) else { return body };
    if redact(&mut json, secrets) { json.to_string() } else { body }
}

/// Replaces the texts under secret names, and those of key and value pairs. Returns whether there were any.
fn redact(json: &mut Json, secrets: &SecretTags) -> bool {
    match json {
        Json::Array(list) => {
            let mut found = false;
            for each in list {
                found |= redact(each, secrets);
            }
            found
        }
        Json::Object(fields) => {
            let mut found = false;
            for (key, value) in PAIRS {
                if let Some(name) = fields.get(key).and_then(Json::as_str).filter(|name| secrets.is_secret(name))
                    && let Some(text) = fields.get(value).and_then(Json::as_str)
                {
                    let mark = secrets.mark("", name, text);
                    fields.insert(value.to_owned(), mark.into());
                    found = true;
                }
            }
            for (name, value) in fields.iter_mut() {
                match value {
                    Json::String(text) if secrets.is_secret(name) => {
                        *value = secrets.mark("", name, text).into();
                        found = true;
                    }
                    // A notification of SNS holds an event as text.
                    Json::String(text) => {
                        if let Ok(mut inner @ (Json::Object(_) | Json::Array(_))) = serde_json::from_str::<Json>(text)
                            && redact(&mut inner, secrets)
                        {
                            *text = inner.to_string();
                            found = true;
                        }
                    }
                    other => found |= redact(other, secrets),
                }
            }
            found
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn secrets_leave_unreadable_bodies_however_deep_they_stand() {
        let secrets = SecretTags::default();
        let event = json!({
            "detail-type": "Tag Change on Resource",
            "detail": {"tags": {"db-password": "hunter2", "Name": "web"}, "requestParameters": {"tagSet": {"items": [
                {"key": "api_key", "value": "hunter2"}, {"key": "Name", "value": "web"}
            ]}}},
        });
        let wrapped = json!({"Type": "Notification", "Message": event.to_string()});
        for given in [event, wrapped] {
            let left = body(given.to_string(), &secrets);
            assert!(!left.contains("hunter2") && left.contains("redacted:") && left.contains("web"), "{left}");
        }
        for given in ["no JSON: hunter2", "{\"detail\": {\"Name\":  \"web\"}}", "[1, \"a\"]"] {
            assert_eq!(body(given.to_owned(), &secrets), given, "it stays as it came");
        }
    }

    #[test]
    fn tags_of_an_event_are_marked_as_those_of_a_describe_are() {
        let secrets = SecretTags::default();
        let told = json!({
            "id": "e-1", "detail-type": "Tag Change on Resource", "source": "aws.tag", "account": "123456789012",
            "time": "2026-11-01T00:00:00Z", "region": "us-east-1",
            "resources": ["arn:aws:ec2:us-east-1:123456789012:instance/i-1"],
            "detail": {"service": "ec2", "resource-type": "instance", "version": 7,
                       "tags": {"password": "hunter2", "Name": "web"}},
        });
        let read = event(DecodedEvent::read(&told.to_string(), None).unwrap(), &secrets);
        assert!(!format!("{read:?}").contains("hunter2"), "{read:?}");
        assert!(format!("{read:?}").contains(&secrets.mark("i-1", "password", "hunter2")), "{read:?}");
        assert!(format!("{read:?}").contains("web"), "{read:?}");
    }
}
