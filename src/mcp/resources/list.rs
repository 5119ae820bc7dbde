//! The answer to `resources/list`.
//!
//! Thousands of entries overload a client that puts the list into a model's context, so by default only small accounts are listed
//! in full. Entries hold no state, because every change of state would change the list.

use std::cmp::Reverse;
use std::sync::Arc;

use rmcp::model::{Annotations, CacheScope, ListResourcesResult, MetaObject, Resource};
use serde_json::json;

use super::JSON;
use super::answer_cache::{AnswerCache, CacheLookup, Revision};
use crate::freshness::ScopeFreshness;
use crate::kinds::{KINDS, KindSpec};
use crate::mcp::core::Core;
use crate::mcp::damage::AnswerSubject;
use crate::mcp::error::RequestError;
use crate::mcp::failed_scopes::FailedScopes;
use crate::mcp::policy::ListMode;
use crate::mcp::progress::PendingSweeps;
use crate::mcp::uri::Address;
use crate::model::text::shown;
use crate::model::{ResourceId, Scope, ScopeFilter, Timestamp};
use crate::query::{Cursor, CursorError};
use crate::store::Snapshot;

/// The most resources that the automatic mode lists one by one: an entry is about 47 tokens, and hosts that hand the list to a model
/// cut it at 25,000.
pub const FULL: u64 = 500;
/// Entries per page, unless [`PAGES`] requires more.
const PAGE: u64 = 1000;
/// The most pages of a list, because clients stop following cursors (one at 64).
const PAGES: u64 = 50;
/// The approximate largest size of a page.
const BYTES: usize = 4 * 1024 * 1024;
/// The longest title, in characters.
pub(super) const TITLE: usize = 80;
/// How many collections are listed at most.
const COLLECTIONS: usize = 500;
/// The question hash of this list's cursors.
const QUESTION: u64 = 0x6c69_7374;

/// Makes one page of the list. `cache` keeps frequent pages.
///
/// # Errors
/// [`RequestError::Cursor`] for a cursor of another list; [`RequestError::NotSeenYet`] while there is nothing to list.
pub async fn list(
    core: &Arc<Core>,
    cache: &AnswerCache<ListResourcesResult>,
    mode: ListMode,
    cursor: Option<String>,
) -> Result<ListResourcesResult, RequestError> {
    let listed = listed(core);
    core.anything(&listed, &ScopeFilter::Everywhere).await?;
    let question = cursor.clone().unwrap_or_default();
    let revision = Revision::now(core)?;
    let known = cache.ask(&question, revision, core.now());
    if let CacheLookup::Answer(page) = known {
        return Ok(ListResourcesResult::clone(&page));
    }
    let page = core.walk(move |core| result(core, mode, cursor.as_deref())).await?;
    if matches!(known, CacheLookup::Again) {
        // Nothing in a page depends on the time.
        let weight = page.resources.iter().map(|entry| size_of::<Resource>() + weight(entry)).sum();
        cache.keep(&question, revision, Timestamp::from_millis(i64::MAX), weight, Arc::new(page.clone()));
    }
    Ok(page)
}

/// The kinds that are listed one by one: those that are watched. A status is part of its instance.
pub(super) fn listed(core: &Core) -> Vec<&'static KindSpec> {
    let mut watched = core.watched_of(KINDS);
    watched.retain(|kind| kind.status_of.is_none());
    watched
}

/// Adds the collection of each kind in each scope; where they are too many, the largest. Returns how many it leaves out.
fn collections(
    core: &Core,
    snapshot: &Snapshot,
    kinds: &[&'static KindSpec],
    states: &[ScopeFreshness],
    entries: &mut impl PageEntries,
) -> Result<usize, RequestError> {
    if states.len() <= COLLECTIONS {
        for kind in kinds {
            for state in states.iter().filter(|state| state.kind.as_str() == kind.name) {
                let count = core.store.count(snapshot, &kind.kind(), &(&state.scope).into())?;
                entries.add(collection(kind, &state.scope, count, state.complete.is_some()));
            }
        }
        return Ok(0);
    }
    let mut held = snapshot.counts()?;
    held.retain(|(kind, ..)| kinds.iter().any(|spec| spec.name == kind.as_str()));
    held.sort_by_key(|(.., count)| Reverse(*count));
    held.truncate(COLLECTIONS);
    for (kind, scope, count) in &held {
        let Some(spec) = kinds.iter().find(|spec| spec.name == kind.as_str()) else { continue };
        let is_complete = core.ingest.freshness().of(scope, kind).is_some_and(|state| state.complete.is_some());
        entries.add(collection(spec, scope, *count, is_complete));
    }
    Ok(states.len().saturating_sub(held.len()))
}

/// Takes the entries of a page, in their order.
pub(super) trait PageEntries {
    /// Takes an entry.
    fn add(&mut self, entry: Resource);

    /// Takes the entry of a resource. Returns about how many bytes it takes on the wire.
    fn add_member(&mut self, kind: &'static KindSpec, id: &str, name: Option<&str>) -> usize;
}

/// What a page says beside its entries.
pub(super) struct PageRest {
    /// The cursor of the next page; `None` on the last.
    pub(super) next: Option<String>,
    /// What it lacks.
    pub(super) meta: MetaObject,
}

impl PageEntries for Vec<Resource> {
    fn add(&mut self, entry: Resource) {
        self.push(entry);
    }

    fn add_member(&mut self, kind: &'static KindSpec, id: &str, name: Option<&str>) -> usize {
        let entry = entry(kind, id, name);
        let weight = weight(&entry);
        self.push(entry);
        weight
    }
}

fn result(core: &Core, mode: ListMode, cursor: Option<&str>) -> Result<ListResourcesResult, RequestError> {
    let mut entries = Vec::new();
    let PageRest { next, meta } = page(core, mode, cursor, &mut entries)?;
    let mut result = ListResourcesResult::with_all_items(entries).with_ttl_ms(0).with_cache_scope(CacheScope::Private);
    result.next_cursor = next;
    result.meta = Some(meta).filter(|meta| !meta.is_empty());
    Ok(result)
}

/// Shows `entries` those of a page.
///
/// # Errors
/// [`RequestError::Cursor`] for a cursor of another list; when the store cannot be read.
pub(super) fn page(
    core: &Core,
    mode: ListMode,
    cursor: Option<&str>,
    entries: &mut impl PageEntries,
) -> Result<PageRest, RequestError> {
    let kinds = listed(core);
    let states = core.scopes(&kinds);
    let (pending, failed) = (PendingSweeps::of(&states), FailedScopes::of(&states));
    let snapshot = core.snapshot()?;
    let mut total = 0;
    for kind in &kinds {
        total += core.store.count(&snapshot, &kind.kind(), &ScopeFilter::Everywhere)?;
    }
    let after = cursor
        .map(|text| Cursor::decode(text, core.store.cursor_log(), QUESTION))
        .transpose()?
        .map(|cursor| cursor.after);
    if mode == ListMode::Collections && after.is_some() {
        // This list has one page, so the cursor comes from a server that listed everything.
        return Err(CursorError::OtherQuestion.into());
    }
    let everything = match mode {
        ListMode::All => true,
        ListMode::Auto => total <= FULL || after.is_some(),
        ListMode::Collections => false,
    };
    let mut unlisted = 0;
    if after.is_none() {
        for overview in overviews() {
            entries.add(overview);
        }
        unlisted = collections(core, &snapshot, &kinds, &states, entries)?;
    }
    let mut next = None;
    if everything {
        let size = usize::try_from(PAGE.max(total.div_ceil(PAGES))).unwrap_or(usize::MAX);
        next = members(core, &kinds, after.as_ref(), size, entries)?;
    } else {
        for kind in kinds.iter().filter(|kind| kind.listed_beside_collections > 0) {
            let rows = snapshot.heads(&kind.kind(), &ScopeFilter::Everywhere, None, kind.listed_beside_collections)?;
            for row in &rows {
                entries.add_member(kind, &row.id.id, row.name.as_deref());
            }
        }
    }
    let log = core.store.cursor_log();
    let cursor = |after| Cursor { log, question: QUESTION, point: None, after, sorted: None }.encode();
    let mut meta = MetaObject::new();
    for (name, value) in failed.fields() {
        meta.insert(format!("muster/{name}"), value);
    }
    if unlisted > 0 {
        meta.insert("muster/collections_not_shown".to_owned(), json!(unlisted));
    }
    if !pending.is_empty() {
        meta.insert("muster/incomplete".to_owned(), pending.field());
    }
    for (name, value) in core.damage(AnswerSubject::Now(&kinds, &ScopeFilter::Everywhere)).fields() {
        meta.insert(format!("muster/{name}"), value);
    }
    Ok(PageRest { next: next.map(cursor), meta })
}

/// Fills a page with the resources after `after`, and returns the last of them if more follow.
fn members(
    core: &Core,
    kinds: &[&'static KindSpec],
    after: Option<&ResourceId>,
    size: usize,
    entries: &mut impl PageEntries,
) -> Result<Option<ResourceId>, RequestError> {
    let first = match after {
        // The cursor names a kind that is not listed.
        Some(after) => kinds.iter().position(|kind| kind.name == after.kind.as_str()).ok_or(CursorError::Garbled)?,
        None => 0,
    };
    let (mut left, mut bytes) = (size, 0);
    let mut last = after.cloned();
    for kind in kinds.iter().skip(first) {
        let mut position = last.clone().filter(|last| last.kind.as_str() == kind.name);
        let mut previous = position.as_ref().map_or_else(String::new, |position| position.id.to_string());
        while left > 0 && bytes < BYTES {
            let step = left.min(1000);
            let visit = |id: &str, name: Option<&str>| {
                // A shared resource is seen in several scopes, and listed once.
                if previous == id {
                    return;
                }
                previous.clear();
                previous.push_str(id);
                bytes += entries.add_member(kind, id, name);
                left = left.saturating_sub(1);
            };
            let end = core.store.each_name(&kind.kind(), kind.named_by(), position.as_ref(), step, visit)?;
            if end.is_none() {
                break;
            }
            position = end;
            last.clone_from(&position);
        }
        if left == 0 || bytes >= BYTES {
            return Ok(last);
        }
    }
    Ok(None)
}

fn overviews() -> [Resource; 3] {
    let resource = |address: Address, name: &str, title: &str, description: &str| {
        Resource::new(address.to_string(), name)
            .with_title(title)
            .with_description(description)
            .with_mime_type(JSON)
            .with_annotations(Annotations::default().with_priority(1.0))
    };
    [
        resource(
            Address::Summary,
            "summary",
            "Inventory summary",
            "Counts by kind, account, region and state; what is failing and how to fix it.",
        ),
        resource(
            Address::Freshness,
            "freshness",
            "Inventory freshness",
            "How old the copy of each account and region is, and why.",
        ),
        resource(
            Address::Changes,
            "changes",
            "Newest changes",
            "The newest changes, field by field, with their times and causes; list_changes shows more.",
        ),
    ]
}

fn collection(kind: &'static KindSpec, scope: &Scope, count: u64, complete: bool) -> Resource {
    let address = Address::Collection { scope: scope.clone(), kind };
    let each = Address::of(kind, "ID").to_string();
    let at_least = if complete { "" } else { "at least " };
    let plural = kind.plural;
    Resource::new(address.to_string(), format!("{scope}/{}", kind.slug))
        .with_title(format!("{plural} of {scope}"))
        .with_description(format!(
            "{at_least}{count} {plural}. Read this for the first of them; search_inventory finds and pages through all. The URI \
            of each is {each}"
        ))
        .with_mime_type(JSON)
        .with_annotations(Annotations::default().with_priority(0.8))
}

/// The entry of a resource.
pub(super) fn entry(kind: &'static KindSpec, id: &str, name: Option<&str>) -> Resource {
    let resource = Resource::new(Address::of(kind, id).to_string(), id).with_mime_type(JSON);
    match name.map(|name| shown(name, TITLE)).filter(|name| !name.is_empty()) {
        Some(name) => resource.with_title(name),
        None => resource,
    }
}

/// The approximate size of an entry on the wire.
pub(super) fn weight(entry: &Resource) -> usize {
    size(entry.uri.len(), entry.name.len(), entry.title.as_ref().map(String::len))
}

/// The same, by the lengths of its texts.
pub(super) fn size(uri: usize, name: usize, title: Option<usize>) -> usize {
    60 + uri + name + title.map_or(0, |title| title + 12)
}
