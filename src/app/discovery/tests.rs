use super::*;
use crate::aws::{AccountPlan, CredentialPlan, EventPlan, Regions, RolePlan};
use crate::model::{AccountRule, AccountState, OrganizationAccount, Region};

const OURS: &str = "111122223333";
const THEIRS: &str = "444455556666";
const LISTED: &str = "777788889999";

fn plan() -> OrganizationPlan {
    OrganizationPlan::sample(AccountRules::default())
}

fn of_file() -> AccountPlan {
    let role = RolePlan { arn: format!("arn:aws:iam::{LISTED}:role/own"), external_id: None, session_name: None };
    AccountPlan {
        account: Some(AccountId::new(LISTED)),
        name: Some("ours".to_owned()),
        ou: None,
        credentials: CredentialPlan { profile: None, roles: vec![role] },
        regions: Regions::Named(vec![Region::new("us-east-1")]),
        share_percent: None,
        events: EventPlan::default(),
    }
}

fn known() -> KeptRoll {
    let found = |account: &str| OrganizationAccount {
        account: AccountId::new(account),
        name: Some(format!("account {account}")),
        state: AccountState::Open,
        units: vec!["r-1".to_owned()],
        ou: "/Workloads".to_owned(),
        tags: None,
    };
    let (all, now) = ([OURS, THEIRS, LISTED].map(found), Timestamp::from_millis(1_700_000_000_000));
    KeptRoll {
        organization: "o-1".to_owned(),
        profile: None,
        partition: "aws".to_owned(),
        own: AccountId::new(OURS),
        roll: Roll::default().after(&all, &AccountRules::default(), now, Duration::ZERO).roll,
        tags: TagBook::default(),
    }
}

#[test]
fn entries_of_the_file_win_and_other_accounts_may_follow_while_none_is_known() {
    let sources = AccountSources { listed: vec![of_file()], organization: Some(plan()) };
    let before = plans(&sources, None);
    assert_eq!((before.plans, before.is_whole), (vec![of_file()], false));
    let after = plans(&sources, Some(&known()));
    assert!(after.is_whole);
    let [listed, ours, theirs] = after.plans.as_slice() else { panic!("{:?}", after.plans) };
    assert_eq!(*listed, AccountPlan { ou: Some("/Workloads".to_owned()), ..of_file() });
    assert_eq!((ours.account.as_ref().unwrap().as_str(), ours.credentials.roles.len()), (OURS, 0));
    assert_eq!(theirs.credentials.roles[0].arn, format!("arn:aws:iam::{THEIRS}:role/reader"));
    assert_eq!((theirs.name.as_deref(), theirs.ou.as_deref()), (Some("account 444455556666"), Some("/Workloads")));
}

#[test]
fn what_the_file_excludes_is_not_watched_at_once_and_without_an_organization_only_the_file_counts() {
    let rules = AccountRules { include: Vec::new(), exclude: vec![AccountRule::Account(AccountId::new(THEIRS))] };
    let narrower = AccountSources { listed: Vec::new(), organization: Some(OrganizationPlan { rules, ..plan() }) };
    let accounts = plans(&narrower, Some(&known())).plans.into_iter().map(|plan| plan.account.unwrap().to_string());
    assert_eq!(accounts.collect::<Vec<_>>(), [OURS, LISTED]);
    let alone = AccountSources { listed: vec![of_file()], organization: None };
    assert_eq!(
        plans(&alone, Some(&known())),
        AccountPlans { plans: vec![of_file()], is_whole: true, ..AccountPlans::default() }
    );
}
