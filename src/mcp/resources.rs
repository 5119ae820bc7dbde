//! Resources: what is listed, and what a read of each URI answers.

pub mod answer_cache;
mod event_paths;
pub mod history;
pub mod list;
pub mod overview;
pub mod read;
pub mod templates;

use std::time::Duration;

use rmcp::model::{CacheScope, ReadResourceResult, ResourceContents};

use crate::model::Timestamp;

/// What is served as JSON.
pub const JSON: &str = "application/json";

/// The longest time a client may keep inventory that tools and events do not change at any moment.
pub const LONGEST: Duration = Duration::from_secs(5);

/// The text of a read, and how long clients may keep it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    /// JSON.
    pub text: String,
    /// When it may next change; `None` for what may change at any moment or is stale.
    pub next: Option<Timestamp>,
}

impl Content {
    /// Something that clients must not keep.
    #[must_use]
    pub fn fleeting(text: String) -> Self {
        Content { text, next: None }
    }

    /// As rmcp's result, under the URI as the client spelled it.
    #[must_use]
    pub fn result(&self, uri: &str, now: Timestamp) -> ReadResourceResult {
        let keep = self.next.map_or(Duration::ZERO, |next| next.since(now).min(LONGEST));
        let contents = ResourceContents::text(self.text.clone(), uri).with_mime_type(JSON);
        ReadResourceResult::new(vec![contents])
            .with_ttl_ms(u64::try_from(keep.as_millis()).unwrap_or(0))
            .with_cache_scope(CacheScope::Private)
    }
}
