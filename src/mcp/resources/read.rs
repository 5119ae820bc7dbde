//! One resource or one collection, as the JSON of a read.

use std::sync::Arc;

use serde::Serialize;
use serde_json::{Value, json};

use super::hot::{Hot, Known, Moment};
use super::{Content, overview};
use crate::kinds::{self, KindSpec};
use crate::mcp::core::Core;
use crate::mcp::error::Fault;
use crate::mcp::lookup::{Found, Located, Stale};
use crate::mcp::tools::rows::Columns;
use crate::mcp::uri::Address;
use crate::model::{AccountId, Current, Group, Provisional, Region, ResourceId, Scope, Seq, Source, Timestamp};
use crate::query::{Filters, Query, counts, search};
use crate::store::StoredDocument;

/// How many members a read of a collection shows.
const MEMBERS: usize = 100;

/// What a read of one resource answers.
#[derive(Serialize)]
pub struct Body<'a> {
    uri: &'a str,
    kind: &'static str,
    id: &'a str,
    account: &'a AccountId,
    region: &'a Region,
    /// Everything shown was known to be so at this time.
    as_of: Timestamp,
    /// The log's end at this read.
    seq: Seq,
    changed_at: Timestamp,
    changed_seq: Seq,
    stale: Option<Stale>,
    provisional: Vec<Pending>,
    also_seen_in: &'a [Scope],
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<Status>,
    document: &'a StoredDocument,
}

/// A group of fields that rests on an assertion no describe has settled yet.
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
/// may write. `hot` keeps what is read often.
///
/// # Errors
/// [`Fault`]; never an empty answer.
pub async fn read(
    core: &Arc<Core>,
    hot: &Hot<Content>,
    address: &Address,
    uri: &str,
    writes: bool,
) -> Result<Arc<Content>, Fault> {
    let (kind, id, scope) = match address {
        Address::Summary => return Ok(Arc::new(overview::summary(core, uri, writes).await?)),
        Address::Freshness => return Ok(Arc::new(overview::freshness(core, uri)?)),
        Address::Collection { scope, kind } => return Ok(Arc::new(collection(core, scope, kind, uri).await?)),
        Address::Resource { kind, id } => (*kind, id, None),
        Address::Qualified { scope, kind, id } => (*kind, id, Some(scope)),
    };
    let moment = Moment::now(core)?;
    let known = hot.ask(uri, moment, core.now());
    if let Known::Answer(content) = known {
        return Ok(content);
    }
    let located = core.locate(kind, id, scope).await?;
    let content = resource(core, kind, &located, uri)?;
    if let (Known::Again, Some(until)) = (known, fresh_until(core, &located.id.scope(), kind)) {
        hot.keep(uri, moment, until, content.text.len() + uri.len() + 200, content.clone());
    }
    Ok(Arc::new(content))
}

/// Until when an answer about this kind, and the part served with it, is not stale.
fn fresh_until(core: &Core, scope: &Scope, kind: &'static KindSpec) -> Option<Timestamp> {
    let until = |kind: &KindSpec| core.ingest.freshness().of(scope, &kind.kind())?.fresh_until();
    match part_of(kind) {
        Some(part) => Some(until(kind)?.min(until(part)?)),
        None => until(kind),
    }
}

/// The kind that is served as part of `kind` under the same id.
#[must_use]
pub fn part_of(kind: &KindSpec) -> Option<&'static KindSpec> {
    kinds::KINDS.iter().find(|part| part.status_of == Some(kind.slug)).copied()
}

/// The status checks of a resource, in the same scope; `None` while none were seen.
///
/// # Errors
/// When the store cannot be read.
pub fn status(core: &Core, kind: &KindSpec, found: &Found) -> Result<Option<(Timestamp, Current)>, Fault> {
    let Some(part) = part_of(kind) else { return Ok(None) };
    let id = ResourceId { kind: part.kind(), ..found.id.clone() };
    let Some(current) = core.snapshot()?.current(&id)? else { return Ok(None) };
    Ok(Some((core.ingest.freshness().as_of(&id, &current.evidence), current)))
}

fn resource(core: &Core, kind: &'static KindSpec, located: &Located, uri: &str) -> Result<Content, Fault> {
    let Located { id, snapshot, also_seen_in } = located;
    let scope = id.scope();
    let stale = core.stale(&scope, kind);
    let freshness = core.ingest.freshness();
    let stored = snapshot.stored(id)?.ok_or_else(|| Fault::Bodiless(id.clone().into()))?;
    let status = match part_of(kind) {
        None => None,
        Some(part) => {
            let id = ResourceId { kind: part.kind(), ..id.clone() };
            snapshot.stored(&id)?.map(|stored| Status {
                as_of: freshness.as_of(&id, &stored.evidence),
                stale: core.stale(&scope, part),
                document: stored.document,
            })
        }
    };
    let next = if kind.moves || stale.is_some() { None } else { next(core, &scope, kind) };
    let body = Body {
        uri,
        kind: kind.slug,
        id: &id.id,
        account: &id.account,
        region: &id.region,
        as_of: freshness.as_of(id, &stored.evidence),
        seq: snapshot.seq(),
        changed_at: stored.changed_at,
        changed_seq: stored.changed,
        stale,
        provisional: stored.provisional.iter().map(Pending::from).collect(),
        also_seen_in,
        status,
        document: &stored.document,
    };
    Ok(Content { text: serde_json::to_string(&body)?, next })
}

/// When the next sweep of this scope may show something else; `None` while one runs, which may at any moment.
fn next(core: &Core, scope: &Scope, kind: &KindSpec) -> Option<Timestamp> {
    let state = core.ingest.freshness().of(scope, &kind.kind())?;
    let started = state.complete.filter(|_| state.running_since.is_none())?.started;
    Some(started + state.interval)
}

async fn collection(core: &Arc<Core>, scope: &Scope, kind: &'static KindSpec, uri: &str) -> Result<Content, Fault> {
    if core.ingest.freshness().of(scope, &kind.kind()).is_none() {
        core.anything(&[kind], Some(scope)).await?;
        let scopes = core.watched(kind);
        return Err(Fault::NotFound { title: "scope", id: scope.to_string(), scopes });
    }
    core.anything(&[kind], Some(scope)).await?;
    let (scope, uri) = (scope.clone(), uri.to_owned());
    core.walk(move |core| members(core, &scope, kind, &uri)).await
}

fn members(core: &Core, scope: &Scope, kind: &'static KindSpec, uri: &str) -> Result<Content, Fault> {
    let columns = Columns::of(kind);
    let counted = counts(&core.store, &kind.kind(), Some(scope), columns.state())?;
    let query = Query {
        kind: kind.kind(),
        scope: Some(scope.clone()),
        filters: Filters::default(),
        limit: MEMBERS,
        cursor: None,
    };
    let hits = search(&core.store, &query)?;
    let rows: Vec<Value> = hits.rows.iter().map(|row| Value::Object(columns.row(row))).collect();
    let stale = core.stale(scope, kind);
    let incomplete = core.incomplete(&[kind]).into_iter().find(|incomplete| incomplete.scope == *scope);
    let next = if kind.moves || stale.is_some() { None } else { next(core, scope, kind) };
    let as_of = core.ingest.freshness().of(scope, &kind.kind()).and_then(|state| Some(state.complete?.started));
    let more = hits.next.map(|cursor| {
        json!({
            "tool": "search_inventory",
            "arguments": {"kind": kind.slug, "account": scope.account, "region": scope.region,
                "limit": MEMBERS, "cursor": cursor.encode()},
            "each": format!("ec2://inventory/{}/{}/{}/{{id}}", scope.account, scope.region, kind.slug),
        })
    });
    let body = json!({
        "uri": uri,
        "kind": kind.slug,
        "account": scope.account,
        "region": scope.region,
        "as_of": as_of,
        "seq": hits.seq,
        "stale": stale,
        "incomplete": incomplete,
        "count": counted.total,
        "count_is": if incomplete.is_some() { "at least" } else { "exact" },
        "by_state": counted.by_state,
        "members": rows,
        "more": more,
    });
    Ok(Content { text: body.to_string(), next })
}
