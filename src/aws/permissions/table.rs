//! The table of actions: why Muster calls each, and what does not work without it.

use std::borrow::Cow;

use crate::kinds::{INSTANCE, KINDS, KindSpec};
use crate::model::KindSelection;

/// An action of AWS that Muster calls, or that AWS demands for a call of Muster.
#[derive(Clone, Copy)]
pub struct Permission {
    /// Its name in policies, such as `ec2:DescribeVpcs`.
    pub action: &'static str,
    /// The `Sid`s of the statements that allow it. It needs all those of one part of the policy.
    pub sids: &'static [&'static str],
    /// What does not work without it.
    pub breaks: Breakage,
}

/// What does not work without an action.
#[derive(Clone, Copy)]
pub enum Breakage {
    /// A kind is not listed. Everything else goes on.
    Kind(&'static KindSpec),
    /// Something else, in words.
    Feature {
        /// Why it is called: `what it does`, to stand after its name.
        why: &'static str,
        /// What does not work without it, as a sentence without its end.
        without: &'static str,
    },
}

impl Permission {
    /// Whether it only lists a kind that is not watched.
    #[must_use]
    pub fn is_of_other_kinds(&self, watched: &KindSelection) -> bool {
        matches!(self.breaks, Breakage::Kind(spec) if !watched.watches(&spec.kind()))
    }

    /// Why the action is called, to stand after its name.
    #[must_use]
    pub fn why(&self) -> Cow<'static, str> {
        match self.breaks {
            Breakage::Kind(spec) => format!("lists {}", spec.plural).into(),
            Breakage::Feature { why, .. } => why.into(),
        }
    }

    /// What does not work without the action, as a sentence without its end.
    #[must_use]
    pub fn without(&self) -> Cow<'static, str> {
        match self.breaks {
            Breakage::Kind(spec) if spec.slug == INSTANCE.slug => {
                "no instances are known, nor the images of others that they use, and no tool changes an instance".into()
            }
            Breakage::Kind(spec) => format!("no {} are known", spec.plural).into(),
            Breakage::Feature { without, .. } => without.into(),
        }
    }
}

/// The actions that AWS demands within another call, and that Muster never calls by itself.
pub const IMPLIED: [&str; 2] = [TAGS, GRANTS];

const TAGS: &str = "ec2:CreateTags";
const GRANTS: &str = "kms:CreateGrant";

/// Every action, in the order of the policy's statements. Whoever adds a call to AWS adds its action here; a test finds the calls
/// in the sources.
#[must_use]
pub fn all() -> Vec<Permission> {
    let kinds = KINDS.iter().flat_map(|spec| {
        let permission =
            |action: &&'static str| Permission { action, sids: &["MusterRead"], breaks: Breakage::Kind(spec) };
        spec.actions.iter().map(permission)
    });
    kinds.chain(OTHERS.iter().copied()).collect()
}

/// The permission of an action.
#[must_use]
pub fn of(action: &str) -> Option<Permission> {
    all().into_iter().find(|permission| permission.action == action)
}

const fn other(
    action: &'static str,
    sids: &'static [&'static str],
    why: &'static str,
    without: &'static str,
) -> Permission {
    Permission { action, sids, breaks: Breakage::Feature { why, without } }
}

/// The actions besides the describes of kinds.
const OTHERS: &[Permission] = &[
    other(
        "ec2:DescribeRegions",
        &["MusterRead", "MusterSetupAccount"],
        "finds the enabled regions, with `--regions all`, and tells them on EC2's read API",
        "`--regions all` finds no regions besides those that it knows, `muster setup --regions all` fails, and EC2's read API does not tell regions",
    ),
    other(
        "ec2:DescribeAvailabilityZones",
        &["MusterRead"],
        "tells availability zones on EC2's read API, with `--ec2-api`",
        "EC2's read API does not tell availability zones",
    ),
    other(
        "sts:GetCallerIdentity",
        &["MusterReadIdentity", "MusterSetupAccount"],
        "proves which account the credentials belong to",
        "nothing changes: AWS allows it to everybody, whatever a policy says",
    ),
    other(
        "sts:GetAccessKeyInfo",
        &["MusterReadIdentity"],
        "tells which account a key belongs to that signed a request of EC2's read API, with `--ec2-api`",
        "where several accounts are watched, such requests have to name the account in the path of the endpoint",
    ),
    other(
        "sts:DecodeAuthorizationMessage",
        &["MusterWriteDenials"],
        "says why AWS denies a call that changes something",
        "the answer quotes AWS's encoded reason with the command that decodes it",
    ),
    other(
        "cloudtrail:LookupEvents",
        &["MusterReadTrail"],
        "tells who made a change, when somebody asks",
        "it is known only where an event names the caller",
    ),
    other(
        "organizations:ListAccounts",
        &["MusterReadOrganization"],
        "lists the accounts of an organization, with `[organization]` in the configuration file",
        "no account of the organization is found besides those that it knows",
    ),
    other(
        "organizations:ListRoots",
        &["MusterReadOrganization"],
        "finds where the tree of the organization begins",
        "no account of the organization is found besides those that it knows",
    ),
    other(
        "organizations:ListOrganizationalUnitsForParent",
        &["MusterReadOrganization"],
        "names the units above the accounts of an organization",
        "no account of the organization is found besides those that it knows",
    ),
    other(
        "organizations:ListAccountsForParent",
        &["MusterReadOrganization"],
        "places accounts of an organization where the listing does not say in which unit they are",
        "no account of the organization is found where the listing does not say that",
    ),
    other(
        "organizations:ListTagsForResource",
        &["MusterReadOrganization"],
        "reads the tags of the accounts of an organization, where a rule of the configuration file names tags",
        "no account of the organization is found by rules that name tags",
    ),
    other(
        "servicequotas:ListServiceQuotas",
        &["MusterDoctorQuotas"],
        "shows the account's own limits of requests",
        "`muster doctor` skips the check `quota`",
    ),
    other(
        "sqs:GetQueueUrl",
        &["MusterReadEvents", "MusterSetupQueues"],
        "finds the queue by its name",
        "no events are received unless `--queue-url` names the queue, and `muster setup` fails",
    ),
    other(
        "sqs:ReceiveMessage",
        &["MusterReadEvents"],
        "receives events",
        "no events are received, so that changes show at the next sweep",
    ),
    other(
        "sqs:DeleteMessage",
        &["MusterReadEvents"],
        "deletes a message once what it says is stored",
        "every message comes again, until SQS moves it to the dead-letter queue",
    ),
    other(
        "sqs:ChangeMessageVisibility",
        &["MusterReadEvents"],
        "keeps a message hidden while the store is slow, and shows again what `muster doctor` found of others",
        "a message that takes longer than a minute comes twice, and messages of others that `muster doctor` found stay hidden a while",
    ),
    other(
        "events:PutEvents",
        &["MusterReadCanary"],
        "sends the canaries that prove that events arrive",
        "events are not proved to arrive, so that kinds are swept as often as without events",
    ),
    other(
        "sqs:GetQueueAttributes",
        &["MusterDoctorQueues", "MusterSetupQueues"],
        "shows whether a queue is as `muster setup` makes it",
        "`muster doctor --events` cannot check queues, and `muster setup` fails",
    ),
    other(
        "events:DescribeRule",
        &["MusterDoctorRules", "MusterSetupRules"],
        "shows whether a rule is as `muster setup` makes it",
        "`muster doctor --events` cannot check rules, and `muster setup` fails",
    ),
    other(
        "events:ListTargetsByRule",
        &["MusterDoctorRules", "MusterSetupRules"],
        "shows whether a rule sends to the queue",
        "`muster doctor --events` cannot check targets, and `muster setup` fails",
    ),
    other("ec2:StartInstances", &["MusterWriteInstances"], "starts instances", "AWS denies the tool `start_instance`"),
    other("ec2:StopInstances", &["MusterWriteInstances"], "stops instances", "AWS denies the tool `stop_instance`"),
    other(
        "ec2:RebootInstances",
        &["MusterWriteInstances"],
        "reboots instances",
        "AWS denies the tool `reboot_instance`",
    ),
    other(
        "ec2:CreateSnapshots",
        &["MusterWriteSnapshots", "MusterWriteSnapshotVolumes", "MusterWriteSnapshotsMadeByMuster"],
        "snapshots the volumes of an instance; AWS demands it for the instance, its volumes and the new snapshots",
        "AWS denies the tool `create_snapshot`",
    ),
    other(
        GRANTS,
        &["MusterWriteKeys"],
        "lets EC2 use the keys of encrypted volumes while an instance runs, as part of `ec2:StartInstances`",
        "AWS accepts the tool `start_instance`, and an instance with such volumes stops again at once (`Client.InternalError`)",
    ),
    other(
        TAGS,
        &["MusterWriteSnapshotTags"],
        "tags new snapshots with their creator and the call that made them, as part of `ec2:CreateSnapshots`",
        "AWS denies the tool `create_snapshot`",
    ),
    other(
        "events:TestEventPattern",
        &["MusterSetupAccount"],
        "tests the patterns of rules before they are made",
        "`muster setup` fails before it makes a rule",
    ),
    other("events:PutRule", &["MusterSetupRules"], "makes rules and mends them", "`muster setup` makes no rules"),
    other(
        "events:TagResource",
        &["MusterSetupRules"],
        "tags rules with their creator",
        "`muster setup` makes no rules, since it makes them with a tag",
    ),
    other(
        "events:ListTagsForResource",
        &["MusterSetupRules"],
        "shows whether Muster made a rule",
        "`muster setup` and `muster teardown` fail where rules exist",
    ),
    other(
        "events:EnableRule",
        &["MusterSetupRules"],
        "enables a rule that somebody disabled",
        "`muster setup` cannot mend a disabled rule",
    ),
    other(
        "events:PutTargets",
        &["MusterSetupRules"],
        "has a rule send to the queue",
        "`muster setup` makes rules that send nothing",
    ),
    other(
        "events:RemoveTargets",
        &["MusterSetupRules"],
        "removes the target before its rule is deleted",
        "`muster teardown` deletes no rules",
    ),
    other("events:DeleteRule", &["MusterSetupRules"], "deletes rules", "`muster teardown` deletes no rules"),
    other("sqs:CreateQueue", &["MusterSetupQueues"], "makes the queues", "`muster setup` makes no queues"),
    other(
        "sqs:TagQueue",
        &["MusterSetupQueues"],
        "tags queues with their creator",
        "`muster setup` makes no queues, since it makes them with a tag",
    ),
    other(
        "sqs:ListQueueTags",
        &["MusterSetupQueues"],
        "shows whether Muster made a queue",
        "`muster setup` and `muster teardown` fail where the queues exist",
    ),
    other(
        "sqs:SetQueueAttributes",
        &["MusterSetupQueues"],
        "mends the attributes and the policy of a queue",
        "`muster setup` cannot mend a queue",
    ),
    other("sqs:DeleteQueue", &["MusterSetupQueues"], "deletes the queues", "`muster teardown` deletes no queues"),
];
