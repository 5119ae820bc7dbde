//! What somebody saw, and when.

use std::sync::Arc;

use serde::Serialize;

use super::document::{Document, Value};
use super::id::ResourceId;
use super::notice::Notice;
use super::time::Timestamp;

/// Who saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// A page of a full listing.
    Sweep,
    /// A describe of named ids.
    Refresh,
    /// An EventBridge event.
    Notification,
    /// AWS's answer to a call that a tool made.
    Tool,
}

/// One statement about one resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observation {
    /// Who saw it.
    pub source: Source,
    /// When it was true at the latest: a describe's request time, an event's own `time`, a tool answer's arrival; all
    /// in AWS time.
    pub at: Timestamp,
    /// Which resource.
    pub id: ResourceId,
    /// What was seen.
    pub seen: Seen,
}

/// The content of an [`Observation`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    /// A describe's whole answer for the resource.
    Described(Arc<Document>),
    /// A tool's answer or a state event: only the `State` field (`{Code, Name}`), ahead of the next describe.
    StateAsserted(Value),
    /// A tag event: every tag the resource has from then on.
    TagsAsserted {
        /// As a document holds them: a list of `{Key, Value}`.
        tags: Value,
        /// The event's `version`, which rises with every change of the resource's tags.
        version: u64,
    },
    /// An event that announces what AWS will do to an instance: laid into its status until it expires.
    Noticed(Notice),
    /// An event that says only that something happened to the resource: a describe will tell what.
    Mentioned,
    /// A describe of this id answered NotFound, which by itself proves nothing: the id may be too new for the answer.
    NotFound,
    /// Proved gone: a second complete sweep in a row lacks it.
    Absent,
}

/// A resource that a describe of its own would tell more about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Which.
    pub id: ResourceId,
    /// The state that it is said to have: an answer that shows another one is asked for again, as describes lag.
    pub expects: Option<String>,
}
