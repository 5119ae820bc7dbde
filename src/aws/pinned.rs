//! Calls that all use the same credentials, for tools that change AWS.
//!
//! Credentials can change under a running server: a profile is edited, or a session is renewed for another account. A look at an
//! instance then proves nothing about the call that follows it, unless both use the same credentials. A [`Pinned`] resolves them
//! once, for its first call, and keeps them.
//!
//! It also proves their account before anything is changed: the owner that AWS shows for a described instance is the calling
//! account, because no other account's instances are ever described. If no owner is shown, STS is asked. If neither answers,
//! nothing is changed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures::FutureExt;
use parking_lot::Mutex;

use super::Aws;
use super::batch::{DescribeResult, IdBatch};
use super::error::{AwsError, CallContext};
use super::identity::IDENTIFY;
use super::limiter::Priority;
use super::sdk::{Clients, Sdk};
use super::settings::Purpose;
use super::signed_by::SignedBy;
use crate::kinds::{DescribeInput, INSTANCE};
use crate::model::text::shown;
use crate::model::{AccountId, Chosen, Item, Principal, Scope};

/// How many ids an error names at most.
const MAX_NAMED: usize = 5;

/// A connection whose calls all use the credentials that its first call resolved.
#[derive(Debug)]
pub struct Pinned {
    pub(super) aws: Aws,
    /// By account, as calls need them; those of the configured credentials have none.
    held: Mutex<BTreeMap<Option<AccountId>, Arc<PinnedCredentials>>>,
    by: Option<Principal>,
    /// Whether what AWS says of a denial was told.
    pub(super) denial_told: Mutex<bool>,
    /// Where the endpoint is known to heed `DryRun`.
    pub(super) heeding: Mutex<BTreeSet<Scope>>,
}

/// Credentials that do not change.
#[derive(Debug)]
struct PinnedCredentials {
    sdk: Sdk,
    /// The account that they are proved to belong to.
    proved: Mutex<Option<AccountId>>,
}

impl Aws {
    /// A connection for one tool call, with credentials that do not change until it ends.
    pub async fn pinned(&self) -> Pinned {
        self.pinned_for(None).await
    }

    /// The same for a call of this client, which AWS's records then show.
    pub async fn pinned_for(&self, by: Option<&Principal>) -> Pinned {
        // The configuration is read again if suspect.
        let sdk = self.home().sdk().await;
        let home = Arc::new(PinnedCredentials { sdk: sdk.pinned(by), proved: Mutex::default() });
        Pinned {
            aws: self.clone(),
            held: Mutex::new(BTreeMap::from([(None, home)])),
            by: by.cloned(),
            denial_told: Mutex::default(),
            heeding: Mutex::default(),
        }
    }
}

impl Pinned {
    /// The account of the credentials, as STS says.
    ///
    /// # Errors
    /// [`AwsError`] with [`AwsErrorKind::IdentityUnproved`](super::Trouble::IdentityUnproved) if STS does not say; any other if nothing
    /// could be asked at all.
    pub async fn identify(&self) -> Result<AccountId, AwsError> {
        let ask = |scope: Scope| async move { self.identify_in(&scope).await }.boxed();
        let unproved = |error| unproved(error, &self.aws.home().call(None, IDENTIFY));
        let account = self.aws.anywhere(IDENTIFY, ask).await.map_err(unproved)?;
        if let Some(home) = self.held.lock().get(&None) {
            *home.proved.lock() = Some(account.clone());
        }
        Ok(account)
    }

    /// Describes instances live before a call changes them, and proves the account of the credentials.
    ///
    /// # Errors
    /// [`AwsError`]; nothing may be changed then. [`AwsErrorKind::OtherAccount`](super::Trouble::OtherAccount): the credentials belong
    /// to another account than `chosen` names. [`AwsErrorKind::IdentityUnproved`](super::Trouble::IdentityUnproved): their account is
    /// not shown. [`AwsErrorKind::Unasked`](super::Trouble::Unasked): AWS's answer is not about the requested ids.
    pub async fn look(&self, chosen: &Chosen<'_>) -> Result<DescribeResult, AwsError> {
        let (scope, action) = (chosen.scope(), INSTANCE.action());
        let ids: Vec<Arc<str>> = chosen.ids().cloned().collect();
        let client = self.clients(scope, action).await?.ec2();
        let mut batch = IdBatch::new(&ids);
        while let Some(ids) = batch.ask() {
            let listing = DescribeInput::Ids(ids.iter().map(ToString::to_string).collect());
            let answer = self.aws.ask_by(client.clone(), scope, INSTANCE, listing, Priority::Tool, None).await;
            if let Err(error) = &answer
                && error.is_about_account()
            {
                return Err(error.clone());
            }
            batch.answered(ids, answer);
        }
        let described = batch.described();
        let items = || described.answers.iter().flat_map(|listed| &listed.items);
        let unreadable = described.answers.iter().flat_map(|listed| &listed.unreadable);
        let garbled: Vec<&str> = unreadable.filter_map(|item| item.id.as_deref()).collect();
        if let Some(what) = unasked(chosen, items(), &garbled) {
            return Err(AwsError::unasked(&what, &self.aws.call(scope, action)));
        }
        let owner = items().find_map(|item| INSTANCE.owner(&item.document));
        if items().next().is_some() || !described.not_found.is_empty() {
            self.prove(scope, owner).await?;
        }
        Ok(described)
    }

    /// Proves that the credentials belong to the account of `scope`: by the owner that AWS showed, or else by STS.
    pub(super) async fn prove(&self, scope: &Scope, owner: Option<&str>) -> Result<(), AwsError> {
        let held = self.held(scope).await;
        let known = held.proved.lock().clone();
        let (found, by) = match (known, owner) {
            (Some(known), _) => (known, IDENTIFY),
            (None, Some(owner)) => (AccountId::new(owner), INSTANCE.action()),
            (None, None) => {
                let told = self.identify_in(scope).await;
                (told.map_err(|error| unproved(error, &self.aws.call(scope, IDENTIFY)))?, IDENTIFY)
            }
        };
        *held.proved.lock() = Some(found.clone());
        if found == scope.account {
            return Ok(());
        }
        Err(AwsError::other_account(&scope.account, found.as_str(), &self.aws.call(scope, by)))
    }

    pub(super) async fn clients(&self, scope: &Scope, action: &'static str) -> Result<Clients, AwsError> {
        let held = self.held(scope).await;
        self.aws.account_of(scope).usable(&held.sdk, &scope.region, action)?;
        Ok(held.sdk.clients(&scope.region))
    }

    /// The credentials for the account of `scope`, the same ones until the call ends.
    async fn held(&self, scope: &Scope) -> Arc<PinnedCredentials> {
        let account = self.aws.account_of(scope);
        let key = (account.settings.purpose == Purpose::Member).then(|| scope.account.clone());
        if let Some(held) = self.held.lock().get(&key) {
            return Arc::clone(held);
        }
        let sdk = account.sdk().await.pinned(self.by.as_ref());
        let held = Arc::new(PinnedCredentials { sdk, proved: Mutex::default() });
        Arc::clone(self.held.lock().entry(key).or_insert(held))
    }

    async fn identify_in(&self, scope: &Scope) -> Result<AccountId, AwsError> {
        let account = self
            .aws
            .identify_by(self.clients(scope, IDENTIFY).await?.identity(), &SignedBy::default(), scope, Priority::Sweep)
            .await?;
        if AccountId::is_valid(account.as_str()) {
            return Ok(account);
        }
        Err(AwsError::unreadable("it names no account", &self.aws.call(scope, IDENTIFY)))
    }
}

/// The error that the account of the credentials is not proved, caused by `error`; or `error` itself if nothing was asked.
fn unproved(error: AwsError, call: &CallContext<'_>) -> AwsError {
    if error.is_local() { error } else { AwsError::unproved(&error, call) }
}

/// Why the answer does not match the question: it has ids that were not requested, or describes one instance twice.
///
/// `garbled` are the ids of the unreadable items of the answer.
fn unasked<'a>(chosen: &Chosen<'_>, items: impl Iterator<Item = &'a Item>, garbled: &[&'a str]) -> Option<String> {
    let mut others: Vec<&str> = garbled.iter().copied().filter(|id| !chosen.holds(id)).collect();
    let mut shown_once = BTreeMap::new();
    for item in items {
        if garbled.contains(&&*item.id) {
            return Some(format!("it shows {} twice, once in a form that cannot be read", shown(&item.id, 60)));
        }
        if !chosen.holds(&item.id) {
            others.push(&item.id);
        } else if shown_once.insert(&*item.id, &item.document).is_some_and(|before| *before != item.document) {
            return Some(format!("it shows {} twice, each time differently", shown(&item.id, 60)));
        }
    }
    if others.is_empty() { None } else { Some(format!("it shows {}, which nobody named", listed(&others))) }
}

/// Lists ids for an error's text, at most [`MAX_NAMED`]. They come from AWS's answer, so they may be any text.
#[must_use]
pub fn listed(ids: &[&str]) -> String {
    let named: Vec<String> = ids.iter().take(MAX_NAMED).map(|id| shown(&format!("`{id}`"), 60)).collect();
    match ids.len().saturating_sub(MAX_NAMED) {
        0 => named.join(", "),
        more => format!("{} and {more} more", named.join(", ")),
    }
}
