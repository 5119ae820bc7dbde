//! What AWS said of its regions and zones, which change a few times a year: it is asked once a day, and only while somebody asks.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use crate::aws::{Aws, AwsError};
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
pub struct Geographies(Arc<Mutex<BTreeMap<Geography, AskedGeography>>>);

/// A listing that is asked for by one at a time.
type AskedGeography = Arc<tokio::sync::Mutex<KeptGeography>>;

/// What is known of a listing.
#[derive(Debug, Default)]
struct KeptGeography {
    listed: Option<(Arc<[Document]>, Timestamp)>,
    /// The last failure of each scope to list anew, since the listing.
    failed: BTreeMap<Scope, (AwsError, Timestamp)>,
}

impl KeptGeography {
    /// What is answered at `now` without asking AWS; `None` if it has to be asked.
    fn fresh(&self, now: Timestamp, age: ListingAge) -> Option<GeographyListing> {
        let fresh = age.longest.map_or(age.fresh, |longest| longest.min(age.fresh));
        let (places, at) = self.listed.as_ref().filter(|(_, at)| now.since(*at) <= fresh)?;
        Some(GeographyListing { places: Arc::clone(places), at: *at, stale: None })
    }

    /// What AWS lists anew, as `scope` tells it, unless that failed moments ago.
    async fn list(
        &mut self,
        aws: &Aws,
        geography: &Geography,
        scope: &Scope,
        now: Timestamp,
    ) -> Result<GeographyListing, AwsError> {
        if let Some((error, _)) = self.failed.get(scope).filter(|(_, at)| now.since(*at) < PAUSE) {
            return Err(error.clone());
        }
        let listed = match geography {
            Geography::Regions(_) => aws.every_region(scope).await,
            Geography::Zones(_) => aws.every_zone(scope).await,
        };
        match listed {
            Ok((places, at)) => {
                let places: Arc<[Document]> = places.into();
                *self = KeptGeography { listed: Some((Arc::clone(&places), at)), failed: BTreeMap::new() };
                Ok(GeographyListing { places, at, stale: None })
            }
            Err(error) => {
                self.failed.insert(scope.clone(), (error.clone(), now));
                Err(error)
            }
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
    /// What AWS lists, as `scope` tells it, or else `other`, where that is asked for as well. Those who ask for the same ask once. `now`
    /// is the time, and `age` how old a listing may be.
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
        let asked = Arc::clone(self.0.lock().entry(geography.clone()).or_default());
        let mut kept = asked.lock().await;
        if let Some(fresh) = kept.fresh(now, age) {
            return Ok(fresh);
        }
        let longest = age.longest;
        let error = match kept.list(aws, geography, scope, now).await {
            Ok(listing) => return Ok(listing),
            Err(error) => error,
        };
        let Some(other) = other else { return kept.despite(&error, now, longest) };
        match kept.list(aws, geography, other, now).await {
            Ok(listing) => Ok(listing),
            // One that fails in passing does not say that Muster may not see it.
            Err(second) => {
                kept.despite(&error, now, longest).or_else(|_| kept.despite(&second, now, longest)).or(Err(error))
            }
        }
    }
}

#[cfg(test)]
mod tests {
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
