//! The one seam to AWS: everything that leaves for AWS leaves through here, in the words of the rest of Muster.
//!
//! [`Aws`] paces calls ([`limiter`]), tells AWS's time ([`clock`]), classifies failures ([`error`]) and makes the calls of
//! tools ([`actions`]). What a kind's describe asks and how an answer becomes documents belongs to [`crate::kinds`].

pub mod actions;
pub mod batch;
pub mod bus;
pub mod canary;
pub mod clock;
pub mod error;
pub mod identity;
pub mod limiter;
mod markup;
mod options;
pub mod origin;
pub mod peek;
pub mod pinned;
pub mod probe;
pub mod profiles;
pub mod queue;
pub mod queues;
pub mod regions;
mod rescue;
mod sdk;
mod split;
pub mod trail;
mod trust;
mod whole;

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use aws_sdk_ec2::error::{ProvideErrorMetadata, SdkError};
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt};
use parking_lot::Mutex;
use tokio::time::{Instant, sleep, timeout};

pub use actions::{ACTIONS, ActionSpec, Answer, CreateSnapshots, CreatedSnapshot, DOCTOR, Done, SETUP, StateChange};
pub use batch::{Batch, Described};
pub use clock::AwsClock;
pub use error::{AwsError, Details, Trouble};
pub use limiter::{CallCount, Priority};
pub use origin::Origin;
pub use pinned::Pinned;
pub use regions::Regions;

use crate::kinds::{DescribeInput, KindSpec};
use crate::model::{
    AccountId, BadField, Clock, ErrorClass, Item, Page, Region, Scope, SharedClock, Timestamp, UnreadableItem,
};
use error::Call;
use limiter::{Admitted, Limiter, Outcome};
use rescue::ListingCall;
use sdk::{Clients, Sdk};

/// Asks whose credentials these are.
const IDENTIFY: &str = "sts:GetCallerIdentity";
/// The most resources that AWS puts on a page.
pub const PAGE_SIZE: i32 = 1000;
/// The most ids that one describe names: the limit of `DescribeInstanceStatus`, and few enough to bisect.
const IDS_PER_CALL: usize = 100;
/// How often a call that changes nothing is made at most. Each attempt passes the limiter.
const ATTEMPTS: u32 = 2;
/// The longest pause before the next attempt, as in the SDK: a random part of it.
const BETWEEN_ATTEMPTS: Duration = Duration::from_secs(1);
/// How long one region may take to tell what others can tell too, before the next is asked as well.
const HEAD_START: Duration = Duration::from_secs(3);
/// How long an answer tells that the credentials are good: two rounds of the kinds that are asked for most often.
const ANSWERS: Duration = Duration::from_mins(2);
/// How long suspect configuration is kept before its files are read again.
const REREAD_AFTER: Duration = Duration::from_secs(10);

/// What to connect with. What is not set comes from AWS's own chain of environment, profile and metadata.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The regions to watch.
    pub regions: Regions,
    /// The profile of `~/.aws/config`.
    pub profile: Option<String>,
    /// The account that it has to be.
    pub account: Option<AccountId>,
    /// The part of AWS's request limits to take, in percent (1 to 100).
    pub share_percent: u8,
    /// The URL of an emulator on this machine to ask in place of AWS, whatever environment and profile say. It is shown
    /// made-up credentials and asked without a proxy.
    pub emulator: Option<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            regions: Regions::default(),
            profile: None,
            account: None,
            share_percent: limiter::DEFAULT_SHARE_PERCENT,
            emulator: None,
        }
    }
}

/// A connection to AWS. Clones share clients, limits and clock.
///
/// The SDK reads its configuration files once. After a failure that they may have caused, they are read again, at most
/// every ten seconds, so that whoever mends them need not restart Muster.
#[derive(Clone, Debug)]
pub struct Aws(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    settings: Settings,
    clock: Arc<AwsClock>,
    limiter: Limiter,
    sdk: ArcSwap<Sdk>,
    /// The account that last answered, and the regions that AWS lists for it, where all of them are watched.
    found: Mutex<Found>,
    /// What the event history answered.
    trail: Mutex<trail::Memory>,
    /// When the configuration was read, and whether it is suspect since.
    read: Mutex<(Instant, bool)>,
    /// Which optional parameters the endpoints do not know.
    unknown: Mutex<options::Unknown>,
}

/// What AWS said of itself.
#[derive(Debug, Default)]
struct Found {
    account: Option<AccountId>,
    regions: Option<Vec<Region>>,
    /// When a region last answered with a success.
    answered: BTreeMap<Region, Instant>,
    /// Where STS does not say whose the credentials are.
    silences: identity::Silences,
}

impl Aws {
    /// Connects as configured. Missing credentials or regions show in the first call, not here.
    ///
    /// Without a region in settings, environment or profile this asks the instance metadata service, which can take a few
    /// seconds where there is none.
    pub async fn load(settings: Settings) -> Self {
        let clock = Arc::new(AwsClock::default());
        let sdk = Sdk::load(&settings, &clock).await;
        Aws::new(settings, sdk, clock)
    }

    fn new(settings: Settings, sdk: Sdk, clock: Arc<AwsClock>) -> Self {
        Aws(Arc::new(Inner {
            limiter: Limiter::new(settings.share_percent),
            settings,
            clock,
            sdk: ArcSwap::from_pointee(sdk),
            found: Mutex::default(),
            trail: Mutex::default(),
            read: Mutex::new((Instant::now(), false)),
            unknown: Mutex::default(),
        }))
    }

    /// The watched regions, the first being the default. Empty when nothing names one: every call then says so. Where all
    /// of the account's are watched, those that AWS listed last; before that, the one that is asked for them.
    #[must_use]
    pub fn regions(&self) -> Vec<Region> {
        self.0.found.lock().regions.clone().unwrap_or_else(|| self.0.sdk.load().regions.clone())
    }

    /// Where the credentials come from: as loaded last; before that, where they will be looked for first.
    #[must_use]
    pub fn origin(&self) -> Origin {
        self.0.sdk.load().seen.get()
    }

    /// What is wrong with AWS's configuration files, whether or not it matters.
    #[must_use]
    pub fn file_faults(&self) -> Vec<profiles::FileFault> {
        self.0.sdk.load().faults.clone()
    }

    /// Whether credentials or the region have to come from AWS's configuration files.
    #[must_use]
    pub fn needs_files(&self) -> bool {
        self.0.sdk.load().needs_files
    }

    /// The clock that tells AWS's time.
    #[must_use]
    pub fn clock(&self) -> SharedClock {
        Arc::clone(&self.0.clock) as SharedClock
    }

    /// How far AWS's clock is ahead of this machine's, in milliseconds; negative when it is behind.
    #[must_use]
    pub fn clock_offset_millis(&self) -> i64 {
        self.0.clock.offset_millis()
    }

    /// The calls made since this process started, by account, region and action, beside their limits.
    #[must_use]
    pub fn calls(&self) -> Vec<CallCount> {
        self.0.limiter.calls()
    }

    /// The account whose credentials are in use, as STS says.
    ///
    /// # Errors
    /// [`AwsError`]: no credentials, no region, no connection.
    pub async fn identify(&self) -> Result<AccountId, AwsError> {
        // Read again if suspect: it may name a region now.
        self.sdk().await;
        self.anywhere(IDENTIFY, |region| async move { self.identify_in(&region).await }.boxed()).await
    }

    /// Asks the watched regions for what any of them can tell, one after the other until one answers. One that takes long is
    /// not waited for: it may be down.
    async fn anywhere<'a, T>(
        &'a self,
        action: &'static str,
        ask: impl Fn(Region) -> BoxFuture<'a, Result<T, AwsError>>,
    ) -> Result<T, AwsError> {
        let mut regions = self.regions().into_iter().enumerate();
        let (mut asked, mut errors) = (FuturesUnordered::new(), BTreeMap::new());
        loop {
            if let Some((place, region)) = regions.next() {
                asked.push(ask(region).map(move |answer| (place, answer)));
            }
            let patience = if regions.len() > 0 { HEAD_START } else { Duration::MAX };
            match timeout(patience, asked.next()).await {
                Ok(Some((_, Ok(answer)))) => return Ok(answer),
                // Nothing was asked, and nothing can be, anywhere.
                Ok(Some((_, Err(error)))) if error.is_local() => return Err(error),
                Ok(Some((place, Err(error)))) => drop(errors.insert(place, error)),
                Ok(None) => return Err(errors.pop_first().map_or_else(|| self.no_region(action), |(_, error)| error)),
                Err(_) => {}
            }
        }
    }

    /// Whether STS says that the credentials in use belong to the account of `scope`.
    ///
    /// # Errors
    /// [`AwsError`] with [`Trouble::OtherAccount`] when they do not; any other when AWS does not say.
    pub async fn confirm_by_sts(&self, scope: &Scope) -> Result<(), AwsError> {
        let found = self.identify_in(&scope.region).await?;
        if found == scope.account {
            return Ok(());
        }
        Err(AwsError::other_account(&scope.account, found.as_str(), &self.call(Some(&scope.region), IDENTIFY)))
    }

    async fn identify_in(&self, region: &Region) -> Result<AccountId, AwsError> {
        let client = self.clients(region, IDENTIFY).await?.identity;
        self.identify_by(client, region).await
    }

    /// As [`Aws::identify_in`], through a client that may be another than the configuration's.
    async fn identify_by(&self, client: aws_sdk_sts::Client, region: &Region) -> Result<AccountId, AwsError> {
        let scope = self.scope(region);
        let send = || client.get_caller_identity().send();
        let (answer, _) = self.repeatable(&scope, IDENTIFY, Priority::Sweep, send).await?;
        let account = AccountId::new(answer.account.unwrap_or_default());
        self.0.found.lock().account = Some(account.clone());
        Ok(account)
    }

    /// One page of everything of a kind, at a sweep's priority.
    ///
    /// # Errors
    /// [`AwsError`]; with [`Trouble::OtherAccount`] when the page belongs to another account than `scope` names, so that
    /// credentials that changed under a running Muster cannot mix two accounts.
    pub async fn page(&self, scope: &Scope, spec: &'static KindSpec, token: Option<String>) -> Result<Page, AwsError> {
        self.page_of(scope, spec, token, PAGE_SIZE).await
    }

    /// As [`Aws::page`], with at most `max_results` resources on it.
    ///
    /// # Errors
    /// As [`Aws::page`].
    pub async fn page_of(
        &self,
        scope: &Scope,
        spec: &'static KindSpec,
        token: Option<String>,
        max_results: i32,
    ) -> Result<Page, AwsError> {
        self.ask(scope, spec, DescribeInput::Page { token, max_results }, Priority::Sweep).await
    }

    /// The resources of these ids, in as many calls as it takes. No ids, no call.
    ///
    /// AWS answers nothing at all to a call with an id that does not exist; [`Batch`] asks again for the rest.
    pub async fn describe(
        &self,
        scope: &Scope,
        spec: &'static KindSpec,
        ids: &[String],
        priority: Priority,
    ) -> Described {
        let ids: Vec<Arc<str>> = ids.iter().map(|id| Arc::from(id.as_str())).collect();
        let mut batch = Batch::new(&ids);
        while let Some(ids) = batch.ask() {
            let texts: Vec<String> = ids.iter().map(ToString::to_string).collect();
            batch.answered(ids, self.describe_once(scope, spec, &texts, priority).await);
        }
        batch.described()
    }

    /// The resources of these ids, at most [`IDS_PER_CALL`], in one call.
    ///
    /// # Errors
    /// [`AwsError`], with [`ErrorClass::NotFound`] when an id does not exist: AWS then answers none of the ids asked with it.
    pub async fn describe_once(
        &self,
        scope: &Scope,
        spec: &'static KindSpec,
        ids: &[String],
        priority: Priority,
    ) -> Result<Page, AwsError> {
        self.ask(scope, spec, DescribeInput::Ids(ids.to_vec()), priority).await
    }

    async fn ask(
        &self,
        scope: &Scope,
        spec: &'static KindSpec,
        input: DescribeInput,
        priority: Priority,
    ) -> Result<Page, AwsError> {
        let client = self.clients(&scope.region, spec.action()).await?.ec2;
        self.ask_by(client, scope, spec, input, priority).await
    }

    /// As [`Aws::ask`], through a client that may be another than the configuration's.
    async fn ask_by(
        &self,
        client: aws_sdk_ec2::Client,
        scope: &Scope,
        spec: &'static KindSpec,
        input: DescribeInput,
        priority: Priority,
    ) -> Result<Page, AwsError> {
        let action = spec.action();
        let mut left_out = self.0.unknown.lock().left_out(&scope.region, action);
        let (Page { mut items, next, .. }, sent_at, mut unreadable) = loop {
            let send = || (spec.describe)(client.clone(), input.clone(), left_out.clone());
            let call = self.repeatable(scope, action, priority, send);
            let (answer, learned) = ListingCall::during(&scope.account, spec, call).await;
            let (mut unknown, host) = (self.0.unknown.lock(), learned.host.as_deref());
            match answer {
                Ok((page, sent_at)) => {
                    unknown.answered(&scope.region, action, spec.optional, &left_out, host);
                    break (page, sent_at, learned.unreadable);
                }
                Err(error) => {
                    let refused = unknown.refused(action, spec.optional, &left_out, host, &error);
                    left_out.add(refused.ok_or(error)?);
                }
            }
        };
        let foreign = |item: &Item| spec.owner(&item.document).is_some_and(|owner| owner != scope.account.as_str());
        if spec.own_only {
            items.retain(|item| !foreign(item));
        }
        if spec.exclusive
            && let Some(found) = items.iter().find(|item| foreign(item)).and_then(|item| spec.owner(&item.document))
        {
            return Err(AwsError::other_account(&scope.account, found, &self.call(Some(&scope.region), action)));
        }
        let nameless = items.extract_if(.., |item| item.id.is_empty());
        unreadable.extend(nameless.map(|_| UnreadableItem {
            id: None,
            fields: spec.id_elements().map(|name| BadField::missing(&name)).collect(),
        }));
        if priority == Priority::Tool
            && let Some(nameless) = unreadable.iter().find(|item| item.id.is_none())
        {
            // A tool acts on what it is shown: this may be any of those that it asked for.
            let detail = format!("{} one without an id: {}", spec.title, nameless.why());
            return Err(AwsError::unreadable(&detail, &self.call(Some(&scope.region), action)));
        }
        // An empty token would ask for the first page again; AWS's own paginators take it for the end, too.
        let next = next.filter(|token| !token.is_empty());
        Ok(Page { items, unreadable, left_out, next, sent_at })
    }

    /// Makes a call that changes nothing, and once more after a passing failure. Gives when the answered one was sent.
    async fn repeatable<T, E, F>(
        &self,
        scope: &Scope,
        action: &'static str,
        priority: Priority,
        send: impl Fn() -> F,
    ) -> Result<(T, Timestamp), AwsError>
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
        F: Future<Output = Result<T, SdkError<E>>>,
    {
        let mut attempt = 1;
        loop {
            let admitted = self.0.limiter.admit(scope, action, priority, 0).await;
            let sent_at = self.0.clock.now();
            match self.finished(admitted, &scope.region, action, send().await) {
                // A sweep asks again by itself, and says meanwhile what AWS does not answer.
                Err(error) if priority == Priority::Sweep && error.trouble == Trouble::TimedOut => return Err(error),
                Err(error) if attempt < ATTEMPTS && error.class.is_passing() => {
                    tracing::debug!(%error, attempt, "asked again");
                    attempt += 1;
                    sleep(BETWEEN_ATTEMPTS.mul_f64(fastrand::f64())).await;
                }
                answer => return answer.map(|answer| (answer, sent_at)),
            }
        }
    }

    async fn clients(&self, region: &Region, action: &'static str) -> Result<Clients, AwsError> {
        let sdk = self.sdk().await;
        self.usable(&sdk, region, action)?;
        Ok(sdk.clients(region))
    }

    /// Refuses to call where a configuration file is broken, and in regions that are not watched.
    fn usable(&self, sdk: &Sdk, region: &Region, action: &'static str) -> Result<(), AwsError> {
        if let Some(what) = sdk.broken() {
            self.0.read.lock().1 = true;
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

    /// `region` as the account in use sees it. Before that is known, an account without a number.
    fn scope(&self, region: &Region) -> Scope {
        let account = self.0.found.lock().account.clone().unwrap_or_else(|| AccountId::new(""));
        Scope { account, region: region.clone() }
    }

    /// The SDK as configured, its files read again if they are suspect.
    async fn sdk(&self) -> Arc<Sdk> {
        let suspect = {
            let mut read = self.0.read.lock();
            let suspect = read.1 && read.0.elapsed() >= REREAD_AFTER;
            if suspect {
                *read = (Instant::now(), false);
            }
            suspect
        };
        if suspect {
            self.0.sdk.store(Arc::new(Sdk::load(&self.0.settings, &self.0.clock).await));
        }
        self.0.sdk.load_full()
    }

    /// Whether another region answered a moment ago.
    fn answers_elsewhere(&self, region: &Region) -> bool {
        let found = self.0.found.lock();
        found.answered.iter().any(|(other, at)| other != region && at.elapsed() < ANSWERS)
    }

    fn call<'a>(&'a self, region: Option<&'a Region>, action: &'static str) -> Call<'a> {
        let sdk = self.0.sdk.load();
        Call { action, region, origin: sdk.seen.get(), bundle: sdk.bundle.clone() }
    }

    fn no_region(&self, action: &'static str) -> AwsError {
        self.0.read.lock().1 = true;
        let sdk = self.0.sdk.load();
        match sdk.broken() {
            Some(what) => AwsError::files(what, &self.call(None, action)),
            None => AwsError::no_region(&self.call(None, action)).because(&sdk.hints()),
        }
    }

    /// Tells the limiter how a call ended, and classifies its failure.
    fn finished<T, E>(
        &self,
        admitted: Admitted,
        region: &Region,
        action: &'static str,
        answer: Result<T, SdkError<E>>,
    ) -> Result<T, AwsError>
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        let answer = self.classified(region, action, answer);
        if answer.is_ok() {
            self.0.found.lock().answered.insert(region.clone(), Instant::now());
        }
        admitted.finished(match answer.as_ref().map_err(|error| error.class) {
            Ok(_) | Err(ErrorClass::NotFound | ErrorClass::DryRun) => Outcome::Answered,
            Err(ErrorClass::Throttled) => Outcome::Throttled,
            Err(ErrorClass::Denied | ErrorClass::Transient | ErrorClass::Fatal) => Outcome::Failed,
        });
        answer
    }

    fn classified<T, E>(
        &self,
        region: &Region,
        action: &'static str,
        answer: Result<T, SdkError<E>>,
    ) -> Result<T, AwsError>
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        answer.map_err(|failure| {
            let error = AwsError::new(&failure, &self.call(Some(region), action)).because(&self.0.sdk.load().hints());
            // Credentials that other regions take are refused by one that is not enabled: no file says more about it.
            if error.is_about_configuration() && (error.is_local() || !self.answers_elsewhere(region)) {
                self.0.read.lock().1 = true;
            }
            error
        })
    }
}

#[cfg(test)]
pub(crate) mod scripted;
#[cfg(test)]
mod tests;
