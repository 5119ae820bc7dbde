//! The turns of calls that are passed on to AWS, each of which lasts until the answer is sent. One account and region has at most half of
//! them at once, so that others are answered while it does not answer.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::model::Scope;

/// How many scopes may have turns of their own before those are dropped that nobody wants any more.
const KEPT: usize = 64;

/// The turns of all accounts and regions.
#[derive(Debug)]
pub struct PassTurns {
    all: Arc<Semaphore>,
    most: usize,
    of_scopes: Mutex<BTreeMap<Scope, Arc<Semaphore>>>,
}

/// A turn, which is over when this is dropped.
#[derive(Debug)]
pub struct PassTurn {
    _of_scope: OwnedSemaphorePermit,
    _of_all: OwnedSemaphorePermit,
}

impl PassTurns {
    /// As many turns as `most`.
    #[must_use]
    pub fn new(most: usize) -> Self {
        PassTurns { all: Arc::new(Semaphore::new(most)), most, of_scopes: Mutex::default() }
    }

    /// How many there are.
    #[must_use]
    pub fn most(&self) -> usize {
        self.most
    }

    /// How many one account and region may have at once.
    #[must_use]
    pub fn most_of_scope(&self) -> usize {
        self.most.div_ceil(2)
    }

    /// Waits for a turn of `scope`.
    pub(super) async fn turn(&self, scope: &Scope) -> PassTurn {
        let of_scope = self.of(scope);
        // Who waits for a turn of all holds up no other scope.
        let (Ok(of_scope), Ok(of_all)) = (of_scope.acquire_owned().await, Arc::clone(&self.all).acquire_owned().await)
        else {
            // Nobody closes them.
            return std::future::pending().await;
        };
        PassTurn { _of_scope: of_scope, _of_all: of_all }
    }

    fn of(&self, scope: &Scope) -> Arc<Semaphore> {
        let mut of_scopes = self.of_scopes.lock();
        if of_scopes.len() >= KEPT {
            of_scopes.retain(|_, turns| Arc::strong_count(turns) > 1);
        }
        let make = || Arc::new(Semaphore::new(self.most_of_scope()));
        Arc::clone(of_scopes.entry(scope.clone()).or_insert_with(make))
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;
    use crate::model::Region;
    use crate::model::fixtures::scope;

    fn numbered(n: usize) -> Scope {
        Scope { region: Region::new(format!("r-{n}")), ..scope() }
    }

    #[test]
    fn one_scope_takes_half_of_the_turns_and_leaves_the_others_to_others() {
        let turns = PassTurns::new(4);
        let take = |n| turns.turn(&numbered(n)).now_or_never();
        let mut held: Vec<PassTurn> = (0..2).map(|_| take(0).unwrap()).collect();
        assert!(take(0).is_none());
        held.extend([take(1).unwrap(), take(2).unwrap()]);
        assert!(take(3).is_none(), "all are taken");
        held.remove(0);
        held.push(take(3).unwrap());
        assert!(take(0).is_none(), "its turn went to another");
        assert_eq!((PassTurns::new(1).most_of_scope(), PassTurns::new(0).most_of_scope()), (1, 0));
    }

    #[test]
    fn the_turns_of_scopes_that_nobody_asks_any_more_are_forgotten_and_no_turn_that_is_held() {
        let turns = PassTurns::new(2);
        let held = turns.turn(&numbered(0)).now_or_never().unwrap();
        for n in 1..=3 * KEPT {
            drop(turns.turn(&numbered(n)).now_or_never().unwrap());
        }
        assert!(turns.of_scopes.lock().len() <= KEPT);
        assert!(turns.turn(&numbered(0)).now_or_never().is_none());
        drop(held);
        assert!(turns.turn(&numbered(0)).now_or_never().is_some());
    }
}
