//! What was seen, by whom and when.

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

/// A statement about one resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observation {
    /// Who saw it.
    pub source: Source,
    /// The latest time at which it was true, in AWS time: a describe's request time, an event's own `time`, or the arrival of a
    /// tool's answer.
    pub at: Timestamp,
    /// Which resource.
    pub id: ResourceId,
    /// What was seen.
    pub seen: Seen,
}

/// The content of an [`Observation`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    /// The whole answer of a describe.
    Described(Arc<Document>),
    /// A tool's answer or a state event: only the `State` field (`{Code, Name}`), ahead of the next describe.
    StateAsserted(Value),
    /// A tag event: all tags that the resource has from then on.
    TagsAsserted {
        /// The tags as a document holds them: a list of `{Key, Value}`.
        tags: Value,
        /// The event's `version`, which rises with each change of the resource's tags.
        version: u64,
    },
    /// An event that announces what AWS will do to an instance. It is added to the instance's status until it expires.
    Noticed(Notice),
    /// An event that says only that something happened to the resource: a describe will show what.
    Mentioned,
    /// A describe of this id answered NotFound. This alone proves nothing: the id may be newer than the data that AWS answered
    /// from.
    NotFound,
    /// Proved gone: two complete sweeps in a row lack it.
    Absent,
}

/// A resource that should be described on its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The resource.
    pub id: ResourceId,
    /// The state it should have: describes lag, so a describe that shows another state is repeated.
    pub expects: Option<String>,
    /// Whether a tool had AWS change it: the change goes on for a while, so it is described at all times that its kind has,
    /// whatever the answers show.
    pub is_changing: bool,
}
