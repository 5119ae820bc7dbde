//! Which resources of a kind meet filters: a page of them, and how many there are.

use thiserror::Error;

use super::cursor::{Cursor, CursorError};
use super::filter::Filters;
use crate::model::{Kind, LogId, ResourceId, Row, Scope};
use crate::store::{ReadError, Snapshot};

/// Rows read from the store at once.
const STEP: usize = 1000;

/// A question about the resources of one kind.
#[derive(Clone, Debug)]
pub struct Query {
    /// Which kind.
    pub kind: Kind,
    /// Where; everywhere when `None`.
    pub scope: Option<Scope>,
    /// Which of them.
    pub filters: Filters,
    /// How many on a page.
    pub limit: usize,
    /// Where the page before ended.
    pub cursor: Option<String>,
}

/// A page of what was found.
#[derive(Clone, Debug)]
pub struct Hits {
    /// In the order of their ids.
    pub rows: Vec<Row>,
    /// How many meet the filters, on all pages.
    pub total: u64,
    /// Where the next page starts; `None` on the last.
    pub next: Option<String>,
    log: LogId,
    question: u64,
}

/// Why a search failed.
#[derive(Debug, Error)]
pub enum SearchError {
    /// The cursor does not belong to this question.
    #[error(transparent)]
    Cursor(#[from] CursorError),
    /// The store could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
}

impl Query {
    /// Tells questions apart whose pages must not be mixed. Limits may change between pages.
    fn hash(&self) -> u64 {
        let scope = self.scope.as_ref().map_or_else(String::new, ToString::to_string);
        let text = format!("{}\n{scope}\n{:016x}", self.kind, self.filters.hash());
        xxhash_rust::xxh3::xxh3_64(text.as_bytes())
    }
}

impl Hits {
    /// Keeps the first `count` rows; the next page starts after them.
    pub fn truncate(&mut self, count: usize) {
        if count < self.rows.len() {
            self.rows.truncate(count);
            self.next = self.rows.last().map(|row| cursor(self.log, self.question, &row.id));
        }
    }
}

/// Searches one snapshot: page and total belong together. Reads every row of the kind when there are filters, for the
/// total.
///
/// # Errors
/// [`SearchError`]; a cursor of another question is refused, not reinterpreted.
pub fn search(snapshot: &Snapshot, log: LogId, query: &Query) -> Result<Hits, SearchError> {
    let question = query.hash();
    let after = query.cursor.as_deref().map(|text| Cursor::decode(text, log, question)).transpose()?;
    let after = after.map(|cursor| cursor.after);
    if after.as_ref().is_some_and(|after| after.kind != query.kind) {
        return Err(CursorError::OtherQuestion.into());
    }
    let (mut rows, total, more) = if query.filters.is_empty() {
        let rows = snapshot.rows(&query.kind, query.scope.as_ref(), after.as_ref(), query.limit.saturating_add(1))?;
        let more = rows.len() > query.limit;
        (rows, snapshot.count(&query.kind, query.scope.as_ref())?, more)
    } else {
        filtered(snapshot, query, after.as_ref())?
    };
    rows.truncate(query.limit);
    let next = rows.last().filter(|_| more).map(|row| cursor(log, question, &row.id));
    Ok(Hits { rows, total, next, log, question })
}

/// The rows after `after` that meet the filters, how many meet them in all, and whether more follow.
fn filtered(
    snapshot: &Snapshot,
    query: &Query,
    after: Option<&ResourceId>,
) -> Result<(Vec<Row>, u64, bool), ReadError> {
    let (mut hits, mut total, mut more) = (Vec::new(), 0, false);
    let mut position: Option<ResourceId> = None;
    loop {
        let rows = snapshot.rows(&query.kind, query.scope.as_ref(), position.as_ref(), STEP)?;
        let Some(last) = rows.last() else { return Ok((hits, total, more)) };
        position = Some(last.id.clone());
        for row in rows {
            if !query.filters.matches(&row) {
                continue;
            }
            total += 1;
            if after.is_none_or(|after| row.id > *after) {
                if hits.len() < query.limit {
                    hits.push(row);
                } else {
                    more = true;
                }
            }
        }
    }
}

fn cursor(log: LogId, question: u64, after: &ResourceId) -> String {
    Cursor { log, question, after: after.clone() }.encode()
}
