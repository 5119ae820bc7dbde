//! What AWS's error codes mean to Muster.

use super::Class;

/// AWS's ways to say "slow down": the SDK's own list, and EC2's limit on snapshots of one volume.
const THROTTLED: &[&str] = &[
    "Throttling",
    "ThrottlingException",
    "ThrottledException",
    "RequestThrottledException",
    "TooManyRequestsException",
    "RequestLimitExceeded",
    "BandwidthLimitExceeded",
    "LimitExceededException",
    "RequestThrottled",
    "SlowDown",
    "PriorRequestNotComplete",
    "EC2ThrottledException",
    "SnapshotCreationPerVolumeRateExceeded",
];

const DENIED: &[&str] = &["UnauthorizedOperation", "AccessDenied", "AccessDeniedException"];

/// The credentials themselves are refused. EC2 says `RequestExpired` for an expired session.
pub(super) const CREDENTIALS: &[&str] = &[
    "AuthFailure",
    "ExpiredToken",
    "ExpiredTokenException",
    "RequestExpired",
    "InvalidClientTokenId",
    "InvalidAccessKeyId",
    "UnrecognizedClientException",
    "SignatureDoesNotMatch",
    "MissingAuthenticationToken",
    "OptInRequired",
];

/// What EventBridge and SQS call a thing that is not there.
const NOT_FOUND: &[&str] =
    &["ResourceNotFoundException", "QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue"];

/// The last is EventBridge's for two that change one rule at a time.
const TRANSIENT: &[&str] =
    &["RequestTimeout", "RequestTimeoutException", "IDPCommunicationError", "ConcurrentModificationException"];

/// The class of an answer.
pub(super) fn classify(code: &str, status: u16) -> Class {
    match code {
        "DryRunOperation" => Class::DryRun,
        _ if THROTTLED.contains(&code) => Class::Throttled,
        _ if DENIED.contains(&code) => Class::Denied,
        _ if CREDENTIALS.contains(&code) => Class::Fatal,
        _ if TRANSIENT.contains(&code) => Class::Transient,
        _ if NOT_FOUND.contains(&code) => Class::NotFound,
        // A malformed id names nothing either.
        _ if code.ends_with(".NotFound") || code.ends_with(".Malformed") => Class::NotFound,
        _ if status == 429 => Class::Throttled,
        _ if status >= 500 => Class::Transient,
        _ => Class::Fatal,
    }
}
