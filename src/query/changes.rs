//! Finds the records of the log that match a filter, page by page, in either direction.
//!
//! It is pure over snapshots: the caller provides them and decides when enough records were read. One snapshot serves a few
//! thousand records, because a long read transaction pins dead pages. No record is read twice: see [`LogCursor`].

mod baseline_runs;
mod change_filter;
mod change_tally;
mod log_cursor;

use std::ops::ControlFlow;

use thiserror::Error;

use self::baseline_runs::BaselineRun;
pub use self::baseline_runs::BaselineRuns;
pub use self::change_filter::{CauseKind, ChangeFilter, RecordMatch, meets};
pub use self::change_tally::{ChangeGroup, ChangeTally, LargestGroups};
pub use self::log_cursor::{LogCursor, LogRange, ReadOrder};
use super::moment::PastError;
use crate::model::{Recorded, ResourceId, Seq, Timestamp};
use crate::store::{ReadError, SealedRecord, Snapshot};

/// How many records are read from one snapshot, at most.
const STEP: usize = if cfg!(test) { 3 } else { 2_000 };

/// Why reading stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopReason {
    /// Every matching record that exists now was found.
    Reached,
    /// The page is full.
    Full,
    /// Enough records were read for one call.
    Enough,
}

/// A page of records.
#[derive(Clone, Debug)]
pub struct ChangePage {
    records: Vec<(Recorded, u64)>,
    hidden: u64,
    span: LogRange,
    end: StopReason,
    newest: Seq,
}

/// Why changes could not be found.
#[derive(Debug, Error)]
pub enum ChangesError {
    /// The records at the cursor were folded away.
    #[error(
        "the cursor is older than what the log keeps: single changes before {earliest} are no longer known. Start again with \
        since={earliest}"
    )]
    Expired {
        /// The earliest time the log reaches back to.
        earliest: Timestamp,
    },
    /// The cursor is of another log.
    #[error(
        "the cursor belongs to an earlier log, because the store was created anew, repaired or restored since then: start again \
        with since={}", earliest.map_or_else(|| "-1m".to_owned(), |earliest| earliest.to_string())
    )]
    Foreign {
        /// The earliest time this log reaches back to; `None` while it is empty.
        earliest: Option<Timestamp>,
    },
    /// The log does not know that time.
    #[error(transparent)]
    Past(#[from] PastError),
    /// The store could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
}

impl LogRange {
    /// The records after `from`, up to and including `to`, or without end.
    #[must_use]
    pub fn oldest(from: Seq, to: Option<Seq>) -> Self {
        LogRange { order: ReadOrder::Oldest, at: from, bound: to }
    }

    /// The records from `to` down to the one after `from`, or to the beginning of the log.
    #[must_use]
    pub fn newest(to: Seq, from: Option<Seq>) -> Self {
        LogRange { order: ReadOrder::Newest, at: to.next(), bound: from }
    }
}

impl ChangePage {
    /// The matching records, in the requested order.
    #[must_use]
    pub fn records(&self) -> impl ExactSizeIterator<Item = &Recorded> {
        self.records.iter().map(|(record, _)| record)
    }

    /// How many matching records were left out because they are quiet.
    #[must_use]
    pub fn hidden(&self) -> u64 {
        self.hidden
    }

    /// The range that is still to be read.
    #[must_use]
    pub fn span(&self) -> LogRange {
        self.span
    }

    /// Why the page ends.
    #[must_use]
    pub fn end(&self) -> StopReason {
        self.end
    }

    /// The newest record of the log when this page was read.
    #[must_use]
    pub fn newest(&self) -> Seq {
        self.newest
    }

    /// Keeps the first `count` records, at least one; the rest is still to be read.
    pub fn truncate(&mut self, count: usize) {
        if count >= self.records.len() {
            return;
        }
        self.records.truncate(count);
        if let Some((record, hidden)) = self.records.last() {
            self.hidden = *hidden;
            self.span.at = record.seq;
            self.end = StopReason::Full;
        }
    }
}

/// Reads through `span` until the page is full, nothing is left, or `enough` returns true for the number of records read. If
/// `subjects` are given, only their records are read. `runs` remembers what need not be read again.
///
/// # Errors
/// [`ChangesError::Expired`] when records that the span still had to show are folded away.
pub fn find(
    snapshot: impl Fn() -> Result<Snapshot, ReadError>,
    runs: &BaselineRuns,
    question: &ChangeFilter,
    subjects: Option<&[ResourceId]>,
    span: LogRange,
    limit: usize,
    mut enough: impl FnMut(u64) -> bool,
) -> Result<ChangePage, ChangesError> {
    let mut found = ChangePage { records: Vec::new(), hidden: 0, span, end: StopReason::Reached, newest: Seq::ZERO };
    let mut looked = 0;
    // Most questions find their page among few records.
    let mut size = limit.saturating_add(1).min(STEP);
    loop {
        let view = snapshot()?;
        found.newest = view.seq();
        in_reach(&view, found.span)?;
        let is_last = if let Some(subjects) = subjects {
            let records = step(&view, subjects, found.span, size)?;
            looked += records.len() as u64;
            let is_last = records.len() < size;
            let whole = records.into_iter().try_for_each(|record| found.take(question, record, limit));
            whole.is_continue().then_some(is_last)
        } else {
            let before = looked;
            let is_last = walk(&view, runs, question, &mut found, size, limit, &mut looked)?;
            // A long stretch is over at once, so the next ones may follow.
            if looked == before && is_last == Some(false) {
                continue;
            }
            is_last
        };
        size = size.saturating_mul(4).min(STEP);
        match is_last {
            // The page is full, or the span is over.
            None => {
                if found.end == StopReason::Reached {
                    found.span.close(view.seq());
                }
                return Ok(found);
            }
            Some(true) => {
                found.span.close(view.seq());
                return Ok(found);
            }
            Some(false) if enough(looked) => {
                found.end = StopReason::Enough;
                return Ok(found);
            }
            Some(false) => {}
        }
    }
}

/// Reads the next records of all resources, at most `size`, or skips what is known of first sweeps. Returns whether there are no
/// more; `None` when the page is full or the span is over.
fn walk(
    view: &Snapshot,
    runs: &BaselineRuns,
    question: &ChangeFilter,
    found: &mut ChangePage,
    size: usize,
    limit: usize,
    looked: &mut u64,
) -> Result<Option<bool>, ReadError> {
    let (log, span) = (view.log_id(), found.span);
    // What a first sweep found of one resource has to be looked for.
    let may_skip = question.id.is_none() && !question.quiet && question.by != Some(CauseKind::Baseline);
    if may_skip && let Some(BaselineRun { first, last, found: held }) = runs.next(log, found.span, view.horizon()) {
        for ((kind, account, region), count) in held {
            let verdict = question.verdict_of_baseline(kind.as_str(), "", account.as_str(), region.as_str());
            found.hidden += if verdict == RecordMatch::Hidden { count } else { 0 };
        }
        found.span.at = if found.span.order == ReadOrder::Oldest { last } else { first };
        return Ok(Some(false));
    }
    let stop = runs.begins(log, found.span).filter(|_| may_skip);
    let mut open = runs.open(log);
    let mut is_whole = true;
    let mut is_stopped = false;
    let mut visit = |sealed: SealedRecord<'_>| {
        if stop == Some(sealed.seq) && may_skip {
            is_stopped = true;
            // Up to the stretch, also where records before it are missing.
            found.span.at = match span.order {
                ReadOrder::Oldest => Seq(sealed.seq.0.saturating_sub(1)),
                ReadOrder::Newest => sealed.seq.next(),
            };
            return ControlFlow::Break(());
        }
        *looked += 1;
        if found.span.is_beyond(sealed.seq) {
            is_whole = false;
            return ControlFlow::Break(());
        }
        if let Some(record) = sealed.baseline() {
            open.add(sealed.seq, &record);
            match question.verdict_of_baseline(record.kind, record.id, record.account, record.region) {
                RecordMatch::Yes => {}
                verdict => {
                    found.hidden += u64::from(verdict == RecordMatch::Hidden);
                    found.span.at = sealed.seq;
                    return ControlFlow::Continue(());
                }
            }
        } else {
            open.end();
        }
        let Some(record) = sealed.open() else {
            found.span.at = sealed.seq;
            return ControlFlow::Continue(());
        };
        let taken = found.take(question, record, limit);
        is_whole = taken.is_continue();
        taken
    };
    let is_last = match span.order {
        ReadOrder::Oldest => view.each_sealed(span.at.next(), size, &mut visit)?,
        ReadOrder::Newest => view.each_sealed_before(span.at, size, &mut visit)?,
    };
    Ok(if is_whole { Some(is_last && !is_stopped) } else { None })
}

impl ChangePage {
    /// Takes the next record of the span, if it is in it; breaks when the page is full or the span is over.
    fn take(&mut self, question: &ChangeFilter, record: Recorded, limit: usize) -> ControlFlow<()> {
        if self.span.is_beyond(record.seq) {
            self.end = StopReason::Reached;
            return ControlFlow::Break(());
        }
        self.span.at = record.seq;
        match question.verdict(&record) {
            RecordMatch::No => {}
            RecordMatch::Hidden => self.hidden += 1,
            RecordMatch::Yes => {
                self.records.push((record, self.hidden));
                if self.records.len() >= limit {
                    self.end = StopReason::Full;
                    return ControlFlow::Break(());
                }
            }
        }
        ControlFlow::Continue(())
    }
}

impl LogRange {
    fn is_beyond(&self, seq: Seq) -> bool {
        match self.order {
            ReadOrder::Oldest => self.bound.is_some_and(|last| seq > last),
            ReadOrder::Newest => self.bound.is_some_and(|before| seq <= before),
        }
    }

    /// Marks everything up to `newest` as read, including the records of other resources.
    fn close(&mut self, newest: Seq) {
        self.at = match self.order {
            ReadOrder::Oldest => self.bound.map_or(newest, |last| last.min(newest)).max(self.at),
            ReadOrder::Newest => self.bound.unwrap_or(Seq::ZERO).next().min(self.at),
        };
    }

    /// Whether the range includes records that are committed from now on.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.order == ReadOrder::Oldest && self.bound.is_none_or(|last| last > self.at)
    }
}

/// Refuses a span whose records are partly folded away.
fn in_reach(snapshot: &Snapshot, span: LogRange) -> Result<(), ChangesError> {
    let needed = match span.order {
        ReadOrder::Oldest => Some(span.at),
        ReadOrder::Newest => span.bound,
    };
    match needed {
        Some(needed) if needed < snapshot.horizon() => {
            Err(ChangesError::Expired { earliest: snapshot.earliest()?.unwrap_or_default() })
        }
        _ => Ok(()),
    }
}

/// The next records of these resources in a span, at most `size`; fewer when there are no more.
fn step(snapshot: &Snapshot, subjects: &[ResourceId], span: LogRange, size: usize) -> Result<Vec<Recorded>, ReadError> {
    let mut records = Vec::new();
    for subject in subjects {
        records.extend(match span.order {
            ReadOrder::Oldest => snapshot.timeline(subject, span.at.next(), size)?,
            ReadOrder::Newest => snapshot.timeline_before(subject, span.at, size)?,
        });
    }
    // Where one record is told of a resource and of its part, the resource comes first.
    let place = |record: &Recorded| (record.seq, record.event.resource().map(|id| id.kind.as_str().len()));
    records.sort_by_key(place);
    // An action may be about several of them.
    records.dedup_by_key(|record| record.seq);
    if span.order == ReadOrder::Newest {
        records.reverse();
    }
    // The first so many of all are among the first so many of each.
    records.truncate(size);
    Ok(records)
}

#[cfg(test)]
mod tests;
