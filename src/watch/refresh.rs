//! Carries who is wanted from the writer to those who ask, and what they saw back.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::mpsc;

use crate::aws::Aws;
use crate::ingest::{Handle, IngestError, Lane, WantedReceiver};
use crate::model::{Cause, Kind, Scope, SharedClock, Wanted};
use crate::source::poll::Plan;
use crate::source::referred::Referred;
use crate::source::refresh::Refresher;

/// Knows who asks for the ids of which kind in which scope. Clones share it.
#[derive(Clone, Default)]
pub struct Switchboard(Arc<Mutex<Lines>>);

type Lines = HashMap<(Scope, Kind), mpsc::UnboundedSender<Wanted>>;

impl Switchboard {
    /// Passes on what the writer wants, until it wants nothing more. What nobody watches is dropped.
    pub async fn run(self, mut wanted: WantedReceiver) {
        while let Some(wanted) = wanted.recv().await {
            let key = (wanted.id.scope(), wanted.id.kind.clone());
            if let Some(line) = self.0.lock().get(&key) {
                // A refresher that ended is stopping with everything else.
                drop(line.send(wanted));
            }
        }
    }

    fn connect(&self, plan: &Plan) -> WantedReceiver {
        let (line, wanted) = mpsc::unbounded_channel();
        self.0.lock().insert((plan.scope.clone(), plan.spec.kind()), line);
        wanted
    }
}

/// Asks for the wanted ids of one kind in one scope until the writer takes nothing more.
pub async fn run(aws: Referred<Aws>, clock: SharedClock, plan: Plan, switchboard: Switchboard, ingest: Handle) {
    let wanted = switchboard.connect(&plan);
    let mut refresher = Refresher::new(aws, clock, plan, wanted);
    while let Some(mut round) = refresher.next().await {
        let observations = std::mem::take(&mut round.observations);
        match ingest.observe(Lane::Refresh, observations, Cause::Refresh).await {
            Ok(observed) => refresher.settle(&round, &observed.unsettled),
            Err(IngestError::Stopped) => return,
            Err(error) => {
                tracing::warn!(%error, "what a refresh saw is not recorded");
                refresher.forgo(&round);
            }
        }
    }
}
