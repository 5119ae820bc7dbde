//! Whose credentials are in use, where STS does not say.
//!
//! STS answers that question alone, and from some networks only EC2's endpoint can be reached. Then the account that a person named
//! (`--account`) stands in, or the owner that EC2 shows beside what only this account can see: the reservations of its instances, and
//! its default security groups, which cannot be shared. Both ends of every listing are held to that owner as they are to STS: where
//! none is shown, a listing proves nothing, since credentials may have changed to those of an account that has nothing.
//!
//! What stands in is said to be unproved until STS answers. It is asked again all the while ([`Aws::ask_silent`]); what it says then
//! counts: the same account proves it, another stops the sweeps.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_sdk_ec2::types::Filter;
use futures::future::{BoxFuture, join_all};
use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt};
use tokio::time::{Instant, timeout};

use super::Aws;
use super::error::{AwsError, Trouble};
use super::limiter::Priority;
use super::silence::Silence;
use crate::model::{AccountId, Clock, ErrorClass, Region, Scope, Timestamp};

/// Asks whose credentials these are.
pub(super) const IDENTIFY: &str = "sts:GetCallerIdentity";
const DESCRIBE_INSTANCES: &str = "ec2:DescribeInstances";
const DESCRIBE_GROUPS: &str = "ec2:DescribeSecurityGroups";
/// The fewest that AWS puts on a page.
const FEW: i32 = 5;
/// How long a sweep waits for STS, credentials and limits included. An answer takes it less than a second.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long one region may take to tell what others can tell too, before the next is asked as well.
const HEAD_START: Duration = Duration::from_secs(3);

/// That the account is taken for granted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unproved {
    /// Why STS does not prove it.
    pub what: String,
    /// What to do about it.
    pub fix: String,
    /// Since when.
    pub since: Timestamp,
}

impl Aws {
    /// The account whose credentials are in use, as STS says.
    ///
    /// # Errors
    /// [`AwsError`]: no credentials, no region, no connection.
    pub async fn identify(&self) -> Result<AccountId, AwsError> {
        // Read again if suspect: it may name a region now.
        self.home().sdk().await;
        self.anywhere(IDENTIFY, |scope| async move { self.identify_in(&scope).await }.boxed()).await
    }

    /// Asks the watched regions for what any of them can tell, one after the other until one answers. One that takes long is
    /// not waited for: it may be down.
    pub(super) async fn anywhere<'a, T>(
        &'a self,
        action: &'static str,
        ask: impl Fn(Scope) -> BoxFuture<'a, Result<T, AwsError>>,
    ) -> Result<T, AwsError> {
        let mut regions = self.regions().into_iter().enumerate();
        let (mut asked, mut errors) = (FuturesUnordered::new(), BTreeMap::new());
        loop {
            if let Some((place, region)) = regions.next() {
                asked.push(ask(self.home().scope(region)).map(move |answer| (place, answer)));
            }
            let patience = if regions.len() > 0 { HEAD_START } else { Duration::MAX };
            match timeout(patience, asked.next()).await {
                Ok(Some((_, Ok(answer)))) => return Ok(answer),
                // Nothing was asked, and nothing can be, anywhere.
                Ok(Some((_, Err(error)))) if error.is_local() => return Err(error),
                Ok(Some((place, Err(error)))) => drop(errors.insert(place, error)),
                Ok(None) => {
                    return Err(errors.pop_first().map_or_else(|| self.home().no_region(action), |(_, error)| error));
                }
                Err(_) => {}
            }
        }
    }

    /// Whether STS says that the credentials in use belong to the account of `scope`.
    ///
    /// # Errors
    /// [`AwsError`] with [`Trouble::OtherAccount`] when they do not; any other when AWS does not say.
    pub async fn confirm_by_sts(&self, scope: &Scope) -> Result<(), AwsError> {
        let found = self.identify_in(scope).await?;
        if found == scope.account {
            return Ok(());
        }
        Err(AwsError::other_account(&scope.account, found.as_str(), &self.call(scope, IDENTIFY)))
    }

    async fn identify_in(&self, scope: &Scope) -> Result<AccountId, AwsError> {
        let client = self.clients(scope, IDENTIFY).await?.identity;
        self.identify_by(client, scope).await
    }

    /// As [`Aws::identify_in`], through a client that may be another than the configuration's.
    pub(super) async fn identify_by(&self, client: aws_sdk_sts::Client, scope: &Scope) -> Result<AccountId, AwsError> {
        let send = || client.get_caller_identity().send();
        let (answer, _) = self.repeatable(scope, IDENTIFY, Priority::Sweep, send).await?;
        let account = AccountId::new(answer.account.unwrap_or_default());
        self.account_of(scope).found.lock().account = Some(account.clone());
        Ok(account)
    }

    /// The account whose credentials are in use: as STS says; where STS cannot be asked, as a person named it, else as EC2 shows it.
    ///
    /// # Errors
    /// [`AwsError`]: no credentials, no region, no connection; [`Trouble::OtherAccount`] when it is not the one that was named.
    pub async fn account(&self) -> Result<AccountId, AwsError> {
        let named = self.home().settings.account.clone();
        let cause = match timeout(PATIENCE, self.identify()).await {
            Ok(Ok(found)) => return self.as_named(found, IDENTIFY),
            Ok(Err(error)) if error.leaves_identity_open() => error,
            Ok(Err(error)) => return Err(error),
            Err(_) => AwsError::late(&self.home().call(None, IDENTIFY)),
        };
        let (mut shown, mut unasked) = (None, None);
        for region in self.regions() {
            match self.owner_in(&self.home().scope(region)).await {
                Ok(None) => {}
                Ok(Some(owner)) => {
                    shown = Some(owner);
                    break;
                }
                Err(error) if error.is_local() => return Err(error),
                Err(error) => drop(unasked.get_or_insert(error)),
            }
        }
        let shown = shown.map(|owner| self.as_named(owner, DESCRIBE_INSTANCES)).transpose()?;
        let Some(account) = shown.or(named) else {
            return Err(unasked.unwrap_or(cause).because_unnamed());
        };
        tracing::warn!(%account, error = %cause, "STS does not prove whose the credentials are; the account stands in");
        for region in self.regions() {
            self.falls_silent(&self.home().scope(region), cause.clone());
        }
        self.home().found.lock().account = Some(account.clone());
        Ok(account)
    }

    /// Whether the credentials in use still belong to the account of `scope`, asked in its own region: one that is down
    /// disturbs no other.
    ///
    /// A page alone does not tell: VPCs may be another account's, and an account without instances answers none.
    ///
    /// # Errors
    /// [`AwsError`] with [`Trouble::OtherAccount`] when they do not; any other when neither STS nor EC2 shows it.
    pub async fn confirm(&self, scope: &Scope) -> Result<(), AwsError> {
        let silence = self.account_of(scope).found.lock().silences.get(&scope.region).cloned();
        if let Some(silence) = silence {
            return self.shown(scope, &silence).await;
        }
        let cause = match timeout(PATIENCE, self.confirm_by_sts(scope)).await {
            Ok(Err(error)) if error.leaves_identity_open() => error,
            Ok(said) => return said,
            Err(_) => AwsError::late(&self.call(scope, IDENTIFY)),
        };
        let silence = self.falls_silent(scope, cause);
        self.shown(scope, &silence).await
    }

    /// Asks STS where it was silent, for as long as a call may take. For whoever has nothing else to do.
    pub async fn ask_silent(&self) {
        let home = self.home();
        let regions: Vec<Region> = home.found.lock().silences.keys().cloned().collect();
        let asked = regions.iter().map(|region| async move {
            let asked = Instant::now();
            let Ok(account) = self.identify_in(&home.scope(region.clone())).await else { return };
            let silences = &mut home.found.lock().silences;
            if asked.elapsed() < PATIENCE {
                tracing::info!(%region, %account, "STS answers again");
                silences.remove(region);
            } else if let Some(silence) = silences.get_mut(region) {
                silence.said = Some((account, Instant::now()));
            }
        });
        join_all(asked).await;
    }

    /// Whether STS does not prove whose the credentials are, and the account stands in.
    #[must_use]
    pub fn unproved(&self) -> Option<Unproved> {
        let found = self.home().found.lock();
        let silence = found.silences.values().find(|silence| !silence.is_answered())?;
        Some(Unproved {
            what: format!("the account is not proved by STS: {}", silence.cause),
            fix: silence.cause.fix(),
            since: silence.since,
        })
    }

    /// Whether EC2 shows `scope`'s account as the owner of what only the account itself sees.
    async fn shown(&self, scope: &Scope, silence: &Silence) -> Result<(), AwsError> {
        let other = |found: &AccountId, at: &Scope, action| {
            Err(AwsError::other_account(&scope.account, found.as_str(), &self.call(at, action)))
        };
        if let Some((said, _)) = silence.said.as_ref().filter(|(said, _)| *said != scope.account) {
            return other(said, scope, IDENTIFY);
        }
        // The credentials are the same in every region.
        let regions = self.account_of(scope).regions().into_iter().filter(|region| *region != scope.region);
        let others = regions.map(|region| Scope { account: scope.account.clone(), region });
        for at in std::iter::once(scope.clone()).chain(others) {
            match self.owner_in(&at).await {
                Ok(Some(owner)) if owner == scope.account => return Ok(()),
                Ok(Some(owner)) => return other(&owner, &at, DESCRIBE_INSTANCES),
                Err(error) if at == *scope => return Err(error),
                Ok(None) | Err(_) => {}
            }
        }
        Err(silence.cause.clone().because_unshown())
    }

    /// The owner that EC2 shows beside what only the account itself sees; `None` where there is no such thing.
    async fn owner_in(&self, scope: &Scope) -> Result<Option<AccountId>, AwsError> {
        let client = self.clients(scope, DESCRIBE_INSTANCES).await?.ec2;
        let send = || client.describe_instances().max_results(FEW).send();
        let instances = match self.repeatable(scope, DESCRIBE_INSTANCES, Priority::Sweep, send).await {
            Ok((answer, _)) => {
                let mut owners = answer.reservations.unwrap_or_default().into_iter().filter_map(|of| of.owner_id);
                if let Some(owner) = owners.find(|owner| !owner.is_empty()) {
                    return Ok(Some(AccountId::new(owner)));
                }
                Ok(())
            }
            Err(error) if error.class == ErrorClass::Denied => Err(error),
            Err(error) => return Err(error),
        };
        let default = Filter::builder().name("group-name").values("default").build();
        let send = || client.describe_security_groups().filters(default.clone()).max_results(FEW).send();
        let (answer, _) = self.repeatable(scope, DESCRIBE_GROUPS, Priority::Sweep, send).await?;
        let groups = answer.security_groups.unwrap_or_default().into_iter();
        // An emulator may not heed the filter.
        let mut owners =
            groups.filter(|group| group.group_name() == Some("default")).filter_map(|group| group.owner_id);
        match owners.find(|owner| !owner.is_empty()) {
            Some(owner) => Ok(Some(AccountId::new(owner))),
            None => instances.map(|()| None),
        }
    }

    /// The account, unless a person named another one.
    fn as_named(&self, found: AccountId, action: &'static str) -> Result<AccountId, AwsError> {
        match &self.home().settings.account {
            Some(named) if *named != found => {
                Err(AwsError::other_account(named, found.as_str(), &self.home().call(None, action)))
            }
            _ => Ok(found),
        }
    }

    /// Notes that the STS of a region does not answer.
    fn falls_silent(&self, scope: &Scope, cause: AwsError) -> Silence {
        let silence = Silence { cause, since: self.0.clock.now(), said: None };
        let silences = &mut self.account_of(scope).found.lock().silences;
        silences.entry(scope.region.clone()).or_insert(silence).clone()
    }
}

impl AwsError {
    /// Whether STS may just not be reachable from here, while EC2 is.
    fn leaves_identity_open(&self) -> bool {
        match (&self.trouble, self.class) {
            // The policy of an endpoint may deny it; credentials that are no good EC2 refuses as well.
            (Trouble::TimedOut | Trouble::Unreachable | Trouble::Unreadable | Trouble::Untrusted { .. }, _)
            | (Trouble::Answered, ErrorClass::Denied | ErrorClass::Throttled | ErrorClass::Transient) => true,
            (Trouble::Answered, _) => self.is_not_implemented(),
            _ => false,
        }
    }

    /// Nobody named an account, and EC2 shows none.
    fn because_unnamed(self) -> Self {
        self.adding("no instance shows the account either: where only EC2 can be reached, name it with --account")
    }

    /// EC2 shows no owner.
    fn because_unshown(self) -> Self {
        self.adding("nothing that EC2 lists shows whose the credentials are, so nothing is removed for being absent")
    }
}

#[cfg(test)]
mod tests;
