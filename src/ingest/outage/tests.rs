//! The loop on a disk that fails: at every call, once and for a while, when full, and for good.
//!
//! `MUSTER_FAULTS` sets how many of the calls of a run are made to fail in each way, or `all`.

use std::sync::atomic::{AtomicBool, Ordering};

use tokio::time::{sleep, timeout};

use super::*;
use crate::ingest::IngestError;
use crate::ingest::NotifyResult;
use crate::ingest::tests::{World, instance};
use crate::model::fixtures::{at, id, kind, scope};
use crate::model::{
    ActionOutcome, ActionRequest, Notification, Observation, Recorded, ScopeFilter, Seen, Source, TroubleClass,
};
use crate::store::disk::memory::{ALL, FileCall, InjectedFaults, Memory};
use crate::store::fixtures::named;
use crate::store::verify::fold_log;
use crate::store::{Matcher, Store, StoreOptions};

fn options(dir: &tempfile::TempDir, disk: &Memory) -> StoreOptions {
    // The cache is so small that reads reach the disk.
    StoreOptions {
        cache_bytes: 16 << 10,
        disk: std::sync::Arc::new(disk.clone()),
        ..StoreOptions::new(dir.path(), named)
    }
}

fn seen(name: &str, state: &str, size: &str, second: i64) -> Observation {
    let seen = Seen::Described(instance(state, size));
    Observation { source: Source::Refresh, at: at(second), id: id(name), seen }
}

fn told(name: &str, size: &str, second: i64) -> Notification {
    Notification { event_id: name.to_owned(), observations: vec![seen(name, "stopped", size, second)], called: None }
}

/// What was acknowledged in a run.
#[derive(Default)]
struct Acknowledged {
    seq: u64,
    states: Vec<(String, &'static str)>,
    requested: Vec<Event>,
    finished: usize,
}

/// Sweeps until one completes, as the poller does.
async fn swept(world: &World, second: &mut i64, items: &[String], size: &str) {
    *second += 100;
    loop {
        // Never later than the clock.
        *second += 1;
        let items: Vec<_> = items.iter().map(|name| (name.as_str(), instance("running", size))).collect();
        world.sweep(*second, &items).await;
        let state = world.handle.freshness().of(&scope(), &kind()).unwrap();
        if state.complete.is_some_and(|complete| complete.started == at(*second)) {
            return;
        }
        let trouble = state.trouble.unwrap();
        assert_eq!(trouble.class, TroubleClass::Store, "{trouble:?}");
        sleep(Duration::from_millis(5)).await;
    }
}

/// All kinds of writes: sweeps, events that are repeated until they are accepted, a tool's call, a removal.
async fn work(world: &World, size: &str) -> Acknowledged {
    let mut done = Acknowledged::default();
    let mut second = 0;
    let names: Vec<String> = (0..8).map(|n| format!("i-{n}")).collect();
    swept(world, &mut second, &names, size).await;
    for name in &names[..4] {
        second += 1;
        let event = told(name, size, second);
        loop {
            // A queue delivers the same event again until it is deleted.
            let told = world.handle.notify(vec![event.clone()]).await;
            match told.as_deref() {
                Ok([NotifyResult::Applied(seq)]) => {
                    done.seq = done.seq.max(seq.0);
                    break;
                }
                // It was stored, although the disk failed under the commit.
                Ok([NotifyResult::Repeated]) => break,
                Ok(other) => panic!("{other:?}"),
                Err(IngestError::Stopped) => panic!("the loop ended"),
                Err(_) => sleep(Duration::from_millis(1)).await,
            }
        }
        done.states.push((name.clone(), "stopped"));
    }
    for name in &names[4..6] {
        // A tool whose call is not recorded does not call AWS, and its client repeats the request.
        let action = loop {
            match world.handle.begin(ActionRequest::of("stop_instance", vec![id(name)])).await {
                Ok(action) => break action,
                Err(IngestError::Stopped) => panic!("the loop ended"),
                Err(_) => sleep(Duration::from_millis(1)).await,
            }
        };
        done.requested.push(ActionRequest::of("stop_instance", vec![id(name)]).requested(action));
        second += 1;
        let outcome = ActionOutcome::Succeeded { created: Vec::new() };
        let seq = world.handle.finish(action, outcome, vec![seen(name, "stopping", size, second)]).await.unwrap();
        done.seq = done.seq.max(seq.0);
        done.states.push((name.clone(), "stopping"));
        done.finished += 1;
    }
    let left: Vec<String> = names[..7].to_vec();
    for name in &names[..6] {
        done.states.retain(|(known, _)| known != name);
    }
    swept(world, &mut second, &left, size).await;
    swept(world, &mut second, &left, size).await;
    done.states = left.into_iter().map(|name| (name, "running")).collect();
    done
}

/// Reads until stopped; every read is complete, or an error that may pass.
fn read(store: &Store, stop: &AtomicBool) -> u64 {
    let mut failed = 0;
    while !stop.load(Ordering::Acquire) {
        let looked = store.snapshot().and_then(|snapshot| {
            for head in snapshot.heads(&kind(), &ScopeFilter::Everywhere, None, 100)? {
                assert!(snapshot.current(&head.id)?.is_some(), "{} is listed and has no body", head.id);
            }
            Ok(())
        });
        if let Err(error) = looked {
            assert!(error.is_retryable(), "{error}");
            failed += 1;
        }
        std::thread::sleep(Duration::from_micros(200));
    }
    failed
}

/// One run of all work with the given faults (counted from the end of opening), and everything that must hold afterwards. Returns
/// the number of calls and of failures.
fn run(size: &str, faults: Option<InjectedFaults>) -> (u64, u64) {
    let dir = tempfile::tempdir().unwrap();
    let disk = Memory::default();
    let runtime = runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let (done, begun) = runtime.block_on(async {
        let world = World::with(options(&dir, &disk));
        world.store.build_index().unwrap();
        let begun = disk.calls();
        disk.fail(faults.map(|faults| InjectedFaults { from: begun + faults.from, ..faults }));
        let stop = std::sync::Arc::new(AtomicBool::new(false));
        let reader = {
            let (store, stop) = (world.store.clone(), std::sync::Arc::clone(&stop));
            std::thread::spawn(move || read(&store, &stop))
        };
        let done = timeout(Duration::from_mins(1), work(&world, size)).await.expect("all work is done");
        disk.fail(None);
        // Whatever failed last is repaired by now, or soon will be.
        world.store.health().wait_for(crate::store::Health::is_well).await.unwrap();
        stop.store(true, Ordering::Release);
        reader.join().unwrap();
        let snapshot = world.store.snapshot().unwrap();
        assert_eq!(*world.hub.newest().borrow(), snapshot.seq(), "stored and told to nobody");
        let indexed =
            world.store.index().scan(&kind(), &ScopeFilter::Everywhere, &Matcher::any(), None, 100).expect("an index");
        assert_eq!(
            indexed.total,
            snapshot.count(&kind(), &ScopeFilter::Everywhere).unwrap(),
            "the index is not what is stored"
        );
        assert_eq!(world.handle.freshness().trouble(), None);
        drop(snapshot);
        world.close().await;
        (done, begun)
    });
    let calls = disk.calls() - begun;
    let world = runtime.block_on(async { World::with(options(&dir, &disk)) });
    let records: Vec<Recorded> = world.records();
    assert!(records.len() as u64 >= done.seq, "{} of {} acknowledged records", records.len(), done.seq);
    for requested in &done.requested {
        assert_eq!(records.iter().filter(|record| record.event == *requested).count(), 1, "{requested:?}");
    }
    let finished = |record: &&Recorded| matches!(record.event, Event::ActionFinished { .. });
    assert_eq!(records.iter().filter(finished).count(), done.finished);
    for (name, state) in &done.states {
        assert_eq!(world.state(name).as_deref(), Some(*state), "{name}");
    }
    assert_eq!(world.state("i-7"), None);
    let report = fold_log(&world.store.snapshot().unwrap()).unwrap();
    assert!(report.is_clean(), "{report:?}");
    runtime.block_on(world.close());
    (calls, disk.failed())
}

/// The calls of a run that are made to fail, evenly spread.
fn picked(calls: u64, by_default: u64) -> Vec<u64> {
    let wanted = match std::env::var("MUSTER_FAULTS").as_deref() {
        Ok("all") => calls,
        Ok(number) => number.parse().expect("MUSTER_FAULTS is a number, or `all`"),
        Err(_) => by_default,
    };
    let step = (calls / wanted.max(1)).max(1);
    (0..calls).step_by(usize::try_from(step).unwrap()).collect()
}

/// Runs with `most` faults of one kind in a row, starting at many calls.
fn faulty(name: &str, by_default: u64, most: u64, calls: &'static [FileCall], kind: std::io::ErrorKind) {
    let (all, _) = run("t3.micro", None);
    let picked = picked(all, by_default);
    let (mut hit, mut failed) = (0, 0);
    for from in &picked {
        let faults = InjectedFaults { from: *from, to: u64::MAX, calls, most, kind };
        let (_, failures) = run("t3.micro", Some(faults));
        hit += u64::from(failures > 0);
        failed += failures;
    }
    eprintln!("{name}: from {} of {all} calls, {hit} runs with {failed} failures, nothing lost", picked.len());
    assert!(hit > 0, "nothing failed");
}

#[test]
fn any_call_of_the_disk_may_fail_once_and_nothing_is_lost() {
    faulty("any call once", 60, 1, ALL, std::io::ErrorKind::Other);
}

#[test]
fn the_disk_may_fail_for_a_while_and_nothing_is_lost() {
    faulty("every call for a while", 8, 4, ALL, std::io::ErrorKind::Other);
}

#[test]
fn writes_may_find_no_space_and_nothing_is_lost() {
    faulty("writes without space", 16, 4, &[FileCall::Write], std::io::ErrorKind::StorageFull);
}

#[test]
fn the_file_may_find_no_space_to_grow_and_nothing_is_lost() {
    let size = "x".repeat(400_000);
    for most in [1, 2, 8] {
        let faults = InjectedFaults {
            from: 0,
            to: u64::MAX,
            calls: &[FileCall::SetLen],
            most,
            kind: std::io::ErrorKind::StorageFull,
        };
        let (calls, failed) = run(&size, Some(faults));
        eprintln!("set_len without space: {failed} of {calls} calls failed, nothing lost");
        assert_eq!(failed, most);
    }
}

/// The disk fails between the request of a tool and its end, for longer than a tool waits.
#[tokio::test(flavor = "multi_thread")]
async fn what_aws_did_while_the_disk_failed_is_recorded_afterwards_and_no_new_call_begins() {
    let dir = tempfile::tempdir().unwrap();
    let disk = Memory::default();
    let world = World::with(options(&dir, &disk));
    let mut second = 0;
    swept(&world, &mut second, &["i-1".to_owned()], "t3.micro").await;
    let action = world.handle.begin(ActionRequest::of("stop_instance", vec![id("i-1")])).await.unwrap();
    let before = world.records().len();
    disk.fail(Some(InjectedFaults {
        from: 0,
        to: u64::MAX,
        calls: ALL,
        most: u64::MAX,
        kind: std::io::ErrorKind::Other,
    }));
    let outcome = ActionOutcome::Succeeded { created: Vec::new() };
    let finished = world.handle.finish(action, outcome.clone(), vec![seen("i-1", "stopping", "t3.micro", second + 1)]);
    let (finished, begun) =
        tokio::join!(finished, world.handle.begin(ActionRequest::of("stop_instance", vec![id("i-1")])));
    for refused in [finished.map(drop), begun.map(drop)] {
        assert!(matches!(refused, Err(IngestError::Commit(CommitError::Latched { .. }))), "{refused:?}");
    }
    let trouble = world.handle.freshness().trouble().unwrap();
    assert!(trouble.class == TroubleClass::Store && trouble.what.contains("muster.redb"), "{trouble:?}");
    disk.fail(None);
    let mut newest = world.hub.newest();
    timeout(Duration::from_secs(30), newest.wait_for(|seq| seq.0 > before as u64)).await.unwrap().unwrap();
    let events: Vec<Event> = world.records().split_off(before).into_iter().map(|record| record.event).collect();
    assert_eq!(events.first(), Some(&Event::ActionFinished { action, outcome, request_id: None }));
    assert!(!events.iter().any(|event| matches!(event, Event::ActionRequested { .. })), "{events:?}");
    assert_eq!(world.state("i-1").as_deref(), Some("stopping"));
    assert_eq!(world.handle.freshness().trouble(), None);
    world.close().await;
}

/// The file can be opened and read, but cannot grow, as with a quota or a limit on file sizes that the free space of the file
/// system does not show.
#[tokio::test(flavor = "multi_thread")]
async fn a_tool_whose_record_has_no_space_is_refused_in_time_without_hammering_the_disk() {
    let dir = tempfile::tempdir().unwrap();
    let disk = Memory::default();
    let world = World::with(options(&dir, &disk));
    let mut second = 0;
    swept(&world, &mut second, &["i-1".to_owned()], "t3.micro").await;
    let kind = std::io::ErrorKind::StorageFull;
    disk.fail(Some(InjectedFaults { from: 0, to: u64::MAX, calls: &[FileCall::SetLen], most: u64::MAX, kind }));
    let large = "x".repeat(8 << 20);
    let begun = timeout(Duration::from_secs(20), world.handle.begin(ActionRequest::of(&large, vec![id("i-1")]))).await;
    let refused = begun.expect("the tool is told");
    assert!(matches!(refused, Err(IngestError::Commit(CommitError::Latched { .. }))), "{refused:?}");
    assert!(disk.failed() < 20, "{} attempts", disk.failed());
    disk.fail(None);
    let done =
        timeout(Duration::from_secs(20), world.handle.begin(ActionRequest::of("stop_instance", vec![id("i-1")]))).await;
    done.expect("it goes on").unwrap();
    world.close().await;
}
