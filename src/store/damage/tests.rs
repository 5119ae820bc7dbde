use redb::{ReadableDatabase, ReadableTable};

use crate::model::fixtures::{at_millis, kind, scope_in};
use crate::model::{Cause, Event, ScopeFilter, Seq};
use crate::store::fixtures::{batch, changed, discovered, document, fresh, instance, project, removed};
use crate::store::tables::{
    BASE, BODIES, BODIES_TABLE, BY_RESOURCE_TABLE, BytesTable, CURRENT, EVENTS_TABLE, ROWS, TOMBSTONES,
};
use crate::store::{
    CommitBatch, CommitError, DamagedRecord, Due, FILE_NAME, Matcher, On, ReadError, Store, Writer, keys,
};

/// Five resources that changed once each, and a removed one; `damage` is applied to the closed file.
fn damaged(damage: impl Fn(&redb::WriteTransaction)) -> (tempfile::TempDir, Writer, Store) {
    let (dir, mut writer, store) = fresh();
    let (a, b) = (document("running", "a"), document("stopped", "a"));
    let ids: Vec<_> = (0..6).map(|n| instance(&format!("i-{n}"))).collect();
    let commit = |writer: &mut Writer, second: i64, entries: Vec<(Cause, Event)>| {
        writer.commit(CommitBatch { recorded_at: at_millis(second * 1000), ..batch(entries) }).unwrap();
    };
    commit(&mut writer, 1, ids.iter().map(|id| discovered(id, a.clone())).collect());
    commit(&mut writer, 2, ids.iter().take(5).map(|id| changed(id, &a, &b)).collect());
    commit(&mut writer, 3, vec![removed(&ids[5])]);
    drop((writer, store));
    let database = redb::Database::open(dir.path().join(FILE_NAME)).unwrap();
    let txn = database.begin_write().unwrap();
    damage(&txn);
    txn.commit().unwrap();
    drop(database);
    let (writer, store) = crate::store::open(crate::store::fixtures::options(&dir)).unwrap();
    (dir, writer, store)
}

/// Flips a bit in the middle of the value of a resource in a plain table.
fn flip(txn: &redb::WriteTransaction, table: &'static str, id: &str) {
    let key = if table == CURRENT { keys::in_scope(&instance(id)) } else { keys::resource(&instance(id)) };
    let mut table = txn.open_table(BytesTable::new(table)).unwrap();
    let mut value = table.get(key.as_slice()).unwrap().unwrap().value().to_vec();
    let middle = value.len() / 2;
    value[middle] ^= 4;
    table.insert(key.as_slice(), value.as_slice()).unwrap();
}

fn flip_record(txn: &redb::WriteTransaction, seq: u64) {
    flip_numbered(txn, EVENTS_TABLE, seq);
}

fn flip_numbered(txn: &redb::WriteTransaction, table: redb::TableDefinition<'_, u64, &'static [u8]>, seq: u64) {
    let mut table = txn.open_table(table).unwrap();
    let mut value = table.get(seq).unwrap().unwrap().value().to_vec();
    let middle = value.len() / 2;
    value[middle] ^= 4;
    table.insert(seq, value.as_slice()).unwrap();
}

/// The only damage found.
fn only(store: &Store) -> DamagedRecord {
    let (mut found, more) = store.damage();
    assert!(!more && found.len() == 1, "{found:?}");
    found.remove(0)
}

fn is_damage<T>(read: Result<T, ReadError>) -> bool {
    read.is_err_and(|error| {
        let told = error.to_string();
        assert!(!error.is_retryable() && told.contains("`muster log verify --repair`"), "{told}");
        matches!(error, ReadError::Damaged(_))
    })
}

#[test]
fn a_damaged_row_is_reported_and_everything_else_is_served() {
    for with_index in [false, true] {
        let (_dir, mut writer, store) = damaged(|txn| flip(txn, ROWS, "i-2"));
        if with_index {
            store.build_index().unwrap();
        }
        let snapshot = store.snapshot().unwrap();
        // Its body has what its row had.
        assert_eq!(store.scan(&kind(), &ScopeFilter::Everywhere, &Matcher::any(), None, 10).unwrap().total, 5);
        assert_eq!(store.count_by(&kind(), &ScopeFilter::Everywhere, &On::Facet(1)).unwrap()["stopped"], 5);
        assert_eq!(snapshot.rows(&kind(), &ScopeFilter::Everywhere, None, 10).unwrap().len(), 5);
        assert_eq!(snapshot.heads(&kind(), &ScopeFilter::Everywhere, None, 10).unwrap().len(), 5);
        assert_eq!(snapshot.copies(&kind(), "i-2").unwrap().len(), 1);
        let mut names = 0;
        snapshot.each_name(&kind(), None, 10, |_, name| names += usize::from(name == Some("a"))).unwrap();
        assert_eq!(names, 5);
        let found = only(&store);
        assert_eq!((found.table, found.id.as_ref()), (ROWS, Some(&instance("i-2"))));
        assert!(found.is_of_now() && found.concerns(Some(&kind()), &scope_in("eu-central-1").into()));
        assert!(!found.concerns(None, &scope_in("eu-west-1").into()));
        assert_eq!(store.damaged_rows(&kind(), &ScopeFilter::Everywhere), 1);
        // Written again, it is intact.
        writer
            .commit(batch(vec![changed(&instance("i-2"), &document("stopped", "a"), &document("running", "a"))]))
            .unwrap();
        assert_eq!(store.damage(), (Vec::new(), false));
        assert_eq!(store.snapshot().unwrap().rows(&kind(), &ScopeFilter::Everywhere, None, 10).unwrap().len(), 5);
    }
}

#[test]
fn when_row_and_body_are_damaged_the_other_resources_are_served() {
    let (_dir, _writer, store) = damaged(|txn| {
        flip(txn, ROWS, "i-2");
        flip(txn, CURRENT, "i-2");
    });
    store.build_index().unwrap();
    assert_eq!(store.scan(&kind(), &ScopeFilter::Everywhere, &Matcher::any(), None, 10).unwrap().total, 4);
    let snapshot = store.snapshot().unwrap();
    assert_eq!(snapshot.rows(&kind(), &ScopeFilter::Everywhere, None, 10).unwrap().len(), 4);
    assert!(is_damage(snapshot.copies(&kind(), "i-2")), "it must not look like none");
    assert_eq!(store.damage().0.len(), 2);
}

#[test]
fn a_damaged_body_is_an_error_of_its_own_resource_only() {
    let (_dir, _writer, store) = damaged(|txn| flip(txn, CURRENT, "i-2"));
    let snapshot = store.snapshot().unwrap();
    assert!(is_damage(snapshot.current(&instance("i-2"))) && is_damage(snapshot.stored(&instance("i-2"))));
    assert!(snapshot.current(&instance("i-1")).unwrap().is_some());
    assert_eq!(snapshot.rows(&kind(), &ScopeFilter::Everywhere, None, 10).unwrap().len(), 5);
    // The log still has its earlier state.
    assert!(snapshot.past(&instance("i-2"), Seq(6)).unwrap().is_some());
    assert_eq!(only(&store).table, CURRENT);
}

/// Of a resource that changed it stands in `bodies`, of another in the record that discovered it.
#[test]
fn a_body_stands_once_and_its_damage_is_that_of_everybody_who_shows_it() {
    let (_dir, mut writer, store) = damaged(|txn| flip_numbered(txn, BODIES_TABLE, 9));
    let snapshot = store.snapshot().unwrap();
    assert!(is_damage(snapshot.current(&instance("i-2"))) && is_damage(snapshot.stored(&instance("i-2"))));
    assert!(snapshot.past(&instance("i-2"), Seq(6)).unwrap().is_some(), "what it was before");
    assert_eq!((only(&store).table, only(&store).id), (BODIES, Some(instance("i-2"))));
    assert!(!only(&store).is_of_log());
    // Nobody can say what it would become.
    let (a, b) = (document("running", "a"), document("stopped", "a"));
    let refused = writer.commit(batch(vec![changed(&instance("i-2"), &b, &a)]));
    assert!(matches!(refused, Err(CommitError::Damaged(error)) if error.table == BODIES));
    writer.commit(batch(vec![changed(&instance("i-1"), &b, &a)])).unwrap();

    let (dir, mut writer, store) = fresh();
    writer.commit(batch(vec![discovered(&instance("i-1"), a.clone()), discovered(&instance("i-2"), a)])).unwrap();
    drop((writer, store));
    let database = redb::Database::open(dir.path().join(FILE_NAME)).unwrap();
    let txn = database.begin_write().unwrap();
    flip_record(&txn, 2);
    txn.commit().unwrap();
    drop(database);
    let (_writer, store) = crate::store::open(crate::store::fixtures::options(&dir)).unwrap();
    let snapshot = store.snapshot().unwrap();
    assert!(is_damage(snapshot.current(&instance("i-2"))) && snapshot.current(&instance("i-1")).unwrap().is_some());
    assert_eq!(snapshot.timeline(&instance("i-2"), Seq(1), 9).unwrap(), []);
    // Of the log, which lacks it, and of now, since nobody can say what the resource would become.
    let (found, _) = store.damage();
    let told: Vec<_> = found.iter().map(|found| (found.is_of_now(), found.is_of_log(), found.id.as_ref())).collect();
    assert_eq!(told, [(true, false, Some(&instance("i-2"))), (false, true, Some(&instance("i-2")))]);
}

#[test]
fn a_damaged_record_is_left_out_of_the_log_and_reported() {
    let (_dir, _writer, store) = damaged(|txn| flip_record(txn, 9));
    let snapshot = store.snapshot().unwrap();
    let seqs =
        |records: Vec<crate::model::Recorded>| records.into_iter().map(|record| record.seq.0).collect::<Vec<_>>();
    assert_eq!(seqs(snapshot.records(Seq(7), 4).unwrap()), [7, 8, 10, 11], "a page is full all the same");
    assert_eq!(seqs(snapshot.records_before(Seq(11), 3).unwrap()), [10, 8, 7]);
    assert!(only(&store).is_of_log());
    // Record 9 changed i-2.
    let (_dir, _writer, store) = damaged(|txn| flip_record(txn, 9));
    let snapshot = store.snapshot().unwrap();
    assert_eq!(seqs(snapshot.timeline(&instance("i-2"), Seq(1), 10).unwrap()), [3]);
    assert_eq!(only(&store).id, Some(instance("i-2")));
    assert_eq!(seqs(snapshot.timeline(&instance("i-1"), Seq(1), 10).unwrap()), [2, 8]);
    assert!(snapshot.current(&instance("i-2")).unwrap().is_some(), "now is not of the log");
    let (_dir, _writer, store) = damaged(|txn| flip_record(txn, 3));
    assert!(is_damage(store.snapshot().unwrap().past(&instance("i-2"), Seq(6))), "what it was cannot be said");
}

#[test]
fn a_damaged_tombstone_hides_no_other() {
    let (_dir, _writer, store) = damaged(|txn| flip(txn, TOMBSTONES, "i-5"));
    let snapshot = store.snapshot().unwrap();
    assert_eq!(snapshot.tombstones(&kind(), None, 10).unwrap().len(), 0);
    assert!(is_damage(snapshot.tombstone(&instance("i-5"))));
    assert_eq!((only(&store).table, only(&store).id), (TOMBSTONES, Some(instance("i-5"))));
}

/// A key of `by_resource` has no checksum: the record it leads to must be about the resource.
#[test]
fn a_link_to_another_resources_record_is_damage() {
    let wrong = [keys::place(&keys::resource(&instance("i-1")), Seq(9)), {
        let mut short = keys::resource(&instance("i-1"));
        short.extend([0, 0, 0, 0, 0, 0, 1]);
        short
    }];
    for wrong in wrong {
        let (_dir, _writer, store) = damaged(|txn| {
            txn.open_table(BY_RESOURCE_TABLE).unwrap().insert(wrong.as_slice(), ()).unwrap();
        });
        let snapshot = store.snapshot().unwrap();
        assert_eq!(snapshot.timeline(&instance("i-1"), Seq(1), 10).unwrap().len(), 2);
        assert_eq!((only(&store).table, only(&store).id), ("by_resource", Some(instance("i-1"))));
        assert_eq!(snapshot.timeline(&instance("i-2"), Seq(1), 10).unwrap().len(), 2);
    }
}

#[test]
fn a_damaged_base_is_an_error_of_its_own_resource_only() {
    let (dir, mut writer, store) = damaged(|_| {});
    writer.fold(Due { until: at_millis(i64::MAX), down_to: 0 }, 6, || true).unwrap();
    drop((writer, store));
    let database = redb::Database::open(dir.path().join(FILE_NAME)).unwrap();
    let txn = database.begin_write().unwrap();
    flip(&txn, BASE, "i-2");
    txn.commit().unwrap();
    assert!(database.begin_read().is_ok());
    drop(database);
    let (_writer, store) = crate::store::open(crate::store::StoreOptions::new(dir.path(), project)).unwrap();
    let snapshot = store.snapshot().unwrap();
    assert!(is_damage(snapshot.past(&instance("i-2"), Seq(6))));
    assert!(snapshot.past(&instance("i-1"), Seq(6)).unwrap().is_some());
    assert_eq!((only(&store).table, only(&store).id), (BASE, Some(instance("i-2"))));
}

#[test]
fn folding_makes_an_unreadable_body_again_of_the_records_that_go() {
    let (_dir, mut writer, store) = damaged(|txn| flip_numbered(txn, BODIES_TABLE, 7));
    assert!(is_damage(store.snapshot().unwrap().current(&instance("i-0"))));
    writer.fold(Due { until: at_millis(10_000), down_to: 0 }, 100, || true).unwrap();
    let current = store.snapshot().unwrap().current(&instance("i-0")).unwrap().unwrap();
    assert_eq!(current.document, document("stopped", "a"));
}
