//! What the rest of Muster reports to [`super::Freshness`].

use std::collections::BTreeMap;
use std::time::Duration;

use super::event_source::EventSource;
use super::event_totals::EventCount;
use crate::model::{Canary, Kind, Scope, Timestamp, Trouble};

/// Something that bears on how fresh the copy is. The only way in, except for what the writer itself sees of resources.
#[derive(Clone, Debug)]
pub enum Signal {
    /// A kind is going to be swept in a scope, once every `interval`. Until its first complete sweep, every answer that depends on it is
    /// incomplete.
    Expected {
        /// Where.
        scope: Scope,
        /// What.
        kind: Kind,
        /// From the start of one sweep to the start of the next.
        interval: Duration,
    },
    /// Exactly these scopes are no longer watched, each since then.
    Retired(BTreeMap<Scope, Timestamp>),
    /// What keeps AWS as a whole from being reached (no credentials, no network), or that nothing does.
    Aws(Option<Trouble>),
    /// What keeps the store from being read and written, or that nothing does.
    Store(Option<Trouble>),
    /// The events of a scope are listened to from now on.
    Listening {
        /// Whose events.
        scope: Scope,
        /// Through which queue and rules.
        source: EventSource,
    },
    /// There is no queue to listen to in a scope.
    NoQueue {
        /// Where.
        scope: Scope,
        /// Why.
        why: Trouble,
    },
    /// Canaries are about to be put on the bus of a scope. Sent before the call: a canary may come back before the call is answered.
    CanariesSent {
        /// Whose bus.
        scope: Scope,
        /// The date that they bear.
        at: Timestamp,
    },
    /// What kept the last canaries from being put on the bus of a scope, or that nothing did.
    CanariesAnswered {
        /// Whose bus.
        scope: Scope,
        /// Why they were not put.
        trouble: Option<Trouble>,
    },
    /// A canary of any sender was received.
    CanarySeen(Canary),
    /// What keeps the events of a queue from being received and stored, or that nothing does.
    Receiving {
        /// The queue, as it is shown.
        queue: String,
        /// Why nothing is received.
        trouble: Option<Trouble>,
    },
    /// An event came of a call that a trail recorded, whatever became of the call.
    CallSeen {
        /// Where it was called.
        scope: Scope,
        /// When the call was made.
        at: Timestamp,
    },
    /// A call may have changed resources of a kind without naming them: only a sweep can show what it did.
    Missed {
        /// Where it was called.
        scope: Scope,
        /// Of which kind.
        kind: Kind,
        /// When the call was made.
        at: Timestamp,
    },
    /// What is proved of events has changed, perhaps because time went by: whoever waits for changes looks again.
    ProofChanged,
    /// Somebody wants everything that failed tried at once.
    TryNow,
    /// So many messages were received, or came to this end.
    Counted(EventCount, usize),
    /// An event came of a type that Muster has no use for: hostile text, as anybody may put events on a bus.
    UnknownEvent {
        /// Its type.
        detail_type: String,
    },
}
