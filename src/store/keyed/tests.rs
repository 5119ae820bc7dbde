use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::model::fixtures::at_millis;
use crate::store::fixtures::{fresh, options};
use crate::store::verify::fold_log;
use crate::store::{CommitBatch, Writer};

fn call(user: u8, client: u8, key: u8, at: Timestamp, answer: Option<&str>) -> KeyedCall {
    // One user's name begins with another's, and a client may have no name.
    let user = ["uid:1", "uid:10"][usize::from(user % 2)];
    let client = ["", "a", "a\u{1}"][usize::from(client % 3)];
    KeyedCall {
        key: CallKey { user: user.into(), client: client.into(), key: format!("key-{key}").into() },
        at,
        tool: "stop_instance".to_owned(),
        digest: u128::from(key) << 100,
        call: format!("call-{key}"),
        answer: answer.map(str::to_owned),
    }
}

fn keep(writer: &mut Writer, call: &KeyedCall, now: Timestamp) {
    let batch = CommitBatch { recorded_at: now, keyed: Some(call.clone()), ..CommitBatch::default() };
    writer.commit(batch).unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn the_table_holds_what_a_map_of_the_last_day_holds(
        steps in proptest::collection::vec((0..2_u8, 0..3_u8, 0..3_u8, 0..16_i64, any::<bool>(), 0..8_u8), 1..24)
    ) {
        let (dir, mut writer, mut store) = fresh();
        let (mut model, mut hours) = (BTreeMap::new(), 0);
        for (user, client, key, pause, is_answered, crash) in steps {
            hours += pause;
            let now = at_millis(hours * 3_600_000);
            let kept = call(user, client, key, now, is_answered.then_some("{}"));
            keep(&mut writer, &kept, now);
            model.insert(kept.key.clone(), kept);
            if crash == 0 {
                drop((writer, store));
                (writer, store) = crate::store::open(options(&dir)).unwrap();
            }
            let snapshot = store.snapshot().unwrap();
            for kept in model.values() {
                let expected = Some(kept.clone()).filter(|kept| now.since(kept.at) <= AGE);
                prop_assert_eq!(snapshot.keyed(&kept.key, now).unwrap(), expected);
            }
            let fresh = model.values().filter(|kept| now.since(kept.at) <= AGE);
            let by = Principal::of_user("uid:1");
            let count = fresh.filter(|kept| kept.key.user == by.user).count();
            prop_assert_eq!(snapshot.keyed_count(&by).unwrap(), count);
            let report = fold_log(&snapshot).unwrap();
            prop_assert!(report.is_clean(), "{:#?}", report);
        }
    }
}

#[test]
fn a_keyed_call_survives_retention_and_a_backup_and_makes_no_record() {
    let (dir, mut writer, store) = fresh();
    let kept = call(0, 1, 2, at_millis(1_000), Some("an answer"));
    keep(&mut writer, &kept, at_millis(1_000));
    assert_eq!(writer.seq(), crate::model::Seq::ZERO);
    let due = crate::store::Due { until: at_millis(i64::MAX / 2), down_to: 0 };
    writer.fold(due, 1_000, || true).unwrap();
    assert_eq!(store.snapshot().unwrap().keyed(&kept.key, at_millis(2_000)).unwrap(), Some(kept.clone()));
    let copy = tempfile::tempdir().unwrap();
    store.backup(&copy.path().join(crate::store::FILE_NAME)).unwrap();
    drop((writer, store, dir));
    let (_writer, store) = crate::store::open(options(&copy)).unwrap();
    assert_eq!(store.snapshot().unwrap().keyed(&kept.key, at_millis(2_000)).unwrap(), Some(kept));
}
