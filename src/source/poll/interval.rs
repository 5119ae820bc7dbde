//! How often a kind is swept in a scope, which may change while it rests.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::Notify;

/// The time from one sweep of a kind in a scope to the next, in whole milliseconds. It is shared, and small: there are many.
#[derive(Debug)]
pub struct SweepInterval {
    millis: AtomicU64,
    /// Tells the sweep that rests.
    changed: Notify,
}

impl SweepInterval {
    /// An interval of this length.
    #[must_use]
    pub fn new(interval: Duration) -> Self {
        SweepInterval { millis: AtomicU64::new(millis(interval)), changed: Notify::new() }
    }

    /// How long it is.
    #[must_use]
    pub fn get(&self) -> Duration {
        Duration::from_millis(self.millis.load(Ordering::Acquire))
    }

    /// Makes it this long. Returns whether that changes it.
    pub fn set(&self, interval: Duration) -> bool {
        let has_changed = self.millis.swap(millis(interval), Ordering::AcqRel) != millis(interval);
        if has_changed {
            self.changed.notify_one();
        }
        has_changed
    }

    /// Waits until it was changed since the last call. Only one may wait.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }
}

fn millis(interval: Duration) -> u64 {
    u64::try_from(interval.as_millis()).unwrap_or(u64::MAX)
}
