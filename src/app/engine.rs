//! The engine: the writer, the sweeps and the hub, which turn an open store and a connection to AWS into a served inventory.
//!
//! ```text
//! watch: identify the account --> one sweeper a (scope, kind) --> ingest (its own thread) --> store, hub
//! ```
//!
//! No failure of AWS ends it. Without credentials or network it asks for the account again and again. Meanwhile it serves what the
//! store holds as stale, with the reason.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime;
use tokio::sync::watch;
use tokio::task::{JoinError, spawn_blocking};
use tokio::time::{sleep, timeout};
use tokio_util::task::TaskTracker;

use super::account_names;
use super::discovery::Discovery;
use super::redaction;
use super::references::{last_change, listened, referred_ids};
use super::reload::WatchSources;
use crate::audit::{self, AuditProgress};
use crate::aws::{AccountSources, Aws, AwsSettings};
use crate::config::Config;
use crate::connection::kept_accounts;
use crate::freshness::EventRules;
use crate::ingest::{Ingest, IngestHandle, KindEntry};
use crate::kinds::rules::CALLS;
use crate::kinds::{self, KINDS, KindSpec};
use crate::mcp::Core;
use crate::mcp::key_book::KeyBook;
use crate::mcp::touched::TouchBook;
use crate::model::{AccountId, Kind, KindRules, KindSelection, Region, SharedClock, WatchSelection};
use crate::notify::ChangeHub;
use crate::query::changes::BaselineRuns;
use crate::query::prices::{PriceTable, PricesError};
use crate::store::{self, CommitError, Health, OpenError, ReadError, Retention, Store, Writer};
use crate::telemetry;
use crate::watch::account::AccountWatcher;
use crate::watch::members::MembersWatcher;
use crate::watch::quiet::QuietRule;
use crate::watch::settings::WatchSettings;
use crate::watch::tasks::Tasks;

/// How long the writer may take to end: it finishes the commit it is at, and saves how far sweeps had come.
const WRITER_ENDS: Duration = Duration::from_millis(700);

/// How long the audit file may take to get its last lines; what is missing then is written at the next start.
const AUDIT_ENDS: Duration = Duration::from_millis(300);

/// How long calls that change AWS have to end before a server does.
const WRITES: Duration = Duration::from_secs(10);

/// How long the answer to such a call has to reach its client, from when it is known.
const ANSWERED: Duration = Duration::from_millis(200);

/// How long to wait before reading the store's account again.
const ASK_AGAIN: Duration = Duration::from_secs(1);

/// Everything that keeps a store up to date and serves it.
pub struct Engine {
    core: Arc<Core>,
    sweeps: Tasks,
    tools: TaskTracker,
    writer: Tasks,
    auditing: Tasks,
    /// Turns true when the writer has ended, whatever the reason.
    ended: watch::Receiver<bool>,
    /// Where the accounts come from that are watched, where there are several.
    accounts: watch::Sender<AccountSources>,
    /// The kinds that are watched.
    kinds: watch::Sender<KindSelection>,
    /// Set when the credentials belong to another account than the store.
    foreign: watch::Receiver<Option<Arc<Foreign>>>,
}

/// Why the engine does not run.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The store cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The store opened but cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// It cannot be recorded which regions are watched.
    #[error(transparent)]
    Watch(#[from] CommitError),
    /// The prices that were given cannot be used.
    #[error(transparent)]
    Prices(#[from] PricesError),
    /// The credentials belong to another account than the store.
    #[error(transparent)]
    Foreign(Arc<Foreign>),
    /// The disk failed, and the file that was found afterwards is not the store.
    #[error(transparent)]
    Lost(Arc<OpenError>),
    /// Opening panicked.
    #[error("opening the store failed by a fault of Muster: report it with the log; the store was left as it is")]
    Panicked(#[from] JoinError),
}

/// The credentials belong to another account than the resources in the store. Two accounts are never mixed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the data directory {} holds the inventory of account {stored}, but the AWS credentials are of account {found}",
    data_dir.display()
)]
pub struct Foreign {
    /// The data directory.
    pub data_dir: PathBuf,
    /// Whose resources the store holds.
    pub stored: AccountId,
    /// Whose credentials these are.
    pub found: AccountId,
}

impl Foreign {
    /// Says what to do.
    #[must_use]
    pub fn fix(&self) -> String {
        let Foreign { data_dir, stored, found } = self;
        let data_dir = data_dir.display();
        format!(
            "For account {found}, name another data directory with --data-dir or MUSTER_DATA_DIR. For account {stored}, give its \
             credentials again: this server checks for them every few seconds. The inventory of {stored} stays as it is, and can be \
             read without AWS once this server has stopped, such as with `muster search --data-dir {data_dir}`"
        )
    }
}

/// The prices of the file that the configuration names; `None` where it names none.
///
/// # Errors
/// [`PricesError`], which names the file and what is wrong with it.
pub(super) fn given_prices(config: &Config) -> Result<Option<Arc<PriceTable>>, PricesError> {
    config.prices.as_deref().map(|path| PriceTable::read(path).map(Arc::new)).transpose()
}

impl Engine {
    /// Opens the store in the data directory, connects to AWS, and starts.
    ///
    /// # Errors
    /// [`StartError`]. A failure of AWS is not one of them.
    pub async fn open(config: &Config, hub: ChangeHub) -> Result<Self, StartError> {
        let options = store::StoreOptions::new(&config.data_dir, kinds::project);
        let options = store::StoreOptions { reserve_bytes: config.keep_free, ..options };
        let secrets = {
            let config = config.clone();
            spawn_blocking(move || config.secrets(&redaction::key(&config.data_dir))).await?
        };
        let settings = AwsSettings { secrets: Arc::new(secrets), ..config.aws_settings() };
        // Finding the region may ask the metadata service, which takes seconds where there is none.
        let (opened, aws) = tokio::join!(spawn_blocking(move || store::open(options)), Aws::load(settings));
        Engine::start(config, opened??, aws, hub)
    }

    /// Starts the writer and the sweeps, and builds the index in the background.
    fn start(
        config: &Config,
        (mut writer, store): (Writer, Store),
        aws: Aws,
        hub: ChangeHub,
    ) -> Result<Self, StartError> {
        let prices = given_prices(config)?;
        let clock = aws.clock();
        if config.account_sources().is_empty()
            && let Some(regions) = watched_regions(&aws, &store)?
        {
            writer.assume_watched(&WatchSelection::regions(regions), clock.now())?;
        }
        let writing = Tasks::new();
        let stop = writing.stopping();
        let entries = KINDS.iter().map(|spec| entry(spec, config)).collect();
        let (ingest, handle, wanted) = Ingest::new(writer, hub.clone(), Arc::clone(&clock), entries, stop)?;
        let retention = Retention { age: config.retain_age, bytes: config.retain_size };
        let ended = write(&writing, ingest.retaining(retention).of_kinds(&config.kinds)?);
        let sweeping = Tasks::new();
        sweeping.spawn_until_stopped("the index", index(store.clone()));
        let referred = KINDS.iter().filter_map(|spec| Some((spec.slug, referred_ids(&store, spec)?))).collect();
        let (refusing, foreign) = watch::channel(None);
        let (accounts, sources) = watch::channel(config.account_sources());
        let (kinds, chosen) = watch::channel(config.kinds.clone());
        sweeping.spawn_until_stopped("the kinds", follow_kinds(handle.clone(), chosen.clone()));
        let settings = WatchSettings { kinds: chosen, ..watching(config, &store, &hub, &clock) };
        let (connection, ingest) = (aws.clone(), handle.clone());
        if sources.borrow().is_empty() {
            let watcher = AccountWatcher::start(settings, referred, connection, ingest, wanted, &sweeping);
            let owner = StoreOwner { store: store.clone(), data_dir: config.data_dir.clone(), refusing };
            sweeping.spawn_until_stopped("the watch", watch_account(watcher, owner));
        } else {
            let (by, dir) = (connection.clone(), config.data_dir.clone());
            let discovery = Discovery::new(by, ingest.clone(), Arc::clone(&clock), dir, sources);
            let (plans, followed) = watch::channel(discovery.plans());
            let known = watch::Sender::new(kept_accounts::read(&config.data_dir));
            let kept = account_names::keep(known.subscribe(), config.data_dir.clone(), sweeping.stopping());
            sweeping.spawn("the names of accounts", kept);
            let watcher = MembersWatcher::start(settings, referred, connection, ingest, wanted, &sweeping, known);
            sweeping.spawn_until_stopped("the watch", watcher.watch(followed));
            sweeping.spawn_until_stopped("the organization", discovery.run(plans));
        }
        let tools = TaskTracker::new();
        let auditing = Tasks::new();
        let audit = audit_file(config, &store, &hub, &auditing);
        let core = Arc::new(Core {
            store,
            ingest: handle,
            hub,
            aws,
            clock,
            tasks: tools.clone(),
            looks: Arc::default(),
            touched: TouchBook::default(),
            baselines: BaselineRuns::default(),
            dropped_log_lines: telemetry::dropped,
            keys: KeyBook::default(),
            ends: Arc::default(),
            audit,
            prices,
        });
        Ok(Engine { core, sweeps: sweeping, tools, writer: writing, auditing, ended, accounts, kinds, foreign })
    }

    /// Watches what these sources say from now on: their kinds, and their accounts, where there are several. What is known of others
    /// stays, and is no longer kept up to date.
    pub fn watch(&self, WatchSources { accounts, kinds }: WatchSources) {
        self.accounts.send_if_modified(|known| replaced(known, accounts));
        self.kinds.send_if_modified(|known| replaced(known, kinds));
    }

    /// Returns what requests need.
    #[must_use]
    pub fn core(&self) -> &Arc<Core> {
        &self.core
    }

    /// Waits until the writer ends. Before [`Engine::close`] that means that it failed: by itself, or (then the reason is
    /// returned) because what was found when the store was opened again is not the store.
    pub async fn ended(&self) -> Option<Arc<OpenError>> {
        // An error means that the writer's thread dropped its end: it has ended as well.
        drop(self.ended.clone().wait_for(|ended| *ended).await);
        match &*self.core.store.health().borrow() {
            Health::Lost(error) => Some(Arc::clone(error)),
            Health::Well | Health::Failed => None,
        }
    }

    /// Waits until the credentials turn out to be another account's than the store's. Nothing is swept then.
    pub async fn foreign(&self) -> Arc<Foreign> {
        let mut foreign = self.foreign.clone();
        let found = foreign.wait_for(Option::is_some).await.ok().and_then(|found| found.clone());
        match found {
            Some(found) => found,
            // The watcher has ended, so the account will not be found foreign.
            None => std::future::pending().await,
        }
    }

    /// Waits until the calls that change AWS have ended, each with its whole answer, but no longer than [`WRITES`]. Sweeps go on.
    pub async fn finish_writes(&self) {
        if self.tools.is_empty() {
            return;
        }
        tracing::info!(calls = self.tools.len(), "waiting for calls that change AWS to end");
        // More can begin meanwhile; they are waited for as well.
        self.tools.close();
        if timeout(WRITES, self.tools.wait()).await.is_ok() {
            sleep(ANSWERED).await;
        }
    }

    /// Ends the sweeps, and waits until running tool calls have recorded AWS's answers.
    pub async fn quiesce(&self, patience: Duration) {
        let calls = async {
            self.tools.close();
            self.tools.wait().await;
        };
        let (hung, calls) = tokio::join!(self.sweeps.stop(patience), timeout(patience, calls));
        if !hung.is_empty() || calls.is_err() {
            tracing::warn!(?hung, tools = calls.is_err(), "still under way; not waited for");
        }
    }

    /// Ends the writer, which saves how far sweeps had come. Returns the names of tasks that did not end in time.
    pub async fn close(self) -> Vec<&'static str> {
        let mut hung = self.writer.stop(WRITER_ENDS).await;
        hung.extend(self.auditing.stop(AUDIT_ENDS).await);
        hung
    }
}

/// Puts another value in the place of one. Returns whether it was another.
fn replaced<T: PartialEq>(known: &mut T, now: T) -> bool {
    let is_other = *known != now;
    *known = now;
    is_other
}

/// Has answers and observations go by the kinds that are chosen, also while AWS cannot be reached. The watchers of accounts record them.
async fn follow_kinds(ingest: IngestHandle, mut chosen: watch::Receiver<KindSelection>) {
    chosen.mark_unchanged();
    while chosen.changed().await.is_ok() {
        while let Err(error) = ingest.assume_kinds(&chosen).await {
            tracing::error!(%error, "the kinds that are watched cannot be changed yet");
            sleep(ASK_AGAIN).await;
        }
    }
}

/// Follows the log into the audit file, if one is configured.
fn audit_file(config: &Config, store: &Store, hub: &ChangeHub, tasks: &Tasks) -> AuditProgress {
    let Some(options) = config.audit.clone() else { return AuditProgress::default() };
    let progress = AuditProgress::of(&options);
    let (data_dir, stop) = (config.data_dir.clone(), tasks.stopping());
    let following = audit::follow(store.clone(), hub.clone(), options, data_dir, progress.clone(), stop);
    tasks.spawn("the audit file", following);
    progress
}

/// Makes the hub that notifies subscribers of changes. It outlives an engine whose store was lost, as its subscribers do.
#[must_use]
pub fn hub() -> ChangeHub {
    ChangeHub::new(parts())
}

/// The regions that are going to be watched once the account is known; `None` while that is not known.
fn watched_regions(aws: &Aws, store: &Store) -> Result<Option<Vec<Region>>, ReadError> {
    let regions = if aws.watches_all() {
        // Also those that AWS lists no more: their sweeps say why they fail.
        store.snapshot()?.scopes()?.into_iter().map(|scope| scope.region).collect()
    } else {
        aws.regions()
    };
    Ok(Some(regions).filter(|regions| !regions.is_empty()))
}

/// Runs the writer on a thread of its own.
fn write(tasks: &Tasks, ingest: Ingest) -> watch::Receiver<bool> {
    let (ending, ended) = watch::channel(false);
    let runtime = runtime::Handle::current();
    tasks.spawn_blocking("the writer", move || {
        // Dropped with the closure, also when it panics.
        let _ending = ending;
        if let Err(error) = ingest.run(&runtime) {
            tracing::error!(%error, "the writer ended without saving how far sweeps had come; the next start sweeps anew");
        }
    });
    ended
}

/// Builds the index, from the start again when the disk fails meanwhile.
async fn index(store: Store) {
    loop {
        let (failures, building) = (store.failures(), store.clone());
        // A panic is logged where it happens.
        let Ok(Err(error)) = spawn_blocking(move || building.build_index()).await else { return };
        tracing::error!(%error, "no index: searches read the store instead, which is slower");
        if store.failures() == failures || store.health().wait_for(Health::is_well).await.is_err() {
            return;
        }
    }
}

/// Finds out whose resources the store holds.
struct StoreOwner {
    store: Store,
    data_dir: PathBuf,
    refusing: watch::Sender<Option<Arc<Foreign>>>,
}

impl StoreOwner {
    /// Waits until the store can be read, and says whether it holds another account's resources.
    async fn foreign(&self, account: &AccountId) -> Option<Foreign> {
        loop {
            let failures = self.store.failures();
            match self.store.snapshot().and_then(|snapshot| snapshot.scopes()) {
                Ok(scopes) => {
                    let stored = scopes.into_iter().map(|scope| scope.account).find(|stored| stored != account)?;
                    return Some(Foreign { data_dir: self.data_dir.clone(), stored, found: account.clone() });
                }
                Err(error) => {
                    tracing::error!(%error, "cannot read which account the store holds: nothing is swept yet");
                    if self.store.failures() == failures {
                        sleep(ASK_AGAIN).await;
                    }
                    drop(self.store.health().wait_for(Health::is_well).await);
                }
            }
        }
    }
}

/// Watches the account of the credentials, unless the store holds another's resources.
async fn watch_account(watcher: AccountWatcher, owner: StoreOwner) {
    let account = watcher.account().await;
    if let Some(foreign) = owner.foreign(&account).await {
        tracing::error!(error = %foreign, fix = foreign.fix(), "nothing is swept");
        owner.refusing.send_replace(Some(Arc::new(foreign)));
        return std::future::pending().await;
    }
    watcher.watch(account).await;
}

/// Kinds that are served as part of another: an instance's status checks are part of the instance.
fn parts() -> Vec<(Kind, Kind)> {
    let whole = |spec: &KindSpec| Some((spec.kind(), kinds::by_slug(spec.status_of?)?.kind()));
    KINDS.iter().filter_map(|spec| whole(spec)).collect()
}

pub(super) fn entry(spec: &KindSpec, config: &Config) -> KindEntry {
    KindEntry {
        kind: spec.kind(),
        rules: KindRules { absence_after: config.absence_after, ..spec.rules() },
        interval: interval(spec, config),
        event_rules: event_rules(spec, config),
    }
}

/// The rules whose events together tell of a kind's every change, and how often it is swept while they are proved.
fn event_rules(spec: &KindSpec, config: &Config) -> Option<EventRules> {
    let every = config.relaxed.get(spec.slug).copied().or(spec.relaxed)?;
    let trail = spec.event_rules.iter().copied().find(|slug| *slug == CALLS);
    Some(EventRules { interval: every.max(interval(spec, config)), rules: spec.event_rules, trail })
}

/// How the account is watched.
fn watching(config: &Config, store: &Store, hub: &ChangeHub, clock: &SharedClock) -> WatchSettings {
    let quiet = QuietRule {
        interval: config.quiet_interval,
        after: config.quiet_after,
        last_change: last_change(store, clock, config.quiet_after),
        is_listened: listened(store, hub),
    };
    WatchSettings {
        kinds: watch::channel(config.kinds.clone()).1,
        intervals: KINDS.iter().map(|spec| (*spec, interval(spec, config))).collect(),
        queues: config.queues.clone(),
        events: config.events.clone(),
        canary_interval: config.canary_interval,
        quiet: (!config.account_sources().is_empty()).then_some(quiet),
    }
}

fn interval(spec: &KindSpec, config: &Config) -> Duration {
    config.intervals.get(spec.slug).copied().unwrap_or(spec.interval)
}
