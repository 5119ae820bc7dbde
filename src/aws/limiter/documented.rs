//! AWS's own limits, for accounts that have not had them raised.
//!
//! Source: EC2 developer guide, "Request throttling for the Amazon EC2 API", and for STS the IAM user guide, "IAM and AWS
//! STS quotas". An account's own figures are in Service Quotas.
//!
//! Describes that neither page nor filter draw on a smaller bucket (50, 10 a second) for instances, their status, network
//! interfaces, security groups, snapshots and volumes. Muster always pages. Whether naming ids counts as a filter AWS does
//! not say; named ids are mostly a refresh's, and its half of the share is within the same share of that bucket too.

use crate::kinds::KINDS;

/// A token bucket as AWS documents it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Limit {
    /// How many at once.
    pub(super) burst: u32,
    /// How many a second, lastingly.
    pub(super) per_second: u32,
}

/// The bucket of describes that page or filter, and of the few that can do neither.
const DESCRIBE: Limit = Limit { burst: 100, per_second: 20 };

/// SQS's guide does not say what it takes of calls about queues themselves; setting up makes a handful.
const OF_QUEUES: Limit = Limit { burst: 50, per_second: 50 };
/// EventBridge user guide, "Amazon EventBridge quotas", for calls that look at rules and change them.
const OF_RULES: Limit = Limit { burst: 50, per_second: 50 };

/// The bucket of requests of an action. An action that is not listed has none: whoever adds a call adds its bucket here, which the
/// tests below hold every call of [`ACTIONS`](crate::aws::ACTIONS) to. What kinds are described by draws on [`DESCRIBE`].
pub(super) fn listed(action: &str) -> Option<Limit> {
    Some(match action {
        "ec2:StartInstances" => Limit { burst: 5, per_second: 2 },
        "ec2:StopInstances" => Limit { burst: 50, per_second: 5 },
        "ec2:RebootInstances" => Limit { burst: 50, per_second: 5 },
        "ec2:CreateSnapshots" => Limit { burst: 100, per_second: 5 },
        "ec2:DescribeRegions" => DESCRIBE,
        _ if KINDS.iter().any(|spec| spec.actions.contains(&action)) => DESCRIBE,
        // All calls of STS in an account and region together; Muster makes this one only.
        "sts:GetCallerIdentity" => Limit { burst: 600, per_second: 600 },
        // A standard queue takes nearly any number of calls (SQS developer guide, "Amazon SQS standard queue quotas").
        "sqs:ReceiveMessage" | "sqs:DeleteMessage" | "sqs:ChangeMessageVisibility" => {
            Limit { burst: 3_000, per_second: 3_000 }
        }
        "sqs:CreateQueue"
        | "sqs:DeleteQueue"
        | "sqs:GetQueueAttributes"
        | "sqs:GetQueueUrl"
        | "sqs:ListQueueTags"
        | "sqs:SetQueueAttributes"
        | "sqs:TagQueue" => OF_QUEUES,
        // EventBridge user guide, "Amazon EventBridge quotas": what the smallest regions take.
        "events:PutEvents" => Limit { burst: 400, per_second: 400 },
        "events:DeleteRule"
        | "events:DescribeRule"
        | "events:EnableRule"
        | "events:ListTagsForResource"
        | "events:ListTargetsByRule"
        | "events:PutRule"
        | "events:PutTargets"
        | "events:RemoveTargets"
        | "events:TagResource"
        | "events:TestEventPattern" => OF_RULES,
        // CloudTrail user guide, "Quotas in AWS CloudTrail".
        "cloudtrail:LookupEvents" => Limit { burst: 2, per_second: 2 },
        // A careful guess: doctor asks for a page or two.
        "servicequotas:ListServiceQuotas" => Limit { burst: 10, per_second: 5 },
        _ => return None,
    })
}

/// The bucket of requests of an action; one that is not [`listed`] gets the smallest.
pub(super) fn requests(action: &str) -> Limit {
    let limit = listed(action);
    debug_assert!(limit.is_some(), "add the bucket of {action} to `listed`");
    limit.unwrap_or(Limit { burst: 2, per_second: 2 })
}

/// The part of an action's limits that Muster takes, in percent, where `percent` is its part of most.
///
/// All of `LookupEvents`: somebody waits for each, they come a few at a time, and nothing else in an account lives on them. A quarter of
/// two a second would be no answer.
pub(super) fn share(action: &str, percent: u8) -> u8 {
    if action == "cloudtrail:LookupEvents" { 100 } else { percent }
}

/// The bucket of instances named in requests of an action, where there is one.
pub(super) fn instances(action: &str) -> Option<Limit> {
    match action {
        "ec2:StartInstances" => Some(Limit { burst: 1000, per_second: 2 }),
        "ec2:StopInstances" => Some(Limit { burst: 1000, per_second: 20 }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::{ACTIONS, DOCTOR, SETUP};

    #[test]
    fn every_call_says_which_bucket_it_draws_on() {
        let describes = KINDS.iter().flat_map(|spec| spec.actions.iter().copied());
        let called = ACTIONS.iter().chain(SETUP).chain(DOCTOR).filter_map(|action| action.iam.first().copied());
        for action in describes.chain(called) {
            assert!(listed(action).is_some(), "add the bucket of {action} to `listed`");
        }
        assert_eq!(listed("ec2:TerminateInstances"), None, "no call has a limit that nobody looked up");
    }
}
