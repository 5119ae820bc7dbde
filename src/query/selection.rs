//! Every row of a kind that meets filters, now or at a point in the past.

use std::ops::ControlFlow;

use super::filter::Filters;
use super::lent::{lend, lender};
use super::moment::{PastError, Point, holds};
use super::past::{self, row_at};
use crate::model::{Kind, Row, ScopeFilter, Seq};
use crate::store::Store;

/// How many rows are read from one snapshot.
const STEP: usize = if cfg!(test) { 2 } else { 1_000 };

/// Which rows.
#[derive(Clone, Copy, Debug)]
pub struct MatchingRows<'a> {
    /// The kind.
    pub kind: &'a Kind,
    /// The scopes.
    pub scope: &'a ScopeFilter,
    /// The filters.
    pub filters: &'a Filters,
    /// The point in the past; now when `None`.
    pub point: Option<Point>,
    /// Whether statuses need the name and tags of what they are the status of.
    pub is_lent: bool,
}

impl MatchingRows<'_> {
    /// Calls `visit` with every row, in key order and all as of the seq that is returned, at about a millisecond per thousand.
    /// Returns as well whether a first sweep was under way at the point in the past.
    ///
    /// # Errors
    /// When the log does not reach back to the point, or the store cannot be read.
    pub fn each(&self, store: &Store, mut visit: impl FnMut(Row)) -> Result<(Seq, bool), PastError> {
        let MatchingRows { kind, scope, filters, point, is_lent } = *self;
        let is_lent = is_lent && lender(kind).is_some();
        let snapshot = store.snapshot()?;
        // The rows are as of one point, however many snapshots the walk takes. This one is after every scope stopped being
        // watched, so that those scopes are left out.
        let now = Point { at: snapshot.newest_time()?, seq: snapshot.seq() };
        drop(snapshot);
        let lent = |mut rows: Vec<Row>, point: Point, visit: &mut dyn FnMut(Row)| {
            let snapshot = store.snapshot()?;
            rows.iter_mut().try_for_each(|row| lend(&snapshot, row, Some(point)))?;
            rows.into_iter().for_each(visit);
            Ok::<_, PastError>(())
        };
        if point.is_none()
            && !filters.is_empty()
            && let Some(found) = store.find(kind, scope, filters.matcher(), None, usize::MAX)
            // The index may be ahead of what can be read.
            && found.seq <= store.snapshot()?.seq()
        {
            let point = Point { at: now.at, seq: found.seq };
            for ids in found.ids.chunks(STEP) {
                let snapshot = store.snapshot()?;
                holds(&snapshot, point)?;
                let rows = ids.iter().filter_map(|id| row_at(&snapshot, id, point).transpose());
                let rows: Vec<Row> = rows.collect::<Result<_, _>>()?;
                if is_lent {
                    lent(rows, point, &mut visit)?;
                } else {
                    rows.into_iter().for_each(&mut visit);
                }
            }
            return Ok((point.seq, false));
        }
        let point = point.unwrap_or(now);
        let (mut waiting, mut failed) = (Vec::new(), None);
        let partial = past::each(store, kind, scope, point, None, |row| {
            if !filters.matcher().matches(&row) {
                return ControlFlow::Continue(());
            }
            if !is_lent {
                visit(row);
                return ControlFlow::Continue(());
            }
            waiting.push(row);
            if waiting.len() < STEP {
                return ControlFlow::Continue(());
            }
            match lent(std::mem::take(&mut waiting), point, &mut visit) {
                Ok(()) => ControlFlow::Continue(()),
                Err(error) => {
                    failed = Some(error);
                    ControlFlow::Break(())
                }
            }
        })?;
        if let Some(error) = failed {
            return Err(error);
        }
        lent(waiting, point, &mut visit)?;
        Ok((point.seq, partial))
    }
}
