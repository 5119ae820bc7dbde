use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use redb::{ReadableDatabase, ReadableTable};
use tempfile::TempDir;

use super::*;
use crate::model::fixtures::at_millis;
use crate::model::{Cause, Document, Timestamp};
use crate::model::{Event, Kind, Seq};
use crate::store::codec;
use crate::store::fixtures::{batch, changed, discovered, document, instance, options, project, removed};
use crate::store::meta::{FORMAT, LEDGER_KEY};
use crate::store::read_only::ReadOnlyFile;
use crate::store::tables::{self, BODIES_TABLE, EVENTS_TABLE, META_TABLE, TIMES_TABLE};
use crate::store::tables::{BASE, BODIES, BY_RESOURCE, CURRENT, INTERVALS, META, ROWS, TIMES, TOMBSTONES};
use crate::store::tests::fixture_path;
use crate::store::{CommitBatch, Due, FILE_NAME, OpenError, Watermark, Writer};

const EVERYTHING: Due = Due { until: Timestamp::from_millis(i64::MAX), down_to: 0 };

/// A closed store with some of everything: resources that changed, were removed and came back, folded and kept records, intervals,
/// notifications.
pub(in crate::store) fn closed(resources: usize) -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let (mut writer, store) = crate::store::open(options(&dir)).unwrap();
    let states = ["pending", "running", "stopping", "stopped"];
    let names: Vec<_> = (0..resources).map(|n| (instance(&format!("i-{n:04}")), format!("name {n}"))).collect();
    let mut shown: BTreeMap<usize, Document> = BTreeMap::new();
    let mut seconds = 0;
    let mut commit = |writer: &mut Writer, entries: Vec<(Cause, Event)>| {
        for entries in entries.chunks(100) {
            seconds += 1;
            let told = entries.iter().filter_map(|(cause, _)| match cause {
                Cause::Notification { event_id } => Some(event_id.clone()),
                _ => None,
            });
            let notified = told.collect();
            writer
                .commit(CommitBatch { recorded_at: at_millis(seconds * 1000), notified, ..batch(entries.to_vec()) })
                .unwrap();
        }
    };
    for (round, state) in states.iter().enumerate() {
        let mut entries = Vec::new();
        for (number, (id, name)) in names.iter().enumerate() {
            let now = document(state, name);
            let gone = number % 7 == round;
            match shown.remove(&number) {
                None if round == 0 => entries.push((Cause::Baseline, discovered(id, now.clone()).1)),
                None => entries.push(discovered(id, now.clone())),
                Some(_) if gone => entries.push(removed(id)),
                Some(before) if round > 1 => {
                    let cause = Cause::Notification { event_id: format!("event-{round}-{number}") };
                    entries.push((cause, changed(id, &before, &now).1));
                }
                Some(before) => entries.push(changed(id, &before, &now)),
            }
            if !gone || round == 0 {
                shown.insert(number, now);
            }
        }
        commit(&mut writer, entries);
        let mark = |kind: &str, ended| Watermark {
            scope: instance("").scope(),
            kind: Kind::new(kind),
            since: at_millis(ended),
            started: at_millis(ended),
            ended: at_millis(ended),
            complete: true,
        };
        let ended = i64::try_from(round).unwrap() * 7_000_000;
        writer.save_watermarks(vec![mark("A", ended), mark("B", ended)]).unwrap();
        if round == 1 {
            while writer.fold(EVERYTHING, resources / 3, || true).unwrap().more {
                let left = writer.seq().0 - store.snapshot().unwrap().horizon().0;
                if usize::try_from(left).unwrap() < resources {
                    break;
                }
            }
        }
    }
    drop((writer, store));
    let (mut writer, store) = crate::store::open(options(&dir)).unwrap();
    commit(&mut writer, vec![discovered(&instance("i-last"), document("running", "last"))]);
    drop((writer, store));
    let path = dir.path().join(FILE_NAME);
    (dir, path)
}

fn check_file(path: &Path) -> VerifyReport {
    check(path, project).unwrap()
}

pub(in crate::store) type Dump = BTreeMap<String, Vec<(Vec<u8>, Vec<u8>)>>;

/// Every table's content as a reader of the file would see it; `None` if reading fails.
pub(in crate::store) fn dump(path: &Path) -> Option<Dump> {
    let read = || -> Result<Dump, redb::Error> {
        let database = redb::Builder::new().set_cache_size(1 << 20).create_with_backend(ReadOnlyFile::open(path)?)?;
        let transaction = database.begin_read()?;
        let mut dump = Dump::new();
        for name in tables::NAMES {
            let mut rows = Vec::new();
            match name {
                tables::EVENTS | BODIES => {
                    let numbered = if name == BODIES { BODIES_TABLE } else { EVENTS_TABLE };
                    for entry in transaction.open_table(numbered)?.range(0..)? {
                        let (key, value) = entry?;
                        rows.push((key.value().to_be_bytes().to_vec(), value.value().to_vec()));
                    }
                }
                TIMES => {
                    for entry in transaction.open_table(TIMES_TABLE)?.range(0..)? {
                        let (key, value) = entry?;
                        rows.push((key.value().to_be_bytes().to_vec(), value.value().to_be_bytes().to_vec()));
                    }
                }
                BY_RESOURCE => {
                    for entry in transaction.open_table(tables::BY_RESOURCE_TABLE)?.iter()? {
                        rows.push((entry?.0.value().to_vec(), Vec::new()));
                    }
                }
                plain => {
                    for entry in transaction.open_table(tables::BytesTable::new(plain))?.iter()? {
                        let (key, value) = entry?;
                        rows.push((key.value().to_vec(), value.value().to_vec()));
                    }
                }
            }
            dump.insert(name.to_owned(), rows);
        }
        Ok(dump)
    };
    catch_unwind(AssertUnwindSafe(read)).ok()?.ok()
}

#[test]
fn an_intact_file_is_clean_and_unchanged() {
    let (_dir, path) = closed(60);
    let before = fs::read(&path).unwrap();
    let report = check_file(&path);
    assert!(report.is_clean(), "{report:#?}");
    assert!(report.horizon > Seq::ZERO && report.newest > report.horizon && report.removed > 0, "{report:#?}");
    assert_eq!(report.records, report.newest.0 - report.horizon.0);
    assert_eq!(fs::read(&path).unwrap(), before);
    assert!(fs::read_dir(path.parent().unwrap()).unwrap().count() == 1);
}

#[test]
fn a_file_that_was_not_closed_can_be_verified() {
    let (dir, path) = closed(20);
    let (mut writer, store) = crate::store::open(options(&dir)).unwrap();
    writer.commit(batch(vec![discovered(&instance("i-new"), document("running", "a"))])).unwrap();
    let killed = dir.path().join("killed");
    fs::copy(&path, &killed).unwrap();
    let report = check_file(&killed);
    assert!(report.is_clean() && report.newest == store.snapshot().unwrap().seq(), "{report:#?}");
}

#[test]
fn the_committed_fixture_is_clean_as_a_server_reads_it() {
    let path = fixture_path(FORMAT);
    let before = fs::read(&path).unwrap();
    let report = check(&path, crate::kinds::project).unwrap();
    assert!(report.is_clean(), "{report:#?}");
    assert!(fs::read(&path).unwrap() == before);
}

#[test]
fn a_file_of_an_older_format_is_not_called_damaged_and_stays_as_it_is() {
    for format in [3, 4, 5] {
        let before = fs::read(fixture_path(format)).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(FILE_NAME);
        fs::write(&path, &before).unwrap();
        let refused = check(&path, project);
        assert!(matches!(refused, Err(VerifyError(OpenError::OtherFormat { found, .. })) if found == format));
        let refused = crate::store::rebuild::repair(dir.path(), project);
        let is_refused =
            matches!(refused, Err(crate::store::rebuild::RepairError::Open(OpenError::OtherFormat { .. })));
        assert!(is_refused && fs::read(&path).unwrap() == before, "format {format}");
    }
}

#[test]
fn a_file_in_use_or_missing_is_not_damaged() {
    let (dir, path) = closed(5);
    let open = crate::store::open(options(&dir)).unwrap();
    assert!(matches!(check(&path, project), Err(VerifyError(OpenError::Held { .. }))));
    drop(open);
    assert!(matches!(check(&dir.path().join("none"), project), Err(VerifyError(OpenError::Io { .. }))));
}

#[test]
fn a_file_that_is_not_a_store_is_reported_as_damage() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x");
    for content in [Vec::new(), b"x".to_vec(), vec![7; 100_000]] {
        fs::write(&path, &content).unwrap();
        assert!(matches!(check_file(&path).shown[..], [Mismatch::File(_)]));
    }
}

/// Changes a store file behind Muster's back, without damage that redb could detect.
fn tampered(tamper: impl Fn(&redb::WriteTransaction)) -> VerifyReport {
    let (_dir, path) = closed(20);
    let database = redb::Database::open(&path).unwrap();
    let txn = database.begin_write().unwrap();
    tamper(&txn);
    txn.commit().unwrap();
    drop(database);
    check_file(&path)
}

#[test]
fn whatever_does_not_match_the_log_is_reported() {
    let of = |name: &'static str| tables::BytesTable::new(name);
    let report = tampered(|txn| drop(txn.open_table(TIMES_TABLE).unwrap().pop_first().unwrap()));
    assert!(report.shown.iter().any(|wrong| matches!(wrong, Mismatch::Differs { table: TIMES, .. })), "{report:#?}");
    let report = tampered(|txn| drop(txn.open_table(TIMES_TABLE).unwrap().insert(7, 7).unwrap()));
    assert!(report.shown.iter().any(|wrong| matches!(wrong, Mismatch::Entries { table: TIMES, .. })), "{report:#?}");
    let report = tampered(|txn| drop(txn.open_table(EVENTS_TABLE).unwrap().pop_first().unwrap()));
    assert!(report.shown.iter().any(|wrong| matches!(wrong, Mismatch::Gap { .. })), "{report:#?}");
    let report = tampered(|txn| drop(txn.open_table(of(BASE)).unwrap().pop_last().unwrap()));
    assert!(report.shown.iter().any(|wrong| matches!(wrong, Mismatch::Differs { table: CURRENT, .. })), "{report:#?}");
    let report = tampered(|txn| drop(txn.open_table(BODIES_TABLE).unwrap().pop_first().unwrap()));
    let is_missed = |wrong: &Mismatch| matches!(wrong, Mismatch::Damaged(error) if error.table == BODIES);
    assert!(report.shown.iter().any(is_missed), "{report:#?}");
    let report = tampered(|txn| drop(txn.open_table(BODIES_TABLE).unwrap().pop_last().unwrap()));
    assert!(report.shown.iter().any(|wrong| matches!(wrong, Mismatch::Differs { table: BODIES, .. })), "{report:#?}");
    let report = tampered(|txn| {
        let body = codec::encode_body(Seq(7_000), &document("running", "nobody's")).unwrap();
        drop(txn.open_table(BODIES_TABLE).unwrap().insert(7_000, body.as_slice()).unwrap());
    });
    assert!(report.shown.iter().any(|wrong| matches!(wrong, Mismatch::Entries { table: BODIES, .. })), "{report:#?}");
    let report = tampered(|txn| drop(txn.open_table(of("new")).unwrap().insert(&b"a"[..], &b"b"[..]).unwrap()));
    assert!(matches!(&report.shown[..], [Mismatch::Table { name }] if name == "new"), "{report:#?}");
    for table in [tables::DEDUPE, META, INTERVALS, BASE, TOMBSTONES, ROWS] {
        let report = tampered(|txn| drop(txn.open_table(of(table)).unwrap().insert(&b"a"[..], &b"b"[..]).unwrap()));
        assert!(!report.is_clean(), "{table}");
    }
    let report = tampered(|txn| {
        let mut meta = txn.open_table(META_TABLE).unwrap();
        let mut ledger = codec::decode_ledger(LEDGER_KEY, meta.get(LEDGER_KEY).unwrap().unwrap().value()).unwrap();
        ledger.live.base += 1;
        meta.insert(LEDGER_KEY, codec::encode_ledger(LEDGER_KEY, ledger).unwrap().as_slice()).unwrap();
    });
    assert!(matches!(report.shown[..], [Mismatch::Live { .. }]), "{report:#?}");
}

/// A flipped bit in the header byte without a checksum opens the second-last commit.
#[test]
fn an_older_commit_that_seems_the_newest_is_detected() {
    // redb takes it as it is, if the last commit left the file as long as it was.
    let found = (20..40).find_map(|resources| {
        let (dir, path) = closed(resources);
        let file = OpenOptions::new().read(true).write(true).open(&path).unwrap();
        flip(&file, 9 * 8);
        dump(&path).is_some().then_some((dir, path))
    });
    let (_dir, path) = found.unwrap();
    let report = check_file(&path);
    assert!(report.shown.iter().any(|wrong| matches!(wrong, Mismatch::Stale { .. })), "{report:#?}");
}

pub(in crate::store) fn flip(file: &File, bit: u64) {
    let mut byte = [0];
    file.read_exact_at(&mut byte, bit / 8).unwrap();
    byte[0] ^= 1 << (bit % 8);
    file.write_all_at(&byte, bit / 8).unwrap();
}

/// `MUSTER_FLIPS` sets how many bits are flipped, besides every one of the header.
#[test]
fn every_flipped_bit_is_detected_or_harmless() {
    let flips = std::env::var("MUSTER_FLIPS").ok().and_then(|flips| flips.parse().ok()).unwrap_or(100);
    let (_dir, path) = closed(300);
    let whole = dump(&path).unwrap();
    let length = fs::metadata(&path).unwrap().len();
    let file = OpenOptions::new().read(true).write(true).open(&path).unwrap();
    let mut random = fastrand::Rng::with_seed(flips);
    let mut missed = Vec::new();
    let (mut detected, mut harmless) = (0, 0);
    for turn in 0..flips {
        // One in eight is in the header, whose bytes matter most.
        let bit = if turn % 8 == 0 { random.u64(..320 * 8) } else { random.u64(..length * 8) };
        flip(&file, bit);
        let found = check(&path, project).is_ok_and(|report| report.is_clean());
        match (found, found && dump(&path).as_ref() == Some(&whole)) {
            (false, _) => detected += 1,
            (true, true) => harmless += 1,
            (true, false) => missed.push(bit),
        }
        flip(&file, bit);
    }
    eprintln!("{flips} flips in {length} bytes: {detected} detected, {harmless} harmless, missed {missed:?}");
    assert!(missed.is_empty(), "missed bits {missed:?}");
    assert!(check_file(&path).is_clean());
}
