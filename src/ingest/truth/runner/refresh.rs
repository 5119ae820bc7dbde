//! Describes of the ids that the writer wants to see again.

use std::sync::Arc;
use std::time::Duration;

use super::{BEGIN, CheckResult, Runner};
use crate::ingest::truth::aws::Millis;
use crate::ingest::truth::place::{PendingAnswer, Place};
use crate::ingest::truth::shelf::Backing;
use crate::model::{Cause, Clock, Item, Observation, Page, Seen, Source};
use crate::source::refresh::queue::Pushed;

impl<S: Backing> Runner<'_, S> {
    /// Time passes, and whoever is wanted is asked for; each round takes three seconds.
    pub(super) fn refreshes(&mut self, rounds: usize) -> CheckResult {
        for _ in 0..rounds {
            self.places.iter_mut().for_each(Place::begin_step);
            self.wait(3_000);
            for here in 0..self.places.len() {
                self.here = here;
                if !self.here().is_used() {
                    continue;
                }
                for _ in 0..3 {
                    self.refresh(0, false);
                    self.answer();
                }
            }
            self.check()?;
        }
        Ok(())
    }

    pub(super) fn refresh(&mut self, lag: u8, fails: bool) {
        self.hear();
        let (tick, now, mapping) = (self.tick(), self.now, self.mapping);
        let (sent_at, steady) = (self.clock.now(), self.clock.steady_since());
        let here = self.here();
        if here.refresh.is_some() || !here.watched {
            return;
        }
        let ids = here.queue.take(tick);
        if fails {
            return here.queue.put_back(ids, tick + Duration::from_secs(1));
        }
        let seen = now - Millis::from(lag) * 1000;
        let page = Page { sent_at, ..Page::default() };
        let mut answer = PendingAnswer { page, missing: Vec::new(), steady };
        for id in ids {
            match here.aws.at(&id, seen) {
                Some(version) => answer.page.items.push(Item::new(id, version.document(mapping))),
                None => answer.missing.push(id),
            }
        }
        if !answer.page.items.is_empty() || !answer.missing.is_empty() {
            here.refresh = Some(answer);
        }
    }

    /// The answer of a scope that was given up meanwhile reaches the writer too.
    pub(super) fn answer(&mut self) {
        let (tick, since) = (self.tick(), self.clock.steady_since());
        let here = self.here();
        let Some(PendingAnswer { page: Page { sent_at: at, items, .. }, missing, steady }) = here.refresh.take() else {
            return;
        };
        if since != steady {
            let ids = items.into_iter().map(|item| item.id).chain(missing);
            if here.watched {
                here.queue.put_back(ids, tick + Duration::from_secs(1));
            }
            return;
        }
        let saw = |id: &str, seen| Observation { source: Source::Refresh, at, id: here.id(id), seen };
        let found = items.iter().map(|item| saw(&item.id, Seen::Described(Arc::clone(&item.document))));
        let lost = missing.iter().map(|id| saw(id, Seen::NotFound));
        let observations: Vec<Observation> = found.chain(lost).collect();
        if !observations.is_empty() {
            let watched = here.watched;
            let what = if watched { "describe answered" } else { "describe answered after its scope was given up" };
            self.tally.count(what);
        }
        let unsettled = self.record(Vec::new(), observations, Cause::Refresh);
        let here = self.here();
        let shown = items.iter().map(|item| (&item.id, item.document.text("State.Name")));
        for (id, shown) in shown.chain(missing.iter().map(|id| (id, None))) {
            let settled = !unsettled.iter().any(|unsettled| unsettled.id == *id);
            here.queue.answered(id, settled, shown, tick);
        }
    }

    pub(super) fn hear(&mut self) {
        let tick = self.tick();
        while let Ok(wanted) = self.wanted.try_recv() {
            let scope = wanted.id.scope();
            let Some(place) = self.places.iter_mut().find(|place| place.scope == scope) else { continue };
            if place.watched {
                place.due |= place.queue.push(wanted, tick) == Pushed::Overflowed;
            }
        }
    }

    pub(super) fn tick(&self) -> Duration {
        Duration::from_millis(u64::try_from(self.now - BEGIN).unwrap_or(0))
    }
}
