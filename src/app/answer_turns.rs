//! Who is answered when: how many requests are read for at once, and how many answers without pages are on their way.
//!
//! A page is small, and keeps its turn until it is sent. An answer without pages is large: it takes a turn for each part that is read,
//! and while it is sent only one of many places, so that clients who read slowly keep nobody else from the copy.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

use crate::ec2_api::copy_fault::CopyFault;

/// How many requests are answered at once, of those for pages or named resources. A turn lasts until the answer is sent.
const FEW_AT_ONCE: usize = 16;
/// How many parts are read at once, of the answers to those for everything.
const WHOLE_AT_ONCE: usize = 4;
/// How many answers to those for everything are on their way at once. Each may take some ten megabytes.
const PLACES: usize = 64;
/// How many of them may be on their way while more of each is read than what is sent.
const AHEAD: usize = 16;

/// How long a request waits for its turn at most.
const PATIENCE: Duration = Duration::from_secs(30);

/// The turns and places of requests. Clones share them.
#[derive(Clone, Debug)]
pub(super) struct AnswerTurns {
    few: Arc<Semaphore>,
    whole: Arc<Semaphore>,
    places: Arc<Semaphore>,
}

impl AnswerTurns {
    /// Turns that nobody has taken.
    pub(super) fn new() -> Self {
        let [few, whole, places] = [FEW_AT_ONCE, WHOLE_AT_ONCE, PLACES].map(|most| Arc::new(Semaphore::new(most)));
        AnswerTurns { few, whole, places }
    }

    /// Until when a part is waited for that nothing hurries.
    pub(super) fn soon() -> Instant {
        Instant::now() + PATIENCE
    }

    /// A turn to answer with few resources, until the answer is sent. It is waited for until then, as any turn and place is.
    pub(super) async fn few(&self, until: Instant) -> Result<OwnedSemaphorePermit, CopyFault> {
        taken(&self.few, until).await
    }

    /// A turn to read everything, or a part of it.
    pub(super) async fn whole(&self, until: Instant) -> Result<OwnedSemaphorePermit, CopyFault> {
        taken(&self.whole, until).await
    }

    /// A place for an answer with everything, until it is sent.
    pub(super) async fn place(&self, until: Instant) -> Result<OwnedSemaphorePermit, CopyFault> {
        taken(&self.places, until).await
    }

    /// A turn to read a part before it can be sent, if one is free and few answers are on their way.
    pub(super) fn ahead(&self) -> Option<OwnedSemaphorePermit> {
        if self.places.available_permits() < PLACES - AHEAD {
            return None;
        }
        Arc::clone(&self.whole).try_acquire_owned().ok()
    }

    /// How many turns to read everything, and how many places, nobody has taken.
    #[cfg(test)]
    pub(super) fn free(&self) -> [usize; 2] {
        [self.whole.available_permits(), self.places.available_permits()]
    }
}

async fn taken(turns: &Arc<Semaphore>, until: Instant) -> Result<OwnedSemaphorePermit, CopyFault> {
    let begun = Instant::now();
    match timeout_at(until.min(begun + PATIENCE), Arc::clone(turns).acquire_owned()).await {
        Ok(turn) => turn.map_err(|_| CopyFault::Stopping),
        Err(_) => Err(CopyFault::Busy { waited: begun.elapsed() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_for_a_turn_without_end() {
        let turns = AnswerTurns::new();
        let mut held = Vec::new();
        for _ in 0..WHOLE_AT_ONCE {
            held.push(turns.whole(AnswerTurns::soon()).await.unwrap());
        }
        assert!(turns.ahead().is_none());
        let fault = turns.whole(AnswerTurns::soon()).await.unwrap_err();
        assert_eq!((fault.code(), fault.status()), ("MusterBusy", 400), "{fault}");
        let (begun, patience) = (Instant::now(), Duration::from_secs(7));
        let hurried = turns.whole(begun + patience).await.unwrap_err();
        assert!(matches!(hurried, CopyFault::Busy { waited } if waited >= patience && waited < PATIENCE), "{hurried}");
        assert!(turns.few(AnswerTurns::soon()).await.is_ok());
        held.pop();
        assert!(turns.whole(AnswerTurns::soon()).await.is_ok());
        assert!(turns.ahead().is_some());
    }

    #[tokio::test]
    async fn nothing_is_read_ahead_while_many_answers_are_on_their_way() {
        let turns = AnswerTurns::new();
        let mut held = Vec::new();
        while turns.ahead().is_some() {
            held.push(turns.place(AnswerTurns::soon()).await.unwrap());
        }
        assert_eq!((held.len(), turns.free()), (AHEAD + 1, [WHOLE_AT_ONCE, PLACES - AHEAD - 1]));
        assert!(turns.whole(AnswerTurns::soon()).await.is_ok() && turns.place(AnswerTurns::soon()).await.is_ok());
    }
}
