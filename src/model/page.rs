//! The answer of one describe call: a page of resources, on its way from the kind that reads it to the writer that records it.

use std::sync::Arc;

use super::document::Document;
use super::listed_item::{ItemHash, UnchangedItem};
use super::time::Timestamp;
use super::unreadable::UnreadableItem;

/// The answer of one describe call, with the time of its request.
///
/// A kind fills in what the SDK's answer holds (`items`, `next`); [`crate::aws`] adds the rest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// AWS time just before the request left: nothing in the answer is older.
    pub sent_at: Timestamp,
    /// The resources.
    pub items: Vec<Item>,
    /// Listed resources that were not decoded, because the bytes that show them are as they were.
    pub unchanged: Vec<UnchangedItem>,
    /// Listed resources whose form cannot be read.
    pub unreadable: Vec<UnreadableItem>,
    /// The optional parameters that were left out because the endpoint does not know them.
    pub left_out: LeftOut,
    /// The ids that were asked for, and that AWS said do not exist.
    pub absent: Vec<Arc<str>>,
    /// The token of the next page; `None` when this was the last.
    pub next: Option<String>,
}

impl Page {
    /// The resources, each with the time from which on its content counts.
    pub fn dated(self) -> impl Iterator<Item = (Timestamp, Item)> {
        let Page { items, sent_at, .. } = self;
        items.into_iter().map(move |item| (sent_at, item))
    }
}

/// One resource of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// AWS's id; empty if AWS gave none.
    pub id: Arc<str>,
    /// All that AWS said about the resource.
    pub document: Arc<Document>,
    /// The hash of the bytes that it was decoded from, if they may be remembered.
    pub hash: Option<ItemHash>,
}

impl Item {
    /// A resource with this id.
    #[must_use]
    pub fn new(id: impl Into<Arc<str>>, document: impl Into<Arc<Document>>) -> Self {
        Item { id: id.into(), document: document.into(), hash: None }
    }
}

/// The optional parameters that a describe leaves out.
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

    /// Whether the parameter is left out.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.0.contains(&name)
    }

    /// Adds one more parameter.
    pub fn add(&mut self, name: &'static str) {
        if !self.has(name) {
            self.0.push(name);
        }
    }

    /// The value for an optional flag: `Some(true)`, or `None` if it is left out.
    #[must_use]
    pub fn unless(&self, name: &str) -> Option<bool> {
        (!self.has(name)).then_some(true)
    }
}
