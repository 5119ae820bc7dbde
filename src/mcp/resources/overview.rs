//! The two views of everything: how much there is, and how fresh it is.

use std::sync::Arc;

use serde_json::{Value, json};

use super::Content;
use crate::ingest::ScopeFreshness;
use crate::kinds::{self, KINDS};
use crate::mcp::core::Core;
use crate::mcp::error::Fault;
use crate::mcp::fresh::stale;
use crate::mcp::policy::Writes;
use crate::mcp::tools::rows::Columns;
use crate::query::counts;

/// Counts by kind, scope and state, with what is missing or failing.
///
/// # Errors
/// When the store cannot be read. What AWS refuses is part of the answer.
pub async fn summary(core: &Arc<Core>, uri: &str, writes: Writes) -> Result<Content, Fault> {
    let body = overview(core, uri, writes).await?;
    Ok(Content::fleeting(body.to_string()))
}

/// How fresh each scope and kind is.
///
/// # Errors
/// When the store cannot be read.
pub fn freshness(core: &Arc<Core>, uri: &str) -> Result<Content, Fault> {
    let now = core.now();
    let trouble = core.ingest.freshness().trouble();
    let scopes: Vec<Value> = core.scopes(KINDS).iter().map(|state| scope_freshness(core, state)).collect();
    let body = json!({
        "uri": uri,
        "now": now,
        "seq": core.snapshot()?.seq(),
        "trouble": trouble,
        "watched_regions": core.regions(),
        "scopes": scopes,
    });
    Ok(Content::fleeting(body.to_string()))
}

/// The body of the summary, which the tool `get_inventory_summary` answers too. Waits for what is watched to be known:
/// nothing watched must not look like nothing there.
///
/// # Errors
/// When the store cannot be read.
pub async fn overview(core: &Arc<Core>, uri: &str, writes: Writes) -> Result<Value, Fault> {
    core.begun().await;
    let uri = uri.to_owned();
    core.walk(move |core| counted(core, &uri, writes)).await
}

fn counted(core: &Core, uri: &str, writes: Writes) -> Result<Value, Fault> {
    let complete = core.progress(KINDS, None).is_complete();
    let seq = core.snapshot()?.seq();
    let mut scopes = Vec::new();
    let mut totals = serde_json::Map::new();
    for kind in KINDS {
        let mut total = None;
        for state in core.scopes(&[kind]) {
            let counted = counts(&core.store, &kind.kind(), Some(&state.scope), Columns::of(kind).state())?;
            total = Some(total.unwrap_or(0) + counted.total);
            let mut entry = scope_freshness(core, &state);
            if let Value::Object(entry) = &mut entry {
                entry.insert("count".to_owned(), json!(counted.total));
                if !counted.by_state.is_empty() {
                    entry.insert("by_state".to_owned(), json!(counted.by_state));
                }
            }
            scopes.push(entry);
        }
        // A kind that nobody watches has no count, not even zero.
        if let Some(total) = total {
            totals.insert(kind.slug.to_owned(), json!(total));
        }
    }
    let mut body = json!({
        "uri": uri,
        "now": core.now(),
        "seq": seq,
        "complete": complete,
        "totals": totals,
        "watched_regions": core.regions(),
        "scopes": scopes,
        "writes": writes.shown(),
    });
    if let (Some(trouble), Value::Object(body)) = (core.ingest.freshness().trouble(), &mut body) {
        body.insert("trouble".to_owned(), json!({"what": trouble.what, "fix": trouble.fix}));
    }
    Ok(body)
}

fn scope_freshness(core: &Core, state: &ScopeFreshness) -> Value {
    let now = core.now();
    let everywhere = core.ingest.freshness().trouble();
    let kind = kinds::of(&state.kind).map_or(state.kind.as_str(), |kind| kind.slug);
    let mut entry = json!({
        "kind": kind,
        "account": state.scope.account,
        "region": state.scope.region,
        "sweep": if state.complete.is_some() { "complete" } else { "not complete yet" },
        "interval_seconds": state.interval.as_secs(),
        "seen": state.seen,
    });
    let Value::Object(fields) = &mut entry else { return entry };
    let mut put = |name: &str, value: Value| drop(fields.insert(name.to_owned(), value));
    if let Some(settled) = state.settled {
        put("as_of", json!(settled));
    }
    if let Some(swept) = state.complete {
        put("age_seconds", json!(now.since(swept.started).as_secs()));
        put("sweep_seconds", json!(swept.ended.since(swept.started).as_secs_f64()));
    }
    if let Some(since) = state.running_since {
        put("sweeping_since", json!(since));
    }
    if state.missing > 0 {
        put("missing_unproved", json!(state.missing));
    }
    if let Some(stale) = stale(state, everywhere.as_ref(), now) {
        put("stale", json!(stale));
    }
    if let Some(trouble) = &state.trouble {
        let fix = &trouble.fix;
        put("failure", json!({"class": trouble.class, "what": trouble.what, "fix": fix, "since": trouble.since}));
    }
    entry
}
