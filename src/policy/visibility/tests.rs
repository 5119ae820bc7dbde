use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use super::*;
use crate::policy::TagValues;
use crate::policy::grant::tagged_as;

const ACCOUNTS: [&str; 3] = ["111111111111", "222222222222", "333333333333"];
const REGIONS: [&str; 2] = ["eu-central-1", "us-east-1"];
const KINDS: [&str; 3] = ["AWS::EC2::Instance", "AWS::EC2::InstanceStatus", "AWS::EC2::Volume"];
const KEYS: [&str; 2] = ["team", "env"];
const VALUES: [&str; 4] = ["payments", "payments-eu", "search", ""];
const PATTERNS: [&str; 5] = ["payments", "payments*", "*", "s?arch", "*-eu"];

/// A grant as lists, for the model.
#[derive(Clone, Debug)]
struct Plain {
    accounts: Option<Vec<&'static str>>,
    regions: Option<Vec<&'static str>>,
    kinds: Option<Vec<&'static str>>,
    tags: Vec<(&'static str, Vec<&'static str>)>,
    writes: bool,
}

fn some_of(names: &'static [&'static str]) -> impl Strategy<Value = Option<Vec<&'static str>>> {
    prop::option::of(subsequence(names, 0..=names.len()))
}

fn grants() -> impl Strategy<Value = Plain> {
    let tags = prop::collection::btree_map(select(&KEYS[..]), subsequence(&PATTERNS[..], 0..3), 0..3);
    (some_of(&ACCOUNTS), some_of(&REGIONS), some_of(&KINDS), tags, any::<bool>()).prop_map(
        |(accounts, regions, kinds, tags, writes)| Plain {
            accounts,
            regions,
            kinds,
            tags: tags.into_iter().collect(),
            writes,
        },
    )
}

fn grant(plain: &Plain) -> Grant {
    let texts = |names: &Option<Vec<&'static str>>| names.clone();
    Grant {
        name: "some".into(),
        accounts: texts(&plain.accounts).map(|names| names.into_iter().map(AccountId::new).collect()),
        regions: texts(&plain.regions).map(|names| names.into_iter().map(Region::new).collect()),
        kinds: texts(&plain.kinds).map(|names| names.into_iter().map(Kind::new).collect()),
        tags: plain
            .tags
            .iter()
            .map(|(key, values)| ((*key).to_owned(), TagValues::new(values.iter().copied())))
            .collect(),
        writes: plain.writes,
    }
}

/// What each pattern of the test means, in words of its own.
fn fits(pattern: &str, value: &str) -> bool {
    match pattern {
        "payments*" => value.starts_with("payments"),
        "*" => true,
        "s?arch" => value == "search",
        "*-eu" => value.ends_with("-eu"),
        exact => value == exact,
    }
}

/// Whether a plain grant holds a resource.
fn holds(plain: &Plain, account: &str, region: &str, kind: &str, tags: &BTreeMap<&str, &str>) -> bool {
    let of_kind = |kinds: &Vec<&str>| {
        kinds.contains(&kind) || (kind == "AWS::EC2::InstanceStatus" && kinds.contains(&"AWS::EC2::Instance"))
    };
    plain.accounts.as_ref().is_none_or(|accounts| accounts.contains(&account))
        && plain.regions.as_ref().is_none_or(|regions| regions.contains(&region))
        && plain.kinds.as_ref().is_none_or(of_kind)
        && plain.tags.iter().all(|(key, patterns)| {
            tags.get(key).is_some_and(|value| patterns.iter().any(|pattern| fits(pattern, value)))
        })
}

proptest! {
    #[test]
    fn what_any_grant_holds_is_visible_and_nothing_else(
        plain in prop::collection::vec(grants(), 0..4),
        account in select(&ACCOUNTS[..]),
        region in select(&REGIONS[..]),
        kind in select(&KINDS[..]),
        tags in prop::collection::btree_map(select(&KEYS[..]), select(&VALUES[..]), 0..3),
    ) {
        let visibility = Visibility::of(plain.iter().map(grant));
        let of_kind = Kind::new(kind);
        let list = || tags.iter().map(|(key, value)| (*key, *value));
        let expected = plain.iter().any(|plain| holds(plain, account, region, kind, &tags));
        prop_assert_eq!(visibility.sees(account, region, &of_kind, &list()), expected);
        let changing = plain.iter().any(|plain| plain.writes && holds(plain, account, region, kind, &tags));
        prop_assert_eq!(visibility.may_change(account, region, &of_kind, &list()), changing);

        // What is said of a whole scope holds for each resource in it.
        let reach = visibility.reach(account, region, &of_kind);
        prop_assert!(!expected || reach > Reach::Nothing);
        prop_assert!(reach != Reach::All || expected);
        prop_assert_eq!(visibility.may_see_any_of(account, region, &of_kind), reach > Reach::Nothing);
        let scope = Scope { account: AccountId::new(account), region: Region::new(region) };
        if reach > Reach::Nothing {
            prop_assert!(visibility.sees_scope(&scope));
            prop_assert!(visibility.sees_account(account) && visibility.sees_kind(&of_kind));
        }
        prop_assert!(reach != Reach::ByTags || visibility.goes_by_tags(&of_kind));
    }

    #[test]
    fn the_digest_tells_grants_apart_and_does_not_depend_on_their_order(
        one in prop::collection::vec(grants(), 0..4),
        other in prop::collection::vec(grants(), 0..4),
    ) {
        let of = |plain: &[Plain]| Visibility::of(plain.iter().map(grant));
        let set = |plain: &[Plain]| plain.iter().map(grant).collect::<BTreeSet<_>>();
        prop_assert_eq!(of(&one).digest() == of(&other).digest(), set(&one) == set(&other));
        let mut turned = one.clone();
        turned.reverse();
        prop_assert_eq!(of(&turned), of(&one));
        prop_assert_ne!(of(&one).digest(), Visibility::everything().digest());
    }
}

#[test]
fn without_a_grant_nothing_is_visible_and_a_blank_one_holds_everything() {
    let kind = Kind::new(KINDS[0]);
    let none = std::iter::empty();
    assert!(!Visibility::nothing().sees(ACCOUNTS[0], REGIONS[0], &kind, &none));
    assert!(!Visibility::nothing().may_change_anything());
    let all = Visibility::of([Grant::default()]);
    assert!(all.sees(ACCOUNTS[0], REGIONS[0], &kind, &none) && !all.is_everything());
    assert!(Visibility::everything().sees(ACCOUNTS[0], REGIONS[0], &kind, &none));
}

#[test]
fn kinds_without_tags_of_their_own_are_those_that_tell_of_another_kind() {
    for spec in crate::kinds::KINDS {
        let tagged = tagged_as(&spec.kind());
        let expected = spec.status_of.and_then(crate::kinds::by_slug).map(crate::kinds::KindSpec::kind);
        assert_eq!(tagged, expected, "{}", spec.slug);
    }
}
