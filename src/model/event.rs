//! What the log records, in the past tense.

use serde::Serialize;

use super::action::{ActionId, ActionOutcome};
use super::attempt::{ConfirmationOutcome, ConfirmationWay, Repeats, WriteAttempt};
use super::document::{Change, Document, Group};
use super::evidence::{Evidence, Provisional, Tagging};
use super::id::{ResourceId, Seq};
use super::principal::Principal;
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
    /// A tool was called, and did not call AWS, or not yet.
    Attempt,
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
        /// Who called the tool.
        by: Option<Principal>,
        /// The tool's arguments as they were sent, as JSON that is cut if it is long.
        arguments: Option<String>,
        /// What the call would do, as the person who confirmed it was shown.
        plan: Option<String>,
        /// The idempotency key that the call came with.
        key: Option<String>,
        /// How the call was confirmed, if it was.
        confirmed_by: Option<ConfirmationWay>,
        /// The record of that confirmation, which may have allowed several calls.
        confirmation: Option<Seq>,
    },
    /// A tool's call to AWS ended.
    ActionFinished {
        /// The call.
        action: ActionId,
        /// How it ended.
        outcome: ActionOutcome,
        /// AWS's id of the request, if AWS answered with one.
        request_id: Option<String>,
    },
    /// CloudTrail recorded a call of AWS's API; the cause is [`Cause::Call`]. Describes show what the call changed.
    Called {
        /// The time of the call, by CloudTrail's `eventTime`.
        at: Timestamp,
        /// The resources it names, of watched kinds.
        targets: Vec<ResourceId>,
    },
    /// A rule refused a call of a tool. AWS was not called.
    ActionRefused {
        /// The call.
        attempt: WriteAttempt,
        /// The rule, and where it comes from.
        rule: String,
        /// How often the rule refused this client within a minute.
        repeats: Repeats,
    },
    /// A confirmation of a tool's call ended. Durable before the call to AWS that it permits.
    ActionConfirmed {
        /// The call.
        attempt: WriteAttempt,
        /// What the call would do, as the person was shown.
        plan: Option<String>,
        /// How the call was to be confirmed.
        way: ConfirmationWay,
        /// How that ended.
        outcome: ConfirmationOutcome,
        /// How often it ended so for this client within a minute.
        repeats: Repeats,
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
            Event::ActionRefused { .. } => "action_refused",
            Event::ActionConfirmed { outcome: ConfirmationOutcome::Accepted, .. } => "action_confirmed",
            Event::ActionConfirmed { .. } => "action_not_confirmed",
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
            Event::ActionRequested { .. }
            | Event::ActionFinished { .. }
            | Event::Called { .. }
            | Event::ActionRefused { .. }
            | Event::ActionConfirmed { .. } => None,
        }
    }

    /// The resources that a tool's or somebody's call is about; none for other events.
    #[must_use]
    pub fn targets(&self) -> &[ResourceId] {
        match self {
            Event::ActionRequested { targets, .. } | Event::Called { targets, .. } => targets,
            Event::ActionRefused { attempt, .. } | Event::ActionConfirmed { attempt, .. } => &attempt.targets,
            _ => &[],
        }
    }

    /// Whether it tells of a tool's call that changes AWS: an attempt, a refusal, a confirmation or an end.
    #[must_use]
    pub fn is_of_action(&self) -> bool {
        matches!(
            self,
            Event::ActionRequested { .. }
                | Event::ActionFinished { .. }
                | Event::ActionRefused { .. }
                | Event::ActionConfirmed { .. }
        )
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
