//! One line of the file of remembered sessions.

use rmcp::model::InitializeRequestParams;
use serde::{Deserialize, Serialize};

/// What happened to a session, and when.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct SessionRecord {
    /// The id of the session, which only its client knows.
    pub(super) session: String,
    /// Milliseconds since the Unix epoch.
    pub(super) at: i64,
    pub(super) news: SessionNews,
}

/// What happened to a session.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum SessionNews {
    /// It was opened; or all that is known of it.
    Opened {
        /// What the client said.
        initialize: Box<InitializeRequestParams>,
        /// What it is subscribed to.
        uris: Vec<String>,
    },
    /// Its client subscribed to a resource.
    Subscribed {
        /// Which.
        uri: String,
    },
    /// Its client is no longer subscribed to a resource.
    Unsubscribed {
        /// Which.
        uri: String,
    },
    /// It was in use.
    Used,
    /// Its client ended it.
    Ended,
}
