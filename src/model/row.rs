//! The short form of a resource that lists, searches and the comparison of sweeps read instead of its document.

use super::document::Document;
use super::id::{ResourceId, Seq};
use super::time::Timestamp;

/// What a kind extracts from a document for its row.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RowFields {
    /// The version of the kind's projection that made these fields. A row of another version is made again from its document when
    /// it is read.
    pub projection: u32,
    /// The `Name` tag or the kind's own name field, as AWS gave it (hostile until shown).
    pub name: Option<String>,
    /// The owning account, if AWS names it.
    pub owner: Option<String>,
    /// Values that filters match, as (number of the filter in its kind, value). A filter with several values is repeated.
    pub facets: Vec<(u16, String)>,
    /// Tags, as (key, value).
    pub tags: Vec<(String, String)>,
}

/// One resource in the `rows` table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The resource.
    pub id: ResourceId,
    /// The fields that its kind extracted.
    pub fields: RowFields,
    /// The document's fingerprint: a describe with an equal one changes nothing.
    pub digest: u128,
    /// Whether an assertion is not settled yet.
    pub provisional: bool,
    /// The newest evidence when the row was written.
    pub seen: Timestamp,
    /// The record that last changed the resource.
    pub changed: Seq,
}

/// Extracts a row's fields from a document; each kind has its own function, in the registry.
pub type Project = fn(&ResourceId, &Document) -> RowFields;
