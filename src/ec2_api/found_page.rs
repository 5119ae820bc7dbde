//! What a search finds for an answer.

use crate::model::{Document, Seq, Timestamp};
use crate::query::Cursor;

/// The most resources or tags of an answer that is not asked for in pages.
pub const MOST: usize = 20_000;

/// What is found for an answer.
#[derive(Clone, Debug)]
pub struct FoundPage {
    /// The documents, in the order of the answer.
    pub documents: Vec<Document>,
    /// Where the next page begins, if there is one.
    pub next: Option<Cursor>,
    /// How fresh the copy was at their moment.
    pub as_of: Timestamp,
    /// The newest record that is taken into account.
    pub seq: Seq,
    /// Whether the walk goes on from another moment than that of the page before.
    pub is_moved: bool,
}
