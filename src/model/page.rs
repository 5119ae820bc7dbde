//! What one describe call answers: a page of resources, from the kind that reads it to the writer that records it.

use std::sync::Arc;

use super::document::Document;
use super::time::Timestamp;
use super::unreadable::UnreadableItem;

/// What one describe call answered, and when it was asked.
///
/// A kind fills in what the SDK's answer shows (`items`, `next`); [`crate::aws`] adds the rest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// AWS time right before the request left: nothing in the answer is older.
    pub sent_at: Timestamp,
    /// The resources.
    pub items: Vec<Item>,
    /// What AWS listed beside them in a form that cannot be read.
    pub unreadable: Vec<UnreadableItem>,
    /// The optional parameters that the call was made without, because the endpoint does not know them.
    pub left_out: LeftOut,
    /// The token of the next page; `None` when this was the last.
    pub next: Option<String>,
}

impl Page {
    /// The resources, each with the time from which on what it shows counts.
    pub fn dated(self) -> impl Iterator<Item = (Timestamp, Item)> {
        let Page { items, sent_at, .. } = self;
        items.into_iter().map(move |item| (sent_at, item))
    }
}

/// One resource of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// AWS's id of it; empty when AWS gave none.
    pub id: Arc<str>,
    /// All that AWS said about it.
    pub document: Arc<Document>,
}

impl Item {
    /// A resource with this id.
    #[must_use]
    pub fn new(id: impl Into<Arc<str>>, document: impl Into<Arc<Document>>) -> Self {
        Item { id: id.into(), document: document.into() }
    }
}

/// The optional parameters that a describe is made without.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LeftOut(Vec<&'static str>);

impl LeftOut {
    /// The parameters of these names.
    #[must_use]
    pub fn of(names: impl IntoIterator<Item = &'static str>) -> Self {
        LeftOut(names.into_iter().collect())
    }

    /// Their names.
    #[must_use]
    pub fn names(&self) -> &[&'static str] {
        &self.0
    }

    /// Whether a parameter is among them.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.0.contains(&name)
    }

    /// Leaves one more out.
    pub fn add(&mut self, name: &'static str) {
        if !self.has(name) {
            self.0.push(name);
        }
    }

    /// What to set a parameter to that switches something on; `None` when it is left out.
    #[must_use]
    pub fn unless(&self, name: &str) -> Option<bool> {
        (!self.has(name)).then_some(true)
    }
}
