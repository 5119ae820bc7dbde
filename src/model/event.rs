//! What the log records, in the past tense.

use serde::Serialize;

use super::action::{ActionId, Outcome};
use super::document::{Change, Document, Group};
use super::evidence::{Evidence, Provisional, Tagging};
use super::id::{ResourceId, Seq};
use super::time::Timestamp;

/// Why a record was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "cause", rename_all = "snake_case")]
pub enum Cause {
    /// Found by a scope's first complete sweep: it existed before Muster looked.
    Baseline,
    /// Seen by a full listing.
    Sweep,
    /// Seen by a describe of named ids.
    Refresh,
    /// Told by an EventBridge event.
    Notification {
        /// The event envelope's `id`.
        event_id: String,
    },
    /// Answered to a tool's call.
    Tool {
        /// The call.
        action: ActionId,
    },
    /// Seen by the first full listing after nobody had looked: it happened at any time since.
    Resumed {
        /// When somebody had looked last.
        since: Timestamp,
    },
    /// Told by an EventBridge event that CloudTrail caused: somebody called AWS.
    Call {
        /// The event envelope's `id`.
        event_id: String,
        /// Who called what.
        call: ApiCall,
    },
}

/// A call of AWS's API, as CloudTrail records it.
///
/// Source: <https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-record-contents.html>.
/// All of it is text that the caller chose or that names them: hostile until shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ApiCall {
    /// `eventName`, such as `StopInstances`.
    pub name: String,
    /// `userIdentity.arn`, else the principal that stands in its place.
    pub actor: String,
    /// `sourceIPAddress`: an address, or a service's name.
    pub address: Option<String>,
    /// `userAgent`.
    pub agent: Option<String>,
}

/// What becomes of the provisional part of a resource with a [`Event::Changed`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Overlay {
    /// It stays as it is.
    Keep,
    /// An assertion is laid over the described body.
    Lay(Provisional),
    /// A describe settled it.
    Settle,
    /// It stays as it is, and a tag event was believed.
    Tag(Tagging),
}

/// A fact, as the log holds it. Folding all of them in order gives the snapshot (see [`super::known::fold`]).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A resource was seen for the first time, or again after its removal.
    Discovered {
        /// Which.
        id: ResourceId,
        /// As described.
        document: Document,
        /// Of all groups.
        evidence: Evidence,
        /// The version of the kind's mapping that made the document.
        mapping: u16,
    },
    /// A resource's content changed. `changes` is empty only when a describe settles an assertion as it stood.
    Changed {
        /// Which.
        id: ResourceId,
        /// Field by field.
        changes: Vec<Change>,
        /// The new evidence of each group that was observed.
        evidence: Vec<(Group, Evidence)>,
        /// What becomes of the provisional part.
        overlay: Overlay,
    },
    /// A resource is gone: proved absent, not merely missing from one answer.
    Removed {
        /// Which.
        id: ResourceId,
        /// The proof's time. Observations older than this are ignored from now on.
        at: Timestamp,
    },
    /// Muster's mapping learned new fields; AWS changed nothing.
    Remapped {
        /// Which.
        id: ResourceId,
        /// The fields that the old mapping did not know.
        changes: Vec<Change>,
        /// The mapping's version from now on.
        mapping: u16,
    },
    /// A tool is about to call AWS. Durable before the call, so that a crash leaves a trace.
    ActionRequested {
        /// The call.
        action: ActionId,
        /// The tool's name.
        tool: String,
        /// On which resources.
        targets: Vec<ResourceId>,
    },
    /// The call ended.
    ActionFinished {
        /// The call.
        action: ActionId,
        /// How.
        outcome: Outcome,
    },
    /// Somebody called AWS, as CloudTrail tells; the cause is [`Cause::Call`]. What the call changed is told by describes.
    Called {
        /// When, by CloudTrail's `eventTime`.
        at: Timestamp,
        /// On which resources, of kinds that are watched.
        targets: Vec<ResourceId>,
    },
}

impl Event {
    /// The resource whose state this event changes; `None` for actions and calls.
    #[must_use]
    pub fn resource(&self) -> Option<&ResourceId> {
        match self {
            Event::Discovered { id, .. }
            | Event::Changed { id, .. }
            | Event::Removed { id, .. }
            | Event::Remapped { id, .. } => Some(id),
            Event::ActionRequested { .. } | Event::ActionFinished { .. } | Event::Called { .. } => None,
        }
    }
}

/// An [`Event`] with its place in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// Its place.
    pub seq: Seq,
    /// When it was committed, in AWS time.
    pub recorded_at: Timestamp,
    /// Why.
    pub cause: Cause,
    /// What.
    pub event: Event,
}
