//! Requests while the disk fails under the store, and what a view lets wait.

use std::io;
use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;

use super::View;

use crate::mcp::client::ClientError;
use crate::mcp::tests::{World, data, text};
use crate::model::TroubleClass;
use crate::policy::Visibility;
use crate::store::disk::memory::{ALL, FileCall, InjectedFaults, Memory};

/// The next calls of these sorts fail, `most` of them.
fn fail(disk: &Memory, calls: &'static [FileCall], most: u64) {
    disk.fail(Some(InjectedFaults {
        from: 0,
        to: u64::MAX,
        calls,
        most: disk.failed() + most,
        kind: io::ErrorKind::Other,
    }));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_under_which_the_disk_fails_is_served_when_the_store_is_open_again() {
    let disk = Memory::default();
    let world = World::on(&disk).await;
    let client = world.client(false).await;
    let uri = format!("ec2://instance/{}", world.instance(&client, "running").await);
    // Another one for the last read: an answer that is asked for twice is kept.
    let other = format!("ec2://instance/{}", world.instance(&client, "stopped").await);
    let mut failures = world.core.store.failures();
    let mut failed_once_more = |what: &str| {
        let before = std::mem::replace(&mut failures, world.core.store.failures());
        assert!(failures > before, "the disk did not fail under {what}");
    };
    fail(&disk, &[FileCall::Read], 1);
    assert_eq!(client.read(&uri).await.unwrap()["uri"], uri);
    failed_once_more("a read");
    fail(&disk, &[FileCall::Read], 1);
    assert!(!data(client.call("get_resource", json!({"uri": uri})).await.unwrap()).is_null());
    failed_once_more("a tool");
    fail(&disk, &[FileCall::Read], 1);
    assert!(!client.list(None).await.unwrap().resources.is_empty());
    failed_once_more("a list");
    // Also when the disk fails again at the second attempt.
    fail(&disk, &[FileCall::Read], 3);
    assert_eq!(client.read(&other).await.unwrap()["uri"], other);
    failed_once_more("a read again");
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_disk_fails_every_request_says_that_it_may_pass_and_none_that_something_is_not_there() {
    let disk = Memory::default();
    let world = World::on(&disk).await;
    let client = world.client(true).await;
    let id = world.instance(&client, "running").await;
    let uri = format!("ec2://instance/{id}");
    fail(&disk, ALL, u64::MAX / 2);
    let (read, unknown, listed, found, stopped) = tokio::join!(
        client.read(&uri),
        client.read("ec2://instance/i-0123456789abcdef0"),
        client.list(None),
        client.call("search_inventory", json!({"kind": "instance"})),
        client.agree("stop_instance", json!({"instance_ids": [id]})),
    );
    for error in [read.unwrap_err(), unknown.unwrap_err(), listed.err().unwrap()] {
        let ClientError::Request(error) = error else { panic!("{error}") };
        let rmcp::service::ServiceError::McpError(error) = *error else { panic!("{error}") };
        assert_eq!(error.data.as_ref().unwrap()["retryable"], true, "{error}");
        assert!(error.message.contains("ask again"), "{error}");
    }
    for answer in [found.unwrap(), stopped.unwrap()] {
        assert_eq!(answer.is_error, Some(true));
        let said = text(&answer);
        assert!(said.contains("ask again") || said.contains("goes on by itself"), "{said}");
    }
    let calls = world.core.aws.calls();
    assert!(!calls.iter().any(|call| call.action == "StopInstances"), "AWS was called: {calls:?}");
    let trouble = world.core.ingest.freshness().trouble().expect("the reason");
    assert_eq!(trouble.class, TroubleClass::Store);
    disk.fail(None);
    assert_eq!(client.read(&uri).await.unwrap()["uri"], uri);
    assert!(!data(client.call("search_inventory", json!({"kind": "instance"})).await.unwrap()).is_null());
}

#[tokio::test(start_paused = true)]
async fn who_does_not_see_everything_is_refused_at_the_same_time_whatever_was_looked_through() {
    let waited = async |view: View, looked: u64| {
        let begun = Instant::now();
        tokio::time::advance(Duration::from_millis(looked)).await;
        view.unhurried(begun).await;
        begun.elapsed().as_millis()
    };
    let limited = || View::of(&Visibility::nothing());
    for looked in [0, 30] {
        // Timers round up.
        assert!((100..=101).contains(&waited(limited(), looked).await));
        assert_eq!(waited(View::whole(), looked).await, u128::from(looked));
    }
}
