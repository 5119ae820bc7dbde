//! The AWS JSON protocols of SQS (1.0), EventBridge and Organizations (1.1): the action is in a header, requests and answers are JSON,
//! and `__type` names an error.
//!
//! SQS used the Query protocol for years and its clients still match on the codes of that protocol, so each of its
//! errors also has the old code in `x-amzn-query-error`.

use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::simulator::refusal::Refusal;
use crate::simulator::request::Service;

/// Reads a call's body into its shape. As on AWS, members that the shape does not name are ignored.
pub(crate) fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Refusal> {
    let body = if body.is_empty() { b"{}" } else { body };
    serde_json::from_slice(body).map_err(|error| Refusal::new(400, "SerializationException", error.to_string()))
}

/// The headers and the body of an error.
pub(crate) struct ErrorBody {
    /// `x-amzn-errortype`: the shape's name.
    pub(crate) shape: String,
    /// `x-amzn-query-error`: the code in the Query protocol and the side at fault; only SQS has it.
    pub(crate) query: Option<String>,
    pub(crate) body: String,
}

impl ErrorBody {
    pub(crate) fn of(refusal: &Refusal, service: Service) -> Self {
        let shape = shape(&refusal.code);
        let sqs = service == Service::Sqs;
        let namespace = match service {
            Service::Sqs if query_code(shape).is_some() => "com.amazonaws.sqs#",
            Service::Sqs => "com.amazon.coral.service#",
            _ => "",
        };
        let query = sqs.then(|| {
            let whose = if refusal.status < 500 { "Sender" } else { "Receiver" };
            format!("{};{whose}", query_code(shape).unwrap_or(&refusal.code))
        });
        // SDKs read both names; SQS and EventBridge send the former.
        let name = if service == Service::Organizations { "Message" } else { "message" };
        let body = json!({ "__type": format!("{namespace}{shape}"), name: refusal.message }).to_string();
        Self { shape: shape.to_owned(), query, body }
    }
}

/// The name of an error's shape in the JSON protocols, where it differs from the code in the Query protocols.
fn shape(code: &str) -> &str {
    match code {
        "MissingAuthenticationToken" => "MissingAuthenticationTokenException",
        "SignatureDoesNotMatch" => "InvalidSignatureException",
        "RequestExpired" | "ExpiredToken" => "ExpiredTokenException",
        "InvalidAction" => "UnknownOperationException",
        "RequestLimitExceeded" | "Throttling" => "ThrottlingException",
        "AccessDenied" => "AccessDeniedException",
        other => other,
    }
}

/// The code that SQS's Query protocol has for an error.
fn query_code(shape: &str) -> Option<&'static str> {
    Some(match shape {
        "BatchEntryIdsNotDistinct" => "AWS.SimpleQueueService.BatchEntryIdsNotDistinct",
        "BatchRequestTooLong" => "AWS.SimpleQueueService.BatchRequestTooLong",
        "EmptyBatchRequest" => "AWS.SimpleQueueService.EmptyBatchRequest",
        "InvalidAddress" => "InvalidAddress",
        "InvalidAttributeName" => "InvalidAttributeName",
        "InvalidAttributeValue" => "InvalidAttributeValue",
        "InvalidBatchEntryId" => "AWS.SimpleQueueService.InvalidBatchEntryId",
        "InvalidMessageContents" => "InvalidMessageContents",
        "MessageNotInflight" => "AWS.SimpleQueueService.MessageNotInflight",
        "OverLimit" => "OverLimit",
        "PurgeQueueInProgress" => "AWS.SimpleQueueService.PurgeQueueInProgress",
        "QueueDeletedRecently" => "AWS.SimpleQueueService.QueueDeletedRecently",
        "QueueDoesNotExist" => "AWS.SimpleQueueService.NonExistentQueue",
        "QueueNameExists" => "QueueAlreadyExists",
        "ReceiptHandleIsInvalid" => "ReceiptHandleIsInvalid",
        "RequestThrottled" => "RequestThrottled",
        "TooManyEntriesInBatchRequest" => "AWS.SimpleQueueService.TooManyEntriesInBatchRequest",
        "UnsupportedOperation" => "AWS.SimpleQueueService.UnsupportedOperation",
        _ => return None,
    })
}

/// An answer without content. SQS and EventBridge leave the body empty.
pub(crate) fn nothing() -> Value {
    Value::Null
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_sqs_error_says_its_shape_and_its_old_code() {
        let fault = ErrorBody::of(&Refusal::new(400, "QueueDoesNotExist", "Gone."), Service::Sqs);
        assert_eq!(fault.shape, "QueueDoesNotExist");
        assert_eq!(fault.query.as_deref(), Some("AWS.SimpleQueueService.NonExistentQueue;Sender"));
        assert_eq!(fault.body, r#"{"__type":"com.amazonaws.sqs#QueueDoesNotExist","message":"Gone."}"#);
        let common = ErrorBody::of(&Refusal::missing("QueueUrl"), Service::Sqs);
        assert_eq!(common.query.as_deref(), Some("MissingParameter;Sender"));
    }

    #[test]
    fn an_eventbridge_error_has_no_namespace_and_no_old_code() {
        let fault = ErrorBody::of(&Refusal::new(403, "SignatureDoesNotMatch", "No."), Service::Events);
        assert_eq!(fault.query, None);
        assert_eq!(fault.body, r#"{"__type":"InvalidSignatureException","message":"No."}"#);
    }

    #[test]
    fn a_body_of_another_shape_is_refused() {
        assert_eq!(read::<Vec<u8>>(b"{").unwrap_err().code, "SerializationException");
    }
}
