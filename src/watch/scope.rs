//! Watches a scope: one account in one region.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::listener::EventListener;
use super::refresh::{self, Dispatcher};
use super::tasks::Tasks;
use super::{intervals, sweeps};
use crate::aws::Aws;
use crate::freshness::Signal;
use crate::ingest::Handle;
use crate::kinds::KindSpec;
use crate::model::Scope;
use crate::source::poll::{Gate, Plan};

/// What the watchers of all scopes share.
pub(super) struct ScopeWatchers {
    pub(super) aws: Aws,
    pub(super) ingest: Handle,
    pub(super) tasks: Tasks,
    pub(super) dispatcher: Dispatcher,
    pub(super) listener: EventListener,
    pub(super) intervals: Vec<(&'static KindSpec, Duration)>,
}

impl ScopeWatchers {
    /// Starts the watcher of a scope: sweeps and refreshes of each kind, and its events where they are listened to.
    pub(super) fn start(&self, scope: Scope) {
        tracing::info!(%scope, "watching");
        let ScopeWatchers { aws, ingest, tasks, .. } = self;
        let mut intervals = Vec::new();
        let gate = Arc::new(Gate::new());
        let (shared, mut tries) = (Arc::clone(&gate), ingest.freshness().tries());
        tasks.spawn_until_stopped("trying again", async move {
            while tries.changed().await.is_ok() {
                shared.try_now();
            }
        });
        for (spec, interval) in &self.intervals {
            let (kind, interval) = (spec.kind(), *interval);
            ingest.signal(Signal::Expected { scope: scope.clone(), kind: kind.clone(), interval });
            let (changing, interval) = watch::channel(interval);
            intervals.push((kind, changing));
            let plan = Plan { interval, gate: Arc::clone(&gate), ..Plan::new(scope.clone(), spec) };
            let refreshing = {
                let (aws, plan, ingest) = (aws.clone(), plan.clone(), ingest.clone());
                let dispatcher = self.dispatcher.clone();
                move || refresh::run(aws.clone(), plan.clone(), dispatcher.clone(), ingest.clone())
            };
            tasks.spawn_supervised("a refresh", refreshing);
            tasks.spawn_until_stopped("a sweep", sweeps::run(aws.clone(), plan, ingest.clone()));
        }
        if self.listener.listens() {
            self.listener.watch(aws, &scope, ingest, tasks);
            tasks.spawn_until_stopped("the intervals", intervals::run(ingest.clone(), scope, intervals));
        }
    }
}
