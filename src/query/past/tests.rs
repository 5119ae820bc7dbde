use proptest::prelude::*;

use super::*;
use crate::model::{Form, ScopeFilter};
use crate::query::column::{ColumnValue, KindColumn};
use crate::query::samples::{SampleLog, at, kind, ops, scope};
use crate::query::tally::{Breakdown, tally};
use crate::query::{AskedPoint, Filters, Query, search};
use crate::store::{Comparison, On, ValuePattern};

fn running() -> Matcher {
    Matcher::any().and(vec![Comparison { on: On::Facet(1), pattern: ValuePattern::new("running") }])
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn both_ways_show_at_every_record_what_a_replay_of_the_log_up_to_it_shows(
        played in ops(40),
        size in 1..4_usize,
        indexed: bool,
        limit in 1..4_usize,
        folded in 0..20_usize,
    ) {
        let mut sample = SampleLog::new();
        if indexed {
            sample.store.build_index().unwrap();
        }
        sample.play(&played, size);
        sample.fold(folded);
        let newest = sample.store.snapshot().unwrap().seq();
        let horizon = sample.store.snapshot().unwrap().horizon();
        for seq in (1..=newest.0).map(Seq) {
            let point = Point { at: at(0), seq };
            if seq < horizon {
                let (kind, matcher) = (kind(0), Matcher::any());
                let wanted = PastQuery { kind: &kind, scope: &ScopeFilter::Everywhere, matcher: &matcher, point, after: None, limit };
                let outrun = |error: PastError| matches!(error, PastError::Outrun { .. });
                prop_assert!(outrun(walked(&sample.store, wanted).unwrap_err()));
                if indexed {
                    prop_assert!(outrun(undone(&sample.store, wanted).unwrap_err()));
                }
                let named = AskedPoint::Seq(seq).point(&sample.store.snapshot().unwrap(), at(1));
                prop_assert!(named.unwrap_err().to_string().contains("is not in the log any more"));
                continue;
            }
            let then = sample.then(seq);
            for (kind, scope) in [(kind(0), None), (kind(1), Some(scope(1)))] {
                for matcher in [Matcher::any(), running()] {
                    let snapshot = sample.store.snapshot().unwrap();
                    let rows = then.iter().filter(|(id, _)| id.kind == kind);
                    let rows = rows.filter(|(id, _)| scope.as_ref().is_none_or(|scope| id.scope() == *scope));
                    let rows = rows.map(|(id, current)| snapshot.row_of(id, current));
                    let rows: Vec<Row> = rows.filter(|row| matcher.matches(row)).collect();
                    for walks in [true, false] {
                        let (mut seen, mut after) = (Vec::new(), None);
                        loop {
                            let wanted = PastQuery {
                                kind: &kind,
                                scope: &scope.clone().into(),
                                matcher: &matcher,
                                point,
                                after: after.as_ref(),
                                limit,
                            };
                            let page = if walks {
                                walked(&sample.store, wanted).unwrap()
                            } else {
                                let page = undone(&sample.store, wanted).unwrap();
                                let needs_index = !indexed && !matcher.conditions().is_empty();
                                prop_assert_eq!(page.is_none(), needs_index);
                                page.map_or_else(|| walked(&sample.store, wanted), Ok).unwrap()
                            };
                            prop_assert_eq!(page.total, rows.len() as u64, "walks: {}", walks);
                            let first = |record: &crate::model::Recorded| {
                                let id = record.event.resource();
                                record.cause == Cause::Baseline && id.is_some_and(|id| {
                                    id.kind == kind && scope.as_ref().is_none_or(|scope| id.scope() == *scope)
                                })
                            };
                            let partial = sample.plain.log.iter().any(|record| record.seq > seq && first(record));
                            // A walk looks only at how each resource that was not there came next.
                            prop_assert!(partial || !page.partial);
                            if !walks && (indexed || matcher.conditions().is_empty()) {
                                prop_assert_eq!(page.partial, partial);
                            }
                            let Some(last) = page.rows.last() else { break };
                            after = Some(last.id.clone());
                            seen.extend(page.rows);
                        }
                        prop_assert_eq!(&seen, &rows, "walks: {}, seq {}", walks, seq);
                    }
                }
            }
            let value = ColumnValue::Filtered(On::Tag("team".to_owned()));
            let team = KindColumn { name: "tag:team".to_owned(), value, form: Form::Text, is_many: false };
            let by = Breakdown { by: vec![team], sum: None };
            let (counted, _) = tally(&sample.store, &kind(0), &ScopeFilter::Everywhere, &Filters::default(), &by, Some(point)).unwrap();
            let of_a = then.iter().filter(|(id, current)| id.kind == kind(0) && current.document.tag("team") == Some("a"));
            let in_a = counted.groups.get(&vec![Some("a".to_owned())]).copied().unwrap_or_default();
            prop_assert_eq!(in_a.count, of_a.count() as u64);
            prop_assert_eq!(counted.total.count, counted.groups.values().map(|size| size.count).sum::<u64>());
        }
    }

    #[test]
    fn a_time_stands_for_the_last_record_up_to_it(played in ops(30), size in 1..4_usize, moment in 0..32_000_u64) {
        let mut sample = SampleLog::new();
        sample.play(&played, size);
        let (snapshot, now) = (sample.store.snapshot().unwrap(), at(100_000));
        let expected = sample.plain.log.iter().rev().find(|record| record.recorded_at <= at(moment));
        match AskedPoint::At(at(moment)).point(&snapshot, now) {
            Ok(point) => prop_assert_eq!(Some(point.seq), expected.map(|record| record.seq)),
            Err(error) => {
                prop_assert!(expected.is_none(), "{}", error);
                let earliest = sample.plain.log.first().map(|record| record.recorded_at.to_string());
                prop_assert!(earliest.is_none_or(|earliest| error.to_string().contains(&earliest)), "{}", error);
            }
        }
        // Where it is folded away, that is said, and the time that is named is one that is answered for.
        if sample.plain.log.len() > 3 {
            sample.fold(3);
            let snapshot = sample.store.snapshot().unwrap();
            let earliest = snapshot.earliest().unwrap().unwrap();
            prop_assert_eq!(earliest, sample.plain.log[2].recorded_at);
            prop_assert!(AskedPoint::At(earliest).point(&snapshot, now).is_ok());
            prop_assert_eq!(crate::query::moment::before(&snapshot, earliest, now).unwrap(), Seq(3));
            let early = AskedPoint::At(at(999)).point(&snapshot, now).unwrap_err().to_string();
            prop_assert!(early.contains(&earliest.to_string()), "{}", early);
        }
        if let Ok(seq) = crate::query::moment::before(&snapshot, at(moment), now) {
            let expected = sample.plain.log.iter().filter(|record| record.recorded_at < at(moment)).map(|record| record.seq).max();
            prop_assert_eq!(seq, expected.unwrap_or(Seq::ZERO));
        }
    }
}

#[test]
fn pages_of_the_past_stay_what_they_were_while_the_present_moves_on() {
    let mut sample = SampleLog::new();
    sample.store.build_index().unwrap();
    let put: Vec<_> = (0..12).map(|n| crate::query::samples::Op::Put(n, "running", "a")).collect();
    sample.play(&put, 5);
    let point = Point { at: at(50_000), seq: sample.store.snapshot().unwrap().seq() };
    let (mut seen, mut cursor) = (Vec::new(), None);
    for round in 0.. {
        let query = Query {
            kind: kind(0),
            scope: ScopeFilter::Everywhere,
            filters: Filters::default(),
            order: None,
            point: Some(point),
            limit: 2,
            cursor: cursor.take(),
        };
        let hits = search(&sample.store, &query).unwrap();
        assert_eq!((hits.total, hits.seq), (6, point.seq));
        seen.extend(hits.rows.iter().map(|row| row.id.clone()));
        let churn: Vec<_> = (0..12).map(|n| crate::query::samples::Op::Remove((n + round) % 12)).take(6).collect();
        sample.play(&churn, 3);
        let Some(next) = hits.next else { break };
        cursor = Some(next.encode());
        let now = Query { point: None, cursor: cursor.clone(), ..query };
        assert!(search(&sample.store, &now).is_err(), "a cursor of the past is none of now");
    }
    let expected: Vec<_> = (0..12).map(crate::query::samples::id).filter(|id| id.kind == kind(0)).collect();
    seen.sort();
    let mut expected = expected;
    expected.sort();
    assert_eq!(seen, expected);
}
