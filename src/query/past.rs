//! The inventory as it was known at a point in the past.
//!
//! What is as it was then needs no event: a row whose last change is not after the point. Only resources that changed or were
//! removed since are put together from what is known of them at the horizon and their own records up to the point. That
//! answers for each resource alone, whichever later state is read, so a walk may take a new snapshot at every step.

use std::ops::ControlFlow;

use super::moment::{PastError, Point, holds};
use crate::model::{Current, Kind, ResourceId, Row, Scope};
use crate::store::{Snapshot, Store};

/// How many rows, and as many removed resources, are read from one snapshot.
const STEP: usize = 1_000;

/// Shows `visit` the row of every resource of a kind as it was at `point`, in key order: of one scope or of all; those after
/// `after`, or from the first.
///
/// # Errors
/// When the log does not reach back to `point` any more, or the store cannot be read.
pub fn each(
    store: &Store,
    kind: &Kind,
    scope: Option<&Scope>,
    point: Point,
    after: Option<&ResourceId>,
    mut visit: impl FnMut(Row) -> ControlFlow<()>,
) -> Result<(), PastError> {
    let mut after = after.cloned();
    loop {
        let snapshot = store.snapshot()?;
        holds(&snapshot, point)?;
        let mut rows = snapshot.rows(kind, scope, after.as_ref(), STEP)?;
        let mut removed = snapshot.tombstones(kind, after.as_ref(), STEP)?;
        // Where a list is full, more may follow before the other's end.
        let ends = [
            (rows.len() >= STEP).then(|| rows.last().map(|row| row.id.clone())).flatten(),
            (removed.len() >= STEP).then(|| removed.last().map(|(id, _)| id.clone())).flatten(),
        ];
        let end = ends.into_iter().flatten().min();
        if let Some(end) = &end {
            rows.retain(|row| row.id <= *end);
            removed.retain(|(id, _)| id <= end);
        }
        removed.retain(|(id, tombstone)| tombstone.seq > point.seq && scope.is_none_or(|scope| id.scope() == *scope));
        let mut removed = removed.into_iter().map(|(id, _)| id).peekable();
        for row in rows {
            while let Some(id) = removed.next_if(|id| *id < row.id) {
                if let Some(row) = row_then(&snapshot, &id, point)?
                    && visit(row).is_break()
                {
                    return Ok(());
                }
            }
            let row = if row.changed <= point.seq { Some(row) } else { row_then(&snapshot, &row.id, point)? };
            if row.is_some_and(|row| visit(row).is_break()) {
                return Ok(());
            }
        }
        for id in removed {
            if row_then(&snapshot, &id, point)?.is_some_and(|row| visit(row).is_break()) {
                return Ok(());
            }
        }
        match end {
            Some(end) => after = Some(end),
            None => return Ok(()),
        }
    }
}

/// The row that lists would have shown of a resource; `None` when it was not there.
fn row_then(snapshot: &Snapshot, id: &ResourceId, point: Point) -> Result<Option<Row>, PastError> {
    let current: Option<Current> = snapshot.past(id, point.seq)?;
    Ok(current.map(|current| snapshot.row_of(id, &current)))
}
