//! What an EventBridge event says, as far as Muster uses it.

use super::event::ApiCall;
use super::id::{ResourceId, Scope};
use super::observation::Observation;
use super::time::Timestamp;

/// An event about resources.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notification {
    /// The envelope's `id`: the same event may be delivered again.
    pub event_id: String,
    /// What it says about each resource, with source [`super::Source::Notification`].
    pub observations: Vec<Observation>,
    /// The call that a trail recorded, if it is an event of CloudTrail.
    pub called: Option<Called>,
}

/// A call of AWS's API, as a trail records it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Called {
    /// Who called what.
    pub call: ApiCall,
    /// When, by CloudTrail's `eventTime`.
    pub at: Timestamp,
    /// The resources it names, of watched kinds.
    pub targets: Vec<ResourceId>,
}

/// A canary event that came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Canary {
    /// The scope on whose bus it was put.
    pub scope: Scope,
    /// The slug of the rule that matched it.
    pub rule: &'static str,
    /// The prefix of the names of everything set up with that rule.
    pub name: String,
    /// Who put it on the bus, as the event says: hostile text, since anybody may send it.
    pub sent_by: String,
    /// When it was put on the bus, as the event says.
    pub sent_at: Timestamp,
}
