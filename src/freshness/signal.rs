//! Reports from the rest of Muster to [`super::Freshness`].

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::event_source::EventSource;
use super::event_totals::EventCount;
use super::member_trouble::MemberTrouble;
use crate::model::{AccountId, Canary, Kind, KindSelection, Scope, Timestamp, Trouble, WatchSelection};

/// Something that affects freshness. The only way to change it, except for the writer's own observations of resources.
#[derive(Clone, Debug)]
pub enum Signal {
    /// A kind will be swept in a scope, once every `interval`. Until its first complete sweep, every answer that depends on it is
    /// incomplete.
    Expected {
        /// The scope.
        scope: Scope,
        /// The kind.
        kind: Kind,
        /// The time from the start of one sweep to the start of the next.
        interval: Duration,
    },
    /// Kinds will be swept in scopes, as by [`Signal::Expected`] for each of them.
    AllExpected {
        /// The scopes.
        scopes: Vec<Scope>,
        /// The kinds, each with the time from the start of one sweep to the start of the next.
        kinds: Vec<(Kind, Duration)>,
    },
    /// Whether nothing happens in a scope, so that it is swept rarely.
    Quiet {
        /// The scope.
        scope: Scope,
        /// Whether it is so.
        is_quiet: bool,
    },
    /// Exactly these scopes are no longer watched.
    Retired {
        /// Each since the given time.
        scopes: BTreeMap<Scope, Timestamp>,
        /// Whether one that is watched again begins anew: what its first sweep finds counts as known before.
        begins_anew: bool,
        /// What is watched: others of which nothing is stored are forgotten.
        selection: WatchSelection,
    },
    /// Exactly these kinds are watched, in every scope. One that is watched again begins anew.
    Kinds {
        /// The kinds.
        watched: KindSelection,
        /// When the others were swept last, where they were.
        swept: BTreeMap<(Scope, Kind), Timestamp>,
    },
    /// What prevents AWS as a whole from being reached (no credentials, no network); `None` if nothing does.
    Aws(Option<Trouble>),
    /// What prevents the store from being read and written; `None` if nothing does.
    Store(Option<Trouble>),
    /// The events of a scope are received from now on.
    Listening {
        /// The scope of the events.
        scope: Scope,
        /// The queue and rules.
        source: EventSource,
    },
    /// The events of a scope are not received, nor meant to be.
    Unlistened {
        /// The scope.
        scope: Scope,
    },
    /// A scope has no queue to receive from.
    NoQueue {
        /// The scope.
        scope: Scope,
        /// The reason.
        why: Trouble,
    },
    /// Canaries are about to be put on the bus of a scope. Sent before the call, since a canary may come back before its answer.
    CanariesSent {
        /// The scope of the bus.
        scope: Scope,
        /// The date of the canaries.
        at: Timestamp,
    },
    /// Whether the last canaries were put on the bus of a scope.
    CanariesAnswered {
        /// The scope of the bus.
        scope: Scope,
        /// Why they were not; `None` if they were.
        trouble: Option<Trouble>,
    },
    /// A canary was received, from any sender.
    CanarySeen(Canary),
    /// Whether the events of a queue can be received and stored.
    Receiving {
        /// The queue, for display.
        queue: String,
        /// Why they cannot; `None` if they can.
        trouble: Option<Trouble>,
    },
    /// An event of a recorded call arrived, whether or not the call succeeded.
    CallSeen {
        /// The scope of the call.
        scope: Scope,
        /// When the call was made.
        at: Timestamp,
    },
    /// A call may have changed resources of a kind without naming them: only a sweep can show the change.
    Missed {
        /// The scope of the call.
        scope: Scope,
        /// The kind.
        kind: Kind,
        /// When the call was made.
        at: Timestamp,
    },
    /// The proof of events has changed, perhaps only through time: whoever waits for changes should check.
    ProofChanged,
    /// What prevents one of several accounts from being watched as a whole, if anything does.
    Member {
        /// The place of the account among all; 0 for what lists them.
        number: u64,
        /// The trouble; `None` if there is none.
        trouble: Option<MemberTrouble>,
    },
    /// Why accounts are no longer watched, to stand after a colon.
    Gone(BTreeMap<AccountId, Arc<str>>),
    /// Somebody asks to retry at once whatever failed.
    TryNow,
    /// This many messages were received, or had this result.
    Counted(EventCount, usize),
    /// An event of a type that Muster does not use arrived: hostile text, since anybody may put events on a bus.
    UnknownEvent {
        /// Its type.
        detail_type: String,
    },
}
