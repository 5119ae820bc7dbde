//! The accounts that are watched beside one another: each has a connection of its own, which shares everything but its credentials
//! with the others.

use std::sync::Arc;

use super::Aws;
use super::account::Account;
use super::account_plan::AccountPlan;
use super::accounts::Accounts;
use super::client::SharedConnection;
use super::sdk::Sdk;
use super::settings::{AwsSettings, Purpose};
use crate::model::{AccountId, KnownAccounts, KnownOrganization};

impl Aws {
    /// A connection to one of several accounts. Its own account is the only one that it ever calls for: the scopes of others are
    /// refused. Clock, limits, connections and names are those of this connection.
    pub async fn member(&self, plan: &AccountPlan) -> Aws {
        let base = &self.home().settings;
        let settings = AwsSettings {
            regions: plan.regions.clone(),
            profile: plan.credentials.profile.clone().or_else(|| base.profile.clone()),
            account: plan.account.clone(),
            share_percent: plan.share_percent.unwrap_or(base.share_percent),
            purpose: Purpose::Member,
            roles: plan.credentials.roles.clone(),
            ..base.clone()
        };
        let shared = self.0.shared.clone();
        let sdk = Box::pin(Sdk::load(&settings, &shared)).await;
        if let Some(account) = &plan.account {
            self.0.limiter.share(account, settings.share_percent);
        }
        Aws(Arc::new(SharedConnection {
            accounts: Accounts::one(Account::new(settings, sdk, shared.clone())),
            clock: Arc::clone(&self.0.clock),
            shared,
            limiter: Arc::clone(&self.0.limiter),
            secrets: Arc::clone(&self.0.secrets),
            known: Arc::clone(&self.0.known),
            organization: Arc::clone(&self.0.organization),
        }))
    }

    /// Makes the calls for `account` through `member` from now on.
    pub fn adopt(&self, account: &AccountId, member: &Aws) {
        self.0.limiter.share(account, member.home().settings.share_percent);
        self.0.accounts.put(account, member.0.accounts.home());
    }

    /// Makes no more calls through `member`.
    pub fn release(&self, member: &Aws) {
        self.0.accounts.take(member.0.accounts.home());
    }

    /// Sets what people call the watched accounts.
    pub fn call_accounts(&self, known: KnownAccounts) {
        self.0.known.store(Arc::new(known));
    }

    /// Sets what the last listing of the organization showed.
    pub fn describe_organization(&self, known: Option<KnownOrganization>) {
        self.0.organization.store(known.map(Arc::new));
    }
}
