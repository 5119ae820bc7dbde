use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::model::event::Overlay;
use crate::model::{Cause, Change, Event, Map, Recorded, ScopeFilter};
use crate::query::samples::{IDS, SampleLog, at, id, kind, ops, scope};

fn question() -> impl Strategy<Value = ChangeFilter> {
    let id = proptest::option::weighted(0.4, (0..IDS).prop_map(|n| Arc::clone(&id(n).id)));
    let kinds = proptest::collection::vec((0..2_usize).prop_map(kind), 0..2);
    let scope = proptest::option::weighted(0.3, (0..2_usize).prop_map(scope)).prop_map(ScopeFilter::from);
    let field =
        proptest::option::weighted(0.3, prop_oneof![Just("State"), Just("state.name"), Just("Tags"), Just("Sta")]);
    let by = proptest::option::weighted(0.3, proptest::sample::select(CauseKind::ALL.map(|(_, by)| by).to_vec()));
    let actions = proptest::bool::weighted(0.2);
    let of = (id, kinds, scope, field, by, actions, any::<bool>());
    of.prop_map(|(id, kinds, scope, field, by, actions, quiet)| ChangeFilter {
        id,
        kinds,
        scope,
        field: field.map(str::to_owned),
        by,
        actions,
        action: None,
        quiet,
    })
}

/// The resources that a question about one id reads alone.
fn subjects(question: &ChangeFilter) -> Option<Vec<ResourceId>> {
    let wanted = question.id.as_ref()?;
    Some((0..IDS).map(id).filter(|id| id.id == *wanted).collect())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn going_on_from_each_page_shows_every_record_exactly_once_while_more_are_written(
        steps in proptest::collection::vec((ops(12), 1..4_usize, 1..5_usize, 1..9_u64), 1..8),
        question in question(),
        alone: bool,
    ) {
        let mut sample = SampleLog::new();
        let runs = BaselineRuns::default();
        let subjects = subjects(&question).filter(|_| alone);
        let (mut span, mut seen, mut hidden) = (LogRange::oldest(Seq::ZERO, None), Vec::new(), 0);
        for (ops, size, limit, bound) in steps {
            sample.play(&ops, size);
            let enough = |looked| looked >= bound;
            let mut found =
                find(|| sample.store.snapshot(), &runs, &question, subjects.as_deref(), span, limit, enough).unwrap();
            // The budget of an answer may take less.
            found.truncate(limit.div_ceil(2));
            prop_assert!(found.records().len() <= limit.div_ceil(2));
            seen.extend(found.records().cloned());
            hidden += found.hidden();
            span = LogCursor::read(&LogCursor { log: sample.store.log_id(), question: 7, span: found.span() }.encode()).unwrap().span;
            prop_assert!(span.is_open());
        }
        loop {
            let found = find(|| sample.store.snapshot(), &runs, &question, subjects.as_deref(), span, 3, |_| true).unwrap();
            seen.extend(found.records().cloned());
            hidden += found.hidden();
            span = found.span();
            if found.end() == StopReason::Reached {
                break;
            }
        }
        let question = &question;
        let verdicts = |wanted| sample.plain.log.iter().filter(move |record| question.verdict(record) == wanted);
        prop_assert_eq!(seen, verdicts(RecordMatch::Yes).cloned().collect::<Vec<_>>());
        prop_assert_eq!(hidden, verdicts(RecordMatch::Hidden).count() as u64);
        prop_assert_eq!(span.at, sample.store.snapshot().unwrap().seq());
    }

    #[test]
    fn both_directions_show_the_same_between_two_places(
        played in ops(40),
        size in 1..4_usize,
        question in question(),
        bounds in (0..40_u64, 0..40_u64),
        limit in 1..5_usize,
    ) {
        let mut sample = SampleLog::new();
        sample.play(&played, size);
        let newest = sample.store.snapshot().unwrap().seq();
        let (from, to) = (Seq(bounds.0.min(bounds.1)).min(newest), Seq(bounds.0.max(bounds.1)).min(newest));
        let subjects = subjects(&question);
        let runs = BaselineRuns::default();
        let all = |mut span: LogRange| {
            let mut seen = Vec::new();
            loop {
                let found = find(|| sample.store.snapshot(), &runs, &question, subjects.as_deref(), span, limit, |_| false).unwrap();
                seen.extend(found.records().map(|record| record.seq));
                span = found.span();
                if found.end() == StopReason::Reached {
                    assert!(!span.is_open() || to >= newest && span.order == ReadOrder::Oldest, "{span:?}");
                    return seen;
                }
            }
        };
        let oldest = all(LogRange::oldest(from, Some(to)));
        let mut newest = all(LogRange::newest(to, Some(from)));
        newest.reverse();
        prop_assert_eq!(&oldest, &newest);
        prop_assert_eq!(&oldest, &all(LogRange::oldest(from, Some(to))), "also by what is known of first sweeps");
        let expected = sample.plain.log.iter().filter(|record| record.seq > from && record.seq <= to);
        let expected = expected.filter(|record| question.verdict(record) == RecordMatch::Yes).map(|record| record.seq);
        prop_assert_eq!(oldest, expected.collect::<Vec<_>>());
    }
}

#[test]
fn a_damaged_record_beside_what_a_first_sweep_found_stops_nobody() {
    let put: Vec<_> = (0..IDS).map(|n| crate::query::samples::Op::Put(n, "running", "a")).collect();
    // The first four records are of a first sweep; the damaged one stands before or after the others.
    for (damaged, span) in [(1, LogRange::oldest(Seq::ZERO, Some(Seq(4)))), (4, LogRange::newest(Seq(5), None))] {
        let mut sample = SampleLog::new();
        sample.play(&put, 4);
        let sample = sample.with_damaged(Seq(damaged));
        let (question, runs) = (ChangeFilter::default(), BaselineRuns::default());
        for _ in 0..2 {
            let enough = |looked| looked > 100;
            let found = find(|| sample.store.snapshot(), &runs, &question, None, span, 10, enough).unwrap();
            assert_eq!((found.end(), found.hidden()), (StopReason::Reached, 3), "{damaged}");
        }
        let known = runs.begins(sample.store.log_id(), LogRange::newest(Seq(9), None));
        assert!(known.is_some(), "the others are not read again");
    }
}

#[test]
fn what_is_folded_away_is_an_error_and_never_a_gap() {
    let mut sample = SampleLog::new();
    let put: Vec<_> = (0..IDS).map(|n| crate::query::samples::Op::Put(n, "running", "a")).collect();
    sample.play(&put, 4);
    let question = ChangeFilter { quiet: true, ..ChangeFilter::default() };
    let runs = BaselineRuns::default();
    let read = |sample: &SampleLog, span| find(|| sample.store.snapshot(), &runs, &question, None, span, 2, |_| false);
    let forward = read(&sample, LogRange::oldest(Seq::ZERO, None)).unwrap().span();
    let back = read(&sample, LogRange::newest(Seq(12), None)).unwrap().span();
    let bounded = read(&sample, LogRange::newest(Seq(12), Some(Seq(1)))).unwrap().span();
    assert_eq!((forward.at, back.at, bounded.at), (Seq(2), Seq(11), Seq(11)));
    sample.fold(2);
    assert_eq!(read(&sample, forward).unwrap().span().at, Seq(4), "what it goes on with is still there");
    sample.fold(1);
    for span in [forward, bounded] {
        let error = read(&sample, span).unwrap_err();
        let earliest = sample.store.snapshot().unwrap().earliest().unwrap().unwrap();
        assert!(matches!(error, ChangesError::Expired { earliest: named } if named == earliest), "{error}");
        assert!(error.to_string().contains(&format!("since={earliest}")), "{error}");
    }
    // Who asked for everything there is gets what there is.
    let mut span = back;
    let mut seen = Vec::new();
    loop {
        let found = read(&sample, span).unwrap();
        seen.extend(found.records().map(|record| record.seq.0));
        span = found.span();
        if found.end() == StopReason::Reached {
            break;
        }
    }
    assert_eq!(seen, (4..=10).rev().collect::<Vec<_>>());
}

#[test]
fn a_path_meets_itself_and_what_is_above_or_below_it() {
    for (field, path) in [
        ("State", "State.Name"),
        ("State.Name", "State"),
        ("state.NAME", "State.Name"),
        ("Tags", "Tags"),
        ("Tags[k]", "Tags"),
    ] {
        assert!(meets(field, path) && meets(path, field), "{field} {path}");
    }
    for (field, path) in
        [("Sta", "State"), ("State.Name", "State.Code"), ("StateReason", "State"), ("", "State"), ("é", "xy")]
    {
        assert!(!meets(field, path) && !meets(path, field), "{field} {path}");
    }
}

#[test]
fn a_field_may_name_an_element_of_a_list() {
    let tags = |value: &str| {
        let tag = |key: &str, value: &str| {
            let fields = Map::from([("Key", key.into()), ("Value", value.into())]);
            crate::model::Value::Map(fields)
        };
        Some(crate::model::Value::List(vec![tag("a", "1"), tag("k", value)]))
    };
    let changes = vec![Change { path: "Tags".to_owned(), before: tags("1"), after: tags("2") }];
    let event = Event::Changed { id: id(0), changes, evidence: Vec::new(), overlay: Overlay::Keep };
    let record = Recorded { seq: Seq(1), recorded_at: at(1), cause: Cause::Sweep, event };
    for (field, wanted) in
        [("Tags[k]", true), ("tags[K]", true), ("Tags", true), ("Tags[a]", false), ("Tags[z]", false)]
    {
        let question = ChangeFilter { field: Some(field.to_owned()), ..ChangeFilter::default() };
        assert_eq!(question.verdict(&record) == RecordMatch::Yes, wanted, "{field}");
    }
}

#[test]
fn what_first_sweeps_found_is_counted_whether_or_not_it_is_read_again() {
    let mut sample = SampleLog::new();
    let put = |n| crate::query::samples::Op::Put(n, "running", "a");
    sample.play(&(0..IDS).map(put).collect::<Vec<_>>(), 4);
    let log = &sample.plain.log;
    let is_baseline =
        |record: &Recorded| record.cause == Cause::Baseline && matches!(record.event, Event::Discovered { .. });
    assert!(log.iter().any(is_baseline) && !log.iter().all(is_baseline), "the log has both: {log:?}");
    let runs = BaselineRuns::default();
    let newest = sample.store.snapshot().unwrap().seq();
    for question in [
        ChangeFilter::default(),
        ChangeFilter { kinds: vec![kind(0)], ..ChangeFilter::default() },
        ChangeFilter { scope: scope(1).into(), ..ChangeFilter::default() },
        ChangeFilter { quiet: true, ..ChangeFilter::default() },
        ChangeFilter { by: Some(CauseKind::Baseline), ..ChangeFilter::default() },
        ChangeFilter { by: Some(CauseKind::Sweep), ..ChangeFilter::default() },
        ChangeFilter { actions: true, ..ChangeFilter::default() },
    ] {
        for from in 0..newest.0 {
            for (order, limit) in [(true, 100), (false, 100), (true, 1), (false, 1)] {
                let from = Seq(from);
                let (mut seen, mut hidden) = (Vec::new(), 0);
                let mut span =
                    if order { LogRange::oldest(from, Some(newest)) } else { LogRange::newest(newest, Some(from)) };
                loop {
                    let found =
                        find(|| sample.store.snapshot(), &runs, &question, None, span, limit, |_| false).unwrap();
                    seen.extend(found.records().map(|record| record.seq));
                    hidden += found.hidden();
                    span = found.span();
                    if found.end() == StopReason::Reached {
                        break;
                    }
                }
                seen.sort_unstable();
                let question = &question;
                let of = |wanted| {
                    let these = log.iter().filter(move |record| record.seq > from);
                    these.filter(move |record| question.verdict(record) == wanted).map(|record| record.seq)
                };
                assert_eq!(seen, of(RecordMatch::Yes).collect::<Vec<_>>(), "{question:?}");
                assert_eq!(hidden, of(RecordMatch::Hidden).count() as u64, "{question:?} from {from}");
            }
        }
    }
}
