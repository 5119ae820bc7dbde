//! One account: the configuration that its calls are made with, and what AWS said about it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use tokio::time::Instant;

use super::clock::AwsClock;
use super::error::{AwsError, Call};
use super::options::Unknown;
use super::sdk::{Clients, Sdk};
use super::settings::Settings;
use super::silence::Silences;
use super::trail::remembered::Remembered;
use crate::model::{AccountId, Region, Scope};

/// How long an answer tells that the credentials are good: two rounds of the kinds that are asked for most often.
const ANSWERS: Duration = Duration::from_mins(2);
/// How long suspect configuration is kept before its files are read again.
const REREAD_AFTER: Duration = Duration::from_secs(10);

/// An account, its configuration, and what AWS said about it.
///
/// The SDK reads its configuration files once. After a failure that they may have caused, they are read again, at most
/// every ten seconds, so that whoever mends them need not restart Muster.
#[derive(Debug)]
pub(super) struct Account {
    pub(super) settings: Settings,
    clock: Arc<AwsClock>,
    sdk: ArcSwap<Sdk>,
    pub(super) found: Mutex<Found>,
    /// What the event history answered.
    pub(super) trail: Mutex<Remembered>,
    /// When the configuration was read, and whether it is suspect since.
    read: Mutex<(Instant, bool)>,
    /// Which optional parameters the endpoints do not know.
    pub(super) unknown: Mutex<Unknown>,
}

/// What AWS said about an account.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// Whose the credentials were when AWS last said it.
    pub(super) account: Option<AccountId>,
    /// The regions that AWS lists, where all of them are watched.
    pub(super) regions: Option<Vec<Region>>,
    /// When a region last answered with a success.
    answered: BTreeMap<Region, Instant>,
    /// Where STS does not say whose the credentials are.
    pub(super) silences: Silences,
}

impl Account {
    pub(super) fn new(settings: Settings, sdk: Sdk, clock: Arc<AwsClock>) -> Self {
        Account {
            settings,
            clock,
            sdk: ArcSwap::from_pointee(sdk),
            found: Mutex::default(),
            trail: Mutex::default(),
            read: Mutex::new((Instant::now(), false)),
            unknown: Mutex::default(),
        }
    }

    /// The watched regions, the first being the default.
    pub(super) fn regions(&self) -> Vec<Region> {
        self.found.lock().regions.clone().unwrap_or_else(|| self.sdk.load().regions.clone())
    }

    /// `region` as the account in use sees it. Before that is known, an account without a number.
    pub(super) fn scope(&self, region: Region) -> Scope {
        Scope { account: self.found.lock().account.clone().unwrap_or_else(|| AccountId::new("")), region }
    }

    /// The SDK as it was configured last.
    pub(super) fn loaded(&self) -> Arc<Sdk> {
        self.sdk.load_full()
    }

    /// The SDK as configured, its files read again if they are suspect.
    pub(super) async fn sdk(&self) -> Arc<Sdk> {
        let suspect = {
            let mut read = self.read.lock();
            let suspect = read.1 && read.0.elapsed() >= REREAD_AFTER;
            if suspect {
                *read = (Instant::now(), false);
            }
            suspect
        };
        if suspect {
            self.sdk.store(Arc::new(Sdk::load(&self.settings, &self.clock).await));
        }
        self.sdk.load_full()
    }

    /// The clients of a watched region.
    pub(super) async fn clients(&self, region: &Region, action: &'static str) -> Result<Clients, AwsError> {
        let sdk = self.sdk().await;
        self.usable(&sdk, region, action)?;
        Ok(sdk.clients(region))
    }

    /// Refuses to call where a configuration file is broken, and in regions that are not watched.
    pub(super) fn usable(&self, sdk: &Sdk, region: &Region, action: &'static str) -> Result<(), AwsError> {
        if let Some(what) = sdk.broken() {
            self.suspect();
            return Err(AwsError::files(what, &self.call(Some(region), action)));
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

    /// A region answered with a success.
    pub(super) fn answered(&self, region: &Region) {
        self.found.lock().answered.insert(region.clone(), Instant::now());
    }

    /// Takes in that a call failed, and says what on this machine may be the cause.
    pub(super) fn failed(&self, error: AwsError, region: &Region) -> AwsError {
        let error = error.because(&self.loaded().hints());
        // Credentials that other regions take are refused by one that is not enabled: no file says more about it.
        if error.is_about_configuration() && (error.is_local() || !self.answers_elsewhere(region)) {
            self.suspect();
        }
        error
    }

    pub(super) fn call<'a>(&self, region: Option<&'a Region>, action: &'static str) -> Call<'a> {
        let sdk = self.loaded();
        Call { action, region, origin: sdk.seen.get(), bundle: sdk.bundle.clone() }
    }

    pub(super) fn no_region(&self, action: &'static str) -> AwsError {
        self.suspect();
        let sdk = self.loaded();
        match sdk.broken() {
            Some(what) => AwsError::files(what, &self.call(None, action)),
            None => AwsError::no_region(&self.call(None, action)).because(&sdk.hints()),
        }
    }

    /// The configuration may be what is wrong: it is read again before long.
    fn suspect(&self) {
        self.read.lock().1 = true;
    }

    /// Whether another region answered a moment ago.
    fn answers_elsewhere(&self, region: &Region) -> bool {
        let found = self.found.lock();
        found.answered.iter().any(|(other, at)| other != region && at.elapsed() < ANSWERS)
    }
}
