//! A commit in the making.

use std::collections::HashMap;

use crate::model::known::fold;
use crate::model::{Cause, Current, Event, Observation, Recorded, ResourceId, Seen, Seq, Timestamp};
use crate::reconcile::{self, KindRules, Known, Moment, Reading};
use crate::store::{ReadError, Snapshot};

/// Events decided but not committed, and the state they lead to: the next decision of the same commit sees it.
#[derive(Default)]
pub(super) struct Draft {
    pub(super) entries: Vec<(Cause, Event)>,
    /// Resources that describes showed: at what time, and whether exactly as known.
    pub(super) noted: Vec<(ResourceId, Timestamp, bool)>,
    pub(super) removed: Vec<ResourceId>,
    ahead: HashMap<ResourceId, Ahead>,
}

/// A resource as it will be after the commit.
#[derive(Clone, Default)]
struct Ahead {
    current: Option<Current>,
    removed_at: Option<Timestamp>,
    confirmed: Option<Timestamp>,
}

impl Draft {
    /// A draft that begins with entries decided elsewhere.
    pub(super) fn of(entries: Vec<(Cause, Event)>) -> Self {
        Draft { entries, ..Draft::default() }
    }

    pub(super) fn decide(
        &mut self,
        snapshot: &Snapshot,
        observation: Observation,
        cause: &Cause,
        confirmed: Option<Timestamp>,
        rules: KindRules,
        moment: Moment,
    ) -> Result<(), ReadError> {
        let mut ahead = match self.ahead.remove(&observation.id) {
            Some(ahead) => ahead,
            None => Ahead {
                current: snapshot.current(&observation.id)?,
                removed_at: snapshot.tombstone(&observation.id)?.map(|tombstone| tombstone.at),
                confirmed,
            },
        };
        let known = Known { current: ahead.current.as_ref(), removed_at: ahead.removed_at, confirmed: ahead.confirmed };
        let verdict = reconcile::decide(known, &observation, rules, moment);
        for event in verdict.events {
            if let Event::Removed { id, at } = &event {
                self.removed.push(id.clone());
                (ahead.removed_at, ahead.confirmed) = (Some(*at), None);
            }
            // The real seq is the store's to give; no decision depends on it.
            let cause = cause_of(cause, &event);
            let record = Recorded { seq: Seq::ZERO, recorded_at: moment.now, cause, event };
            ahead.current = fold(ahead.current.take(), &record);
            self.entries.push((record.cause, record.event));
        }
        if matches!(observation.seen, Seen::Described(_)) && ahead.current.is_some() {
            let exactly = matches!(verdict.reading, Reading::Applied | Reading::Confirmed);
            if exactly {
                ahead.confirmed = ahead.confirmed.max(Some(observation.at));
            }
            self.noted.push((observation.id.clone(), observation.at, exactly));
        }
        self.ahead.insert(observation.id, ahead);
        Ok(())
    }
}

/// What a first sweep discovers was there before Muster looked; what it sees change was not.
fn cause_of(cause: &Cause, event: &Event) -> Cause {
    match (cause, event) {
        (Cause::Baseline, Event::Discovered { .. }) => Cause::Baseline,
        (Cause::Baseline, _) => Cause::Sweep,
        (cause, _) => cause.clone(),
    }
}
