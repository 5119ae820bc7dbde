use futures::FutureExt;

use crate::ingest::tests::{World, instance, still};
use crate::ingest::{Lane, NotifyResult};
use crate::model::fixtures::{at, id, kind, scope, state};
use crate::model::{
    ApiCall, Called, Cause, Event, Item, Notification, Observation, Page, Recorded, ResourceId, Scope, Seen, Source,
    SweepMessage, SweepStep,
};

fn told(event_id: &str, name: &str, state_name: &str, second: i64) -> Notification {
    let seen = Seen::StateAsserted(state(state_name));
    let observation = Observation { source: Source::Notification, at: at(second), id: id(name), seen };
    Notification { event_id: event_id.to_owned(), observations: vec![observation], called: None }
}

fn call(name: &str) -> ApiCall {
    ApiCall { name: name.to_owned(), actor: "arn:aws:iam::1:user/ann".to_owned(), address: None, agent: None }
}

fn called(event_id: &str, name: &str, targets: Vec<ResourceId>, second: i64) -> Notification {
    let called = Called { call: call(name), at: at(second), targets: targets.clone() };
    let mentioned = |id| Observation { source: Source::Notification, at: at(second), id, seen: Seen::Mentioned };
    let observations = targets.into_iter().map(mentioned).collect();
    Notification { event_id: event_id.to_owned(), observations, called: Some(called) }
}

fn caused_by(event_id: &str, name: &str) -> Cause {
    Cause::Call { event_id: event_id.to_owned(), call: call(name) }
}

fn last(world: &World) -> Recorded {
    world.records().pop().expect("a record")
}

// Time stands still while deciding, so no commit ends early.
#[tokio::test(start_paused = true)]
async fn waiting_notifications_are_one_commit_and_each_caller_gets_its_own_results() {
    let dir = tempfile::tempdir().expect("a directory");
    let (mut ingest, handle, store) = still(&dir);
    let names: Vec<String> = (0..40).map(|n| format!("i-{n}")).collect();
    let items = names.iter().map(|name| Item::new(name.as_str(), instance("running", "t3.micro"))).collect();
    let page = SweepStep::Page(Page { sent_at: at(100), items, ..Page::default() });
    for step in [SweepStep::Started { at: at(100) }, page, SweepStep::Completed { ended: at(101) }] {
        ingest.sweep(SweepMessage { scope: scope(), kind: kind(), step });
    }
    let before = store.write_transactions();
    let mut asked: Vec<_> = names
        .chunks(10)
        .map(|names| {
            let mut several: Vec<_> = names.iter().map(|name| told(name, name, "stopping", 200)).collect();
            several.push(several[0].clone());
            Box::pin(handle.notify(several))
        })
        .collect();
    for asking in &mut asked {
        assert!(asking.now_or_never().is_none(), "nobody serves");
    }
    let work = ingest.lanes.urgent().expect("work");
    ingest.serve(work);
    assert!(ingest.lanes.urgent().is_none(), "all was served at once");
    for asking in asked {
        let taken = asking.await.expect("recorded");
        assert!(taken[..10].iter().all(|taken| matches!(taken, NotifyResult::Applied(_))), "{taken:?}");
        assert_eq!(taken[10..], [NotifyResult::Repeated]);
    }
    assert_eq!(store.write_transactions(), before + 1);
    assert!(names.iter().all(|name| store.snapshot().expect("a snapshot").is_notified(name).expect("readable")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeat_changes_nothing_also_after_a_restart_and_after_another_change() {
    let dir = tempfile::tempdir().expect("a directory");
    let world = World::open(&dir);
    world.sweep(100, &[("i-1", instance("running", "t3.micro"))]).await;
    // Within one second an assertion may follow another: only the id shows that the repeated one is not a third.
    let stopped = [told("e-1", "i-1", "stopping", 200), told("e-2", "i-1", "stopped", 200)];
    let started = told("e-3", "i-1", "pending", 200);
    for event in stopped.iter().chain([&started]) {
        let taken = world.handle.notify(vec![event.clone()]).await.expect("recorded");
        assert!(matches!(taken[..], [NotifyResult::Applied(_)]), "{taken:?}");
    }
    let records = world.records().len();
    world.close().await;
    let world = World::open(&dir);
    let taken = world.handle.notify([&stopped[..], &[started]].concat()).await.expect("recorded");
    assert_eq!(taken, [NotifyResult::Repeated; 3]);
    assert_eq!((world.records().len(), world.state("i-1").as_deref()), (records, Some("pending")));
    world.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_notification_without_news_leaves_no_trace() {
    let world = World::new();
    world.sweep(100, &[("i-1", instance("running", "t3.micro"))]).await;
    let before = world.store.write_transactions();
    for _ in 0..2 {
        let silent = [told("e-1", "i-1", "running", 50), told("e-2", "i-unknown", "running", 200)];
        assert_eq!(world.handle.notify(silent.to_vec()).await.expect("decided"), [NotifyResult::Unchanged; 2]);
    }
    assert_eq!(world.handle.notify(Vec::new()).await.expect("nothing"), []);
    assert_eq!(world.store.write_transactions(), before);
    assert!(!world.store.snapshot().expect("a snapshot").is_notified("e-1").expect("readable"));
    world.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_is_recorded_once_with_unknown_targets_and_causes_what_the_next_describe_shows() {
    let world = World::new();
    world.sweep(100, &[("i-1", instance("running", "t3.micro")), ("i-3", instance("running", "t3.micro"))]).await;
    let targets = vec![id("i-1"), id("i-2")];
    let event = called("e-1", "ModifyInstanceAttribute", targets.clone(), 200);
    for expected in [1, 0] {
        let taken = world.handle.notify(vec![event.clone()]).await.expect("recorded");
        assert_eq!(taken.iter().filter(|taken| matches!(taken, NotifyResult::Applied(_))).count(), expected);
    }
    let record = last(&world);
    assert_eq!(record.event, Event::Called { at: at(200), targets });
    assert_eq!(record.cause, caused_by("e-1", "ModifyInstanceAttribute"));

    let shown = |name: &str, size: &str, second| Observation {
        source: Source::Refresh,
        at: at(second),
        id: id(name),
        seen: Seen::Described(instance("running", size)),
    };
    let seen = vec![shown("i-1", "t3.large", 210), shown("i-2", "t3.large", 210), shown("i-3", "t3.large", 210)];
    world.handle.observe(Lane::Refresh, seen, Cause::Refresh).await.expect("recorded");
    let causes: Vec<Cause> = world.records().into_iter().rev().take(3).map(|record| record.cause).collect();
    let call = || caused_by("e-1", "ModifyInstanceAttribute");
    assert_eq!(causes, [Cause::Refresh, Cause::Refresh, call()], "nobody called about i-3, nor to make i-2");
    // From here on, i-1 was looked at after the call.
    let seen = vec![shown("i-1", "t3.micro", 220)];
    world.handle.observe(Lane::Refresh, seen, Cause::Refresh).await.expect("recorded");
    assert_eq!(last(&world).cause, Cause::Refresh);
    world.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_is_not_attributed_to_a_call_that_cannot_have_made_it_nor_to_one_of_several_callers() {
    let world = World::new();
    let all = |size: &str| ["i-1", "i-2", "i-3"].map(|name| (name, instance("running", size)));
    world.sweep(100, &all("t3.micro")).await;
    let by = |actor: &str, mut event: Notification| {
        event.called.as_mut().expect("a call").call.actor = actor.to_owned();
        event
    };
    let calls = [
        by("ann", called("e-1", "CreateTags", vec![id("i-1")], 200)),
        by("ann", called("e-2", "ModifyInstanceAttribute", vec![id("i-2"), id("i-3")], 201)),
        by("bob", called("e-3", "ModifyInstanceAttribute", vec![id("i-2")], 202)),
        by("bob", called("e-4", "CreateTags", vec![id("i-3")], 203)),
    ];
    world.handle.notify(calls.to_vec()).await.expect("recorded");
    world.sweep(300, &all("t3.large")).await;
    let causes: Vec<Cause> = world.records().into_iter().rev().take(3).map(|record| record.cause).collect();
    let named = |cause: &Cause| match cause {
        Cause::Call { call, .. } => Some(call.actor.clone()),
        _ => None,
    };
    let named: Vec<Option<String>> = causes.iter().rev().map(named).collect();
    assert_eq!(named, [None, None, Some("ann".to_owned())]);
    world.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_of_several_recent_calls_created_a_resource_and_the_last_removed_it() {
    let world = World::new();
    world.sweep(100, &[]).await;
    let calls =
        [called("e-1", "RunInstances", vec![id("i-1")], 200), called("e-2", "CreateTags", vec![id("i-1")], 201)];
    world.handle.notify(calls.to_vec()).await.expect("recorded");
    world.sweep(300, &[("i-1", instance("running", "t3.micro"))]).await;
    assert_eq!(last(&world).cause, caused_by("e-1", "RunInstances"));
    let calls = [
        called("e-3", "StopInstances", vec![id("i-1")], 400),
        called("e-4", "TerminateInstances", vec![id("i-1")], 401),
    ];
    world.handle.notify(calls.to_vec()).await.expect("recorded");
    world.sweep(500, &[]).await;
    world.sweep(700, &[]).await;
    let record = last(&world);
    assert_eq!(record.event, Event::Removed { id: id("i-1"), at: at(700) });
    assert_eq!(record.cause, caused_by("e-4", "TerminateInstances"));

    // A call that CloudTrail reports much later is still recorded, but is not the cause of later observations.
    world.handle.notify(vec![called("e-5", "RunInstances", vec![id("i-2")], 800)]).await.expect("recorded");
    world.advance(301);
    world.handle.notify(vec![called("e-6", "RunInstances", vec![id("i-9")], 800)]).await.expect("recorded");
    world.sweep(900, &[("i-2", instance("running", "t3.micro"))]).await;
    assert!(matches!(last(&world).cause, Cause::Sweep | Cause::Resumed { .. }), "{:?}", last(&world));
    world.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_in_a_scope_that_is_not_watched_is_recorded() {
    let world = World::new();
    let elsewhere = Scope { region: crate::model::Region::new("eu-west-1"), ..scope() };
    let target = ResourceId::new(&elsewhere, &kind(), "i-1");
    let taken = world.handle.notify(vec![called("e-1", "RunInstances", vec![target], 200)]).await.expect("recorded");
    assert!(matches!(taken[..], [NotifyResult::Applied(_)]), "{taken:?}");
    world.close().await;
}
