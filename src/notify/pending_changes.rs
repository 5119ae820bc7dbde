//! The changes that a subscriber has not fetched yet.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::model::Seq;

/// Changes that a subscriber has not fetched yet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dirty {
    /// URIs as the subscriber spelled them.
    pub uris: BTreeSet<Arc<str>>,
    /// Whether the list of resources changed.
    pub list_changed: bool,
}

impl Dirty {
    fn is_empty(&self) -> bool {
        self.uris.is_empty() && !self.list_changed
    }

    /// Takes what both hold out of this one.
    fn take_of(&mut self, other: &Dirty) -> Dirty {
        let uris = other.uris.iter().filter_map(|uri| self.uris.take(uri)).collect();
        Dirty { uris, list_changed: other.list_changed && std::mem::take(&mut self.list_changed) }
    }
}

/// What a subscriber takes whose changes are judged.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UnjudgedChanges {
    /// Everything that may have changed.
    pub dirty: Dirty,
    /// What of it changed without a commit.
    pub marked: Dirty,
    /// What of it is reported to this subscriber alone, because it may have changed unheard.
    pub own: Dirty,
    /// The last record of which everything that it changed is here, or was taken before.
    pub published: Seq,
    /// Up to which record there is nothing about what is dirty that was not taken before.
    pub silent: Seq,
}

/// The changes that a subscriber has not fetched yet, and what wakes it for them.
#[derive(Default)]
pub(super) struct PendingChanges {
    unfetched: Mutex<UnfetchedChanges>,
    wake: Notify,
    told: AtomicBool,
    /// Of what is dirty, what changed without a commit; kept for a subscriber whose commits are judged.
    marked: Option<Mutex<Dirty>>,
    /// Of what is dirty, what is reported to this subscriber alone; kept as `marked` is.
    own: Mutex<Dirty>,
}

#[derive(Default)]
struct UnfetchedChanges {
    dirty: Dirty,
    /// The first record that may be about any of it; `None` where no commit made it dirty.
    first: Option<Seq>,
}

/// Why something is dirty.
#[derive(Clone, Copy)]
pub(super) enum MarkedBy {
    /// Records were committed, of which this is the first.
    Commit(Seq),
    /// Something else says so.
    Mark,
    /// It may have changed unheard, by whatever record.
    Doubt,
}

impl UnfetchedChanges {
    /// Notes why something is dirty.
    fn note(&mut self, by: MarkedBy) {
        let first = match by {
            MarkedBy::Commit(first) => first,
            MarkedBy::Mark => return,
            MarkedBy::Doubt => Seq::ZERO,
        };
        self.first = Some(self.first.map_or(first, |known| known.min(first)));
    }
}

impl PendingChanges {
    /// For a subscriber whose changes are judged.
    pub(super) fn judged() -> Self {
        PendingChanges { marked: Some(Mutex::default()), ..PendingChanges::default() }
    }

    /// Whether the changes of the subscriber are judged.
    pub(super) fn is_judged(&self) -> bool {
        self.marked.is_some()
    }

    /// Adds what is reported to this subscriber alone.
    pub(super) fn put_own(&self, change: impl Fn(&mut Dirty)) {
        if let Some(marked) = &self.marked {
            change(&mut self.own.lock());
            change(&mut marked.lock());
        }
        change(&mut self.unfetched.lock().dirty);
        self.wake.notify_one();
    }

    /// Adds that the list changed.
    pub(super) fn put_list(&self, by: MarkedBy) {
        self.note_marked(by, |marked| marked.list_changed = true);
        let mut unfetched = self.unfetched.lock();
        unfetched.note(by);
        unfetched.dirty.list_changed = true;
        drop(unfetched);
        self.wake.notify_one();
    }

    /// Adds a URI. Who has not taken it since it was added last was woken then. Returns whether it was new.
    pub(super) fn put_uri(&self, uri: &Arc<str>, by: MarkedBy) -> bool {
        self.note_marked(by, |marked| {
            marked.uris.insert(Arc::clone(uri));
        });
        let mut unfetched = self.unfetched.lock();
        unfetched.note(by);
        let is_new = unfetched.dirty.uris.insert(Arc::clone(uri));
        drop(unfetched);
        if is_new {
            self.wake.notify_one();
        }
        is_new
    }

    /// Notes what changed without a commit.
    fn note_marked(&self, by: MarkedBy, change: impl FnOnce(&mut Dirty)) {
        if let (MarkedBy::Mark | MarkedBy::Doubt, Some(marked)) = (by, &self.marked) {
            change(&mut marked.lock());
        }
    }

    /// Takes all changes; `None` where there are none.
    pub(super) fn take(&self) -> Option<Dirty> {
        let dirty = std::mem::take(&mut *self.unfetched.lock()).dirty;
        (!dirty.is_empty()).then_some(dirty)
    }

    /// The same where they are judged. `published` is a record up to which everything was added before.
    pub(super) fn take_unjudged(&self, published: Seq) -> Option<UnjudgedChanges> {
        let UnfetchedChanges { dirty, first } = std::mem::take(&mut *self.unfetched.lock());
        if dirty.is_empty() {
            return None;
        }
        let marked = self.marked.as_ref().map(|marked| marked.lock().take_of(&dirty)).unwrap_or_default();
        let own = self.own.lock().take_of(&dirty);
        // What is stored already and not published yet may be about it as well.
        let silent = first.map_or(published, |first| published.min(Seq(first.0.saturating_sub(1))));
        Some(UnjudgedChanges { dirty, marked, own, published, silent })
    }

    /// Waits until something was added.
    pub(super) async fn added(&self) {
        self.wake.notified().await;
    }

    /// Notes that changes were taken of which something is told.
    pub(super) fn note_told(&self) {
        self.told.store(true, Ordering::Relaxed);
    }

    /// Whether changes were ever taken.
    pub(super) fn has_told(&self) -> bool {
        self.told.load(Ordering::Relaxed)
    }
}
