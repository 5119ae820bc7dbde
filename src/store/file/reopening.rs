//! Tests of opening the store file while the disk fails, and of what may be found when it is reopened.

use std::path::PathBuf;
use std::sync::Arc;

use super::*;
use crate::model::Seq;
use crate::model::fixtures::kind;
use crate::model::{ResourceId, ScopeFilter};
use crate::store::disk::memory::{ALL, InjectedFaults, Memory};
use crate::store::fixtures::{batch, discovered, document, instance, project, removed};
use crate::store::verify::fold_log;
use crate::store::{self, ChangeKind, Health, Store, StoreOptions, Writer};

fn options(dir: &tempfile::TempDir, disk: &Memory) -> StoreOptions {
    StoreOptions { cache_bytes: 1 << 20, disk: Arc::new(disk.clone()), ..StoreOptions::new(dir.path(), project) }
}

/// A store of 20 instances on a disk in memory.
fn filled() -> (tempfile::TempDir, Memory, Writer, Store) {
    let (dir, disk) = (tempfile::tempdir().unwrap(), Memory::default());
    let (mut writer, store) = store::open(options(&dir, &disk)).unwrap();
    let entries = (0..20).map(|n| discovered(&instance(&format!("i-{n}")), document("running", "a"))).collect();
    writer.commit(batch(entries)).unwrap();
    (dir, disk, writer, store)
}

fn path(dir: &tempfile::TempDir) -> PathBuf {
    dir.path().join(FILE_NAME)
}

fn content(disk: &Memory, path: &Path) -> Vec<u8> {
    let mut content = Vec::new();
    disk.tamper(path, |bytes| content.clone_from(bytes));
    content
}

/// Makes each call of opening fail in turn; the store opens afterwards and holds `records`.
fn opens_after_each_failure(dir: &tempfile::TempDir, disk: impl Fn() -> Memory, records: u64) -> u64 {
    for call in 0.. {
        let disk = disk();
        disk.fail(Some(InjectedFaults { from: call, to: call + 1, calls: ALL, most: 1, kind: io::ErrorKind::Other }));
        match store::open(options(dir, &disk)) {
            Ok((writer, store)) => {
                let seq = store.snapshot().unwrap().seq().0;
                assert_eq!(seq, records, "call {call}");
                drop((writer, store));
            }
            Err(error) => assert!(error.is_passing(), "call {call} failed, and that is taken for damage: {error:?}"),
        }
        if disk.failed() == 0 {
            return call;
        }
        let (_writer, store) =
            store::open(options(dir, &disk)).unwrap_or_else(|error| panic!("call {call}: {error:?}"));
        assert_eq!(store.snapshot().unwrap().seq().0, records, "call {call}");
        assert!(fold_log(&store.snapshot().unwrap()).unwrap().is_clean());
    }
    unreachable!()
}

#[test]
fn a_disk_failure_while_a_store_is_opened_is_not_damage() {
    let (dir, disk, writer, store) = filled();
    let killed = content(&disk, &path(&dir));
    drop((writer, store));
    let closed = content(&disk, &path(&dir));
    let calls = [killed, closed]
        .map(|bytes| opens_after_each_failure(&dir, || Memory::holding(&path(&dir), bytes.clone()), 20));
    let created = opens_after_each_failure(&dir, Memory::default, 0);
    eprintln!("opening failed at each of {calls:?} calls (killed, closed) and creating at each of {created}");
}

/// After the disk fails under a commit, the commit is either there and reported, or not there; the next commit continues from it.
#[test]
fn a_commit_whose_outcome_is_not_known_is_known_when_the_store_is_open_again() {
    let (mut landed, mut lost) = (0, 0);
    for call in 0.. {
        let (dir, disk, mut writer, store) = filled();
        store.build_index().unwrap();
        let old = store.snapshot().unwrap();
        let from = disk.calls() + call;
        disk.fail(Some(InjectedFaults { from, to: from + 1, calls: ALL, most: 1, kind: io::ErrorKind::Other }));
        let outcome = writer.commit(batch(vec![removed(&instance("i-3"))]));
        if disk.failed() == 0 {
            break;
        }
        if outcome.is_ok() {
            // The failed call did not matter for the commit; the file is still reopened.
            assert!(store.is_failing());
        } else {
            assert!(store.snapshot().is_err_and(|error| error.is_retryable()));
        }
        let committed = writer.reopen().unwrap();
        assert!(matches!(*store.health().borrow(), Health::Well));
        let snapshot = store.snapshot().unwrap();
        let is_there = snapshot.current(&instance("i-3")).unwrap().is_none();
        assert_eq!(is_there, outcome.is_ok() || committed.is_some(), "call {call}");
        if let Some(committed) = &committed {
            let touched: Vec<(ResourceId, ChangeKind)> =
                committed.touched.iter().map(|touched| (touched.id.clone(), touched.what)).collect();
            assert_eq!(touched, [(instance("i-3"), ChangeKind::Disappeared)]);
            landed += 1;
        } else if outcome.is_err() {
            lost += 1;
        }
        let indexed = store.index().scan(&kind(), &ScopeFilter::Everywhere, &store::Matcher::any(), None, 100).unwrap();
        assert_eq!(indexed.total, if is_there { 19 } else { 20 }, "call {call}");
        drop(old);
        writer.commit(batch(vec![removed(&instance("i-4"))])).unwrap();
        assert!(fold_log(&store.snapshot().unwrap()).unwrap().is_clean());
        drop((writer, store, dir));
    }
    eprintln!("{landed} commits were there and {lost} were not");
    assert!(landed > 0 && lost > 0, "{landed}, {lost}");
}

/// An earlier snapshot fails, and does not prevent reopening.
#[test]
fn reads_while_the_store_is_reopened_fail_and_can_be_retried() {
    let (_dir, disk, mut writer, store) = filled();
    let old = store.snapshot().unwrap();
    disk.fail(Some(InjectedFaults { from: 0, to: u64::MAX, calls: ALL, most: 1, kind: io::ErrorKind::Other }));
    writer.commit(batch(vec![removed(&instance("i-3"))])).unwrap_err();
    assert_eq!(store.failures(), 1);
    assert_eq!(writer.reopen().unwrap(), None);
    let error = old.records(Seq(1), 100).err();
    assert!(error.is_none_or(|error| error.is_retryable()));
    assert_eq!(store.snapshot().unwrap().records(Seq(1), 100).unwrap().len(), 20);
}

#[test]
fn a_file_that_is_not_the_store_that_was_open_is_refused_and_left_alone() {
    let (other_dir, other, ..) = filled();
    let other = content(&other, &path(&other_dir));
    let garbage = vec![7; 100_000];
    for (name, replacement) in [("garbage", Some(garbage.clone())), ("another log", Some(other)), ("older", None)] {
        let (dir, disk, mut writer, store) = filled();
        let older = content(&disk, &path(&dir));
        writer.commit(batch(vec![removed(&instance("i-3"))])).unwrap();
        disk.fail(Some(InjectedFaults { from: 0, to: u64::MAX, calls: ALL, most: 1, kind: io::ErrorKind::Other }));
        writer.commit(batch(vec![removed(&instance("i-4"))])).unwrap_err();
        disk.tamper(&path(&dir), |bytes| *bytes = replacement.unwrap_or(older));
        let error = writer.reopen().unwrap_err();
        let expected = match (name, &*error) {
            ("garbage", OpenError::Damaged { source: FileDamage::Rejected(_), .. }) => {
                content(&disk, &path(&dir)) == garbage
            }
            ("another log", OpenError::Damaged { source: FileDamage::Replaced { .. }, .. }) => true,
            ("older", OpenError::Damaged { source: FileDamage::CutShort { acknowledged, found }, .. }) => {
                (*acknowledged, *found) == (Seq(21), Seq(20))
            }
            _ => false,
        };
        assert!(expected, "{name}: {error:?}");
        assert!(matches!(&*store.health().borrow(), Health::Lost(lost) if Arc::ptr_eq(lost, &error)));
        assert!(store.snapshot().is_err());
    }
}

#[test]
fn a_file_that_is_gone_is_waited_for_and_never_made_anew() {
    let (dir, disk, mut writer, store) = filled();
    disk.fail(Some(InjectedFaults { from: 0, to: u64::MAX, calls: ALL, most: 1, kind: io::ErrorKind::Other }));
    writer.commit(batch(vec![removed(&instance("i-4"))])).unwrap_err();
    let away = dir.path().join("away");
    disk.link(&path(&dir), &away).unwrap();
    disk.remove(&path(&dir)).unwrap();
    assert!(writer.reopen().unwrap_err().is_passing());
    assert_eq!(disk.size(&path(&dir)).unwrap(), None);
    disk.link(&away, &path(&dir)).unwrap();
    writer.reopen().unwrap();
    assert_eq!(store.snapshot().unwrap().seq(), Seq(20));
}
