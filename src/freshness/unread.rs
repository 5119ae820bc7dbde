//! The listed but unreadable resources of a kind in a scope.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use crate::model::{Timestamp, UnreadableItem};

/// For how many resources without an id the faults are kept.
const MAX_SAMPLES: usize = 20;

/// The resources that listings show in a form that cannot be read. They exist.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unread {
    named: BTreeMap<Arc<str>, (UnreadableItem, Timestamp)>,
    nameless: u64,
    /// Some of those without an id.
    samples: Vec<UnreadableItem>,
}

impl Unread {
    /// None. All scopes without unreadable resources share it.
    pub(super) fn none() -> Arc<Self> {
        static NONE: OnceLock<Arc<Unread>> = OnceLock::new();
        Arc::clone(NONE.get_or_init(Arc::default))
    }

    /// The number of unreadable resources.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.named.len() as u64 + self.nameless
    }

    /// The number of those without an id.
    #[must_use]
    pub fn nameless(&self) -> u64 {
        self.nameless
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count() == 0
    }

    /// The fault of the resource with this id, and since when; `None` if it has none.
    #[must_use]
    pub fn of(&self, id: &str) -> Option<(&UnreadableItem, Timestamp)> {
        self.named.get(id).map(|(item, since)| (item, *since))
    }

    /// Those with an id, then some of those without.
    pub fn iter(&self) -> impl Iterator<Item = &UnreadableItem> {
        self.named.values().map(|(item, _)| item).chain(&self.samples)
    }

    /// Adds one that a listing showed at `at`.
    pub(crate) fn add(&mut self, item: UnreadableItem, at: Timestamp) {
        if let Some(id) = item.id.clone() {
            let since = self.named.get(&id).map_or(at, |(_, since)| *since);
            self.named.insert(id, (item, since));
            return;
        }
        self.nameless += 1;
        if self.samples.len() < MAX_SAMPLES {
            self.samples.push(item);
        }
    }

    /// Adds one from an incomplete listing to the known ones. It does not change the number of those without an id, which only a
    /// complete listing shows.
    pub(crate) fn notice(&mut self, item: &UnreadableItem, at: Timestamp) {
        if item.id.is_some() {
            self.add(item.clone(), at);
        }
    }

    /// Removes one that was read or is gone. Returns whether it was present.
    pub(crate) fn remove(&mut self, id: &str) -> bool {
        self.named.remove(id).is_some()
    }

    /// These, each with the time since when it was among the `earlier` ones, if it was.
    pub(crate) fn since(mut self, earlier: &Unread) -> Self {
        for (id, (_, since)) in &mut self.named {
            if let Some((_, before)) = earlier.named.get(id) {
                *since = *before;
            }
        }
        self
    }
}
