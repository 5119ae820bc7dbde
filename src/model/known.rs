//! What is known about one resource: the fold of its events.

use super::document::{Document, Value};
use super::event::{Event, Overlay, Recorded};
use super::evidence::{GroupEvidence, LAG_WINDOW, Provisional, Tagging};
use super::id::Seq;
use super::time::Timestamp;

/// A lifecycle state that a resource has left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftState {
    /// The state's name.
    pub state: String,
    /// When the next state was first observed.
    pub until: Timestamp,
}

/// A resource as Muster knows it now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Current {
    /// The document as served: the described body with the provisional state over it.
    pub document: Document,
    /// The evidence for each group.
    pub evidence: GroupEvidence,
    /// The unsettled assertion, if any.
    pub provisional: Option<Provisional>,
    /// The last tag event, if there was any.
    pub tagging: Option<Tagging>,
    /// The states left in the [`LAG_WINDOW`] before the newest state change, oldest first.
    pub held: Vec<LeftState>,
    /// The version of the mapping that made the document.
    pub mapping: u16,
    /// The record that discovered the resource.
    pub discovered: Seq,
    /// The record that changed it last.
    pub changed: Seq,
    /// When the last change was committed.
    pub changed_at: Timestamp,
}

/// What remains of a removed resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tombstone {
    /// The time of the proof: older observations are ignored.
    pub at: Timestamp,
    /// When the removal was committed.
    pub removed_at: Timestamp,
    /// The record of the removal.
    pub seq: Seq,
    /// The last document.
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

/// The state of a resource after `record`, given its state before: this defines what the log means.
///
/// Records of other resources and of actions change nothing. Neither does a change of a resource that does not exist; a log that
/// Muster wrote has none, and `muster log verify` reports it.
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
                current.held.push(LeftState { state: left, until });
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
