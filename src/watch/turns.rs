//! The turns that the sweeps of all scopes take, so that many scopes do not sweep at once.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How many sweeps may run at once.
const SWEEPS: usize = 128;
/// How many of those whose last sweep failed or was slow, beside the others: what hangs holds up nothing else.
const SLOW: usize = 64;
/// How many sweeps of scopes that somebody waits for, beside all of these.
const AHEAD: usize = 32;
/// How many scopes that rested are awake at once because something is due in them: twice as many as can sweep.
const AWAKE: usize = 256;
/// How many accounts are asked at once who they are. What does not answer is not counted.
const IDENTITIES: usize = 32;
/// How many of those that somebody waits for, beside them.
const IDENTITIES_AHEAD: usize = 8;
/// A page that takes longer is slow: AWS needs one to three seconds for a page of 1,000 instances.
const SLOW_PAGE: Duration = Duration::from_secs(5);

/// The turns of all sweeps of a server. Whoever waits longest is next. Clones share them.
#[derive(Clone, Debug)]
pub(super) struct SweepTurns {
    well: Arc<Semaphore>,
    slow: Arc<Semaphore>,
    ahead: Arc<Semaphore>,
    awake: Arc<Semaphore>,
    identities: Arc<Semaphore>,
    identities_ahead: Arc<Semaphore>,
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
        let turns = [SWEEPS, SLOW, AHEAD, AWAKE, IDENTITIES, IDENTITIES_AHEAD];
        let [well, slow, ahead, awake, identities, identities_ahead] =
            turns.map(|turns| Arc::new(Semaphore::new(turns)));
        SweepTurns { well, slow, ahead, awake, identities, identities_ahead }
    }

    /// Waits until a scope in which something is due may be awake. It is over when what is returned is dropped.
    pub(super) async fn awake(&self) -> Option<OwnedSemaphorePermit> {
        // Never closed.
        Arc::clone(&self.awake).acquire_owned().await.ok()
    }

    /// Waits for a turn of a kind whose last sweep went like this. It is over when what is returned is dropped. Once `asked` ends,
    /// because somebody waits for the scope, it goes ahead of others, unless its last sweep failed or was slow.
    pub(super) async fn take(&self, last: Manner, asked: impl Future<Output = ()>) -> Option<SweepTurn> {
        let is_well = matches!(last, Manner::Well | Manner::Ended { .. });
        let permit = if is_well {
            permit(&self.well, &self.ahead, asked).await
        } else {
            // Never closed.
            Arc::clone(&self.slow).acquire_owned().await.ok()
        };
        Some(SweepTurn { is_well, _permit: permit? })
    }

    /// Waits for the turn of an account to say who it is. It is over when what is returned is dropped. Once `asked` ends, because
    /// somebody waits for the account, it goes ahead of others.
    pub(super) async fn identity(&self, asked: impl Future<Output = ()>) -> Option<OwnedSemaphorePermit> {
        permit(&self.identities, &self.identities_ahead, asked).await
    }

    /// Changes the turn of a sweep that does not get on for one beside those that are slow.
    pub(super) async fn yield_to_others(&self, turn: &mut Option<SweepTurn>) {
        if turn.as_ref().is_some_and(|turn| turn.is_well) {
            *turn = None;
            *turn = self.take(Manner::Slow, std::future::pending()).await;
        }
    }
}

/// Waits for a turn of `usual`, and once `asked` ends also for one of `ahead`.
async fn permit(
    usual: &Arc<Semaphore>,
    ahead: &Arc<Semaphore>,
    asked: impl Future<Output = ()>,
) -> Option<OwnedSemaphorePermit> {
    let ahead = async {
        asked.await;
        Arc::clone(ahead).acquire_owned().await
    };
    let permit = tokio::select! {
        biased;
        permit = Arc::clone(usual).acquire_owned() => permit,
        permit = ahead => permit,
    };
    // Never closed.
    permit.ok()
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};
    use std::pin::pin;

    use tokio::time::timeout;

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
            held.push(turns.take(Manner::Failed, pending()).await);
        }
        let waits = timeout(Duration::from_mins(1), turns.take(Manner::Slow, ready(()))).await;
        assert!(waits.is_err());
        assert!(turns.take(Manner::Well, pending()).await.is_some());
        held.pop();
        assert!(turns.take(Manner::Slow, pending()).await.is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_asked_for_goes_ahead_also_while_it_waits() {
        let (turns, mut held) = (SweepTurns::new(), Vec::new());
        for _ in 0..SWEEPS {
            held.push(turns.take(Manner::Well, pending()).await);
        }
        let (asked, hears) = tokio::sync::oneshot::channel::<()>();
        let mut waiting = pin!(turns.take(Manner::Well, async { drop(hears.await) }));
        assert!(timeout(Duration::from_mins(1), &mut waiting).await.is_err());
        asked.send(()).unwrap();
        assert!(waiting.await.is_some());
        for _ in 0..AHEAD {
            held.push(turns.take(Manner::Well, ready(())).await);
        }
        let waits = timeout(Duration::from_mins(1), turns.take(Manner::Well, ready(()))).await;
        assert!(waits.is_err(), "those who are asked for are bounded as well");
    }
}
