use std::collections::BTreeSet;

use proptest::prelude::*;

use super::super::organization::AccountRule;
use super::*;

const DAY: Duration = Duration::from_hours(24);

fn at(hours: i64) -> Timestamp {
    Timestamp::from_millis(1_700_000_000_000 + hours * 3_600_000)
}

fn number(number: usize) -> AccountId {
    AccountId::new(format!("{number:012}"))
}

fn open(account: usize) -> OrganizationAccount {
    OrganizationAccount {
        account: number(account),
        name: Some(format!("account {account}")),
        state: AccountState::Open,
        units: vec!["r-1".to_owned()],
        ou: "/".to_owned(),
        tags: None,
    }
}

fn all(accounts: impl IntoIterator<Item = usize>) -> Vec<OrganizationAccount> {
    accounts.into_iter().map(open).collect()
}

fn watched(roll: &Roll, rules: &AccountRules) -> Vec<AccountId> {
    roll.watched(rules).map(|enrolled| enrolled.shown.account.clone()).collect()
}

fn after(roll: &Roll, listing: &[OrganizationAccount], hours: i64) -> RollChange {
    roll.after(listing, &AccountRules::default(), at(hours), DAY)
}

#[test]
fn an_account_goes_once_listings_have_lacked_it_for_a_day_and_a_return_begins_anew() {
    let first = after(&Roll::default(), &all(1..=3), 0).roll;
    let lacking = after(&first, &all(1..=2), 1);
    assert_eq!((lacking.retired, lacking.held), (vec![], vec![]));
    let back = after(&lacking.roll, &all(1..=3), 20).roll;
    let lacking = after(&back, &all(1..=2), 24).roll;
    let still = after(&lacking, &all(1..=2), 47);
    assert_eq!((still.retired, watched(&still.roll, &AccountRules::default()).len()), (vec![], 3));
    let gone = after(&still.roll, &all(1..=2), 48);
    assert_eq!((gone.retired, watched(&gone.roll, &AccountRules::default()).len()), (vec![number(3)], 2));
    assert_eq!(gone.roll.accounts[&number(3)].absent, Some(AbsentSince { since: at(24), why: AbsenceCause::Unlisted }));
    assert_eq!(after(&gone.roll, &all(1..=2), 49).retired, [], "it is retired once");
    let again = after(&gone.roll, &all(1..=3), 50).roll;
    assert_eq!(watched(&again, &AccountRules::default()).len(), 3);
}

#[test]
fn closed_accounts_go_as_absent_ones_do_and_a_closed_stranger_is_never_watched() {
    let closed = |account| OrganizationAccount { state: AccountState::Closed, ..open(account) };
    let first = after(&Roll::default(), &[open(1), closed(2)], 0).roll;
    assert_eq!(watched(&first, &AccountRules::default()), [number(1)]);
    let begun = after(&first, &[closed(1)], 1).roll;
    let gone = after(&begun, &[closed(1)], 25);
    assert_eq!(gone.retired, [number(1)]);
    assert_eq!(gone.roll.accounts[&number(1)].absent.unwrap().why, AbsenceCause::Closed);
}

#[test]
fn more_than_a_tenth_at_once_is_held_until_they_are_back() {
    let first = after(&Roll::default(), &all(0..20), 0).roll;
    let lacking = after(&first, &all(0..17), 1);
    assert_eq!(lacking.held, [17, 18, 19].map(number));
    let held = after(&lacking.roll, &all(0..17), 100);
    assert_eq!((held.held.len(), held.retired, watched(&held.roll, &AccountRules::default()).len()), (3, vec![], 20));
    let fewer = after(&held.roll, &all(0..18), 101);
    assert_eq!((fewer.held, fewer.retired), (vec![], vec![number(18), number(19)]));
}

#[test]
fn what_the_file_excludes_goes_at_once_and_what_was_moved_goes_after_a_day() {
    let moved = OrganizationAccount { ou: "/Closing".to_owned(), ..open(3) };
    let rules = AccountRules { include: Vec::new(), exclude: vec![AccountRule::Path("/Closing".to_owned())] };
    let first = Roll::default().after(&all(1..=3), &rules, at(0), DAY).roll;
    let lacking = first.after(&[open(1), open(2), moved.clone()], &rules, at(1), DAY);
    assert_eq!(watched(&lacking.roll, &rules).len(), 3);
    let gone = lacking.roll.after(&[open(1), open(2), moved], &rules, at(25), DAY);
    assert_eq!(gone.retired, [number(3)]);
    assert_eq!(gone.roll.accounts[&number(3)].absent.unwrap().why, AbsenceCause::Unselected);
    let narrower = AccountRules { include: Vec::new(), exclude: vec![AccountRule::Account(number(2))] };
    assert_eq!(watched(&first, &narrower), [number(1), number(3)]);
    assert!(!first.after(&all(1..=3), &narrower, at(1), DAY).roll.accounts.contains_key(&number(2)));
}

/// What a listing shows of each account: nothing, a closed account, or an open one.
fn listings() -> impl Strategy<Value = Vec<(u8, Vec<u8>)>> {
    prop::collection::vec((0..30_u8, prop::collection::vec(prop_oneof![1 => 0..2_u8, 8 => Just(2)], 24)), 1..40)
}

proptest! {
    /// Whatever listings show: an account that the newest one shows as open is watched, none goes within a day of one that showed it so,
    /// and few go at once.
    #[test]
    fn no_account_goes_too_early_and_few_go_at_once(listings in listings()) {
        let rules = AccountRules::default();
        let (mut roll, mut hours) = (Roll::default(), 0);
        let mut shown: BTreeMap<AccountId, i64> = BTreeMap::new();
        for (pause, states) in listings {
            hours += i64::from(pause);
            let listing: Vec<OrganizationAccount> = states
                .iter()
                .enumerate()
                .filter(|(_, state)| **state > 0)
                .map(|(account, state)| OrganizationAccount {
                    state: if *state == 2 { AccountState::Open } else { AccountState::Closed },
                    ..open(account)
                })
                .collect();
            let before: BTreeSet<AccountId> = watched(&roll, &rules).into_iter().collect();
            let change = after(&roll, &listing, hours);
            let now: BTreeSet<AccountId> = watched(&change.roll, &rules).into_iter().collect();
            for open in listing.iter().filter(|listed| listed.state == AccountState::Open) {
                prop_assert!(now.contains(&open.account));
                shown.insert(open.account.clone(), hours);
            }
            let gone: Vec<AccountId> = before.difference(&now).cloned().collect();
            prop_assert_eq!(&gone, &change.retired);
            prop_assert!(gone.len() <= FEW.max(before.len().max(now.len() + gone.len()) * PART / 100), "{} of {}", gone.len(), before.len());
            for account in &gone {
                prop_assert!(hours - shown[account] >= 24);
            }
            prop_assert!(change.held.iter().all(|held| now.contains(held)));
            prop_assert_eq!(after(&change.roll, &listing, hours).retired, Vec::<AccountId>::new(), "the same listing again changes nothing");
            roll = change.roll;
        }
    }
}
