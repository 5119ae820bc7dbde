//! Reads one resource or one collection as JSON.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;
use serde_json::{Value, json};

use super::answer_cache::{AnswerCache, CacheLookup, Revision};
use super::history::history;
use super::{Content, overview};
use crate::kinds::KindSpec;
use crate::mcp::core::Core;
use crate::mcp::damage::AnswerSubject;
use crate::mcp::error::RequestError;
use crate::mcp::fresh::{self, Fresh, part_of};
use crate::mcp::lookup::{Located, vanished};
use crate::mcp::policy::Writes;
use crate::mcp::progress::IncompleteSweep;
use crate::mcp::stale::Stale;
use crate::mcp::tools::rows::Columns;
use crate::mcp::unreadable;
use crate::mcp::uri::Address;
use crate::model::{AccountId, Group, Provisional, Region, Scope, ScopeFilter, Seq, Source, Timestamp};
use crate::query::{Filters, Query, counts, search};
use crate::store::{Stored, StoredDocument};

/// How many members a read of a collection shows.
const MEMBERS: usize = 100;

/// The answer to a read of one resource.
#[derive(Serialize)]
pub struct ResourceBody<'a> {
    uri: &'a str,
    kind: &'static str,
    id: &'a str,
    account: &'a AccountId,
    region: &'a Region,
    /// When everything shown was last confirmed.
    as_of: Timestamp,
    /// The same for each group of fields, where they differ, because an event confirms the state alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    groups: Option<BTreeMap<Group, Timestamp>>,
    /// The newest record of the log at this read.
    seq: Seq,
    changed_at: Timestamp,
    changed_seq: Seq,
    stale: Option<Stale>,
    #[serde(skip_serializing_if = "Option::is_none")]
    missing: Option<Missing>,
    provisional: Vec<Pending>,
    also_seen_in: &'a [Scope],
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<Status>,
    document: &'a StoredDocument,
}

/// Says that the last complete sweeps did not list the resource, which is not proved to be gone.
#[derive(Serialize)]
struct Missing {
    since: Timestamp,
    sweeps: u32,
    what: String,
}

/// A group of fields that AWS reported as changed and no describe has confirmed yet.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Pending {
    group: Group,
    source: Source,
    at: Timestamp,
}

/// The status checks inside an instance's body.
#[derive(Serialize)]
struct Status {
    as_of: Timestamp,
    stale: Option<Stale>,
    document: StoredDocument,
}

impl From<&Provisional> for Pending {
    fn from(provisional: &Provisional) -> Self {
        Pending { group: provisional.group, source: provisional.source, at: provisional.at }
    }
}

/// Reads what `address` names. `uri` is the client's spelling, which the answer repeats; `writes`, whether the connection
/// may write. `cache` keeps what is read often.
///
/// # Errors
/// [`RequestError`]; the answer is never empty.
pub async fn read(
    core: &Arc<Core>,
    cache: &AnswerCache<Content>,
    address: &Address,
    uri: &str,
    writes: &Writes,
) -> Result<Arc<Content>, RequestError> {
    let (kind, id, scope) = match address {
        Address::Summary => return Ok(Arc::new(overview::summary(core, uri, writes).await?)),
        Address::Freshness => return Ok(Arc::new(overview::freshness(core, uri)?)),
        Address::Changes => return Ok(Arc::new(history(core, None, uri).await?)),
        Address::History { kind, id } => return Ok(Arc::new(history(core, Some((*kind, id)), uri).await?)),
        Address::Collection { scope, kind } => return Ok(Arc::new(collection(core, scope, kind, uri).await?)),
        Address::Resource { kind, id } => (*kind, id, ScopeFilter::Everywhere),
        Address::Qualified { scope, kind, id } => (*kind, id, scope.into()),
    };
    if let Some(scope) = scope.only() {
        core.rouse_named(kind, scope);
    }
    let revision = Revision::now(core)?;
    let known = cache.ask(uri, revision, core.now());
    if let CacheLookup::Answer(content) = known {
        return Ok(content);
    }
    loop {
        let located = core.locate(kind, id, &scope).await?;
        let Some(content) = resource(core, kind, &located, uri)? else { continue };
        return Ok(kept(core, cache, content, uri, kind, &located, (known, revision)));
    }
}

/// The content of a resource that `address` names, if it is there and can be read without waiting; `None` otherwise, and for
/// every other address.
#[must_use]
pub fn at_once(core: &Core, cache: &AnswerCache<Content>, address: &Address, uri: &str) -> Option<Arc<Content>> {
    let (kind, id, scope) = match address {
        Address::Resource { kind, id } => (*kind, id, ScopeFilter::Everywhere),
        Address::Qualified { scope, kind, id } => (*kind, id, scope.into()),
        _ => return None,
    };
    if let Some(scope) = scope.only() {
        core.rouse_named(kind, scope);
    }
    let revision = Revision::now(core).ok()?;
    let known = cache.ask(uri, revision, core.now());
    if let CacheLookup::Answer(content) = known {
        return Some(content);
    }
    let located = core.seen(kind, id, &scope).ok()??;
    let content = resource(core, kind, &located, uri).ok()??;
    Some(kept(core, cache, content, uri, kind, &located, (known, revision)))
}

/// The content, which the cache keeps if it was asked for before.
fn kept(
    core: &Core,
    cache: &AnswerCache<Content>,
    content: Content,
    uri: &str,
    kind: &'static KindSpec,
    located: &Located,
    (known, revision): (CacheLookup<Content>, Revision),
) -> Arc<Content> {
    let content = Arc::new(content);
    if let (CacheLookup::Again, Some(until)) = (known, fresh_until(core, &located.id.scope(), kind)) {
        cache.keep(uri, revision, until, content.text.len() + uri.len() + 200, Arc::clone(&content));
    }
    content
}

/// How long an answer about this kind, and the part served with it, stays fresh.
fn fresh_until(core: &Core, scope: &Scope, kind: &'static KindSpec) -> Option<Timestamp> {
    let until = |kind: &KindSpec| core.ingest.freshness().of(scope, &kind.kind())?.fresh_until();
    match part_of(kind) {
        Some(part) => Some(until(kind)?.min(until(part)?)),
        None => until(kind),
    }
}

/// The content of one resource; `None` when it was removed meanwhile.
fn resource(
    core: &Core,
    kind: &'static KindSpec,
    located: &Located,
    uri: &str,
) -> Result<Option<Content>, RequestError> {
    let Located { id, also_seen_in } = located;
    let scope = id.scope();
    // Freshness is read before the data: see `fresh`.
    let (fresh, part) = (core.fresh(kind, id), core.fresh_part(kind, id));
    let missing = core.ingest.freshness().lacked(id);
    let snapshot = core.snapshot()?;
    let Some(stored) = snapshot.stored(id)? else {
        vanished(&snapshot, id)?;
        return Ok(None);
    };
    let as_of =
        |fresh: &Fresh, stored: &Stored| fresh.as_of(&stored.evidence, stored.provisional.is_some(), stored.changed_at);
    let status = match part {
        None => None,
        Some(part) => snapshot.stored(&part.id)?.map(|stored| Status {
            as_of: as_of(&part, &stored),
            stale: part.stale,
            document: stored.document,
        }),
    };
    let groups = fresh.groups(&stored.evidence, stored.provisional.is_some(), stored.changed_at);
    let (as_of, stale) = (as_of(&fresh, &stored), fresh.stale);
    let next = if kind.moves || stale.is_some() { None } else { next(core, &scope, kind) };
    let body = ResourceBody {
        uri,
        kind: kind.slug,
        id: &id.id,
        account: &id.account,
        region: &id.region,
        as_of,
        groups,
        seq: snapshot.seq(),
        changed_at: stored.changed_at,
        changed_seq: stored.changed,
        stale,
        missing: missing.map(|lacked| Missing {
            since: lacked.since,
            sweeps: lacked.sweeps,
            what: fresh::missing(lacked),
        }),
        provisional: stored.provisional.iter().map(Pending::from).collect(),
        also_seen_in,
        status,
        document: &stored.document,
    };
    Ok(Some(Content::new(serde_json::to_string(&body)?, next)))
}

/// When the next sweep of this scope begins, which may show changes; `None` while one runs, because its results may show at any
/// time.
fn next(core: &Core, scope: &Scope, kind: &KindSpec) -> Option<Timestamp> {
    let state = core.ingest.freshness().of(scope, &kind.kind())?;
    let started = state.complete.filter(|_| state.running_since.is_none())?.started;
    Some(started + state.interval)
}

async fn collection(
    core: &Arc<Core>,
    scope: &Scope,
    kind: &'static KindSpec,
    uri: &str,
) -> Result<Content, RequestError> {
    core.watchable(kind, scope)?;
    core.rouse_named(kind, scope);
    core.anything(&[kind], &scope.into()).await?;
    let (scope, uri) = (scope.clone(), uri.to_owned());
    core.walk(move |core| members(core, &scope, kind, &uri)).await
}

fn members(core: &Core, scope: &Scope, kind: &'static KindSpec, uri: &str) -> Result<Content, RequestError> {
    let columns = Columns::of(kind);
    // Freshness is read before the data: see `fresh`.
    let stale = core.stale(scope, kind);
    let watched = core.ingest.freshness().of(scope, &kind.kind());
    let incomplete = watched.as_ref().filter(|state| state.unwatched_since.is_none()).and_then(IncompleteSweep::of);
    let as_of = watched.as_ref().and_then(|state| state.settled_at(core.now()));
    let missing = watched.as_ref().map_or(0, |state| state.missing);
    let unreadable = watched.as_ref().and_then(unreadable::of);
    let all_seen = watched.is_some() && incomplete.is_none() && unreadable.is_none();
    let counted = counts(&core.store, &kind.kind(), &scope.into(), columns.state())?;
    let query = Query {
        kind: kind.kind(),
        scope: scope.into(),
        filters: Filters::default(),
        order: None,
        point: None,
        limit: MEMBERS,
        cursor: None,
    };
    let hits = search(&core.store, &query)?;
    let damage = core.damage(AnswerSubject::Now(&[kind], &scope.into()));
    let rows: Vec<Value> = hits.rows.iter().map(|row| Value::Object(columns.row(row))).collect();
    let next = if kind.moves || stale.is_some() { None } else { next(core, scope, kind) };
    let more = hits.next.map(|cursor| {
        json!({
            "tool": "search_inventory",
            "arguments": {"kind": kind.slug, "account": scope.account, "region": scope.region,
                "limit": MEMBERS, "cursor": cursor.encode()},
            "each": format!("ec2://inventory/{}/{}/{}/{{id}}", scope.account, scope.region, kind.slug),
        })
    });
    let mut body = json!({
        "uri": uri,
        "kind": kind.slug,
        "account": scope.account,
        "region": scope.region,
        "as_of": as_of,
        "seq": hits.seq,
        "stale": stale,
        "incomplete": incomplete,
        "count": counted.total,
        "count_is": if all_seen && damage.is_empty() { "exact" } else { "at least" },
        "by_state": counted.by_state,
        "members": rows,
        "more": more,
    });
    if let Value::Object(body) = &mut body {
        body.extend(damage.fields().into_iter().map(|(name, value)| (name.to_owned(), value)));
    }
    if let (true, Value::Object(body)) = (missing > 0, &mut body) {
        body.insert("missing_unproved".to_owned(), json!(missing));
    }
    if let (Some(unreadable), Value::Object(body)) = (unreadable, &mut body) {
        body.insert("unreadable".to_owned(), unreadable);
    }
    Ok(Content::new(body.to_string(), next))
}
