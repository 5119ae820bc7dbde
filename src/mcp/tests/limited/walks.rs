//! Walks over the log and over what is gone, by somebody who does not see everything.

use std::ops::ControlFlow;

use serde_json::{Value, json};

use super::estate::{Estate, Op, PlainGrant, TwoLogs, at, id, visibility};
use crate::kinds;
use crate::model::event::Overlay;
use crate::model::fixtures::json_document;
use crate::model::{Cause, Event, Evidence, Group, ResourceId, Seq, Source};
use crate::policy::Visibility;
use crate::store::{SealedRecord, Snapshot};

fn payments() -> Visibility {
    visibility(&[PlainGrant { account: None, region: None, slug: None, team: Some("payments") }])
}

fn found(cause: Cause, id: &ResourceId, document: &Value) -> (Cause, Event) {
    let evidence = Evidence { source: Source::Sweep, at: at(1) };
    let mapping = kinds::of(&id.kind).unwrap().mapping;
    (cause, Event::Discovered { id: id.clone(), document: json_document(document), evidence, mapping })
}

fn of_team(team: &str) -> Value {
    json!({"State": "available", "Tags": [{"Key": "team", "Value": team}]})
}

fn changed(id: &ResourceId, before: &Value, after: &Value) -> (Cause, Event) {
    let evidence = Evidence { source: Source::Sweep, at: at(1) };
    let changes = json_document(before).changes_to(&json_document(after));
    let evidence = Group::ALL.map(|group| (group, evidence)).to_vec();
    (Cause::Sweep, Event::Changed { id: id.clone(), changes, evidence, overlay: Overlay::Keep })
}

fn removed(id: &ResourceId) -> (Cause, Event) {
    (Cause::Sweep, Event::Removed { id: id.clone(), at: at(1) })
}

fn called(id: &ResourceId) -> (Cause, Event) {
    (Cause::Sweep, Event::Called { at: at(1), targets: vec![id.clone()] })
}

/// The numbers of the records that are seen.
fn seen(snapshot: &Snapshot) -> Vec<u64> {
    snapshot.records(Seq(1), 1_000).unwrap().iter().map(|record| record.seq.0).collect()
}

#[test]
fn a_step_over_the_log_reads_no_more_records_than_it_is_to() {
    let mut ops: Vec<Op> = (0..30).map(|nth| Op::Put(0, nth % 2 == 0, Some("quarry"))).collect();
    ops.push(Op::Put(4, true, Some("payments")));
    let estate = Estate::new(&TwoLogs::of(&ops, &[]).whole, None);
    let snapshot = estate.seen_by(&payments()).snapshot().unwrap();
    let (mut from, mut ends, mut all) = (Some(Seq(1)), Vec::new(), Vec::new());
    while let Some(next) = from {
        let (records, then) = snapshot.records_from(next, 4).unwrap();
        all.extend(records.iter().map(|record| record.seq.0));
        ends.extend(then.map(|seq| seq.0));
        from = then;
    }
    assert_eq!((all, ends), (vec![31], vec![5, 9, 13, 17, 21, 25, 29]));
    assert_eq!(seen(&snapshot), [31]);
    let (records, then) = snapshot.timeline_from(&id(0), Seq(1), 4).unwrap();
    assert_eq!((records.len(), then), (0, Some(Seq(5))));
}

#[test]
fn a_step_over_what_is_gone_looks_at_no_more_than_it_is_to() {
    let places = [0, 1, 2, 3, 12];
    let mut ops: Vec<Op> =
        places.map(|place| Op::Put(place, true, Some(if place == 12 { "payments" } else { "quarry" }))).to_vec();
    ops.extend(places.map(Op::Remove));
    let estate = Estate::new(&TwoLogs::of(&ops, &[]).whole, None);
    let snapshot = estate.seen_by(&payments()).snapshot().unwrap();
    let kind = id(0).kind;
    let (mut after, mut steps, mut gone) = (None, 0, Vec::new());
    loop {
        let page = snapshot.tombstones_after(&kind, after.as_ref(), 2).unwrap();
        steps += 1;
        gone.extend(page.gone);
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(steps, 3);
    assert_eq!(gone.iter().map(|(id, _)| id.clone()).collect::<Vec<_>>(), [id(12)]);
    assert_eq!(gone, snapshot.tombstones(&kind, None, 100).unwrap());
}

#[test]
fn the_end_of_a_call_is_seen_whatever_a_first_sweep_found_since_its_request() {
    let mut log = TwoLogs::of(&[Op::Put(4, true, Some("payments")), Op::Act(4, 4)], &[]).whole;
    let end = log.pop().unwrap();
    let others = (100..3_100).map(|nth| ResourceId { id: format!("vol-{nth:017x}").into(), ..id(4) });
    log.extend(others.map(|id| found(Cause::Baseline, &id, &of_team("quarry"))));
    log.push(end);
    let estate = Estate::in_batches(&log, None, 500);
    let snapshot = estate.seen_by(&payments()).snapshot().unwrap();
    let last = snapshot.record(Seq(log.len() as u64)).unwrap();
    assert!(matches!(last.event, Event::ActionFinished { .. }), "{last:?}");
    let mut opened = Vec::new();
    let visit = |sealed: SealedRecord<'_>| {
        assert!(sealed.baseline().is_none(), "all that the first sweep found is hidden");
        opened.extend(sealed.open().map(|record| record.seq));
        ControlFlow::Continue(())
    };
    snapshot.each_sealed(Seq(1), log.len(), visit).unwrap();
    assert_eq!(opened, [Seq(1), Seq(2), last.seq]);
}

#[test]
fn a_call_goes_by_the_tags_that_its_target_had_or_was_found_with() {
    let log = |team: &str| {
        let id = id(4);
        [called(&id), found(Cause::Sweep, &id, &of_team(team)), removed(&id), called(&id)]
    };
    let of = |team: &str| {
        let estate = Estate::new(&log(team), None);
        seen(&estate.seen_by(&payments()).snapshot().unwrap())
    };
    assert_eq!(of("payments"), [1, 2, 3, 4]);
    assert!(of("quarry").is_empty());
}

#[test]
fn a_call_before_its_target_was_found_does_not_go_by_later_tags() {
    let id = id(4);
    let moved = changed(&id, &of_team("quarry"), &of_team("payments"));
    let log = [called(&id), found(Cause::Sweep, &id, &of_team("quarry")), moved];
    let estate = Estate::new(&log, None);
    assert_eq!(seen(&estate.seen_by(&payments()).snapshot().unwrap()), [3]);
}

/// An instance and its status.
fn with_status() -> (ResourceId, ResourceId) {
    let kind = kinds::by_slug("instance-status").unwrap().kind();
    (id(0), ResourceId { kind, ..id(0) })
}

fn checks(result: &str) -> Value {
    json!({"InstanceId": &*id(0).id, "InstanceStatus": {"Status": result}})
}

#[test]
fn the_status_of_an_instance_goes_with_it_also_before_it_is_found_and_after_it_is_gone() {
    let (instance, status) = with_status();
    let of = |team: &str| {
        let log = [
            found(Cause::Sweep, &status, &checks("ok")),
            found(Cause::Sweep, &instance, &of_team(team)),
            removed(&instance),
            removed(&status),
        ];
        let estate = Estate::new(&log, None);
        let snapshot = estate.seen_by(&payments()).snapshot().unwrap();
        (seen(&snapshot), snapshot.tombstone(&status).unwrap().map(|gone| gone.seq))
    };
    assert_eq!(of("payments"), (vec![1, 2, 3, 4], Some(Seq(4))));
    assert_eq!(of("quarry"), (Vec::new(), None));
}

#[test]
fn a_status_that_came_into_sight_with_its_instance_appears_by_its_next_record() {
    let (instance, status) = with_status();
    let log = [
        found(Cause::Sweep, &status, &checks("ok")),
        found(Cause::Sweep, &instance, &of_team("quarry")),
        changed(&instance, &of_team("quarry"), &of_team("payments")),
        changed(&status, &checks("ok"), &checks("impaired")),
        changed(&status, &checks("impaired"), &checks("ok")),
        changed(&instance, &of_team("payments"), &of_team("quarry")),
        changed(&status, &checks("ok"), &checks("impaired")),
    ];
    let estate = Estate::new(&log, None);
    let snapshot = estate.seen_by(&payments()).snapshot().unwrap();
    let records = snapshot.records(Seq(1), 100).unwrap();
    let told: Vec<(u64, &str)> = records.iter().map(|record| (record.seq.0, record.event.word())).collect();
    assert_eq!(told, [(3, "appeared"), (4, "appeared"), (5, "changed"), (6, "removed")]);
}

#[test]
fn the_history_of_a_status_shows_that_its_instance_took_it_out_of_sight_and_back() {
    let (instance, status) = with_status();
    let other = checks("impaired");
    let log = [
        found(Cause::Sweep, &instance, &of_team("quarry")),
        found(Cause::Sweep, &status, &checks("ok")),
        changed(&instance, &of_team("quarry"), &of_team("payments")),
        changed(&status, &checks("ok"), &other),
        changed(&instance, &of_team("payments"), &of_team("quarry")),
        changed(&status, &other, &checks("ok")),
        changed(&instance, &of_team("quarry"), &of_team("payments")),
        removed(&instance),
        removed(&status),
    ];
    let estate = Estate::new(&log, None);
    let snapshot = estate.seen_by(&payments()).snapshot().unwrap();
    let told = |records: Vec<crate::model::Recorded>| -> Vec<(u64, &'static str)> {
        assert!(records.iter().all(|record| record.event.resource() == Some(&status)));
        records.iter().map(|record| (record.seq.0, record.event.word())).collect()
    };
    let whole = [(3, "appeared"), (4, "changed"), (5, "removed"), (7, "appeared"), (9, "removed")];
    assert_eq!(told(snapshot.timeline(&status, Seq::ZERO, 100).unwrap()), whole);
    let mut newest = told(snapshot.timeline_before(&status, Seq(u64::MAX), 100).unwrap());
    newest.reverse();
    assert_eq!(newest, whole);
    // Page by page it is the same.
    let (mut paged, mut from) = (Vec::new(), Seq::ZERO);
    loop {
        let page = told(snapshot.timeline(&status, from, 1).unwrap());
        let Some(last) = page.last() else { break };
        from = Seq(last.0 + 1);
        paged.extend(page);
    }
    assert_eq!(paged, whole);
    let came = snapshot.timeline(&status, Seq(7), 1).unwrap();
    let crate::model::Event::Discovered { document, .. } = &came[0].event else { panic!("{came:?}") };
    assert_eq!(document.text("InstanceStatus.Status"), Some("ok"), "as it is then");
    // Whoever sees everything reads its own records.
    assert_eq!(told(estate.core.snapshot().unwrap().timeline(&status, Seq::ZERO, 100).unwrap()).len(), 4);
}
