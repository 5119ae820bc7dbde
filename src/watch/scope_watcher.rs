//! Watches a scope: one account in one region.
//!
//! While it is swept, or ids are described, a scope is awake: each of its kinds has sweeps, and what it takes to describe single ids.
//! Otherwise it rests: no more is kept than when each kind is due, because there may be thousands of scopes. It wakes when a kind is due,
//! and at once when somebody asks or something happens there. One that fails or holds much stays awake: what its sweeps
//! learned is to be kept.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::sync::{Notify, OwnedSemaphorePermit};
use tokio::time::{Instant, sleep_until};

use super::intervals;
use super::quiet::QuietScope;
use super::refresh::{AwakeRefreshers, ScopeRefreshers};
use super::scope::ScopeWatchers;
use super::sweeps::{KindRest, KindSweeps, Referring, ScopeSweeps};
use super::turns::Manner;
use crate::freshness::Signal;
use crate::kinds::{self, KindSpec};
use crate::model::{Kind, Scope};
use crate::source::poll::trigger::SweepTrigger;
use crate::source::poll::{Gate, SweepInterval, SweepPlan, Sweeping};
use crate::source::referred::{self, Referred};
use crate::source::sweeper::Sweeper;

/// What is due within this part of an interval is swept when a quiet scope wakes: it is not woken for each kind.
const TOGETHER: f64 = 0.1;

/// How long a quiet scope rests before its calls are forgotten but for their number: by then none is among those of the last minute.
const FORGETS: Duration = Duration::from_secs(61);

/// The watcher of one scope.
pub(super) struct ScopeWatcher {
    scope: Scope,
    watchers: Arc<ScopeWatchers>,
    refreshers: Arc<ScopeRefreshers>,
    /// Wakes the scope, or has a quiet one that is awake swept as a whole.
    wake: Arc<Notify>,
    /// Has the scope look again which sweeps are due.
    replan: Arc<Notify>,
    quiet: Option<QuietScope>,
    /// How often each kind is swept, where events are received: they may change it while the scope rests.
    listened: Option<Vec<(Kind, Arc<SweepInterval>)>>,
}

impl ScopeWatcher {
    /// Starts to watch a scope: sweeps and refreshes of each kind, and its events if they are received.
    pub(super) fn start(watchers: &Arc<ScopeWatchers>, scope: Scope) {
        tracing::info!(%scope, "watching");
        let ScopeWatchers { aws, ingest, tasks, .. } = &**watchers;
        ingest.signal(Signal::Quiet { scope: scope.clone(), is_quiet: false });
        for (spec, usual) in &*watchers.intervals {
            ingest.signal(Signal::Expected { scope: scope.clone(), kind: spec.kind(), interval: *usual });
        }
        let (wake, replan) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let refreshers = Arc::new(ScopeRefreshers::new(tasks.clone(), Arc::clone(&wake)));
        watchers.dispatcher.connect(scope.clone(), &refreshers);
        let listened = if watchers.listener.watch(aws, &scope, ingest, tasks, &watchers.dispatcher) {
            let interval = |(spec, usual): &(&KindSpec, _)| (spec.kind(), Arc::new(SweepInterval::new(*usual)));
            let all: Vec<(Kind, Arc<SweepInterval>)> = watchers.intervals.iter().map(interval).collect();
            let setting = intervals::run(ingest.clone(), scope.clone(), all.clone(), Arc::clone(&replan));
            tasks.spawn_until_stopped("the intervals", setting);
            Some(all)
        } else {
            // They may have been until the configuration changed.
            ingest.signal(Signal::Unlistened { scope: scope.clone() });
            None
        };
        let quiet = watchers.quiet.clone().map(QuietScope::new);
        let watchers = Arc::clone(watchers);
        let watcher = ScopeWatcher { scope, watchers, refreshers, wake, replan, quiet, listened };
        tasks.spawn_until_stopped("the sweeps", watcher.run());
    }

    /// Watches until the writer stops. It can be cancelled at any await.
    async fn run(mut self) {
        let (mut rests, mut is_woken) = (Vec::new(), false);
        loop {
            let mut turn = None;
            if !is_woken {
                (turn, is_woken) = self.turn().await;
            }
            // On the heap, so that nothing of it is left while the scope rests.
            let awake = self.awake(&rests, is_woken, turn);
            let Some(rested) = awake.await else { return };
            rests = rested;
            is_woken = self.rest(&rests).await;
        }
    }

    /// Sweeps and describes until the scope may rest; see [`ScopeSweeps::run`].
    fn awake(
        &mut self,
        rests: &[KindRest],
        is_woken: bool,
        turn: Option<OwnedSemaphorePermit>,
    ) -> BoxFuture<'_, Option<Vec<KindRest>>> {
        let sweeps = self.awaken(rests, self.is_quiet(), is_woken);
        sweeps.run(&mut self.quiet, turn).boxed()
    }

    /// Whether the scope is quiet, as last judged.
    fn is_quiet(&self) -> bool {
        self.quiet.as_ref().is_some_and(QuietScope::is_quiet)
    }

    /// Waits until the scope may be awake. Returns its turn, and whether it is woken; what somebody waits for needs no turn.
    async fn turn(&self) -> (Option<OwnedSemaphorePermit>, bool) {
        if self.watchers.ingest.freshness().is_ahead(&self.scope) {
            return (None, false);
        }
        tokio::select! {
            () = self.wake.notified() => (None, true),
            turn = self.watchers.turns.awake() => (turn, false),
        }
    }

    /// Waits until a kind is due, or the scope is woken. Returns whether it is woken.
    async fn rest(&self, rests: &[KindRest]) -> bool {
        let forgets = Instant::now() + FORGETS;
        let mut is_remembered = self.is_quiet();
        loop {
            let due = rests.iter().map(|kind| kind.rest.due(self.pace(kind.spec))).min();
            tokio::select! {
                () = self.wake.notified() => return true,
                () = sleep_until(due.unwrap_or_else(Instant::now)) => return false,
                () = self.replan.notified() => {}
                () = sleep_until(forgets), if is_remembered => {
                    is_remembered = false;
                    self.watchers.aws.rest(&self.scope);
                }
            }
        }
    }

    /// What sets the time from one sweep of a kind to the next, where events are received.
    fn listened(&self, spec: &KindSpec) -> Option<&Arc<SweepInterval>> {
        let kind = spec.kind();
        self.listened.iter().flatten().find(|(known, _)| *known == kind).map(|(_, interval)| interval)
    }

    /// The time from one sweep of a kind to the next.
    fn pace(&self, spec: &KindSpec) -> Duration {
        if let Some(interval) = self.listened(spec) {
            return interval.get();
        }
        let shown = self.watchers.ingest.freshness().interval(&self.scope, &spec.kind());
        let usual = self.watchers.intervals.iter().find(|(known, _)| known.slug == spec.slug);
        // Freshness knows none of what is given up at this moment.
        if shown.is_zero() { usual.map_or(spec.interval, |(_, usual)| *usual) } else { shown }
    }

    /// What it takes to sweep and describe each kind. Those that rest until later go on to rest, unless a quiet scope is woken.
    fn awaken(&self, rests: &[KindRest], is_quiet: bool, is_woken: bool) -> ScopeSweeps {
        let ScopeWatchers { aws, ingest, tasks, .. } = &*self.watchers;
        let (scope, clock, gate) = (&self.scope, aws.clock(), Arc::new(Gate::new()));
        let (mut plans, mut referring) = (Vec::new(), Vec::new());
        for (spec, usual) in &*self.watchers.intervals {
            let (trigger, gate) = (Arc::new(SweepTrigger::of(&self.replan)), Arc::clone(&gate));
            let interval = self.listened(spec).cloned();
            let interval = interval.unwrap_or_else(|| Arc::new(SweepInterval::new(self.pace(spec))));
            let plan = SweepPlan { interval, trigger, gate, ..SweepPlan::new(scope.clone(), spec) };
            referring.extend(self.referring(spec, &plan.trigger));
            plans.push((plan, *usual));
        }
        let (mut kinds, mut described) = (Vec::with_capacity(plans.len()), Vec::with_capacity(plans.len()));
        let now = Instant::now();
        for (plan, usual) in plans {
            let (spec, interval) = (plan.spec, Arc::clone(&plan.interval));
            let known = ingest.freshness().known_items(scope, &spec.kind());
            let sweeper = Sweeper::new(aws.clone(), Some(known));
            let is_watched = |slug: &str| self.watchers.intervals.iter().any(|(spec, _)| spec.slug == slug);
            let naming = || spec.also_by_id.iter().filter(|(slug, _)| is_watched(slug));
            // What kinds that are not watched refer to is not asked for: then it counts as named by nobody, and what is held of it goes.
            let ids = self.watchers.referred.get(spec.slug);
            let ids = ids.map(|ids| if naming().next().is_some() { Arc::clone(ids) } else { referred::by_nobody() });
            let referred = Referred::new(sweeper, ids);
            let waits_for = naming().filter_map(|(slug, _)| Some(kinds::by_slug(slug)?.kind()));
            described.push((referred.clone(), plan.clone()));
            let soon = if is_quiet { now + interval.get().mul_f64(TOGETHER) } else { now };
            let is_swept = is_quiet && is_woken;
            let rest = rests.iter().find(|kind| !is_swept && kind.spec.slug == spec.slug).map(|kind| kind.rest);
            let sweeping = match rest.filter(|rest| rest.due(interval.get()) > soon) {
                Some(rest) => Sweeping::resume(referred, aws.clock(), plan, rest),
                None => Sweeping::new(referred, aws.clock(), plan),
            };
            kinds.push(KindSweeps {
                sweeping,
                interval,
                usual,
                waits_for: waits_for.collect(),
                to: referring.iter().filter(|(from, _)| *from == spec.slug).map(|(_, to)| to.clone()).collect(),
                referred: Vec::new(),
                manner: Manner::default(),
            });
        }
        self.refreshers.awaken(AwakeRefreshers::new(described, Arc::clone(&clock), ingest, tasks, &self.replan));
        ScopeSweeps {
            scope: scope.clone(),
            kinds,
            gate,
            ingest: ingest.clone(),
            clock,
            turns: self.watchers.turns.clone(),
            replan: Arc::clone(&self.replan),
            wake: Arc::clone(&self.wake),
            refreshers: Arc::clone(&self.refreshers),
        }
    }

    /// The slugs of the kinds that refer to resources of this one, each with the trigger that sweeps it for new ids.
    fn referring(&self, spec: &KindSpec, trigger: &Arc<SweepTrigger>) -> Vec<(&'static str, Referring)> {
        let Some(ids) = self.watchers.referred.get(spec.slug) else { return Vec::new() };
        let to = Referring { ids: Arc::clone(ids), trigger: Arc::clone(trigger) };
        spec.also_by_id.iter().map(|(from, _)| (*from, to.clone())).collect()
    }
}

#[cfg(test)]
mod tests;
