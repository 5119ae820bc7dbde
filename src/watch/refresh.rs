//! Describes the ids that the writer wants described: a dispatcher passes them to the refresher of their kind and scope, and the
//! results go back to the writer.
//!
//! A refresher runs only while there are ids for it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{Notify, mpsc};
use tokio::time::timeout;

use super::tasks::Tasks;
use crate::freshness::Freshness;
use crate::ingest::{IngestError, IngestHandle, Lane, WantedReceiver};
use crate::model::{Cause, Kind, Scope, SharedClock, Wanted};
use crate::source::poll::SweepPlan;
use crate::source::referred::Referred;
use crate::source::refresh::Refresher;
use crate::source::sweeper::Sweeper;

/// How long a refresher without ids goes on: longer than its pace remembers calls.
const IDLE: Duration = Duration::from_mins(1);

/// Passes wanted ids to the refresher of their kind and scope. Clones share it.
#[derive(Clone, Default)]
pub(super) struct Dispatcher(Arc<Mutex<HashMap<Scope, Arc<ScopeRefreshers>>>>);

/// The refreshers of one scope.
pub(super) struct ScopeRefreshers {
    scope: Scope,
    /// What each kind is described by.
    kinds: Vec<(Referred<Sweeper>, SweepPlan)>,
    clock: SharedClock,
    ingest: IngestHandle,
    tasks: Tasks,
    /// Wakes the scope's sweeps: somebody asks about it, or something happened there.
    wake: Arc<Notify>,
    /// The channels to the refreshers that run.
    running: Mutex<HashMap<Kind, mpsc::UnboundedSender<Wanted>>>,
}

impl Dispatcher {
    /// Passes on wanted ids until the writer stops. Ids that nobody watches are dropped.
    pub(super) async fn run(self, mut wanted: WantedReceiver) {
        while let Some(wanted) = wanted.recv().await {
            let scope = self.0.lock().get(&wanted.id.scope()).cloned();
            if let Some(scope) = scope {
                scope.want(wanted);
            }
        }
    }

    /// Describes the wanted ids of a scope, from now on.
    pub(super) fn connect(&self, scope: ScopeRefreshers) {
        self.0.lock().insert(scope.scope.clone(), Arc::new(scope));
    }

    /// Wakes the sweeps of a scope: something happened there.
    pub(super) fn wake(&self, scope: &Scope) {
        if let Some(scope) = self.0.lock().get(scope) {
            scope.wake.notify_one();
        }
    }

    /// Wakes the sweeps of the scopes that somebody asks about.
    pub(super) async fn wake_asked(self, freshness: Freshness) {
        let mut asked = freshness.asked();
        loop {
            for scope in freshness.take_asked() {
                self.wake(&scope);
            }
            if asked.changed().await.is_err() {
                return;
            }
        }
    }

    /// Forgets the scopes that are no longer watched.
    pub(super) fn forget_ended(&self) {
        self.0.lock().retain(|_, scope| !scope.tasks.stopping().is_cancelled());
    }
}

impl ScopeRefreshers {
    /// The refreshers of `scope`; none runs yet.
    pub(super) fn new(
        scope: Scope,
        kinds: Vec<(Referred<Sweeper>, SweepPlan)>,
        clock: SharedClock,
        ingest: IngestHandle,
        tasks: Tasks,
        wake: Arc<Notify>,
    ) -> Self {
        ScopeRefreshers { scope, kinds, clock, ingest, tasks, wake, running: Mutex::default() }
    }

    /// Passes an id to its refresher, which begins to run if it does not.
    fn want(self: Arc<Self>, wanted: Wanted) {
        self.wake.notify_one();
        let kind = wanted.id.kind.clone();
        let mut running = self.running.lock();
        let wanted = match running.get(&kind) {
            Some(sender) => match sender.send(wanted) {
                Ok(()) => return,
                Err(unsent) => unsent.0,
            },
            None => wanted,
        };
        let Some((describe, plan)) = self.kinds.iter().find(|(_, plan)| plan.spec.kind() == kind).cloned() else {
            return;
        };
        let (sender, receiver) = mpsc::unbounded_channel();
        // The receiver is there.
        drop(sender.send(wanted));
        running.insert(kind, sender);
        drop(running);
        let refresher = Refresher::new(describe, Arc::clone(&self.clock), plan, receiver);
        let scope = Arc::clone(&self);
        self.tasks.spawn_until_stopped("a refresh", scope.run(refresher));
    }

    /// Describes the wanted ids of one kind until there are none, or the writer stops.
    async fn run(self: Arc<Self>, mut refresher: Refresher<Referred<Sweeper>>) {
        loop {
            if refresher.rests() && timeout(IDLE, refresher.arrival()).await != Ok(true) {
                let mut running = self.running.lock();
                // Nothing can arrive while the channels are locked.
                if refresher.rests() {
                    running.remove(&refresher.kind());
                    return;
                }
            }
            let Some(mut round) = refresher.next().await else { return };
            let observations = std::mem::take(&mut round.observations);
            match self.ingest.observe(Lane::Refresh, observations, Cause::Refresh).await {
                Ok(observed) => refresher.settle(&round, &observed.unsettled),
                Err(IngestError::Stopped) => return,
                Err(error) => {
                    tracing::warn!(%error, "the result of a refresh is not recorded");
                    refresher.forgo(&round);
                }
            }
        }
    }
}
