//! What AWS's error codes mean for Muster.

use crate::model::ErrorClass;

/// The codes that mean "slow down": the SDK's own list, and EC2's limit on snapshots of one volume.
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

/// The credentials are refused. EC2 answers `RequestExpired` for an expired session.
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

/// The session is over. EC2 says so of a request whose date is long past as well.
const EXPIRED: &[&str] = &["ExpiredToken", "ExpiredTokenException", "RequestExpired"];

/// Whether a code says that the session is over.
pub(in crate::aws) fn is_expiry(code: &str) -> bool {
    EXPIRED.contains(&code)
}

/// The codes of EventBridge and SQS for a missing resource, and of EC2 for a NAT gateway and a deregistered image.
const NOT_FOUND: &[&str] = &[
    "ResourceNotFoundException",
    "QueueDoesNotExist",
    "AWS.SimpleQueueService.NonExistentQueue",
    "InvalidAMIID.Unavailable",
    "NatGatewayNotFound",
    "NatGatewayMalformed",
];

/// The last is EventBridge's code when two callers change one rule at the same time.
const TRANSIENT: &[&str] =
    &["RequestTimeout", "RequestTimeoutException", "IDPCommunicationError", "ConcurrentModificationException"];

/// AWS has no room for what was asked. EC2 answers some of these with an HTTP status of 500, but none of them did anything.
pub(super) const CAPACITY: &[&str] = &[
    "InsufficientInstanceCapacity",
    "InsufficientHostCapacity",
    "InsufficientReservedInstanceCapacity",
    "InsufficientCapacity",
    "InsufficientCapacityOnHost",
    "InsufficientVolumeCapacity",
    "InsufficientAddressCapacity",
];

/// Whether a message says that a value is no id, as AWS says of volumes and snapshots without a code of its own: "Value (vol-x) for
/// parameter volumes is invalid. Expected: 'vol-...'."
pub(super) fn is_about_no_id(code: &str, message: &str) -> bool {
    let expects = |message: &str| message.contains("is invalid. Expected: '") && message.contains("-...'");
    code == "InvalidParameterValue" && expects(message)
}

/// The class of an answer.
pub(super) fn classify(code: &str, status: u16) -> ErrorClass {
    match code {
        "DryRunOperation" => ErrorClass::DryRun,
        _ if THROTTLED.contains(&code) => ErrorClass::Throttled,
        _ if DENIED.contains(&code) => ErrorClass::Denied,
        _ if CREDENTIALS.contains(&code) => ErrorClass::Fatal,
        _ if TRANSIENT.contains(&code) => ErrorClass::Transient,
        _ if NOT_FOUND.contains(&code) => ErrorClass::NotFound,
        // No resource has a malformed id either.
        _ if code.ends_with(".NotFound") || code.ends_with(".Malformed") => ErrorClass::NotFound,
        _ if status == 429 => ErrorClass::Throttled,
        _ if status >= 500 => ErrorClass::Transient,
        _ => ErrorClass::Fatal,
    }
}
