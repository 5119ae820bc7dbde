//! One account: the configuration of its calls, and what AWS said about it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use tokio::time::Instant;

use super::doubt::{ConfigurationDoubt, Reason};
use super::error::{AwsError, CallContext};
use super::held_keys::HeldKeys;
use super::options::Unknown;
use super::sdk::{Clients, Sdk, SharedParts};
use super::settings::{AwsSettings, Purpose};
use super::silence::Silences;
use super::trail::remembered::Remembered;
use crate::model::{AccountId, Region, Scope};

/// How long an answer shows that the credentials are good: two rounds of the most frequent sweeps.
const ANSWERS: Duration = Duration::from_mins(2);

/// An account, its configuration, and what AWS said about it.
///
/// The SDK reads its configuration files once. After a failure that they may have caused, and when they change, they are read again
/// ([`ConfigurationDoubt`]), so that Muster need not be restarted after a repair.
#[derive(Debug)]
pub(super) struct Account {
    pub(super) settings: AwsSettings,
    shared: SharedParts,
    sdk: ArcSwap<Sdk>,
    pub(super) found: Mutex<AccountFacts>,
    /// The remembered answers of the event history.
    pub(super) trail: Mutex<Remembered>,
    /// Whether the configuration has become suspect.
    doubt: Mutex<ConfigurationDoubt>,
    /// The optional parameters that the endpoints do not know.
    pub(super) unknown: Mutex<Unknown>,
    /// Held by the one of the calls that are passed on for whom EC2 is asked to show the account.
    pub(super) showing: tokio::sync::Mutex<()>,
}

/// What AWS said about an account.
#[derive(Debug, Default)]
pub(super) struct AccountFacts {
    /// The account of the credentials, as AWS last named it.
    pub(super) account: Option<AccountId>,
    /// The regions that AWS lists, if all are watched.
    pub(super) regions: Option<Vec<Region>>,
    /// When each region last answered with a success.
    answered: BTreeMap<Region, Instant>,
    /// The regions whose STS does not name the account.
    pub(super) silences: Silences,
}

/// A configuration that is being read. Where nobody waits for that any more, whoever calls next reads it.
struct UnreadConfiguration<'d> {
    doubt: &'d Mutex<ConfigurationDoubt>,
    /// The doubt that it settles; `None` once it is read.
    before: Option<ConfigurationDoubt>,
}

impl UnreadConfiguration<'_> {
    /// It was read.
    fn end(mut self) {
        self.before = None;
    }
}

impl Drop for UnreadConfiguration<'_> {
    fn drop(&mut self) {
        if let Some(before) = self.before {
            self.doubt.lock().restore(before);
        }
    }
}

impl Account {
    pub(super) fn new(settings: AwsSettings, sdk: Sdk, shared: SharedParts) -> Self {
        let doubt = Mutex::new(ConfigurationDoubt::new(shared.files(), Instant::now()));
        Account {
            settings,
            shared,
            sdk: ArcSwap::from_pointee(sdk),
            found: Mutex::default(),
            trail: Mutex::default(),
            doubt,
            unknown: Mutex::default(),
            showing: tokio::sync::Mutex::default(),
        }
    }

    /// The watched regions; the first is the default.
    pub(super) fn regions(&self) -> Vec<Region> {
        self.found.lock().regions.clone().unwrap_or_else(|| self.sdk.load().regions.clone())
    }

    /// `region` in the account in use; until that is known, the account number is empty.
    pub(super) fn scope(&self, region: Region) -> Scope {
        let named = || self.settings.account.clone().filter(|_| self.settings.purpose == Purpose::Member);
        let account = self.found.lock().account.clone().or_else(named);
        Scope { account: account.unwrap_or_else(|| AccountId::new("")), region }
    }

    /// The account that AWS named for the keys in use, where it is one of several: asking again would tell the same.
    pub(super) fn proved(&self) -> Option<AccountId> {
        self.loaded().loaded.account().filter(|_| self.settings.purpose == Purpose::Member)
    }

    /// The SDK as last configured.
    pub(super) fn loaded(&self) -> Arc<Sdk> {
        self.sdk.load_full()
    }

    /// The SDK; its configuration is read again if it is suspect or the files have changed.
    pub(super) async fn sdk(&self) -> Arc<Sdk> {
        let known = self.loaded();
        let files = known.depends_on_files().then(|| self.shared.files());
        let reread = {
            let mut doubt = self.doubt.lock();
            let before = *doubt;
            doubt.reread(files, Instant::now()).map(|age| (age, before))
        };
        if let Some((age, before)) = reread {
            let unread = UnreadConfiguration { doubt: &self.doubt, before: Some(before) };
            let read = if self.settings.roles.is_empty() {
                Sdk::load(&self.settings, &self.shared).await
            } else {
                Sdk::of_roles(&self.settings, Some(age), &self.shared).await
            };
            self.sdk.store(Arc::new(read));
            unread.end();
        }
        self.sdk.load_full()
    }

    /// Uses these keys from now on in place of those in the environment.
    pub(super) async fn hold(&self, keys: &HeldKeys) {
        self.settings.held.take(keys);
        self.sdk.store(Arc::new(Sdk::load(&self.settings, &self.shared).await));
    }

    /// The clients of a watched region.
    pub(super) async fn clients(&self, region: &Region, action: &'static str) -> Result<Clients, AwsError> {
        Ok(self.ready(region, action).await?.clients(region))
    }

    /// The SDK, for calls to a watched region.
    pub(super) async fn ready(&self, region: &Region, action: &'static str) -> Result<Arc<Sdk>, AwsError> {
        let sdk = self.sdk().await;
        self.usable(&sdk, region, action)?;
        Ok(sdk)
    }

    /// Refuses calls with a broken configuration file, and calls to accounts and regions that are not watched.
    pub(super) fn usable(&self, sdk: &Sdk, region: &Region, action: &'static str) -> Result<(), AwsError> {
        if let Some(what) = sdk.broken() {
            self.suspect(Reason::Failure);
            return Err(AwsError::files(what, &self.call(Some(region), action)));
        }
        if self.settings.purpose == Purpose::Source {
            return Err(AwsError::account_not_watched(&self.call(Some(region), action)));
        }
        let regions = self.regions();
        if regions.is_empty() {
            return Err(self.no_region(action));
        }
        if !regions.contains(region) {
            return Err(AwsError::not_watched(&regions, &self.call(Some(region), action)));
        }
        Ok(())
    }

    /// Records that a region answered with a success.
    pub(super) fn answered(&self, region: &Region) {
        self.found.lock().answered.insert(region.clone(), Instant::now());
    }

    /// Records that a call failed, and adds possible causes on this machine to the error.
    pub(super) fn failed(&self, error: AwsError, region: &Region) -> AwsError {
        let error = error.because(&self.loaded().hints());
        // A region that is not enabled refuses credentials that other regions accept: no file explains that. But it does not call
        // them expired, and a session that is over is over in all regions.
        let is_everywhere = error.is_local() || error.is_about_expiry();
        if error.is_about_configuration() && (is_everywhere || !self.answers_elsewhere(region)) {
            self.suspect(if error.is_about_expiry() { Reason::Expiry } else { Reason::Failure });
        }
        error
    }

    pub(super) fn call<'a>(&self, region: Option<&'a Region>, action: &'static str) -> CallContext<'a> {
        let sdk = self.loaded();
        CallContext { action, region, origin: sdk.seen.get(), bundle: sdk.bundle.clone() }
    }

    pub(super) fn no_region(&self, action: &'static str) -> AwsError {
        self.suspect(Reason::Failure);
        let sdk = self.loaded();
        match sdk.broken() {
            Some(what) => AwsError::files(what, &self.call(None, action)),
            None => AwsError::no_region(&self.call(None, action)).because(&sdk.hints()),
        }
    }

    /// Marks the configuration as suspect: it is read again soon.
    fn suspect(&self, reason: Reason) {
        self.doubt.lock().suspect(reason);
    }

    /// Whether another region answered within [`ANSWERS`].
    fn answers_elsewhere(&self, region: &Region) -> bool {
        let found = self.found.lock();
        found.answered.iter().any(|(other, at)| other != region && at.elapsed() < ANSWERS)
    }
}
