//! When a resource was seen.

use crate::model::Timestamp;

/// When a resource was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in crate::reconcile) struct LastSeen {
    /// The newest observation that shows that it exists.
    pub(in crate::reconcile) listed: Timestamp,
    /// The newest describe that showed it exactly as known.
    pub(in crate::reconcile) confirmed: Timestamp,
    /// The newest sweep that showed it.
    pub(in crate::reconcile) sweep: u32,
    /// Whether it was then known to be gone.
    pub(in crate::reconcile) gone: bool,
}
