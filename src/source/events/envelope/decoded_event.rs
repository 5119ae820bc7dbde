//! What one event says to Muster.

use crate::model::text::shown;
use crate::model::{Canary, Kind, Notification, Scope, Timestamp};

/// What an event says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecodedEvent {
    /// The envelope's id: the same event may come again under it.
    pub event_id: String,
    /// Its kind, as AWS names it.
    pub detail_type: String,
    /// What it says.
    pub says: EventContent,
}

/// What an event says to Muster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EventContent {
    /// Something of resources.
    Resources(Notification),
    /// That somebody called AWS in this scope, without an effect on what is watched: the call failed, or touched other things. It
    /// proves that a trail logs there.
    Call {
        /// Where.
        scope: Scope,
        /// When it was made.
        at: Timestamp,
        /// The kinds that it may have changed a resource of without naming it.
        untold: Vec<Kind>,
    },
    /// That a rule lets events through.
    Canary(Canary),
    /// Nothing that Muster has a use for: an unknown type, or a resource of a kind that is not watched.
    Nothing,
}

/// Why a message cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum Undecodable {
    /// It is no EventBridge event.
    #[error(
        "the message is {what}, not an EventBridge event: only a rule should write to this queue, directly or through an SNS \
         topic"
    )]
    Foreign {
        /// What it is instead.
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
