//! The turns that the sweeps of all scopes take, so that many scopes do not sweep at once.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How many sweeps may run at once.
const SWEEPS: usize = 128;
/// How many of those whose last sweep failed or was slow, beside the others: what hangs holds up nothing else.
const SLOW: usize = 64;
/// A page that takes longer is slow: AWS needs one to three seconds for a page of 1,000 instances.
const SLOW_PAGE: Duration = Duration::from_secs(5);

/// The turns of all sweeps of a server. Whoever waits longest is next. Clones share them.
#[derive(Clone, Debug)]
pub(super) struct SweepTurns {
    well: Arc<Semaphore>,
    slow: Arc<Semaphore>,
}

/// The turn of one sweep.
#[derive(Debug)]
pub(super) struct SweepTurn {
    is_well: bool,
    _permit: OwnedSemaphorePermit,
}

/// How a sweep went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Manner {
    /// There was none yet, or it was quick.
    #[default]
    Well,
    /// It failed.
    Failed,
    /// It ended after so many pages.
    Ended {
        /// How many.
        pages: u32,
    },
    /// It was slow.
    Slow,
}

impl Manner {
    /// The same, judged by how long it took.
    pub(super) fn after(self, took: Duration) -> Self {
        match self {
            Manner::Ended { pages } if took > SLOW_PAGE * pages.max(1) => Manner::Slow,
            Manner::Ended { .. } => Manner::Well,
            other => other,
        }
    }
}

impl SweepTurns {
    /// Turns for one server.
    pub(super) fn new() -> Self {
        SweepTurns { well: Arc::new(Semaphore::new(SWEEPS)), slow: Arc::new(Semaphore::new(SLOW)) }
    }

    /// Waits for a turn of a kind whose last sweep went like this. It is over when what is returned is dropped.
    pub(super) async fn take(&self, last: Manner) -> Option<SweepTurn> {
        let is_well = matches!(last, Manner::Well | Manner::Ended { .. });
        let turns = if is_well { &self.well } else { &self.slow };
        // Never closed.
        let permit = Arc::clone(turns).acquire_owned().await.ok()?;
        Some(SweepTurn { is_well, _permit: permit })
    }

    /// Changes the turn of a sweep that does not get on for one beside those that are slow.
    pub(super) async fn yield_to_others(&self, turn: &mut Option<SweepTurn>) {
        if turn.as_ref().is_some_and(|turn| turn.is_well) {
            *turn = None;
            *turn = self.take(Manner::Slow).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sweep_is_slow_by_the_time_that_its_pages_took() {
        let ended = Manner::Ended { pages: 10 };
        assert_eq!(ended.after(Duration::from_secs(49)), Manner::Well);
        assert_eq!(ended.after(Duration::from_secs(51)), Manner::Slow);
        assert_eq!(Manner::Ended { pages: 0 }.after(Duration::from_secs(6)), Manner::Slow);
        assert_eq!(Manner::Failed.after(Duration::ZERO), Manner::Failed);
    }

    #[tokio::test(start_paused = true)]
    async fn what_fails_or_is_slow_holds_up_nothing_that_is_well() {
        let turns = SweepTurns::new();
        let mut held = Vec::new();
        for _ in 0..SLOW {
            held.push(turns.take(Manner::Failed).await);
        }
        let waits = tokio::time::timeout(Duration::from_mins(1), turns.take(Manner::Slow)).await;
        assert!(waits.is_err());
        assert!(turns.take(Manner::Well).await.is_some());
        held.pop();
        assert!(turns.take(Manner::Slow).await.is_some());
    }
}
