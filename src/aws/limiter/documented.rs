//! AWS's documented limits, for accounts whose limits were not raised.
//!
//! Source: EC2 developer guide, "Request throttling for the Amazon EC2 API", and for STS the IAM user guide, "IAM and AWS
//! STS quotas". An account's own figures are in Service Quotas.
//!
//! Describes that neither page nor filter use a smaller bucket (50, 10 a second) for instances, their status, network interfaces,
//! security groups, snapshots and volumes. Muster always pages. AWS does not say whether naming ids counts as a filter; refreshes
//! name ids, and their half of the share also fits in the smaller bucket.

use serde::{Serialize, Serializer};

use crate::kinds::KINDS;

/// A token bucket as AWS documents it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct DocumentedLimit {
    /// The number of calls at once.
    pub(super) burst: u32,
    /// The sustained number of calls.
    pub(super) rate: DocumentedRate,
}

/// A sustained number of calls as AWS documents it, which may be less than one a second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DocumentedRate {
    /// The number per minute.
    pub per_minute: u32,
}

impl Serialize for DocumentedRate {
    /// As the number per second.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.per_minute.is_multiple_of(60) {
            serializer.serialize_u32(self.per_minute / 60)
        } else {
            serializer.serialize_f64(self.per_second())
        }
    }
}

impl DocumentedRate {
    /// The number per second.
    pub(super) fn per_second(self) -> f64 {
        f64::from(self.per_minute) / 60.0
    }
}

/// A bucket of so many calls at once and per second.
pub(super) const fn bucket(burst: u32, per_second: u32) -> DocumentedLimit {
    DocumentedLimit { burst, rate: DocumentedRate { per_minute: 60 * per_second } }
}

/// The bucket of describes that page or filter, and of the few that support neither.
const DESCRIBE: DocumentedLimit = bucket(100, 20);

/// Careful guess at the bucket of a read that is not listed, which is passed on for others: some have buckets of their own that are smaller
/// than [`DESCRIBE`], which may not be known here.
const UNLISTED: DocumentedLimit = bucket(20, 5);

/// How the names of actions begin that only read.
const READS: [&str; 4] = ["ec2:Describe", "ec2:Get", "ec2:List", "ec2:Search"];

/// SQS's guide documents no limit for calls about queues themselves; setup makes a few.
const OF_QUEUES: DocumentedLimit = bucket(50, 50);
/// EventBridge user guide, "Amazon EventBridge quotas", for calls that read and change rules.
const OF_RULES: DocumentedLimit = bucket(50, 50);

/// One call a second, and a few at once.
const OF_ORGANIZATION: DocumentedLimit = bucket(4, 1);

/// The request bucket of an action, if listed. Whoever adds a call adds its bucket here; a test below checks this for every action of
/// [`permissions`](crate::aws::permissions). Describes of kinds use [`DESCRIBE`].
pub(super) fn listed(action: &str) -> Option<DocumentedLimit> {
    Some(match action {
        "ec2:StartInstances" => bucket(5, 2),
        "ec2:StopInstances" | "ec2:RebootInstances" => bucket(50, 5),
        // The last two of these, and those below, are only passed on for others.
        "ec2:CreateSnapshots" | "ec2:DescribeSpotFleetInstances" | "ec2:DescribeSpotFleetRequestHistory" => {
            bucket(100, 5)
        }
        "ec2:DescribeAvailabilityZones" | "ec2:DescribeRegions" => DESCRIBE,
        "ec2:DescribeCapacityBlockOfferings" => DocumentedLimit { burst: 10, rate: DocumentedRate { per_minute: 9 } },
        "ec2:DescribeStoreImageTasks" => DocumentedLimit { burst: 50, rate: DocumentedRate { per_minute: 30 } },
        "ec2:DescribeByoipCidrs" | "ec2:DescribeInstanceTopology" | "ec2:DescribeMovingAddresses" => bucket(1, 1),
        "ec2:DescribeReservedInstancesOfferings" => bucket(10, 10),
        "ec2:DescribeStaleSecurityGroups" => UNLISTED,
        _ if KINDS.iter().any(|spec| spec.actions.contains(&action)) => DESCRIBE,
        // All calls of STS in an account and region share it; Muster makes the second one once for a denied call, and the third once
        // for a key.
        "sts:GetCallerIdentity" | "sts:DecodeAuthorizationMessage" | "sts:GetAccessKeyInfo" => bucket(600, 600),
        // A standard queue allows nearly unlimited calls (SQS developer guide, "Amazon SQS standard queue quotas").
        "sqs:ReceiveMessage" | "sqs:DeleteMessage" | "sqs:ChangeMessageVisibility" => bucket(3_000, 3_000),
        "sqs:CreateQueue"
        | "sqs:DeleteQueue"
        | "sqs:GetQueueAttributes"
        | "sqs:GetQueueUrl"
        | "sqs:ListQueueTags"
        | "sqs:SetQueueAttributes"
        | "sqs:TagQueue" => OF_QUEUES,
        // EventBridge user guide, "Amazon EventBridge quotas": the limit in the smallest regions.
        "events:PutEvents" => bucket(400, 400),
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
        "cloudtrail:LookupEvents" => bucket(2, 2),
        // AWS Organizations user guide, "Quotas and service limits", allows as much and more, and throttles the organization as a whole.
        "organizations:ListAccounts"
        | "organizations:ListAccountsForParent"
        | "organizations:ListOrganizationalUnitsForParent"
        | "organizations:ListRoots"
        | "organizations:ListTagsForResource" => OF_ORGANIZATION,
        // A careful guess: doctor reads a page or two.
        "servicequotas:ListServiceQuotas" => bucket(10, 5),
        _ => return None,
    })
}

/// The request bucket of an action; if it is not [`listed`], a small one of reads, which are passed on for others, and the smallest one
/// of anything else.
pub(super) fn requests(action: &str) -> DocumentedLimit {
    let limit = listed(action).or_else(|| READS.iter().any(|verb| action.starts_with(verb)).then_some(UNLISTED));
    debug_assert!(limit.is_some(), "add the bucket of {action} to `listed`");
    limit.unwrap_or(bucket(2, 2))
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
        "ec2:StartInstances" => Some(bucket(1000, 2)),
        "ec2:StopInstances" => Some(bucket(1000, 20)),
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
        assert_eq!(requests("ec2:DescribeKeyPairs"), UNLISTED, "it is passed on for others");
        assert_eq!(requests("ec2:DescribeInstances"), DESCRIBE);
    }

    #[test]
    fn a_rate_is_shown_by_the_second() {
        let shown = |action: &str| serde_json::to_string(&requests(action).rate).unwrap();
        assert_eq!([shown("ec2:DescribeInstances"), shown("ec2:DescribeCapacityBlockOfferings")], ["20", "0.15"]);
    }
}
