//! The connections whose handshake is not done: few at a time, so that those which say nothing take no place from others.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

/// How many there may be. A handshake takes milliseconds, and a connection takes a file, of which a process may have few.
const MAX: usize = 48;

/// The connections whose handshake is not done. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct UnfinishedHandshakes(Arc<Mutex<VecDeque<(u64, CancellationToken)>>>);

/// A connection whose handshake is not done, until it is dropped.
#[derive(Debug)]
pub struct UnfinishedHandshake {
    number: u64,
    given_up: CancellationToken,
    all: UnfinishedHandshakes,
}

impl UnfinishedHandshakes {
    /// Begins a handshake. Where there are too many, the oldest is given up.
    #[must_use]
    pub fn begin(&self) -> UnfinishedHandshake {
        let (number, given_up) = (fastrand::u64(..), CancellationToken::new());
        let mut all = self.0.lock();
        if all.len() >= MAX
            && let Some((_, oldest)) = all.pop_front()
        {
            oldest.cancel();
        }
        all.push_back((number, given_up.clone()));
        UnfinishedHandshake { number, given_up, all: self.clone() }
    }
}

impl UnfinishedHandshake {
    /// Does the handshake; `None` if it was given up before its end.
    pub async fn done<T>(self, handshake: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            // What has come is read, however many others there are.
            biased;
            outcome = handshake => Some(outcome),
            () = self.given_up.cancelled() => None,
        }
    }
}

impl Drop for UnfinishedHandshake {
    fn drop(&mut self) {
        self.all.0.lock().retain(|(number, _)| *number != self.number);
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use futures::FutureExt;

    use super::*;

    #[test]
    fn the_oldest_that_says_nothing_gives_way_and_who_has_spoken_is_served() {
        let all = UnfinishedHandshakes::default();
        let [silent, spoken] = [all.begin(), all.begin()];
        let others: Vec<_> = (0..MAX).map(|_| all.begin()).collect();
        assert_eq!(silent.done(pending::<()>()).now_or_never(), Some(None));
        assert_eq!(spoken.done(async { 7 }).now_or_never(), Some(Some(7)));
        assert!(others.iter().all(|other| !other.given_up.is_cancelled()));
        drop(others);
        let again: Vec<_> = (0..MAX).map(|_| all.begin()).collect();
        assert!(again.iter().all(|other| !other.given_up.is_cancelled()), "those that ended take no place");
    }
}
