//! What AWS said of its regions and zones, which change a few times a year: it is asked once a day, and only while somebody asks.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tracing::Instrument;

use crate::aws::own_call::Askers;
use crate::aws::{Aws, AwsError, AwsErrorKind};
use crate::model::{AccountId, Document, Scope, Timestamp};

/// How long a listing counts as new.
pub const DAY: Duration = Duration::from_hours(24);
/// How long AWS is not asked again after it did not list.
const PAUSE: Duration = Duration::from_secs(30);

/// What is listed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Geography {
    /// The regions, as an account has opted in to them.
    Regions(AccountId),
    /// The zones of a region, as an account has opted in to them.
    Zones(Scope),
}

/// How old a listing may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListingAge {
    /// Until when AWS is not asked again.
    pub fresh: Duration,
    /// Until when it is answered with though AWS does not list anew.
    pub longest: Option<Duration>,
}

/// What AWS listed.
#[derive(Clone, Debug, PartialEq)]
pub struct GeographyListing {
    /// The regions or zones, in AWS's order; at least one.
    pub places: Arc<[Document]>,
    /// When AWS was asked.
    pub at: Timestamp,
    /// Why it is not as new as it should be, if it is not.
    pub stale: Option<String>,
}

/// The listings that are known. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Geographies {
    known: SharedGeographies,
    /// The calls that list. They go on without whoever asked first, and end with what holds them.
    calls: Arc<Mutex<JoinSet<()>>>,
}

type SharedGeographies = Arc<Mutex<BTreeMap<Geography, KeptGeography>>>;

/// What AWS lists anew, or why not.
type Relisting = Result<GeographyListing, AwsError>;

/// What is known of a listing.
#[derive(Debug, Default)]
struct KeptGeography {
    listed: Option<(Arc<[Document]>, Timestamp)>,
    /// The last failure of each scope to list anew, since the listing.
    failed: BTreeMap<Scope, (AwsError, Timestamp)>,
    /// What the call of each scope that is asked now will tell.
    asked: BTreeMap<Scope, watch::Receiver<Option<Relisting>>>,
}

impl KeptGeography {
    /// What is answered at `now` without asking AWS; `None` if it has to be asked.
    fn fresh(&self, now: Timestamp, age: ListingAge) -> Option<GeographyListing> {
        let fresh = age.longest.map_or(age.fresh, |longest| longest.min(age.fresh));
        let (places, at) = self.listed.as_ref().filter(|(_, at)| now.since(*at) <= fresh)?;
        Some(GeographyListing { places: Arc::clone(places), at: *at, stale: None })
    }

    /// What `scope` is said without asking AWS: what is known, or that it failed moments ago to list anew.
    fn known(&self, scope: &Scope, now: Timestamp, age: ListingAge) -> Option<Relisting> {
        let failed = || self.failed.get(scope).filter(|(_, at)| now.since(*at) < PAUSE);
        self.fresh(now, age).map(Ok).or_else(|| failed().map(|(error, _)| Err(error.clone())))
    }

    /// Remembers what `scope` told at `now`.
    fn take(&mut self, scope: &Scope, now: Timestamp, told: &Relisting) {
        self.asked.remove(scope);
        match told {
            Ok(listing) => {
                self.listed = Some((Arc::clone(&listing.places), listing.at));
                self.failed.clear();
            }
            // AWS listed it, and will for the credentials that are in use now.
            Err(error) if error.kind == AwsErrorKind::CredentialsExchanged => {}
            Err(error) => drop(self.failed.insert(scope.clone(), (error.clone(), now))),
        }
    }

    /// What is answered though AWS did not list anew: what it listed before, unless it is too old, or `error` does not pass by itself.
    fn despite(
        &self,
        error: &AwsError,
        now: Timestamp,
        longest: Option<Duration>,
    ) -> Result<GeographyListing, AwsError> {
        let is_young = |at: Timestamp| longest.is_none_or(|longest| now.since(at) <= longest);
        match self.listed.as_ref().filter(|(_, at)| error.class.is_passing() && is_young(*at)) {
            Some((places, at)) => {
                let stale = format!("it was listed {} s ago, and not again: {error}", now.since(*at).as_secs());
                Ok(GeographyListing { places: Arc::clone(places), at: *at, stale: Some(stale) })
            }
            None => Err(error.clone()),
        }
    }
}

impl Geographies {
    /// What AWS lists, as `scope` tells it, or else `other`, where that is asked for as well. Those who ask for the same ask once, and
    /// whoever asks for what is known waits for nobody. `now` is the time, and `age` how old a listing may be.
    ///
    /// # Errors
    /// [`AwsError`] of `scope`: AWS did not list, and what it listed before is too old, or Muster is no longer allowed to see it.
    pub async fn of(
        &self,
        aws: &Aws,
        geography: &Geography,
        (scope, other): (&Scope, Option<&Scope>),
        now: Timestamp,
        age: ListingAge,
    ) -> Result<GeographyListing, AwsError> {
        let error = match self.relisted(aws, geography, scope, now, age).await {
            Ok(listing) => return Ok(listing),
            Err(error) => error,
        };
        let despite = |error: &AwsError| match self.known.lock().get(geography) {
            Some(kept) => kept.despite(error, now, age.longest),
            None => Err(error.clone()),
        };
        let Some(other) = other else { return despite(&error) };
        match self.relisted(aws, geography, other, now, age).await {
            Ok(listing) => Ok(listing),
            // One that fails in passing does not say that Muster may not see it.
            Err(second) => despite(&error).or_else(|_| despite(&second)).or(Err(error)),
        }
    }

    /// What is known, or else what AWS lists anew, as `scope` tells it, unless that failed moments ago.
    async fn relisted(
        &self,
        aws: &Aws,
        geography: &Geography,
        scope: &Scope,
        now: Timestamp,
        age: ListingAge,
    ) -> Relisting {
        let mut told = {
            let mut known = self.known.lock();
            let kept = known.entry(geography.clone()).or_default();
            if let Some(known) = kept.known(scope, now, age) {
                return known;
            }
            if let Some(told) = kept.asked.get(scope).filter(|told| told.has_changed().is_ok()) {
                told.clone()
            } else {
                let told = self.ask(aws, geography, scope, now);
                kept.asked.insert(scope.clone(), told.clone());
                told
            }
        };
        let unlisted = || Err(aws.unlisted(scope, matches!(geography, Geography::Zones(_))));
        match told.wait_for(Option::is_some).await {
            Ok(told) => told.clone().unwrap_or_else(unlisted),
            Err(_) => unlisted(),
        }
    }

    /// Asks AWS in a task of its own, which remembers what it tells.
    fn ask(
        &self,
        aws: &Aws,
        geography: &Geography,
        scope: &Scope,
        now: Timestamp,
    ) -> watch::Receiver<Option<Relisting>> {
        let (teller, told) = watch::channel(None);
        let (aws, geography, scope, known) = (aws.clone(), geography.clone(), scope.clone(), Arc::clone(&self.known));
        let call = async move {
            let begun = Instant::now();
            let listed = match &geography {
                Geography::Regions(_) => aws.every_region(&scope).await,
                Geography::Zones(_) => aws.every_zone(&scope).await,
            };
            let listed = listed.map(|(places, at)| GeographyListing { places: places.into(), at, stale: None });
            if let Some(kept) = known.lock().get_mut(&geography) {
                kept.take(&scope, now + begun.elapsed(), &listed);
            }
            drop(teller.send_replace(Some(listed)));
        };
        let mut calls = self.calls.lock();
        while calls.try_join_next().is_some() {}
        // It is made for those who asked first.
        calls.spawn(Askers::current().during(call).in_current_span());
        told
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures::future::join_all;

    use super::*;
    use crate::aws::scripted::{Reply, Scripted, across};
    use crate::model::Region;
    use crate::model::fixtures::{at_millis, scope};

    const REGIONS: &str = "<regionInfo><item><regionName>eu-west-1</regionName></item></regionInfo>";

    async fn asked(
        known: &Geographies,
        server: &Scripted,
        hours: i64,
        longest: Option<Duration>,
    ) -> Result<GeographyListing, AwsError> {
        let regions = Geography::Regions(scope().account);
        let aws = server.aws();
        // The listing is as of the clock of the connection, and the hours are from then on.
        let now = at_millis(aws.clock().now().as_millis() + hours * 3_600_000);
        known.of(&aws, &regions, (&scope(), None), now, ListingAge { fresh: DAY, longest }).await
    }

    #[tokio::test]
    async fn aws_is_asked_once_a_day_and_once_for_all_who_ask() {
        let server = Scripted::confirmed([Reply::ok(REGIONS)]).await;
        let known = Geographies::default();
        for listing in join_all((0..20).map(|_| asked(&known, &server, 0, None))).await {
            assert_eq!(listing.unwrap().places.len(), 1);
        }
        asked(&known, &server, 23, None).await.unwrap();
        assert_eq!(server.asked().len(), 1);
        asked(&known, &server, 25, None).await.unwrap();
        assert_eq!(server.asked().len(), 2);
        asked(&known, &server, 2, Some(Duration::from_hours(1))).await.unwrap();
        assert_eq!(server.asked().len(), 3, "it may be an hour old at most");
    }

    #[tokio::test]
    async fn what_was_listed_before_is_told_as_stale_unless_muster_may_not_see_it_any_more() {
        let throttled = Reply::error(503, "RequestLimitExceeded", "slow");
        let denied = Reply::error(403, "UnauthorizedOperation", "no");
        let server = Scripted::confirmed([Reply::ok(REGIONS), throttled.clone(), throttled, denied]).await;
        let known = Geographies::default();
        asked(&known, &server, 0, None).await.unwrap();
        let stale = asked(&known, &server, 30, None).await.unwrap().stale.unwrap();
        assert!(stale.contains("RequestLimitExceeded"), "{stale}");
        assert_eq!(server.asked().len(), 3, "a call that is throttled is made twice");
        assert!(asked(&known, &server, 30, Some(Duration::from_hours(25))).await.is_err(), "it may not be that old");
        assert_eq!(server.asked().len(), 3, "nor is AWS asked again at once");
        assert!(asked(&known, &server, 31, None).await.is_err());
        assert_eq!(server.asked().len(), 4);
    }

    /// One name that nobody knows keeps asking AWS for a newer listing, which must not stall those whom the known one suffices.
    #[tokio::test(flavor = "multi_thread", worker_threads = 3)]
    async fn whoever_needs_no_newer_listing_waits_for_none_and_one_that_is_left_goes_on() {
        let (go_on, gate) = std::sync::mpsc::channel::<()>();
        let (gate, calls) = (Mutex::new(gate), Arc::new(AtomicUsize::new(0)));
        let begun = Arc::clone(&calls);
        let server = Scripted::answering(move |form| {
            if form.contains("Action=GetCallerIdentity") {
                return Reply::identified(scope().account.as_str());
            }
            if begun.fetch_add(1, Ordering::SeqCst) == 1 {
                // Else what this thread was to run next would wait for it as well.
                tokio::task::block_in_place(|| gate.lock().recv().unwrap());
            }
            Reply::ok(REGIONS)
        })
        .await;
        let (known, aws, regions) = (Geographies::default(), server.aws(), Geography::Regions(scope().account));
        let of = |minutes: i64, fresh: Duration| {
            let (known, aws, regions) = (known.clone(), aws.clone(), regions.clone());
            let now = at_millis(aws.clock().now().as_millis() + minutes * 60_000);
            async move { known.of(&aws, &regions, (&scope(), None), now, ListingAge { fresh, longest: None }).await }
        };
        of(0, DAY).await.unwrap();
        let mut left = JoinSet::new();
        left.spawn(of(2, Duration::from_mins(1)));
        while calls.load(Ordering::SeqCst) < 2 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let at_once = tokio::time::timeout(Duration::from_secs(5), of(2, DAY)).await;
        assert_eq!(at_once.expect("it waits for nobody").unwrap().stale, None);
        left.shutdown().await;
        let joined = tokio::join!(of(2, Duration::from_mins(1)), async { go_on.send(()).unwrap() }).0;
        assert_eq!((joined.unwrap().places.len(), calls.load(Ordering::SeqCst)), (1, 2));
    }

    #[tokio::test]
    async fn another_region_is_asked_where_one_does_not_list() {
        let denied = Reply::error(403, "UnauthorizedOperation", "no");
        let server = Scripted::confirmed([denied, Reply::ok(REGIONS)]).await;
        let other = Scope { region: Region::new("eu-north-1"), ..scope() };
        let aws = across(server.endpoint(), &[scope().region.as_str(), other.region.as_str()]);
        let (known, now) = (Geographies::default(), aws.clock().now());
        let regions = Geography::Regions(scope().account);
        let age = ListingAge { fresh: DAY, longest: None };
        let listing = known.of(&aws, &regions, (&scope(), Some(&other)), now, age).await.unwrap();
        assert_eq!((listing.places.len(), listing.stale, server.asked().len()), (1, None, 2));
    }

    #[tokio::test]
    async fn what_was_listed_a_while_ago_is_listed_anew_where_it_has_to_be_newer() {
        let server = Scripted::confirmed([Reply::ok(REGIONS)]).await;
        let (known, aws) = (Geographies::default(), server.aws());
        let begun = aws.clock().now();
        for (minutes, fresh, calls) in [(0, DAY, 1), (2, DAY, 1), (2, Duration::from_mins(1), 2)] {
            let now = at_millis(begun.as_millis() + minutes * 60_000);
            let (regions, age) = (Geography::Regions(scope().account), ListingAge { fresh, longest: None });
            assert_eq!(known.of(&aws, &regions, (&scope(), None), now, age).await.unwrap().stale, None);
            assert_eq!(server.asked().len(), calls, "{minutes} min, {fresh:?}");
        }
    }
}
