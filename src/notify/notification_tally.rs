//! Counts of what subscribers were told.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// Counts of what subscribers were told since the hub was made, and of who subscribes now.
#[derive(Debug, Default)]
pub struct NotificationTally {
    sent: AtomicU64,
    coalesced: AtomicU64,
    dropped: AtomicU64,
    modern: AtomicUsize,
    older: AtomicUsize,
}

/// What a [`NotificationTally`] has counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CountedNotifications {
    /// Notifications that were sent.
    pub sent: u64,
    /// Changes that were told together with one that the subscriber had not taken yet.
    pub coalesced: u64,
    /// Notifications that could not be sent, because their client had left or did not read.
    pub dropped: u64,
    /// Subscribers of the protocol of 2026-07-28 and later.
    pub modern: usize,
    /// Subscribers of earlier protocols.
    pub older: usize,
}

/// A subscriber, which counts until this is dropped.
#[derive(Debug)]
pub struct CountedSubscriber {
    tally: Arc<NotificationTally>,
    is_modern: bool,
}

impl NotificationTally {
    /// Counts notifications that were sent.
    pub fn note_sent(&self, number: u64) {
        self.sent.fetch_add(number, Ordering::Relaxed);
    }

    /// Counts a change that was told together with another.
    pub(super) fn note_coalesced(&self) {
        self.coalesced.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts notifications that could not be sent.
    pub fn note_dropped(&self, number: usize) {
        self.dropped.fetch_add(number as u64, Ordering::Relaxed);
    }

    /// Counts a subscriber, until what is returned is dropped. `is_modern` says that it is of the protocol of 2026-07-28 or later.
    #[must_use]
    pub fn enter(self: &Arc<Self>, is_modern: bool) -> CountedSubscriber {
        self.present(is_modern).fetch_add(1, Ordering::Relaxed);
        CountedSubscriber { tally: Arc::clone(self), is_modern }
    }

    /// What was counted so far.
    #[must_use]
    pub fn counted(&self) -> CountedNotifications {
        CountedNotifications {
            sent: self.sent.load(Ordering::Relaxed),
            coalesced: self.coalesced.load(Ordering::Relaxed),
            dropped: self.dropped.load(Ordering::Relaxed),
            modern: self.modern.load(Ordering::Relaxed),
            older: self.older.load(Ordering::Relaxed),
        }
    }

    fn present(&self, is_modern: bool) -> &AtomicUsize {
        if is_modern { &self.modern } else { &self.older }
    }
}

impl Drop for CountedSubscriber {
    fn drop(&mut self) {
        self.tally.present(self.is_modern).fetch_sub(1, Ordering::Relaxed);
    }
}
