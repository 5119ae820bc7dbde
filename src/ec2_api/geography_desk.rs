//! Answers which regions and availability zones there are.

use std::collections::BTreeSet;
use std::time::Duration;

use super::action::Ec2Action;
use super::asked_scope::{any_scopes, asked_scope};
use super::copy_fault::CopyFault;
use super::desk::CopyAnswer;
use super::fault::Ec2Fault;
use super::geography::{Geographies, Geography};
use super::place::AskedPlace;
use super::place_question::{DESCRIBE_REGIONS, DESCRIBE_ZONES, asked_places};
use super::request::Ec2Request;
use super::response;
use super::standing::CopyStanding;
use super::wire::WireTable;
use crate::aws::Aws;
use crate::freshness::Freshness;
use crate::model::{Document, Region, Scope, Timestamp};
use crate::policy::Visibility;
use crate::query::document_walk::WalkedDocument;

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
        let (what, scope, other, geography) = if table.action == DESCRIBE_REGIONS {
            // They are those of the account, whatever region is asked.
            let (scope, others) = any_scopes(&self.freshness, asked)?;
            ("regions", scope.clone(), others.into_iter().next(), Geography::Regions(scope.account))
        } else {
            let watched: BTreeSet<Scope> = self.freshness.scopes().into_iter().map(|state| state.scope).collect();
            let scope = asked_scope(&self.freshness, asked, &watched)?;
            ("availability zones", scope.clone(), None, Geography::Zones(scope))
        };
        let listing = self.known.of(&self.aws, geography, (&scope, other.as_ref()), now, self.max_stale).await;
        let listing = listing.map_err(|error| CopyFault::Unlisted {
            what,
            whose: scope.to_string(),
            why: self.visibility.masked(error.to_string().trim_end_matches('.')),
            fix: self.visibility.masked(&error.fix()),
        })?;
        let seen: Vec<Document>;
        let places: &[Document] = if self.visibility.is_everything() {
            &listing.places
        } else {
            seen = listing.places.iter().filter(|place| self.sees(place, &scope)).cloned().collect();
            &seen
        };
        let found = asked_places(request, table, places)?;
        if request.is_dry_run() {
            return Err(Ec2Fault::DryRun.into());
        }
        let found: Vec<WalkedDocument> = found.into_iter().cloned().map(WalkedDocument::from).collect();
        let body = response::write(table, &found, None, request_id);
        let standing = CopyStanding {
            as_of: listing.at,
            stale: listing.stale.map(|why| self.visibility.masked(&why)),
            doubt: None,
        };
        Ok(CopyAnswer { body, rest: None, standing, seq: None, is_moved: false })
    }

    fn sees(&self, place: &Document, scope: &Scope) -> bool {
        let region = place.text("RegionName").map(Region::new);
        region.is_some_and(|region| self.visibility.sees_scope(&Scope { region, account: scope.account.clone() }))
    }
}
