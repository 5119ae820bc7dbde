//! How to get at one of several accounts.

use std::collections::BTreeMap;

use super::event_plan::EventPlan;
use super::watched_regions::Regions;
use crate::model::AccountId;

/// How to get at one of several accounts, and what to watch there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountPlan {
    /// The account, where it is known before AWS is asked: that of the last role, or one that the credentials have to belong to.
    pub account: Option<AccountId>,
    /// What people call it.
    pub name: Option<String>,
    /// The names of the units of its organization above it, such as `/Workloads/Production`, where it is known.
    pub ou: Option<String>,
    /// Where its credentials come from.
    pub credentials: CredentialPlan,
    /// The regions to watch.
    pub regions: Regions,
    /// The share of AWS's request limits to use, in percent; `None` for that of the settings.
    pub share_percent: Option<u8>,
    /// Where its events come from.
    pub events: EventPlan,
}

/// The accounts to watch beside one another.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AccountPlans {
    /// How to get at each.
    pub plans: Vec<AccountPlan>,
    /// Whether these are all: if not, other accounts may still turn out to be watched, and none is given up.
    pub is_whole: bool,
    /// Why accounts of an organization are not among them any more, to stand after a colon.
    pub gone: BTreeMap<AccountId, &'static str>,
}

/// Where the credentials of an account come from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CredentialPlan {
    /// The profile whose credentials are used, or assume the first role; `None` for AWS's own chain.
    pub profile: Option<String>,
    /// The roles to assume one after the other. The last one acts.
    pub roles: Vec<RolePlan>,
}

/// A role to assume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RolePlan {
    /// Its ARN.
    pub arn: String,
    /// The external id that its trust policy asks for.
    pub external_id: Option<String>,
    /// The name of the session; `None` for Muster's own.
    pub session_name: Option<String>,
}

impl RolePlan {
    /// The account of the role; `None` where the ARN names none.
    #[must_use]
    pub fn account(&self) -> Option<AccountId> {
        let account = self.arn.split(':').nth(4).filter(|account| AccountId::is_valid(account))?;
        Some(AccountId::new(account))
    }
}

impl AccountPlan {
    /// Whether the account is watched in the same way as by another plan, apart from what it is called and where it stands.
    #[must_use]
    pub fn watches_as(&self, other: &AccountPlan) -> bool {
        let AccountPlan { account, name: _, ou: _, credentials, regions, share_percent, events } = self;
        *account == other.account
            && *credentials == other.credentials
            && *regions == other.regions
            && *share_percent == other.share_percent
            && *events == other.events
    }

    /// What the account is called in messages: its name, else its number, else where its credentials come from.
    #[must_use]
    pub fn label(&self) -> String {
        let named = self.name.clone().or_else(|| self.account.as_ref().map(ToString::to_string));
        named.or_else(|| self.credentials.profile.as_ref().map(|profile| format!("profile {profile}"))).unwrap_or_else(
            || match self.credentials.roles.last() {
                Some(role) => role.arn.clone(),
                None => "AWS's own credentials".to_owned(),
            },
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_account_of_a_role_is_in_its_arn() {
        let role = |arn: &str| RolePlan { arn: arn.to_owned(), external_id: None, session_name: None }.account();
        assert_eq!(role("arn:aws-cn:iam::111122223333:role/path/reader"), Some(AccountId::new("111122223333")));
        assert_eq!(role("arn:aws:iam::11112222333:role/reader"), None);
        assert_eq!(role("reader"), None);
    }
}
