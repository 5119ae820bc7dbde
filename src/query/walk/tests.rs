use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::kinds::{DocumentFilter, Filter, KindSpec};
use crate::model::Form;
use crate::query::samples::{Op, SampleLog, at, id, kind, ops, scope};
use crate::store::retain::Due;

const STATE: &[Filter] = &[Filter::new(1, "state", &["State.Name"], Form::Text)];

fn filters(given: &Value) -> Filters {
    Filters::parse(given, &KindSpec { filters: STATE, ..KindSpec::DEFAULT }, Timestamp::default()).unwrap()
}

fn ground(seq: u64, now: u64) -> WalkGround {
    WalkGround { log: LogId(1), seq: Seq(seq), horizon: Seq(10), now: at(now) }
}

fn cursor(log: u64, seq: u64, began: u64) -> Cursor {
    let point = Some(Point { at: at(began), seq: Seq(seq) });
    Cursor { log: LogId(log), question: 0, point, after: id(0), sorted: None }
}

#[test]
fn a_walk_goes_on_from_now_where_its_moment_is_out_of_reach() {
    let ten_minutes = 600_000;
    for (cursor, ground, is_moved) in [
        (cursor(1, 10, 5), ground(50_010, ten_minutes + 5), false),
        (cursor(1, 10, 5), ground(50_011, 5), true),
        (cursor(1, 10, 5), ground(10, ten_minutes + 6), true),
        (cursor(1, 9, 5), ground(10, 5), true),
        (cursor(1, 11, 5), ground(10, 5), true),
        (cursor(2, 10, 5), ground(10, 5), true),
        (Cursor { point: None, ..cursor(1, 10, 5) }, ground(10, 5), true),
        (cursor(1, 10, 900), ground(10, 5), false),
    ] {
        let step = WalkStep::next(&cursor, &ground);
        let moment = if is_moved { Some(ground.point()) } else { cursor.point };
        assert_eq!((step.is_moved, Some(step.point)), (is_moved, moment), "{cursor:?} {ground:?}");
        assert_eq!(step.after, Some(cursor.after));
    }
    let first = WalkStep::first(&ground(7, 9));
    assert_eq!(first, WalkStep { point: Point { at: at(9), seq: Seq(7) }, after: None, is_moved: false });
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn a_walk_shows_what_a_replay_of_the_log_up_to_its_moment_shows(
        before in ops(40),
        between in proptest::collection::vec(ops(12), 1..12),
        indexed: bool,
        running: bool,
        limit in proptest::option::of(1..4_usize),
        place in proptest::option::of(0..2_usize),
        refused in proptest::option::of(0..5_usize),
        folded in proptest::option::of(0..6_usize),
    ) {
        let mut sample = SampleLog::new();
        if indexed {
            sample.store.build_index().unwrap();
        }
        sample.play(&before, 3);
        let asked = if running { filters(&json!({"state": "running"})) } else { Filters::default() };
        let (kind, scope) = (kind(0), place.map(scope).map_or(ScopeFilter::Everywhere, ScopeFilter::One));
        let query = WalkQuery { kind: &kind, scope: &scope, filters: &asked, conditions: &[], limit };
        let first = WalkStep::first(&WalkGround::of(&sample.store, at(1)).unwrap());
        let (mut step, mut seen, mut moment) = (first, Vec::new(), None);
        let mut between = between.into_iter();
        for round in 0.. {
            let (mut page, mut offered) = (Vec::new(), 0);
            let walked = query.page(&sample.store, &step, |_, id, document| {
                offered += 1;
                // What is not taken at first comes with the next page.
                if offered > 1 && refused == Some(round) {
                    return ControlFlow::Break(());
                }
                page.push((id, document));
                ControlFlow::Continue(1)
            });
            let walked = walked.unwrap();
            prop_assert!(limit.is_none_or(|limit| page.len() <= limit));
            prop_assert_eq!(*moment.get_or_insert(walked.point), walked.point);
            seen.extend(page);
            sample.play(&between.next().unwrap_or_default(), 2);
            let Some(after) = walked.next else { break };
            let cursor = Cursor { log: sample.store.cursor_log(), question: 0, point: moment, after, sorted: None };
            let ground = WalkGround::of(&sample.store, at(2)).unwrap();
            step = WalkStep::next(&Cursor::read(&cursor.encode()).unwrap(), &ground);
            prop_assert!(!step.is_moved);
            if round == 1 && let Some(folded) = folded {
                sample.writer.fold(Due { until: at(u64::from(u32::MAX)), down_to: 0 }, folded, || true).unwrap();
                if sample.store.snapshot().unwrap().horizon() > step.point.seq {
                    let outrun = query.page(&sample.store, &step, |_, _, _| ControlFlow::Continue(1));
                    let is_outrun = matches!(outrun, Err(PastError::Outrun { .. }));
                    prop_assert!(is_outrun);
                    let ground = WalkGround::of(&sample.store, at(2)).unwrap();
                    prop_assert!(WalkStep::next(&cursor, &ground).is_moved);
                    return Ok(());
                }
            }
        }
        let then = sample.then(moment.unwrap().seq);
        let expected = then.into_iter().filter(|(id, current)| {
            let is_met = !running || current.document.text("State.Name") == Some("running");
            id.kind == kind && scope.takes(&id.scope()) && is_met
        });
        let expected: Vec<_> = expected.map(|(id, current)| (id, current.document)).collect();
        let mut shown = seen.clone();
        shown.sort_by(|a, b| a.0.cmp(&b.0));
        prop_assert_eq!(&shown, &expected);
        prop_assert_eq!(seen, shown, "in key order");
    }
}

#[test]
fn a_moment_is_left_that_is_longer_ago_than_it_may_be() {
    let (ground, cursor) = (ground(30, 100), cursor(1, 20, 40));
    let (after, since) = (Some(cursor.after.clone()), ground.now.since(at(40)));
    for longest in [None, Some(since)] {
        let step = ground.step(Some(&cursor), longest);
        assert_eq!((Some(step.point), &step.after, step.is_moved), (cursor.point, &after, false), "{longest:?}");
    }
    let moved = ground.step(Some(&cursor), Some(since / 2));
    assert_eq!(moved, WalkStep { point: ground.point(), after, is_moved: true });
    assert_eq!(ground.step(None, Some(since / 2)), WalkStep::first(&ground));
}

#[test]
fn a_page_whose_documents_meet_nothing_ends_where_it_has_read_enough() {
    static NAMED: DocumentFilter = DocumentFilter::new("name", "State.Name", Form::Text);
    let mut sample = SampleLog::new();
    let put: Vec<Op> = (0..12).map(|n| Op::Put(n, if n == 10 { "stopped" } else { "running" }, "a")).collect();
    sample.play(&put, 12);
    let condition = [DocumentCondition::read(&NAMED, &["stopped".to_owned()], at(1)).unwrap()];
    let (kind, scope, none) = (kind(0), ScopeFilter::Everywhere, Filters::default());
    let query = WalkQuery { kind: &kind, scope: &scope, filters: &none, conditions: &condition, limit: Some(1) };
    let mut step = WalkStep::first(&WalkGround::of(&sample.store, at(1)).unwrap());
    let mut pages = Vec::new();
    loop {
        let mut shown = 0;
        let walked = query.page(&sample.store, &step, |_, _, _| {
            shown += 1;
            ControlFlow::Continue(1)
        });
        pages.push(shown);
        step.after = walked.unwrap().next;
        if step.after.is_none() {
            break;
        }
    }
    assert_eq!((pages.len(), pages.iter().sum::<usize>()), (2, 1), "six are read, three at a time");
}
