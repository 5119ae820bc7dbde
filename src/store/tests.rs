use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use proptest::prelude::*;

use super::disk::memory::Memory;
use super::fixtures::{
    PlainStore, any_batch, batch, changed, discovered, document, evidence, fresh, instance, options, project, removed,
};
use super::meta::FORMAT;
use super::verify::fold_log;
use super::*;
use crate::model::event::Overlay;
use crate::model::fixtures::{at_millis, kind, scope_in};
use crate::model::{
    ActionId, ActionOutcome, ActionRequest, ApiCall, Cause, Change, Document, Event, Group, Kind, Provisional,
    ResourceId, RowFields, ScopeFilter, Seq, Source, Tagging, Value, WatchSelection,
};

/// Checks that the store holds what the plain model holds, in every table and by every read.
fn assert_same(store: &Store, plain: &PlainStore) {
    let snapshot = store.snapshot().unwrap();
    let report = fold_log(&snapshot).unwrap();
    assert_eq!(snapshot.seq(), plain.seq);
    let horizon = usize::try_from(snapshot.horizon().0).unwrap();
    assert_eq!(snapshot.records(Seq(1), usize::MAX).unwrap(), plain.log[horizon..]);
    // Random programs change and remove nonexistent resources; Muster's own log never does.
    let wrong = |mismatch: &&verify::Mismatch| !matches!(mismatch, verify::Mismatch::Orphan { .. });
    assert!(report.shown.iter().find(wrong).is_none(), "{report:#?}");
    assert_eq!(report.resources, plain.current.len() as u64);
    let mut rows = 0;
    for kind in [Kind::new("A"), Kind::new("B"), kind()] {
        let held: Vec<_> = plain.current.iter().filter(|(id, _)| id.kind == kind).collect();
        let read = snapshot.rows(&kind, &ScopeFilter::Everywhere, None, usize::MAX).unwrap();
        assert_eq!(
            read.iter().map(|row| &row.id).collect::<Vec<_>>(),
            held.iter().map(|(id, _)| *id).collect::<Vec<_>>()
        );
        assert_eq!(snapshot.count(&kind, &ScopeFilter::Everywhere).unwrap(), held.len() as u64);
        rows += read.len();
        for row in read {
            let current = &plain.current[&row.id];
            assert_eq!(snapshot.current(&row.id).unwrap().as_ref(), Some(current));
            assert_eq!(snapshot.row(&row.id).unwrap().as_ref(), Some(&row));
            assert_eq!(row.fields, project(&row.id, &current.document));
            let fingerprint = snapshot.digest_of(&row.id).unwrap().unwrap();
            assert_eq!((fingerprint.digest, fingerprint.provisional), (row.digest, row.provisional));
            assert_eq!(row.digest, current.document.fingerprint(current.mapping));
        }
        if let Some(scan) = store.index().scan(&kind, &ScopeFilter::Everywhere, &Matcher::any(), None, usize::MAX) {
            assert_eq!(scan.ids, held.iter().map(|(id, _)| (*id).clone()).collect::<Vec<_>>());
            assert_eq!(scan.seq, plain.seq);
        }
    }
    assert_eq!(rows, plain.current.len());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn any_program_of_events_leaves_the_store_equal_to_the_plain_fold_also_after_reopening(
        batches in proptest::collection::vec((any_batch(), 0..4_u8), 1..12),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let mut open = super::open(options(&dir)).unwrap();
        let mut plain = PlainStore::default();
        for (batch, then) in batches {
            plain.commit(&batch);
            let committed = open.0.commit(batch.clone()).unwrap();
            prop_assert_eq!(committed.last, plain.seq);
            prop_assert_eq!(committed.last.0 + 1 - committed.first.0, batch.entries.len() as u64);
            match then {
                0 => {
                    let log = open.1.log_id();
                    drop(open);
                    open = super::open(options(&dir)).unwrap();
                    prop_assert_eq!(open.1.log_id(), log);
                }
                1 => open.1.build_index().unwrap(),
                _ => {}
            }
        }
        assert_same(&open.1, &plain);
        drop(open);
        let (_writer, store) = super::open(options(&dir)).unwrap();
        store.build_index().unwrap();
        assert_same(&store, &plain);
    }
}

/// Copying the file while it is open gives what kill -9 leaves: everything durable, without a clean close.
#[test]
fn a_store_that_was_killed_opens_with_everything_committed_and_nothing_else() {
    let (dir, mut writer, store) = fresh();
    let mut plain = PlainStore::default();
    for round in 0..5 {
        let entries =
            (0..20).map(|n| discovered(&instance(&format!("i-{n}")), document("running", &format!("{round}"))));
        let batch = batch(entries.collect());
        plain.commit(&batch);
        writer.commit(batch).unwrap();
        let killed = tempfile::tempdir().unwrap();
        // In the middle of the next transaction.
        let txn = store.0.database.read().as_ref().unwrap().begin_write().unwrap();
        let junk = vec![7; 100_000];
        for n in 0..50_u8 {
            txn.open_table(tables::ROWS_TABLE).unwrap().insert([n].as_slice(), junk.as_slice()).unwrap();
        }
        fs::copy(dir.path().join(FILE_NAME), killed.path().join(FILE_NAME)).unwrap();
        drop(txn);
        let (mut writer, reopened) = super::open(options(&killed)).unwrap();
        assert_same(&reopened, &plain);
        assert_eq!(reopened.log_id(), store.log_id());
        writer.commit(super::fixtures::batch(vec![removed(&instance("i-0"))])).unwrap();
        assert!(fold_log(&reopened.snapshot().unwrap()).unwrap().is_clean());
    }
}

#[test]
fn several_events_on_one_resource_in_one_batch_see_each_other() {
    let (_dir, mut writer, store) = fresh();
    let id = instance("i-1");
    let (a, b, c) = (document("pending", "a"), document("running", "a"), document("running", "b"));
    let committed =
        writer.commit(batch(vec![discovered(&id, a.clone()), changed(&id, &a, &b), changed(&id, &b, &c)])).unwrap();
    let what: Vec<_> = committed.touched.iter().map(|touched| (touched.seq.0, touched.what)).collect();
    assert_eq!(what, [(1, ChangeKind::Appeared), (2, ChangeKind::Changed), (3, ChangeKind::Changed)]);
    assert_eq!(store.snapshot().unwrap().current(&id).unwrap().unwrap().document, c);
    writer.commit(batch(vec![removed(&id), discovered(&id, b.clone()), removed(&id)])).unwrap();
    let snapshot = store.snapshot().unwrap();
    assert_eq!(snapshot.current(&id).unwrap(), None);
    assert_eq!(snapshot.count(&kind(), &ScopeFilter::Everywhere).unwrap(), 0);
    let tombstone = snapshot.tombstone(&id).unwrap().unwrap();
    assert_eq!((tombstone.seq, tombstone.document), (Seq(6), b));
    assert!(fold_log(&snapshot).unwrap().is_clean());
}

#[test]
fn a_removed_resource_leaves_a_tombstone_until_it_is_discovered_again() {
    let (_dir, mut writer, store) = fresh();
    let id = instance("i-1");
    writer.commit(batch(vec![discovered(&id, document("running", "a")), removed(&id)])).unwrap();
    assert!(store.snapshot().unwrap().tombstone(&id).unwrap().is_some());
    writer.commit(batch(vec![discovered(&id, document("running", "a"))])).unwrap();
    let snapshot = store.snapshot().unwrap();
    assert_eq!(snapshot.tombstone(&id).unwrap(), None);
    assert_eq!(snapshot.count(&kind(), &id.scope().into()).unwrap(), 1);
}

#[test]
fn an_empty_batch_begins_no_write_transaction() {
    let (_dir, mut writer, store) = fresh();
    assert_eq!(store.write_transactions(), 0);
    let committed = writer.commit(CommitBatch::default()).unwrap();
    assert_eq!((committed.first, committed.last), (Seq(1), Seq(0)));
    assert_eq!(store.write_transactions(), 0);
    writer.commit(batch(vec![discovered(&instance("i-1"), document("running", "a"))])).unwrap();
    assert_eq!(store.write_transactions(), 1);
    let committed = writer.commit(CommitBatch::default()).unwrap();
    assert_eq!((committed.first, committed.last, committed.touched.len()), (Seq(2), Seq(1), 0));
    assert_eq!(store.write_transactions(), 1);
}

#[test]
fn comparing_a_sweep_of_unchanged_resources_needs_only_digests_and_begins_no_write_transaction() {
    let (_dir, mut writer, store) = fresh();
    let ids: Vec<_> = (0..300).map(|n| instance(&format!("i-{n}"))).collect();
    writer.commit(batch(ids.iter().map(|id| discovered(id, document("running", &id.id))).collect())).unwrap();
    let snapshot = store.snapshot().unwrap();
    let mut batch = CommitBatch::default();
    for id in &ids {
        let described = document("running", &id.id);
        if snapshot
            .digest_of(id)
            .unwrap()
            .is_none_or(|known| known.digest != described.fingerprint(1) || known.provisional)
        {
            batch.entries.push(discovered(id, described));
        }
    }
    writer.commit(batch).unwrap();
    assert_eq!(store.write_transactions(), 1);
}

#[test]
fn baseline_and_remapped_are_quiet() {
    let (_dir, mut writer, _store) = fresh();
    let id = instance("i-1");
    let (_, found) = discovered(&id, document("running", "a"));
    let remapped = Event::Remapped { id: id.clone(), changes: Vec::new(), mapping: 2 };
    let entries = vec![(Cause::Baseline, found), (Cause::Sweep, remapped), removed(&id)];
    let committed = writer.commit(batch(entries)).unwrap();
    assert_eq!(committed.touched.iter().map(|touched| touched.quiet).collect::<Vec<_>>(), [true, true, false]);
}

#[test]
fn a_snapshot_keeps_showing_its_own_moment() {
    let (_dir, mut writer, store) = fresh();
    let id = instance("i-1");
    let before = store.snapshot().unwrap();
    writer.commit(batch(vec![discovered(&id, document("running", "a"))])).unwrap();
    assert_eq!((before.seq(), before.current(&id).unwrap()), (Seq::ZERO, None));
    assert_eq!(store.snapshot().unwrap().seq(), Seq(1));
}

#[test]
fn rows_page_by_key_within_kind_and_scope() {
    let (_dir, mut writer, store) = fresh();
    let place = |region: &str, name: &str, id: String| ResourceId::new(&scope_in(region), &Kind::new(name), id);
    let mut ids: Vec<_> = (0..10)
        .flat_map(|n| {
            [place("a", "K", format!("i-{n}")), place("b", "K", format!("i-{n}")), place("a", "L", format!("i-{n}"))]
        })
        .collect();
    writer.commit(batch(ids.iter().map(|id| discovered(id, document("running", "x"))).collect())).unwrap();
    let snapshot = store.snapshot().unwrap();
    ids.retain(|id| id.kind.as_str() == "K");
    ids.sort();
    let page_through = |scope: &ScopeFilter| {
        let (mut seen, mut after): (Vec<ResourceId>, _) = (Vec::new(), None);
        loop {
            let page = snapshot.heads(&Kind::new("K"), scope, after.as_ref(), 3).unwrap();
            let Some(last) = page.last() else { return seen };
            after = Some(last.id.clone());
            seen.extend(page.into_iter().map(|head| head.id));
        }
    };
    assert_eq!(page_through(&ScopeFilter::Everywhere), ids);
    assert_eq!(snapshot.copies(&Kind::new("K"), "i-3").unwrap().len(), 2);
    assert_eq!(snapshot.copies(&Kind::new("K"), "i-").unwrap().len(), 0);
    ids.retain(|id| id.region.as_str() == "b");
    assert_eq!(page_through(&scope_in("b").into()), ids);
    assert_eq!(page_through(&scope_in("c").into()), []);
    assert!(snapshot.rows(&Kind::new("J"), &ScopeFilter::Everywhere, Some(&ids[0]), 5).unwrap().is_empty());
    assert_eq!(snapshot.rows(&Kind::new("L"), &ScopeFilter::Everywhere, Some(&ids[0]), 5).unwrap().len(), 5);
    assert_eq!(snapshot.count(&Kind::new("K"), &scope_in("b").into()).unwrap(), 10);
    assert_eq!(snapshot.count(&Kind::new("K"), &ScopeFilter::Everywhere).unwrap(), 20);
    assert_eq!(snapshot.scopes().unwrap().into_iter().collect::<Vec<_>>(), [scope_in("a"), scope_in("b")]);
}

#[test]
fn a_timeline_holds_a_resources_events_and_the_actions_asked_of_it() {
    let (_dir, mut writer, store) = fresh();
    let (one, two) = (instance("i-1"), instance("i-2"));
    let asked = ActionRequest::of("stop", vec![one.clone(), one.clone()]).requested(ActionId(7));
    writer
        .commit(batch(vec![
            discovered(&one, document("running", "a")),
            discovered(&two, document("running", "b")),
            (Cause::Tool { action: ActionId(7) }, asked),
            removed(&one),
        ]))
        .unwrap();
    let snapshot = store.snapshot().unwrap();
    let seqs = |id, from, limit| {
        snapshot.timeline(id, Seq(from), limit).unwrap().into_iter().map(|record| record.seq.0).collect::<Vec<_>>()
    };
    assert_eq!(seqs(&one, 0, 10), [1, 3, 4]);
    assert_eq!(seqs(&one, 2, 1), [3]);
    assert_eq!(seqs(&two, 0, 10), [2]);
    assert!(fold_log(&snapshot).unwrap().is_clean());
}

#[test]
fn the_newest_watermark_of_each_kind_and_scope_survives_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let mark = |region: &str, name: &str, since: i64, ended: i64| Watermark {
        scope: scope_in(region),
        kind: Kind::new(name),
        since: at_millis(since),
        started: at_millis(ended - 1),
        ended: at_millis(ended),
        complete: true,
    };
    {
        let (mut writer, store) = super::open(options(&dir)).unwrap();
        writer.save_watermarks(vec![mark("a", "K", 10, 20), mark("a", "L", 10, 21), mark("b", "K", 10, 22)]).unwrap();
        writer.save_watermarks(vec![mark("a", "K", 10, 30)]).unwrap();
        writer.save_watermarks(vec![mark("a", "K", 50, 60)]).unwrap();
        assert_eq!(store.snapshot().unwrap().seq(), Seq::ZERO);
    }
    let (_writer, store) = super::open(options(&dir)).unwrap();
    let snapshot = store.snapshot().unwrap();
    let newest = [mark("a", "K", 50, 60), mark("a", "L", 10, 21), mark("b", "K", 10, 22)];
    assert_eq!(snapshot.watermarks().unwrap(), newest);
    let watched = [mark("a", "K", 10, 30), mark("a", "K", 50, 60)];
    assert_eq!(snapshot.intervals(&scope_in("a"), &Kind::new("K")).unwrap(), watched);
    assert_eq!(snapshot.scopes().unwrap().into_iter().collect::<Vec<_>>(), [scope_in("a"), scope_in("b")]);
}

#[test]
fn writing_stops_before_the_disk_is_full_and_reading_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let (mut writer, store) = super::open(StoreOptions { reserve_bytes: u64::MAX, ..options(&dir) }).unwrap();
    let id = instance("i-1");
    let refused = writer.commit(batch(vec![discovered(&id, document("running", "a"))])).unwrap_err();
    assert!(matches!(&refused, CommitError::DiskFull { needed: u64::MAX, .. }), "{refused}");
    assert!(refused.to_string().contains(dir.path().to_str().unwrap()));
    assert_eq!((store.snapshot().unwrap().seq(), store.write_transactions()), (Seq::ZERO, 0));
}

#[test]
fn urgent_records_may_use_most_of_the_reserved_space() {
    let dir = tempfile::tempdir().unwrap();
    let disk = Memory::default();
    let options = StoreOptions { disk: Arc::new(disk.clone()), reserve_bytes: 80_000, ..options(&dir) };
    let (mut writer, store) = super::open(options).unwrap();
    let action = ActionId(1);
    let requested = ActionRequest::of("stop_instance", vec![instance("i-1")]).requested(action);
    let finished =
        Event::ActionFinished { action, outcome: ActionOutcome::Succeeded { created: Vec::new() }, request_id: None };
    let mut commit = |event: &Event| writer.commit(batch(vec![(Cause::Tool { action }, event.clone())]));
    let is_full = |outcome| matches!(outcome, Err(CommitError::DiskFull { free, .. }) if free < 80_000);
    disk.set_free(40_000);
    assert!(is_full(commit(&requested)));
    assert!(!is_full(commit(&finished)));
    disk.set_free(10_000);
    assert!(is_full(commit(&finished)));
    disk.set_free(80_000);
    commit(&requested).unwrap();
    disk.set_free(40_000);
    writer.save_watermarks(vec![fixture_watermark()]).unwrap();
    assert!(is_full(writer.commit(batch(vec![removed(&instance("i-1"))]))));
    assert_eq!(store.snapshot().unwrap().seq(), Seq(2));
}

#[test]
fn after_a_disk_failure_reads_can_be_retried_and_commits_report_that_the_store_must_be_reopened() {
    let (_dir, mut writer, store) = fresh();
    writer.commit(batch(vec![discovered(&instance("i-1"), document("running", "a"))])).unwrap();
    store.0.place.alarm.ring(&"a failure");
    let unread = store.snapshot().err().unwrap();
    assert!(unread.is_retryable());
    let unwritten = writer.commit(batch(vec![removed(&instance("i-1"))])).unwrap_err();
    assert!(matches!(unwritten, CommitError::Latched { .. }));
    assert_eq!((writer.seq(), store.write_transactions()), (Seq(1), 1));
}

#[test]
fn content_that_cannot_be_encoded_fails_only_its_batch() {
    let (_dir, mut writer, store) = fresh();
    let mut deep = Value::Null;
    for _ in 0..80 {
        deep = Value::List(vec![deep]);
    }
    let bad = crate::model::Document::new(fixtures::map(&[("Deep", deep)]));
    let good = discovered(&instance("i-1"), document("running", "a"));
    let refused = writer.commit(batch(vec![good.clone(), discovered(&instance("i-2"), bad)])).unwrap_err();
    assert!(matches!(refused, CommitError::Unencodable(_)));
    let committed = writer.commit(batch(vec![good])).unwrap();
    assert_eq!((committed.first, committed.last), (Seq(1), Seq(1)));
    assert!(fold_log(&store.snapshot().unwrap()).unwrap().is_clean());
}

#[test]
fn bytes_in_use_return_to_their_number_when_a_resource_is_removed() {
    let (_dir, mut writer, store) = fresh();
    writer.commit(batch(vec![discovered(&instance("i-1"), document("running", "a"))])).unwrap();
    let before = store.snapshot().unwrap().live();
    let two = instance("i-2");
    writer
        .commit(batch(vec![discovered(&two, document("running", "a")), discovered(&two, document("stopped", "abc"))]))
        .unwrap();
    assert!(store.snapshot().unwrap().live().current > before.current);
    writer.commit(batch(vec![removed(&two)])).unwrap();
    let after = store.snapshot().unwrap().live();
    assert_eq!((after.current, after.bodies, after.rows), (before.current, before.bodies, before.rows));
    assert!(after.events > before.events && after.by_resource > before.by_resource);
    assert!(after.tombstones > before.tombstones);
}

#[test]
fn changes_that_lists_show_are_marked() {
    let (_dir, mut writer, _store) = fresh();
    let id = instance("i-1");
    let (a, stopped, renamed) = (document("running", "a"), document("stopped", "a"), document("stopped", "b"));
    let entries =
        vec![discovered(&id, a.clone()), changed(&id, &a, &stopped), changed(&id, &stopped, &renamed), removed(&id)];
    let committed = writer.commit(batch(entries)).unwrap();
    assert_eq!(committed.touched.iter().map(|touched| touched.listed).collect::<Vec<_>>(), [true, false, true, true]);
}

/// The newest state is held open between commits; that must not prevent freed pages from being used again.
#[test]
fn the_file_does_not_grow_by_writing_the_same_again() {
    let (_dir, mut writer, store) = fresh();
    let mark = fixture_watermark();
    let mut size = 0;
    for round in 0..300 {
        writer.save_watermarks(vec![Watermark { ended: at_millis(round), ..mark.clone() }]).unwrap();
        if round == 50 {
            size = fs::metadata(store.path()).unwrap().len();
        }
    }
    assert_eq!(fs::metadata(store.path()).unwrap().len(), size);
}

#[test]
fn verification_finds_changes_that_the_log_does_not_have() {
    use super::tables::{CURRENT_TABLE, EVENTS_TABLE, ROWS_TABLE};
    let tampered: [fn(&redb::WriteTransaction); 3] = [
        |txn| assert!(txn.open_table(CURRENT_TABLE).unwrap().pop_first().unwrap().is_some()),
        |txn| assert!(txn.open_table(ROWS_TABLE).unwrap().insert(b"x".as_slice(), b"y".as_slice()).unwrap().is_none()),
        |txn| assert!(txn.open_table(EVENTS_TABLE).unwrap().remove(2).unwrap().is_some()),
    ];
    for tamper in tampered {
        let (_dir, mut writer, store) = fresh();
        let ids: Vec<_> = (0..4).map(|n| instance(&format!("i-{n}"))).collect();
        writer.commit(batch(ids.iter().map(|id| discovered(id, document("running", "a"))).collect())).unwrap();
        assert!(fold_log(&store.snapshot().unwrap()).unwrap().is_clean());
        let txn = store.0.database.read().as_ref().unwrap().begin_write().unwrap();
        tamper(&txn);
        txn.commit().unwrap();
        store.0.publish().unwrap();
        let report = fold_log(&store.snapshot().unwrap()).unwrap();
        assert!(!report.is_clean());
    }
}

/// A notification that the fixture remembers.
const FIXTURE_EVENT: &str = "0d9d2c1c-2a6b-4f0e-9c8c-5f0c3a6d8a11";

/// The horizon of the fixture: half-way through a commit.
const FIXTURE_HORIZON: usize = 5;

/// The content of the fixture: every kind of event, cause, overlay and outcome.
fn fixture() -> Vec<CommitBatch> {
    let (one, two, three, four) = (instance("i-1"), instance("i-2"), instance("i-3"), instance("i-4"));
    let (a, b) = (document("running", "a"), document("stopping", "a"));
    let action = ActionId(7);
    let lay = |event: Event| match event {
        Event::Changed { id, changes, evidence, .. } => {
            let before = vec!["running".to_owned()];
            let overlay =
                Overlay::Lay(Provisional { group: Group::State, source: Source::Tool, at: at_millis(6), before });
            Event::Changed { id, changes, evidence, overlay }
        }
        event => event,
    };
    let settled = Event::Changed {
        id: one.clone(),
        changes: b.changes_to(&document("stopped", "a")),
        evidence: vec![(Group::State, evidence(7)), (Group::Tags, evidence(7)), (Group::Rest, evidence(7))],
        overlay: Overlay::Settle,
    };
    let remapped = vec![Change { path: "CpuOptions.CoreCount".into(), before: None, after: Some(Value::Int(2)) }];
    let told = Cause::Notification { event_id: "6a7e8feb-b491-4cf7-a9f1-bf3703467718".into() };
    let superseded = vec![a.fields().get("Tags").unwrap().clone()];
    let tagged = Event::Changed {
        id: two.clone(),
        changes: a.changes_to(&document("running", "b")),
        evidence: vec![(Group::Tags, evidence(9))],
        overlay: Overlay::Tag(Tagging { version: 5, at: at_millis(9), superseded }),
    };
    let call = ApiCall {
        name: "StopInstances".into(),
        actor: "arn:aws:iam::123456789012:user/ann".into(),
        address: Some("192.0.2.7".into()),
        agent: Some("aws-cli/2.31".into()),
    };
    let bare = ApiCall { address: None, agent: None, ..call.clone() };
    let tagging = ApiCall { name: "CreateTags".into(), address: None, ..call.clone() };
    let called = |call| Cause::Call { event_id: "6a7e8feb-b491-4cf7-a9f1-bf3703467718".into(), call };
    let found = Event::Called { at: at_millis(3_500), targets: vec![one.clone(), instance("i-9")] };
    let resumed = Cause::Resumed { since: at_millis(1_500) };
    let finished = |outcome| (Cause::Tool { action }, Event::ActionFinished { action, outcome, request_id: None });
    vec![
        batch(vec![
            (Cause::Baseline, discovered(&one, a.clone()).1),
            discovered(&two, a.clone()),
            (Cause::Refresh, discovered(&three, a.clone()).1),
        ]),
        batch(vec![
            (Cause::Tool { action }, ActionRequest::of("stop_instance", vec![one.clone()]).requested(action)),
            (Cause::Tool { action }, lay(changed(&one, &a, &b).1)),
            finished(ActionOutcome::Succeeded { created: vec!["snap-1".into()] }),
            finished(ActionOutcome::Refused { code: "UnauthorizedOperation".into(), message: "no".into() }),
            finished(ActionOutcome::Unknown { message: "timeout".into() }),
        ]),
        batch(vec![
            (told, settled),
            (Cause::Sweep, Event::Remapped { id: two.clone(), changes: remapped, mapping: 2 }),
            removed(&three),
        ]),
        batch(vec![(Cause::Sweep, tagged)]),
        CommitBatch { recorded_at: at_millis(2_000), ..batch(vec![(resumed, discovered(&four, a.clone()).1)]) },
        CommitBatch {
            recorded_at: at_millis(3_000),
            ..batch(vec![
                (called(call), changed(&four, &a, &document("stopped", "a")).1),
                (called(bare), removed(&two).1),
            ])
        },
        CommitBatch {
            recorded_at: at_millis(4_000),
            notified: vec![FIXTURE_EVENT.into()],
            ..batch(vec![(Cause::Call { event_id: FIXTURE_EVENT.into(), call: tagging }, found)])
        },
    ]
}

/// The file that a release committed, or one of a format that is now refused.
pub(super) fn fixture_path(format: u32) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/fixtures/format-{format}.redb"))
}

fn fixture_watermark() -> Watermark {
    Watermark {
        scope: scope_in("eu-central-1"),
        kind: kind(),
        since: at_millis(1),
        started: at_millis(2),
        ended: at_millis(3),
        complete: true,
    }
}

/// Rows as a server makes them.
fn as_served(dir: &tempfile::TempDir) -> StoreOptions {
    StoreOptions { cache_bytes: 4 << 20, ..StoreOptions::new(dir.path(), crate::kinds::project) }
}

#[test]
#[ignore = "writes the fixture of the current format, which is committed once and never again"]
fn write_the_fixture() {
    let dir = tempfile::tempdir().unwrap();
    let (mut writer, store) = super::open(as_served(&dir)).unwrap();
    for batch in fixture() {
        writer.commit(batch).unwrap();
    }
    writer.save_watermarks(vec![fixture_watermark()]).unwrap();
    writer.fold(Due { until: at_millis(i64::MAX), down_to: 0 }, FIXTURE_HORIZON, || true).unwrap();
    drop((writer, store));
    assert!(!fixture_path(FORMAT).exists(), "a format's fixture never changes");
    fs::copy(dir.path().join(FILE_NAME), fixture_path(FORMAT)).unwrap();
}

#[test]
fn a_file_of_this_format_opens_with_its_content() {
    let dir = tempfile::tempdir().unwrap();
    fs::copy(fixture_path(FORMAT), dir.path().join(FILE_NAME)).unwrap();
    let (mut writer, store) = super::open(as_served(&dir)).unwrap();
    let snapshot = store.snapshot().unwrap();
    assert!(snapshot.is_notified(FIXTURE_EVENT).unwrap());
    assert_eq!(snapshot.horizon().0, FIXTURE_HORIZON as u64);
    let mut plain = PlainStore::default();
    for (cause, event, recorded_at) in fixture()
        .into_iter()
        .flat_map(|batch| batch.entries.into_iter().map(move |(cause, event)| (cause, event, batch.recorded_at)))
    {
        plain.commit(&CommitBatch { recorded_at, ..batch(vec![(cause, event)]) });
        for id in ["i-1", "i-2", "i-3", "i-4"].map(instance) {
            if plain.log.len() >= FIXTURE_HORIZON {
                assert_eq!(snapshot.past(&id, plain.seq).unwrap().as_ref(), plain.current.get(&id));
            }
        }
    }
    let (first, last) = (plain.log[FIXTURE_HORIZON - 1].recorded_at, plain.log.last().unwrap().recorded_at);
    assert_eq!(snapshot.earliest().unwrap(), Some(first));
    assert_eq!(snapshot.seq_at(last).unwrap(), Some(plain.seq));
    assert_eq!(snapshot.records(Seq(1), usize::MAX).unwrap(), plain.log[FIXTURE_HORIZON..]);
    let rows = snapshot.rows(&kind(), &ScopeFilter::Everywhere, None, usize::MAX).unwrap();
    assert_eq!(rows.iter().map(|row| &row.id).collect::<Vec<_>>(), plain.current.keys().collect::<Vec<_>>());
    for row in rows {
        assert_eq!(row, snapshot.row_of(&row.id, &plain.current[&row.id]), "made by the projection of instances");
    }
    drop(snapshot);
    assert_eq!(store.snapshot().unwrap().watermarks().unwrap(), [fixture_watermark()]);
    writer.commit(batch(vec![removed(&instance("i-1"))])).unwrap();
    assert!(fold_log(&store.snapshot().unwrap()).unwrap().is_clean());
}

/// A new version reads more of a document into its rows, so old rows would not match what exists.
#[test]
fn rows_of_another_projection_are_made_again_on_reading_and_are_not_a_fault() {
    fn newer(id: &ResourceId, document: &Document) -> RowFields {
        let mut fields = project(id, document);
        fields.projection = 7;
        fields.facets.push((9, "new".to_owned()));
        fields
    }
    let (dir, mut writer, store) = fresh();
    let ids = ["i-1", "i-2", "i-3"].map(instance);
    writer.commit(batch(ids.iter().map(|id| discovered(id, document("running", "a"))).collect())).unwrap();
    drop((writer, store));
    let options = StoreOptions { project: newer, ..options(&dir) };
    let (mut writer, store) = super::open(options).unwrap();
    writer.commit(batch(vec![changed(&ids[0], &document("running", "a"), &document("stopped", "a"))])).unwrap();
    let wanted = Matcher::any().and(vec![Comparison { on: On::Facet(9), pattern: ValuePattern::new("new") }]);
    assert_eq!(store.scan(&kind(), &ScopeFilter::Everywhere, &wanted, None, 10).unwrap().total, 3, "without an index");
    store.build_index().unwrap();
    assert_eq!(store.scan(&kind(), &ScopeFilter::Everywhere, &wanted, None, 10).unwrap().total, 3, "with one");
    assert_eq!(store.snapshot().unwrap().row(&ids[1]).unwrap().unwrap().fields.projection, 7);
    let report = fold_log(&store.snapshot().unwrap()).unwrap();
    assert!(report.is_clean() && report.other_rows == 2, "{report:#?}");
}

fn elsewhere(id: &str) -> ResourceId {
    ResourceId::new(&scope_in("eu-west-1"), &kind(), id)
}

/// `--regions a,b`, later `--region a`: both stayed in totals forever.
#[test]
fn a_scope_that_is_no_longer_watched_leaves_every_read_that_names_no_scope() {
    let (dir, mut writer, store) = fresh();
    let (a, b) = (document("running", "a"), document("stopped", "a"));
    let first = CommitBatch {
        recorded_at: at_millis(1_000),
        ..batch(vec![
            discovered(&instance("i-1"), a.clone()),
            discovered(&elsewhere("i-2"), a.clone()),
            discovered(&elsewhere("i-3"), b.clone()),
        ])
    };
    writer.commit(first).unwrap();
    writer
        .save_watermarks(vec![Watermark {
            scope: scope_in("eu-west-1"),
            ended: at_millis(5_000),
            ..fixture_watermark()
        }])
        .unwrap();
    store.build_index().unwrap();
    let seen = |store: &Store| {
        let snapshot = store.snapshot().unwrap();
        let mut names = Vec::new();
        snapshot.each_name(&kind(), None, 10, |id, _| names.push(id.to_owned())).unwrap();
        let rows = snapshot.rows(&kind(), &ScopeFilter::Everywhere, None, 10).unwrap().len();
        assert_eq!(snapshot.heads(&kind(), &ScopeFilter::Everywhere, None, 10).unwrap().len(), rows);
        assert_eq!((names.len(), snapshot.count(&kind(), &ScopeFilter::Everywhere).unwrap()), (rows, rows as u64));
        assert_eq!(
            store.scan(&kind(), &ScopeFilter::Everywhere, &Matcher::any(), None, 10).unwrap().total,
            rows as u64
        );
        assert_eq!(
            store.count_by(&kind(), &ScopeFilter::Everywhere, &On::Facet(1)).unwrap().values().sum::<u64>(),
            rows as u64
        );
        rows
    };
    assert_eq!(seen(&store), 3);
    // Until the account is known, only readers see this: nothing is written, and it ends with what is recorded.
    let untouched = store.write_transactions();
    writer.assume_watched(&WatchSelection::regions([scope_in("eu-west-1").region]), at_millis(8_000)).unwrap();
    assert_eq!(seen(&store), 2);
    writer.assume_watched(&WatchSelection::regions([scope_in("eu-central-1").region]), at_millis(8_000)).unwrap();
    assert_eq!(seen(&store), 1);
    assert!(!store.snapshot().unwrap().is_noted_unwatched(&scope_in("eu-west-1")));
    let both = || WatchSelection::regions(["eu-central-1", "eu-west-1"].map(|region| scope_in(region).region));
    writer.watch_only(&both(), at_millis(8_500)).unwrap();
    assert_eq!((seen(&store), store.write_transactions()), (3, untouched));
    writer.watch_only(&WatchSelection::regions([scope_in("eu-central-1").region]), at_millis(9_000)).unwrap();
    assert_eq!(seen(&store), 1);
    let before = store.write_transactions();
    writer.watch_only(&WatchSelection::regions([scope_in("eu-central-1").region]), at_millis(10_000)).unwrap();
    assert_eq!(store.write_transactions(), before, "nothing changed");
    let snapshot = store.snapshot().unwrap();
    assert_eq!(
        **snapshot.retired(),
        BTreeMap::from([(scope_in("eu-west-1"), at_millis(5_000))]),
        "since its last sweep ended"
    );
    // Named explicitly, it is still there.
    assert_eq!(snapshot.count(&kind(), &scope_in("eu-west-1").into()).unwrap(), 2);
    assert_eq!(store.scan(&kind(), &scope_in("eu-west-1").into(), &Matcher::any(), None, 10).unwrap().total, 2);
    assert_eq!(snapshot.copies(&kind(), "i-2").unwrap().len(), 1);
    assert_eq!(
        snapshot.watched_at(at_millis(4_000)).count(&kind(), &ScopeFilter::Everywhere).unwrap(),
        3,
        "it was watched then"
    );
    assert_eq!(snapshot.watched_at(at_millis(6_000)).count(&kind(), &ScopeFilter::Everywhere).unwrap(), 1);
    assert!(fold_log(&snapshot).unwrap().is_clean());
    drop((snapshot, writer, store));
    // It stays so in another process and in a backup without being set again.
    let (mut writer, store) = super::open(options(&dir)).unwrap();
    assert_eq!(seen(&store), 1);
    let backup = dir.path().join("backup");
    fs::create_dir(&backup).unwrap();
    store.backup(&backup.join(FILE_NAME)).unwrap();
    let (_, copy) = super::open(StoreOptions::new(&backup, project)).unwrap();
    assert_eq!(copy.snapshot().unwrap().count(&kind(), &ScopeFilter::Everywhere).unwrap(), 1);
    writer.watch_only(&both(), at_millis(20_000)).unwrap();
    assert_eq!(seen(&store), 3, "watched again");
    assert!(store.snapshot().unwrap().retired().is_empty());
}

/// Reading leaves every byte of the file unchanged, and needs no right to write.
#[test]
fn a_store_opened_for_reading_does_not_change_by_a_byte() {
    let (dir, mut writer, store) = fresh();
    writer.commit(batch(vec![discovered(&instance("i-1"), document("running", "a"))])).unwrap();
    let path = dir.path().join(FILE_NAME);
    let killed = fs::read(&path).unwrap();
    drop((writer, store));
    let closed = fs::read(&path).unwrap();
    for before in [killed, closed] {
        fs::write(&path, &before).unwrap();
        let mut rights = fs::metadata(&path).unwrap().permissions();
        rights.set_readonly(true);
        fs::set_permissions(&path, rights.clone()).unwrap();
        let options = StoreOptions { disk: Arc::new(Untouched), ..options(&dir) };
        let (writer, store) = super::open(options).unwrap();
        store.build_index().unwrap();
        assert_eq!(store.snapshot().unwrap().count(&kind(), &ScopeFilter::Everywhere).unwrap(), 1);
        drop((writer, store));
        assert!(fs::read(&path).unwrap() == before);
        #[expect(clippy::permissions_set_readonly_false, reason = "the file is the test's own")]
        rights.set_readonly(false);
        fs::set_permissions(&path, rights).unwrap();
    }
    let nowhere = tempfile::tempdir().unwrap();
    let missing = super::open(StoreOptions { disk: Arc::new(Untouched), ..options(&nowhere) });
    assert!(missing.is_err_and(|error| error.to_string().contains(FILE_NAME)));
    assert_eq!(fs::read_dir(nowhere.path()).unwrap().count(), 0, "nothing was made");
}
