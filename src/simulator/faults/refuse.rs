//! The refusals that faults cause, in each service's own codes.

use crate::simulator::denial::encoded;
use crate::simulator::dice::Dice;
use crate::simulator::ec2;
use crate::simulator::faults::{Case, DenyingPolicy};
use crate::simulator::refusal::Refusal;
use crate::simulator::request::Service;

/// The refusal of a call beyond the limit.
pub(crate) fn throttled(case: &Case) -> Refusal {
    let Case { action, account, .. } = case;
    match case.service {
        Service::Ec2 => Refusal::new(
            503,
            "RequestLimitExceeded",
            format!(
                "Request limit exceeded. Account {account} has been throttled on ec2:{action} because it exceeded its \
                 request rate limit."
            ),
        ),
        Service::Sts => Refusal::new(400, "Throttling", "Rate exceeded"),
        Service::Sqs | Service::Events | Service::Trail => Refusal::new(400, "ThrottlingException", "Rate exceeded"),
        Service::Organizations => Refusal::new(
            400,
            "TooManyRequestsException",
            "You have sent too many requests in too short a period of time. Try again later.",
        ),
    }
}

/// The refusal by a service that is down.
pub(crate) fn unavailable(case: &Case) -> Refusal {
    match case.service {
        Service::Ec2 => Refusal::new(503, "Unavailable", "The server is overloaded and can't handle the request."),
        Service::Organizations => Refusal::new(
            500,
            "ServiceException",
            "AWS Organizations can't complete your request because of an internal service error. Try again later.",
        ),
        Service::Sts | Service::Sqs | Service::Events | Service::Trail => {
            Refusal::new(503, "ServiceUnavailable", "The request has failed due to a temporary failure of the server.")
        }
    }
}

/// The refusal of a page that fails: half are internal errors, half are overload.
pub(crate) fn broken(case: &Case, dice: &mut Dice) -> Refusal {
    if dice.chance(0.5) {
        unavailable(case)
    } else {
        Refusal::new(500, "InternalError", "An internal error has occurred")
    }
}

/// The refusal of a token that is no longer valid. EC2 has two codes for this, and callers must handle both.
pub(crate) fn expired(token: &str, dice: &mut Dice) -> Refusal {
    if dice.chance(0.5) {
        Refusal::invalid_token()
    } else {
        Refusal::invalid_value(format!("Value ( {token} ) for parameter NextToken is invalid. The token is invalid."))
    }
}

/// The refusal of a call that AWS has no capacity for, which has the HTTP status of an internal error.
pub(crate) fn full() -> Refusal {
    let message = "There is no Spot or On-Demand capacity available that matches your request.";
    Refusal::new(500, "InsufficientInstanceCapacity", message)
}

/// The refusal of a call that a policy denies.
pub(crate) fn denied(case: &Case, by: DenyingPolicy) -> Refusal {
    let Case { action, region, who, .. } = case;
    let refused = |service: &str| {
        let reason = match by {
            DenyingPolicy::Identity => format!("because no identity-based policy allows the {service}:{action} action"),
            DenyingPolicy::ServiceControl => "with an explicit deny in a service control policy".to_owned(),
        };
        format!("User: {who} is not authorized to perform: {service}:{action} {reason}")
    };
    let json = |service: &str| Refusal::new(400, "AccessDeniedException", refused(service));
    match case.service {
        Service::Ec2 => {
            // AWS adds the encoded text to denials of calls that change something.
            let details = if ec2::mutates(action) {
                format!(". Encoded authorization failure message: {}", encoded(case))
            } else {
                String::new()
            };
            let refused = refused("ec2");
            let message = format!("You are not authorized to perform this operation. {refused}{details}");
            Refusal::new(403, "UnauthorizedOperation", message)
        }
        Service::Sts => Refusal::new(403, "AccessDenied", refused("sts")),
        Service::Sqs => Refusal::new(
            403,
            "AccessDenied",
            format!("Access to the resource https://sqs.{region}.amazonaws.com/ is denied."),
        ),
        Service::Trail => json("cloudtrail"),
        Service::Events => json("events"),
        Service::Organizations => json("organizations"),
    }
}
