//! The connection to AWS that the rest of Muster holds.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::{ArcSwap, ArcSwapOption};

use super::account::Account;
use super::accounts::Accounts;
use super::clock::AwsClock;
use super::held_keys::HeldKeys;
use super::limiter::{CallCount, CountedCalls, Limiter, UnansweredCall};
use super::origin::Origin;
use super::profiles::FileFault;
use super::sdk::{Sdk, SharedParts};
use super::settings::{AwsSettings, Purpose};
use crate::model::{CountedDurations, KnownAccounts, KnownOrganization, Region, Scope, SecretTags, SharedClock};

/// After this long a call counts as unanswered: less than what a request waits for a first sweep, so that its answer can say so.
const SILENT: Duration = Duration::from_secs(4);

/// A connection to AWS. Clones share clients, limits and clock.
///
/// Every call is for a [`Scope`]: its account picks the credentials, its region the endpoint.
#[derive(Clone, Debug)]
pub struct Aws(pub(super) Arc<SharedConnection>);

/// What the clones of an [`Aws`] share.
#[derive(Debug)]
pub(super) struct SharedConnection {
    pub(super) clock: Arc<AwsClock>,
    /// What the configurations of all accounts share.
    pub(super) shared: SharedParts,
    pub(super) limiter: Arc<Limiter>,
    pub(super) accounts: Accounts<Account>,
    pub(super) secrets: Arc<SecretTags>,
    /// What people call the watched accounts.
    pub(super) known: Arc<ArcSwap<KnownAccounts>>,
    /// What the last listing of the organization showed, where there is one.
    pub(super) organization: Arc<ArcSwapOption<KnownOrganization>>,
}

impl Aws {
    /// Connects as configured. Missing credentials or regions are reported by the first call.
    ///
    /// If no region is in the settings, environment or profile, this asks the instance metadata service, which can take a few
    /// seconds where there is none.
    pub async fn load(settings: AwsSettings) -> Self {
        let shared = SharedParts::default();
        let sdk = Sdk::load(&settings, &shared).await;
        Aws::with(settings, sdk, shared)
    }

    #[cfg(test)]
    pub(super) fn new(settings: AwsSettings, sdk: Sdk, clock: Arc<AwsClock>) -> Self {
        Aws::with(settings, sdk, SharedParts::of(clock))
    }

    fn with(settings: AwsSettings, sdk: Sdk, shared: SharedParts) -> Self {
        let clock = Arc::clone(&shared.clock);
        let limiter = Arc::new(Limiter::new(settings.share_percent));
        let secrets = Arc::clone(&settings.secrets);
        let accounts = Accounts::one(Account::new(settings, sdk, shared.clone()));
        let (known, organization) = (Arc::default(), Arc::default());
        Aws(Arc::new(SharedConnection { clock, shared, limiter, accounts, secrets, known, organization }))
    }

    /// The watched regions; the first is the default. Empty if none is configured: every call then reports that. If all regions of
    /// the account are watched, these are the ones that AWS listed last; before that, the one that is asked for the list.
    #[must_use]
    pub fn regions(&self) -> Vec<Region> {
        if self.home().settings.purpose == Purpose::Source {
            let others = self.0.accounts.others();
            let regions: BTreeSet<Region> = others.values().flat_map(|account| account.regions()).collect();
            return regions.into_iter().collect();
        }
        self.home().regions()
    }

    /// Where the credentials come from: where they were last loaded, or where they will be looked for first.
    #[must_use]
    pub fn origin(&self) -> Origin {
        self.home().loaded().seen.get()
    }

    /// Whether clients of tools that change AWS get a source identity: their role has to be one that Muster assumes itself, by a
    /// profile with `source_profile`.
    #[must_use]
    pub fn has_source_identity(&self) -> bool {
        self.home().loaded().has_source_identity()
    }

    /// Uses these keys from now on, where the credentials are keys in the environment.
    pub async fn hold(&self, keys: &HeldKeys) {
        self.home().hold(keys).await;
    }

    /// All faults of AWS's configuration files, whether or not they matter.
    #[must_use]
    pub fn file_faults(&self) -> Vec<FileFault> {
        self.home().loaded().faults.clone()
    }

    /// Whether credentials or the region have to come from AWS's configuration files.
    #[must_use]
    pub fn needs_files(&self) -> bool {
        self.home().loaded().needs_files
    }

    /// Notes that AWS's configuration files have changed: whoever depends on them reads them again before the next call.
    pub async fn files_changed(&self) {
        self.0.shared.files_changed().await;
    }

    /// Which tags hold secrets. Documents come without them; whatever else holds tags of AWS has to pass here too.
    #[must_use]
    pub fn secrets(&self) -> &SecretTags {
        &self.0.secrets
    }

    /// The clock that follows AWS's time.
    #[must_use]
    pub fn clock(&self) -> SharedClock {
        Arc::clone(&self.0.clock) as SharedClock
    }

    /// How far AWS's clock is ahead of this machine's, in milliseconds; negative when it is behind.
    #[must_use]
    pub fn clock_offset_millis(&self) -> i64 {
        self.0.clock.offset_millis()
    }

    /// The calls since this process started, by account, region and action, with their limits.
    #[must_use]
    pub fn calls(&self) -> Vec<CallCount> {
        self.0.limiter.calls()
    }

    /// The calls that have ended since this process started, by action. No count ever falls.
    #[must_use]
    pub fn call_totals(&self) -> Vec<CountedCalls> {
        self.0.limiter.totals()
    }

    /// How long calls waited until Muster's share of AWS's limits let them go, by the name of their priority.
    #[must_use]
    pub fn limiter_waits(&self) -> Vec<(&'static str, CountedDurations)> {
        self.0.limiter.waits()
    }

    /// The lowest present rate of each action as a part of Muster's share, of all accounts and regions that are called.
    #[must_use]
    pub fn paces(&self) -> BTreeMap<&'static str, f64> {
        self.0.limiter.paces()
    }

    /// Keeps next to nothing of the calls of a scope, because none was made in the last minute and none will be for long.
    pub fn rest(&self, scope: &Scope) {
        self.0.limiter.rest(scope);
    }

    /// The call that AWS has not answered for the longest time, if for [`SILENT`] at least.
    #[must_use]
    pub fn unanswered(&self) -> Option<UnansweredCall> {
        let home = self.home();
        let own = (home.settings.purpose == Purpose::Member).then(|| home.scope(Region::new("")).account);
        self.0.limiter.unanswered(SILENT, own.as_ref())
    }

    /// What people call the watched accounts.
    #[must_use]
    pub fn known_accounts(&self) -> Arc<KnownAccounts> {
        self.0.known.load_full()
    }

    /// What the last listing of the organization showed; `None` where no accounts are found in one.
    #[must_use]
    pub fn known_organization(&self) -> Option<Arc<KnownOrganization>> {
        self.0.organization.load_full()
    }

    /// The account of the configured credentials.
    pub(super) fn home(&self) -> &Account {
        self.0.accounts.home()
    }

    /// The account that makes calls for `scope`.
    pub(super) fn account_of(&self, scope: &Scope) -> Arc<Account> {
        self.0.accounts.of(scope)
    }
}
