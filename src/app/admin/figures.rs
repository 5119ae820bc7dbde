//! Reports how far the log reaches, and how much disk space the log and the rest of the store use.

use serde_json::{Map, Value, json};

use crate::kinds::{self, KINDS};
use crate::mcp::Core;
use crate::mcp::error::RequestError;
use crate::model::Parked;
use crate::model::text::shown;
use crate::model::{ResourceId, ScopeFilter, Seq, Timestamp};
use crate::store::{self, Snapshot};

/// How many tombstones are read from one snapshot.
const TOMBSTONES: usize = 5_000;

/// Reports figures of the store.
///
/// # Errors
/// When the store cannot be read.
pub(super) fn stat(core: &Core) -> Result<Value, RequestError> {
    let snapshot = core.snapshot()?;
    let (horizon, newest) = (snapshot.horizon(), snapshot.seq());
    let first = (newest > horizon).then(|| horizon.next());
    let time = |seq: Seq| -> Result<Option<Timestamp>, RequestError> {
        Ok(snapshot.records(seq, 1)?.first().map(|record| record.recorded_at))
    };
    let first_at = first.map(time).transpose()?.flatten();
    let newest_at = first.map(|_| time(newest)).transpose()?.flatten();
    let live = snapshot.live();
    let tables = json!({
        "events": live.events, "by_resource": live.by_resource, "times": live.times, "current": live.current, "bodies": live.bodies,
        "rows": live.rows, "base": live.base, "tombstones": live.tombstones, "dedupe": live.dedupe,
    });
    let state = live.current + live.bodies + live.rows + live.base + live.tombstones + live.dedupe;
    let total = live.events + live.by_resource + live.times + state;
    let (resources, intervals, earliest) = (resources(&snapshot)?, intervals(&snapshot)?, snapshot.earliest()?);
    let parked: Vec<Value> = snapshot.parked()?.into_iter().map(unreadable).collect();
    drop(snapshot);
    let path = core.store.path();
    Ok(json!({
        "path": path,
        "format": store::FORMAT,
        "log": core.log(),
        "records": newest.0 - horizon.0,
        "first_seq": first,
        "first_at": first_at,
        "newest_seq": newest,
        "newest_at": newest_at,
        "horizon": horizon,
        "earliest": earliest,
        "file_bytes": std::fs::metadata(path).map(|file| file.len()).ok(),
        "live_bytes": total,
        "live_bytes_by_table": tables,
        "resources": resources,
        "tombstones": tombstones(core)?,
        "watched_intervals": intervals,
        "unreadable_messages": parked,
    }))
}

/// A queue's message that could not be read. Its body is text that others wrote.
fn unreadable(parked: Parked) -> Value {
    let Parked { message, queue, at, receives, why, body, bytes } = parked;
    json!({
        "message_id": shown(&message, 128),
        "queue": shown(&queue, 512),
        "parked_at": at,
        "receives": receives,
        "why": shown(&why, 512),
        "body": shown(&body, 1_000),
        "body_bytes": bytes,
    })
}

/// Counts the resources of each kind, including kinds that this version does not know.
fn resources(snapshot: &Snapshot) -> Result<Map<String, Value>, RequestError> {
    let mut resources = Map::new();
    for kind in KINDS {
        let count = snapshot.count(&kind.kind(), &ScopeFilter::Everywhere)?;
        if count > 0 {
            resources.insert(kind.slug.to_owned(), json!(count));
        }
    }
    for (kind, _, _) in snapshot.counts()? {
        if kinds::of(&kind).is_none() {
            resources.insert(kind.as_str().to_owned(), json!(snapshot.count(&kind, &ScopeFilter::Everywhere)?));
        }
    }
    Ok(resources)
}

/// Counts the intervals of watching that are kept.
fn intervals(snapshot: &Snapshot) -> Result<usize, RequestError> {
    let mut intervals = 0;
    for scope in snapshot.scopes()? {
        for kind in KINDS {
            intervals += snapshot.intervals(&scope, &kind.kind())?.len();
        }
    }
    Ok(intervals)
}

/// Counts the removed resources that are remembered.
fn tombstones(core: &Core) -> Result<usize, RequestError> {
    let mut tombstones = 0;
    for kind in KINDS {
        let mut after: Option<ResourceId> = None;
        loop {
            let page = core.snapshot()?.tombstones(&kind.kind(), after.as_ref(), TOMBSTONES)?;
            tombstones += page.len();
            match page.into_iter().last() {
                Some((last, _)) => after = Some(last),
                None => break,
            }
        }
    }
    Ok(tombstones)
}
