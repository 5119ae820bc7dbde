//! The short form of a resource that lists, searches and sweep comparison read instead of its document.

use super::document::Document;
use super::id::{ResourceId, Seq};
use super::time::Timestamp;

/// What a kind extracts from a document for its row.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RowFields {
    /// Which version of its kind's projection made these fields. A row of another version is made anew from its document
    /// when it is read.
    pub projection: u32,
    /// The `Name` tag, or the kind's own name field; as AWS gave it (hostile until shown).
    pub name: Option<String>,
    /// The owning account, where AWS says it.
    pub owner: Option<String>,
    /// Values that filters match, as (the filter's number in its kind, value). Several values of one filter repeat it.
    pub facets: Vec<(u16, String)>,
    /// Tags, as (key, value).
    pub tags: Vec<(String, String)>,
}

/// One resource in the `rows` table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Which resource.
    pub id: ResourceId,
    /// What its kind extracted.
    pub fields: RowFields,
    /// The document's digest: an equal describe changes nothing.
    pub digest: u128,
    /// Whether an assertion is unsettled.
    pub provisional: bool,
    /// The newest evidence when the row was written.
    pub seen: Timestamp,
    /// The record that changed the resource last.
    pub changed: Seq,
}

/// Makes a row's fields of a document; every kind has its own, in the registry.
pub type Project = fn(&ResourceId, &Document) -> RowFields;
