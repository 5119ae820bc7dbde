//! What AWS lists of a kind in a scope, and nobody can read.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::model::{Timestamp, UnreadableItem};

/// Of how many without an id it is kept what is wrong with them.
const KEPT: usize = 20;

/// The resources that listings show in a form that cannot be read. They exist.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unread {
    named: BTreeMap<Arc<str>, (UnreadableItem, Timestamp)>,
    nameless: u64,
    /// Some of those without an id.
    samples: Vec<UnreadableItem>,
}

impl Unread {
    /// How many there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.named.len() as u64 + self.nameless
    }

    /// How many of them have no id.
    #[must_use]
    pub fn nameless(&self) -> u64 {
        self.nameless
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count() == 0
    }

    /// What is wrong with the resource of an id, and since when; `None` when nothing is.
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
        if self.samples.len() < KEPT {
            self.samples.push(item);
        }
    }

    /// Adds one of a listing that is not complete, to those that are known: how many have no id only a whole listing tells.
    pub(crate) fn notice(&mut self, item: &UnreadableItem, at: Timestamp) {
        if item.id.is_some() {
            self.add(item.clone(), at);
        }
    }

    /// Takes one out that was read, or is gone. Whether it was in.
    pub(crate) fn remove(&mut self, id: &str) -> bool {
        self.named.remove(id).is_some()
    }

    /// These, each since when it was among `earlier` ones, if it was.
    pub(crate) fn since(mut self, earlier: &Unread) -> Self {
        for (id, (_, since)) in &mut self.named {
            if let Some((_, before)) = earlier.named.get(id) {
                *since = *before;
            }
        }
        self
    }
}
