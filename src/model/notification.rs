//! What an EventBridge event says, as far as Muster has a use for it.

use super::event::ApiCall;
use super::id::{ResourceId, Scope};
use super::observation::Observation;
use super::time::Timestamp;

/// One event that speaks of resources.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notification {
    /// The envelope's `id`: the same event may come again under it.
    pub event_id: String,
    /// What it says of which resource, each with source [`super::Source::Notification`].
    pub observations: Vec<Observation>,
    /// The call that a trail recorded, when this is one.
    pub called: Option<Called>,
}

/// A call of AWS, as a trail records it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Called {
    /// Who called what.
    pub call: ApiCall,
    /// When, by CloudTrail's `eventTime`.
    pub at: Timestamp,
    /// The resources that it names, of kinds that are watched.
    pub targets: Vec<ResourceId>,
}

/// A canary that came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Canary {
    /// Whose bus it was put on.
    pub scope: Scope,
    /// The slug of the rule that let it through.
    pub rule: &'static str,
    /// What everything set up with that rule begins with.
    pub name: String,
    /// Who put it there: hostile text, as anybody may.
    pub sent_by: String,
    /// When it was put there, by its sender's word.
    pub sent_at: Timestamp,
}
