//! The names of all actions, for which faults can be set. Each service implements its own actions.

/// Actions of EC2.
static EC2: [&str; 57] = [
    "AllocateAddress",
    "AssociateAddress",
    "AssociateRouteTable",
    "AttachInternetGateway",
    "AttachVolume",
    "AuthorizeSecurityGroupIngress",
    "CreateImage",
    "CreateInternetGateway",
    "CreateNatGateway",
    "CreateNetworkAcl",
    "CreateNetworkAclEntry",
    "CreateNetworkInterface",
    "CreateRoute",
    "CreateRouteTable",
    "CreateSnapshot",
    "CreateSnapshots",
    "CreateTags",
    "CreateVolume",
    "DeleteInternetGateway",
    "DeleteNatGateway",
    "DeleteNetworkAcl",
    "DeleteNetworkAclEntry",
    "DeleteNetworkInterface",
    "DeleteRoute",
    "DeleteRouteTable",
    "DeleteSnapshot",
    "DeleteTags",
    "DeleteVolume",
    "DeregisterImage",
    "DescribeAddresses",
    "DescribeAvailabilityZones",
    "DescribeImages",
    "DescribeInstanceStatus",
    "DescribeInstances",
    "DescribeInternetGateways",
    "DescribeNatGateways",
    "DescribeNetworkAcls",
    "DescribeNetworkInterfaces",
    "DescribeRegions",
    "DescribeRouteTables",
    "DescribeSecurityGroups",
    "DescribeSnapshots",
    "DescribeSubnets",
    "DescribeVolumes",
    "DescribeVpcs",
    "DetachInternetGateway",
    "DetachVolume",
    "DisassociateAddress",
    "DisassociateRouteTable",
    "ModifyVolume",
    "RebootInstances",
    "ReleaseAddress",
    "RevokeSecurityGroupIngress",
    "RunInstances",
    "StartInstances",
    "StopInstances",
    "TerminateInstances",
];

/// Actions of STS.
static STS: [&str; 4] = ["AssumeRole", "DecodeAuthorizationMessage", "GetAccessKeyInfo", "GetCallerIdentity"];

/// Actions of SQS.
static SQS: [&str; 17] = [
    "ChangeMessageVisibility",
    "ChangeMessageVisibilityBatch",
    "CreateQueue",
    "DeleteMessage",
    "DeleteMessageBatch",
    "DeleteQueue",
    "GetQueueAttributes",
    "GetQueueUrl",
    "ListQueueTags",
    "ListQueues",
    "PurgeQueue",
    "ReceiveMessage",
    "SendMessage",
    "SendMessageBatch",
    "SetQueueAttributes",
    "TagQueue",
    "UntagQueue",
];

/// Actions of EventBridge.
static EVENTS: [&str; 15] = [
    "DeleteRule",
    "DescribeRule",
    "DisableRule",
    "EnableRule",
    "ListRuleNamesByTarget",
    "ListRules",
    "ListTagsForResource",
    "ListTargetsByRule",
    "PutEvents",
    "PutRule",
    "PutTargets",
    "RemoveTargets",
    "TagResource",
    "TestEventPattern",
    "UntagResource",
];

/// Actions of `CloudTrail`.
static TRAIL: [&str; 1] = ["LookupEvents"];

/// Actions of Organizations, without `ListTagsForResource`, which `EventBridge` has too.
static ORGANIZATIONS: [&str; 9] = [
    "DescribeAccount",
    "DescribeOrganization",
    "DescribeOrganizationalUnit",
    "ListAccounts",
    "ListAccountsForParent",
    "ListDelegatedAdministrators",
    "ListOrganizationalUnitsForParent",
    "ListParents",
    "ListRoots",
];

/// The names of the actions of all services.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    let services: [&'static [&'static str]; 6] = [&EC2, &STS, &SQS, &EVENTS, &TRAIL, &ORGANIZATIONS];
    services.into_iter().flatten().copied()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::simulator::{ec2, events, organization, sqs, sts, trail};

    #[test]
    fn every_action_that_a_service_answers_is_named() {
        let answered = ec2::names().chain(sts::names()).chain(sqs::names()).chain(events::names());
        let answered = answered.chain(trail::names()).chain(organization::names());
        assert_eq!(names().collect::<BTreeSet<_>>(), answered.collect::<BTreeSet<_>>());
    }
}
