//! Calls that are all made with the same credentials, for tools that change AWS.
//!
//! Credentials can change under a running server: a profile is pointed at another account, a session is renewed as somebody
//! else. A look at an instance then proves nothing about the call that follows, unless both are made with the very same
//! credentials. A [`Pinned`] resolves them once, for its first call, and keeps them to its end.
//!
//! It also proves whose they are before anything is changed: the owner that AWS shows for a described instance is the account
//! that asks, because no other account's instances are ever described. Where no owner is shown, STS is asked. When neither
//! tells, nothing is changed.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use aws_smithy_runtime_api::client::identity::{
    Identity, IdentityFuture, ResolveCachedIdentity, ResolveIdentity, SharedIdentityCache, SharedIdentityResolver,
};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;
use futures::FutureExt;
use parking_lot::Mutex;
use tokio::sync::OnceCell;

use super::batch::{Batch, Described};
use super::error::AwsError;
use super::limiter::Priority;
use super::sdk::{Clients, Sdk};
use super::{Aws, IDENTIFY};
use crate::kinds::{DescribeInput, INSTANCE};
use crate::model::text::shown;
use crate::model::{AccountId, Chosen, Item, Region, Scope};

/// The most ids that an error names.
const MAX_NAMED: usize = 5;

/// A connection whose every call is made with the same credentials: those that its first call resolved.
#[derive(Debug)]
pub struct Pinned {
    pub(super) aws: Aws,
    sdk: Sdk,
    /// The account that the credentials are proved to belong to.
    account: Mutex<Option<AccountId>>,
}

impl Aws {
    /// A connection of its own for one tool call, with credentials that do not change until it ends.
    pub async fn pinned(&self) -> Pinned {
        Pinned { aws: self.clone(), sdk: self.sdk().await.pinned(), account: Mutex::default() }
    }
}

impl Pinned {
    /// The account that the credentials belong to, as STS tells.
    ///
    /// # Errors
    /// [`AwsError`] with [`Trouble::IdentityUnproved`](super::Trouble::IdentityUnproved) when STS does not tell; any other
    /// when nothing could be asked at all.
    pub async fn identify(&self) -> Result<AccountId, AwsError> {
        let ask = |region: Region| async move { self.identify_in(&region).await }.boxed();
        let account = self.aws.anywhere(IDENTIFY, ask).await.map_err(|error| self.unproved(error, None))?;
        *self.account.lock() = Some(account.clone());
        Ok(account)
    }

    /// Looks at instances live before a call changes them, and proves whose credentials it looked with.
    ///
    /// # Errors
    /// [`AwsError`], and then nothing may be called: with [`Trouble::OtherAccount`](super::Trouble::OtherAccount) when the
    /// credentials are those of another account than `chosen` names, with
    /// [`Trouble::IdentityUnproved`](super::Trouble::IdentityUnproved) when nothing shows whose they are, with
    /// [`Trouble::Unasked`](super::Trouble::Unasked) when AWS's answer is not about the ids that were asked for.
    pub async fn look(&self, chosen: &Chosen<'_>) -> Result<Described, AwsError> {
        let (scope, action) = (chosen.scope(), INSTANCE.action());
        let ids: Vec<Arc<str>> = chosen.ids().cloned().collect();
        let client = self.clients(&scope.region, action)?.ec2;
        let mut batch = Batch::new(&ids);
        while let Some(ids) = batch.ask() {
            let listing = DescribeInput::Ids(ids.iter().map(ToString::to_string).collect());
            let answer = self.aws.ask_by(client.clone(), scope, INSTANCE, listing, Priority::Tool).await;
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
            return Err(AwsError::unasked(&what, &self.aws.call(Some(&scope.region), action)));
        }
        let owner = items().find_map(|item| INSTANCE.owner(&item.document));
        if items().next().is_some() || !described.not_found.is_empty() {
            self.prove(scope, owner).await?;
        }
        Ok(described)
    }

    /// Proves that the credentials are those of the account of `scope`: by the owner that AWS showed to them, else by STS.
    pub(super) async fn prove(&self, scope: &Scope, owner: Option<&str>) -> Result<(), AwsError> {
        let known = self.account.lock().clone();
        let (found, by) = match (known, owner) {
            (Some(known), _) => (known, IDENTIFY),
            (None, Some(owner)) => (AccountId::new(owner), INSTANCE.action()),
            (None, None) => {
                let told = self.identify_in(&scope.region).await;
                (told.map_err(|error| self.unproved(error, Some(&scope.region)))?, IDENTIFY)
            }
        };
        *self.account.lock() = Some(found.clone());
        if found == scope.account {
            return Ok(());
        }
        Err(AwsError::other_account(&scope.account, found.as_str(), &self.aws.call(Some(&scope.region), by)))
    }

    pub(super) fn clients(&self, region: &Region, action: &'static str) -> Result<Clients, AwsError> {
        self.aws.usable(&self.sdk, region, action)?;
        Ok(self.sdk.clients(region))
    }

    async fn identify_in(&self, region: &Region) -> Result<AccountId, AwsError> {
        let account = self.aws.identify_by(self.clients(region, IDENTIFY)?.identity, region).await?;
        if AccountId::is_valid(account.as_str()) {
            return Ok(account);
        }
        Err(AwsError::unreadable("it names no account", &self.aws.call(Some(region), IDENTIFY)))
    }

    fn unproved(&self, error: AwsError, region: Option<&Region>) -> AwsError {
        if error.is_local() { error } else { AwsError::unproved(&error, &self.aws.call(region, IDENTIFY)) }
    }
}

/// What makes an answer one to another question: ids that were not asked for, or two descriptions of one instance.
///
/// `garbled` are the ids of what the answer shows in a form that cannot be read.
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

/// Ids for an error's text, at most [`MAX_NAMED`] of them. They are AWS's words, so anything may stand in them.
#[must_use]
pub fn listed(ids: &[&str]) -> String {
    let named: Vec<String> = ids.iter().take(MAX_NAMED).map(|id| shown(&format!("`{id}`"), 60)).collect();
    match ids.len().saturating_sub(MAX_NAMED) {
        0 => named.join(", "),
        more => format!("{} and {more} more", named.join(", ")),
    }
}

/// Gives every call the identity that the first one got.
pub(super) struct HeldIdentity {
    /// Where the first call looks, so that it costs no more than any other call: it may renew what has expired.
    shared: Option<SharedIdentityCache>,
    identity: OnceCell<Identity>,
}

impl HeldIdentity {
    pub(super) fn new(shared: Option<SharedIdentityCache>) -> Self {
        HeldIdentity { shared, identity: OnceCell::new() }
    }
}

impl fmt::Debug for HeldIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HeldIdentity").finish_non_exhaustive()
    }
}

impl ResolveCachedIdentity for HeldIdentity {
    fn resolve_cached_identity<'a>(
        &'a self,
        resolver: SharedIdentityResolver,
        components: &'a RuntimeComponents,
        bag: &'a ConfigBag,
    ) -> IdentityFuture<'a> {
        IdentityFuture::new(async move {
            let first = || async {
                match &self.shared {
                    Some(shared) => shared.resolve_cached_identity(resolver, components, bag).await,
                    None => resolver.resolve_identity(components, bag).await,
                }
            };
            self.identity.get_or_try_init(first).await.cloned()
        })
    }
}
