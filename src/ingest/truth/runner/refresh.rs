//! Describes of the ids that the writer wants to see again.

use std::sync::Arc;
use std::time::Duration;

use super::{BEGIN, CheckResult, Runner};
use crate::ingest::truth::aws::Millis;
use crate::ingest::truth::shelf::Backing;
use crate::model::fixtures;
use crate::model::{Cause, Clock, Item, Observation, Page, Seen, Source, Timestamp};
use crate::source::refresh::queue::Pushed;

/// An answer on its way: when it was asked for, by the process's clock, and what it says.
pub(super) struct PendingAnswer {
    pub(super) page: Page,
    pub(super) missing: Vec<Arc<str>>,
    /// Since when the clock ran without a jump.
    pub(super) steady: Timestamp,
}

impl<S: Backing> Runner<'_, S> {
    /// Time passes, and whoever is wanted is asked for; each round takes three seconds.
    pub(super) fn refreshes(&mut self, rounds: usize) -> CheckResult {
        for _ in 0..rounds {
            self.wait(3_000);
            for _ in 0..3 {
                self.refresh(0, false);
                self.answer();
            }
            self.check()?;
        }
        Ok(())
    }

    pub(super) fn refresh(&mut self, lag: u8, fails: bool) {
        self.hear();
        let tick = self.tick();
        if self.refresh.is_some() {
            return;
        }
        let ids = self.queue.take(tick);
        if fails {
            return self.queue.put_back(ids, tick + Duration::from_secs(1));
        }
        let seen = self.now - Millis::from(lag) * 1000;
        let page = Page { sent_at: self.clock.now(), ..Page::default() };
        let mut answer = PendingAnswer { page, missing: Vec::new(), steady: self.clock.steady_since() };
        for id in ids {
            match self.aws.at(&id, seen) {
                Some(version) => answer.page.items.push(Item::new(id, version.document(self.mapping))),
                None => answer.missing.push(id),
            }
        }
        self.refresh = Some(answer);
    }

    pub(super) fn answer(&mut self) {
        let Some(PendingAnswer { page: Page { sent_at: at, items, .. }, missing, steady }) = self.refresh.take() else {
            return;
        };
        if self.clock.steady_since() != steady {
            let ids = items.into_iter().map(|item| item.id).chain(missing);
            return self.queue.put_back(ids, self.tick() + Duration::from_secs(1));
        }
        let saw = |id: &str, seen| Observation { source: Source::Refresh, at, id: fixtures::id(id), seen };
        let found = items.iter().map(|item| saw(&item.id, Seen::Described(Arc::clone(&item.document))));
        let lost = missing.iter().map(|id| saw(id, Seen::NotFound));
        let observations = found.chain(lost).collect();
        let unsettled = self.record(Vec::new(), observations, Cause::Refresh);
        let tick = self.tick();
        let shown = items.iter().map(|item| (&item.id, item.document.text("State.Name")));
        for (id, shown) in shown.chain(missing.iter().map(|id| (id, None))) {
            let settled = !unsettled.iter().any(|unsettled| unsettled.id == *id);
            self.queue.answered(id, settled, shown, tick);
        }
    }

    pub(super) fn hear(&mut self) {
        let tick = self.tick();
        while let Ok(wanted) = self.wanted.try_recv() {
            self.due |= self.queue.push(wanted, tick) == Pushed::Overflowed;
        }
    }

    pub(super) fn tick(&self) -> Duration {
        Duration::from_millis(u64::try_from(self.now - BEGIN).unwrap_or(0))
    }
}
