use std::fs;

use redb::ReadableDatabase;

use super::*;
use crate::store::fixtures::{batch, discovered, document, fresh, instance, options};
use crate::store::{self, Store};

/// A closed store file with some content, and its directory.
fn closed() -> (tempfile::TempDir, PathBuf) {
    let (dir, mut writer, store) = fresh();
    let entries = (0..50).map(|n| discovered(&instance(&format!("i-{n}")), document("running", "a"))).collect();
    writer.commit(batch(entries)).unwrap();
    drop((writer, store));
    let path = dir.path().join(FILE_NAME);
    (dir, path)
}

fn refused(dir: &tempfile::TempDir) -> OpenError {
    match store::open(options(dir)) {
        Ok(_) => panic!("opened"),
        Err(error) => error,
    }
}

#[test]
fn a_new_store_is_created_with_its_directory_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let inside = dir.path().join("a/b");
    let options = store::StoreOptions { dir: inside.clone(), ..options(&dir) };
    let (writer, opened) = store::open(options.clone()).unwrap();
    assert_eq!(opened.path(), inside.join(FILE_NAME));
    let log = opened.log_id();
    let names = || fs::read_dir(&inside).unwrap().map(|entry| entry.unwrap().file_name()).collect::<Vec<_>>();
    assert_eq!(names(), [FILE_NAME]);
    drop((writer, opened));
    fs::write(inside.join(format!("{FILE_NAME}.0123456789abcdef.new")), "half").unwrap();
    let (_writer, reopened) = store::open(options).unwrap();
    assert_eq!(reopened.log_id(), log);
    assert_eq!(names(), [FILE_NAME]);
}

#[test]
fn every_store_has_its_own_log_id() {
    let ids: Vec<_> = (0..3).map(|_| fresh().2.log_id()).collect();
    assert!(ids[0] != ids[1] && ids[1] != ids[2] && ids[0] != ids[2]);
}

#[test]
fn a_store_that_is_already_open_is_in_use() {
    let (dir, _writer, _store) = fresh();
    let error = refused(&dir);
    assert!(matches!(error, OpenError::Held { .. }), "{error:?}");
    assert!(error.to_string().contains(dir.path().to_str().unwrap()));
}

#[test]
fn a_store_of_a_newer_format_is_refused_and_left_alone() {
    let (dir, path) = closed();
    {
        let database = Database::open(&path).unwrap();
        let txn = database.begin_write().unwrap();
        txn.open_table(META_TABLE).unwrap().insert(FORMAT_KEY, (FORMAT + 1).to_le_bytes().as_slice()).unwrap();
        txn.commit().unwrap();
    }
    let error = refused(&dir);
    assert!(matches!(error, OpenError::OtherFormat { found, known: FORMAT, .. } if found == FORMAT + 1), "{error:?}");
    assert!(error.to_string().contains(path.to_str().unwrap()));
    let database = Database::open(&path).unwrap();
    let meta = database.begin_read().unwrap().open_table(META_TABLE).unwrap();
    assert_eq!(meta.get(FORMAT_KEY).unwrap().unwrap().value(), (FORMAT + 1).to_le_bytes());
}

/// Before 0.1.0 there is one format, and files of earlier ones are not upgraded.
#[test]
fn a_store_of_an_older_format_is_refused_with_the_next_step_and_no_byte_changes() {
    for format in [3, 4] {
        let closed = fs::read(crate::store::tests::fixture_path(format)).unwrap();
        // A killed process leaves it like this: redb would repair it, which writes.
        let mut killed = closed.clone();
        killed[9] |= 2;
        for before in [closed, killed] {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join(FILE_NAME);
            fs::write(&path, &before).unwrap();
            for _ in 0..2 {
                let error = refused(&dir);
                assert!(
                    matches!(error, OpenError::OtherFormat { found, known: FORMAT, .. } if found == format),
                    "{error:?}"
                );
                let told = error.to_string();
                let parts = [path.to_str().unwrap(), &format!("format {format}"), "--data-dir", "`muster log export`"];
                assert!(parts.iter().all(|part| told.contains(part)), "{told}");
                assert!(!error.is_passing());
            }
            assert!(fs::read(&path).unwrap() == before, "format {format}");
            assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "nothing was put beside it");
        }
    }
}

#[test]
fn a_file_that_is_not_a_store_is_damaged_and_left_alone() {
    let long = vec![7; 100_000];
    let contents: [&[u8]; 4] = [b"", b"x", b"redb\x1a\x0a\xa9\x0d\x0a and then nothing", &long];
    for content in contents {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(FILE_NAME);
        fs::write(&path, content).unwrap();
        let error = refused(&dir);
        assert!(matches!(error, OpenError::Damaged { .. }), "{error:?}");
        assert!(error.to_string().contains(path.to_str().unwrap()));
        assert_eq!(fs::read(&path).unwrap(), content);
    }
}

#[test]
fn a_database_of_something_else_is_damaged() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(FILE_NAME);
    let database = Database::create(&path).unwrap();
    let txn = database.begin_write().unwrap();
    txn.open_table(redb::TableDefinition::<u64, u64>::new("meta")).unwrap().insert(1, 1).unwrap();
    txn.commit().unwrap();
    drop(database);
    let error = refused(&dir);
    assert!(matches!(error, OpenError::Damaged { source: FileDamage::Rejected(_), .. }), "{error:?}");
}

#[test]
fn a_damaged_meta_record_is_named() {
    let (dir, path) = closed();
    {
        let database = Database::open(&path).unwrap();
        let txn = database.begin_write().unwrap();
        txn.open_table(META_TABLE).unwrap().insert(LEDGER_KEY, b"nonsense".as_slice()).unwrap();
        txn.commit().unwrap();
    }
    let error = refused(&dir);
    assert!(
        matches!(&error, OpenError::Damaged { source: FileDamage::Unreadable(error), .. } if error.key == "ledger")
    );
}

/// Reads everything; `false` if a read reports an error.
fn readable(store: &Store) -> bool {
    store.snapshot().and_then(|snapshot| store::verify::fold_log(&snapshot)).is_ok_and(|report| report.is_clean())
}

#[test]
fn a_truncated_file_is_damaged() {
    let (_dir, path) = closed();
    let whole = fs::read(&path).unwrap();
    for keep in [1, 100, 319, 4096, 5000, whole.len() / 4, whole.len() / 2, whole.len() - 4096, whole.len() - 1] {
        let dir = tempfile::tempdir().unwrap();
        let cut = dir.path().join(FILE_NAME);
        fs::write(&cut, &whole[..keep]).unwrap();
        match store::open(options(&dir)) {
            Ok((_writer, store)) => panic!("{keep} of {} bytes opened, readable: {}", whole.len(), readable(&store)),
            Err(error) => assert!(matches!(error, OpenError::Damaged { .. }), "{keep}: {error:?}"),
        }
        assert_eq!(fs::read(&cut).unwrap().len(), keep);
    }
}
