//! The account of the credentials, when STS does not name it.
//!
//! Only STS answers that question directly, and from some networks only EC2's endpoint can be reached. Then Muster uses the account
//! that a person named (`--account`), or the owner that EC2 shows on what only this account can see: the reservations of its
//! instances, and its default security groups, which cannot be shared. The start and end of every listing are checked against that
//! owner, as they are against STS. If no owner is shown, a listing proves nothing, since the credentials may have changed to those
//! of an empty account. Such an account is reported as unproved until STS answers. STS is asked again all the while
//! ([`Aws::ask_silent`]), and its answer decides: the same account is proved, another one stops the sweeps.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_ec2::types::Filter;
use futures::future::{BoxFuture, join_all};
use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt};
use tokio::time::{Instant, timeout};

use super::Aws;
use super::error::{AwsError, AwsErrorKind};
use super::limiter::Priority;
use super::signed_by::SignedBy;
use super::silence::Silence;
use crate::model::{AccountId, Clock, ErrorClass, Region, Scope, Timestamp};

/// Asks STS for the account of the credentials.
pub(super) const IDENTIFY: &str = "sts:GetCallerIdentity";
const DESCRIBE_INSTANCES: &str = "ec2:DescribeInstances";
const DESCRIBE_GROUPS: &str = "ec2:DescribeSecurityGroups";
/// The smallest page size that AWS accepts.
const FEW: i32 = 5;
/// How long a sweep waits for STS, including credentials and limits. An answer takes less than a second.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long STS has to answer where what asks goes after sweeps.
const BRIEF: Duration = Duration::from_secs(3);
/// How long one region gets to answer before the next is asked as well.
const HEAD_START: Duration = Duration::from_secs(3);

/// Says that STS does not prove the account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unproved {
    /// Why STS does not prove it.
    pub what: String,
    /// What to do about it.
    pub fix: String,
    /// Since when it is unproved.
    pub since: Timestamp,
}

impl Aws {
    /// The account of the credentials, as STS says.
    ///
    /// # Errors
    /// [`AwsError`]: no credentials, no region, no connection.
    pub async fn identify(&self) -> Result<AccountId, AwsError> {
        // The configuration is read again if suspect: it may name a region now.
        self.home().sdk().await;
        self.anywhere(IDENTIFY, |scope| async move { self.identify_in(&scope, Priority::Sweep).await }.boxed()).await
    }

    /// Asks the watched regions in turn, until one answers, for something that any of them knows. A slow region is not waited for,
    /// since it may be down.
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
                // Nothing was asked, and nothing can be asked in any region.
                Ok(Some((_, Err(error)))) if error.is_local() => return Err(error),
                Ok(Some((place, Err(error)))) => drop(errors.insert(place, error)),
                Ok(None) => {
                    return Err(errors.pop_first().map_or_else(|| self.home().no_region(action), |(_, error)| error));
                }
                Err(_) => {}
            }
        }
    }

    /// Checks with STS that the credentials belong to the account of `scope`.
    ///
    /// # Errors
    /// [`AwsError`] with [`AwsErrorKind::OtherAccount`] if they do not; any other if AWS does not say.
    pub async fn confirm_by_sts(&self, scope: &Scope) -> Result<(), AwsError> {
        self.confirm_by_sts_for(scope, Priority::Sweep).await
    }

    async fn confirm_by_sts_for(&self, scope: &Scope, priority: Priority) -> Result<(), AwsError> {
        let found = self.identify_in(scope, priority).await?;
        if found == scope.account {
            return Ok(());
        }
        Err(AwsError::other_account(&scope.account, found.as_str(), &self.call(scope, IDENTIFY)))
    }

    async fn identify_in(&self, scope: &Scope, priority: Priority) -> Result<AccountId, AwsError> {
        let (sdk, signed) = (self.account_of(scope).ready(&scope.region, IDENTIFY).await?, SignedBy::default());
        let found = self.identify_by(sdk.clients(&scope.region).identity(), &signed, scope, priority).await?;
        if let Some(key) = signed.key() {
            sdk.loaded.prove(&key, &found);
        }
        Ok(found)
    }

    /// Like [`Aws::identify_in`], through a client that may have another configuration.
    pub(super) async fn identify_by(
        &self,
        client: aws_sdk_sts::Client,
        signed: &SignedBy,
        scope: &Scope,
        priority: Priority,
    ) -> Result<AccountId, AwsError> {
        let send = || client.get_caller_identity().customize().interceptor(signed.clone()).send();
        let (answer, _) = self.repeatable(scope, IDENTIFY, priority, send).await?;
        let account = AccountId::new(answer.account.unwrap_or_default());
        self.account_of(scope).found.lock().account = Some(account.clone());
        Ok(account)
    }

    /// The account of the credentials: as STS says, or if STS cannot be asked, as a person named it or as EC2 shows it.
    ///
    /// # Errors
    /// [`AwsError`]: no credentials, no region, no connection; [`AwsErrorKind::OtherAccount`] if it is not the named one.
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
            match self.owner_in(&self.home().scope(region), Priority::Sweep).await {
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
        tracing::warn!(%account, error = %cause, "STS does not prove the account of the credentials; this account is assumed");
        for region in self.regions() {
            self.falls_silent(&self.home().scope(region), cause.clone());
        }
        self.home().found.lock().account = Some(account.clone());
        Ok(account)
    }

    /// Checks that the credentials still belong to the account of `scope`, in its own region, so that a region that is down does
    /// not affect others.
    ///
    /// A page alone does not show this: VPCs may belong to another account, and an account without instances lists none.
    ///
    /// # Errors
    /// [`AwsError`] with [`AwsErrorKind::OtherAccount`] if they do not; any other if neither STS nor EC2 shows it.
    pub async fn confirm(&self, scope: &Scope) -> Result<(), AwsError> {
        self.confirm_for(scope, Priority::Sweep).boxed().await
    }

    /// Like [`Aws::confirm`], by calls of this priority. Where EC2 shows the account, what it showed of the same key counts for all but
    /// sweeps.
    ///
    /// # Errors
    /// As [`Aws::confirm`].
    pub async fn confirm_for(&self, scope: &Scope, priority: Priority) -> Result<(), AwsError> {
        match self.account_of(scope).proved() {
            Some(found) if found == scope.account => return Ok(()),
            Some(found) => {
                return Err(AwsError::other_account(&scope.account, found.as_str(), &self.call(scope, IDENTIFY)));
            }
            None => {}
        }
        let silence = self.account_of(scope).found.lock().silences.get(&scope.region).cloned();
        if let Some(silence) = silence {
            return self.shown(scope, &silence, priority).boxed().await;
        }
        // A sweep finds out whether STS is silent; what somebody waits for behind sweeps does not wait for that as well.
        let patience = if priority > Priority::Sweep { BRIEF } else { PATIENCE };
        let cause = match timeout(patience, self.confirm_by_sts_for(scope, priority)).await {
            Ok(Err(error)) if error.leaves_identity_open() => error,
            Ok(said) => return said,
            Err(_) => AwsError::late(&self.call(scope, IDENTIFY)),
        };
        // What goes after sweeps may have waited for them all the time, and decides nothing for them.
        let silence = if priority <= Priority::Sweep {
            self.falls_silent(scope, cause)
        } else {
            Silence { cause, since: self.0.clock.now(), said: None }
        };
        self.shown(scope, &silence, priority).boxed().await
    }

    /// Asks STS again in the regions where it was silent, for as long as a call may take. For callers that can wait.
    pub async fn ask_silent(&self) {
        let home = self.home();
        let regions: Vec<Region> = home.found.lock().silences.keys().cloned().collect();
        let asked = regions.iter().map(|region| async move {
            let asked = Instant::now();
            let told = self.identify_in(&home.scope(region.clone()), Priority::Sweep).await;
            let Ok(account) = told else { return };
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

    /// Why the account is not proved; `None` if STS proved it.
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

    /// Checks that EC2 shows `scope`'s account as the owner of something that only the account itself sees.
    async fn shown(&self, scope: &Scope, silence: &Silence, priority: Priority) -> Result<(), AwsError> {
        if let Some((said, _)) = silence.said.as_ref().filter(|(said, _)| *said != scope.account) {
            return Err(AwsError::other_account(&scope.account, said.as_str(), &self.call(scope, IDENTIFY)));
        }
        let account = self.account_of(scope);
        let _showing = if priority == Priority::Passed { Some(account.showing.lock().await) } else { None };
        let (sdk, is_sweep) = (account.loaded(), priority == Priority::Sweep);
        // Both ends of a listing are proved by calls of their own.
        let before = sdk.loaded.key();
        if !is_sweep && before.as_ref().is_some_and(|key| sdk.loaded.belongs(key, &scope.account)) {
            return Ok(());
        }
        self.owned(scope, silence, priority).boxed().await?;
        if Arc::ptr_eq(&sdk, &account.loaded())
            && let Some(key) = sdk.loaded.key_since(before.as_deref())
        {
            sdk.loaded.show(&key, &scope.account);
        }
        Ok(())
    }

    /// Asks EC2 to show `scope`'s account as the owner of something.
    async fn owned(&self, scope: &Scope, silence: &Silence, priority: Priority) -> Result<(), AwsError> {
        // The credentials are the same in every region.
        let regions = self.account_of(scope).regions().into_iter().filter(|region| *region != scope.region);
        let others = regions.map(|region| Scope { account: scope.account.clone(), region });
        for at in std::iter::once(scope.clone()).chain(others) {
            match self.owner_in(&at, priority).await {
                Ok(Some(owner)) if owner == scope.account => return Ok(()),
                Ok(Some(owner)) => {
                    let call = self.call(&at, DESCRIBE_INSTANCES);
                    return Err(AwsError::other_account(&scope.account, owner.as_str(), &call));
                }
                Err(error) if at == *scope => return Err(error),
                Ok(None) | Err(_) => {}
            }
        }
        Err(silence.cause.clone().because_unshown())
    }

    /// The owner that EC2 shows on something that only the account itself sees; `None` if there is no such thing.
    async fn owner_in(&self, scope: &Scope, priority: Priority) -> Result<Option<AccountId>, AwsError> {
        let client = self.clients(scope, DESCRIBE_INSTANCES).await?.ec2();
        let send = || client.describe_instances().max_results(FEW).send();
        let instances = match self.repeatable(scope, DESCRIBE_INSTANCES, priority, send).await {
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
        let (answer, _) = self.repeatable(scope, DESCRIBE_GROUPS, priority, send).await?;
        let groups = answer.security_groups.unwrap_or_default().into_iter();
        // An emulator may ignore the filter.
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

    /// Records that the STS of a region does not answer.
    fn falls_silent(&self, scope: &Scope, cause: AwsError) -> Silence {
        let silence = Silence { cause, since: self.0.clock.now(), said: None };
        let account = self.account_of(scope);
        let silences = &mut account.found.lock().silences;
        silences.entry(scope.region.clone()).or_insert(silence).clone()
    }
}

impl AwsError {
    /// Whether only STS may be unreachable from here, while EC2 answers.
    fn leaves_identity_open(&self) -> bool {
        match (&self.kind, self.class) {
            // The policy of an endpoint may deny STS; EC2 refuses bad credentials as well.
            (
                AwsErrorKind::TimedOut
                | AwsErrorKind::Unreachable
                | AwsErrorKind::Unreadable
                | AwsErrorKind::Untrusted { .. },
                _,
            )
            | (AwsErrorKind::Answered, ErrorClass::Denied | ErrorClass::Throttled | ErrorClass::Transient) => true,
            (AwsErrorKind::Answered, _) => self.is_not_implemented(),
            _ => false,
        }
    }

    /// Nobody named an account, and EC2 shows none.
    fn because_unnamed(self) -> Self {
        self.adding("no instance shows the account either: where only EC2 can be reached, name it with --account")
    }

    /// EC2 shows no owner.
    fn because_unshown(self) -> Self {
        self.adding("nothing that EC2 lists shows the account of the credentials, so no absent resource is removed")
    }
}

#[cfg(test)]
mod tests;
