//! Describes the ids that the writer wants described: a dispatcher passes them to the refresher of their kind and scope, and the
//! results go back to the writer.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::mpsc;

use crate::ingest::{IngestError, IngestHandle, Lane, WantedReceiver};
use crate::model::{Cause, Kind, Scope, SharedClock, Wanted};
use crate::source::poll::SweepPlan;
use crate::source::referred::Referred;
use crate::source::refresh::Refresher;
use crate::source::sweeper::Sweeper;

/// Passes wanted ids to the refresher of their kind and scope. Clones share it.
#[derive(Clone, Default)]
pub(super) struct Dispatcher(Arc<Mutex<Refreshers>>);

/// The channels to the refreshers.
type Refreshers = HashMap<(Scope, Kind), mpsc::UnboundedSender<Wanted>>;

impl Dispatcher {
    /// Passes on wanted ids until the writer stops. Ids that nobody watches are dropped.
    pub(super) async fn run(self, mut wanted: WantedReceiver) {
        while let Some(wanted) = wanted.recv().await {
            let key = (wanted.id.scope(), wanted.id.kind.clone());
            if let Some(refresher) = self.0.lock().get(&key) {
                // A refresher that ended is stopping with everything else.
                drop(refresher.send(wanted));
            }
        }
    }

    /// Receives the wanted ids of a kind in a scope, from now on.
    fn connect(&self, plan: &SweepPlan) -> WantedReceiver {
        let (sender, wanted) = mpsc::unbounded_channel();
        self.0.lock().insert((plan.scope.clone(), plan.spec.kind()), sender);
        wanted
    }
}

/// Describes the wanted ids of one kind in one scope until the writer stops.
pub(super) async fn run(
    aws: Referred<Sweeper>,
    clock: SharedClock,
    plan: SweepPlan,
    dispatcher: Dispatcher,
    ingest: IngestHandle,
) {
    let wanted = dispatcher.connect(&plan);
    let mut refresher = Refresher::new(aws, clock, plan, wanted);
    while let Some(mut round) = refresher.next().await {
        let observations = std::mem::take(&mut round.observations);
        match ingest.observe(Lane::Refresh, observations, Cause::Refresh).await {
            Ok(observed) => refresher.settle(&round, &observed.unsettled),
            Err(IngestError::Stopped) => return,
            Err(error) => {
                tracing::warn!(%error, "the result of a refresh is not recorded");
                refresher.forgo(&round);
            }
        }
    }
}
