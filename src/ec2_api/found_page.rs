//! What a search finds for an answer.

use crate::model::{Seq, Timestamp};
use crate::query::Cursor;
use crate::query::document_walk::WalkedDocument;

/// About how many resources are found before they are written, where an answer is not asked for in pages. It goes on until it has all.
pub const PART: usize = if cfg!(test) { 3 } else { 2_000 };

/// The parts of documents that [`super::document_rule`]s and reservations go by. The rest is only written.
pub const PARTS: [&str; 7] =
    ["Groups", "InstanceState.Name", "Operator.HiddenByDefault", "OwnerId", "RequesterId", "ReservationId", "State"];

/// What is found for an answer.
#[derive(Clone, Debug)]
pub struct FoundPage {
    /// The documents, in the order of the answer.
    pub documents: Vec<WalkedDocument>,
    /// Where the next page begins, or the next part of an answer without pages, if there is one.
    pub next: Option<Cursor>,
    /// How fresh the copy was at their moment.
    pub as_of: Timestamp,
    /// The newest record that is taken into account.
    pub seq: Seq,
    /// Whether the walk goes on from another moment than that of the page before.
    pub is_moved: bool,
}
