//! The inventory as it was known at a point in the past.
//!
//! What is as it was then needs no event: a row whose last change is not after the point. Only resources that changed or were
//! removed since are put together from what is known of them at the horizon and their own records up to the point. That
//! answers for each resource alone, whichever later state is read, so a walk may take a new snapshot at every step.
//!
//! There are two ways to a page. One undoes: it finds which resources the records since then touched, and corrects by them
//! what the index (or `rows`) says of now. The other walks all rows and removed resources of the kind. The first costs what
//! happened since, the second what there is.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use super::moment::{PastError, Point, holds};
use crate::model::{Cause, Current, Kind, ResourceId, Row, Scope, Seq};
use crate::store::{Matcher, ReadError, Snapshot, Store};

/// How many rows, and as many removed resources, are read from one snapshot.
const STEP: usize = if cfg!(test) { 2 } else { 1_000 };
/// How many records are read from one snapshot.
const RECORDS: usize = if cfg!(test) { 3 } else { 2_000 };
/// How many rows are walked in the time that one record takes to be read and undone, about.
const ROWS_A_RECORD: u64 = 2;
/// How often undoing starts again when commits come in between.
const TRIES: usize = 5;

/// Which page of which resources is wanted.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// Of what kind.
    pub kind: &'a Kind,
    /// Of one scope, or of all.
    pub scope: Option<&'a Scope>,
    /// What they meet.
    pub matcher: &'a Matcher,
    /// When.
    pub point: Point,
    /// Those after it in key order.
    pub after: Option<&'a ResourceId>,
    /// At most so many.
    pub limit: usize,
}

/// A page of the past.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// In key order.
    pub rows: Vec<Row>,
    /// How many there are on all pages.
    pub total: u64,
    /// Whether a first sweep was under way then: it showed resources only later, which had been there before.
    pub partial: bool,
}

/// A page of the inventory as it was, the shorter way.
///
/// # Errors
/// When the log does not reach back to the point, or the store cannot be read.
pub fn page(store: &Store, wanted: Wanted<'_>) -> Result<Page, PastError> {
    let snapshot = store.snapshot()?;
    let since = snapshot.seq().0.saturating_sub(wanted.point.seq.0);
    let rows = snapshot.count(wanted.kind, None)?;
    // What was watched then, and is no longer, is in no index and no count of now.
    let is_same = wanted.scope.is_some() || snapshot.retired().values().all(|since| *since < wanted.point.at);
    drop(snapshot);
    if is_same
        && since.saturating_mul(ROWS_A_RECORD) < rows
        && let Some(page) = undone(store, wanted)?
    {
        return Ok(page);
    }
    walked(store, wanted)
}

/// A page, found by walking everything that there is or was.
///
/// # Errors
/// As for [`page`].
pub fn walked(store: &Store, wanted: Wanted<'_>) -> Result<Page, PastError> {
    let Wanted { kind, scope, matcher, point, after, limit } = wanted;
    let mut page = Page::default();
    let partial = each(store, kind, scope, point, None, |row| {
        if matcher.matches(&row.fields) {
            page.total += 1;
            if page.rows.len() < limit && after.is_none_or(|after| row.id > *after) {
                page.rows.push(row);
            }
        }
        ControlFlow::Continue(())
    })?;
    Ok(Page { partial, ..page })
}

/// A page, found by undoing what happened since; `None` when it has to be found the other way: there is no index, or commits
/// come faster than they are undone.
///
/// # Errors
/// As for [`page`].
pub fn undone(store: &Store, wanted: Wanted<'_>) -> Result<Option<Page>, PastError> {
    let filtered = !wanted.matcher.conditions().is_empty();
    if filtered && !store.index().is_ready() {
        return Ok(None);
    }
    let mut touched = Touched { rows: BTreeMap::new(), upto: wanted.point.seq, partial: false };
    touched.follow(store, wanted)?;
    for _ in 0..TRIES {
        let now = if filtered {
            indexed(store, wanted, &touched)?
        } else {
            let snapshot = store.snapshot()?;
            everything(&snapshot, wanted, &touched)?.map(|page| (page, snapshot))
        };
        let Some((mut page, snapshot)) = now else {
            // Something was committed meanwhile, or the index is ahead of what can be read.
            touched.follow(store, wanted)?;
            continue;
        };
        holds(&snapshot, wanted.point)?;
        let then = touched.rows.values().flatten().filter(|row| wanted.matcher.matches(&row.fields));
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

/// What records after the point touched, as it was at the point.
struct Touched {
    rows: BTreeMap<ResourceId, Option<Row>>,
    /// All records up to here were read.
    upto: Seq,
    /// Whether one of them is of a first sweep.
    partial: bool,
}

impl Touched {
    /// Reads on to the log's end.
    fn follow(&mut self, store: &Store, wanted: Wanted<'_>) -> Result<(), PastError> {
        loop {
            let snapshot = store.snapshot()?;
            holds(&snapshot, wanted.point)?;
            let records = snapshot.records(self.upto.next(), RECORDS)?;
            for record in &records {
                let Some(id) = record.event.resource() else { continue };
                let is_wanted = id.kind == *wanted.kind
                    && wanted.scope.map_or_else(|| !snapshot.leaves_out(&id.scope()), |scope| id.scope() == *scope);
                self.partial |= is_wanted && record.cause == Cause::Baseline;
                if is_wanted && !self.rows.contains_key(id) {
                    self.rows.insert(id.clone(), row_then(&snapshot, id, wanted.point)?);
                }
            }
            match records.last() {
                Some(last) if records.len() >= RECORDS => self.upto = last.seq,
                _ => {
                    self.upto = snapshot.seq();
                    return Ok(());
                }
            }
        }
    }
}

/// Of all rows of now, those that were not touched; and how many there are. `None` when the snapshot is not the one that
/// `touched` was read to.
fn everything(snapshot: &Snapshot, wanted: Wanted<'_>, touched: &Touched) -> Result<Option<Page>, PastError> {
    let Wanted { kind, scope, limit, .. } = wanted;
    if snapshot.seq() != touched.upto {
        return Ok(None);
    }
    let mut page = Page { rows: Vec::new(), total: snapshot.count(kind, scope)?, partial: false };
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

/// The same of the rows that match, by the index, which has a seq of its own. `None` when `touched` does not reach it, or no
/// snapshot does, or there is no index.
fn indexed(store: &Store, wanted: Wanted<'_>, touched: &Touched) -> Result<Option<(Page, Snapshot)>, PastError> {
    let Wanted { kind, scope, matcher, after, limit, .. } = wanted;
    let most = limit.saturating_add(touched.rows.len());
    let Some(found) = store.index().scan(kind, scope, matcher, after, most) else { return Ok(None) };
    let snapshot = store.snapshot()?;
    if found.seq > touched.upto || snapshot.seq() != touched.upto {
        return Ok(None);
    }
    let mut page = Page { rows: Vec::new(), total: found.total, partial: false };
    for id in touched.rows.keys() {
        let row = match snapshot.row(id)? {
            Some(row) if row.changed <= found.seq => Some(row),
            _ => row_then(&snapshot, id, Point { at: wanted.point.at, seq: found.seq })?,
        };
        page.total -= u64::from(row.is_some_and(|row| matcher.matches(&row.fields)));
    }
    for id in found.ids.iter().filter(|id| !touched.rows.contains_key(id)).take(limit) {
        // What nothing touched since is there as the index has it.
        page.rows.extend(snapshot.row(id)?);
    }
    Ok(Some((page, snapshot)))
}

/// Shows `visit` the row of every resource of a kind as it was at `point`, in key order: of one scope or of all; those after
/// `after`, or from the first. Returns whether a first sweep was under way at `point`, as far as what was visited shows.
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
) -> Result<bool, PastError> {
    let mut after = after.cloned();
    let mut partial = false;
    loop {
        let snapshot = store.snapshot()?.watched_at(point.at);
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

/// Whether a resource that was not there at `point` was found by a first sweep after it: then it had been there before.
pub(super) fn is_baseline(snapshot: &Snapshot, id: &ResourceId, point: Point) -> Result<bool, PastError> {
    // Right before it a tool may have been called on it.
    let next = snapshot.timeline(id, point.seq.next(), 5)?;
    Ok(next.iter().any(|record| record.cause == Cause::Baseline))
}

/// The row that lists would have shown of a resource; `None` when it was not there, and when it cannot be said because a
/// record of it is damaged: then the store has noted that.
pub(super) fn row_then(snapshot: &Snapshot, id: &ResourceId, point: Point) -> Result<Option<Row>, PastError> {
    let current: Option<Current> = match snapshot.past(id, point.seq) {
        Err(ReadError::Damaged(_)) => None,
        current => current?,
    };
    Ok(current.map(|current| snapshot.row_of(id, &current)))
}

#[cfg(test)]
mod tests;
