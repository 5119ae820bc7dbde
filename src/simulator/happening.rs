//! What happens in an account that AWS would tell EventBridge about, before it is an event.
//!
//! Whoever changes an account pushes these into the [`Outbox`](crate::simulator::outbox::Outbox). A happening holds facts
//! only; the bus gives it the shape AWS gives its events, decides which rules receive it, and applies the faults.

use serde_json::Value;

use crate::simulator::clock::Moment;

/// One thing that happened, or will.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Happening {
    /// When it is true from; may lie ahead, as `running` does when an instance is started.
    pub(crate) at: Moment,
    pub(crate) account: String,
    pub(crate) region: String,
    pub(crate) what: What,
}

/// The kinds of happening AWS has events for.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum What {
    /// An instance reaches `state`. One that lies ahead is told only if the account still says so at its moment: a stop in
    /// between may have overtaken it.
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
        /// Empty where nothing failed.
        cause: String,
        /// The request id of the call that led to it, or empty.
        request: String,
    },
    /// An `EBS Snapshot Notification`; AWS sends it on completion only.
    Snapshot {
        /// `snap-...`.
        id: String,
        /// `vol-...`.
        volume: String,
        /// `createSnapshot`.
        event: &'static str,
        /// `succeeded` or `failed`.
        result: &'static str,
        /// Empty where nothing failed.
        cause: String,
        started: Moment,
        ended: Moment,
    },
    /// An `EBS Multi-Volume Snapshots Completion Status`.
    Snapshots {
        /// The instance whose volumes were taken, `i-...`.
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
        /// As in its ARN: `instance`, `security-group`, `volume`, ...
        resource_type: &'static str,
        /// The keys that were put, changed or taken off.
        changed: Vec<String>,
        /// Rises with each change of this resource's tags.
        version: u64,
        /// All tags it has now.
        tags: Vec<(String, String)>,
    },
    /// What AWS announces by itself, as its event tells it.
    Announced {
        /// The service it comes from.
        source: &'static str,
        /// The event's type.
        detail_type: &'static str,
        /// What it concerns.
        resources: Vec<String>,
        /// The event's detail.
        detail: Value,
    },
    /// A call that changes things, as `CloudTrail` records it; failed ones and dry runs too.
    Call {
        /// The action, `RunInstances`.
        name: &'static str,
        /// `requestParameters`.
        request: Value,
        /// `responseElements`; null when the call failed.
        response: Value,
        /// The error's code and message.
        error: Option<(String, String)>,
        /// The call's request id.
        request_id: String,
    },
}
