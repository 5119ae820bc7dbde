//! The calls with idempotency keys that run, so that a repeat waits for the call and does not run beside it.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::model::keyed_call::CallKey;

/// The keyed calls that run. Clones share one book.
#[derive(Clone, Debug, Default)]
pub struct KeyBook(Arc<Mutex<HashMap<CallKey, RunningKey>>>);

#[derive(Debug)]
struct RunningKey {
    digest: u128,
    ended: CancellationToken,
}

/// What the book says of a call that comes.
#[derive(Debug)]
pub enum KeyTurn {
    /// No call with this key runs, so it may run.
    Mine(KeyPlace),
    /// The same call runs; the token is cancelled once it has ended.
    Repeat(CancellationToken),
    /// Another call with this key runs.
    Other,
}

/// The place of a call that runs, until it is dropped.
#[derive(Debug)]
pub struct KeyPlace {
    book: KeyBook,
    key: CallKey,
    _ended: DropGuard,
}

impl Drop for KeyPlace {
    fn drop(&mut self) {
        self.book.0.lock().remove(&self.key);
    }
}

impl KeyBook {
    /// Takes the turn of a call whose tool and arguments have this digest.
    #[must_use]
    pub fn begin(&self, key: &CallKey, digest: u128) -> KeyTurn {
        let mut running = self.0.lock();
        match running.get(key) {
            Some(other) if other.digest == digest => KeyTurn::Repeat(other.ended.clone()),
            Some(_) => KeyTurn::Other,
            None => {
                let ended = CancellationToken::new();
                running.insert(key.clone(), RunningKey { digest, ended: ended.clone() });
                KeyTurn::Mine(KeyPlace { book: self.clone(), key: key.clone(), _ended: ended.drop_guard() })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Principal;

    #[test]
    fn a_repeat_waits_and_another_call_is_told_so_until_the_first_has_ended() {
        let (book, key) = (KeyBook::default(), CallKey::of(&Principal::of_user("uid:1"), "k"));
        let KeyTurn::Mine(place) = book.begin(&key, 1) else { panic!("the first") };
        let KeyTurn::Repeat(ended) = book.begin(&key, 1) else { panic!("the same") };
        assert!(matches!(book.begin(&key, 2), KeyTurn::Other));
        let other = CallKey::of(&Principal::of_user("uid:2"), "k");
        assert!(matches!(book.begin(&other, 2), KeyTurn::Mine(_)), "keys are of one user");
        assert!(!ended.is_cancelled());
        drop(place);
        assert!(ended.is_cancelled());
        assert!(matches!(book.begin(&key, 2), KeyTurn::Mine(_)));
    }
}
