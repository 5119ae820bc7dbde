//! How long each scope was watched, kept across restarts.
//!
//! Freshness is not event-sourced: an unchanged sweep writes nothing. On a clean stop, or together with another commit, the
//! interval is saved during which a scope was watched without a break; its end is the watermark. When watching resumes, a new
//! interval starts, so history shows when nobody was watching.

use crate::model::{Kind, Scope, Timestamp};

/// An unbroken run of complete sweeps of a kind in a scope, up to its last sweep.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watermark {
    /// The scope.
    pub scope: Scope,
    /// The kind.
    pub kind: Kind,
    /// When the run's first sweep started. Identifies the run: saving again with the same `since` extends it.
    pub since: Timestamp,
    /// When the run's last sweep started.
    pub started: Timestamp,
    /// When the run's last sweep ended.
    pub ended: Timestamp,
    /// Whether a sweep of the scope was ever complete: only then is absence from the store a fact.
    pub complete: bool,
}
