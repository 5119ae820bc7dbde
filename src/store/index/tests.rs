use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU32, Ordering};

use proptest::prelude::*;

use crate::model::fixtures::{kind, scope_in};
use crate::model::{Kind, Region, ResourceId, ScopeFilter, ScopeSet, Seq};
use crate::store::fixtures::{any_batch, batch, discovered, document, fresh, instance, removed};
use crate::store::{AlikeRows, Comparison, Matcher, On, Scan, Store, ValuePattern};

fn facet(number: u16, text: &str) -> Comparison {
    Comparison { on: On::Facet(number), pattern: ValuePattern::new(text) }
}

fn tag(key: &str, text: &str) -> Comparison {
    Comparison { on: On::Tag(key.into()), pattern: ValuePattern::new(text) }
}

/// The expected result of a search, from the rows.
fn expected(store: &Store, kind: &Kind, matcher: &Matcher, after: Option<&ResourceId>, limit: usize) -> Scan {
    let snapshot = store.snapshot().unwrap();
    let rows = snapshot.rows(kind, &ScopeFilter::Everywhere, None, usize::MAX).unwrap();
    let all: Vec<_> = rows.into_iter().filter(|row| matcher.matches(row)).map(|row| row.id).collect();
    let total = all.len() as u64;
    let ids = all.into_iter().filter(|id| after.is_none_or(|after| id > after)).take(limit).collect();
    Scan { ids, total, seq: snapshot.seq() }
}

/// The ids and names of a kind, listed in steps.
fn all_names(store: &Store, kind: &Kind, step: usize) -> Vec<(String, Option<String>)> {
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let visit = |id: &str, name: Option<&str>| found.push((id.to_owned(), name.map(str::to_owned)));
        after = store.each_name(kind, Some(2), after.as_ref(), step, visit).unwrap();
        if after.is_none() {
            return found;
        }
    }
}

fn owned<'a>(values: impl IntoIterator<Item = &'a str>) -> BTreeSet<String> {
    values.into_iter().map(str::to_owned).collect()
}

/// How many rows match, by their values of `by`.
fn plainly(store: &Store, kind: &Kind, matcher: &Matcher, by: &[On]) -> BTreeMap<Vec<BTreeSet<String>>, u64> {
    let mut counts = BTreeMap::new();
    for row in store.snapshot().unwrap().rows(kind, &ScopeFilter::Everywhere, None, usize::MAX).unwrap() {
        if matcher.matches(&row) {
            *counts.entry(by.iter().map(|on| owned(on.values(&row))).collect()).or_insert(0) += 1;
        }
    }
    counts
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn the_index_finds_what_the_rows_hold_however_it_was_built(
        batches in proptest::collection::vec(any_batch(), 1..10),
        built_after in 0..10_usize,
        limit in 0..4_usize,
    ) {
        let (_dir, mut writer, store) = fresh();
        let matchers = [
            Matcher::any(),
            Matcher::any().and(vec![facet(1, "running"), facet(1, "stop*")]),
            Matcher::any().and(vec![tag("Name", "?")]).and(vec![facet(2, "vpc-1")]),
            Matcher::any().and(vec![Comparison { on: On::TagKey, pattern: ValuePattern::new("*") }]),
            Matcher::any().and(vec![facet(1, "absent")]),
            Matcher::any().and(Vec::new()),
            Matcher::any().and(vec![Comparison { on: On::Region, pattern: ValuePattern::new("eu-*") }]),
            Matcher::any().and(vec![Comparison { on: On::Account, pattern: ValuePattern::absent() }]),
            Matcher::any().and(vec![Comparison { on: On::Region, pattern: ValuePattern::absent() }, facet(1, "running")]),
            Matcher::any().and(vec![Comparison { on: On::Region, pattern: ValuePattern::new("us-east-1") }, tag("Name", "a")]),
            Matcher::any().and(vec![Comparison { on: On::Tag("Name".into()), pattern: ValuePattern::absent() }]),
            Matcher::any().and(vec![Comparison { on: On::Facet(2), pattern: ValuePattern::absent() }, facet(1, "stop*")]),
            Matcher::any().and(vec![Comparison { on: On::Facet(1), pattern: ValuePattern::absent() }]).and(vec![tag("Name", "*")]),
        ];
        for (n, batch) in batches.into_iter().enumerate() {
            if n == built_after {
                store.build_index().unwrap();
            }
            writer.commit(batch).unwrap();
            prop_assert_eq!(store.index().is_ready(), n >= built_after);
            for kind in [Kind::new("A"), Kind::new("B"), Kind::new("C")] {
                let rows = store.snapshot().unwrap().rows(&kind, &ScopeFilter::Everywhere, None, usize::MAX).unwrap();
                let names: Vec<_> = rows
                    .iter()
                    .map(|row| {
                        let tag = row.fields.name.clone().filter(|name| !name.is_empty());
                        let facet = row.fields.facets.iter().find(|(number, _)| *number == 2).map(|(_, value)| value.clone());
                        // While there is no index, names are those that the rows hold.
                        (row.id.id.to_string(), if store.index().is_ready() { tag.or(facet) } else { row.fields.name.clone() })
                    })
                    .collect();
                prop_assert_eq!(all_names(&store, &kind, limit + 1), names);
                for row in &rows {
                    let is_only = rows.iter().filter(|other| other.id.id == row.id.id).count() == 1;
                    let only = store.index().only(&kind, &row.id.id);
                    prop_assert_eq!(only, Some(row.id.clone()).filter(|_| is_only && store.index().is_ready()));
                }
                prop_assert_eq!(store.index().only(&kind, "absent"), None);
                for matcher in &matchers {
                    let first = store.scan(&kind, &ScopeFilter::Everywhere, matcher, None, limit).unwrap();
                    prop_assert_eq!(&first, &expected(&store, &kind, matcher, None, limit));
                    let mut by_region = BTreeMap::new();
                    for row in store.snapshot().unwrap().rows(&kind, &ScopeFilter::Everywhere, None, usize::MAX).unwrap() {
                        *by_region.entry(row.id.region.to_string()).or_insert(0) += 1;
                    }
                    prop_assert_eq!(store.count_by(&kind, &ScopeFilter::Everywhere, &On::Region).unwrap(), by_region);
                    for by in [vec![], vec![On::Facet(1)], vec![On::Tag("Name".into()), On::Region], vec![On::TagKey]] {
                        let counted = store.index().alike(&kind, &ScopeFilter::Everywhere, matcher, &by);
                        prop_assert_eq!(counted.is_some(), store.index().is_ready());
                        let Some((alike, seq)) = counted else { continue };
                        prop_assert_eq!(seq, first.seq);
                        let values = |each: &AlikeRows| by.iter().map(|on| owned(each.values(on))).collect::<Vec<_>>();
                        let mut found = BTreeMap::new();
                        for rows in &alike {
                            *found.entry(values(rows)).or_insert(0) += rows.count;
                        }
                        prop_assert_eq!(found, plainly(&store, &kind, matcher, &by));
                    }
                    if let Some(last) = first.ids.last() {
                        let next = store.scan(&kind, &ScopeFilter::Everywhere, matcher, Some(last), limit).unwrap();
                        prop_assert_eq!(next, expected(&store, &kind, matcher, Some(last), limit));
                    }
                }
            }
        }
    }
}

#[test]
fn commits_that_land_during_the_build_are_not_lost() {
    let (_dir, writer, store) = fresh();
    let writer = parking_lot::Mutex::new(writer);
    writer
        .lock()
        .commit(batch((0..9).map(|n| discovered(&instance(&format!("i-{n}")), document("running", "a"))).collect()))
        .unwrap();
    let taken = AtomicU32::new(0);
    store
        .index()
        .build(|| {
            let number = taken.fetch_add(1, Ordering::Relaxed) + 1;
            let snapshot = store.snapshot();
            let entries = vec![
                removed(&instance("i-3")),
                discovered(&instance("i-4"), document("stopped", "a")),
                discovered(&instance(&format!("i-1{number}")), document("stopped", "a")),
                discovered(&ResourceId::new(&scope_in("x"), &Kind::new("New"), "n"), document("stopped", "a")),
            ];
            writer.lock().commit(batch(entries)).unwrap();
            snapshot
        })
        .unwrap();
    assert!(taken.into_inner() >= 2 && store.index().is_ready());
    for kind in [kind(), Kind::new("New")] {
        for matcher in [Matcher::any(), Matcher::any().and(vec![facet(1, "stopped")])] {
            let found = store.index().scan(&kind, &ScopeFilter::Everywhere, &matcher, None, 100).unwrap();
            assert_eq!(found, expected(&store, &kind, &matcher, None, 100));
        }
    }
}

#[test]
fn a_build_that_cannot_read_leaves_no_index_and_can_be_repeated() {
    let (_dir, _writer, store) = fresh();
    let failed = store.index().build(|| Err(redb::StorageError::PreviousIo.into()));
    assert!(failed.is_err_and(|error| error.is_retryable()));
    assert!(!store.index().is_ready());
    store.build_index().unwrap();
    assert!(store.index().is_ready());
}

#[test]
fn counts_are_by_value_and_by_scope_with_and_without_an_index() {
    let (_dir, mut writer, store) = fresh();
    let at = |region: &str, n: u32| ResourceId::new(&scope_in(region), &kind(), format!("i-{n}"));
    let entries = (0..10).map(|n| {
        let state = if n < 4 { "running" } else { "stopped" };
        discovered(&at(if n % 2 == 0 { "a" } else { "b" }, n), document(state, "x"))
    });
    writer.commit(batch(entries.collect())).unwrap();
    for _ in 0..2 {
        let count = |scope: ScopeFilter| {
            store.count_by(&kind(), &scope, &On::Facet(1)).unwrap().into_iter().collect::<Vec<_>>()
        };
        assert_eq!(count(ScopeFilter::Everywhere), [("running".to_owned(), 4), ("stopped".to_owned(), 6)]);
        assert_eq!(count(scope_in("a").into()), [("running".to_owned(), 2), ("stopped".to_owned(), 3)]);
        assert_eq!(count(scope_in("nowhere").into()), []);
        let several = |regions: &[&str]| {
            let regions = Some(regions.iter().map(|region| Region::new(*region)).collect());
            ScopeFilter::of(ScopeSet { regions, ..ScopeSet::default() })
        };
        assert_eq!(count(several(&["a", "b"])), count(ScopeFilter::Everywhere));
        assert_eq!(count(several(&["b", "nowhere"])), count(scope_in("b").into()));
        assert_eq!(count(several(&["nowhere"])), []);
        assert_eq!(store.snapshot().unwrap().count(&kind(), &several(&["b", "c"])).unwrap(), 5);
        assert_eq!(store.scan(&kind(), &several(&["a", "b"]), &Matcher::any(), None, 3).unwrap().total, 10);
        let found =
            store.scan(&kind(), &scope_in("b").into(), &Matcher::any().and(vec![facet(1, "run*")]), None, 9).unwrap();
        assert_eq!(found, Scan { ids: vec![at("b", 1), at("b", 3)], total: 2, seq: Seq(10) });
        assert_eq!(store.scan(&kind(), &scope_in("c").into(), &Matcher::any(), None, 9).unwrap().total, 0);
        store.build_index().unwrap();
    }
}

#[test]
fn churn_does_not_fill_the_index_with_unused_terms() {
    let (_dir, mut writer, store) = fresh();
    let ids: Vec<_> = (0..200).map(|n| instance(&format!("i-{n}"))).collect();
    store.build_index().unwrap();
    for round in 0..60 {
        let entries = ids.iter().map(|id| discovered(id, document("running", &format!("{round}-{}", id.id))));
        writer.commit(batch(entries.collect())).unwrap();
    }
    let (rows, bytes) = store.index().size().unwrap();
    assert_eq!(rows, 200);
    assert!(bytes < 400_000, "{bytes}");
    let matcher = Matcher::any().and(vec![tag("Name", "59-*")]);
    assert_eq!(store.index().scan(&kind(), &ScopeFilter::Everywhere, &matcher, None, 1).unwrap().total, 200);
    assert_eq!(
        store
            .index()
            .scan(&kind(), &ScopeFilter::Everywhere, &Matcher::any().and(vec![tag("Name", "58-*")]), None, 1)
            .unwrap()
            .total,
        0
    );
}
