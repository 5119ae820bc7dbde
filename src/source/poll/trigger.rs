//! Requests a sweep before it is due.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Notify;

/// Requests a sweep of one kind in one scope now, or during a sweep another one right after it. A request waits until it is served.
#[derive(Debug, Default)]
pub struct SweepTrigger {
    is_wanted: AtomicBool,
    wanted: Notify,
    /// Has whoever runs the sweeps of the whole scope look again which are due.
    scope: Arc<Notify>,
}

impl SweepTrigger {
    /// A trigger that also notifies `scope`, so that whoever runs its sweeps looks again which are due.
    #[must_use]
    pub fn of(scope: &Arc<Notify>) -> Self {
        SweepTrigger { scope: Arc::clone(scope), ..SweepTrigger::default() }
    }

    /// Requests a sweep.
    pub fn request(&self) {
        self.request_silently();
        self.scope.notify_one();
    }

    /// Requests a sweep without notifying the scope: for whoever runs its sweeps.
    pub fn request_silently(&self) {
        self.is_wanted.store(true, Ordering::Release);
        self.wanted.notify_one();
    }

    /// Whether a sweep is requested.
    #[must_use]
    pub fn is_requested(&self) -> bool {
        self.is_wanted.load(Ordering::Acquire)
    }

    /// Waits for a request, which is then served.
    pub async fn requested(&self) {
        self.wanted.notified().await;
        self.is_wanted.store(false, Ordering::Release);
    }
}
