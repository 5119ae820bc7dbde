//! MCP resources: the list of them, and the answer to a read of each URI.

pub mod answer_cache;
mod event_paths;
pub mod history;
pub mod list;
pub mod outline;
pub mod overview;
pub mod page_text;
pub mod read;
pub mod templates;

use std::time::Duration;

use rmcp::model::{CacheScope, ReadResourceResult, ResourceContents};

use crate::model::Timestamp;
use crate::model::text::visible_json;

/// The media type of every resource.
pub const JSON: &str = "application/json";

/// The longest time a client may cache kinds that tools and events do not change at any moment.
pub const LONGEST: Duration = Duration::from_secs(5);

/// The text of a read, and how long clients may cache it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    /// JSON.
    pub text: String,
    /// When it may next change; `None` if it may change at any moment or is stale.
    pub next: Option<Timestamp>,
}

impl Content {
    /// The JSON of a resource, which may next change at `next`. Characters in it that readers cannot see are escaped: it reads
    /// back as the same.
    #[must_use]
    pub fn new(json: String, next: Option<Timestamp>) -> Self {
        Content { text: visible_json(json), next }
    }

    /// Content that clients must not cache.
    #[must_use]
    pub fn fleeting(json: String) -> Self {
        Content::new(json, None)
    }

    /// The content as rmcp's result, under the URI as the client spelled it.
    #[must_use]
    pub fn result(&self, uri: &str, now: Timestamp) -> ReadResourceResult {
        let contents = ResourceContents::text(self.text.clone(), uri).with_mime_type(JSON);
        ReadResourceResult::new(vec![contents]).with_ttl_ms(self.ttl_ms(now)).with_cache_scope(CacheScope::Private)
    }

    /// How many milliseconds a client may cache the content from `now` on.
    #[must_use]
    pub fn ttl_ms(&self, now: Timestamp) -> u64 {
        let keep = self.next.map_or(Duration::ZERO, |next| next.since(now).min(LONGEST));
        u64::try_from(keep.as_millis()).unwrap_or(0)
    }
}
