//! What somebody saw, and when.

use std::sync::Arc;

use serde::Serialize;

use super::document::{Document, Value};
use super::id::ResourceId;
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
    /// A describe of this id answered NotFound, or a second complete sweep lacks it, after a complete sweep lacked it.
    Absent,
}
