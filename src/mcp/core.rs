//! What requests are served from, and whether it is ready.

mod look;

use std::collections::BTreeSet;
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::sync::{Mutex, watch};
use tokio::time::{Instant, sleep_until, timeout_at};
use tokio_util::task::TaskTracker;

use super::error::{Failure, RequestError};
use super::key_book::KeyBook;
use super::looks::Looks;
use super::policy::Writes;
use super::touched::TouchBook;
use crate::audit::AuditProgress;
use crate::aws::{Aws, CallCount};
use crate::ingest;
use crate::model::{
    AccountRetirement, KnownAccount, KnownAccounts, LogId, Region, SharedClock, Timestamp, WriteAttempt,
};
use crate::notify::ChangeHub;
use crate::policy::verdict::RuleRefusal;
use crate::policy::{RuleCheck, Visibility, WriteRule};
use crate::query::changes::BaselineRuns;
use crate::query::prices::PriceTable;
use crate::store::{Health, Snapshot, Store};

/// How long a request waits for the store to open, also after its disk failed, or for a first sweep to show the requested
/// resource.
pub const PATIENCE: Duration = Duration::from_secs(5);

/// Who does not see everything is refused no sooner than this: an id that is hidden takes longer to be looked through than one that
/// nobody knows.
const UNHURRIED: Duration = Duration::from_millis(100);

/// Everything that serves requests once the store is open.
pub struct Core {
    /// Reads.
    pub store: Store,
    /// Takes in what tools did and saw, and knows how fresh everything is.
    pub ingest: ingest::IngestHandle,
    /// Notifies subscribers of changes.
    pub hub: ChangeHub,
    /// Calls AWS for tools.
    pub aws: Aws,
    /// Live looks at single resources, which clients that wait share.
    pub looks: Arc<Looks>,
    /// Which instances tools have changed lately.
    pub touched: TouchBook,
    /// What is known of the log, so that lists of changes need not read it again.
    pub baselines: BaselineRuns,
    /// AWS time.
    pub clock: SharedClock,
    /// Runs tasks that must finish even when the client leaves, such as a write between AWS's answer and its record.
    pub tasks: TaskTracker,
    /// How many log lines this process has dropped.
    pub dropped_log_lines: fn() -> u64,
    /// The calls with idempotency keys that run.
    pub keys: KeyBook,
    /// Held while the end of an action that a server lost is recorded.
    pub ends: Arc<Mutex<()>>,
    /// How far the audit file is.
    pub audit: AuditProgress,
    /// The prices that replace those that Muster carries.
    pub prices: Option<Arc<PriceTable>>,
}

/// What a connection sees, and the only way from the server's readiness to what its requests are answered from: who serves a request
/// has to say who asks.
#[derive(Default)]
pub struct View {
    visibility: Visibility,
    /// What the connection reads from, beside what the server itself does.
    limited: parking_lot::Mutex<Option<(Weak<Core>, Arc<Core>)>>,
}

impl View {
    /// The view of the server itself, and of a connection that sees everything.
    #[must_use]
    pub fn whole() -> Self {
        View::default()
    }

    /// The view of somebody with this visibility.
    #[must_use]
    pub fn of(visibility: &Visibility) -> Self {
        View { visibility: visibility.clone(), limited: parking_lot::Mutex::default() }
    }

    /// Whether everything is seen.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.visibility.is_everything()
    }

    /// Whether it is that of somebody with this visibility.
    #[must_use]
    pub fn is_of(&self, visibility: &Visibility) -> bool {
        self.visibility.digest() == visibility.digest()
    }

    /// Waits before a question that `begun` then is refused, so that the time does not tell what is hidden from what nobody knows. Who
    /// sees everything waits for nothing.
    pub async fn unhurried(&self, begun: Instant) {
        if !self.is_whole() {
            sleep_until(begun + UNHURRIED).await;
        }
    }

    /// What requests of this connection are served from. What was read for one is remembered for the next.
    #[must_use]
    pub fn core(&self, whole: &Arc<Core>) -> Arc<Core> {
        if self.is_whole() {
            return Arc::clone(whole);
        }
        let mut limited = self.limited.lock();
        if let Some((of, core)) = &*limited
            && of.as_ptr() == Arc::as_ptr(whole)
        {
            return Arc::clone(core);
        }
        let core = Arc::new(whole.seen_by(&self.visibility));
        *limited = Some((Arc::downgrade(whole), Arc::clone(&core)));
        core
    }
}

/// Whether requests can be served. Discovery and lists of tools are answered in every state.
#[derive(Clone)]
pub enum Readiness {
    /// The store is being opened.
    Opening,
    /// Requests are served.
    Ready(Arc<Core>),
    /// The store cannot be used.
    Failed(Arc<Failure>),
}

impl Core {
    /// The same for somebody with this visibility: whatever is read through it is as on a server that holds only what they may see.
    #[must_use]
    pub fn seen_by(&self, visibility: &Visibility) -> Self {
        Core {
            store: self.store.seen_by(visibility),
            ingest: self.ingest.seen_by(visibility),
            hub: self.hub.clone(),
            aws: self.aws.clone(),
            looks: Arc::clone(&self.looks),
            touched: self.touched.clone(),
            // It counts records, so what others read must not count here.
            baselines: BaselineRuns::default(),
            clock: Arc::clone(&self.clock),
            tasks: self.tasks.clone(),
            dropped_log_lines: self.dropped_log_lines,
            keys: self.keys.clone(),
            ends: Arc::clone(&self.ends),
            audit: self.audit.clone(),
            prices: self.prices.clone(),
        }
    }

    /// What can be seen through it.
    #[must_use]
    pub fn visibility(&self) -> Visibility {
        self.store.visibility()
    }

    /// Now, in AWS time.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Records that `rule` refused a call. Where that fails the call is refused all the same.
    pub async fn record_refusal(&self, attempt: WriteAttempt, rule: String) {
        if let Err(error) = self.ingest.refused(attempt, rule).await {
            tracing::warn!(%error, "a refusal is not in the log");
        }
    }

    /// Refuses a call while the audit file that a rule requires is behind, cannot be written, or is not there at all.
    ///
    /// # Errors
    /// What is wrong with the file.
    pub async fn audited(&self, writes: &Writes, attempt: impl FnOnce() -> WriteAttempt) -> Result<(), RequestError> {
        let Some(origin) = writes.in_force().origin_of(&WriteRule::Audit) else { return Ok(()) };
        let Some(why) = self.audit.obstacle_soon().await else { return Ok(()) };
        let check = RuleCheck { origin, rule: WriteRule::Audit, refusal: Some(RuleRefusal::NotAudited { why }) };
        self.record_refusal(attempt(), check.told()).await;
        Err(RequestError::NotAudited { why: writes.refused(&check) })
    }

    /// The log that cursors and seqs belong to.
    #[must_use]
    pub fn log(&self) -> LogId {
        self.store.log_id()
    }

    /// A snapshot of the store, to be dropped soon.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn snapshot(&self) -> Result<Snapshot, RequestError> {
        Ok(self.store.snapshot()?)
    }

    /// The watched regions, whether or not anything has been seen there yet.
    #[must_use]
    pub fn regions(&self) -> Vec<Region> {
        let (mut regions, visibility) = (self.aws.regions(), self.visibility());
        if !visibility.is_everything() {
            // Not those in which other accounts alone are watched.
            let seen: BTreeSet<Region> =
                self.ingest.freshness().scopes().into_iter().map(|state| state.scope.region).collect();
            regions.retain(|region| seen.contains(region));
        }
        regions
    }

    /// The accounts that are or were watched, as far as they can be seen.
    #[must_use]
    pub fn known_accounts(&self) -> Arc<KnownAccounts> {
        let (known, visibility) = (self.aws.known_accounts(), self.visibility());
        if visibility.is_everything() {
            return known;
        }
        let seen = known.each().filter(|(account, _)| visibility.sees_account(account.as_str()));
        let told = |known: &KnownAccount| {
            let mut known = known.clone();
            known.retired =
                known.retired.map(|gone| AccountRetirement { cause: visibility.masked(&gone.cause).into(), ..gone });
            known
        };
        Arc::new(KnownAccounts::new(seen.map(|(account, known)| (account.clone(), told(known)))))
    }

    /// The calls to AWS; `None` for whoever does not see everything, because there are more of them the more there is.
    #[must_use]
    pub fn aws_calls(&self) -> Option<Vec<CallCount>> {
        self.visibility().is_everything().then(|| self.aws.calls())
    }

    /// List prices: those of the file that was given, else those that Muster carries.
    #[must_use]
    pub fn prices(&self) -> Arc<PriceTable> {
        self.prices.clone().unwrap_or_else(PriceTable::carried)
    }

    /// Runs a read that walks many rows on a thread of its own, where it delays no other request.
    ///
    /// # Errors
    /// What `read` failed with, or [`RequestError::Stopping`] when the runtime ends first.
    pub async fn walk<T: Send + 'static>(
        self: &Arc<Self>,
        read: impl FnOnce(&Core) -> Result<T, RequestError> + Send + 'static,
    ) -> Result<T, RequestError> {
        let core = Arc::clone(self);
        match tokio::task::spawn_blocking(move || read(&core)).await {
            Ok(outcome) => outcome,
            Err(_) => Err(RequestError::Stopping),
        }
    }
}

impl Readiness {
    /// Waits up to [`PATIENCE`] until requests can be served.
    ///
    /// # Errors
    /// [`RequestError::Opening`] when that takes longer, [`RequestError::Failed`] when the store cannot be used, [`RequestError::Read`] when its disk
    /// failed and it is not open again.
    pub async fn ready(readiness: &watch::Receiver<Readiness>, view: &View) -> Result<Arc<Core>, RequestError> {
        if let Readiness::Ready(core) = &*readiness.borrow()
            && !core.store.is_failing()
        {
            return Ok(view.core(core));
        }
        Ok(view.core(&Readiness::ready_by(readiness, Instant::now() + PATIENCE).await?))
    }

    async fn ready_by(readiness: &watch::Receiver<Readiness>, deadline: Instant) -> Result<Arc<Core>, RequestError> {
        let mut readiness = readiness.clone();
        if let Ok(outcome) = timeout_at(deadline, Readiness::usable(&mut readiness)).await {
            return outcome;
        }
        match &*readiness.borrow() {
            // The error of the read gives the reason, and that it may pass.
            Readiness::Ready(core) => core.snapshot().map(|_| Arc::clone(core)),
            Readiness::Opening | Readiness::Failed(_) => Err(RequestError::Opening),
        }
    }

    async fn usable(readiness: &mut watch::Receiver<Readiness>) -> Result<Arc<Core>, RequestError> {
        loop {
            let found = readiness.borrow_and_update().clone();
            match found {
                Readiness::Failed(failure) => return Err(RequestError::Failed(failure)),
                Readiness::Ready(core) if !core.store.is_failing() => return Ok(core),
                Readiness::Ready(core) => {
                    let mut health = core.store.health();
                    tokio::select! {
                        _ = health.wait_for(Health::is_well) => {}
                        changed = readiness.changed() => changed.map_err(|_| RequestError::Stopping)?,
                    }
                }
                Readiness::Opening => readiness.changed().await.map_err(|_| RequestError::Stopping)?,
            }
        }
    }

    /// Serves a request as soon as that is possible, waiting up to [`PATIENCE`]. If the disk fails meanwhile and the answer
    /// `is_worth_repeating`, the request is served again once the store is open, until the time is up.
    ///
    /// # Errors
    /// As [`Readiness::ready`].
    pub async fn serve<T, F: Future<Output = T>>(
        readiness: &watch::Receiver<Readiness>,
        view: &View,
        is_worth_repeating: impl Fn(&T) -> bool,
        serve: impl Fn(Arc<Core>) -> F,
    ) -> Result<T, RequestError> {
        let mut deadline = None;
        loop {
            let core = match deadline {
                None => Readiness::ready(readiness, view).await?,
                Some(deadline) => view.core(&Readiness::ready_by(readiness, deadline).await?),
            };
            let failures = core.store.failures();
            // The store may have failed since it was ready.
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
