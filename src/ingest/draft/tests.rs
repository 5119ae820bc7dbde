use std::sync::Arc;
use std::time::Duration;

use tokio::runtime;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::ingest::{Ingest, KindEntry, Lane};
use crate::kinds::SNAPSHOT;
use crate::model::fixtures::{SetClock, at, scope};
use crate::model::{Document, Map};
use crate::notify::ChangeHub;
use crate::store::fixtures::open_in;

fn snapshot(id: &str, state: &str, begun: i64, seen: i64) -> Observation {
    let fields = Map::from([("State", state.into()), ("StartTime", at(begun).to_string().into())]);
    let seen_as = Seen::Described(Arc::new(Document::new(fields)));
    let id = ResourceId::new(&scope(), &SNAPSHOT.kind(), id);
    Observation { source: Source::Refresh, at: at(seen), id, seen: seen_as }
}

#[tokio::test]
async fn a_snapshot_that_was_just_begun_is_looked_at_until_it_is_complete_and_not_shown_as_of_before_it() {
    let dir = tempfile::tempdir().unwrap();
    let (writer, store) = open_in(&dir);
    let entry =
        KindEntry { kind: SNAPSHOT.kind(), rules: SNAPSHOT.rules(), interval: SNAPSHOT.interval, event_rules: None };
    let (clock, stop) = (Arc::new(SetClock::new(at(1_000))), CancellationToken::new());
    let (ingest, handle, mut wanted) =
        Ingest::new(writer, ChangeHub::new(Vec::new()), clock, vec![entry], stop.clone()).expect("a loop");
    let runtime = runtime::Handle::current();
    let thread = tokio::task::spawn_blocking(move || ingest.run(&runtime));
    let seen = vec![
        snapshot("snap-old", "pending", 1_000 - 7_200, 999),
        snapshot("snap-done", "completed", 998, 999),
        // AWS's clock is a little ahead of ours.
        snapshot("snap-new", "pending", 1_001, 999),
    ];
    handle.observe(Lane::Tools, seen, Cause::Refresh).await.unwrap();
    let young = wanted.recv().await.unwrap();
    assert_eq!((&*young.id.id, young.expects.as_deref()), ("snap-new", Some("completed")));
    let known = |id: &str| {
        let id = ResourceId::new(&scope(), &SNAPSHOT.kind(), id);
        store.snapshot().unwrap().current(&id).unwrap().unwrap()
    };
    assert_eq!(known("snap-new").evidence.oldest(), at(1_001), "what shows it is no older than it is");
    assert_eq!(known("snap-done").evidence.oldest(), at(999));

    // Progress is no reason to begin again.
    handle.observe(Lane::Refresh, vec![snapshot("snap-new", "pending", 1_001, 1_002)], Cause::Refresh).await.unwrap();
    let mention = Observation { seen: Seen::Mentioned, source: Source::Tool, ..snapshot("snap-new", "", 0, 1_003) };
    handle.observe(Lane::Tools, vec![mention], Cause::Refresh).await.unwrap();
    let mentioned = wanted.recv().await.unwrap();
    assert_eq!((&*mentioned.id.id, mentioned.expects), ("snap-new", None), "a tool's mention is the next");
    assert!(tokio::time::timeout(Duration::from_millis(50), wanted.recv()).await.is_err());
    stop.cancel();
    thread.await.unwrap().unwrap();
}
