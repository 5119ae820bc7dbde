//! How far each scope was listed, kept across restarts.
//!
//! Freshness is not event-sourced: an unchanged sweep writes nothing. What is saved, on a clean stop or when the caller
//! has something to commit anyway, is the interval during which a scope was watched without a break; its end is the
//! watermark. A new run of watching begins a new interval, so history can say when nobody was looking.

use crate::model::{Kind, Scope, Timestamp};

/// One unbroken run of complete sweeps over a kind in a scope, up to its last sweep.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watermark {
    /// Where.
    pub scope: Scope,
    /// Which kind.
    pub kind: Kind,
    /// When the run's first sweep started. Names the run: saving again with the same `since` extends it.
    pub since: Timestamp,
    /// When the run's last sweep started.
    pub started: Timestamp,
    /// When the run's last sweep ended.
    pub ended: Timestamp,
    /// Whether a sweep of the scope was ever complete: only then is absence from the store a fact.
    pub complete: bool,
}
