//! Watches a scope: one account in one region.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, watch};

use super::listener::EventListener;
use super::member::MemberBook;
use super::refresh::{self, Dispatcher};
use super::settings::WatchSettings;
use super::sweeps::Referring;
use super::tasks::Tasks;
use super::{intervals, sweeps};
use crate::aws::Aws;
use crate::freshness::Signal;
use crate::ingest::{IngestHandle, WantedReceiver};
use crate::kinds::KindSpec;
use crate::model::Scope;
use crate::source::poll::{Gate, SweepPlan};
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
        let listener = EventListener::new(&settings);
        listener.receive(aws, ingest, tasks, members);
        ScopeWatchers {
            aws: aws.clone(),
            ingest: ingest.clone(),
            tasks: tasks.clone(),
            dispatcher,
            listener,
            intervals: settings.intervals,
            referred,
        }
    }

    /// Starts the watcher of a scope: sweeps and refreshes of each kind, and its events if they are received.
    pub(super) fn watch(&self, scope: Scope) {
        tracing::info!(%scope, "watching");
        let ScopeWatchers { aws, ingest, tasks, .. } = self;
        let (mut intervals, aws_clock) = (Vec::new(), aws.clock());
        let gate = Arc::new(Gate::new());
        let (shared, mut tries) = (Arc::clone(&gate), ingest.freshness().tries());
        tasks.spawn_until_stopped("trying again", async move {
            while tries.changed().await.is_ok() {
                shared.try_now();
            }
        });
        let (mut plans, mut referring) = (Vec::new(), Vec::new());
        for (spec, interval) in &self.intervals {
            let (kind, interval) = (spec.kind(), *interval);
            ingest.signal(Signal::Expected { scope: scope.clone(), kind: kind.clone(), interval });
            let (changing, interval) = watch::channel(interval);
            intervals.push((kind, changing));
            let plan = SweepPlan { interval, gate: Arc::clone(&gate), ..SweepPlan::new(scope.clone(), spec) };
            referring.extend(self.referring(spec, &plan.trigger));
            plans.push(plan);
        }
        for plan in plans {
            let slug = plan.spec.slug;
            let known = ingest.freshness().known_items(&scope, &plan.spec.kind());
            let sweeper = Sweeper::new(aws.clone(), Some(known));
            let referred = Referred::new(sweeper, self.referred.get(slug).cloned());
            let refreshing = {
                let (aws, plan, ingest) = (referred.clone(), plan.clone(), ingest.clone());
                let (clock, dispatcher) = (aws_clock.clone(), self.dispatcher.clone());
                move || refresh::run(aws.clone(), clock.clone(), plan.clone(), dispatcher.clone(), ingest.clone())
            };
            tasks.spawn_supervised("a refresh", refreshing);
            let to = referring.iter().filter(|(from, _)| *from == slug).map(|(_, to)| to.clone()).collect();
            tasks.spawn_until_stopped("a sweep", sweeps::run(referred, aws_clock.clone(), plan, ingest.clone(), to));
        }
        if self.listener.listens() {
            self.listener.watch(aws, &scope, ingest, tasks);
            tasks.spawn_until_stopped("the intervals", intervals::run(ingest.clone(), scope, intervals));
        }
    }

    /// The slugs of the kinds that refer to resources of this one, each with the trigger that sweeps it for new ids.
    fn referring(&self, spec: &KindSpec, trigger: &Arc<Notify>) -> Vec<(&'static str, Referring)> {
        let Some(ids) = self.referred.get(spec.slug) else { return Vec::new() };
        let to = Referring { ids: Arc::clone(ids), trigger: Arc::clone(trigger) };
        spec.also_by_id.iter().map(|(from, _)| (*from, to.clone())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::SharedClock;

    type SweepParts = (Referred<Sweeper>, SharedClock, SweepPlan, IngestHandle, Vec<Referring>);
    type RefreshParts = (Referred<Sweeper>, SharedClock, SweepPlan, Dispatcher, IngestHandle);

    /// How large the future is that a function returns.
    fn size_of_future<A, F: Future>(_: impl FnOnce(A) -> F) -> usize {
        size_of::<F>()
    }

    #[test]
    fn a_kind_that_rests_holds_no_call_to_aws() {
        let sweep =
            size_of_future(|(aws, clock, plan, ingest, to): SweepParts| sweeps::run(aws, clock, plan, ingest, to));
        let refresh = size_of_future(|(aws, clock, plan, wanted, ingest): RefreshParts| {
            refresh::run(aws, clock, plan, wanted, ingest)
        });
        eprintln!("a sweep {sweep}, a refresh {refresh}");
        let largest = sweep.max(refresh);
        assert!(largest <= 16 * 1024, "a task of a kind has {largest} bytes: keep what is large in it on the heap");
    }
}
