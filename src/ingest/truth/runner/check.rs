//! What must hold after every step.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::{CheckResult, MAX_LAG, Runner};
use crate::ingest::Ledger;
use crate::ingest::ledger::LedgerView;
use crate::ingest::truth::aws::Millis;
use crate::ingest::truth::shelf::Backing;
use crate::model::fixtures;
use crate::model::{Clock, Current, Document, Event, Group, ResourceId};

impl<S: Backing> Runner<'_, S> {
    pub(super) fn check(&mut self) -> CheckResult {
        let Some(ingest) = &self.ingest else { return Err("no writer".to_owned()) };
        let records = self.shelf.records(ingest.ledger(), self.seq.next());
        let mut touched = BTreeSet::new();
        for record in &records {
            if record.seq != self.seq.next() {
                return Err(format!("{} follows {}", record.seq, self.seq));
            }
            self.seq = record.seq;
            if let Event::Removed { id, .. } = &record.event
                && let Some(version) = self.aws.at(&id.id, self.now)
            {
                return Err(format!("{id} was removed, and AWS holds {version:?}"));
            }
            match &record.event {
                Event::Removed { id, .. } => drop(self.removed.insert(Arc::clone(&id.id))),
                // AWS never reuses an id.
                Event::Discovered { id, .. } if self.removed.contains(&id.id) => {
                    return Err(format!("{id} was removed, and is back"));
                }
                _ => {}
            }
            touched.extend(record.event.resource().cloned());
        }
        let view = ingest.ledger().view().map_err(|error| error.to_string())?;
        for id in touched {
            let Some(current) = view.current(&id).map_err(|error| error.to_string())? else { continue };
            self.check_truth(&id, &current)?;
            match current.state() {
                Some("terminated") => drop(self.dead.insert(Arc::clone(&id.id))),
                state if self.dead.contains(&id.id) => return Err(format!("{id} was terminated, and is {state:?}")),
                _ => {}
            }
        }
        self.check_age(&view)
    }

    /// Each group is what AWS held at some moment, or is provisional.
    fn check_truth(&self, id: &ResourceId, current: &Current) -> CheckResult {
        for group in Group::ALL {
            if current.provisional.as_ref().is_some_and(|provisional| provisional.group == group) {
                continue;
            }
            if !self.was(id, current, group, 0) {
                let all: Vec<_> = self.aws.ids().filter(|held| ***held == *id.id).collect();
                return Err(format!("{group:?} of {id} is served as never held ({all:?}): {current:?}"));
            }
        }
        Ok(())
    }

    /// Whether AWS held a group as it is served at some moment since `from`.
    fn was(&self, id: &ResourceId, current: &Current, group: Group, from: Millis) -> bool {
        let served = Document::default().merged(&current.document, |of| of == group);
        (1..=self.mapping).any(|mapping| {
            self.aws.ever(&id.id, from, self.now, |version| {
                Document::default().merged(&version.document(mapping), |of| of == group) == served
            })
        })
    }

    /// What is served is no older than stated.
    fn check_age(&self, view: &impl LedgerView) -> CheckResult {
        for id in &self.slots {
            let id = fixtures::id(id);
            let seen = self.handle.freshness().seen(&id, self.clock.now());
            let Some(current) = view.current(&id).map_err(|error| error.to_string())? else { continue };
            if current.provisional.is_some() {
                continue;
            }
            let as_of = seen.as_of(&current.evidence, false, current.changed_at);
            if as_of > self.clock.now() + Duration::from_secs(5) {
                return Err(format!("{id} is said to be as of {as_of}, which is to come"));
            }
            if self.jumped {
                // Times of a wrong clock prove nothing.
                continue;
            }
            for group in Group::ALL {
                if !self.was(&id, &current, group, as_of.as_millis() - MAX_LAG) {
                    return Err(format!("{group:?} of {id} is said to be as of {as_of}: {current:?}"));
                }
            }
        }
        Ok(())
    }
}
