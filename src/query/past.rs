//! The inventory as it was known at a point in the past.
//!
//! A row whose last change is not after the point is still as it was then. Only resources that changed or were removed since are
//! rebuilt, from their state at the horizon and their own records up to the point. Each resource is rebuilt alone, whichever
//! later state is read, so a walk may take a new snapshot at every step.
//!
//! There are two ways to make a page. One undoes changes: it finds the resources that the records since then touched, and
//! corrects the current page from the index (or `rows`) by them. The other walks all rows and removed resources of the kind. The
//! cost of the first grows with the changes since then, the cost of the second with the number of resources.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use super::moment::{PastError, Point, holds};
use crate::model::{Cause, Current, Kind, ResourceId, Row, Scope, ScopeFilter, Seq};
use crate::store::{Matcher, ReadError, Snapshot, Store};

/// How many rows, and as many removed resources, are read from one snapshot.
const STEP: usize = if cfg!(test) { 2 } else { 1_000 };
/// How many records are read from one snapshot.
const RECORDS: usize = if cfg!(test) { 3 } else { 2_000 };
/// About how many rows are walked in the time that reading and undoing one record takes.
const ROWS_A_RECORD: u64 = 2;
/// How often undoing starts again when commits come in between.
const TRIES: usize = 5;

/// A request for a page of the inventory at a point in the past.
#[derive(Clone, Copy, Debug)]
pub struct PastQuery<'a> {
    /// The kind.
    pub kind: &'a Kind,
    /// The scopes.
    pub scope: &'a ScopeFilter,
    /// The conditions that rows meet.
    pub matcher: &'a Matcher,
    /// The point in the past.
    pub point: Point,
    /// The row after which the page starts, in key order.
    pub after: Option<&'a ResourceId>,
    /// The most rows on the page.
    pub limit: usize,
}

/// A page of the past.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PastPage {
    /// The rows in key order.
    pub rows: Vec<Row>,
    /// How many there are on all pages.
    pub total: u64,
    /// Whether a first sweep was under way then, so that existing resources may be missing.
    pub partial: bool,
}

/// Makes a page of the inventory as it was, by the cheaper of the two ways.
///
/// # Errors
/// When the log does not reach back to the point, or the store cannot be read.
pub fn page(store: &Store, wanted: PastQuery<'_>) -> Result<PastPage, PastError> {
    let snapshot = store.snapshot()?;
    let since = snapshot.seq().0.saturating_sub(wanted.point.seq.0);
    let rows = snapshot.count(wanted.kind, &ScopeFilter::Everywhere)?;
    // Scopes that are no longer watched are missing from the current index and counts.
    let is_same = wanted.scope.is_with_retired() || snapshot.retired().values().all(|since| *since < wanted.point.at);
    drop(snapshot);
    if is_same
        && since.saturating_mul(ROWS_A_RECORD) < rows
        && let Some(page) = undone(store, wanted)?
    {
        return Ok(page);
    }
    walked(store, wanted)
}

/// Makes a page by walking all current and removed resources.
///
/// # Errors
/// As for [`page`].
pub fn walked(store: &Store, wanted: PastQuery<'_>) -> Result<PastPage, PastError> {
    let PastQuery { kind, scope, matcher, point, after, limit } = wanted;
    let mut page = PastPage::default();
    let partial = each(store, kind, scope, point, None, |row| {
        if matcher.matches(&row) {
            page.total += 1;
            if page.rows.len() < limit && after.is_none_or(|after| row.id > *after) {
                page.rows.push(row);
            }
        }
        ControlFlow::Continue(())
    })?;
    Ok(PastPage { partial, ..page })
}

/// Makes a page by undoing the changes since then; `None` when there is no index, or commits come faster than they are undone.
///
/// # Errors
/// As for [`page`].
pub fn undone(store: &Store, wanted: PastQuery<'_>) -> Result<Option<PastPage>, PastError> {
    let filtered = !wanted.matcher.conditions().is_empty();
    if filtered && !store.index().is_ready() {
        return Ok(None);
    }
    let mut touched = TouchedRows { rows: BTreeMap::new(), upto: wanted.point.seq, partial: false };
    touched.follow(store, wanted)?;
    for _ in 0..TRIES {
        let now = if filtered {
            indexed(store, wanted, &touched)?
        } else {
            let snapshot = store.snapshot()?;
            everything(&snapshot, wanted, &touched)?.map(|page| (page, snapshot))
        };
        let Some((mut page, snapshot)) = now else {
            // Something was committed meanwhile, or the index is ahead of the snapshot.
            touched.follow(store, wanted)?;
            continue;
        };
        holds(&snapshot, wanted.point)?;
        let then = touched.rows.values().flatten().filter(|row| wanted.matcher.matches(row));
        let mut then: Vec<&Row> = then.collect();
        page.total += then.len() as u64;
        then.retain(|row| wanted.after.is_none_or(|after| row.id > *after));
        page.rows.extend(then.into_iter().take(wanted.limit).cloned());
        page.rows.sort_unstable_by(|a, b| a.id.cmp(&b.id));
        page.rows.truncate(wanted.limit);
        page.partial = touched.partial;
        return Ok(Some(page));
    }
    Ok(None)
}

/// The resources that records after the point touched, as they were at the point.
struct TouchedRows {
    rows: BTreeMap<ResourceId, Option<Row>>,
    /// All records up to here were read.
    upto: Seq,
    /// Whether one of them is of a first sweep.
    partial: bool,
}

impl TouchedRows {
    /// Reads to the end of the log.
    fn follow(&mut self, store: &Store, wanted: PastQuery<'_>) -> Result<(), PastError> {
        loop {
            let snapshot = store.snapshot()?;
            holds(&snapshot, wanted.point)?;
            let (records, next) = snapshot.records_from(self.upto.next(), RECORDS)?;
            for record in &records {
                let Some(id) = record.event.resource() else { continue };
                let is_left_out = |of: &Scope| !wanted.scope.is_with_retired() && snapshot.leaves_out(of);
                let of = id.scope();
                let is_wanted = id.kind == *wanted.kind && wanted.scope.takes(&of) && !is_left_out(&of);
                self.partial |= is_wanted && record.cause == Cause::Baseline;
                if is_wanted && !self.rows.contains_key(id) {
                    self.rows.insert(id.clone(), row_then(&snapshot, id, wanted.point)?);
                }
            }
            let Some(next) = next else {
                self.upto = snapshot.seq();
                return Ok(());
            };
            self.upto = Seq(next.0.saturating_sub(1));
        }
    }
}

/// The current rows that were not touched, and how many there are; `None` when the snapshot is newer than `touched`.
fn everything(
    snapshot: &Snapshot,
    wanted: PastQuery<'_>,
    touched: &TouchedRows,
) -> Result<Option<PastPage>, PastError> {
    let PastQuery { kind, scope, limit, .. } = wanted;
    if snapshot.seq() != touched.upto {
        return Ok(None);
    }
    let mut page = PastPage { rows: Vec::new(), total: snapshot.count(kind, scope)?, partial: false };
    for id in touched.rows.keys() {
        page.total -= u64::from(snapshot.digest_of(id)?.is_some());
    }
    let mut after = wanted.after.cloned();
    while page.rows.len() < limit {
        let rows = snapshot.rows(kind, scope, after.as_ref(), limit)?;
        after = rows.last().map(|row| row.id.clone());
        let is_last = rows.len() < limit;
        page.rows.extend(rows.into_iter().filter(|row| !touched.rows.contains_key(&row.id)));
        if is_last {
            break;
        }
    }
    page.rows.truncate(limit);
    Ok(Some(page))
}

/// The same for matching rows, from the index, which has a seq of its own; `None` when `touched` or the snapshot is at another
/// seq, or there is no index.
fn indexed(
    store: &Store,
    wanted: PastQuery<'_>,
    touched: &TouchedRows,
) -> Result<Option<(PastPage, Snapshot)>, PastError> {
    let PastQuery { kind, scope, matcher, after, limit, .. } = wanted;
    let most = limit.saturating_add(touched.rows.len());
    let Some(found) = store.find(kind, scope, matcher, after, most) else { return Ok(None) };
    let snapshot = store.snapshot()?;
    if found.seq > touched.upto || snapshot.seq() != touched.upto {
        return Ok(None);
    }
    let mut page = PastPage { rows: Vec::new(), total: found.total, partial: false };
    for id in touched.rows.keys() {
        let row = match snapshot.row(id)? {
            Some(row) if row.changed <= found.seq => Some(row),
            _ => row_then(&snapshot, id, Point { at: wanted.point.at, seq: found.seq })?,
        };
        page.total -= u64::from(row.is_some_and(|row| matcher.matches(&row)));
    }
    for id in found.ids.iter().filter(|id| !touched.rows.contains_key(id)).take(limit) {
        // An untouched row is as the index has it.
        page.rows.extend(snapshot.row(id)?);
    }
    Ok(Some((page, snapshot)))
}

/// Calls `visit` with the row of every resource of a kind as it was at `point`, in key order, of some scopes or all, after `after`
/// or from the first. Returns whether a first sweep was under way at `point`, as far as the visited rows show.
///
/// # Errors
/// When the log does not reach back to `point` any more, or the store cannot be read.
pub fn each(
    store: &Store,
    kind: &Kind,
    scope: &ScopeFilter,
    point: Point,
    after: Option<&ResourceId>,
    mut visit: impl FnMut(Row) -> ControlFlow<()>,
) -> Result<bool, PastError> {
    let mut after = after.cloned();
    let mut partial = false;
    loop {
        let snapshot = store.snapshot()?.watched_at(point.at);
        holds(&snapshot, point)?;
        let mut rows = snapshot.rows(kind, scope, after.as_ref(), STEP)?;
        let page = snapshot.tombstones_after(kind, after.as_ref(), STEP)?;
        let mut removed = page.gone;
        // If one list is full, more of it may follow before the end of the other.
        let ends = [(rows.len() >= STEP).then(|| rows.last().map(|row| row.id.clone())).flatten(), page.next];
        let end = ends.into_iter().flatten().min();
        if let Some(end) = &end {
            rows.retain(|row| row.id <= *end);
            removed.retain(|(id, _)| id <= end);
        }
        removed.retain(|(id, tombstone)| tombstone.seq > point.seq && scope.takes(&id.scope()));
        let mut removed = removed.into_iter().map(|(id, _)| id).peekable();
        let mut show = |id: &ResourceId, row: Option<Row>| {
            let Some(row) = row else {
                partial = partial || is_baseline(&snapshot, id, point)?;
                return Ok(ControlFlow::Continue(()));
            };
            Ok::<_, PastError>(visit(row))
        };
        for row in rows {
            while let Some(id) = removed.next_if(|id| *id < row.id) {
                if show(&id, row_then(&snapshot, &id, point)?)?.is_break() {
                    return Ok(partial);
                }
            }
            let id = row.id.clone();
            let row = if row.changed <= point.seq { Some(row) } else { row_then(&snapshot, &id, point)? };
            if show(&id, row)?.is_break() {
                return Ok(partial);
            }
        }
        for id in removed {
            if show(&id, row_then(&snapshot, &id, point)?)?.is_break() {
                return Ok(partial);
            }
        }
        match end {
            Some(end) => after = Some(end),
            None => return Ok(partial),
        }
    }
}

/// Whether a first sweep after `point` found a resource, which therefore may have existed at `point`.
pub(super) fn is_baseline(snapshot: &Snapshot, id: &ResourceId, point: Point) -> Result<bool, PastError> {
    // A few records before it may be calls of tools.
    let next = snapshot.timeline(id, point.seq.next(), 5)?;
    Ok(next.iter().any(|record| record.cause == Cause::Baseline))
}

/// The row of a resource at `point`, which is the current one where that did not change since.
pub(super) fn row_at(snapshot: &Snapshot, id: &ResourceId, point: Point) -> Result<Option<Row>, PastError> {
    match snapshot.row(id)? {
        Some(row) if row.changed <= point.seq => Ok(Some(row)),
        _ => row_then(snapshot, id, point),
    }
}

/// The row of a resource at `point`; `None` when it did not exist, or one of its records is damaged, which the store notes.
pub(super) fn row_then(snapshot: &Snapshot, id: &ResourceId, point: Point) -> Result<Option<Row>, PastError> {
    let current: Option<Current> = match snapshot.past(id, point.seq) {
        Err(ReadError::Damaged(_)) => None,
        current => current?,
    };
    Ok(current.map(|current| snapshot.row_of(id, &current)))
}

#[cfg(test)]
mod tests;
