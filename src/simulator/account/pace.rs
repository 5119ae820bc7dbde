//! How long things take in an account.

use std::time::Duration;

/// How long each kind of change takes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    pub(crate) start: Duration,
    pub(crate) stop: Duration,
    pub(crate) initializing: Duration,
    /// How long a volume is creating, attaching, detaching or deleting.
    pub(crate) volume: Duration,
    pub(crate) snapshot: Duration,
    /// How long a NAT gateway is pending or deleting.
    pub(crate) nat: Duration,
}
