//! Answers which regions and availability zones there are.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::time::Duration;

use super::action::Ec2Action;
use super::asked_scope::{any_scopes, asked_scope};
use super::copy_fault::CopyFault;
use super::desk::CopyAnswer;
use super::fault::Ec2Fault;
use super::geography::{DAY, Geographies, Geography, GeographyListing, ListingAge};
use super::place::AskedPlace;
use super::place_question::{DESCRIBE_REGIONS, DESCRIBE_ZONES, asked_places, unknown_places};
use super::request::Ec2Request;
use super::response;
use super::standing::CopyStanding;
use super::wire::WireTable;
use crate::aws::Aws;
use crate::freshness::Freshness;
use crate::model::{Document, Region, Scope, Timestamp};
use crate::policy::Visibility;
use crate::query::document_walk::WalkedDocument;

/// How old a listing may be by which it is said that there is no such region or zone.
const NEWEST: Duration = Duration::from_mins(1);

/// Where answers about regions and zones come from.
pub struct GeographyDesk {
    /// Asks AWS.
    pub aws: Aws,
    /// Which scopes are watched.
    pub freshness: Freshness,
    /// What AWS said last.
    pub known: Geographies,
    /// How old that may be.
    pub max_stale: Option<Duration>,
    /// What may be seen: a region in which nothing may be is none.
    pub visibility: Visibility,
}

impl GeographyDesk {
    /// Whether an action is about regions or zones.
    #[must_use]
    pub fn answers(action: Ec2Action) -> bool {
        [DESCRIBE_REGIONS, DESCRIBE_ZONES].contains(&action.name())
    }

    /// Answers a request at `now`.
    ///
    /// # Errors
    /// [`CopyFault`], where AWS would refuse it as well, or did not say what there is.
    pub async fn answer(
        &self,
        request: &Ec2Request,
        table: &WireTable,
        asked: AskedPlace<'_>,
        request_id: &str,
        now: Timestamp,
    ) -> Result<CopyAnswer, CopyFault> {
        let (scope, other, geography) = if table.action == DESCRIBE_REGIONS {
            // They are those of the account, whatever region is asked.
            let (scope, others) = any_scopes(&self.freshness, asked)?;
            (scope.clone(), others.into_iter().next(), Geography::Regions(scope.account))
        } else {
            let watched: BTreeSet<Scope> = self.freshness.scopes().into_iter().map(|state| state.scope).collect();
            let scope = asked_scope(&self.freshness, asked, &watched)?;
            (scope.clone(), None, Geography::Zones(scope))
        };
        let scopes = (&scope, other.as_ref());
        let mut listing = self.listing(&geography, scopes, now, DAY).await?;
        let unknown = |listing: &GeographyListing| unknown_places(request, table, &self.seen(listing, &scope));
        let mut ids = unknown(&listing);
        if !ids.is_empty() && now.since(listing.at) > NEWEST {
            // AWS may have opened it since.
            listing = self.listing(&geography, scopes, now, NEWEST).await?;
            ids = unknown(&listing);
        }
        if let Some(why) = listing.stale.as_deref().filter(|_| !ids.is_empty()) {
            let why = self.visibility.masked(&format!("{}.", why.trim_end_matches('.')));
            return Err(CopyFault::Untold { ids, why });
        }
        let places = self.seen(&listing, &scope);
        let found = asked_places(request, table, &places)?;
        if request.is_dry_run() {
            return Err(Ec2Fault::DryRun.into());
        }
        let found: Vec<WalkedDocument> = found.into_iter().cloned().map(WalkedDocument::from).collect();
        let body = response::write(table, &found, None, request_id);
        let standing = CopyStanding {
            as_of: listing.at,
            stale: listing.stale.as_deref().map(|why| self.visibility.masked(why)),
            doubt: None,
        };
        Ok(CopyAnswer { body, rest: None, standing, seq: None, is_moved: false })
    }

    /// What AWS lists, which is asked again where the last listing is no longer `fresh`.
    async fn listing(
        &self,
        geography: &Geography,
        scopes: (&Scope, Option<&Scope>),
        now: Timestamp,
        fresh: Duration,
    ) -> Result<GeographyListing, CopyFault> {
        let age = ListingAge { fresh, longest: self.max_stale };
        let listing = self.known.of(&self.aws, geography, scopes, now, age).await;
        listing.map_err(|error| CopyFault::Unlisted {
            what: match geography {
                Geography::Regions(_) => "regions",
                Geography::Zones(_) => "availability zones",
            },
            whose: scopes.0.to_string(),
            why: self.visibility.masked(error.to_string().trim_end_matches('.')),
            fix: self.visibility.masked(&error.advice()),
        })
    }

    /// What may be seen of a listing.
    fn seen<'l>(&self, listing: &'l GeographyListing, scope: &Scope) -> Cow<'l, [Document]> {
        if self.visibility.is_everything() {
            let all: &[Document] = &listing.places;
            return Cow::Borrowed(all);
        }
        listing.places.iter().filter(|place| self.sees(place, scope)).cloned().collect()
    }

    fn sees(&self, place: &Document, scope: &Scope) -> bool {
        let region = place.text("RegionName").map(Region::new);
        region.is_some_and(|region| self.visibility.sees_scope(&Scope { region, account: scope.account.clone() }))
    }
}
