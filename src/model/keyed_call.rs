//! A call that came with an idempotency key: what a repeat of it needs to know.

use std::sync::Arc;

use super::principal::Principal;
use super::time::Timestamp;

/// The name of a keyed call: the client of a user, and the key that it chose.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallKey {
    /// The user.
    pub user: Arc<str>,
    /// The client; empty if it gave itself no name.
    pub client: Arc<str>,
    /// The key.
    pub key: Arc<str>,
}

impl CallKey {
    /// The key of a client, in whatever session.
    #[must_use]
    pub fn of(by: &Principal, key: &str) -> Self {
        CallKey { user: by.user.clone(), client: by.client.clone().unwrap_or_default(), key: key.into() }
    }
}

/// A call that came with an idempotency key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyedCall {
    /// Its name.
    pub key: CallKey,
    /// When it came first.
    pub at: Timestamp,
    /// The tool.
    pub tool: String,
    /// A digest of the tool's arguments.
    pub digest: u128,
    /// The name of the tool's call, by which the log tells what became of it.
    pub call: String,
    /// Its answer, as the caller of the store encodes it; `None` while it is not answered.
    pub answer: Option<String>,
}
