//! What must hold after every step.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;

use super::{CheckResult, MAX_LAG, Runner};
use crate::ingest::Ledger;
use crate::ingest::ledger::LedgerView;
use crate::ingest::truth::aws::Millis;
use crate::ingest::truth::place::Place;
use crate::ingest::truth::shelf::Backing;
use crate::model::fixtures::kind;
use crate::model::{Cause, Clock, Current, Document, Event, Group, Recorded, ResourceId};

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
            let Some(id) = record.event.resource() else { continue };
            let Some(number) = self.places.iter().position(|place| place.scope == id.scope()) else {
                return Err(format!("{record:?} is of no scope that there is"));
            };
            self.check_record(number, record, &id.id)?;
            touched.insert((number, id.clone()));
        }
        let Some(ingest) = &self.ingest else { return Err("no writer".to_owned()) };
        let view = ingest.ledger().view().map_err(|error| error.to_string())?;
        for (number, id) in &touched {
            let Some(current) = view.current(id).map_err(|error| error.to_string())? else { continue };
            self.check_truth(&self.places[*number], id, &current)?;
            let dead = &mut self.places[*number].dead;
            match current.state() {
                Some("terminated") => drop(dead.insert(Arc::clone(&id.id))),
                state if dead.contains(&id.id) => return Err(format!("{id} was terminated, and is {state:?}")),
                _ => {}
            }
        }
        self.check_scopes()?;
        self.check_told(&touched.into_iter().map(|(number, _)| number).collect())?;
        self.places.iter().try_for_each(|place| self.check_age(place, &view))
    }

    /// A record is true, of a scope that is watched, and says rightly whether what it found was new.
    fn check_record(&mut self, number: usize, record: &Recorded, id: &Arc<str>) -> CheckResult {
        let (now, jumped) = (self.now, self.jumped);
        let place = &mut self.places[number];
        if !place.heard {
            return Err(format!("{} is not watched, and {record:?} was recorded", place.scope));
        }
        match &record.event {
            Event::Removed { .. } => {
                if let Some(version) = place.aws.at(id, now) {
                    return Err(format!("{id} was removed, and AWS holds {version:?}"));
                }
                place.removed.insert(Arc::clone(id));
                if place.left {
                    self.tally.count("removal after a return");
                }
            }
            Event::Discovered { .. } => {
                // AWS never reuses an id.
                if place.removed.contains(id) {
                    return Err(format!("{id} was removed, and is back"));
                }
                let begins = match &record.cause {
                    Cause::Baseline => true,
                    Cause::Sweep | Cause::Resumed { .. } => false,
                    _ => !place.begun_before,
                };
                if begins == place.begun_before && !jumped {
                    let state = if place.begun_before { "was swept before" } else { "begins" };
                    return Err(format!("{} {state}, and {record:?} was recorded", place.scope));
                }
                if place.left && begins && !place.begun_before {
                    self.tally.count("return found a resource");
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// What is given up is in no total and in no default answer, stays as it was, and nobody waits for it.
    fn check_scopes(&self) -> CheckResult {
        let Some(ingest) = &self.ingest else { return Err("no writer".to_owned()) };
        let view = ingest.ledger().view().map_err(|error| error.to_string())?;
        let mut expected = 0;
        for place in self.places.iter().filter(|place| place.watched) {
            expected += view.count(&kind(), &place.scope).map_err(|error| error.to_string())?;
        }
        let total = self.shelf.total(ingest.ledger());
        if total != expected {
            return Err(format!("{total} resources are counted, and {expected} are watched"));
        }
        let freshness = self.handle.freshness();
        for state in freshness.scopes() {
            if !self.places.iter().any(|place| place.watched && place.scope == state.scope) {
                return Err(format!("{} is not watched, and shown as {state:?}", state.scope));
            }
        }
        let is_shown =
            |place: &Place| freshness.of(&place.scope, &kind()).is_some_and(|state| state.complete.is_some());
        match self.places.iter().find(|place| place.watched && place.begun && !is_shown(place)) {
            Some(place) => Err(format!("{} was swept, and that is forgotten", place.scope)),
            None => Ok(()),
        }
    }

    /// Who subscribes to a scope is told if it changed, came or went, and otherwise not.
    fn check_told(&mut self, touched: &BTreeSet<usize>) -> CheckResult {
        let Some(ingest) = &self.ingest else { return Err("no writer".to_owned()) };
        let view = ingest.ledger().view().map_err(|error| error.to_string())?;
        let told = self.told.next().now_or_never().unwrap_or_default();
        let deaf = std::mem::take(&mut self.deaf);
        for (number, place) in self.places.iter().enumerate() {
            let is_told = told.uris.contains(&*place.number.to_string());
            if is_told && !touched.contains(&number) && !place.turned && !place.begins {
                return Err(format!("{} did not change, and its subscriber is told", place.scope));
            }
            let held = view.count(&kind(), &place.scope).map_err(|error| error.to_string())?;
            let is_due = touched.contains(&number) || (place.turned && held > 0);
            if is_due && !is_told && !deaf {
                return Err(format!("{} changed, and its subscriber is not told", place.scope));
            }
        }
        Ok(())
    }

    /// After a restart: what was swept for good is still known as such. A first sweep that left something open may be forgotten, but
    /// what begins is not taken for what goes on.
    pub(super) fn check_begun(&mut self) -> CheckResult {
        for number in 0..self.places.len() {
            self.here = number;
            let is_known = self.complete().is_some();
            let place = &mut self.places[number];
            if place.watched && is_known && !place.begun && !self.jumped {
                return Err(format!("{} begins anew, and that is forgotten", place.scope));
            }
            place.begun &= is_known;
            place.begun_before &= is_known;
        }
        Ok(())
    }

    /// Each group is what AWS held at some moment, or is provisional.
    fn check_truth(&self, place: &Place, id: &ResourceId, current: &Current) -> CheckResult {
        for group in Group::ALL {
            if current.provisional.as_ref().is_some_and(|provisional| provisional.group == group) {
                continue;
            }
            if !self.was(place, id, current, group, 0) {
                let all: Vec<_> = place.aws.ids().filter(|held| ***held == *id.id).collect();
                return Err(format!("{group:?} of {id} is served as never held ({all:?}): {current:?}"));
            }
        }
        Ok(())
    }

    /// Whether AWS held a group as it is served at some moment since `from`.
    fn was(&self, place: &Place, id: &ResourceId, current: &Current, group: Group, from: Millis) -> bool {
        let served = Document::default().merged(&current.document, |of| of == group);
        (1..=self.mapping).any(|mapping| {
            place.aws.ever(&id.id, from, self.now, |version| {
                Document::default().merged(&version.document(mapping), |of| of == group) == served
            })
        })
    }

    /// What is served is no older than stated.
    fn check_age(&self, place: &Place, view: &impl LedgerView) -> CheckResult {
        for id in &place.slots {
            let id = place.id(id);
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
                if !self.was(place, &id, &current, group, as_of.as_millis() - MAX_LAG) {
                    return Err(format!("{group:?} of {id} is said to be as of {as_of}: {current:?}"));
                }
            }
        }
        Ok(())
    }
}
