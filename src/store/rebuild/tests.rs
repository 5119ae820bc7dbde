use std::os::unix::fs::{FileExt, PermissionsExt};
use std::sync::atomic::{AtomicBool, Ordering};

use proptest::prelude::*;
use redb::{Database, WriteTransaction};
use tempfile::TempDir;

use std::fs;
use std::path::Path;

use super::*;
use crate::model::{LogId, Seq, Timestamp};
use crate::store::codec::{self, DiskLedger};
use crate::store::fixtures::{
    any_batch, batch, changed, discovered, document, fresh, instance, options, project, removed,
};
use crate::store::keys;
use crate::store::meta::{FORMAT, LEDGER_KEY, LOG_KEY};
use crate::store::tables::{
    self, BASE_TABLE, BODIES_TABLE, BY_RESOURCE_TABLE, CURRENT_TABLE, EVENTS_TABLE, META_TABLE, ROWS_TABLE,
    TIMES_TABLE, TOMBSTONES_TABLE,
};
use crate::store::verify::check;
use crate::store::verify::tests::{Dump, closed, dump, flip};
use crate::store::writer;
use crate::store::{Due, FILE_NAME, OpenError, Store};

/// The content of a file except its log id and the notifications: a copy knows only those of its records.
fn content(path: &Path) -> Dump {
    let mut dump = dump(path).unwrap();
    dump.remove(tables::DEDUPE);
    let meta = dump.get_mut(tables::META).unwrap();
    meta.retain(|(key, _)| key != LOG_KEY);
    for (_, bytes) in meta.iter_mut().filter(|(key, _)| key == LEDGER_KEY) {
        let mut ledger = codec::decode_ledger(LEDGER_KEY, bytes).unwrap();
        ledger.live.dedupe = 0;
        *bytes = codec::encode_ledger(LEDGER_KEY, ledger).unwrap();
    }
    dump
}

fn records(path: &Path) -> Vec<(Vec<u8>, Vec<u8>)> {
    dump(path).unwrap().remove(tables::EVENTS).unwrap()
}

fn names(dir: &TempDir) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn open(dir: &TempDir) -> (writer::Writer, Store) {
    crate::store::open(options(dir)).unwrap()
}

#[test]
fn a_backup_holds_byte_for_byte_what_the_store_holds_under_a_log_id_of_its_own() {
    let (dir, path) = closed(200);
    let before = content(&path);
    let (writer, store) = open(&dir);
    let to = dir.path().join("copy.redb");
    let made = store.backup(&to).unwrap();
    assert!(made.report.is_clean() && made.report.newest == store.snapshot().unwrap().seq());
    assert_eq!((made.of, Some(made.log)), (store.log_id(), made.report.log));
    assert_ne!(made.log, made.of);
    assert_eq!(content(&to), before);
    assert_eq!(made.bytes, fs::metadata(&to).unwrap().len());
    assert_eq!(fs::metadata(&to).unwrap().permissions().mode() & 0o777, 0o600);
    drop((writer, store));
    assert_eq!(names(&dir), ["copy.redb", FILE_NAME]);

    let restored = tempfile::tempdir().unwrap();
    fs::copy(&to, restored.path().join(FILE_NAME)).unwrap();
    let (mut writer, store) = open(&restored);
    assert_eq!(store.log_id(), made.log);
    writer.commit(batch(vec![discovered(&instance("i-new"), document("running", "a"))])).unwrap();
    drop((writer, store));
    assert!(check(&restored.path().join(FILE_NAME), project).unwrap().is_clean());
}

#[test]
fn a_copy_and_a_repaired_store_know_the_notifications_of_their_records() {
    let (dir, path) = closed(60);
    let before = dump(&path).unwrap().remove(tables::DEDUPE).unwrap();
    assert!(!before.is_empty());
    let copy = dir.path().join("copy");
    {
        let (_writer, store) = open(&dir);
        store.backup(&copy).unwrap();
    }
    assert_eq!(dump(&copy).unwrap().remove(tables::DEDUPE).unwrap(), before);
    repair(dir.path(), project).unwrap();
    assert_eq!(dump(&path).unwrap().remove(tables::DEDUPE).unwrap(), before);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// Random programs change nonexistent resources and set clocks back; a copy must still derive the same as the store.
    #[test]
    fn a_copy_of_any_store_is_the_same_byte_for_byte(
        batches in proptest::collection::vec((any_batch(), 0..4_usize), 0..12),
    ) {
        let (dir, mut writer, store) = fresh();
        for (batch, folded) in batches {
            writer.commit(batch).unwrap();
            writer.fold(Due { until: Timestamp::from_millis(i64::MAX), down_to: 0 }, folded, || true).unwrap();
        }
        let to = dir.path().join("copy");
        store.copy(&to, LogId(1), &to).unwrap();
        drop((writer, store));
        prop_assert_eq!(content(&to), content(&dir.path().join(FILE_NAME)));
    }
}

#[test]
fn a_store_is_backed_up_while_it_is_written_and_folded() {
    let (dir, _) = closed(100);
    let (mut writer, store) = open(&dir);
    let stop = AtomicBool::new(false);
    let begun = store.snapshot().unwrap().seq();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for turn in 0.. {
                let id = instance(&format!("i-{}", turn % 50));
                let event = if turn % 100 < 50 { discovered(&id, document("running", "x")) } else { removed(&id) };
                writer.commit(batch(vec![event])).unwrap();
                let everything = Due { until: Timestamp::from_millis(i64::MAX), down_to: 0 };
                writer.fold(everything, 1, || true).unwrap();
                if stop.load(Ordering::Relaxed) {
                    return;
                }
            }
        });
        for number in 0..4 {
            let to = dir.path().join(format!("copy-{number}.redb"));
            let made = store.backup(&to).unwrap();
            assert!(made.report.newest >= begun, "{:?}", made.report);
        }
        stop.store(true, Ordering::Relaxed);
    });
    assert!(store.snapshot().unwrap().seq() > begun);
}

#[test]
fn a_backup_overwrites_nothing_and_leaves_nothing_when_it_fails() {
    let (dir, writer, store) = fresh();
    let taken = dir.path().join("taken");
    fs::write(&taken, "mine").unwrap();
    assert!(matches!(store.backup(&taken), Err(CopyError::Exists { path }) if path == taken));
    assert_eq!(fs::read(&taken).unwrap(), b"mine");
    assert!(matches!(store.backup(&dir.path().join("no/where")), Err(CopyError::Write { .. })));
    drop(writer);
    let txn = store.0.database.read().as_ref().unwrap().begin_write().unwrap();
    drop(txn.open_table(EVENTS_TABLE).unwrap().insert(1, b"nonsense".as_slice()).unwrap());
    let mut meta = txn.open_table(META_TABLE).unwrap();
    let ledger = DiskLedger { seq: 1, ..DiskLedger::default() };
    meta.insert(LEDGER_KEY, codec::encode_ledger(LEDGER_KEY, ledger).unwrap().as_slice()).unwrap();
    drop(meta);
    txn.commit().unwrap();
    store.0.publish().unwrap();
    assert!(matches!(store.backup(&dir.path().join("bad")), Err(CopyError::Read(_))));
    assert_eq!(names(&dir), [FILE_NAME, "taken"]);
}

#[test]
fn an_empty_store_can_be_backed_up() {
    let (dir, _writer, store) = fresh();
    let made = store.backup(&dir.path().join("copy")).unwrap();
    assert_eq!((made.report.newest, made.report.records), (Seq::ZERO, 0));
}

/// Changes a store file behind Muster's back, as damage that redb does not detect.
fn tamper(path: &Path, tamper: impl Fn(&WriteTransaction)) {
    let database = Database::open(path).unwrap();
    let txn = database.begin_write().unwrap();
    tamper(&txn);
    txn.commit().unwrap();
}

fn lines(path: &Path) -> Vec<serde_json::Value> {
    fs::read_to_string(path).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_damaged_record_ends_the_log_and_the_rest_goes_to_a_side_file() {
    let (dir, path) = closed(50);
    let whole = check(&path, project).unwrap();
    let at = whole.horizon.0 + 40;
    tamper(&path, |txn| {
        let mut events = txn.open_table(EVENTS_TABLE).unwrap();
        drop(events.insert(at, b"nonsense".as_slice()).unwrap());
        drop(events.remove(at + 7).unwrap());
    });
    let (before, damaged) = (records(&path), fs::read(&path).unwrap());
    let repaired = repair(dir.path(), project).unwrap();
    let count = whole.newest.0 - whole.horizon.0;
    assert_eq!((repaired.kept, repaired.dropped, repaired.unreadable), (39, count - 41, 2));
    assert_eq!((repaired.of, repaired.lost, repaired.restored), (whole.log, 0, 0));
    assert_eq!((repaired.report.newest.0, repaired.report.log), (at - 1, Some(repaired.log)));
    assert_eq!(records(&path), before[..39]);
    assert_eq!(fs::read(&repaired.damaged_file).unwrap(), damaged);
    assert_ne!(repaired.of, Some(repaired.log));
    assert!(repaired.ends.as_ref().unwrap().contains(&format!("record {at}")), "{repaired:?}");

    let side = repaired.side_file.clone().unwrap();
    let dropped = lines(&side);
    assert_eq!(dropped.len() as u64, count - 39);
    assert_eq!(dropped[0]["unreadable"]["seq"], at);
    assert_eq!((&dropped[1]["seq"], &dropped[7]["why"]), (&(at + 1).into(), &"it is missing".into()));
    assert_eq!(fs::metadata(&side).unwrap().permissions().mode() & 0o777, 0o600);
    let name = side.file_name().unwrap().to_str().unwrap().to_owned();
    let mut expected = [FILE_NAME.to_owned(), name, format!("{FILE_NAME}.damaged-1")];
    expected.sort();
    assert_eq!(names(&dir), expected);

    // It is no longer known that scopes were listed completely since.
    let (_writer, store) = open(&dir);
    let last = store.snapshot().unwrap().record(Seq(at - 1)).unwrap().recorded_at;
    assert!(store.snapshot().unwrap().watermarks().unwrap().iter().all(|mark| mark.ended <= last));
}

#[test]
fn a_change_of_a_nonexistent_resource_ends_the_log() {
    let (dir, mut writer, store) = fresh();
    let (a, b) = (document("running", "a"), document("stopped", "a"));
    let (one, two) = (instance("i-1"), instance("i-2"));
    let entries = vec![discovered(&one, a.clone()), changed(&two, &a, &b), changed(&one, &a, &b)];
    writer.commit(batch(entries)).unwrap();
    drop((writer, store));
    let repaired = repair(dir.path(), project).unwrap();
    assert_eq!((repaired.kept, repaired.dropped), (1, 2));
    assert_eq!(repaired.ends.as_deref(), Some("record 2 changes a resource that is not there"));
    assert_eq!(lines(&repaired.side_file.unwrap())[1]["event"]["changes"][0]["after"], "stopped");
}

#[test]
fn damage_of_derived_data_loses_nothing() {
    let (dir, path) = closed(50);
    let before = content(&path);
    tamper(&path, |txn| {
        for table in [CURRENT_TABLE, ROWS_TABLE, TOMBSTONES_TABLE] {
            drop(txn.open_table(table).unwrap().pop_first().unwrap());
        }
        drop(txn.open_table(BY_RESOURCE_TABLE).unwrap().pop_last().unwrap());
        drop(txn.open_table(TIMES_TABLE).unwrap().pop_last().unwrap());
    });
    assert!(!check(&path, project).unwrap().is_clean());
    let repaired = repair(dir.path(), project).unwrap();
    assert!(repaired.ends.is_none() && repaired.side_file.is_none(), "{repaired:?}");
    assert_eq!(content(&path), before);
}

#[test]
fn a_base_row_is_restored_from_the_current_state_if_nothing_changed_since() {
    let (dir, mut writer, store) = fresh();
    let (still, moved) = (instance("i-still"), instance("i-moved"));
    let (a, b) = (document("running", "a"), document("stopped", "a"));
    writer.commit(batch(vec![discovered(&still, a.clone()), discovered(&moved, a.clone())])).unwrap();
    writer.fold(Due { until: Timestamp::from_millis(i64::MAX), down_to: 0 }, 9, || true).unwrap();
    let other = discovered(&instance("i-other"), a.clone());
    writer.commit(batch(vec![other.clone(), changed(&moved, &a, &b), other])).unwrap();
    let expected = store.snapshot().unwrap().base(&still).unwrap();
    drop((writer, store));
    let path = dir.path().join(FILE_NAME);
    tamper(&path, |txn| {
        let mut base = txn.open_table(BASE_TABLE).unwrap();
        for id in [&still, &moved] {
            drop(base.insert(keys::resource(id).as_slice(), b"nonsense".as_slice()).unwrap());
        }
    });
    let repaired = repair(dir.path(), project).unwrap();
    assert_eq!((repaired.restored, repaired.lost, repaired.kept, repaired.dropped), (1, 1, 1, 2));
    let side = lines(&repaired.side_file.unwrap());
    assert_eq!(side[0]["unreadable"]["table"], "base");
    let (_writer, store) = open(&dir);
    assert_eq!(store.snapshot().unwrap().current(&still).unwrap(), expected);
    assert_eq!(store.snapshot().unwrap().current(&moved).unwrap(), None);
}

/// No second copy can replace a body.
#[test]
fn a_base_row_whose_body_is_unreadable_is_lost_and_named() {
    let (dir, mut writer, store) = fresh();
    let ids = ["i-1", "i-2", "i-3"].map(instance);
    let a = document("running", "a");
    writer.commit(batch(ids.iter().map(|id| discovered(id, a.clone())).collect())).unwrap();
    writer.fold(Due { until: Timestamp::from_millis(i64::MAX), down_to: 0 }, 9, || true).unwrap();
    drop((writer, store));
    let path = dir.path().join(FILE_NAME);
    tamper(&path, |txn| {
        let mut bodies = txn.open_table(BODIES_TABLE).unwrap();
        drop(bodies.insert(1, b"nonsense".as_slice()).unwrap());
        drop(bodies.remove(3).unwrap());
        // The row of this one is in `current`, and its body is whole.
        drop(txn.open_table(BASE_TABLE).unwrap().remove(keys::resource(&ids[1]).as_slice()).unwrap());
    });
    let repaired = repair(dir.path(), project).unwrap();
    assert_eq!((repaired.lost, repaired.restored, repaired.dropped), (2, 1, 0), "{repaired:?}");
    let side = lines(&repaired.side_file.unwrap());
    assert!(side.iter().all(|line| line["unreadable"]["table"] == "base"), "{side:?}");
    let (_writer, store) = open(&dir);
    let there = ids.map(|id| store.snapshot().unwrap().current(&id).unwrap().is_some());
    assert_eq!(there, [false, true, false]);
}

#[test]
fn an_unreadable_ledger_is_counted_again() {
    let (dir, path) = closed(50);
    let before = content(&path);
    tamper(&path, |txn| {
        let mut meta = txn.open_table(META_TABLE).unwrap();
        drop(meta.insert(LEDGER_KEY, b"nonsense".as_slice()).unwrap());
        drop(meta.insert(LOG_KEY, b"nonsense".as_slice()).unwrap());
    });
    let repaired = repair(dir.path(), project).unwrap();
    assert!(repaired.ends.is_none() && repaired.of.is_none(), "{repaired:?}");
    let mut after = content(&path);
    let mut expected = before;
    for dump in [&mut after, &mut expected] {
        dump.get_mut(tables::META).unwrap().retain(|(key, _)| key != LEDGER_KEY);
    }
    assert_eq!(after, expected);
}

#[test]
fn a_file_that_does_not_open_at_all_is_left_alone() {
    let (dir, path) = closed(5);
    fs::OpenOptions::new().write(true).open(&path).unwrap().write_all_at(b"XXXX", 0).unwrap();
    let before = fs::read(&path).unwrap();
    let refused = repair(dir.path(), project).unwrap_err();
    assert!(matches!(&refused, RepairError::Hopeless { .. }), "{refused:?}");
    let why = std::error::Error::source(&refused).unwrap().to_string();
    assert!(why.contains("restore it from a backup"), "{why}");
    assert_eq!((fs::read(&path).unwrap(), names(&dir)), (before, vec![FILE_NAME.to_owned()]));
    fs::remove_file(&path).unwrap();
    assert!(matches!(repair(dir.path(), project), Err(RepairError::Open(OpenError::Io { .. }))));
}

#[test]
fn a_store_in_use_is_not_repaired() {
    let (dir, _writer, _store) = fresh();
    assert!(matches!(repair(dir.path(), project), Err(RepairError::Open(OpenError::Held { .. }))));
}

#[test]
fn the_committed_fixture_can_be_repaired() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(FILE_NAME);
    fs::copy(crate::store::tests::fixture_path(FORMAT), &path).unwrap();
    let before = records(&path);
    let repaired = repair(dir.path(), crate::kinds::project).unwrap();
    assert!(repaired.ends.is_none(), "{repaired:?}");
    assert_eq!(records(&path), before);
}

/// Whatever page is overwritten, a repair gives a clean store with a prefix of the log, or none and leaves the file unchanged.
#[test]
fn a_store_with_any_page_overwritten_is_repaired_to_a_prefix_or_left_alone() {
    let (_dir, path) = closed(200);
    let (whole, log, base) = (fs::read(&path).unwrap(), records(&path), dump(&path).unwrap().remove(tables::BASE));
    let mut random = fastrand::Rng::with_seed(7);
    let (mut kept_all, mut cut, mut hopeless) = (0, 0, 0);
    for turn in 0..30 {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(FILE_NAME);
        let mut bytes = whole.clone();
        // The last rounds damage the header, bit by bit.
        let pages = whole.len() / 4096;
        let page = random.usize(1..pages) * 4096;
        let fill = random.u8(..);
        if turn < 24 {
            bytes[page..page + 4096].fill(fill);
        }
        fs::write(&path, &bytes).unwrap();
        if turn >= 24 {
            let opened = fs::OpenOptions::new().read(true).write(true).open(&path).unwrap();
            flip(&opened, random.u64(64 * 8..320 * 8));
            bytes = fs::read(&path).unwrap();
        }
        match repair(dir.path(), project) {
            Ok(repaired) => {
                assert!(check(&path, project).unwrap().is_clean());
                let kept = records(&path);
                assert!(log.starts_with(&kept), "page {page} with {fill}: {repaired:?}");
                assert!(repaired.lost > 0 || dump(&path).unwrap().remove(tables::BASE) == base);
                assert_eq!(fs::read(&repaired.damaged_file).unwrap(), bytes);
                if kept.len() == log.len() { kept_all += 1 } else { cut += 1 }
            }
            Err(RepairError::Hopeless { .. }) => {
                assert_eq!((fs::read(&path).unwrap(), names(&dir)), (bytes, vec![FILE_NAME.to_owned()]));
                hopeless += 1;
            }
            Err(error) => panic!("page {page} with {fill}: {error:?}"),
        }
    }
    eprintln!("30 damaged files: {kept_all} lost no record, {cut} some, {hopeless} could not be opened");
    assert!(kept_all > 0 && cut > 0);
}

/// The last key of a leaf page determines where the log ends.
#[test]
fn a_last_record_with_an_impossible_number_loses_only_that_record() {
    let (dir, path) = closed(20);
    let (last, _) = records(&path).pop().unwrap();
    let last = u64::from_be_bytes(last.try_into().unwrap());
    let mut bytes = fs::read(&path).unwrap();
    let keys: Vec<u8> = (last - 1..=last).flat_map(u64::to_le_bytes).collect();
    let places: Vec<usize> =
        bytes.windows(keys.len()).enumerate().filter(|(_, window)| *window == keys).map(|(at, _)| at).collect();
    assert!(!places.is_empty());
    for at in places {
        bytes[at + keys.len() - 2] = 0x7f;
    }
    fs::write(&path, bytes).unwrap();
    assert!(!check(&path, project).unwrap().is_clean());
    let repaired = repair(dir.path(), project).unwrap();
    assert_eq!(repaired.unreadable, 1, "{repaired:?}");
    assert!(check(&path, project).unwrap().is_clean());
}
