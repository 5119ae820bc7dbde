//! What requests need, and whether it is there yet.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};
use tokio_util::task::TaskTracker;

use super::error::{Failure, Fault};
use crate::aws::Aws;
use crate::ingest;
use crate::model::{LogId, Region, SharedClock, Timestamp};
use crate::notify::ChangeHub;
use crate::query::prices::PriceTable;
use crate::store::{Health, Snapshot, Store};

/// How long a request waits for the store to open, also after its disk failed, or for a first sweep to show what it asks for.
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
    /// How many log lines this process has dropped.
    pub dropped_log_lines: fn() -> u64,
    /// The prices that replace those that Muster carries.
    pub prices: Option<Arc<PriceTable>>,
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

    /// List prices: those of the file that was given, else those that Muster carries.
    #[must_use]
    pub fn prices(&self) -> Arc<PriceTable> {
        self.prices.clone().unwrap_or_else(PriceTable::carried)
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
    /// [`Fault::Opening`] when that takes longer, [`Fault::Failed`] when the store cannot be used, [`Fault::Read`] when its disk
    /// failed and it is not open again.
    pub async fn ready(phase: &watch::Receiver<Phase>) -> Result<Arc<Core>, Fault> {
        if let Phase::Ready(core) = &*phase.borrow()
            && !core.store.is_failing()
        {
            return Ok(Arc::clone(core));
        }
        Phase::ready_by(phase, Instant::now() + PATIENCE).await
    }

    async fn ready_by(phase: &watch::Receiver<Phase>, deadline: Instant) -> Result<Arc<Core>, Fault> {
        let mut phase = phase.clone();
        if let Ok(outcome) = timeout_at(deadline, Phase::usable(&mut phase)).await {
            return outcome;
        }
        match &*phase.borrow() {
            // The reason, which says that it may pass.
            Phase::Ready(core) => core.snapshot().map(|_| Arc::clone(core)),
            Phase::Opening | Phase::Failed(_) => Err(Fault::Opening),
        }
    }

    async fn usable(phase: &mut watch::Receiver<Phase>) -> Result<Arc<Core>, Fault> {
        loop {
            let found = phase.borrow_and_update().clone();
            match found {
                Phase::Failed(failure) => return Err(Fault::Failed(failure)),
                Phase::Ready(core) if !core.store.is_failing() => return Ok(core),
                Phase::Ready(core) => {
                    let mut health = core.store.health();
                    tokio::select! {
                        _ = health.wait_for(Health::is_well) => {}
                        changed = phase.changed() => changed.map_err(|_| Fault::Stopping)?,
                    }
                }
                Phase::Opening => phase.changed().await.map_err(|_| Fault::Stopping)?,
            }
        }
    }

    /// Serves a request as soon as that is possible, waiting up to [`PATIENCE`]. When the disk fails under it just then and the
    /// answer `is_worth_repeating`, it is served once more when the store is open again, until the time is up.
    ///
    /// # Errors
    /// As [`Phase::ready`].
    pub async fn serve<T, F: Future<Output = T>>(
        phase: &watch::Receiver<Phase>,
        is_worth_repeating: impl Fn(&T) -> bool,
        serve: impl Fn(Arc<Core>) -> F,
    ) -> Result<T, Fault> {
        let mut deadline = None;
        loop {
            let core = match deadline {
                None => Phase::ready(phase).await?,
                Some(deadline) => Phase::ready_by(phase, deadline).await?,
            };
            let failures = core.store.failures();
            // It may have failed since it was ready.
            let was_well = !core.store.is_failing();
            let answer = serve(Arc::clone(&core)).await;
            let failed = !was_well || core.store.failures() != failures;
            if !failed || !is_worth_repeating(&answer) || deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                return Ok(answer);
            }
            deadline.get_or_insert(Instant::now() + PATIENCE);
        }
    }
}

#[cfg(test)]
mod tests;
