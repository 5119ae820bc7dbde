//! Resources: what is listed, and what a read of each URI answers.

pub mod list;
pub mod overview;
pub mod read;
pub mod templates;

use std::time::Duration;

use rmcp::model::{CacheScope, ReadResourceResult};

/// What is served as JSON.
pub const JSON: &str = "application/json";

/// The longest time a client may keep inventory that tools and events do not change at any moment.
pub const LONGEST: Duration = Duration::from_secs(5);

/// The text of a read, and how long a client may keep it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    /// JSON.
    pub text: String,
    /// Zero for what moves or is stale.
    pub keep: Duration,
}

impl Content {
    /// As rmcp's result, under the URI as the client spelled it.
    #[must_use]
    pub fn result(self, uri: &str) -> ReadResourceResult {
        let contents = rmcp::model::ResourceContents::text(self.text, uri).with_mime_type(JSON);
        ReadResourceResult::new(vec![contents])
            .with_ttl_ms(u64::try_from(self.keep.as_millis()).unwrap_or(0))
            .with_cache_scope(CacheScope::Private)
    }
}
