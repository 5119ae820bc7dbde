//! The statements of the policy, and the resources that each is for.

use std::collections::BTreeSet;

use super::super::actions::CREATED_BY;
use crate::kinds::rules::CANARY_SOURCE;
use crate::model::Partition;

/// A part of the policy that somebody may want without the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PolicyPart {
    /// What sweeps and questions need.
    Read,
    /// What a server with `--events` needs, and what checks the events.
    Events,
    /// What a server needs that finds its accounts in AWS Organizations, in the account that is asked.
    Organization,
    /// What the tools that change AWS need.
    Write,
    /// What `muster setup` and `muster teardown` need.
    Setup,
}

impl PolicyPart {
    /// All of them, in the order of the policy.
    pub const ALL: [PolicyPart; 5] =
        [PolicyPart::Read, PolicyPart::Events, PolicyPart::Organization, PolicyPart::Write, PolicyPart::Setup];
}

/// What the resource of a statement is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ArnTarget {
    /// Everything: AWS knows no resource for these actions.
    Everything,
    /// EC2 instances.
    Instances,
    /// EBS volumes.
    Volumes,
    /// EBS snapshots. Their ARNs name no account.
    Snapshots,
    /// The queues that `muster setup` makes.
    Queues,
    /// The rules that `muster setup` makes, which are on the default bus.
    Rules,
    /// The default event bus.
    DefaultBus,
    /// The keys that somebody names, each by its whole ARN. Without a name no statement is for them.
    Keys,
}

impl ArnTarget {
    /// The ARNs, with `*` for what is not narrowed. `name` begins the names of queues and rules; `keys` are the ARNs of keys.
    pub(super) fn arns(self, partition: Partition, account: &str, name: &str, keys: &BTreeSet<String>) -> Vec<String> {
        let arn = match self {
            ArnTarget::Keys => return keys.iter().cloned().collect(),
            ArnTarget::Everything => "*".to_owned(),
            ArnTarget::Instances => format!("arn:{partition}:ec2:*:{account}:instance/*"),
            ArnTarget::Volumes => format!("arn:{partition}:ec2:*:{account}:volume/*"),
            ArnTarget::Snapshots => format!("arn:{partition}:ec2:*::snapshot/*"),
            ArnTarget::Queues => format!("arn:{partition}:sqs:*:{account}:{name}-*"),
            ArnTarget::Rules => format!("arn:{partition}:events:*:{account}:rule/{name}-*"),
            ArnTarget::DefaultBus => format!("arn:{partition}:events:*:{account}:event-bus/default"),
        };
        vec![arn]
    }
}

/// A statement of the policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PolicyStatement {
    /// Its `Sid`, which begins with `Muster` and the command or feature that needs it.
    pub sid: &'static str,
    /// What it is for, in a few words.
    pub title: &'static str,
    /// The part of the policy that it belongs to.
    pub part: PolicyPart,
    pub(super) target: ArnTarget,
    /// An operator of conditions, a condition key and the value that it has to equal.
    pub(super) condition: Option<(&'static str, &'static str, &'static str)>,
}

impl PolicyStatement {
    /// Whether tags narrow it: the tags that a rule demands are those of instances.
    #[must_use]
    pub fn is_of_instances(&self) -> bool {
        self.target == ArnTarget::Instances
    }
}

/// The operator that compares texts.
pub(super) const EQUALS: &str = "StringEquals";

/// Every statement, in the order of the policy.
pub const STATEMENTS: &[PolicyStatement] = &[
    PolicyStatement {
        sid: "MusterRead",
        title: "to list the inventory",
        part: PolicyPart::Read,
        target: ArnTarget::Everything,
        condition: None,
    },
    PolicyStatement {
        sid: "MusterReadIdentity",
        title: "to know whose the credentials are",
        part: PolicyPart::Read,
        target: ArnTarget::Everything,
        condition: None,
    },
    PolicyStatement {
        sid: "MusterReadTrail",
        title: "to say who made a change",
        part: PolicyPart::Read,
        target: ArnTarget::Everything,
        condition: None,
    },
    PolicyStatement {
        sid: "MusterDoctorQuotas",
        title: "for `muster doctor`",
        part: PolicyPart::Read,
        target: ArnTarget::Everything,
        condition: None,
    },
    PolicyStatement {
        sid: "MusterReadEvents",
        title: "to receive events, with `--events`",
        part: PolicyPart::Events,
        target: ArnTarget::Queues,
        condition: None,
    },
    PolicyStatement {
        sid: "MusterReadCanary",
        title: "to prove that events arrive, with `--events`",
        part: PolicyPart::Events,
        target: ArnTarget::DefaultBus,
        condition: Some((EQUALS, "events:source", CANARY_SOURCE)),
    },
    PolicyStatement {
        sid: "MusterDoctorQueues",
        title: "for `muster doctor --events`",
        part: PolicyPart::Events,
        target: ArnTarget::Queues,
        condition: None,
    },
    PolicyStatement {
        sid: "MusterDoctorRules",
        title: "for `muster doctor --events`",
        part: PolicyPart::Events,
        target: ArnTarget::Rules,
        condition: None,
    },
    PolicyStatement {
        sid: "MusterReadOrganization",
        title: "to find the accounts of an organization, with `[organization]` in the configuration file",
        part: PolicyPart::Organization,
        target: ArnTarget::Everything,
        condition: None,
    },
    PolicyStatement {
        sid: "MusterWriteInstances",
        title: "to start, stop and reboot instances, with `--allow-writes`",
        part: PolicyPart::Write,
        target: ArnTarget::Instances,
        condition: None,
    },
    PolicyStatement {
        sid: "MusterWriteKeys",
        title: "to start instances with encrypted volumes, with `--kms-key`",
        part: PolicyPart::Write,
        target: ArnTarget::Keys,
        // Only AWS's own services, which use a key for the caller, may be granted one.
        condition: Some(("Bool", "kms:GrantIsForAWSResource", "true")),
    },
    PolicyStatement {
        sid: "MusterWriteSnapshots",
        title: "to snapshot instances, with `--allow-writes`",
        part: PolicyPart::Write,
        target: ArnTarget::Instances,
        condition: None,
    },
    PolicyStatement {
        sid: "MusterWriteSnapshotVolumes",
        title: "to snapshot the volumes of these instances",
        part: PolicyPart::Write,
        target: ArnTarget::Volumes,
        condition: None,
    },
    PolicyStatement {
        sid: "MusterWriteSnapshotsMadeByMuster",
        title: "to make snapshots that name Muster as their creator",
        part: PolicyPart::Write,
        target: ArnTarget::Snapshots,
        condition: Some((EQUALS, CREATED_BY_KEY, CREATED_BY.1)),
    },
    PolicyStatement {
        sid: "MusterWriteSnapshotTags",
        title: "to tag snapshots while they are made",
        part: PolicyPart::Write,
        target: ArnTarget::Snapshots,
        condition: Some((EQUALS, "ec2:CreateAction", "CreateSnapshots")),
    },
    PolicyStatement {
        sid: "MusterWriteDenials",
        title: "to say why AWS denies a change",
        part: PolicyPart::Write,
        target: ArnTarget::Everything,
        condition: None,
    },
    PolicyStatement {
        sid: "MusterSetupAccount",
        title: "for `muster setup`",
        part: PolicyPart::Setup,
        target: ArnTarget::Everything,
        condition: None,
    },
    PolicyStatement {
        sid: "MusterSetupRules",
        title: "for `muster setup` and `muster teardown`",
        part: PolicyPart::Setup,
        target: ArnTarget::Rules,
        condition: None,
    },
    PolicyStatement {
        sid: "MusterSetupQueues",
        title: "for `muster setup` and `muster teardown`",
        part: PolicyPart::Setup,
        target: ArnTarget::Queues,
        condition: None,
    },
];

/// The condition key of [`CREATED_BY`] in a request.
pub(super) const CREATED_BY_KEY: &str = "aws:RequestTag/muster:created-by";
