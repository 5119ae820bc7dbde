//! Watches an account: finds out the account of the credentials and the regions to watch, and starts one watcher per scope.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use super::files;
use super::member::Member;
use super::scope::ScopeWatchers;
use super::scope_watcher::ScopeWatcher;
use super::settings::WatchSettings;
use super::tasks::Tasks;
use crate::aws::{Aws, AwsError, UnansweredCall};
use crate::freshness::{Signal, StatesWanted};
use crate::ingest::{IngestError, IngestHandle, WantedReceiver};
use crate::model::{
    AccountId, ErrorClass, Kind, KindSelection, Region, Scope, Timestamp, Trouble, TroubleClass, WatchSelection,
};
use crate::source::backoff::Patience;
use crate::source::referred::ReferredIds;

/// The pause between attempts to record which regions are watched.
pub(super) const NOTE_AGAIN: Duration = Duration::from_secs(1);

/// How often it is looked whether AWS leaves a call unanswered.
const LOOK: Duration = Duration::from_millis(200);

/// The time between queries of the account's regions.
const REGIONS_AGAIN: Duration = Duration::from_hours(1);

/// The time between queries of a silent STS.
const STS_AGAIN: Duration = Duration::from_secs(15);

/// Watches one account.
pub struct AccountWatcher {
    pub(super) aws: Aws,
    pub(super) ingest: IngestHandle,
    pub(super) scopes: Arc<ScopeWatchers>,
    /// Its place among several accounts; `None` where it is the only one.
    pub(super) member: Option<Member>,
}

impl AccountWatcher {
    /// Starts what needs no account: receiving from the queues given by URL, and dispatching wanted ids. `referred` returns, by the
    /// slug of a kind, the ids of that kind that other kinds refer to.
    #[must_use]
    pub fn start(
        settings: WatchSettings,
        referred: HashMap<&'static str, ReferredIds>,
        aws: Aws,
        ingest: IngestHandle,
        wanted: WantedReceiver,
        tasks: &Tasks,
    ) -> Self {
        let scopes = ScopeWatchers::start(settings, referred, &aws, &ingest, wanted, tasks, None);
        tasks.spawn_until_stopped("identity", ask_silent(aws.clone()));
        tasks.spawn_until_stopped("the configuration files", files::follow(aws.clone(), ingest.clone()));
        AccountWatcher { aws, ingest, scopes: Arc::new(scopes), member: None }
    }

    /// Asks AWS for the account until it answers; answers show the reason for the delay meanwhile.
    pub async fn account(&self) -> AccountId {
        // If one region is down, the others can answer.
        let account = self.member.as_ref().map(Member::account);
        // A member whose account is not known yet holds nothing.
        if account != Some(None) {
            let wanted = StatesWanted { account: account.as_ref().and_then(Option::as_ref), ..StatesWanted::default() };
            let known = self.ingest.freshness().those(&wanted);
            self.aws.watch_also(known.into_iter().map(|state| state.scope.region));
        }
        let (mut patience, mut tries) = (Patience::default(), self.ingest.freshness().tries());
        let since = self.aws.clock().now();
        loop {
            tries.mark_unchanged();
            let mut turn = match &self.member {
                Some(member) => self.scopes.turns.identity(self.asked(member)).await,
                None => None,
            };
            let mut asking = Box::pin(self.aws.account());
            let answer = tokio::select! {
                answer = &mut asking => answer,
                unanswered = self.unanswered() => {
                    // What does not answer holds up no other account.
                    drop(turn.take());
                    tracing::warn!("{unanswered}");
                    let fix = "Check the network, and AWS_ENDPOINT_URL if it is set. Muster goes on waiting.".to_owned();
                    let class = ErrorClass::Transient.into();
                    let trouble = Trouble { class, what: unanswered.to_string(), fix, since, retry_at: None };
                    self.unreached(trouble).await;
                    asking.await
                }
            };
            drop(turn);
            match answer {
                Ok(account) => {
                    self.report(None);
                    return account;
                }
                Err(error) => {
                    tracing::warn!(%error, fix = error.fix(), "AWS does not say which account this is");
                    let pause = patience.failed(&error);
                    let trouble = error.to_trouble(since).retried_at(self.aws.clock().now() + pause);
                    self.unreached(trouble).await;
                    called_within(&mut tries, pause).await;
                }
            }
        }
    }

    /// Waits until somebody waits for the account.
    async fn asked(&self, member: &Member) {
        let freshness = self.ingest.freshness();
        let mut asked = freshness.asked();
        loop {
            asked.mark_unchanged();
            if member.held().is_some_and(|account| freshness.is_account_ahead(&account)) {
                return;
            }
            if asked.changed().await.is_err() {
                return std::future::pending().await;
            }
        }
    }

    /// Waits until AWS has left a call unanswered for a while.
    async fn unanswered(&self) -> UnansweredCall {
        loop {
            sleep(LOOK).await;
            if let Some(unanswered) = self.aws.unanswered() {
                return unanswered;
            }
        }
    }

    /// Watches the account's scopes from now on. When other kinds are chosen, all of them begin anew.
    pub async fn watch(mut self, account: AccountId) {
        let (tasks, mut kinds) = (self.scopes.tasks.clone(), self.scopes.kinds.clone());
        let mut is_again = false;
        loop {
            let watched = kinds.borrow_and_update().clone();
            // What was watched before goes on until it is recorded.
            self.note_kinds(&kinds).await;
            if is_again {
                self.scopes.tasks.end();
                self.scopes.dispatcher.forget_ended();
            }
            self.scopes = Arc::new(self.scopes.of_kinds(&watched, tasks.part()));
            let watching = async {
                self.watch_regions(&account, is_again).await;
                std::future::pending::<()>().await;
            };
            let chosen = async {
                // Nobody can choose any more.
                if kinds.changed().await.is_err() {
                    std::future::pending::<()>().await;
                }
            };
            tokio::select! {
                biased;
                () = chosen => {}
                () = watching => {}
            }
            is_again = true;
        }
    }

    /// Watches the account's scopes; if all regions are watched, AWS's list is queried again now and then. Each scope has its own
    /// tasks: a failing one does not hold up the others. With `is_again`, the regions that are known are watched at once.
    async fn watch_regions(&self, account: &AccountId, mut is_again: bool) {
        let aws = &self.aws;
        let (mut watched, mut patience, since) = (BTreeSet::new(), Patience::default(), aws.clock().now());
        let mut tries = self.ingest.freshness().tries();
        loop {
            let is_listed = std::mem::take(&mut is_again) || !aws.watches_all();
            let listed = if is_listed { Ok(aws.regions()) } else { Box::pin(aws.enabled_regions()).await };
            let regions = aws.regions();
            if regions.iter().any(|region| !watched.contains(region)) {
                Box::pin(self.note(account, &regions)).await;
            }
            for region in regions.into_iter().filter(|region| watched.insert(region.clone())) {
                ScopeWatcher::start(&self.scopes, Scope { account: account.clone(), region });
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
            self.report(trouble);
            called_within(&mut tries, pause).await;
        }
    }

    /// Records durably that exactly these regions are watched from now on, retrying until it succeeds: observations of a region
    /// recorded as no longer watched are not recorded.
    async fn note(&self, account: &AccountId, regions: &[Region]) {
        let record = async || match &self.member {
            Some(member) => member.watches(account, regions, &self.ingest).await,
            None => self.ingest.watch_only(WatchSelection::regions(regions.iter().cloned())).await,
        };
        while let Err(error) = record().await {
            self.unrecorded("regions", &error).await;
        }
    }

    /// The same of kinds.
    async fn note_kinds(&self, chosen: &watch::Receiver<KindSelection>) {
        while let Err(error) = self.ingest.watch_kinds(chosen).await {
            self.unrecorded("kinds", &error).await;
        }
    }

    /// Reports for a moment that what is watched cannot be recorded.
    async fn unrecorded(&self, what: &str, error: &IngestError) {
        tracing::error!(%error, what, "cannot record what is watched: it is not swept yet");
        let now = self.aws.clock().now();
        self.report(Some(Trouble {
            class: TroubleClass::Store,
            what: format!("the watched {what} cannot be recorded: {error}"),
            fix: "Check the disk that holds the store; this is tried again every second.".to_owned(),
            since: now,
            retry_at: Some(now + NOTE_AGAIN),
        }));
        sleep(NOTE_AGAIN).await;
        self.report(None);
    }

    /// Reports that nothing of the account can be observed.
    async fn unreached(&self, trouble: Trouble) {
        match &self.member {
            Some(member) => {
                let kinds: Vec<Kind> = self.scopes.chosen().into_iter().map(|(spec, _)| spec.kind()).collect();
                member.unreached(trouble, &self.ingest, &kinds).await;
            }
            None => self.ingest.signal(Signal::Aws(Some(trouble))),
        }
    }

    /// Reports trouble of the account that leaves its scopes as they are.
    fn report(&self, trouble: Option<Trouble>) {
        match &self.member {
            Some(member) => member.report(trouble, &self.ingest),
            None => self.ingest.signal(Signal::Aws(trouble)),
        }
    }
}

/// AWS does not list the regions: the known ones are watched, and answers report that there may be more.
fn unlisted(error: &AwsError, since: Timestamp) -> Trouble {
    tracing::warn!(%error, fix = error.fix(), "AWS does not list the account's regions");
    let trouble = error.to_trouble(since);
    Trouble { what: format!("not all regions may be watched: {}", trouble.what), ..trouble }
}

/// Asks STS again in the regions where it did not name the account.
pub(super) async fn ask_silent(aws: Aws) {
    loop {
        sleep(STS_AGAIN).await;
        aws.ask_silent().await;
    }
}

/// Waits until somebody asks to retry whatever failed, but no longer than `pause`.
async fn called_within(tries: &mut watch::Receiver<u64>, pause: Duration) {
    // Nobody can ask any more: only the pause remains.
    if let Ok(Err(_)) = timeout(pause, tries.changed()).await {
        sleep(pause).await;
    }
}
