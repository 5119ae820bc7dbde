//! The last lane: folds the oldest records, one step at a time.
//!
//! While nothing else waits, steps follow each other until the log is within its limits; a timer wakes the loop when records reach
//! the age limit. The other lanes are checked between two steps, so new work waits for one step at most ([`MAX_FOLDED`] records or
//! [`MAX_FOLDING`], plus the disk).
//!
//! A loop that is always busy would never reach the last lane, and the log would grow without limit. So while the log is over its
//! limit, a step follows as soon as commits added half as many records as a step folds, which is twice the rate of growth. If the
//! log is still far above its limit, because new records are larger than the folded ones, up to two steps follow each commit,
//! unless urgent work waits. The caller of the commit already has its answer by then.
//!
//! Records are folded by age only when the time is certain: AWS has answered a complete listing in this process, and the clock has
//! been steady for a while. A server that only lives for minutes limits the log by size alone.

use std::time::Duration;

use tokio::time::Instant;

use super::keeper::{Keeper, LIMIT_FOR, MAX_FOLDED, YET};
use super::{CommitLane, Ingest, IngestError, Ledger};
use crate::model::Timestamp;
use crate::store::retain::{Folded, Retention, due};

/// How long a step works at most before its commit.
const MAX_FOLDING: Duration = Duration::from_millis(10);

/// How many steps may follow one commit.
const STEPS: usize = 2;

/// How long to wait after a failure that others see as well, such as a full disk.
const PAUSE: Duration = Duration::from_mins(1);

/// How long the clock must have run without a jump before records are folded by age. By then AWS has answered often enough to
/// correct a clock that was wrong at the start, or the clock has jumped.
const STEADY: Duration = Duration::from_mins(10);

/// The longest sleep: timers do not run while a machine is suspended.
const LOOK_EVERY: Duration = Duration::from_hours(1);

impl<L: Ledger> Ingest<L> {
    /// Sets how much history is kept.
    #[must_use]
    pub fn retaining(mut self, retention: Retention) -> Self {
        self.keeper = Keeper::new(retention);
        self
    }

    /// Does the lane's work on its turn: checks what is due, or folds a step of it.
    pub(super) fn retain(&mut self) {
        let done = if self.keeper.target.is_some() { self.fold() } else { self.look() };
        self.note(done);
    }

    /// The lane's work after a commit, while others keep the loop busy.
    pub(super) fn share(&mut self) {
        if self.ledger.is_failed() {
            return;
        }
        for _ in 0..STEPS {
            let history = self.ledger.history();
            let done = if self.keeper.owes(history) {
                self.fold()
            } else if self.keeper.is_to_look(history, Instant::now()) {
                self.look()
            } else {
                return;
            };
            let failed = done.is_err();
            self.note(done);
            if failed || self.lanes.is_urgent() {
                return;
            }
        }
    }

    fn look(&mut self) -> Result<(), IngestError> {
        let stock = self.ledger.stock()?;
        let (asked, now) = (Instant::now(), self.clock.now());
        let is_certain = self.is_certain(asked, now);
        let Keeper { retention, target, limit, wake, .. } = &mut self.keeper;
        let bytes = retention.limit(&stock);
        *limit = Some((bytes, asked));
        *target = due(&stock, retention, now, is_certain);
        *wake = match (&target, stock.oldest) {
            (Some(_), _) => Some(asked),
            (None, Some(_)) if stock.history > bytes => Some(asked + YET),
            (None, Some(oldest)) => {
                let left = retention.patience().saturating_sub(now.since(oldest));
                Some(asked + left.clamp(LIMIT_FOR, LOOK_EVERY))
            }
            (None, None) => None,
        };
        Ok(())
    }

    /// Whether the clock is reliable enough for the age of records.
    fn is_certain(&self, asked: Instant, now: Timestamp) -> bool {
        let steady = (asked - self.keeper.begun).min(now.since(self.clock.steady_since()));
        steady >= STEADY && self.freshness.scopes().iter().any(|scope| scope.swept_now)
    }

    fn fold(&mut self) -> Result<(), IngestError> {
        let Some(target) = self.keeper.target else { return Ok(()) };
        let begun = Instant::now();
        self.tally.beat();
        let folded = self.ledger.fold(target, MAX_FOLDED, &mut || begun.elapsed() < MAX_FOLDING)?;
        self.tally.note_lane(CommitLane::Retention, begun.elapsed());
        self.keeper.appended = 0;
        match folded {
            Folded { records: 0, more: false, .. } => {
                self.keeper.target = None;
                self.keeper.wake = Some(begun + YET);
                Ok(())
            }
            Folded { more: true, .. } => Ok(()),
            // The target is reached: what is due now may differ.
            Folded { .. } => self.look(),
        }
    }

    /// Continues later after a failure. After a failure of the disk, the loop first reopens the store.
    fn note(&mut self, done: Result<(), IngestError>) {
        if let Err(error) = done {
            tracing::warn!(%error, "the log could not be kept within its limits; the next try is in a minute");
            self.keeper.target = None;
            self.keeper.wake = Some(Instant::now() + PAUSE);
            self.keeper.limit = Some((u64::MAX, Instant::now()));
        }
    }
}

#[cfg(test)]
mod tests;
