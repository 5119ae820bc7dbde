//! What the log records, in the past tense.

use serde::Serialize;

use super::action::{ActionId, ActionOutcome};
use super::document::{Change, Document, Group};
use super::evidence::{Evidence, Provisional, Tagging};
use super::id::{ResourceId, Seq};
use super::time::Timestamp;

/// Why a record was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "cause", rename_all = "snake_case")]
pub enum Cause {
    /// Found by a scope's first complete sweep: the resource existed before Muster first looked.
    Baseline,
    /// Seen by a full listing.
    Sweep,
    /// Seen by a describe of named ids.
    Refresh,
    /// Reported by an EventBridge event.
    Notification {
        /// The event envelope's `id`.
        event_id: String,
    },
    /// Answered to a tool's call to AWS.
    Tool {
        /// The tool's call.
        action: ActionId,
    },
    /// Seen by the first full listing after a gap: it happened at some time during the gap.
    Resumed {
        /// When the gap started.
        since: Timestamp,
    },
    /// Reported by an EventBridge event that CloudTrail sent for a call of AWS's API.
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
/// The caller chose or is named by every text in it: hostile until shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ApiCall {
    /// `eventName`, such as `StopInstances`.
    pub name: String,
    /// `userIdentity.arn`, or the principal if there is no ARN.
    pub actor: String,
    /// `sourceIPAddress`: an address, or a service's name.
    pub address: Option<String>,
    /// `userAgent`.
    pub agent: Option<String>,
}

/// What an [`Event::Changed`] does to the provisional part of a resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Overlay {
    /// Nothing.
    Keep,
    /// Lays an assertion over the described body.
    Lay(Provisional),
    /// Removes the assertion, which a describe has settled.
    Settle,
    /// Nothing; but a tag event was applied.
    Tag(Tagging),
}

/// A fact in the log. Folding all of them in order gives the snapshot (see [`super::known::fold`]).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A resource was seen for the first time, or again after its removal.
    Discovered {
        /// The resource.
        id: ResourceId,
        /// The document as described.
        document: Document,
        /// The evidence of all groups.
        evidence: Evidence,
        /// The mapping version that made the document.
        mapping: u16,
    },
    /// A resource's content changed. `changes` is empty only when a describe settles an assertion as it stood.
    Changed {
        /// The resource.
        id: ResourceId,
        /// The changed fields.
        changes: Vec<Change>,
        /// The new evidence of each observed group.
        evidence: Vec<(Group, Evidence)>,
        /// What happens to the provisional part.
        overlay: Overlay,
    },
    /// A resource is proved to be gone, not merely missing from one answer.
    Removed {
        /// The resource.
        id: ResourceId,
        /// The proof's time. Older observations are ignored from now on.
        at: Timestamp,
    },
    /// Muster's mapping reads new fields; AWS changed nothing.
    Remapped {
        /// The resource.
        id: ResourceId,
        /// The fields that the old mapping did not read.
        changes: Vec<Change>,
        /// The new mapping version.
        mapping: u16,
    },
    /// A tool is about to call AWS. Durable before the call, so that a crash leaves a trace.
    ActionRequested {
        /// The call.
        action: ActionId,
        /// The tool's name.
        tool: String,
        /// The resources it is about to change.
        targets: Vec<ResourceId>,
        /// The name that the front end gave the tool's call, by which it asks what became of it. One call may need several actions.
        call: Option<String>,
    },
    /// A tool's call to AWS ended.
    ActionFinished {
        /// The call.
        action: ActionId,
        /// How it ended.
        outcome: ActionOutcome,
    },
    /// CloudTrail recorded a call of AWS's API; the cause is [`Cause::Call`]. Describes show what the call changed.
    Called {
        /// The time of the call, by CloudTrail's `eventTime`.
        at: Timestamp,
        /// The resources it names, of watched kinds.
        targets: Vec<ResourceId>,
    },
}

impl Event {
    /// What happened, in the word that answers have for it.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Event::Discovered { .. } => "appeared",
            Event::Changed { .. } => "changed",
            Event::Removed { .. } => "removed",
            Event::Remapped { .. } => "remapped",
            Event::ActionRequested { .. } => "action_requested",
            Event::ActionFinished { .. } => "action_finished",
            Event::Called { .. } => "called",
        }
    }

    /// The resource that this event changes; `None` for actions and calls.
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

/// An [`Event`] with its number in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// Its number.
    pub seq: Seq,
    /// When it was committed, in AWS time.
    pub recorded_at: Timestamp,
    /// Why it was recorded.
    pub cause: Cause,
    /// The event.
    pub event: Event,
}

impl Recorded {
    /// What happened, in the word that answers have for it. What the first sweep of a scope found was there before.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match (&self.event, &self.cause) {
            (Event::Discovered { .. }, Cause::Baseline) => "known_since",
            (event, _) => event.word(),
        }
    }
}
