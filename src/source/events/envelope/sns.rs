//! An event that came through an SNS topic without raw message delivery.
//!
//! Shape: SNS Developer Guide, "Parsing Amazon SNS message formats" (HTTP/HTTPS notification JSON, which SQS gets as well).

use serde::Deserialize;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct SnsNotification {
    #[serde(rename = "Type")]
    kind: String,
    message: String,
    #[serde(rename = "TopicArn")]
    _topic: String,
}

/// The message that an SNS notification carries, if `body` is one.
pub(super) fn message(body: &str) -> Option<String> {
    let SnsNotification { kind, message, .. } = serde_json::from_str(body).ok()?;
    (kind == "Notification").then_some(message)
}
