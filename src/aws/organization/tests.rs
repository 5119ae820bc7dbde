use std::collections::BTreeSet;

use super::*;
use crate::aws::{AwsSettings, Purpose, Regions};
use crate::model::{AccountRule, AccountRules, ErrorClass, Region};
use crate::simulator::{self, Simulator};

const OURS: &str = "123456789012";

fn plan(include: Vec<AccountRule>) -> OrganizationPlan {
    OrganizationPlan::sample(AccountRules { include, exclude: Vec::new() })
}

async fn with_accounts(accounts: usize) -> (Simulator, Aws) {
    let options = simulator::Options { accounts, instances: 0, ..simulator::Options::default() };
    let simulator = Simulator::start(options).await.unwrap();
    let settings = AwsSettings {
        emulator: Some(simulator.endpoint()),
        regions: Regions::Named(vec![Region::new("us-east-1")]),
        purpose: Purpose::Source,
        ..AwsSettings::default()
    };
    (simulator, Aws::load(settings).await)
}

#[tokio::test(flavor = "multi_thread")]
async fn all_accounts_are_listed_over_empty_pages_each_with_the_units_above_it() {
    let (simulator, aws) = with_accounts(45).await;
    let mut tags = TagBook::default();
    let listing = aws.organization(&plan(Vec::new()), &mut tags).await.unwrap();
    assert_eq!((listing.accounts.len(), listing.partition.as_str(), listing.own.as_str()), (46, "aws", OURS));
    assert!(listing.organization.starts_with("o-"), "{}", listing.organization);
    let numbers: BTreeSet<&str> = listing.accounts.iter().map(|account| account.account.as_str()).collect();
    assert!(numbers.len() == 46 && numbers.contains("200000000045"), "{numbers:?}");
    let of = |number: &str| listing.accounts.iter().find(|found| found.account.as_str() == number).unwrap();
    assert_eq!((of(OURS).ou.as_str(), of(OURS).units.len(), of(OURS).name.as_deref()), ("/", 1, Some("management")));
    let first = of("200000000001");
    assert_eq!((first.ou.as_str(), first.units.len()), ("/Workloads/Development", 3));
    assert!(first.units[0].starts_with("r-") && first.units[2].starts_with("ou-"), "{:?}", first.units);
    assert!(listing.accounts.iter().all(|account| account.tags.is_none() && account.state == AccountState::Open));
    assert_eq!(tags, TagBook::default());
    simulator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tags_are_asked_for_where_a_rule_names_tags_and_only_once_a_day() {
    let (simulator, aws) = with_accounts(2).await;
    let rule = AccountRule::Tag { key: "Team".to_owned(), value: "web".to_owned() };
    let mut tags = TagBook::default();
    let listing = aws.organization(&plan(vec![rule.clone()]), &mut tags).await.unwrap();
    assert!(listing.accounts.iter().all(|account| account.tags.is_some()));
    let asked = || aws.calls().iter().filter(|call| call.action == LIST_TAGS).map(|call| call.total).sum::<u64>();
    let first = asked();
    assert_eq!((tags.each().count(), first), (3, 3));
    aws.organization(&plan(vec![rule]), &mut tags).await.unwrap();
    assert_eq!(asked(), first);
    simulator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_an_organization_nothing_is_listed() {
    let (simulator, aws) = with_accounts(0).await;
    let error = aws.organization(&plan(Vec::new()), &mut TagBook::default()).await.unwrap_err();
    assert!(error.class == ErrorClass::Fatal || error.class == ErrorClass::NotFound, "{error}");
    assert!(error.to_string().contains("not a member of an organization"), "{error}");
    simulator.stop().await;
}
