//! What happens in an account and is reported to EventBridge, before it becomes an event.
//!
//! A change to an account pushes happenings into the [`Outbox`](crate::simulator::outbox::Outbox). A happening contains
//! only facts; the bus turns it into AWS's event, finds the rules that match, and applies the faults.

use serde_json::Value;

use crate::simulator::clock::Moment;

/// One thing that happened or is expected to happen.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Happening {
    /// When it takes place. This may lie in the future, such as `running` when an instance is started.
    pub(crate) at: Moment,
    pub(crate) account: String,
    pub(crate) region: String,
    pub(crate) what: What,
}

/// The caller of a call, as `CloudTrail` records it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct RecordedCaller {
    /// The session of a role; `None` for the account's user.
    pub(crate) session: Option<RoleSession>,
    /// The user agent; empty where none is known.
    pub(crate) agent: String,
}

/// A session of an assumed role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RoleSession {
    /// The session's ARN, which ends with its name.
    pub(crate) arn: String,
    /// `AROA...:session`.
    pub(crate) user: String,
    /// The role's name.
    pub(crate) role: String,
    /// Its source identity.
    pub(crate) source: Option<String>,
}

/// The kinds of happenings for which AWS sends events.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum What {
    /// An instance reaches `state`. A future state becomes an event only if the account still has it at that moment; a
    /// later call, such as a stop, may have prevented it.
    InstanceState {
        /// `i-...`.
        id: String,
        /// As EC2 spells it: `pending`, `shutting-down`, ...
        state: &'static str,
    },
    /// An `EBS Volume Notification`.
    Volume {
        /// `vol-...`.
        id: String,
        /// `createVolume`, `attachVolume`, `deleteVolume`, ...
        event: &'static str,
        /// `available`, `attached`, `deleted`, `failed`, ...
        result: &'static str,
        /// Empty unless something failed.
        cause: String,
        /// The request id of the call that caused it, or empty.
        request: String,
    },
    /// An `EBS Snapshot Notification`; AWS sends it only on completion.
    Snapshot {
        /// `snap-...`.
        id: String,
        /// `vol-...`.
        volume: String,
        /// `createSnapshot`.
        event: &'static str,
        /// `succeeded` or `failed`.
        result: &'static str,
        /// Empty unless something failed.
        cause: String,
        started: Moment,
        ended: Moment,
    },
    /// An `EBS Multi-Volume Snapshots Completion Status`.
    Snapshots {
        /// The instance whose volumes the snapshots are of, `i-...`.
        instance: String,
        /// `succeeded` or `failed`.
        result: &'static str,
        started: Moment,
        ended: Moment,
        /// `(snap-..., vol-..., status)`; the status is `completed` or `error`.
        snapshots: Vec<(String, String, &'static str)>,
    },
    /// A `Tag Change on Resource`.
    Tags {
        /// The resource's id.
        resource: String,
        /// The resource type as in its ARN: `instance`, `security-group`, `volume`, ...
        resource_type: &'static str,
        /// The keys of the tags that were added, changed or removed.
        changed: Vec<String>,
        /// Increases with each change of this resource's tags.
        version: u64,
        /// All tags of the resource after the change.
        tags: Vec<(String, String)>,
    },
    /// An event that a service of AWS sends without a call.
    Announced {
        /// The service that sends it.
        source: &'static str,
        /// The event's type.
        detail_type: &'static str,
        /// The resources that it concerns.
        resources: Vec<String>,
        /// The event's detail.
        detail: Value,
    },
    /// A call that changes things, as `CloudTrail` records it. Failed calls and dry runs are recorded too.
    Call {
        /// The action, such as `RunInstances`.
        name: &'static str,
        /// `requestParameters`.
        request: Value,
        /// `responseElements`; null when the call failed.
        response: Value,
        /// The error's code and message.
        error: Option<(String, String)>,
        /// The call's request id.
        request_id: String,
        /// Who made it.
        by: Box<RecordedCaller>,
    },
}
