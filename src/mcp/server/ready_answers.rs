//! Answers to reads and lists that take no waiting, as the bytes that the handler's answers become.

use std::sync::Arc;

use rmcp::model::{CacheScope, MetaObject, ResultType};
use serde::Serialize;

use super::McpServer;
use super::requests::is_blank;
use crate::mcp::core::{Core, Readiness};
use crate::mcp::resources::page_text::{self, PageText};
use crate::mcp::resources::{JSON, read};
use crate::mcp::uri::Address;

/// The result of a read: rmcp's type for it, without copies.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ReadAnswer<'a> {
    result_type: ResultType,
    ttl_ms: u64,
    cache_scope: CacheScope,
    contents: [ReadText<'a>; 1],
    #[serde(rename = "_meta")]
    meta: &'a MetaObject,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ReadText<'a> {
    uri: &'a str,
    mime_type: &'static str,
    text: &'a str,
}

impl McpServer {
    /// Appends the result of reading a resource to `answer`. `None`, and perhaps half of a result, where that needs waiting, is
    /// an error or is no resource's own URI: then the handler has to serve it.
    #[must_use]
    pub fn read_at_once(&self, uri: &str, answer: &mut Vec<u8>) -> Option<()> {
        let core = self.ready()?;
        let content = read::at_once(&core, &self.0.reads, &Address::parse(uri).ok()?, uri)?;
        let result = ReadAnswer {
            result_type: ResultType::COMPLETE,
            ttl_ms: content.ttl_ms(core.now()),
            cache_scope: CacheScope::Private,
            contents: [ReadText { uri, mime_type: JSON, text: &content.text }],
            meta: &self.0.meta,
        };
        serde_json::to_writer(answer, &result).ok()
    }

    /// The page of the list at a cursor, or the first. `None` where that needs waiting, or is an error: then the handler has to
    /// serve it.
    pub async fn page_at_once(&self, cursor: Option<&str>) -> Option<PageText> {
        let core = self.ready()?;
        let cursor = cursor.filter(|cursor| !is_blank(cursor));
        page_text::at_once(&core, &self.0.page_texts, self.0.policy.list, cursor, &self.0.meta).await
    }

    fn ready(&self) -> Option<Arc<Core>> {
        match &*self.0.readiness.borrow() {
            Readiness::Ready(core) if !core.store.is_failing() => Some(Arc::clone(core)),
            _ => None,
        }
    }
}
