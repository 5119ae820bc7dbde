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

/// Where the wanted ids of one scope go.
pub(super) struct ScopeRefreshers {
    tasks: Tasks,
    /// Wakes the scope's sweeps: somebody asks about it, or something happened there.
    wake: Arc<Notify>,
    state: Mutex<RefresherState>,
}

enum RefresherState {
    /// The scope rests. What is wanted waits until it wakes, which it does at once.
    Resting(Vec<Wanted>),
    Awake(Arc<AwakeRefreshers>),
}

/// The refreshers of one scope.
pub(super) struct AwakeRefreshers {
    /// What each kind is described by.
    kinds: Vec<(Referred<Sweeper>, SweepPlan)>,
    clock: SharedClock,
    ingest: IngestHandle,
    tasks: Tasks,
    /// Has the scope look again what is due, and whether it may rest.
    replan: Arc<Notify>,
    /// The channels to the refreshers that run.
    running: Mutex<HashMap<Kind, mpsc::UnboundedSender<Wanted>>>,
}

impl Dispatcher {
    /// Passes on wanted ids until the writer stops. Ids that nobody watches are dropped.
    pub(super) async fn run(self, mut wanted: WantedReceiver) {
        while let Some(wanted) = wanted.recv().await {
            self.want(wanted);
        }
    }

    /// Has an id described. One that nobody watches is dropped.
    pub(super) fn want(&self, wanted: Wanted) {
        let scope = self.0.lock().get(&wanted.id.scope()).cloned();
        if let Some(scope) = scope {
            scope.want(wanted);
        }
    }

    /// Whether a scope rests.
    #[cfg(test)]
    pub(super) fn rests(&self, scope: &Scope) -> bool {
        let known = self.0.lock().get(scope).cloned();
        known.is_some_and(|known| matches!(*known.state.lock(), RefresherState::Resting(_)))
    }

    /// Describes the wanted ids of a scope, once it is awake.
    pub(super) fn connect(&self, scope: Scope, refreshers: &Arc<ScopeRefreshers>) {
        self.0.lock().insert(scope, Arc::clone(refreshers));
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
    /// The refreshers of a scope that is not awake yet.
    pub(super) fn new(tasks: Tasks, wake: Arc<Notify>) -> Self {
        ScopeRefreshers { tasks, wake, state: Mutex::new(RefresherState::Resting(Vec::new())) }
    }

    /// Describes what is wanted from now on, and what was while the scope rested.
    pub(super) fn awaken(&self, refreshers: AwakeRefreshers) {
        let refreshers = Arc::new(refreshers);
        let mut state = self.state.lock();
        if let RefresherState::Resting(waiting) = &mut *state {
            for wanted in waiting.drain(..) {
                refreshers.want(wanted);
            }
        }
        *state = RefresherState::Awake(refreshers);
    }

    /// Lets the scope rest unless ids are described. Returns whether it does.
    pub(super) fn rest(&self) -> bool {
        let mut state = self.state.lock();
        let rests = match &*state {
            RefresherState::Resting(_) => true,
            RefresherState::Awake(refreshers) => {
                let mut running = refreshers.running.lock();
                // One that failed because of a bug has left its channel.
                running.retain(|_, sender| !sender.is_closed());
                running.is_empty()
            }
        };
        if rests && matches!(*state, RefresherState::Awake(_)) {
            *state = RefresherState::Resting(Vec::new());
        }
        rests
    }

    /// Passes an id to its refresher, or has it wait until the scope wakes.
    fn want(&self, wanted: Wanted) {
        match &mut *self.state.lock() {
            RefresherState::Resting(waiting) => waiting.push(wanted),
            RefresherState::Awake(refreshers) => refreshers.want(wanted),
        }
        self.wake.notify_one();
    }
}

impl AwakeRefreshers {
    /// The refreshers of a scope; none runs yet. `replan` is notified when one ends.
    pub(super) fn new(
        kinds: Vec<(Referred<Sweeper>, SweepPlan)>,
        clock: SharedClock,
        ingest: &IngestHandle,
        tasks: &Tasks,
        replan: &Arc<Notify>,
    ) -> Self {
        let (ingest, tasks, replan) = (ingest.clone(), tasks.clone(), Arc::clone(replan));
        AwakeRefreshers { kinds, clock, ingest, tasks, replan, running: Mutex::default() }
    }

    /// Passes an id to its refresher, which begins to run if it does not.
    fn want(self: &Arc<Self>, wanted: Wanted) {
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
        let scope = Arc::clone(self);
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
                    self.replan.notify_one();
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
