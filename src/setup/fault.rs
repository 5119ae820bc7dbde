//! The faults that a queue or rule of a setup can have, and how bad each is.

use std::fmt;

use super::desired::{RECEIVES, TARGET};
use super::senders::PolicyFault;
use crate::aws::actions::CREATED_BY;
use crate::model::text::shown;

/// The longest foreign text in a message.
const LONGEST: usize = 600;

/// The state of a rule that also matches CloudTrail's records of describes.
pub(super) const WITH_READS: &str = "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS";

/// A fault. Its text completes "the queue muster-events: ".
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DriftFault {
    /// The queue or rule does not exist.
    Missing,
    /// A queue's setting has another value.
    Setting {
        /// The attribute, as SQS names it.
        name: &'static str,
        /// Its value; `None` when it is not set.
        is: Option<String>,
        /// The value that it should have.
        should: &'static str,
    },
    /// A queue's policy is not the one that lets exactly Muster's rules send.
    Policy(PolicyFault),
    /// A message that is received too often does not go to the dead-letter queue.
    Redrive {
        /// The ARN of the queue that it goes to; `None` when it goes nowhere.
        to: Option<String>,
        /// The dead-letter queue's ARN.
        dead: String,
    },
    /// A message goes to the dead-letter queue earlier or later than it should.
    Receives {
        /// After how many receives.
        is: u64,
    },
    /// The queue or rule lacks Muster's tag.
    Untagged,
    /// The rule is disabled.
    Disabled,
    /// The state of the rule makes it match more than its pattern says.
    WithReads,
    /// The rule has another pattern.
    Pattern {
        /// The fields that differ, in words.
        differs: String,
    },
    /// The rule has no target that is Muster's or sends to the queue.
    NoTarget {
        /// Where it sends instead of the queue.
        sends_to: Vec<String>,
    },
    /// The rule has the target, but it is wrong.
    Target {
        /// The target's id.
        id: String,
        /// What is wrong with it.
        fault: TargetFault,
        /// Whether another target sends the rule's events to the queue all the same.
        beside: bool,
    },
}

/// What is wrong with a target. Its text completes "its target `muster` ".
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TargetFault {
    /// It sends to something else.
    Elsewhere {
        /// The ARN that it sends to.
        arn: String,
        /// The queue's ARN.
        queue: String,
    },
    /// It sends as a role, which the queue's policy does not let send.
    AsRole(String),
    /// It sends something other than the event.
    Shaped,
    /// It sends what cannot be delivered to another queue than the dead-letter queue, or drops it.
    DeadLetters {
        /// The other queue's ARN; `None` when they are dropped.
        arn: Option<String>,
        /// The dead-letter queue's ARN.
        dead: String,
    },
}

/// What a fault does to events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum DriftEffect {
    /// It has no effect.
    None,
    /// Events arrive, but less safely, or others may send as well.
    Weakens,
    /// Events do not arrive, or may not.
    Stops,
}

impl DriftFault {
    /// Returns what the fault does to events.
    #[must_use]
    pub fn effect(&self) -> DriftEffect {
        match self {
            // The other target delivers what this one cannot.
            DriftFault::Target { fault: TargetFault::DeadLetters { .. }, beside: true, .. }
            | DriftFault::Policy(PolicyFault::Reworded)
            | DriftFault::Receives { .. }
            | DriftFault::Untagged => DriftEffect::None,
            DriftFault::Setting { .. }
            | DriftFault::Redrive { .. }
            | DriftFault::WithReads
            | DriftFault::Target { fault: TargetFault::DeadLetters { .. }, .. }
            | DriftFault::Target { beside: true, .. }
            | DriftFault::Policy(PolicyFault::Denies | PolicyFault::Admits(_)) => DriftEffect::Weakens,
            DriftFault::Missing
            | DriftFault::Disabled
            | DriftFault::Pattern { .. }
            | DriftFault::NoTarget { .. }
            | DriftFault::Target { .. }
            | DriftFault::Policy(
                PolicyFault::Absent | PolicyFault::Unreadable | PolicyFault::Refuses(_) | PolicyFault::Nobody,
            ) => DriftEffect::Stops,
        }
    }

    /// Whether `muster setup` mends it. Setup leaves a state that matches more, and a target of somebody else if another target
    /// sends the events.
    #[must_use]
    pub fn is_mended(&self) -> bool {
        match self {
            DriftFault::WithReads => false,
            DriftFault::Target { id, beside, .. } => id == TARGET || !beside,
            _ => true,
        }
    }
}

impl fmt::Display for DriftFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DriftFault::Missing => f.write_str("it does not exist"),
            DriftFault::Setting { name, is: Some(is), should } => {
                write!(f, "its {name} is {}, not {should}", shown(is, LONGEST))
            }
            DriftFault::Setting { name, is: None, should } => {
                write!(f, "its {name} is not set, and should be {should}")
            }
            DriftFault::Policy(fault) => f.write_str(&shown(&fault.to_string(), LONGEST)),
            DriftFault::Redrive { to: None, .. } => {
                f.write_str("messages that are received too often do not go to the dead-letter queue")
            }
            DriftFault::Redrive { to: Some(to), dead } => {
                write!(f, "messages that are received too often go to {}, not to {dead}", shown(to, LONGEST))
            }
            DriftFault::Receives { is } => {
                write!(f, "messages go to the dead-letter queue after they are received {is} times, not {RECEIVES}")
            }
            DriftFault::Untagged => write!(f, "it lacks the tag {}={}", CREATED_BY.0, CREATED_BY.1),
            DriftFault::Disabled => f.write_str("it is disabled, so it sends no events"),
            DriftFault::WithReads => {
                write!(f, "its state is {WITH_READS}, so records of Muster's own describes fill the queue")
            }
            DriftFault::Pattern { differs } => write!(f, "its pattern was changed: {}", shown(differs, LONGEST)),
            DriftFault::NoTarget { sends_to } if sends_to.is_empty() => {
                f.write_str("it has no target, so its events go nowhere")
            }
            DriftFault::NoTarget { sends_to } => {
                write!(f, "it sends to {}, not to the queue", shown(&sends_to.join(", "), LONGEST))
            }
            DriftFault::Target { id, fault, beside } => {
                let beside = if *beside { "; another target sends to the queue" } else { "" };
                write!(f, "its target `{}` {}{beside}", shown(id, LONGEST), shown(&fault.to_string(), LONGEST))
            }
        }
    }
}

impl fmt::Display for TargetFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TargetFault::Elsewhere { arn, queue } => write!(f, "sends to {arn}, not to {queue}"),
            TargetFault::AsRole(role) => {
                write!(f, "sends as the role {role}, but the queue's policy lets only EventBridge itself send")
            }
            TargetFault::Shaped => {
                f.write_str("changes events before it sends them (Input, InputPath or InputTransformer)")
            }
            TargetFault::DeadLetters { arn: Some(arn), dead } => {
                write!(f, "sends undeliverable events to {arn}, not to {dead}")
            }
            TargetFault::DeadLetters { arn: None, .. } => {
                f.write_str("drops undeliverable events: it has no dead-letter queue")
            }
        }
    }
}
