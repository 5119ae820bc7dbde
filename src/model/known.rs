//! What is known of one resource: the fold of its events.

use std::time::Duration;

use serde::Serialize;

use super::document::{Document, Group, Value};
use super::event::{Event, Overlay, Recorded};
use super::id::Seq;
use super::observation::Source;
use super::time::Timestamp;

/// How long describes may lag behind an assertion, and how long states that a resource left are remembered.
pub const LAG_WINDOW: Duration = Duration::from_secs(30);

/// On what ground a group's value rests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Evidence {
    /// Who saw it.
    pub source: Source,
    /// When, in AWS time.
    pub at: Timestamp,
}

/// The evidence of each group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct GroupEvidence {
    /// Of `State` and its reasons.
    pub state: Evidence,
    /// Of `Tags`.
    pub tags: Evidence,
    /// Of everything else.
    pub rest: Evidence,
}

impl GroupEvidence {
    /// The same evidence for every group.
    #[must_use]
    pub fn all(evidence: Evidence) -> Self {
        GroupEvidence { state: evidence, tags: evidence, rest: evidence }
    }

    /// The evidence of `group`.
    #[must_use]
    pub fn of(&self, group: Group) -> Evidence {
        match group {
            Group::State => self.state,
            Group::Tags => self.tags,
            Group::Rest => self.rest,
        }
    }

    /// Replaces the evidence of `group`.
    pub fn set(&mut self, group: Group, evidence: Evidence) {
        match group {
            Group::State => self.state = evidence,
            Group::Tags => self.tags = evidence,
            Group::Rest => self.rest = evidence,
        }
    }

    /// The newest evidence of any group: the resource existed then.
    #[must_use]
    pub fn newest(&self) -> Timestamp {
        self.state.at.max(self.tags.at).max(self.rest.at)
    }

    /// The oldest evidence of any group: everything shown is at least this new.
    #[must_use]
    pub fn oldest(&self) -> Timestamp {
        self.state.at.min(self.tags.at).min(self.rest.at)
    }
}

/// An assertion that no describe has settled yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Provisional {
    /// The group it covers.
    pub group: Group,
    /// Who asserted it.
    pub source: Source,
    /// When, in AWS time.
    pub at: Timestamp,
    /// The states held in the [`LAG_WINDOW`] before it: a describe that still shows one of them is lag.
    pub before: Vec<String>,
}

/// The last tag event that was believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tagging {
    /// Its `version`: no event with this or a lower one is news.
    pub version: u64,
    /// Its time, in AWS time.
    pub at: Timestamp,
    /// The tags held in the [`LAG_WINDOW`] before it: a describe that still shows one of these sets is lag.
    pub superseded: Vec<Value>,
}

/// A lifecycle state that a resource has left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// The state's name.
    pub state: String,
    /// When the next state was first observed.
    pub until: Timestamp,
}

/// A resource as Muster knows it now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Current {
    /// What is served: the described body with a provisional state over it.
    pub document: Document,
    /// What each group rests on.
    pub evidence: GroupEvidence,
    /// The unsettled assertion, if any.
    pub provisional: Option<Provisional>,
    /// The last tag event, if there was any.
    pub tagging: Option<Tagging>,
    /// States left within the last [`LAG_WINDOW`] before the newest state change, oldest first.
    pub held: Vec<Held>,
    /// The version of the mapping that made the document.
    pub mapping: u16,
    /// The record that discovered it.
    pub discovered: Seq,
    /// The record that changed it last.
    pub changed: Seq,
    /// When that record was committed.
    pub changed_at: Timestamp,
}

/// What is left of a removed resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tombstone {
    /// The proof's time: older observations are ignored.
    pub at: Timestamp,
    /// When the removal was committed.
    pub removed_at: Timestamp,
    /// The record of the removal.
    pub seq: Seq,
    /// The last body.
    pub document: Document,
}

impl Current {
    /// The lifecycle state's name (`State.Name`), or the plain `State` text of kinds that have no code.
    #[must_use]
    pub fn state(&self) -> Option<&str> {
        state_name(self.document.get("State")?)
    }
}

/// The name in a `State` value: `{Code, Name}`, or plain text.
#[must_use]
pub fn state_name(state: &Value) -> Option<&str> {
    match state {
        Value::Text(name) => Some(name),
        Value::Map(state) => match state.get("Name") {
            Some(Value::Text(name)) => Some(name),
            _ => None,
        },
        _ => None,
    }
}

/// The state of a resource after `record`, given its state before: the one definition of what the log means.
///
/// Records of other resources and of actions change nothing. A change of a resource that is not there (impossible in a
/// log that Muster wrote) changes nothing either; `muster log verify` reports it.
#[must_use]
pub fn fold(current: Option<Current>, record: &Recorded) -> Option<Current> {
    match (&record.event, current) {
        (Event::Discovered { document, evidence, mapping, .. }, _) => Some(Current {
            document: document.clone(),
            evidence: GroupEvidence::all(*evidence),
            provisional: None,
            tagging: None,
            held: Vec::new(),
            mapping: *mapping,
            discovered: record.seq,
            changed: record.seq,
            changed_at: record.recorded_at,
        }),
        (Event::Changed { changes, evidence, overlay, .. }, Some(mut current)) => {
            let left = current.state().map(str::to_owned);
            current.document.apply(changes);
            for (group, evidence) in evidence {
                current.evidence.set(*group, *evidence);
            }
            if let Some(left) = left.filter(|left| current.state() != Some(left)) {
                let until = current.evidence.state.at;
                current.held.retain(|held| until.since(held.until) <= LAG_WINDOW);
                current.held.push(Held { state: left, until });
            }
            match overlay {
                Overlay::Keep => {}
                Overlay::Lay(provisional) => current.provisional = Some(provisional.clone()),
                Overlay::Settle => current.provisional = None,
                Overlay::Tag(tagging) => current.tagging = Some(tagging.clone()),
            }
            current.changed = record.seq;
            current.changed_at = record.recorded_at;
            Some(current)
        }
        (Event::Remapped { changes, mapping, .. }, Some(mut current)) => {
            current.document.apply(changes);
            current.mapping = *mapping;
            current.changed = record.seq;
            Some(current)
        }
        (Event::Removed { .. }, _) => None,
        (_, current) => current,
    }
}
