//! What AWS's error codes mean to Muster.

use crate::model::ErrorClass;

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

/// What EventBridge and SQS call a thing that is not there, and EC2 a NAT gateway and an image that was deregistered.
const NOT_FOUND: &[&str] = &[
    "ResourceNotFoundException",
    "QueueDoesNotExist",
    "AWS.SimpleQueueService.NonExistentQueue",
    "InvalidAMIID.Unavailable",
    "NatGatewayNotFound",
    "NatGatewayMalformed",
];

/// The last is EventBridge's for two that change one rule at a time.
const TRANSIENT: &[&str] =
    &["RequestTimeout", "RequestTimeoutException", "IDPCommunicationError", "ConcurrentModificationException"];

/// The class of an answer.
pub(super) fn classify(code: &str, status: u16) -> ErrorClass {
    match code {
        "DryRunOperation" => ErrorClass::DryRun,
        _ if THROTTLED.contains(&code) => ErrorClass::Throttled,
        _ if DENIED.contains(&code) => ErrorClass::Denied,
        _ if CREDENTIALS.contains(&code) => ErrorClass::Fatal,
        _ if TRANSIENT.contains(&code) => ErrorClass::Transient,
        _ if NOT_FOUND.contains(&code) => ErrorClass::NotFound,
        // A malformed id names nothing either.
        _ if code.ends_with(".NotFound") || code.ends_with(".Malformed") => ErrorClass::NotFound,
        _ if status == 429 => ErrorClass::Throttled,
        _ if status >= 500 => ErrorClass::Transient,
        _ => ErrorClass::Fatal,
    }
}
