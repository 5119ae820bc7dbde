//! A decoded event, or why a message cannot be decoded.

use crate::model::text::shown;
use crate::model::{Canary, Kind, Notification, Scope, Timestamp};

/// An event, decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecodedEvent {
    /// The envelope's id, under which the same event may come again.
    pub event_id: String,
    /// Its detail type.
    pub detail_type: String,
    /// Its content.
    pub says: EventContent,
}

/// The content of an event, as far as Muster uses it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EventContent {
    /// Observations of resources.
    Resources(Notification),
    /// Somebody called AWS in this scope, without an effect on watched resources: the call failed, or touched other things. It
    /// proves that a trail logs there.
    Call {
        /// The scope.
        scope: Scope,
        /// The time of the call.
        at: Timestamp,
        /// The kinds of which the call may have changed a resource without naming it.
        untold: Vec<Kind>,
    },
    /// A canary, which proves that a rule forwards events.
    Canary(Canary),
    /// Nothing that Muster uses: an unknown type, or a resource of a kind that is not watched.
    Nothing,
}

/// Why a message cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum Undecodable {
    /// The message is not an EventBridge event.
    #[error(
        "the message is {what}, not an EventBridge event: only a rule should write to this queue, directly or through an SNS \
         topic"
    )]
    Foreign {
        /// What the message is instead.
        what: &'static str,
    },
    /// A field that the event's type has is missing or malformed.
    #[error(
        "the event {} of type `{}` has no readable `{field}`; a describe call finds out instead",
        shown(event_id, 64),
        shown(detail_type, 128)
    )]
    Field {
        /// The envelope's id.
        event_id: String,
        /// The event's type.
        detail_type: String,
        /// The field.
        field: &'static str,
    },
}
