//! Further accounts: what they hold, and that they change nothing for the simulator's own account.

use std::collections::BTreeSet;

use crate::simulator::fleet::Fleet;
use crate::simulator::options::Error;
use crate::simulator::tests::{Aws, options};
use crate::simulator::world::World;
use crate::simulator::{Options, churn};

fn with_accounts(accounts: usize, regions: &[&str], instances: usize) -> Options {
    let account_regions = regions.iter().map(|region| (*region).to_owned()).collect();
    Options { accounts, account_regions, account_instances: instances, ..options(20) }
}

#[test]
fn further_accounts_hold_instances_of_their_own() {
    let world = World::new(with_accounts(12, &["eu-west-1", "me-south-1"], 500));
    let mut ids = BTreeSet::new();
    let mut total = 0;
    for number in 1..=12 {
        for region in ["eu-west-1", "me-south-1"] {
            let account = world.account(&Fleet::account(number), region);
            let held = account.instance_ids();
            assert!(!held.is_empty(), "{number} {region}");
            total += held.len();
            ids.extend(held);
        }
    }
    assert_eq!((total, ids.len()), (500, 500));
    assert!(world.account("200000000013", "eu-west-1").instance_ids().is_empty());
    assert!(world.account("200000000001", "us-east-1").instance_ids().is_empty());
    assert_eq!(world.account("200000000001", "us-east-1").vpc_ids().len(), 1);
    assert!(world.knows_region("me-south-1"));
}

#[test]
fn the_simulators_own_account_is_the_same_with_further_accounts_as_without() {
    let shown = |world: World| Aws(world).get("DescribeInstances", &[]);
    let alone = shown(World::new(options(20)));
    assert_eq!(alone, shown(World::new(with_accounts(5, &["all"], 1_000))));
}

#[test]
fn terminated_instances_of_an_account_that_is_used_late_are_gone() {
    let world = World::new(Options { terminated_percent: 100, stopped_percent: 0, ..with_accounts(1, &[], 50) });
    world.clock().advance(std::time::Duration::from_hours(2));
    assert!(world.account("200000000001", "us-east-1").instance_ids().is_empty());
}

#[test]
fn churn_reaches_all_accounts_and_is_as_it_was_without_further_ones() {
    let touched = |options: Options| {
        let world = World::new(options);
        let mut rng = fastrand::Rng::with_seed(1);
        (0..300).for_each(|_| churn::change(&world, &mut rng));
        let further = (1..=world.options().accounts as u64).map(Fleet::account);
        let held = further.map(|account| world.account(&account, "us-east-1").touched_ids().len());
        (world.home().touched_ids(), held.collect::<Vec<_>>())
    };
    let (home, _) = touched(options(20));
    let (same, further) = touched(with_accounts(3, &[], 0));
    assert_eq!((home, further), (same, vec![0, 0, 0]));
    let (_, further) = touched(with_accounts(3, &[], 200));
    assert!(further.iter().all(|touched| *touched > 0), "{further:?}");
}

#[test]
fn accounts_that_are_not_possible_are_refused() {
    let check = |options: Options| options.check().unwrap_err();
    assert!(matches!(check(with_accounts(0, &[], 5)), Error::NoAccounts { instances: 5 }));
    assert!(matches!(check(with_accounts(10_001, &[], 5)), Error::TooManyAccounts { .. }));
    assert!(matches!(check(with_accounts(1, &["mars-1"], 5)), Error::NoRegion { .. }));
    assert!(matches!(check(with_accounts(1, &["eu-west-1", "eu-west-1"], 5)), Error::RegionTwice { .. }));
    assert!(matches!(check(with_accounts(1, &[], 2_000_000)), Error::TooManyInstances { .. }));
    let own = Options { account: "200000000001".to_owned(), ..with_accounts(1, &[], 5) };
    assert!(matches!(check(own), Error::AccountTwice { .. }));
    assert!(with_accounts(200, &["all"], 500_000).check().is_ok());
}
