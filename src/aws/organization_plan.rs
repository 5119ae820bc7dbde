//! How the accounts of an organization are found, and how to get at each.

use std::time::Duration;

use super::account_plan::{AccountPlan, AccountPlans, CredentialPlan, RolePlan};
use super::event_plan::EventPlan;

use super::watched_regions::Regions;
use crate::model::text::shown;
use crate::model::{AccountId, AccountRules, Enrolled, OrganizationAccount, Partition, Region, Roll};

/// The region of the endpoint of AWS Organizations in each partition. Source: AWS Organizations user guide, "Endpoints and quotas".
const ENDPOINTS: [(&str, &str); 4] = [
    ("aws-cn", "cn-northwest-1"),
    ("aws-us-gov", "us-gov-west-1"),
    ("aws-iso", "us-iso-east-1"),
    ("aws-iso-b", "us-isob-east-1"),
];

/// The longest name of an account, and the longest path of units, that are shown.
const NAME: usize = 64;
const OU: usize = 640;

/// What stands for the number of the account in the name of a role.
const ACCOUNT: &str = "{account}";

/// That of all other partitions.
const ENDPOINT: &str = "us-east-1";

/// Where the accounts come from that are watched beside one another.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AccountSources {
    /// The accounts that the configuration file lists.
    pub listed: Vec<AccountPlan>,
    /// The organization whose accounts are watched as well.
    pub organization: Option<OrganizationPlan>,
}

/// How the accounts of an organization are found, and how to get at each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrganizationPlan {
    /// The profile that asks AWS Organizations and assumes the roles; `None` for AWS's own chain.
    pub profile: Option<String>,
    /// The role to assume in each account: its name, with its path. `{account}` stands for the number of the account.
    pub role_name: String,
    /// The external id that the trust policies of the roles ask for.
    pub external_id: Option<String>,
    /// The name of the sessions.
    pub session_name: Option<String>,
    /// Whether the role is assumed in the account of the asking credentials too; else these act there.
    pub own_role: bool,
    /// The regions to watch in each account.
    pub regions: Regions,
    /// The share of AWS's request limits to use in each account, in percent.
    pub share_percent: Option<u8>,
    /// Where the events of each account come from.
    pub events: EventPlan,
    /// Which accounts are watched.
    pub rules: AccountRules,
    /// How often they are listed.
    pub refresh: Duration,
    /// How long listings must lack an account before it is given up.
    pub forget_after: Duration,
}

#[cfg(test)]
impl OrganizationPlan {
    /// A plan of tests: a role `reader` in one region, listed every hour.
    pub(crate) fn sample(rules: AccountRules) -> Self {
        OrganizationPlan {
            profile: None,
            role_name: "reader".to_owned(),
            external_id: None,
            session_name: None,
            own_role: false,
            regions: Regions::Named(vec![Region::new("eu-west-1")]),
            share_percent: None,
            events: EventPlan::default(),
            rules,
            refresh: Duration::from_hours(1),
            forget_after: Duration::from_hours(24),
        }
    }
}

impl AccountSources {
    /// The accounts to watch: those that the file lists, and those of the organization that it does not list. `known` is what the
    /// last good listing showed, the partition, and the account that asked.
    #[must_use]
    pub fn plans(&self, known: Option<(&Roll, &str, &AccountId)>) -> AccountPlans {
        let mut plans = self.listed.clone();
        let Some(plan) = &self.organization else {
            return AccountPlans { plans, is_whole: true, ..AccountPlans::default() };
        };
        let Some((roll, partition, own)) = known else { return AccountPlans { plans, ..AccountPlans::default() } };
        for enrolled in roll.watched(&plan.rules) {
            let found = plan.plan_of(&enrolled.shown, partition, Some(own));
            match plans.iter_mut().find(|listed| listed.account == found.account) {
                // The file says how to get at it.
                Some(listed) => {
                    listed.ou = found.ou;
                    listed.name = listed.name.take().or(found.name);
                }
                None => plans.push(found),
            }
        }
        let is_gone = |enrolled: &&Enrolled| enrolled.retired.is_some() || !plan.rules.select(&enrolled.shown);
        let gone = roll.accounts.values().filter(is_gone).map(|enrolled| {
            let cause = enrolled.absent.filter(|_| enrolled.retired.is_some()).map(|absent| absent.why.told());
            (
                enrolled.shown.account.clone(),
                cause.unwrap_or("is not selected by [organization] of the configuration file"),
            )
        });
        AccountPlans { plans, is_whole: true, gone: gone.collect() }
    }

    /// Whether there are none, so that the one account of the credentials is watched.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.listed.is_empty() && self.organization.is_none()
    }
}

impl OrganizationPlan {
    /// The plan of the connection that asks AWS Organizations.
    pub(super) fn asking(&self) -> AccountPlan {
        let known = match &self.regions {
            Regions::Named(regions) => regions.first(),
            Regions::All { home } => home.as_ref(),
        };
        let endpoint = known.map(|region| Region::new(endpoint(region)));
        AccountPlan {
            account: None,
            name: Some("organization".to_owned()),
            ou: None,
            credentials: CredentialPlan { profile: self.profile.clone(), roles: Vec::new() },
            // Without a name, the region of AWS's own chain says which partition it is.
            regions: endpoint.map_or(Regions::All { home: None }, |region| Regions::Named(vec![region])),
            share_percent: None,
            events: EventPlan::default(),
        }
    }

    /// How to get at one of the accounts. `partition` is that of the organization, and `own` the account of the credentials that ask.
    #[must_use]
    pub fn plan_of(&self, found: &OrganizationAccount, partition: &str, own: Option<&AccountId>) -> AccountPlan {
        let account = &found.account;
        let role = RolePlan {
            arn: format!("arn:{partition}:iam::{account}:role/{}", self.role_name.replace(ACCOUNT, account.as_str())),
            external_id: self.external_id.clone(),
            session_name: self.session_name.clone(),
        };
        let is_own = own == Some(account) && !self.own_role;
        let regions = match &self.regions {
            Regions::All { home: None } => Regions::All { home: endpoint_of(partition).map(Region::new) },
            regions => regions.clone(),
        };
        AccountPlan {
            account: Some(account.clone()),
            // They are in messages, and strangers can write them.
            name: found.name.as_deref().map(|name| shown(name, NAME)).filter(|name| !name.trim().is_empty()),
            ou: Some(shown(&found.ou, OU)),
            credentials: CredentialPlan {
                profile: self.profile.clone(),
                roles: if is_own { Vec::new() } else { vec![role] },
            },
            regions,
            share_percent: self.share_percent,
            events: self.events.clone(),
        }
    }
}

/// The region of the endpoint for whoever is in `region`.
pub(super) fn endpoint(region: &Region) -> &'static str {
    Partition::of_name(region.as_str()).map(Partition::name).and_then(endpoint_of).unwrap_or(ENDPOINT)
}

/// The region of the endpoint of a partition, where it is not the usual one.
fn endpoint_of(partition: &str) -> Option<&'static str> {
    ENDPOINTS.iter().find(|(name, _)| *name == partition).map(|(_, region)| *region)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::AccountState;

    fn plan(regions: Regions) -> OrganizationPlan {
        OrganizationPlan {
            profile: Some("hub".to_owned()),
            role_name: "path/reader".to_owned(),
            external_id: Some("muster-7".to_owned()),
            session_name: None,
            own_role: false,
            regions,
            share_percent: Some(50),
            events: EventPlan::default(),
            rules: AccountRules::default(),
            refresh: Duration::from_hours(1),
            forget_after: Duration::from_hours(24),
        }
    }

    fn found(account: &str) -> OrganizationAccount {
        OrganizationAccount {
            account: AccountId::new(account),
            name: Some("prod".to_owned()),
            state: AccountState::Open,
            units: Vec::new(),
            ou: "/Workloads".to_owned(),
            tags: None,
        }
    }

    #[test]
    fn each_account_is_reached_by_the_role_of_its_partition_and_the_own_one_without() {
        let (ours, theirs) = (AccountId::new("111122223333"), found("444455556666"));
        let plan = plan(Regions::All { home: None });
        let of = plan.plan_of(&theirs, "aws-cn", Some(&ours));
        assert_eq!(of.credentials.roles[0].arn, "arn:aws-cn:iam::444455556666:role/path/reader");
        assert_eq!(of.credentials.roles[0].external_id.as_deref(), Some("muster-7"));
        assert_eq!((of.label().as_str(), of.ou.as_deref(), of.share_percent), ("prod", Some("/Workloads"), Some(50)));
        assert_eq!(of.regions, Regions::All { home: Some(Region::new("cn-northwest-1")) });
        let own = plan.plan_of(&found("111122223333"), "aws", Some(&ours));
        assert_eq!((own.credentials.profile.as_deref(), own.credentials.roles.len()), (Some("hub"), 0));
        assert_eq!(own.regions, Regions::All { home: None });
        let with_role = OrganizationPlan { own_role: true, ..plan };
        assert_eq!(with_role.plan_of(&found("111122223333"), "aws", Some(&ours)).credentials.roles.len(), 1);
    }

    #[test]
    fn the_endpoint_is_that_of_the_partition() {
        let asked = |region: &str| plan(Regions::Named(vec![Region::new(region)])).asking().regions;
        for (region, expected) in [
            ("eu-west-1", "us-east-1"),
            ("cn-north-1", "cn-northwest-1"),
            ("us-gov-east-1", "us-gov-west-1"),
            ("local", "us-east-1"),
        ] {
            assert_eq!(asked(region), Regions::Named(vec![Region::new(expected)]), "{region}");
        }
        assert_eq!(plan(Regions::All { home: None }).asking().regions, Regions::All { home: None });
    }
}
