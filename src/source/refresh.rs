//! Describes ids that an event, a tool or a listing left in doubt.
//!
//! [`RefreshQueue`] decides which ids to describe and when, [`IdBatch`] how to split a call when some are unknown; both are pure.
//! [`Refresher`] drives them for one kind in one scope. The reader of the answers decides what they mean, and reports which ids
//! they settled.

mod pace;
pub mod queue;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::future::{Future, pending};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use self::queue::{Pushed, RefreshQueue};
use super::backoff::Backoff;
use super::poll::SweepPlan;
use crate::aws::{Aws, AwsError, DescribeResult, IdBatch, Priority};
use crate::kinds::KindSpec;
use crate::model::{ErrorClass, Kind, Observation, Page, ResourceId, Scope, Seen, SharedClock, Source, Wanted};

/// When ids are described again whose answers cannot be used.
const AGAIN: Duration = Duration::from_secs(1);

/// Describes named ids. [`Aws`] does; tests have their own.
pub trait DescribeIds: Send + Sync {
    /// The resources of `ids`, at most [`queue::PER_CALL`] of them.
    fn describe(
        &self,
        scope: &Scope,
        spec: &'static KindSpec,
        ids: &[String],
    ) -> impl Future<Output = Result<Page, AwsError>> + Send;
}

impl DescribeIds for Aws {
    /// A NotFound counts only from the scope's own account, because credentials can change under a running process, and another
    /// account knows none of the ids.
    async fn describe(&self, scope: &Scope, spec: &'static KindSpec, ids: &[String]) -> Result<Page, AwsError> {
        let answer = self.describe_once(scope, spec, ids, Priority::Refresh).await;
        if answer.as_ref().is_err_and(|error| error.class == ErrorClass::NotFound) {
            self.confirm_for(scope, Priority::Refresh).await?;
        }
        answer
    }
}

/// Describes the ids of one kind in one scope as they are requested.
pub struct Refresher<D> {
    describe: D,
    clock: SharedClock,
    plan: SweepPlan,
    wanted: mpsc::UnboundedReceiver<Wanted>,
    queue: RefreshQueue,
    begun: Instant,
    backoff: Backoff,
    /// After a failed call, when the next call may be made, counted from `begun`.
    resumes: Duration,
}

/// The answers to one batch of ids.
#[derive(Debug)]
pub struct Round {
    /// What AWS showed, and which ids it does not know.
    pub observations: Vec<Observation>,
    /// The ids that were answered, with the state that AWS showed.
    answered: HashMap<Arc<str>, Option<String>>,
}

impl<D: DescribeIds> Refresher<D> {
    /// Makes a refresher of the ids that arrive in `wanted`. When too many ids wait, they are dropped, and the plan's sweep is
    /// triggered instead.
    pub fn new(describe: D, clock: SharedClock, plan: SweepPlan, wanted: mpsc::UnboundedReceiver<Wanted>) -> Self {
        let queue = RefreshQueue::new(plan.spec.refreshes);
        let (begun, backoff) = (Instant::now(), Backoff::new());
        Refresher { describe, clock, plan, wanted, queue, begun, backoff, resumes: Duration::ZERO }
    }

    /// Waits until ids are due, and returns their answers; `None` when all senders of `wanted` are gone. [`Refresher::settle`]
    /// must follow.
    pub async fn next(&mut self) -> Option<Round> {
        loop {
            while let Ok(wanted) = self.wanted.try_recv() {
                self.push(wanted);
            }
            let now = self.begun.elapsed();
            let ids = if now < self.resumes { Vec::new() } else { self.queue.take(now) };
            if !ids.is_empty() {
                return Some(self.ask(ids).await);
            }
            let due = self.queue.next_due().map(|due| self.begun + due.max(self.resumes));
            let due = async {
                match due {
                    Some(due) => sleep_until(due).await,
                    None => pending().await,
                }
            };
            tokio::select! {
                wanted = self.wanted.recv() => self.push(wanted?),
                () = due => {}
            }
        }
    }

    /// Whether nothing waits to be described.
    #[must_use]
    pub fn rests(&self) -> bool {
        self.wanted.is_empty() && self.queue.is_empty()
    }

    /// Waits until an id arrives; false when all senders of `wanted` are gone. It may be cancelled.
    pub async fn arrival(&mut self) -> bool {
        let arrived = self.wanted.recv().await;
        arrived.map(|wanted| self.push(wanted)).is_some()
    }

    /// The kind that is described.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.plan.spec.kind()
    }

    /// Records which ids a round left unsettled, so that they are described again.
    pub fn settle(&mut self, round: &Round, unsettled: &[ResourceId]) {
        let now = self.begun.elapsed();
        for (id, shown) in &round.answered {
            let settled = !unsettled.iter().any(|unsettled| unsettled.id == *id);
            self.queue.answered(id, settled, shown.as_deref(), now);
        }
    }

    /// Records that a round's answers could not be stored, so that all its ids are described again.
    pub fn forgo(&mut self, round: &Round) {
        for id in round.answered.keys() {
            self.queue.answered(id, false, None, self.begun.elapsed());
        }
    }

    fn push(&mut self, wanted: Wanted) {
        if self.queue.push(wanted, self.begun.elapsed()) == Pushed::Overflowed {
            let kind = self.plan.spec.slug;
            tracing::info!(scope = %self.plan.scope, kind, "too many ids to describe: a sweep runs instead");
            self.plan.trigger.request();
        }
    }

    /// Describes `ids`, in as many calls as it takes. Ids that a failure left unanswered wait again, and so do all of them when the
    /// clock jumps meanwhile: then nobody can tell whether an answer is older or newer than what is known.
    async fn ask(&mut self, ids: Vec<Arc<str>>) -> Round {
        let (scope, spec) = (self.plan.scope.clone(), self.plan.spec);
        let mut round = Round { observations: Vec::new(), answered: HashMap::new() };
        let kind = spec.kind();
        let saw = |id: &Arc<str>, at, seen| {
            let id = ResourceId::new(&scope, &kind, Arc::clone(id));
            Observation { source: Source::Refresh, at, id, seen }
        };
        let mut batch = IdBatch::new(&ids);
        // Taken before the first call is sent, so that a NotFound is never dated too late.
        let (asked_at, steady) = (self.clock.now(), self.clock.steady_since());
        while let Some(ids) = batch.ask() {
            let texts: Vec<String> = ids.iter().map(ToString::to_string).collect();
            let answer = self.describe.describe(&scope, spec, &texts).await;
            if answer.is_ok() {
                self.backoff.succeeded();
            }
            batch.answered(ids, answer);
        }
        if self.clock.steady_since() != steady {
            tracing::info!(%scope, kind = spec.slug, ids = ids.len(), "the clock jumped during a refresh, which is repeated");
            self.queue.put_back(ids, self.begun.elapsed() + AGAIN);
            return round;
        }
        let DescribeResult { answers, not_found, silent, unreadable, failed, .. } = batch.described();
        // An id that the answers do not mention is not known to be gone.
        round.answered.extend(silent.into_iter().map(|id| (id, None)));
        round.answered.extend(unreadable.into_iter().map(|(id, _)| (id, None)));
        for Page { unreadable, sent_at, .. } in &answers {
            // An unreadable resource exists.
            let there = unreadable.iter().filter_map(|item| item.id.as_ref());
            round.observations.extend(there.map(|id| saw(id, *sent_at, Seen::Mentioned)));
        }
        for (sent_at, item) in answers.into_iter().flat_map(Page::dated) {
            let shown = spec.state(&item.document).map(str::to_owned);
            round.observations.push(saw(&item.id, sent_at, Seen::Described(item.document)));
            round.answered.insert(item.id, shown);
        }
        for id in not_found {
            round.observations.push(saw(&id, asked_at, Seen::NotFound));
            round.answered.insert(id, None);
        }
        if let Some((left, error)) = failed {
            tracing::warn!(%scope, kind = spec.slug, ids = left.len(), %error, "a refresh failed");
            if error.class.is_passing() {
                self.resumes = self.begun.elapsed() + self.backoff.failed();
                self.queue.put_back(left, self.resumes);
            } else {
                // Another call fails too until somebody changes a policy; the sweeps continue.
                self.queue.forget(left);
            }
        }
        round
    }
}
