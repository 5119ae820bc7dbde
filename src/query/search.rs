//! Searches the resources of a kind: a page of those that match filters, and how many there are.

use thiserror::Error;

use super::column::ColumnValue;
use super::cursor::{Cursor, CursorError, SortedAfter};
use super::filter::Filters;
use super::lent::{lend, lender};
use super::moment::{PastError, Point, holds};
use super::order::{FirstRows, RowOrder};
use super::past::{self, PastQuery, row_at};
use super::selection::MatchingRows;
use crate::model::{Kind, LogId, ResourceId, Row, ScopeFilter, Seq};
use crate::store::{On, OrderedPage, ReadError, Store};

/// A search of one kind.
#[derive(Clone, Debug)]
pub struct Query {
    /// The kind.
    pub kind: Kind,
    /// The scopes.
    pub scope: ScopeFilter,
    /// The filters.
    pub filters: Filters,
    /// The order of the rows; that of their ids when `None`.
    pub order: Option<RowOrder>,
    /// The point in the past; now when `None`. A page with a cursor has the cursor's point.
    pub point: Option<Point>,
    /// The most rows on a page.
    pub limit: usize,
    /// The cursor of the previous page.
    pub cursor: Option<String>,
}

/// A page of matches.
#[derive(Clone, Debug)]
pub struct Hits {
    /// The matching rows, in order.
    pub rows: Vec<Row>,
    /// How many match, over all pages.
    pub total: u64,
    /// The last record that is taken into account.
    pub seq: Seq,
    /// For a page of the past: whether a first sweep was under way then, which had not shown everything yet.
    pub partial: bool,
    /// The cursor of the next page; `None` on the last.
    pub next: Option<Cursor>,
    log: LogId,
    question: u64,
    point: Option<Point>,
    order: Option<RowOrder>,
}

/// Why a search failed.
#[derive(Debug, Error)]
pub enum SearchError {
    /// The cursor does not belong to this question.
    #[error(transparent)]
    Cursor(#[from] CursorError),
    /// The log does not know the point in the past.
    #[error(transparent)]
    Past(#[from] PastError),
    /// The store could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
}

impl Query {
    /// A hash that differs between searches whose pages must not be mixed. Limits may change between pages.
    fn hash(&self) -> u64 {
        let order = self.order.as_ref().map(|order| format!("\n{}", order.written())).unwrap_or_default();
        let text = format!("{}\n{}\n{:016x}{order}", self.kind, self.scope, self.filters.hash());
        xxhash_rust::xxh3::xxh3_64(text.as_bytes())
    }
}

impl Hits {
    /// Keeps the first `count` rows; the next page starts after them.
    pub fn truncate(&mut self, count: usize) {
        if count < self.rows.len() {
            self.rows.truncate(count);
            // The last page has a next one now.
            self.next = next(self.log, self.question, self.point, self.order.as_ref(), &self.rows);
        }
    }
}

/// Searches through the index, or without one through the rows, at about a millisecond per thousand.
///
/// # Errors
/// [`SearchError`]; a cursor of another question is refused, not reinterpreted.
pub fn search(store: &Store, query: &Query) -> Result<Hits, SearchError> {
    let (log, question) = (store.cursor_log(), query.hash());
    let cursor = query.cursor.as_deref().map(|text| Cursor::decode(text, log, question)).transpose()?;
    if cursor.as_ref().is_some_and(|cursor| cursor.after.kind != query.kind || cursor.point != query.point) {
        return Err(CursorError::OtherQuestion.into());
    }
    // The hash of the question tells sorted lists apart.
    if cursor.as_ref().is_some_and(|cursor| cursor.sorted.is_some() != query.order.is_some()) {
        return Err(CursorError::OtherQuestion.into());
    }
    let after = cursor.as_ref().map(|cursor| &cursor.after);
    let ((mut rows, total, seq), partial) = match (&query.order, query.point) {
        (Some(order), _) => match indexed(store, query, order, cursor.as_ref())? {
            Some(page) => (page, false),
            None => sorted(store, query, order, cursor.as_ref())?,
        },
        (None, Some(point)) => then(store, query, after, point)?,
        (None, None) if query.filters.is_empty() => (all(store, query, after)?, false),
        (None, None) => (some(store, query, after)?, false),
    };
    let more = rows.len() > query.limit;
    rows.truncate(query.limit);
    if lender(&query.kind).is_some() {
        let snapshot = store.snapshot()?;
        rows.iter_mut().try_for_each(|row| lend(&snapshot, row, query.point))?;
    }
    let order = query.order.clone();
    let next = if more { next(log, question, query.point, order.as_ref(), &rows) } else { None };
    Ok(Hits { rows, total, seq, partial, next, log, question, point: query.point, order })
}

/// The cursor of the page after `rows`.
fn next(log: LogId, question: u64, point: Option<Point>, order: Option<&RowOrder>, rows: &[Row]) -> Option<Cursor> {
    let last = rows.last()?;
    let sorted = order.map(|order| SortedAfter { value: order.value(last).map(str::to_owned) });
    Some(Cursor { log, question, point, after: last.id.clone(), sorted })
}

/// The rows of a page and one more, how many match, and the seq at which they were read.
type Counted = (Vec<Row>, u64, Seq);

/// A page of all rows.
fn all(store: &Store, query: &Query, after: Option<&ResourceId>) -> Result<Counted, ReadError> {
    let snapshot = store.snapshot()?;
    let rows = snapshot.rows(&query.kind, &query.scope, after, query.limit.saturating_add(1))?;
    Ok((rows, store.count(&snapshot, &query.kind, &query.scope)?, snapshot.seq()))
}

/// A page of the current matching rows in the order of a filter's or a tag's values, out of the index; `None` where the index has
/// no such values, or is ahead of what can be read.
fn indexed(
    store: &Store,
    query: &Query,
    order: &RowOrder,
    cursor: Option<&Cursor>,
) -> Result<Option<Counted>, PastError> {
    let Query { kind, scope, filters, point, limit, .. } = query;
    let is_lent = order.column().is_lent() && lender(kind).is_some();
    let on = match &order.column().value {
        ColumnValue::Filtered(on @ (On::Facet(_) | On::Tag(_))) if point.is_none() && !is_lent => on,
        _ => return Ok(None),
    };
    let after = cursor.and_then(|cursor| {
        let SortedAfter { value } = cursor.sorted.as_ref()?;
        Some((order.place(value.as_deref()), &cursor.after))
    });
    let after = after.as_ref().map(|(place, id)| (place, *id));
    let name = order.written();
    let page = OrderedPage { on, name: &name, after, limit: limit.saturating_add(1) };
    let place = |value: Option<&str>| order.place(value);
    let Some(found) = store.ordered(kind, scope, filters.matcher(), &page, &place) else {
        return Ok(None);
    };
    let snapshot = store.snapshot()?;
    if found.seq > snapshot.seq() {
        return Ok(None);
    }
    let point = Point { at: snapshot.newest_time()?, seq: found.seq };
    if holds(&snapshot, point).is_err() {
        return Ok(None);
    }
    let rows: Result<Vec<Row>, PastError> =
        found.ids.iter().filter_map(|id| row_at(&snapshot, id, point).transpose()).collect();
    let rows = match rows {
        // One that is not there would make the page look like the last one.
        Ok(rows) if rows.len() < found.ids.len() => return Ok(None),
        Ok(rows) => rows,
        // The stored rows are read without those that cannot be.
        Err(PastError::Read(ReadError::Damaged(_))) => return Ok(None),
        Err(error) => return Err(error),
    };
    Ok(Some((rows, found.total, found.seq)))
}

/// A page of the matching rows in an order, and whether a first sweep was under way at the point.
fn sorted(
    store: &Store,
    query: &Query,
    order: &RowOrder,
    cursor: Option<&Cursor>,
) -> Result<(Counted, bool), PastError> {
    let Query { kind, scope, filters, point, limit, .. } = query;
    let (scope, is_lent) = (scope, order.column().is_lent());
    let after = cursor.and_then(|cursor| Some((cursor.sorted.as_ref()?.value.as_deref(), &cursor.after)));
    let mut first = FirstRows::new(order, after, limit.saturating_add(1));
    let mut total = 0;
    let selection = MatchingRows { kind, scope, filters, point: *point, is_lent };
    let (seq, partial) = selection.each(store, |row| {
        total += 1;
        first.add(row);
    })?;
    Ok(((first.rows(), total, seq), partial))
}

/// A page of the rows that met the filters at `point`, and whether a first sweep was under way then.
fn then(store: &Store, query: &Query, after: Option<&ResourceId>, point: Point) -> Result<(Counted, bool), PastError> {
    let wanted = PastQuery {
        kind: &query.kind,
        scope: &query.scope,
        matcher: query.filters.matcher(),
        point,
        after,
        limit: query.limit.saturating_add(1),
    };
    let past::PastPage { rows, total, partial } = past::page(store, wanted)?;
    Ok(((rows, total, point.seq), partial))
}

/// A page of the rows that meet the filters.
fn some(store: &Store, query: &Query, after: Option<&ResourceId>) -> Result<Counted, ReadError> {
    let Query { kind, scope, filters, limit, .. } = query;
    let wanted = limit.saturating_add(1);
    let found = store.scan(kind, scope, filters.matcher(), after, wanted)?;
    let (total, seq, mut ids, mut asked) = (found.total, found.seq, found.ids, wanted);
    let mut rows: Vec<Row> = Vec::new();
    loop {
        let snapshot = store.snapshot()?;
        for id in &ids {
            match snapshot.row(id) {
                Ok(row) => rows.extend(row),
                // The answer says so.
                Err(ReadError::Damaged(_)) => {}
                Err(error) => return Err(error),
            }
        }
        drop(snapshot);
        // A row that the index named may be gone by now. The page is filled up, else it would look like the last one.
        let is_full = ids.len() == asked;
        asked = wanted.saturating_sub(rows.len());
        let Some(last) = ids.last().filter(|_| is_full && asked > 0) else { return Ok((rows, total, seq)) };
        ids = store.scan(kind, scope, filters.matcher(), Some(last), asked)?.ids;
    }
}

#[cfg(test)]
mod tests;
