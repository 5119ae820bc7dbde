//! One line of the file of remembered sessions.

use std::sync::Arc;

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
        /// Whether it is no longer served.
        left: bool,
        /// Whose it is; `None` where nobody had to say who they are.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        owner: Option<Arc<str>>,
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
    /// It is in use.
    Used,
    /// It is no longer served.
    Left,
    /// Its client ended it.
    Ended,
}
