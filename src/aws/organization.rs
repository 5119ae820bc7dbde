//! AWS Organizations: which accounts there are, what they are called, and where each stands.
//!
//! Only the management account and delegated administrators may ask. A page may be empty though more follow, so a listing ends only
//! where AWS gives no token. It is complete, or it is an error.

use std::collections::{BTreeMap, VecDeque};

use aws_sdk_organizations::Client;
use aws_sdk_organizations::types::{Account as Listed, AccountState as State};
use futures::future::BoxFuture;

use super::error::AwsError;
use super::organization_plan::{OrganizationPlan, endpoint};
use super::{Aws, Priority};
use crate::model::{AccountId, AccountState, OrganizationAccount, Scope, TagBook, Timestamp};

const LIST_ACCOUNTS: &str = "organizations:ListAccounts";
const LIST_ROOTS: &str = "organizations:ListRoots";
const LIST_UNITS: &str = "organizations:ListOrganizationalUnitsForParent";
const LIST_BELOW: &str = "organizations:ListAccountsForParent";
const LIST_TAGS: &str = "organizations:ListTagsForResource";
/// More pages than any listing of an organization has.
const MOST_PAGES: usize = 10_000;

/// A complete listing of the accounts of an organization.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrganizationListing {
    /// When it began.
    pub began: Timestamp,
    /// The id of the organization, such as `o-a1b2c3d4e5`; empty where AWS does not tell.
    pub organization: String,
    /// The partition of AWS that it is in.
    pub partition: String,
    /// The account of the credentials that asked.
    pub own: AccountId,
    /// All accounts.
    pub accounts: Vec<OrganizationAccount>,
}

/// A connection that asks AWS Organizations.
struct Asking<'a> {
    aws: &'a Aws,
    scope: Scope,
    client: Client,
}

/// The units of an organization: the ids from the root down to each, and the path of their names.
type Units = BTreeMap<String, (Vec<String>, String)>;

/// A page: its items, and the token of the next one.
type OrganizationPage<T> = (Vec<T>, Option<String>);

impl Aws {
    /// Lists the accounts of an organization as `plan` says. Tags are asked for only where a rule names tags, and not again within
    /// a day: `tags` remembers them, also where the listing fails.
    ///
    /// # Errors
    /// [`AwsError`]: whatever was listed before it says nothing.
    pub async fn organization(
        &self,
        plan: &OrganizationPlan,
        tags: &mut TagBook,
    ) -> Result<OrganizationListing, AwsError> {
        let aws = Box::pin(self.member(&plan.asking())).await;
        let own = aws.identify().await?;
        let Some(region) = aws.regions().into_iter().next() else { return Err(aws.home().no_region(LIST_ACCOUNTS)) };
        let sdk = aws.home().sdk().await;
        let client = sdk.organization(endpoint(&region));
        let asking = Asking { aws: &aws, scope: Scope { account: own.clone(), region }, client };
        let began = aws.clock().now();
        let listed = asking.accounts().await?;
        let partition = listed.iter().find_map(|listed| listed.arn()?.split(':').nth(1)).unwrap_or("aws").to_owned();
        // `arn:aws:organizations::MANAGEMENT:account/ORGANIZATION/ACCOUNT`
        let id = listed.iter().find_map(|listed| listed.arn()?.split('/').nth(1));
        let organization = id.unwrap_or_default().to_owned();
        let accounts = asking.placed(listed).await?;
        let accounts = if plan.rules.name_tags() { asking.tagged(accounts, tags).await? } else { accounts };
        Ok(OrganizationListing { began, organization, partition, own, accounts })
    }
}

impl Asking<'_> {
    /// All pages of a listing.
    async fn every<'s, T>(
        &'s self,
        action: &'static str,
        page: impl Fn(Option<String>) -> BoxFuture<'s, Result<OrganizationPage<T>, AwsError>>,
    ) -> Result<Vec<T>, AwsError> {
        let (mut all, mut token) = (Vec::new(), None);
        for _ in 0..MOST_PAGES {
            let (items, next) = page(token.clone()).await?;
            all.extend(items);
            match next.filter(|next| !next.is_empty()) {
                None => return Ok(all),
                Some(next) if Some(&next) == token.as_ref() => break,
                next => token = next,
            }
        }
        Err(AwsError::endless("its pages do not end", action, &self.scope.region))
    }

    async fn accounts(&self) -> Result<Vec<Listed>, AwsError> {
        let page = |token: Option<String>| -> BoxFuture<'_, _> {
            Box::pin(async move {
                let send = || self.client.list_accounts().set_next_token(token.clone()).send();
                let (answer, _) = self.aws.repeatable(&self.scope, LIST_ACCOUNTS, Priority::Sweep, send).await?;
                Ok((answer.accounts.unwrap_or_default(), answer.next_token))
            })
        };
        let listed = self.every(LIST_ACCOUNTS, page).await?;
        let is_valid = |listed: &Listed| listed.id().is_some_and(AccountId::is_valid);
        // An organization has its management account at least.
        if listed.is_empty() || !listed.iter().all(is_valid) {
            let what = if listed.is_empty() { "no account" } else { "an account without its number" };
            return Err(AwsError::unreadable(what, &self.aws.call(&self.scope, LIST_ACCOUNTS)));
        }
        Ok(listed)
    }

    /// The accounts with the units above each.
    async fn placed(&self, listed: Vec<Listed>) -> Result<Vec<OrganizationAccount>, AwsError> {
        let units = self.units().await?;
        let mut places: BTreeMap<String, String> = BTreeMap::new();
        if listed.iter().any(|listed| unit_of(listed).is_none()) {
            // This endpoint does not say where an account is.
            for unit in units.keys() {
                for below in self.accounts_below(unit).await? {
                    places.insert(below, unit.clone());
                }
            }
        }
        let with_units = listed.into_iter().map(|listed| {
            let id = listed.id().unwrap_or_default();
            let unit = unit_of(&listed).or_else(|| places.get(id).cloned()).unwrap_or_default();
            // A unit that was made since its parent was asked is shown by its id.
            let (ids, ou) = units.get(&unit).cloned().unwrap_or_else(|| (vec![unit.clone()], format!("/{unit}")));
            OrganizationAccount {
                account: AccountId::new(id),
                name: listed.name().map(str::to_owned),
                state: state_of(&listed),
                units: ids,
                ou,
                tags: None,
            }
        });
        Ok(with_units.collect())
    }

    /// All units, found from the roots down.
    async fn units(&self) -> Result<Units, AwsError> {
        let page = |token: Option<String>| -> BoxFuture<'_, _> {
            Box::pin(async move {
                let send = || self.client.list_roots().set_next_token(token.clone()).send();
                let (answer, _) = self.aws.repeatable(&self.scope, LIST_ROOTS, Priority::Sweep, send).await?;
                Ok((answer.roots.unwrap_or_default(), answer.next_token))
            })
        };
        let roots = self.every(LIST_ROOTS, page).await?.into_iter().filter_map(|root| root.id);
        let mut left: VecDeque<(Vec<String>, String)> = roots.map(|id| (vec![id], String::new())).collect();
        let mut units = Units::new();
        while let Some((ids, path)) = left.pop_front() {
            let Some(id) = ids.last().cloned() else { continue };
            if units.contains_key(&id) {
                continue;
            }
            for (below, name) in self.units_below(&id).await? {
                left.push_back(([&ids[..], &[below]].concat(), format!("{path}/{name}")));
            }
            units.insert(id, (ids, if path.is_empty() { "/".to_owned() } else { path }));
        }
        Ok(units)
    }

    /// The ids and names of the units below one.
    async fn units_below(&self, parent: &str) -> Result<Vec<(String, String)>, AwsError> {
        let page = |token: Option<String>| -> BoxFuture<'_, _> {
            let parent = parent.to_owned();
            Box::pin(async move {
                let ask = || self.client.list_organizational_units_for_parent().parent_id(&parent);
                let send = || ask().set_next_token(token.clone()).send();
                let (answer, _) = self.aws.repeatable(&self.scope, LIST_UNITS, Priority::Sweep, send).await?;
                Ok((answer.organizational_units.unwrap_or_default(), answer.next_token))
            })
        };
        let units = self.every(LIST_UNITS, page).await?.into_iter();
        Ok(units.filter_map(|unit| Some((unit.id?, unit.name.unwrap_or_default()))).collect())
    }

    /// The numbers of the accounts in a unit.
    async fn accounts_below(&self, parent: &str) -> Result<Vec<String>, AwsError> {
        let page = |token: Option<String>| -> BoxFuture<'_, _> {
            let parent = parent.to_owned();
            Box::pin(async move {
                let ask = || self.client.list_accounts_for_parent().parent_id(&parent);
                let send = || ask().set_next_token(token.clone()).send();
                let (answer, _) = self.aws.repeatable(&self.scope, LIST_BELOW, Priority::Sweep, send).await?;
                Ok((answer.accounts.unwrap_or_default(), answer.next_token))
            })
        };
        Ok(self.every(LIST_BELOW, page).await?.into_iter().filter_map(|listed| listed.id).collect())
    }

    /// The accounts with their tags.
    async fn tagged(
        &self,
        accounts: Vec<OrganizationAccount>,
        book: &mut TagBook,
    ) -> Result<Vec<OrganizationAccount>, AwsError> {
        let mut tagged = Vec::with_capacity(accounts.len());
        for account in accounts {
            if account.state == AccountState::Closed {
                tagged.push(account);
                continue;
            }
            let now = self.aws.clock().now();
            let tags = if let Some(tags) = book.fresh(&account.account, now) {
                tags.clone()
            } else {
                let tags = self.tags(account.account.as_str()).await?;
                book.note(&account.account, tags.clone(), now);
                tags
            };
            tagged.push(OrganizationAccount { tags: Some(tags), ..account });
        }
        book.keep_only(tagged.iter().map(|account| &account.account));
        Ok(tagged)
    }

    async fn tags(&self, account: &str) -> Result<BTreeMap<String, String>, AwsError> {
        let page = |token: Option<String>| -> BoxFuture<'_, _> {
            let account = account.to_owned();
            Box::pin(async move {
                let ask = || self.client.list_tags_for_resource().resource_id(&account);
                let send = || ask().set_next_token(token.clone()).send();
                let (answer, _) = self.aws.repeatable(&self.scope, LIST_TAGS, Priority::Sweep, send).await?;
                Ok((answer.tags.unwrap_or_default(), answer.next_token))
            })
        };
        Ok(self.every(LIST_TAGS, page).await?.into_iter().map(|tag| (tag.key, tag.value)).collect())
    }
}

/// The id of the unit or root that an account is in, where the listing says so: `o-1/r-1/ou-1-a/111122223333/`.
fn unit_of(listed: &Listed) -> Option<String> {
    let mut units = listed.paths().first()?.split('/').filter(|id| id.starts_with("ou-") || id.starts_with("r-"));
    units.next_back().map(str::to_owned)
}

/// The older field calls closed accounts suspended, so only the newer one says that an account is closed.
fn state_of(listed: &Listed) -> AccountState {
    match listed.state() {
        Some(State::Closed) => AccountState::Closed,
        Some(_) | None => AccountState::Open,
    }
}

#[cfg(test)]
mod tests;
