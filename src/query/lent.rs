//! The names and tags of statuses, which are those of what they are the status of.
//!
//! AWS shows neither on a status. A status does not change when its instance is renamed, so they are looked up when they are asked
//! for.

use super::moment::{PastError, Point};
use super::past::row_at;
use crate::kinds::{self, KindSpec};
use crate::model::{Kind, ResourceId, Row};
use crate::store::Snapshot;

/// The kind whose names and tags resources of `kind` have; `None` for a kind that has its own.
#[must_use]
pub fn lender(kind: &Kind) -> Option<&'static KindSpec> {
    kinds::by_slug(kinds::of(kind)?.tagged_kind()?)
}

/// Gives a status the name and the tags that its resource has now, or had at `point`.
///
/// # Errors
/// When the store cannot be read.
pub fn lend(snapshot: &Snapshot, row: &mut Row, point: Option<Point>) -> Result<(), PastError> {
    let Some(kind) = lender(&row.id.kind) else { return Ok(()) };
    let id = ResourceId { kind: kind.kind(), ..row.id.clone() };
    let lender = match point {
        Some(point) => row_at(snapshot, &id, point)?,
        None => snapshot.row(&id)?,
    };
    if let Some(lender) = lender {
        row.fields.name = lender.fields.name;
        row.fields.tags = lender.fields.tags;
    }
    Ok(())
}
