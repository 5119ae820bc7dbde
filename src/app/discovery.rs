//! Finds the accounts of an organization, and has them watched beside those that the configuration file lists.
//!
//! A listing that fails changes nothing. What the last good one showed is kept in the data directory, so that a server that starts
//! while AWS Organizations does not answer watches the accounts that it knows. Which accounts a listing gives up is decided by
//! [`Roll`].

use std::path::PathBuf;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::sleep;

use crate::aws::{AccountPlans, AccountSources, Aws, OrganizationListing, OrganizationPlan};
use crate::connection::kept_roll::{FILE, KeptRoll};
use crate::freshness::{MemberTrouble, Signal};
use crate::ingest::IngestHandle;
use crate::model::text::shown;
use crate::model::{
    AccountId, AccountRules, ErrorClass, KnownOrganization, Roll, RollChange, SharedClock, TagBook, Timestamp, Trouble,
};

/// The time from a listing that failed to the next, unless listings come more often.
const FAILED_AGAIN: Duration = Duration::from_mins(1);
/// What the organization is called among the accounts.
const LABEL: &str = "organization";
/// The most accounts that a message names.
const NAMED: usize = 10;

/// Finds the accounts of an organization.
pub(super) struct Discovery {
    pub(super) aws: Aws,
    pub(super) ingest: IngestHandle,
    pub(super) clock: SharedClock,
    pub(super) data_dir: PathBuf,
    /// What the configuration file says, also after it was read again.
    pub(super) sources: watch::Receiver<AccountSources>,
    known: Option<KeptRoll>,
    tags: TagBook,
    trouble: Option<Trouble>,
}

impl Discovery {
    /// Begins with what the data directory holds.
    pub(super) fn new(
        aws: Aws,
        ingest: IngestHandle,
        clock: SharedClock,
        data_dir: PathBuf,
        sources: watch::Receiver<AccountSources>,
    ) -> Self {
        let known = KeptRoll::read(&data_dir);
        let tags = known.as_ref().map(|known| known.tags.clone()).unwrap_or_default();
        Discovery { aws, ingest, clock, data_dir, sources, known, tags, trouble: None }
    }

    /// The accounts to watch, as far as they are known.
    pub(super) fn plans(&self) -> AccountPlans {
        plans(&self.sources.borrow(), self.known.as_ref())
    }

    /// Lists the accounts again and again, and when the configuration file was read again.
    pub(super) async fn run(mut self, plans: watch::Sender<AccountPlans>) {
        loop {
            let sources = self.sources.borrow_and_update().clone();
            self.publish(&plans);
            let Some(plan) = sources.organization else {
                self.tell(None);
                self.aws.describe_organization(None);
                match self.sources.changed().await {
                    Ok(()) => continue,
                    Err(_) => return std::future::pending().await,
                }
            };
            if self.known.is_none() && self.trouble.is_none() {
                self.tell(Some(self.unknown()));
            }
            let mut sources = self.sources.clone();
            let listing = tokio::select! {
                listing = self.aws.organization(&plan, &mut self.tags) => listing,
                Ok(()) = sources.changed() => continue,
            };
            let pause = match listing {
                Ok(listing) => {
                    self.take(&plan, listing).await;
                    self.publish(&plans);
                    plan.refresh
                }
                Err(error) => {
                    tracing::warn!(%error, "the accounts of the organization cannot be listed: those that are known stay");
                    let since = self.since();
                    self.tell(Some(error.to_trouble(since)));
                    plan.refresh.min(FAILED_AGAIN)
                }
            };
            tokio::select! {
                () = sleep(pause) => {}
                Ok(()) = sources.changed() => {}
            }
        }
    }

    /// Applies a complete listing.
    async fn take(&mut self, plan: &OrganizationPlan, listing: OrganizationListing) {
        let before = match &self.known {
            Some(known) if known.organization != listing.organization && known.profile == plan.profile => {
                let trouble = other_organization(&known.organization, &listing.organization, self);
                tracing::error!(what = trouble.what, "the accounts that are known stay");
                self.tell(Some(trouble));
                return;
            }
            Some(known) if known.organization == listing.organization => known.roll.clone(),
            // The configuration file names another profile, and that belongs to another organization.
            Some(_) | None => Roll::default(),
        };
        let selects = listing.accounts.iter().any(|account| plan.rules.select(account));
        if !selects && !listing.accounts.is_empty() {
            let trouble = none_selected(listing.accounts.len(), self);
            tracing::error!(what = trouble.what, "the accounts that are known stay");
            self.tell(Some(trouble));
            return;
        }
        let RollChange { roll, retired, held } =
            before.after(&listing.accounts, &plan.rules, listing.began, plan.forget_after);
        for enrolled in retired.iter().filter_map(|account| roll.accounts.get(account)) {
            let account = &enrolled.shown.account;
            let why = enrolled.absent.map(|absent| absent.why.told());
            tracing::warn!(%account, why, "the account is not watched any more");
        }
        let (found, watched) = (listing.accounts.len(), roll.watched(&plan.rules).count());
        let notice = (!held.is_empty()).then(|| told_held(&held, &roll, &plan.rules));
        let retired_in_all = roll.accounts.values().filter(|enrolled| enrolled.retired.is_some()).count();
        self.aws.describe_organization(Some(KnownOrganization {
            listed: listing.began,
            found,
            watched,
            retired: retired_in_all,
            held: held.len(),
            notice,
        }));
        tracing::info!(
            found,
            watched,
            retired = retired.len(),
            held = held.len(),
            "listed the accounts of the organization"
        );
        let known = KeptRoll {
            organization: listing.organization,
            profile: plan.profile.clone(),
            partition: listing.partition,
            own: listing.own,
            roll,
            tags: self.tags.clone(),
        };
        let (kept, data_dir) = (known.clone(), self.data_dir.clone());
        // A panic is logged where it happens.
        if let Ok(Err(error)) = spawn_blocking(move || kept.write(&data_dir)).await {
            tracing::warn!(%error, "the accounts of the organization cannot be kept for the next start");
        }
        self.known = Some(known);
        self.tell(None);
    }

    fn publish(&mut self, plans: &watch::Sender<AccountPlans>) {
        if let Some(found) = self.selects_none() {
            // A slip in the rules must not end everything at once.
            let trouble = none_selected(found, self);
            tracing::error!(what = trouble.what, "the accounts that are known stay");
            self.tell(Some(trouble));
            return;
        }
        let now = self.plans();
        plans.send_if_modified(|known| {
            let is_other = *known != now;
            *known = now;
            is_other
        });
    }

    /// How many accounts are known, if the rules select none of them.
    fn selects_none(&self) -> Option<usize> {
        let sources = self.sources.borrow();
        let (plan, known) = (sources.organization.as_ref()?, self.known.as_ref()?);
        let found = known.roll.accounts.values().filter(|enrolled| enrolled.retired.is_none()).count();
        (found > 0 && known.roll.watched(&plan.rules).next().is_none()).then_some(found)
    }

    /// Shows what keeps the organization from being known.
    fn tell(&mut self, trouble: Option<Trouble>) {
        if self.trouble != trouble {
            self.trouble.clone_from(&trouble);
            let label = LABEL.to_owned();
            let trouble = trouble.map(|trouble| MemberTrouble { label, account: None, trouble });
            self.ingest.signal(Signal::Member { number: 0, trouble });
        }
    }

    /// Since when it is so, if it goes on.
    fn since(&self) -> Timestamp {
        self.trouble.as_ref().map_or_else(|| self.clock.now(), |trouble| trouble.since)
    }

    fn unknown(&self) -> Trouble {
        Trouble {
            class: ErrorClass::Transient.into(),
            what: "the accounts of the organization have not been listed yet".to_owned(),
            fix: "Wait a moment: they are being listed".to_owned(),
            since: self.since(),
            retry_at: None,
        }
    }
}

/// Which accounts are held, and what to do about it.
fn told_held(held: &[AccountId], roll: &Roll, rules: &AccountRules) -> (String, String) {
    let named = held.iter().take(NAMED).map(|account| {
        let why = roll.accounts.get(account).and_then(|enrolled| enrolled.absent).map(|absent| absent.why.told());
        format!("{account} {}", why.unwrap_or_default())
    });
    let more = if held.len() > NAMED { format!(", and {} more", held.len() - NAMED) } else { String::new() };
    let what = format!(
        "{} of {} accounts are lacking in the listing of the organization at once, so that they stay watched: {}{more}",
        held.len(),
        roll.watched(rules).count(),
        named.collect::<Vec<_>>().join(", ")
    );
    (what, "If they are really gone, name them under exclude in [organization], and run `muster reload`".to_owned())
}

/// The rules of the configuration file leave no account.
fn none_selected(found: usize, discovery: &Discovery) -> Trouble {
    Trouble {
        class: ErrorClass::Fatal.into(),
        what: format!("`include` and `exclude` select none of the {found} accounts that AWS Organizations lists"),
        fix: "Correct them in the section [organization] of the configuration file, and run `muster reload`".to_owned(),
        since: discovery.since(),
        retry_at: None,
    }
}

/// The credentials belong to another organization than before.
fn other_organization(known: &str, found: &str, discovery: &Discovery) -> Trouble {
    let name = |id: &str| if id.is_empty() { "one without an id".to_owned() } else { shown(id, 64) };
    Trouble {
        class: ErrorClass::Fatal.into(),
        what: format!(
            "the credentials are of organization {}, and the known accounts are of {}: these stay watched",
            name(found),
            name(known)
        ),
        fix: format!(
            "Give the credentials of {} again. For the other organization, remove {} and start the server again",
            name(known),
            discovery.data_dir.join(FILE).display()
        ),
        since: discovery.since(),
        retry_at: None,
    }
}

/// The accounts to watch, as far as they are known.
fn plans(sources: &AccountSources, known: Option<&KeptRoll>) -> AccountPlans {
    sources.plans(known.map(|known| (&known.roll, known.partition.as_str(), &known.own)))
}

#[cfg(test)]
mod tests;
