//! AWS's documented limits, for accounts whose limits were not raised.
//!
//! Source: EC2 developer guide, "Request throttling for the Amazon EC2 API", and for STS the IAM user guide, "IAM and AWS
//! STS quotas". An account's own figures are in Service Quotas.
//!
//! Describes that neither page nor filter use a smaller bucket (50, 10 a second) for instances, their status, network interfaces,
//! security groups, snapshots and volumes. Muster always pages. AWS does not say whether naming ids counts as a filter; refreshes
//! name ids, and their half of the share also fits in the smaller bucket.

use crate::kinds::KINDS;

/// A token bucket as AWS documents it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct DocumentedLimit {
    /// The number of calls at once.
    pub(super) burst: u32,
    /// The sustained number of calls per second.
    pub(super) per_second: u32,
}

/// The bucket of describes that page or filter, and of the few that support neither.
const DESCRIBE: DocumentedLimit = DocumentedLimit { burst: 100, per_second: 20 };

/// How the names of actions begin that only read.
const READS: [&str; 4] = ["ec2:Describe", "ec2:Get", "ec2:List", "ec2:Search"];

/// SQS's guide documents no limit for calls about queues themselves; setup makes a few.
const OF_QUEUES: DocumentedLimit = DocumentedLimit { burst: 50, per_second: 50 };
/// EventBridge user guide, "Amazon EventBridge quotas", for calls that read and change rules.
const OF_RULES: DocumentedLimit = DocumentedLimit { burst: 50, per_second: 50 };

/// One call a second, and a few at once.
const OF_ORGANIZATION: DocumentedLimit = DocumentedLimit { burst: 4, per_second: 1 };

/// The request bucket of an action, if listed. Whoever adds a call adds its bucket here; a test below checks this for every action of
/// [`permissions`](crate::aws::permissions). Describes of kinds use [`DESCRIBE`].
pub(super) fn listed(action: &str) -> Option<DocumentedLimit> {
    Some(match action {
        "ec2:StartInstances" => DocumentedLimit { burst: 5, per_second: 2 },
        "ec2:StopInstances" | "ec2:RebootInstances" => DocumentedLimit { burst: 50, per_second: 5 },
        "ec2:CreateSnapshots" => DocumentedLimit { burst: 100, per_second: 5 },
        "ec2:DescribeAvailabilityZones" | "ec2:DescribeRegions" => DESCRIBE,
        _ if KINDS.iter().any(|spec| spec.actions.contains(&action)) => DESCRIBE,
        // All calls of STS in an account and region share it; Muster makes the second one once for a denied call, and the third once
        // for a key.
        "sts:GetCallerIdentity" | "sts:DecodeAuthorizationMessage" | "sts:GetAccessKeyInfo" => {
            DocumentedLimit { burst: 600, per_second: 600 }
        }
        // A standard queue allows nearly unlimited calls (SQS developer guide, "Amazon SQS standard queue quotas").
        "sqs:ReceiveMessage" | "sqs:DeleteMessage" | "sqs:ChangeMessageVisibility" => {
            DocumentedLimit { burst: 3_000, per_second: 3_000 }
        }
        "sqs:CreateQueue"
        | "sqs:DeleteQueue"
        | "sqs:GetQueueAttributes"
        | "sqs:GetQueueUrl"
        | "sqs:ListQueueTags"
        | "sqs:SetQueueAttributes"
        | "sqs:TagQueue" => OF_QUEUES,
        // EventBridge user guide, "Amazon EventBridge quotas": the limit in the smallest regions.
        "events:PutEvents" => DocumentedLimit { burst: 400, per_second: 400 },
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
        "cloudtrail:LookupEvents" => DocumentedLimit { burst: 2, per_second: 2 },
        // AWS Organizations user guide, "Quotas and service limits", allows as much and more, and throttles the organization as a whole.
        "organizations:ListAccounts"
        | "organizations:ListAccountsForParent"
        | "organizations:ListOrganizationalUnitsForParent"
        | "organizations:ListRoots"
        | "organizations:ListTagsForResource" => OF_ORGANIZATION,
        // A careful guess: doctor reads a page or two.
        "servicequotas:ListServiceQuotas" => DocumentedLimit { burst: 10, per_second: 5 },
        _ => return None,
    })
}

/// The request bucket of an action; the smallest one if it is not [`listed`]. Reads that are not are those that are
/// passed on for others.
pub(super) fn requests(action: &str) -> DocumentedLimit {
    let limit = listed(action).or_else(|| READS.iter().any(|verb| action.starts_with(verb)).then_some(DESCRIBE));
    debug_assert!(limit.is_some(), "add the bucket of {action} to `listed`");
    limit.unwrap_or(DocumentedLimit { burst: 2, per_second: 2 })
}

/// Muster's share of an action's limits, in percent; `percent` is its usual share.
///
/// `LookupEvents` gets all: somebody waits for each call, there are only a few at a time, and no other program depends on them. A
/// quarter of two a second would be too slow. The bucket of AWS Organizations is a part of AWS's already.
pub(super) fn share(action: &str, percent: u8) -> u8 {
    if action == "cloudtrail:LookupEvents" || action.starts_with("organizations:") { 100 } else { percent }
}

/// The bucket of instances named in requests of an action, if there is one.
pub(super) fn instances(action: &str) -> Option<DocumentedLimit> {
    match action {
        "ec2:StartInstances" => Some(DocumentedLimit { burst: 1000, per_second: 2 }),
        "ec2:StopInstances" => Some(DocumentedLimit { burst: 1000, per_second: 20 }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::permissions::{IMPLIED, all};

    #[test]
    fn every_call_has_a_bucket() {
        for permission in all().iter().filter(|permission| !IMPLIED.contains(&permission.action)) {
            assert!(listed(permission.action).is_some(), "add the bucket of {} to `listed`", permission.action);
        }
        assert_eq!(listed("ec2:TerminateInstances"), None, "no call has a limit that nobody looked up");
        assert_eq!(requests("ec2:DescribeKeyPairs"), DESCRIBE, "it is passed on for others");
    }
}
