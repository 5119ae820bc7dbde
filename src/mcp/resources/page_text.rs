//! A page of the list as the text that goes out.
//!
//! At 100,000 instances a page has over 7,000 entries. As rmcp's type each of them is nine fields and three texts of their own, which
//! are copied out of a cache, written and dropped again for every answer. Here an entry is written once, and a cached page goes
//! out as it stands.

use std::borrow::Cow;
use std::sync::Arc;

use axum::body::Bytes;
use rmcp::model::{CacheScope, MetaObject, Resource, ResultType};
use serde::Serialize;

use super::JSON;
use super::answer_cache::{AnswerCache, CacheLookup, Revision};
use super::list::{self, PageEntries, PageRest, TITLE, entry, listed};
use crate::kinds::KindSpec;
use crate::mcp::core::Core;
use crate::mcp::policy::ListMode;
use crate::model::text::shown;
use crate::model::{ScopeFilter, Timestamp};

/// A page of the list, without the two brackets at its end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PageText {
    /// The result up to its entries.
    pub head: Bytes,
    /// The entries.
    pub entries: Bytes,
}

/// What stands before the entries: rmcp's type for the result, without them.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PageHead<'a> {
    result_type: ResultType,
    #[serde(rename = "_meta")]
    meta: &'a MetaObject,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
    ttl_ms: u64,
    cache_scope: CacheScope,
}

/// Entries as text.
#[derive(Default)]
struct EntryTexts(Vec<u8>);

/// A page as text, with `server` as metadata. `None` where that needs waiting or is an error.
pub async fn at_once(
    core: &Arc<Core>,
    cache: &AnswerCache<PageText>,
    mode: ListMode,
    cursor: Option<&str>,
    server: &MetaObject,
) -> Option<PageText> {
    if !core.progress(&listed(core), &ScopeFilter::Everywhere).is_complete() {
        return None;
    }
    let question = cursor.unwrap_or_default();
    let revision = Revision::now(core).ok()?;
    let known = cache.ask(question, revision, core.now());
    if let CacheLookup::Answer(page) = known {
        return Some(PageText::clone(&page));
    }
    let (at, server) = (cursor.map(str::to_owned), server.clone());
    let page = core.walk(move |core| Ok(text(core, mode, at.as_deref(), &server))).await.ok()??;
    if matches!(known, CacheLookup::Again) {
        // Nothing in a page depends on the time.
        let weight = page.head.len() + page.entries.len();
        cache.keep(question, revision, Timestamp::from_millis(i64::MAX), weight, Arc::new(page.clone()));
    }
    Some(page)
}

fn text(core: &Core, mode: ListMode, cursor: Option<&str>, server: &MetaObject) -> Option<PageText> {
    let mut entries = EntryTexts::default();
    let PageRest { next, mut meta } = list::page(core, mode, cursor, &mut entries).ok()?;
    meta.extend(server.clone());
    let head = PageHead {
        result_type: ResultType::COMPLETE,
        meta: &meta,
        next_cursor: next,
        ttl_ms: 0,
        cache_scope: CacheScope::Private,
    };
    let mut head = serde_json::to_vec(&head).ok()?;
    // Its last bracket comes after the entries.
    head.pop();
    head.extend_from_slice(br#","resources":["#);
    Some(PageText { head: head.into(), entries: entries.0.into() })
}

impl EntryTexts {
    fn put(&mut self, text: &str) {
        self.0.extend_from_slice(text.as_bytes());
    }

    /// Separates the next entry from the one before.
    fn separate(&mut self) {
        if !self.0.is_empty() {
            self.put(",");
        }
    }
}

impl PageEntries for EntryTexts {
    fn add(&mut self, entry: Resource) {
        self.separate();
        // Writing to memory does not fail, and neither do texts.
        drop(serde_json::to_writer(&mut self.0, &entry));
    }

    fn add_member(&mut self, kind: &'static KindSpec, id: &str, name: Option<&str>) -> usize {
        if kind.status_of.is_some() || !is_plain(id) {
            let entry = entry(kind, id, name);
            let size = list::weight(&entry);
            self.add(entry);
            return size;
        }
        self.separate();
        self.put(r#"{"uri":"ec2://"#);
        self.put(kind.slug);
        self.put("/");
        self.put(id);
        self.put(r#"","name":""#);
        self.put(id);
        self.put("\"");
        let mut title = None;
        if let Some(name) = name {
            let name = if is_plain(name) && name.len() <= TITLE { name.into() } else { Cow::Owned(shown(name, TITLE)) };
            if !name.is_empty() {
                title = Some(name.len());
                self.put(r#","title":"#);
                drop(serde_json::to_writer(&mut self.0, &*name));
            }
        }
        self.put(r#","mimeType":""#);
        self.put(JSON);
        self.put("\"}");
        list::size("ec2://".len() + kind.slug.len() + 1 + id.len(), id.len(), title)
    }
}

/// Whether a text stands for itself in URIs and in JSON.
fn is_plain(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b':'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::{INSTANCE, INSTANCE_STATUS};

    #[test]
    fn entries_are_written_as_rmcp_writes_them() {
        let (mut texts, mut entries) = (EntryTexts::default(), Vec::new());
        let mut sizes = Vec::new();
        for kind in [INSTANCE, INSTANCE_STATUS] {
            for id in ["i-0123456789abcdef0", "a b", "\"", "%2F", "\u{202E}é", ""] {
                for name in [None, Some(""), Some("web-1"), Some("a \"b\" \\ é"), Some("\u{202E}"), Some("x\u{7f}y")] {
                    sizes.push((texts.add_member(kind, id, name), entries.add_member(kind, id, name)));
                }
                let long = "long name ".repeat(20);
                sizes.push((texts.add_member(kind, id, Some(&long)), entries.add_member(kind, id, Some(&long))));
            }
        }
        assert_eq!(format!("[{}]", String::from_utf8(texts.0).unwrap()), serde_json::to_string(&entries).unwrap());
        assert!(sizes.iter().all(|(one, other)| one == other), "pages are cut at the same places: {sizes:?}");
    }
}
