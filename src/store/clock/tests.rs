use proptest::prelude::*;

use crate::model::Seq;
use crate::model::fixtures::at_millis;
use crate::store::fixtures::{batch, discovered, document, fresh, instance};
use crate::store::{CommitBatch, Writer};

const HOUR: i64 = 3_600_000;

fn commit(writer: &mut Writer, n: usize, now: i64) -> Seq {
    let entries = vec![discovered(&instance(&format!("i-{n}")), document("running", "a"))];
    writer.commit(CommitBatch { recorded_at: at_millis(now), ..batch(entries) }).unwrap().last
}

/// The clock was set back an hour, and later records appeared at a time before it.
#[test]
fn after_a_step_back_of_an_hour_an_earlier_time_does_not_show_what_is_recorded_now() {
    let (_dir, mut writer, store) = fresh();
    let start = 1_000 * HOUR;
    let first = commit(&mut writer, 1, start);
    let second = commit(&mut writer, 2, start - HOUR);
    let third = commit(&mut writer, 3, start + 1);
    let snapshot = store.snapshot().unwrap();
    assert_eq!(snapshot.seq_at(at_millis(start - 1)).unwrap(), None);
    assert_eq!(snapshot.seq_at(at_millis(start)).unwrap(), Some(second));
    assert_eq!(snapshot.seq_at(at_millis(start + 1)).unwrap(), Some(third));
    assert_eq!(snapshot.record(second).unwrap().recorded_at, snapshot.record(first).unwrap().recorded_at);
    assert!(!snapshot.is_dated_ahead(&snapshot.record(first).unwrap()).unwrap());
}

#[test]
fn a_year_ahead_does_not_freeze_as_of_for_a_year_and_shows_in_the_record() {
    let (_dir, mut writer, store) = fresh();
    let (start, year) = (1_000 * HOUR, 365 * 24 * HOUR);
    let first = commit(&mut writer, 1, start);
    let ahead = commit(&mut writer, 2, start + year);
    let right = commit(&mut writer, 3, start + 10);
    let snapshot = store.snapshot().unwrap();
    assert_eq!(snapshot.seq_at(at_millis(start + 9)).unwrap(), Some(first));
    assert_eq!(snapshot.seq_at(at_millis(start + 10)).unwrap(), Some(right));
    let is_ahead = |seq| snapshot.is_dated_ahead(&snapshot.record(seq).unwrap()).unwrap();
    assert_eq!([first, ahead, right].map(is_ahead), [false, true, false]);
    assert!(crate::store::verify::fold_log(&snapshot).unwrap().is_clean());
}

/// The newest record of an earlier process also counts.
#[test]
fn a_clock_that_went_back_while_no_server_ran_is_bridged_too() {
    let (dir, mut writer, store) = fresh();
    commit(&mut writer, 1, 1_000 * HOUR);
    drop((writer, store));
    let (mut writer, store) = crate::store::open(crate::store::fixtures::options(&dir)).unwrap();
    let seq = commit(&mut writer, 2, 999 * HOUR);
    assert_eq!(store.snapshot().unwrap().record(seq).unwrap().recorded_at, at_millis(1_000 * HOUR));
    let beyond = commit(&mut writer, 3, 997 * HOUR);
    assert_eq!(store.snapshot().unwrap().record(beyond).unwrap().recorded_at, at_millis(997 * HOUR), "restamped");
}

/// The error of a machine's clock at each commit: from one commit to the next it never goes back by more than is bridged, unless it
/// returns from being ahead.
fn errors() -> impl Strategy<Value = Vec<(i64, i64)>> {
    let steps =
        |error: BoxedStrategy<i64>| proptest::collection::vec((1..2 * HOUR, prop_oneof![Just(0), error]), 1..12);
    prop_oneof![
        steps((-2 * HOUR..=0).boxed()),
        steps((-HOUR..=HOUR).boxed()),
        steps((0..=3 * HOUR).boxed()),
        steps((0..=365 * 24 * HOUR).boxed()),
    ]
}

proptest! {
    /// The plain model: the time of each commit by a correct clock.
    #[test]
    fn as_of_never_shows_what_a_right_clock_recorded_later(
        steps in errors(),
        asked in proptest::collection::vec(0..24 * HOUR, 1..8),
    ) {
        let (_dir, mut writer, store) = fresh();
        let start = 10_000 * HOUR;
        let (mut now, mut right) = (start, Vec::new());
        for (n, (passed, error)) in steps.into_iter().enumerate() {
            now += passed;
            let seq = commit(&mut writer, n, now + error);
            if error == 0 {
                right.push((now, seq));
            }
        }
        let snapshot = store.snapshot().unwrap();
        let near = right.iter().flat_map(|(then, _)| [then - 1, *then]);
        for asked in asked.into_iter().map(|asked| start + asked).chain(near.collect::<Vec<_>>()) {
            let shown = snapshot.seq_at(at_millis(asked)).unwrap().unwrap_or(Seq::ZERO);
            for (then, seq) in &right {
                prop_assert!(*then <= asked || *seq > shown, "as of {asked}: {shown} shown, {seq} recorded at {then}");
            }
        }
        // A query for the current time shows everything, unless the clock is behind the newest record.
        if let Some((then, seq)) = right.last() && *then == now {
            prop_assert!(snapshot.seq_at(at_millis(now + 2 * HOUR)).unwrap() >= Some(*seq));
        }
        prop_assert!(crate::store::verify::fold_log(&snapshot).unwrap().is_clean());
    }
}
