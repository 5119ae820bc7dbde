//! Since when an instance is stopped.

use crate::kinds::transition::told_at;
use crate::model::{Cause, Document, Event, Group, Recorded, ResourceId, Seq, Timestamp, Value};
use crate::store::{ReadError, Snapshot};

/// How many of an instance's records are looked at.
const RECORDS: usize = 500;

/// Since when an instance is stopped, and how that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoppedSince {
    /// AWS says so in its reason for the transition.
    Told(Timestamp),
    /// It was first seen stopped then, and running not long before.
    Seen(Timestamp),
    /// It was stopped already then; when is not known.
    Before(Timestamp),
}

impl StoppedSince {
    /// Of an instance whose document shows it stopped: by AWS's reason, else by the log.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn of(snapshot: &Snapshot, id: &ResourceId, document: &Document) -> Result<Self, ReadError> {
        if let Some(at) = document.text("StateTransitionReason").and_then(told_at) {
            return Ok(StoppedSince::Told(at));
        }
        let records = snapshot.timeline_before(id, Seq(u64::MAX), RECORDS)?;
        if let Some(since) = records.iter().find_map(stopped_by) {
            return Ok(since);
        }
        let oldest = records.last().map(|record| record.recorded_at);
        let known = match oldest {
            Some(at) if records.len() == RECORDS => at,
            // Everything that the log holds of it came later.
            _ => snapshot.earliest()?.unwrap_or_default(),
        };
        Ok(StoppedSince::Before(known))
    }

    /// The latest time at which it can have been stopped.
    #[must_use]
    pub fn latest(self) -> Timestamp {
        let (StoppedSince::Told(at) | StoppedSince::Seen(at) | StoppedSince::Before(at)) = self;
        at
    }

    /// Whether it was stopped at `at` or before; `None` when that cannot be told.
    #[must_use]
    pub fn is_by(self, at: Timestamp) -> Option<bool> {
        match self {
            StoppedSince::Told(stopped) => Some(stopped <= at),
            // It was seen stopped then, and may have been so before.
            StoppedSince::Seen(known) | StoppedSince::Before(known) => (known <= at).then_some(true),
        }
    }
}

/// Since when an instance is stopped, by the newest record that says something of its state.
fn stopped_by(record: &Recorded) -> Option<StoppedSince> {
    match &record.event {
        Event::Changed { changes, evidence, .. } => {
            let state = changes.iter().find(|change| change.path == "State.Name" || change.path == "State")?;
            let of_state = evidence.iter().find(|(group, _)| *group == Group::State);
            let at = of_state.map_or(record.recorded_at, |(_, evidence)| evidence.at);
            let is_stopped = match &state.after {
                Some(Value::Text(name)) => name == "stopped",
                Some(Value::Map(state)) => state.get("Name") == Some(&Value::from("stopped")),
                _ => false,
            };
            match record.cause {
                _ if !is_stopped => None,
                // Nobody was looking when it stopped.
                Cause::Resumed { .. } => Some(StoppedSince::Before(at)),
                _ => Some(StoppedSince::Seen(at)),
            }
        }
        Event::Discovered { document, evidence, .. } => {
            (document.text("State.Name") == Some("stopped")).then_some(StoppedSince::Before(evidence.at))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_stopped_before_a_time_may_have_been_stopped_long_before() {
        let at = Timestamp::from_millis;
        assert_eq!(StoppedSince::Told(at(5)).is_by(at(5)), Some(true));
        assert_eq!(StoppedSince::Seen(at(6)).is_by(at(5)), None, "it may have been stopped before it was seen so");
        assert_eq!(StoppedSince::Before(at(5)).is_by(at(5)), Some(true));
        assert_eq!(StoppedSince::Before(at(6)).is_by(at(5)), None);
    }
}
