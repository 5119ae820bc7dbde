//! Describes a message that is not an EventBridge event, so that the person who set up the queue knows what to change.

use serde_json::Value as Json;

use super::sns;

/// Other services that write to a queue, by a field of their messages.
const SENDERS: &[(&str, &str)] = &[
    ("SubscribeURL", "a request of SNS to confirm a subscription"),
    ("AutoScalingGroupARN", "a notification of Auto Scaling"),
    ("AutoScalingGroupName", "a notification of Auto Scaling"),
    ("LifecycleHookName", "a lifecycle hook of Auto Scaling"),
    ("Records", "a list of records, as S3 and Lambda send them"),
    ("Bucket", "a test message of S3"),
    ("AlarmName", "an alarm of CloudWatch that SNS forwards"),
];

/// Describes `body` in words.
pub(super) fn what(body: &str) -> &'static str {
    let value = match serde_json::from_str::<Json>(body) {
        Ok(value) => value,
        Err(_) if body.trim().is_empty() => return "empty",
        Err(_) => return "not JSON",
    };
    let fields = match value {
        Json::Object(fields) => fields,
        Json::Array(_) => return "a list",
        _ => return "a single JSON value",
    };
    let sender = |has: &dyn Fn(&str) -> bool| SENDERS.iter().find(|(field, _)| has(field)).map(|(_, what)| *what);
    if let Some(what) = sender(&|field| fields.contains_key(field)) {
        return what;
    }
    if let Some(inner) = sns::message(body) {
        let inner = serde_json::from_str::<Json>(&inner).unwrap_or_default();
        return sender(&|field| inner.get(field).is_some()).unwrap_or("an SNS notification of something else");
    }
    if ["id", "source", "detail-type"].iter().all(|field| fields.contains_key(*field)) {
        return "a JSON object with the fields of an event, one of which has a wrong type";
    }
    "a JSON object without the fields `id`, `source` and `detail-type`"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_that_people_find_in_queues_are_told_apart() {
        let told = [
            (
                r#"{"Service":"AWS Auto Scaling","Event":"autoscaling:TEST_NOTIFICATION","AutoScalingGroupARN":"a"}"#,
                "Auto Scaling",
            ),
            (r#"{"Type":"SubscriptionConfirmation","TopicArn":"t","Message":"m","SubscribeURL":"u"}"#, "confirm"),
            (r#"{"Type":"Notification","TopicArn":"t","Message":"{\"AlarmName\":\"a\"}"}"#, "CloudWatch"),
            (r#"{"Type":"Notification","TopicArn":"t","Message":"hello"}"#, "something else"),
            (r#"{"Service":"Amazon S3","Event":"s3:TestEvent","Bucket":"b"}"#, "S3"),
            (r#"[{"id":"1"}]"#, "a list"),
            ("7", "single JSON value"),
            ("hello", "not JSON"),
            (" \n", "empty"),
            ("{}", "without the fields"),
            (r#"{"id":"1","source":"aws.ec2","detail-type":"t","time":7}"#, "wrong type"),
        ];
        for (body, expected) in told {
            assert!(what(body).contains(expected), "{body}: {}", what(body));
        }
    }
}
