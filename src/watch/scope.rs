//! Watches a scope: one account in one region.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, watch};

use super::intervals;
use super::listener::EventListener;
use super::member::MemberBook;
use super::quiet::{QuietRule, QuietScope};
use super::refresh::{Dispatcher, ScopeRefreshers};
use super::settings::WatchSettings;
use super::sweeps::{KindSweeps, Referring, ScopeSweeps};
use super::tasks::Tasks;
use super::turns::{Manner, SweepTurns};
use crate::aws::Aws;
use crate::freshness::Signal;
use crate::ingest::{IngestHandle, WantedReceiver};
use crate::kinds::{self, KindSpec};
use crate::model::{KindSelection, Scope};
use crate::source::poll::trigger::SweepTrigger;
use crate::source::poll::{Gate, SweepInterval, SweepPlan, Sweeping};
use crate::source::referred::{Referred, ReferredIds};
use crate::source::sweeper::Sweeper;

/// What the watchers of all scopes share.
#[derive(Clone)]
pub(super) struct ScopeWatchers {
    pub(super) aws: Aws,
    pub(super) ingest: IngestHandle,
    pub(super) tasks: Tasks,
    pub(super) dispatcher: Dispatcher,
    pub(super) listener: EventListener,
    pub(super) turns: SweepTurns,
    pub(super) quiet: Option<QuietRule>,
    /// Which of the kinds are watched.
    pub(super) kinds: watch::Receiver<KindSelection>,
    pub(super) intervals: Vec<(&'static KindSpec, Duration)>,
    /// Returns, by the slug of a kind, the ids of that kind that other kinds refer to.
    pub(super) referred: HashMap<&'static str, ReferredIds>,
}

impl ScopeWatchers {
    /// Starts what needs no account: receiving from the queues given by URL, and dispatching wanted ids.
    pub(super) fn start(
        settings: WatchSettings,
        referred: HashMap<&'static str, ReferredIds>,
        aws: &Aws,
        ingest: &IngestHandle,
        wanted: WantedReceiver,
        tasks: &Tasks,
        members: Option<&MemberBook>,
    ) -> Self {
        let dispatcher = Dispatcher::default();
        tasks.spawn_until_stopped("the dispatcher", dispatcher.clone().run(wanted));
        tasks.spawn_until_stopped("the wakes", dispatcher.clone().wake_asked(ingest.freshness().clone()));
        let listener = EventListener::new(&settings, members);
        listener.receive(aws, ingest, tasks, &dispatcher);
        ScopeWatchers {
            aws: aws.clone(),
            ingest: ingest.clone(),
            tasks: tasks.clone(),
            dispatcher,
            listener,
            turns: SweepTurns::new(),
            quiet: settings.quiet,
            kinds: settings.kinds,
            intervals: settings.intervals,
            referred,
        }
    }

    /// The kinds that are watched now, each with the time from the start of one sweep to the start of the next.
    pub(super) fn intervals(&self) -> Vec<(&'static KindSpec, Duration)> {
        let watched = self.kinds.borrow();
        self.intervals.iter().filter(|(spec, _)| watched.watches(&spec.kind())).copied().collect()
    }

    /// Starts the watcher of a scope: sweeps and refreshes of each kind, and its events if they are received.
    pub(super) fn watch(&self, scope: Scope) {
        tracing::info!(%scope, "watching");
        let ScopeWatchers { aws, ingest, tasks, .. } = self;
        let (mut intervals, aws_clock) = (Vec::new(), aws.clock());
        ingest.signal(Signal::Quiet { scope: scope.clone(), is_quiet: false });
        let gate = Arc::new(Gate::new());
        let (replan, wake) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let (mut plans, mut referring) = (Vec::new(), Vec::new());
        let chosen = self.intervals();
        for (spec, usual) in &chosen {
            let (kind, usual) = (spec.kind(), *usual);
            ingest.signal(Signal::Expected { scope: scope.clone(), kind: kind.clone(), interval: usual });
            let interval = Arc::new(SweepInterval::new(usual));
            intervals.push((kind, Arc::clone(&interval)));
            let (trigger, gate) = (Arc::new(SweepTrigger::of(&replan)), Arc::clone(&gate));
            let plan = SweepPlan { interval, trigger, gate, ..SweepPlan::new(scope.clone(), spec) };
            referring.extend(self.referring(spec, &plan.trigger));
            plans.push((plan, usual));
        }
        let (mut kinds, mut refreshers) = (Vec::with_capacity(plans.len()), Vec::with_capacity(plans.len()));
        for (plan, usual) in plans {
            let spec = plan.spec;
            let known = ingest.freshness().known_items(&scope, &spec.kind());
            let sweeper = Sweeper::new(aws.clone(), Some(known));
            // What kinds that are not watched refer to is not asked for.
            let is_chosen = |slug: &str| chosen.iter().any(|(spec, _)| spec.slug == slug);
            let naming = || spec.also_by_id.iter().filter(|(slug, _)| is_chosen(slug));
            let ids = self.referred.get(spec.slug).filter(|_| naming().next().is_some()).cloned();
            let referred = Referred::new(sweeper, ids);
            let waits_for = naming().filter_map(|(slug, _)| Some(kinds::by_slug(slug)?.kind()));
            refreshers.push((referred.clone(), plan.clone()));
            let interval = Arc::clone(&plan.interval);
            kinds.push(KindSweeps {
                sweeping: Sweeping::new(referred, aws_clock.clone(), plan),
                interval,
                usual,
                waits_for: waits_for.collect(),
                to: referring.iter().filter(|(from, _)| *from == spec.slug).map(|(_, to)| to.clone()).collect(),
                referred: Vec::new(),
                manner: Manner::default(),
            });
        }
        self.dispatcher.connect(ScopeRefreshers::new(
            scope.clone(),
            refreshers,
            aws_clock.clone(),
            ingest.clone(),
            tasks.clone(),
            Arc::clone(&wake),
        ));
        let sweeps = ScopeSweeps {
            scope: scope.clone(),
            kinds,
            gate,
            ingest: ingest.clone(),
            clock: aws_clock,
            turns: self.turns.clone(),
            replan: Arc::clone(&replan),
            wake,
            quiet: self.quiet.clone().map(QuietScope::new),
        };
        tasks.spawn_until_stopped("the sweeps", sweeps.run());
        if self.listener.watch(aws, &scope, ingest, tasks, &self.dispatcher) {
            tasks.spawn_until_stopped("the intervals", intervals::run(ingest.clone(), scope, intervals, replan));
        } else {
            // They may have been until the configuration changed.
            ingest.signal(Signal::Unlistened { scope });
        }
    }

    /// The slugs of the kinds that refer to resources of this one, each with the trigger that sweeps it for new ids.
    fn referring(&self, spec: &KindSpec, trigger: &Arc<SweepTrigger>) -> Vec<(&'static str, Referring)> {
        let Some(ids) = self.referred.get(spec.slug) else { return Vec::new() };
        let to = Referring { ids: Arc::clone(ids), trigger: Arc::clone(trigger) };
        spec.also_by_id.iter().map(|(from, _)| (*from, to.clone())).collect()
    }
}
