use std::sync::Arc;

use serde_json::{Value, json};

use super::*;
use crate::kinds::{Filter, KindSpec};
use crate::model::Form;
use crate::model::fixtures::{kind, scope_in};
use crate::model::{Cause, Document, Event, Evidence, Map, RowFields, ScopeFilter, Source, Timestamp};
use crate::query::counts;
use crate::store::{CommitBatch, StoreOptions, Writer};

fn project(_: &ResourceId, document: &Document) -> RowFields {
    let state = document.text("State").map(|state| (2, state.to_owned()));
    RowFields { facets: state.into_iter().collect(), ..RowFields::default() }
}

fn put(writer: &mut Writer, ids: impl Iterator<Item = (String, &'static str, &'static str)>) {
    let evidence = Evidence { source: Source::Sweep, at: Timestamp::EPOCH };
    let entries = ids.map(|(id, region, state)| {
        let document = Document::new(Map::from([("State".to_owned(), state.into())]));
        let id = ResourceId::new(&scope_in(region), &kind(), Arc::from(id));
        (Cause::Sweep, Event::Discovered { id, document, evidence, mapping: 1 })
    });
    let entries = entries.collect();
    writer.commit(CommitBatch { recorded_at: Timestamp::EPOCH, entries, ..CommitBatch::default() }).unwrap();
}

fn query(filters: &Value, limit: usize, cursor: Option<String>) -> Query {
    const STATE: &[Filter] = &[Filter::new(2, "state", &[], Form::Text)];
    let spec = KindSpec { filters: STATE, ..KindSpec::DEFAULT };
    let filters = Filters::parse(filters, &spec, Timestamp::default()).unwrap();
    Query { kind: kind(), scope: ScopeFilter::Everywhere, filters, order: None, point: None, limit, cursor }
}

#[test]
fn pages_hold_every_match_once_while_rows_come_between_them() {
    let dir = tempfile::tempdir().unwrap();
    let (mut writer, store) = crate::store::open(StoreOptions::new(dir.path(), project)).unwrap();
    let state = |n: usize| if n.is_multiple_of(3) { "stopped" } else { "running" };
    put(&mut writer, (0..100).map(|n| (format!("i-{n:03}"), if n < 50 { "a" } else { "b" }, state(n))));
    for indexed in [false, true] {
        if indexed {
            store.build_index().unwrap();
        }
        // Cut to six, and to so few that the last page is cut too.
        let questions = [(json!({"state": ["running"]}), 6), (Value::Null, 6), (json!({"state": ["running"]}), 2)];
        for (filters, kept) in questions {
            let expected: Vec<String> =
                (0..100).filter(|n| filters.is_null() || state(*n) == "running").map(|n| format!("i-{n:03}")).collect();
            let (mut seen, mut cursor) = (Vec::new(), None);
            loop {
                let mut hits = search(&store, &query(&filters, 7, cursor.take())).unwrap();
                assert!(hits.total >= expected.len() as u64);
                hits.truncate(kept);
                seen.extend(hits.rows.iter().map(|row| row.id.id.to_string()));
                put(&mut writer, std::iter::once((format!("h-{}", seen.len()), "a", "stopping")));
                match hits.next {
                    Some(next) => cursor = Some(next.encode()),
                    None => break,
                }
            }
            seen.retain(|id| id.starts_with("i-"));
            assert_eq!(seen, expected, "indexed: {indexed}, filters: {filters}");
        }
    }
}

#[test]
fn sorted_pages_are_the_same_whether_or_not_there_is_an_index() {
    const STATE: &[Filter] = &[Filter::new(2, "state", &[], Form::Number)];
    let spec = KindSpec { filters: STATE, ..KindSpec::DEFAULT };
    let dir = tempfile::tempdir().unwrap();
    let (mut writer, store) = crate::store::open(StoreOptions::new(dir.path(), project)).unwrap();
    let state = |n: usize| ["10", "9", "soon", "9", "-3"][n % 5];
    put(&mut writer, (0..60).map(|n| (format!("i-{:03}", n * 37 % 61), ["a", "b"][n % 2], state(n))));
    put(&mut writer, (0..9).map(|n| (format!("i-{n:03}"), ["b", "a"][n % 2], state(n + 1))));
    let pages = |filters: &Value, sort: &str, scope: Option<&str>| {
        let (mut seen, mut cursor) = (Vec::new(), None);
        loop {
            let asked = Query {
                order: Some(RowOrder::parse(&spec, sort).unwrap()),
                scope: scope.map(scope_in).into(),
                ..query(filters, 7, cursor.take())
            };
            let hits = search(&store, &asked).unwrap();
            seen.push((hits.total, hits.rows.iter().map(|row| row.id.clone()).collect::<Vec<_>>()));
            match hits.next {
                Some(next) => cursor = Some(next.encode()),
                None => return seen,
            }
        }
    };
    let asked = |filters: &Value| {
        let sorts = ["state", "-state", "tag:none"].into_iter();
        sorts.flat_map(|sort| [pages(filters, sort, None), pages(filters, sort, Some("a"))]).collect::<Vec<_>>()
    };
    let all = [Value::Null, json!({"state": ["9", "soon"]}), json!({"state": ["absent"]})];
    let stored: Vec<_> = all.iter().map(asked).collect();
    store.build_index().unwrap();
    assert_eq!(all.iter().map(asked).collect::<Vec<_>>(), stored);
    let shown: usize = stored[0][0].iter().map(|(_, ids)| ids.len()).sum();
    assert_eq!(shown as u64, stored[0][0][0].0);
}

#[test]
fn a_cursor_of_another_question_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (mut writer, store) = crate::store::open(StoreOptions::new(dir.path(), project)).unwrap();
    put(&mut writer, (0..5).map(|n| (format!("i-{n}"), "a", "running")));
    let next = search(&store, &query(&Value::Null, 2, None)).unwrap().next.unwrap().encode();
    let error = search(&store, &query(&json!({"state": ["running"]}), 2, Some(next.clone()))).unwrap_err();
    assert!(matches!(error, SearchError::Cursor(CursorError::OtherQuestion)));
    let narrowed = Query { scope: scope_in("a").into(), ..query(&Value::Null, 2, Some(next)) };
    assert!(matches!(search(&store, &narrowed), Err(SearchError::Cursor(CursorError::OtherQuestion))));
}

#[test]
fn counts_are_told_by_state_and_scope() {
    let dir = tempfile::tempdir().unwrap();
    let (mut writer, store) = crate::store::open(StoreOptions::new(dir.path(), project)).unwrap();
    put(
        &mut writer,
        [("i-1", "a", "running"), ("i-2", "a", "stopped"), ("i-3", "b", "running")]
            .map(|(id, region, state)| (id.to_owned(), region, state))
            .into_iter(),
    );
    let all = counts(&store, &kind(), &ScopeFilter::Everywhere, Some(2)).unwrap();
    assert_eq!((all.total, all.by_state["running"]), (3, 2));
    let stateless = counts(&store, &kind(), &ScopeFilter::Everywhere, Some(9)).unwrap();
    assert_eq!((stateless.total, stateless.by_state.len()), (3, 0), "states that do not add up are left out");
    let one = counts(&store, &kind(), &scope_in("a").into(), Some(2)).unwrap();
    assert_eq!((one.total, one.by_state["stopped"]), (2, 1));
}
