//! What requests need, and whether it is there yet.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio_util::task::TaskTracker;

use super::error::Fault;
use crate::aws::Aws;
use crate::ingest;
use crate::model::{LogId, Region, SharedClock, Timestamp};
use crate::notify::ChangeHub;
use crate::store::{Snapshot, Store};

/// How long a request waits for the store to open, or for a first sweep to show what it asks for.
pub const PATIENCE: Duration = Duration::from_secs(5);

/// Everything that serves requests once the store is open.
pub struct Core {
    /// Reads.
    pub store: Store,
    /// The way in for what tools did and saw; also knows how fresh everything is.
    pub ingest: ingest::Handle,
    /// Tells subscribers what changed.
    pub hub: ChangeHub,
    /// Calls AWS for tools.
    pub aws: Aws,
    /// AWS time.
    pub clock: SharedClock,
    /// Runs what must end even when its client leaves, such as a write between AWS's answer and its record.
    pub tasks: TaskTracker,
}

/// Whether requests can be served. Discovery and lists of tools are answered in every phase.
#[derive(Clone)]
pub enum Phase {
    /// The store is being opened.
    Opening,
    /// Requests are served.
    Ready(Arc<Core>),
    /// The store cannot be used.
    Failed(Arc<Failure>),
}

/// Why the store cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The fact, with the path.
    pub what: String,
    /// What to do about it.
    pub fix: String,
}

impl Core {
    /// Now, in AWS time.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The log that cursors and seqs belong to.
    #[must_use]
    pub fn log(&self) -> LogId {
        self.store.log_id()
    }

    /// A view of the store, to be dropped soon.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn snapshot(&self) -> Result<Snapshot, Fault> {
        Ok(self.store.snapshot()?)
    }

    /// The regions that are watched, whether or not anything was seen there yet.
    #[must_use]
    pub fn regions(&self) -> Vec<Region> {
        self.aws.regions()
    }

    /// Runs a read that walks many rows on a thread where it delays nobody.
    ///
    /// # Errors
    /// What `read` failed with, or [`Fault::Stopping`] when the runtime ends first.
    pub async fn walk<T: Send + 'static>(
        self: &Arc<Self>,
        read: impl FnOnce(&Core) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, Fault> {
        let core = Arc::clone(self);
        match tokio::task::spawn_blocking(move || read(&core)).await {
            Ok(outcome) => outcome,
            Err(_) => Err(Fault::Stopping),
        }
    }
}

impl Phase {
    /// Waits up to [`PATIENCE`] until requests can be served.
    ///
    /// # Errors
    /// [`Fault::Opening`] when that takes longer, [`Fault::Failed`] when the store cannot be used.
    pub async fn ready(phase: &watch::Receiver<Phase>) -> Result<Arc<Core>, Fault> {
        if let Phase::Ready(core) = &*phase.borrow() {
            return Ok(Arc::clone(core));
        }
        let mut phase = phase.clone();
        let ready = phase.wait_for(|phase| !matches!(phase, Phase::Opening));
        match tokio::time::timeout(PATIENCE, ready).await {
            Ok(Ok(phase)) => match &*phase {
                Phase::Ready(core) => Ok(Arc::clone(core)),
                Phase::Failed(failure) => Err(Fault::Failed(Arc::clone(failure))),
                Phase::Opening => Err(Fault::Opening),
            },
            Ok(Err(_)) => Err(Fault::Stopping),
            Err(_) => Err(Fault::Opening),
        }
    }
}
