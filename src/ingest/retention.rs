//! The last lane: folding the oldest records away, a step at a time.
//!
//! While nothing else waits, a step follows a step until the log is within its limits, and a timer wakes the loop when records
//! come of age. Every other lane is looked at between two steps, so what comes waits for one step at most ([`MAX_FOLDED`]
//! records or [`MAX_FOLDING`], and the disk's answer).
//!
//! A loop that is always busy would never get to the last lane, and the log would grow without bound. So commits pay: while
//! the log is over its limit, a step follows as soon as commits brought half as many records as a step folds, twice the rate at
//! which the log grows; and up to two after each commit, unless somebody urgent waits, when it is well above its limit all the
//! same, because what comes is larger than what goes. Whoever committed has had the answer by then.
//!
//! Records go by age only when the time is certain: AWS has answered a whole listing in this process, and the clock has been
//! steady for a while. A server that lives for minutes only keeps the log within its size alone.

use std::time::Duration;

use tokio::time::Instant;

use super::keeper::{Keeper, LIMIT_FOR, MAX_FOLDED, YET};
use super::{Ingest, IngestError, Ledger};
use crate::model::Timestamp;
use crate::store::retain::{Folded, Retention, due};

/// A step works for about this long at most, before its commit.
const MAX_FOLDING: Duration = Duration::from_millis(10);

/// How many steps may follow one commit.
const STEPS: usize = 2;

/// How long to wait after a failure that others see as well, such as a full disk.
const PAUSE: Duration = Duration::from_mins(1);

/// How long the clock must have run without a jump before records go by age. By then AWS has answered often enough to set a clock
/// right that was wrong at the start, or has jumped.
const STEADY: Duration = Duration::from_mins(10);

/// The longest sleep: timers do not run while a machine is suspended.
const LOOK_EVERY: Duration = Duration::from_hours(1);

impl<L: Ledger> Ingest<L> {
    /// How much history is kept, in place of the default.
    #[must_use]
    pub fn retaining(mut self, retention: Retention) -> Self {
        self.keeper = Keeper::new(retention);
        self
    }

    /// Does what the lane has to do when it is its turn: looks what is due, or folds a step of it.
    pub(super) fn retain(&mut self) {
        let done = if self.keeper.target.is_some() { self.fold() } else { self.look() };
        self.note(done);
    }

    /// The lane's share while others keep the loop busy: after a commit.
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

    /// Whether the clock can be believed as far as ages of records go.
    fn is_certain(&self, asked: Instant, now: Timestamp) -> bool {
        let steady = (asked - self.keeper.begun).min(now.since(self.clock.steady_since()));
        steady >= STEADY && self.freshness.scopes().iter().any(|scope| scope.swept_now)
    }

    fn fold(&mut self) -> Result<(), IngestError> {
        let Some(target) = self.keeper.target else { return Ok(()) };
        let begun = Instant::now();
        let folded = self.ledger.fold(target, MAX_FOLDED, &mut || begun.elapsed() < MAX_FOLDING)?;
        self.keeper.appended = 0;
        match folded {
            Folded { records: 0, more: false, .. } => {
                self.keeper.target = None;
                self.keeper.wake = Some(begun + YET);
                Ok(())
            }
            Folded { more: true, .. } => Ok(()),
            // Met: what is due now may be something else.
            Folded { .. } => self.look(),
        }
    }

    /// Goes on later after a failure. After one of the disk the loop opens the store again first.
    fn note(&mut self, done: Result<(), IngestError>) {
        if let Err(error) = done {
            tracing::warn!(%error, "the log is not kept within its limits; tried again in a minute");
            self.keeper.target = None;
            self.keeper.wake = Some(Instant::now() + PAUSE);
            self.keeper.limit = Some((u64::MAX, Instant::now()));
        }
    }
}

#[cfg(test)]
mod tests;
