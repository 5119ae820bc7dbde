use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::model::fixtures::{at_millis, kind, scope_in};
use crate::model::{ActionId, ActionRequest, Cause, Current, Document, Kind, ResourceId, ScopeFilter};
use crate::store::fixtures::{
    PlainStore, any_batch, batch, changed, discovered, document, fresh, instance, options, removed,
};
use crate::store::tables::EVENTS_TABLE;
use crate::store::verify::{self, fold_log};
use crate::store::{CommitBatch, Watermark};

const EVERYTHING: Due = Due { until: Timestamp::from_millis(i64::MAX), down_to: 0 };

/// The plain model with every past state: `states[s]` after record `s`.
struct Past {
    plain: PlainStore,
    states: Vec<BTreeMap<ResourceId, Current>>,
}

impl Past {
    fn commit(&mut self, batch: &CommitBatch) {
        for entry in &batch.entries {
            self.plain.commit(&CommitBatch { entries: vec![entry.clone()], ..batch.clone() });
            self.states.push(self.plain.current.clone());
        }
    }

    fn ids(&self) -> BTreeSet<&ResourceId> {
        self.states.iter().flat_map(BTreeMap::keys).collect()
    }

    /// The record that last removed a resource, if it has not come back.
    fn gone(&self, id: &ResourceId) -> Option<u64> {
        let there: Vec<bool> = self.states.iter().map(|state| state.contains_key(id)).collect();
        let last = there.windows(2).rposition(|pair| pair == [true, false])?;
        (!there[there.len() - 1]).then_some(last as u64 + 1)
    }

    fn assert_same(&self, store: &Store) {
        let snapshot = store.snapshot().unwrap();
        let horizon = snapshot.horizon();
        let report = fold_log(&snapshot).unwrap();
        // Random programs change and remove nonexistent resources; Muster's own log never does.
        let wrong = |mismatch: &&verify::Mismatch| !matches!(mismatch, verify::Mismatch::Orphan { .. });
        assert!(report.shown.iter().find(wrong).is_none(), "{report:#?}");
        assert_eq!(report.live, snapshot.live());
        assert_eq!(snapshot.seq(), self.plain.seq);
        assert_eq!(
            snapshot.records(Seq(0), usize::MAX).unwrap(),
            self.plain.log[usize::try_from(horizon.0).unwrap()..]
        );
        for id in self.ids() {
            assert_eq!(snapshot.current(id).unwrap().as_ref(), self.plain.current.get(id));
            for (seq, state) in self.states.iter().enumerate().skip(usize::try_from(horizon.0).unwrap()) {
                let seq = Seq(seq as u64);
                assert_eq!(snapshot.past(id, seq).unwrap().as_ref(), state.get(id), "{id} at {seq}, horizon {horizon}");
            }
            let tombstone = snapshot.tombstone(id).unwrap().map(|tombstone| tombstone.seq.0);
            assert_eq!(tombstone, self.gone(id).filter(|seq| *seq > horizon.0), "{id}, horizon {horizon}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn folding_in_any_steps_leaves_the_rest_of_the_past_and_the_present_unchanged(
        batches in proptest::collection::vec((any_batch(), 0..5_u8, 0..9_usize, any::<u8>()), 1..12),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let mut open = crate::store::open(options(&dir)).unwrap();
        let mut past = Past { plain: PlainStore::default(), states: vec![BTreeMap::new()] };
        for (batch, then, records, budget) in batches {
            past.commit(&batch);
            open.0.commit(batch.clone()).unwrap();
            match then {
                0 => {
                    drop(open);
                    open = crate::store::open(options(&dir)).unwrap();
                }
                1 | 2 => {
                    let before = open.1.snapshot().unwrap();
                    let mut budget = budget;
                    let more = || { budget /= 2; budget > 0 };
                    let folded = open.0.fold(EVERYTHING, records, more).unwrap();
                    let after = open.1.snapshot().unwrap();
                    prop_assert_eq!(after.horizon().0 - before.horizon().0, folded.records as u64);
                    prop_assert!(folded.records <= records);
                    prop_assert_eq!(folded.history, after.history());
                }
                3 => drop(open.0.fold(Due { until: batch.recorded_at, down_to: 0 }, records, || true).unwrap()),
                _ => {}
            }
            past.assert_same(&open.1);
        }
        while open.0.fold(EVERYTHING, 3, || true).unwrap().more {
            past.assert_same(&open.1);
        }
        drop(open);
        let (_writer, store) = crate::store::open(options(&dir)).unwrap();
        past.assert_same(&store);
        let snapshot = store.snapshot().unwrap();
        prop_assert_eq!((snapshot.horizon(), snapshot.history()), (past.plain.seq, 0));
    }
}

/// How often a text stands in the records of all tables.
fn occurrences(store: &Store, text: &str) -> usize {
    let dir = tempfile::tempdir().unwrap();
    let copy = dir.path().join("copy");
    std::fs::copy(store.path(), &copy).unwrap();
    let values = verify::tests::dump(&copy).unwrap().into_values().flatten().map(|(_, value)| value);
    values.map(|value| value.windows(text.len()).filter(|window| *window == text.as_bytes()).count()).sum()
}

#[test]
fn a_body_stands_once_in_the_file_and_goes_with_the_last_who_shows_it() {
    let (_dir, mut writer, store) = fresh();
    let (id, mark) = (instance("i-1"), "a mark of the body");
    let marked = |state: &str| {
        let change = crate::model::Change { path: "Mark".into(), before: None, after: Some(mark.into()) };
        let mut marked: Document = document(state, "a");
        marked.apply(&[change]);
        marked
    };
    let (a, b, c) = (marked("pending"), marked("running"), marked("stopped"));
    let mut stands = |count: usize, entries: Vec<(Cause, crate::model::Event)>, folds: usize| {
        writer.commit(batch(entries)).unwrap();
        writer.fold(EVERYTHING, folds, || true).unwrap();
        let report = fold_log(&store.snapshot().unwrap()).unwrap();
        assert!(report.is_clean(), "{report:?}");
        assert_eq!(occurrences(&store, mark), count);
    };
    stands(1, vec![discovered(&id, a.clone())], 0);
    // The record keeps what it found, beside what is now.
    stands(2, vec![changed(&id, &a, &b)], 0);
    stands(2, vec![changed(&id, &b, &c)], 0);
    // At the horizon it is as it was found, in a place of its own; then as it was in between; then as it is.
    stands(2, vec![], 1);
    stands(2, vec![], 1);
    stands(1, vec![], 1);
    stands(2, vec![changed(&id, &c, &a)], 0);
    stands(1, vec![], 1);
    // The tombstone has its own copy.
    stands(2, vec![removed(&id)], 0);
    stands(0, vec![], 1);
}

#[test]
fn a_partly_folded_commit_keeps_its_time() {
    let (_dir, mut writer, store) = fresh();
    for (millis, ids) in [(1_000, ["i-1", "i-2", "i-3"]), (2_000, ["i-4", "i-5", "i-6"])] {
        let entries = ids.iter().map(|id| discovered(&instance(id), document("running", "a"))).collect();
        writer.commit(CommitBatch { recorded_at: at_millis(millis), ..batch(entries) }).unwrap();
    }
    let times = |store: &Store| {
        let snapshot = store.snapshot().unwrap();
        [999, 1_000, 1_999, 2_000].map(|millis| snapshot.seq_at(at_millis(millis)).unwrap().map(|seq| seq.0))
    };
    assert_eq!(times(&store), [None, Some(3), Some(3), Some(6)]);
    writer.fold(EVERYTHING, 2, || true).unwrap();
    assert_eq!(times(&store), [None, Some(3), Some(3), Some(6)]);
    assert_eq!(store.snapshot().unwrap().earliest().unwrap(), Some(at_millis(1_000)));
    writer.fold(EVERYTHING, 2, || true).unwrap();
    assert_eq!(times(&store), [None, None, None, Some(6)]);
    assert_eq!(store.snapshot().unwrap().earliest().unwrap(), Some(at_millis(2_000)));
    writer.fold(EVERYTHING, 2, || true).unwrap();
    assert_eq!(times(&store), [None, None, None, Some(6)]);
    assert!(fold_log(&store.snapshot().unwrap()).unwrap().is_clean());
}

#[test]
fn a_folded_request_is_forgotten_for_every_resource_it_named() {
    let (_dir, mut writer, store) = fresh();
    let (one, two) = (instance("i-1"), instance("i-2"));
    let targets = vec![one.clone(), two.clone(), one.clone()];
    let asked = ActionRequest::of("stop", targets).requested(ActionId(7));
    let entries = vec![
        (Cause::Tool { action: ActionId(7) }, asked),
        discovered(&one, document("running", "a")),
        discovered(&two, document("running", "a")),
    ];
    writer.commit(batch(entries)).unwrap();
    assert_eq!(store.snapshot().unwrap().timeline(&two, Seq(0), 9).unwrap().len(), 2);
    writer.fold(EVERYTHING, 1, || true).unwrap();
    let snapshot = store.snapshot().unwrap();
    assert_eq!(snapshot.timeline(&one, Seq(0), 9).unwrap().len(), 1);
    assert_eq!(snapshot.timeline(&two, Seq(0), 9).unwrap().len(), 1);
    assert!(fold_log(&snapshot).unwrap().is_clean());
}

#[test]
fn nothing_is_folded_and_no_transaction_begun_while_somebody_holds_the_log() {
    let (_dir, mut writer, store) = fresh();
    writer.commit(batch(vec![discovered(&instance("i-1"), document("running", "a"))])).unwrap();
    let (one, two) = (store.hold(), store.hold());
    drop(one);
    let nothing = Folded { records: 0, history: writer.history(), more: false };
    assert_eq!(writer.fold(EVERYTHING, 9, || true).unwrap(), nothing);
    assert_eq!(store.write_transactions(), 1);
    drop(two);
    assert_eq!(writer.fold(EVERYTHING, 9, || true).unwrap(), Folded { records: 1, history: 0, more: false });
}

#[test]
fn folding_by_size_ends_within_the_limit() {
    let (_dir, mut writer, store) = fresh();
    let entries = (0..50).map(|n| discovered(&instance(&format!("i-{n}")), document("running", "a"))).collect();
    writer.commit(batch(entries)).unwrap();
    let down_to = writer.history() / 2;
    let folded = writer.fold(Due { down_to, ..EVERYTHING }, 200, || true).unwrap();
    assert!(!folded.more && folded.history <= down_to && folded.history + 400 > down_to, "{folded:?}");
    let before = store.write_transactions();
    assert_eq!(writer.fold(Due { down_to, ..EVERYTHING }, 200, || true).unwrap().records, 0);
    assert_eq!(writer.fold(Due { until: at_millis(999), ..EVERYTHING }, 200, || true).unwrap().records, 0);
    assert_eq!(store.write_transactions(), before);
}

#[test]
fn an_unreadable_record_stops_only_folding() {
    let (_dir, mut writer, store) = fresh();
    let ids = ["i-1", "i-2", "i-3"].map(instance);
    writer.commit(batch(ids.iter().map(|id| discovered(id, document("running", "a"))).collect())).unwrap();
    let txn = store.0.database.read().as_ref().unwrap().begin_write().unwrap();
    drop(txn.open_table(EVENTS_TABLE).unwrap().insert(2, b"nonsense".as_slice()).unwrap());
    txn.commit().unwrap();
    assert!(matches!(writer.fold(EVERYTHING, 9, || true), Err(CommitError::Damaged(error)) if error.key == "2"));
    let (a, b) = (document("running", "a"), document("stopped", "a"));
    writer.commit(batch(vec![changed(&ids[0], &a, &b)])).unwrap();
    assert_eq!(store.snapshot().unwrap().horizon(), Seq::ZERO);
}

#[test]
fn intervals_from_before_the_horizon_go_but_the_newest_of_each_kind_stays() {
    let (_dir, mut writer, store) = fresh();
    let mark = |name: &str, since: i64, ended: i64| Watermark {
        scope: scope_in("a"),
        kind: Kind::new(name),
        since: at_millis(since),
        started: at_millis(ended),
        ended: at_millis(ended),
        complete: true,
    };
    let mut marks: Vec<_> = (0..150).map(|n| mark("K", n * 10, n * 10 + 5)).collect();
    marks.extend([mark("L", 1, 2), mark("M", 1, 2), mark("M", 3, 4)]);
    writer.save_watermarks(marks).unwrap();
    for n in 0..12 {
        let entries = vec![discovered(&instance(&format!("i-{n}")), document("running", "a"))];
        writer.commit(CommitBatch { recorded_at: at_millis(1000 + n), ..batch(entries) }).unwrap();
    }
    for _ in 0..6 {
        writer.fold(EVERYTHING, 1, || true).unwrap();
    }
    let kept = |name: &str| {
        let intervals = store.snapshot().unwrap().intervals(&scope_in("a"), &Kind::new(name)).unwrap();
        intervals.into_iter().map(|interval| interval.ended.as_millis()).collect::<Vec<_>>()
    };
    assert_eq!(kept("K"), (100..150).map(|n| n * 10 + 5).collect::<Vec<_>>());
    assert_eq!((kept("L"), kept("M")), (vec![2], vec![4]));
    assert!(fold_log(&store.snapshot().unwrap()).unwrap().is_clean());
}

#[test]
fn a_removal_is_forgotten_with_its_record_also_when_the_resource_came_back_in_between() {
    let (_dir, mut writer, store) = fresh();
    let (a, id) = (document("running", "a"), instance("i-1"));
    for entry in [discovered(&id, a.clone()), removed(&id), discovered(&id, a), removed(&id)] {
        writer.commit(batch(vec![entry])).unwrap();
    }
    for (horizon, left) in [(1, Some(4)), (2, Some(4)), (3, Some(4)), (4, None)] {
        writer.fold(EVERYTHING, 1, || true).unwrap();
        let snapshot = store.snapshot().unwrap();
        assert_eq!(snapshot.horizon().0, horizon);
        assert_eq!(snapshot.tombstone(&id).unwrap().map(|tombstone| tombstone.seq.0), left);
        assert_eq!(snapshot.count(&kind(), &ScopeFilter::Everywhere).unwrap(), 0);
        assert!(fold_log(&snapshot).unwrap().is_clean());
    }
    assert_eq!(store.snapshot().unwrap().live(), Live::default());
}

const DAY: Duration = Duration::from_hours(24);

fn stock(history: u64, age: Duration) -> (Stock, Timestamp) {
    let now = at_millis(1_800_000_000_000);
    (Stock { history, resources: 10, disk: Some(1 << 40), oldest: Some(now - age) }, now)
}

#[test]
fn records_go_by_age_with_some_patience() {
    let retention = Retention::default();
    let (old, now) = stock(1, 30 * DAY + Duration::from_mins(61));
    assert_eq!(due(&old, &retention, now, true), Some(Due { until: now - 30 * DAY, down_to: 0 }));
    assert_eq!(due(&old, &retention, now, false), None);
    let (young, now) = stock(1, 30 * DAY + Duration::from_mins(59));
    assert_eq!(due(&young, &retention, now, true), None);
    assert_eq!(due(&Stock { oldest: None, ..old }, &retention, now, true), None);
}

#[test]
fn records_go_by_size_down_to_a_little_below_the_limit_but_never_young_ones() {
    let retention = Retention { bytes: Some(6_400), ..Retention::default() };
    let (stock, now) = stock(6_401, DAY);
    assert_eq!(due(&stock, &retention, now, true), Some(Due { until: now - MIN_AGE, down_to: 6_300 }));
    assert!(due(&stock, &retention, now, false).is_some());
    assert_eq!(due(&Stock { history: 6_400, ..stock }, &retention, now, true), None);
    let young = Stock { oldest: Some(now - Duration::from_secs(299)), ..stock };
    assert_eq!(due(&young, &retention, now, true), None);
    let brief = Retention { age: Duration::from_secs(1), ..retention };
    let (aged, now) = (Stock { oldest: Some(now - Duration::from_mins(6)), ..stock }, now);
    assert_eq!(due(&aged, &brief, now, true), Some(Due { until: now - MIN_AGE, down_to: 0 }));
}

#[test]
fn the_limit_is_as_configured_or_grows_with_the_account_up_to_a_quarter_of_the_disk() {
    let of = |bytes, resources, disk| {
        Retention { bytes, ..Retention::default() }.limit(&Stock { resources, disk, ..Stock::default() })
    };
    assert_eq!(of(None, 10, None), 1 << 30);
    assert_eq!(of(None, 100_000, None), 2_000_000_000);
    assert_eq!(of(Some(1 << 25), 100_000, Some(1 << 40)), 1 << 25);
    assert_eq!(of(Some(1 << 40), 0, Some(1 << 40)), 1 << 38);
    assert_eq!(of(None, 1_000_000, Some(1 << 33)), 1 << 31);
}

/// A clock was ahead for a while and was then set back.
#[test]
fn a_clock_that_was_ahead_at_the_horizon_leaves_the_past_since_then_and_the_intervals() {
    let dir = tempfile::tempdir().unwrap();
    let (mut writer, store) = crate::store::open(options(&dir)).unwrap();
    let commit = |writer: &mut Writer, name: &str, second| {
        let entries = vec![discovered(&instance(name), document("running", "a"))];
        writer.commit(CommitBatch { recorded_at: at_millis(second), ..batch(entries) }).unwrap();
    };
    // Further ahead than is bridged.
    commit(&mut writer, "i-ahead", 10_000_000);
    commit(&mut writer, "i-back", 100);
    let run = |since, ended| Watermark {
        scope: scope_in("a"),
        kind: kind(),
        since: at_millis(since),
        started: at_millis(ended),
        ended: at_millis(ended),
        complete: true,
    };
    writer.save_watermarks(vec![run(100, 200), run(300, 400)]).unwrap();
    assert_eq!(store.snapshot().unwrap().earliest().unwrap(), Some(at_millis(100)));
    assert!(store.snapshot().unwrap().holds_since(Timestamp::EPOCH), "nothing is folded");
    writer.fold(EVERYTHING, 1, || true).unwrap();
    let snapshot = store.snapshot().unwrap();
    assert_eq!((snapshot.horizon(), snapshot.earliest().unwrap()), (Seq(1), Some(at_millis(100))));
    assert_eq!(snapshot.seq_at(at_millis(100)).unwrap(), Some(Seq(2)));
    // What was committed while the clock was ahead is folded.
    assert!(!snapshot.holds_since(at_millis(10_000_000)) && snapshot.holds_since(at_millis(10_000_001)));
    assert_eq!(snapshot.intervals(&scope_in("a"), &kind()).unwrap().len(), 2);
    writer.fold(EVERYTHING, 1, || true).unwrap();
    commit(&mut writer, "i-later", 500);
    assert_eq!(store.snapshot().unwrap().earliest().unwrap(), Some(at_millis(100)));
}
