//! What can go wrong with a request, and the one place that says it in the protocol's terms.
//!
//! Resources and lists answer with a JSON-RPC error. A tool answers with a result marked `isError`, because that is what
//! the model gets to read; only an unknown tool is a protocol error.

use std::sync::Arc;

use rmcp::ErrorData;
use rmcp::model::{CallToolResult, ContentBlock};
use serde_json::json;
use thiserror::Error;

use super::policy::Writes;
use super::progress::Progress;
use super::stale::Stale;
use super::tools::arguments::ArgumentError;
use super::uri::UriError;
use crate::aws::AwsError;
use crate::ingest::IngestError;
use crate::model::text::shown;
use crate::model::{FailureCode, ResourceId, Scope, Seq, Timestamp};
use crate::query::changes::ChangesError;
use crate::query::nearness::near;
use crate::query::{CursorError, FilterError, PastError, SearchError};
use crate::store::ReadError;

/// The metadata key under which a tool that fails says [`Fault::code`].
pub const CODE: &str = "muster/code";

/// The metadata key under which a tool says the earliest time that can be asked for, where it fails for a place that the log no
/// longer keeps.
pub const EARLIEST: &str = "muster/earliest";

/// Why the store cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The fact, with the path.
    pub what: String,
    /// What to do about it.
    pub fix: String,
}

/// Why a request was not served.
#[derive(Debug, Error)]
pub enum Fault {
    /// Not a URI of ours.
    #[error(transparent)]
    Uri(#[from] UriError),
    /// A page position that cannot be used.
    #[error(transparent)]
    Cursor(#[from] CursorError),
    /// A filter that cannot be used.
    #[error("argument `filters`: {0}")]
    Filter(#[from] FilterError),
    /// Another argument that cannot be used.
    #[error(transparent)]
    Argument(#[from] ArgumentError),
    /// A time or record that the log does not know.
    #[error(transparent)]
    Past(PastError),
    /// A place in the log that cannot be gone on from.
    #[error(transparent)]
    Changes(ChangesError),
    /// The store is still being opened.
    #[error("Muster is still opening its store: ask again in a few seconds")]
    Opening,
    /// The store cannot be used.
    #[error("{}. {}", .0.what, .0.fix)]
    Failed(Arc<Failure>),
    /// The server is stopping.
    #[error("the Muster server is stopping: ask again when it runs")]
    Stopping,
    /// The store failed under a read.
    #[error("the inventory could not be read just now: {0}")]
    Read(#[from] ReadError),
    /// A row without its body, though one transaction writes both.
    #[error(
        "the store lists {0} but holds no body for it: it is damaged. Stop the Muster server and run `muster log verify --repair`"
    )]
    Bodiless(Box<ResourceId>),
    /// The store failed under a write.
    #[error(transparent)]
    Ingest(#[from] IngestError),
    /// AWS refused or could not be reached.
    #[error("{0}. {fix}", fix = .0.fix())]
    Aws(#[from] Box<AwsError>),
    /// There is no such resource.
    #[error(
        "no {title} `{id}` is known in {scopes}{}. It may be newer than the last sweep, or in another account or region. List what is known with search_inventory",
        stale.as_ref().map_or_else(String::new, |stale| doubted(stale))
    )]
    NotFound {
        /// What kind of thing.
        title: &'static str,
        /// Its id.
        id: String,
        /// Where was looked.
        scopes: String,
        /// Why it may be there all the same.
        stale: Option<Box<Stale>>,
    },
    /// An account, region or scope that this server does not watch.
    #[error("{}{} is not watched; this server watches {watched}", what.chars().take(1).flat_map(char::to_uppercase).collect::<String>(), what.chars().skip(1).collect::<String>())]
    NotWatched {
        /// What was asked for, such as `region mars-1`.
        what: String,
        /// The scopes that are watched.
        watched: String,
    },
    /// There is one, and it was never read.
    #[error(
        "{title} `{id}` exists in {scope}, but AWS lists it in a form that cannot be read: {why}. Look at it in the AWS console; Muster tries again with every sweep"
    )]
    Unreadable {
        /// What kind of thing.
        title: &'static str,
        /// Its id.
        id: String,
        /// Where it is.
        scope: Scope,
        /// What of it cannot be read.
        why: String,
    },
    /// There was one.
    #[error("{title} `{id}` is gone: its removal was recorded at {removed_at}")]
    Removed {
        /// What kind of thing.
        title: &'static str,
        /// Its id.
        id: String,
        /// When its removal was recorded.
        removed_at: Timestamp,
        /// The record of its removal.
        last_seq: Seq,
    },
    /// There was none at a point in the past.
    #[error(
        "no {title} `{id}` was known at {at}{}{}",
        removed.map_or_else(String::new, |removed| format!("; its removal was recorded at {removed}")),
        appeared.map_or_else(String::new, |appeared| format!("; it is known from {appeared} on"))
    )]
    NotThen {
        /// What kind of thing.
        title: &'static str,
        /// Its id.
        id: String,
        /// When.
        at: Timestamp,
        /// The first record of it after that.
        appeared: Option<Timestamp>,
        /// When its removal before that was recorded.
        removed: Option<Timestamp>,
    },
    /// There may be one: not everything has been seen yet.
    #[error("{subject} not seen yet, and the first sweep is not complete. {progress}")]
    NotSeenYet {
        /// What was asked for, with its verb.
        subject: String,
        /// How far the sweep is, and what keeps it.
        progress: Box<Progress>,
    },
    /// An answer that follows from what is not there, where that cannot be relied on.
    #[error("it cannot be told {what}: {why}")]
    Unsure {
        /// What was asked for.
        what: String,
        /// What cannot be relied on, and why.
        why: String,
    },
    /// No tool of that name.
    #[error("there is no tool `{name}`{}. Tools: {tools}{}", near(*nearest), off.map_or_else(String::new, |off| format!(". To enable tools that change AWS, {}", off.enable())))]
    UnknownTool {
        /// What was asked for.
        name: String,
        /// The closest tool.
        nearest: Option<&'static str>,
        /// All tools, listed.
        tools: String,
        /// Why the closest one is off, when it is.
        off: Option<Writes>,
    },
    /// A write tool on a connection that may only read.
    #[error("`{tool}` changes AWS, and this connection is read-only. To enable it, {}", writes.enable())]
    WritesOff {
        /// The tool.
        tool: &'static str,
        /// Why it is off.
        writes: Writes,
    },
    /// `resources/subscribe` where nothing would ever be delivered.
    #[error(
        "resources/subscribe over HTTP needs a session (Mcp-Session-Id): open one with initialize, or use subscriptions/listen of protocol 2026-07-28"
    )]
    NoSession,
    /// More subscriptions than one session takes.
    #[error("a session takes at most {0} subscriptions: unsubscribe from some, or subscribe to a collection")]
    TooManySubscriptions(usize),
    /// Parameters that are not those of the method.
    #[error("the parameters of {method} cannot be read: {why}")]
    Params {
        /// The method.
        method: String,
        /// What is wrong with them.
        why: String,
    },
    /// No prompt of that name.
    #[error("there is no prompt `{0}`. Prompts: fleet_health_check")]
    UnknownPrompt(String),
    /// An answer that could not be put into JSON: a fault of Muster.
    #[error("the answer could not be encoded: {0}. This is a fault of Muster; please report it")]
    Encode(#[from] serde_json::Error),
}

fn doubted(stale: &Stale) -> String {
    let since = stale.since.map_or_else(String::new, |since| format!(" since {since}"));
    format!(", but the copy is stale{since} ({})", stale.why)
}

impl From<AwsError> for Fault {
    fn from(error: AwsError) -> Self {
        Fault::Aws(Box::new(error))
    }
}

impl From<PastError> for Fault {
    fn from(error: PastError) -> Self {
        match error {
            PastError::Read(error) => Fault::Read(error),
            other => Fault::Past(other),
        }
    }
}

impl From<ChangesError> for Fault {
    fn from(error: ChangesError) -> Self {
        match error {
            ChangesError::Read(error) | ChangesError::Past(PastError::Read(error)) => Fault::Read(error),
            other => Fault::Changes(other),
        }
    }
}

impl From<SearchError> for Fault {
    fn from(error: SearchError) -> Self {
        match error {
            SearchError::Cursor(error) => Fault::Cursor(error),
            SearchError::Past(error) => error.into(),
            SearchError::Read(error) => Fault::Read(error),
        }
    }
}

impl Fault {
    /// That nobody watches `what`, such as `region mars-1`.
    #[must_use]
    pub fn unwatched(what: &str, watched: &[String]) -> Self {
        Fault::NotWatched { what: shown(what, 120), watched: watched.join(", ") }
    }

    /// What kind of failure it is, for programs to compare.
    #[must_use]
    pub fn code(&self) -> FailureCode {
        match self {
            Fault::Uri(_)
            | Fault::Filter(_)
            | Fault::Argument(_)
            | Fault::Past(PastError::Future { .. })
            | Fault::NotWatched { .. }
            | Fault::Params { .. } => FailureCode::InvalidArgument,
            Fault::UnknownTool { .. } | Fault::UnknownPrompt(_) => FailureCode::Unknown,
            Fault::Cursor(_) => FailureCode::Cursor,
            Fault::Changes(ChangesError::Foreign { .. }) => FailureCode::CursorForeign,
            Fault::Changes(ChangesError::Expired { .. }) => FailureCode::CursorExpired,
            Fault::Past(_) | Fault::Changes(_) => FailureCode::NotInLog,
            Fault::NotFound { .. } | Fault::NotThen { .. } => FailureCode::NotFound,
            Fault::Removed { .. } => FailureCode::Removed,
            Fault::Unreadable { .. } => FailureCode::Unreadable,
            Fault::NotSeenYet { .. } => FailureCode::NotSeenYet,
            Fault::WritesOff { .. } => FailureCode::WritesOff,
            Fault::NoSession | Fault::TooManySubscriptions(_) => FailureCode::Refused,
            Fault::Aws(_) => FailureCode::Aws,
            Fault::Opening | Fault::Stopping | Fault::Read(_) => FailureCode::TryAgain,
            Fault::Failed(_) | Fault::Ingest(_) | Fault::Unsure { .. } | Fault::Bodiless(_) | Fault::Encode(_) => {
                FailureCode::Failed
            }
        }
    }

    /// The earliest time that can be asked for in place of the one that failed, where there is one.
    fn earliest(&self) -> Option<Timestamp> {
        match self {
            Fault::Changes(ChangesError::Expired { earliest }) => Some(*earliest),
            _ => None,
        }
    }

    /// As a JSON-RPC error, about `uri` where there is one.
    #[must_use]
    pub fn protocol(&self, uri: Option<&str>) -> ErrorData {
        let message = self.to_string();
        let about = || uri.map(|uri| json!({"uri": uri}));
        match self {
            Fault::NotFound { stale: Some(stale), .. } => {
                ErrorData::resource_not_found(message, Some(json!({"uri": uri, "stale": stale})))
            }
            // Of a resource's URI, the scope is part of its name.
            Fault::NotWatched { .. } if uri.is_none() => ErrorData::invalid_params(message, None),
            Fault::NotFound { stale: None, .. } | Fault::NotThen { .. } | Fault::NotWatched { .. } => {
                ErrorData::resource_not_found(message, about())
            }
            Fault::Removed { removed_at, last_seq, .. } => {
                let data = json!({"uri": uri, "removed_at": removed_at, "last_seq": last_seq});
                ErrorData::resource_not_found(message, Some(data))
            }
            Fault::Uri(_)
            | Fault::Cursor(_)
            | Fault::Filter(_)
            | Fault::Argument(_)
            | Fault::Past(_)
            | Fault::Changes(_)
            | Fault::UnknownTool { .. }
            | Fault::UnknownPrompt(_)
            | Fault::Params { .. }
            | Fault::NoSession
            | Fault::TooManySubscriptions(_) => ErrorData::invalid_params(message, about()),
            Fault::WritesOff { .. } => ErrorData::invalid_request(message, None),
            Fault::Opening
            | Fault::Failed(_)
            | Fault::Stopping
            | Fault::Read(_)
            | Fault::Ingest(_)
            | Fault::Aws(_)
            | Fault::NotSeenYet { .. }
            | Fault::Unsure { .. }
            | Fault::Unreadable { .. }
            | Fault::Bodiless(_)
            | Fault::Encode(_) => {
                let retryable = match self {
                    Fault::Failed(_) | Fault::Bodiless(_) | Fault::Encode(_) => false,
                    Fault::Read(error) => error.is_retryable(),
                    _ => true,
                };
                let data = match uri {
                    Some(uri) => json!({"uri": uri, "retryable": retryable}),
                    None => json!({"retryable": retryable}),
                };
                ErrorData::internal_error(message, Some(data))
            }
        }
    }

    /// The same fault with arguments that work, where arguments are what is wrong.
    #[must_use]
    pub fn with_example(self, example: &'static str) -> Self {
        match self {
            Fault::Argument(error) => Fault::Argument(error.with_example(example)),
            other => other,
        }
    }

    /// As the result of a tool.
    #[must_use]
    pub fn result(&self) -> CallToolResult {
        let mut result = CallToolResult::error(vec![ContentBlock::text(self.to_string())]);
        let meta = result.meta.get_or_insert_default();
        meta.insert(CODE.to_owned(), json!(self.code()));
        if let Some(earliest) = self.earliest() {
            meta.insert(EARLIEST.to_owned(), json!(earliest));
        }
        result
    }
}
