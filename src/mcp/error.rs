//! Why requests fail, and how the protocol and tools report it.
//!
//! Resources and lists answer with a JSON-RPC error. A tool answers with a result marked `isError`, because the model reads
//! results; only an unknown tool is a protocol error.

mod json_rpc;

use std::sync::Arc;

use rmcp::model::{CallToolResult, ContentBlock};
use serde_json::json;
use thiserror::Error;

use super::progress::Progress;
use super::stale::Stale;
use super::tools::arguments::ArgumentError;
use super::uri::UriError;
use crate::aws::AwsError;
use crate::ingest::IngestError;
use crate::model::text::{readable, shown};
use crate::model::{FailureCode, ResourceId, Scope, Seq, Timestamp};
use crate::query::changes::ChangesError;
use crate::query::nearness::near;
use crate::query::sql::SqlError;
use crate::query::{CursorError, FilterError, PastError, SearchError};
use crate::store::ReadError;

/// The metadata key under which the result of a failed tool holds [`RequestError::code`].
pub const CODE: &str = "muster/code";

/// The metadata key for the earliest time that can be requested, when a cursor points to records that the log no longer keeps.
pub const EARLIEST: &str = "muster/earliest";

/// How many characters of an error are said.
const SAID: usize = 8_000;

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
pub enum RequestError {
    /// A URI that Muster does not serve.
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
    /// A cursor of the log that cannot be continued from.
    #[error(transparent)]
    Changes(ChangesError),
    /// A statement that has no answer.
    #[error(transparent)]
    Sql(SqlError),
    /// Other statements were not done in time.
    #[error("other SQL statements are still running, and one runs at a time: ask again in a few seconds")]
    SqlBusy,
    /// The store is still being opened.
    #[error("Muster is still opening its store: try again in a few seconds")]
    Opening,
    /// The store cannot be used.
    #[error("{}. {}", .0.what, .0.fix)]
    Failed(Arc<Failure>),
    /// The server is stopping.
    #[error("the Muster server is stopping: try again once it runs")]
    Stopping,
    /// A call of a tool came after its front end had asked what became of it.
    #[error("this call comes over a connection that broke, so nothing was sent to AWS")]
    CallOver,
    /// The system gives no random key, so no confirmation can be sealed.
    #[error(
        "the system gave the Muster server no random key, so nothing can be confirmed: a person restarts the server"
    )]
    Unsealed,
    /// The audit file is required, and behind or not writable.
    #[error("{why}")]
    NotAudited {
        /// What is wrong with it, and who can mend that.
        why: String,
    },
    /// The first call with an idempotency key is not answered yet.
    #[error("a call with this idempotency_key is still running: repeat this call to get its answer")]
    KeyUnderWay,
    /// What became of a call whose server ended cannot be found out.
    #[error(
        "it is not known whether this call changed AWS, because its server ended and {why}. Check before you repeat it"
    )]
    FateUnknown {
        /// What keeps it from being found out.
        why: String,
    },
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
        "no {title} `{id}` is known in {scopes}{}. It may be newer than the last sweep, or in another account or region. \
         List what is known with search_inventory",
        stale.as_ref().map_or_else(String::new, |stale| doubted(stale))
    )]
    NotFound {
        /// The title of the kind.
        title: &'static str,
        /// Its id.
        id: String,
        /// The scopes that were searched.
        scopes: String,
        /// Why it may exist nevertheless.
        stale: Option<Box<Stale>>,
    },
    /// AWS was asked and does not know the resource, and neither does the inventory.
    #[error("AWS was asked just now and knows no {title} `{id}` in {scopes}. It may be in another account or region")]
    NotInAws {
        /// The title of the kind.
        title: &'static str,
        /// Its id.
        id: String,
        /// The scopes in which AWS was asked.
        scopes: String,
    },
    /// An account, region or scope that this server does not watch.
    #[error("{}{} is not watched; this server watches {watched}", what.chars().take(1).flat_map(char::to_uppercase).collect::<String>(), what.chars().skip(1).collect::<String>())]
    NotWatched {
        /// What was requested, such as `region mars-1`.
        what: String,
        /// The scopes that are watched.
        watched: String,
    },
    /// A kind of which nothing may be seen.
    #[error("you may see no {plural} of this server: ask a person who runs it for a grant that holds them")]
    KindHidden {
        /// Several of them, in words.
        plural: &'static str,
    },
    /// A kind that this server does not watch.
    #[error(
        "{plural} are not watched here: `kinds` of the server leaves them out{}. To watch them, add `{slug}` to `kinds` in its \
         configuration file and run `muster reload`, or to --kinds or MUSTER_KINDS",
        since.map_or_else(String::new, |since| format!(
            " since {since}; list_changes and get_resource tell what was known of them, and as_of asks for a time before that"
        ))
    )]
    KindNotWatched {
        /// Several of them, in words.
        plural: &'static str,
        /// The kind.
        slug: &'static str,
        /// When it was watched last; `None` if it never was.
        since: Option<Timestamp>,
    },
    /// The resource exists, but was never readable.
    #[error(
        "{title} `{id}` exists in {scope}, but AWS lists it in a form that cannot be read: {why}. Look at it in the AWS \
         console; Muster tries again with every sweep"
    )]
    Unreadable {
        /// The title of the kind.
        title: &'static str,
        /// Its id.
        id: String,
        /// Where it is.
        scope: Scope,
        /// What of it cannot be read.
        why: String,
    },
    /// The resource was removed.
    #[error(
        "{title} `{id}` is gone: its removal was recorded at {removed_at} (seq {last_seq}). get_resource shows it as it was last \
         known"
    )]
    Removed {
        /// The title of the kind.
        title: &'static str,
        /// Its id.
        id: String,
        /// When its removal was recorded.
        removed_at: Timestamp,
        /// The record of its removal.
        last_seq: Seq,
    },
    /// The resource did not exist at a point in the past.
    #[error(
        "no {title} `{id}` was known at {at}{}{}",
        removed.map_or_else(String::new, |removed| format!("; its removal was recorded at {removed}")),
        appeared.map_or_else(String::new, |appeared| format!("; it is known from {appeared} on"))
    )]
    NotThen {
        /// The title of the kind.
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
    /// The resource may exist: not everything has been seen yet.
    #[error("{subject} not seen yet, and the first sweep is not complete. {progress}")]
    NotSeenYet {
        /// The subject and verb of the message, such as `the inventory was`.
        subject: String,
        /// How far the sweep is, and what holds it up.
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
    #[error("there is no tool `{name}`{}. Tools: {tools}{}", near(*nearest), off.as_ref().map_or_else(String::new, |enable| format!(". To enable it, {enable}")))]
    UnknownTool {
        /// The requested name.
        name: String,
        /// The closest tool.
        nearest: Option<&'static str>,
        /// All tools, listed.
        tools: String,
        /// How a person enables the closest one, when it is off.
        off: Option<String>,
    },
    /// A tool that only reads, where rules for those that change AWS are asked about.
    #[error("`{tool}` only reads, so no rule is about it. Tools that change AWS: {tools}")]
    OnlyReads {
        /// The tool.
        tool: &'static str,
        /// The tools that change AWS, listed.
        tools: String,
    },
    /// A write tool on a connection that may not use it.
    #[error("`{tool}` changes AWS, and this connection may not use it. To enable it, {enable}")]
    WritesOff {
        /// The tool.
        tool: &'static str,
        /// How a person enables it.
        enable: String,
    },
    /// A request over HTTP that only has an effect within a session.
    #[error(
        "{method} over HTTP needs a session (Mcp-Session-Id): open one with initialize, or {instead} of protocol 2026-07-28"
    )]
    NoSession {
        /// The method.
        method: &'static str,
        /// What clients without sessions do instead.
        instead: &'static str,
    },
    /// More subscriptions than one session takes.
    #[error("a session takes at most {0} subscriptions: unsubscribe from some, or subscribe to a collection")]
    TooManySubscriptions(usize),
    /// A template, or a variable or argument, that is not there, so that nothing completes it.
    #[error("there is no {what} `{name}` in {place}, so nothing completes it")]
    NothingToComplete {
        /// `template`, `variable` or `argument`.
        what: &'static str,
        /// Its name.
        name: String,
        /// Where it would be.
        place: String,
    },
    /// No prompt of that name.
    #[error("there is no prompt `{name}`{}. Prompts: {prompts}", near(*nearest))]
    UnknownPrompt {
        /// The requested name.
        name: String,
        /// The closest prompt.
        nearest: Option<&'static str>,
        /// All prompts, listed.
        prompts: String,
    },
    /// An answer that could not be put into JSON: a fault of Muster.
    #[error("the answer could not be encoded: {0}. This is a fault of Muster; please report it")]
    Encode(#[from] serde_json::Error),
}

fn doubted(stale: &Stale) -> String {
    let since = stale.since.map_or_else(String::new, |since| format!(" since {since}"));
    format!(", but the copy is stale{since} ({})", stale.why)
}

impl From<AwsError> for RequestError {
    fn from(error: AwsError) -> Self {
        RequestError::Aws(Box::new(error))
    }
}

impl From<PastError> for RequestError {
    fn from(error: PastError) -> Self {
        match error {
            PastError::Read(error) => RequestError::Read(error),
            other => RequestError::Past(other),
        }
    }
}

impl From<ChangesError> for RequestError {
    fn from(error: ChangesError) -> Self {
        match error {
            ChangesError::Read(error) | ChangesError::Past(PastError::Read(error)) => RequestError::Read(error),
            other => RequestError::Changes(other),
        }
    }
}

impl From<SqlError> for RequestError {
    fn from(error: SqlError) -> Self {
        match error {
            SqlError::Past(error) => error.into(),
            SqlError::Read(error) => RequestError::Read(error),
            other => RequestError::Sql(other),
        }
    }
}

impl From<SearchError> for RequestError {
    fn from(error: SearchError) -> Self {
        match error {
            SearchError::Cursor(error) => RequestError::Cursor(error),
            SearchError::Past(error) => error.into(),
            SearchError::Read(error) => RequestError::Read(error),
        }
    }
}

impl RequestError {
    /// Reports that `what`, such as `region mars-1`, is not watched.
    #[must_use]
    pub fn unwatched(what: &str, watched: String) -> Self {
        RequestError::NotWatched { what: shown(what, 240), watched }
    }

    /// The kind of failure, for programs to compare.
    #[must_use]
    pub fn code(&self) -> FailureCode {
        match self {
            RequestError::Uri(_)
            | RequestError::Filter(_)
            | RequestError::Argument(_)
            | RequestError::Sql(_)
            | RequestError::Past(PastError::Future { .. })
            | RequestError::OnlyReads { .. }
            | RequestError::KindHidden { .. }
            | RequestError::KindNotWatched { .. }
            | RequestError::NotWatched { .. } => FailureCode::InvalidArgument,
            RequestError::UnknownTool { .. }
            | RequestError::UnknownPrompt { .. }
            | RequestError::NothingToComplete { .. } => FailureCode::Unknown,
            RequestError::Cursor(_) => FailureCode::Cursor,
            RequestError::Changes(ChangesError::Foreign { .. }) => FailureCode::CursorForeign,
            RequestError::Changes(ChangesError::Expired { .. }) => FailureCode::CursorExpired,
            RequestError::Past(_) | RequestError::Changes(_) => FailureCode::NotInLog,
            RequestError::NotFound { .. } | RequestError::NotThen { .. } | RequestError::NotInAws { .. } => {
                FailureCode::NotFound
            }
            RequestError::Removed { .. } => FailureCode::Removed,
            RequestError::Unreadable { .. } => FailureCode::Unreadable,
            RequestError::NotSeenYet { .. } => FailureCode::NotSeenYet,
            RequestError::WritesOff { .. } => FailureCode::WritesOff,
            RequestError::NoSession { .. }
            | RequestError::TooManySubscriptions(_)
            | RequestError::CallOver
            | RequestError::NotAudited { .. } => FailureCode::Refused,
            RequestError::Aws(_) => FailureCode::Aws,
            RequestError::Opening
            | RequestError::Stopping
            | RequestError::KeyUnderWay
            | RequestError::SqlBusy
            | RequestError::Read(_) => FailureCode::TryAgain,
            RequestError::Failed(_)
            | RequestError::Ingest(_)
            | RequestError::Unsure { .. }
            | RequestError::FateUnknown { .. }
            | RequestError::Unsealed
            | RequestError::Bodiless(_)
            | RequestError::Encode(_) => FailureCode::Failed,
        }
    }

    /// The earliest time that can be requested instead, if there is one.
    fn earliest(&self) -> Option<Timestamp> {
        match self {
            RequestError::Changes(ChangesError::Expired { earliest }) => Some(*earliest),
            _ => None,
        }
    }

    /// The same error with an example of valid arguments, if the arguments are wrong.
    #[must_use]
    pub fn with_example(self, example: &'static str) -> Self {
        match self {
            RequestError::Argument(error) => RequestError::Argument(error.with_example(example)),
            other => other,
        }
    }

    /// The error in words: without characters that readers cannot see, and short, however long the ids in it were given.
    fn said(&self) -> String {
        readable(self.to_string()).chars().take(SAID).collect()
    }

    /// The error as the result of a tool.
    #[must_use]
    pub fn result(&self) -> CallToolResult {
        let mut result = CallToolResult::error(vec![ContentBlock::text(self.said())]);
        let meta = result.meta.get_or_insert_default();
        meta.insert(CODE.to_owned(), json!(self.code()));
        if let Some(earliest) = self.earliest() {
            meta.insert(EARLIEST.to_owned(), json!(earliest));
        }
        result
    }
}
