//! Watches an account: finds out whose the credentials are and which regions to watch, and starts one watcher a scope.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use super::listener::EventListener;
use super::refresh::Dispatcher;
use super::scope::ScopeWatchers;
use super::settings::WatchSettings;
use super::tasks::Tasks;
use crate::aws::{Aws, AwsError};
use crate::freshness::Signal;
use crate::ingest::{Handle, WantedReceiver};
use crate::model::{AccountId, Region, Scope, Timestamp, Trouble, TroubleClass};
use crate::source::backoff::Patience;
use crate::source::referred::ReferredIds;

/// How long after a failure the writer is asked again to note which regions are watched.
const NOTE_AGAIN: Duration = Duration::from_secs(1);

/// From one time that AWS is asked for the account's regions to the next.
const REGIONS_AGAIN: Duration = Duration::from_hours(1);

/// From one time that a silent STS is asked again to the next.
const STS_AGAIN: Duration = Duration::from_secs(15);

/// Watches one account.
pub struct AccountWatcher {
    aws: Aws,
    ingest: Handle,
    scopes: ScopeWatchers,
}

impl AccountWatcher {
    /// Starts what needs no account: receiving from the queues that were named, and passing on which ids are wanted. `referred` answers
    /// by the slug of a kind that is asked for by id too which ids those are.
    #[must_use]
    pub fn start(
        settings: WatchSettings,
        referred: HashMap<&'static str, ReferredIds>,
        aws: Aws,
        ingest: Handle,
        wanted: WantedReceiver,
        tasks: &Tasks,
    ) -> Self {
        let dispatcher = Dispatcher::default();
        tasks.spawn_until_stopped("the dispatcher", dispatcher.clone().run(wanted));
        let listener = EventListener::new(&settings);
        listener.receive(&aws, &ingest, tasks);
        tasks.spawn_until_stopped("identity", ask_silent(aws.clone()));
        let scopes = ScopeWatchers {
            aws: aws.clone(),
            ingest: ingest.clone(),
            tasks: tasks.clone(),
            dispatcher,
            listener,
            intervals: settings.intervals,
            referred,
        };
        AccountWatcher { aws, ingest, scopes }
    }

    /// Asks AWS for the account until it answers; what keeps it from answering shows in every answer meanwhile.
    pub async fn account(&self) -> AccountId {
        // Where one region is down, the others can tell.
        let known = self.ingest.freshness().scopes();
        self.aws.watch_also(known.into_iter().map(|state| state.scope.region));
        let (mut patience, mut tries) = (Patience::default(), self.ingest.freshness().tries());
        let since = self.aws.clock().now();
        loop {
            tries.mark_unchanged();
            match self.aws.account().await {
                Ok(account) => {
                    self.ingest.signal(Signal::Aws(None));
                    return account;
                }
                Err(error) => {
                    tracing::warn!(%error, fix = error.fix(), "AWS does not say which account this is");
                    let pause = patience.failed(&error);
                    let trouble = error.to_trouble(since).retried_at(self.aws.clock().now() + pause);
                    self.ingest.signal(Signal::Aws(Some(trouble)));
                    called_within(&mut tries, pause).await;
                }
            }
        }
    }

    /// Watches the account's scopes from now on; where all regions are watched, those that AWS lists, asked for again now and then. Each
    /// scope has tasks of its own: one that fails holds up no other.
    pub async fn watch(self, account: AccountId) {
        let aws = &self.aws;
        let (mut watched, mut patience, since) = (BTreeSet::new(), Patience::default(), aws.clock().now());
        let mut tries = self.ingest.freshness().tries();
        loop {
            let listed = if aws.watches_all() { aws.enabled_regions().await } else { Ok(aws.regions()) };
            let regions = aws.regions();
            if regions.iter().any(|region| !watched.contains(region)) {
                self.note(&regions).await;
            }
            for region in regions.into_iter().filter(|region| watched.insert(region.clone())) {
                self.scopes.start(Scope { account: account.clone(), region });
            }
            if !aws.watches_all() {
                return;
            }
            tries.mark_unchanged();
            let (trouble, pause) = match &listed {
                Ok(_) => {
                    patience.succeeded();
                    (None, REGIONS_AGAIN)
                }
                Err(error) => {
                    let pause = patience.failed(error);
                    (Some(unlisted(error, since).retried_at(aws.clock().now() + pause)), pause)
                }
            };
            self.ingest.signal(Signal::Aws(trouble));
            called_within(&mut tries, pause).await;
        }
    }

    /// Notes durably that these regions are watched from now on, and no others, however often it takes: nothing is recorded of a
    /// region that is noted as no longer watched.
    async fn note(&self, regions: &[Region]) {
        while let Err(error) = self.ingest.watch_only(regions.to_vec()).await {
            tracing::error!(%error, "cannot note which regions are watched: they are not swept yet");
            let now = self.aws.clock().now();
            self.ingest.signal(Signal::Aws(Some(Trouble {
                class: TroubleClass::Store,
                what: format!("it cannot be noted which regions are watched: {error}"),
                fix: "Check the disk that holds the store; this is tried again every second.".to_owned(),
                since: now,
                retry_at: Some(now + NOTE_AGAIN),
            })));
            sleep(NOTE_AGAIN).await;
            self.ingest.signal(Signal::Aws(None));
        }
    }
}

/// AWS does not say which regions there are: those known so far are watched, and answers say that there may be more.
fn unlisted(error: &AwsError, since: Timestamp) -> Trouble {
    tracing::warn!(%error, fix = error.fix(), "AWS does not list the account's regions");
    let trouble = error.to_trouble(since);
    Trouble { what: format!("not all regions may be watched: {}", trouble.what), ..trouble }
}

/// Asks STS again where it does not say whose the credentials are.
async fn ask_silent(aws: Aws) {
    loop {
        sleep(STS_AGAIN).await;
        aws.ask_silent().await;
    }
}

/// Waits until somebody wants what failed tried at once, but no longer than `pause`.
async fn called_within(tries: &mut watch::Receiver<u64>, pause: Duration) {
    // Nobody can call any more: only the time is left to wait for.
    if let Ok(Err(_)) = timeout(pause, tries.changed()).await {
        sleep(pause).await;
    }
}
