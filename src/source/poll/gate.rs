//! Decides which kind of a scope may call AWS after a refusal that only a person can fix.
//!
//! There are two kinds of refusals. A refusal of the credentials affects every kind of the scope: from then on one kind calls for
//! all of them, and the others wait for its result. A denial affects one action: the kinds whose actions are denied call in turn,
//! one at a time. Either way each attempt is one call per scope, not one per kind, because refused calls fill an account's audit
//! trail. When a call is answered, all kinds that waited for the same reason call at once. The pauses are those of [`pause`].
//!
//! [`TurnOrder`] makes the decisions; the kinds of a scope share it, and wait, through a [`Gate`].

use std::collections::VecDeque;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::aws::AwsError;
use crate::source::backoff::pause;

/// What a kind may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// It may call.
    Go,
    /// It waits until `at`, or until something changes.
    Wait {
        /// When a kind of the scope calls next; in the past while one does.
        at: Instant,
        /// Whether this kind may be the one that calls then.
        own: bool,
        /// The refusal.
        error: AwsError,
    },
}

/// Lets the kinds of a scope take turns.
#[derive(Debug)]
pub struct Gate {
    waiting: Mutex<TurnOrder>,
    /// Counts changes of the turn order.
    changes: watch::Sender<u64>,
    /// Counts requests to try everything at once.
    calls: watch::Sender<u64>,
}

/// Which kinds wait, and for what.
#[derive(Clone, Debug, Default)]
pub(super) struct TurnOrder {
    /// A refusal that affects every kind.
    scope: Option<(BlockedCall, AwsError)>,
    /// The next attempt of the kinds whose actions are denied.
    denials: Option<BlockedCall>,
    /// The kinds whose actions are denied, with the errors, in the order in which they call.
    denied: VecDeque<(&'static str, AwsError)>,
}

/// A refused call that is tried again and again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct BlockedCall {
    /// How often in a row it failed.
    failures: u32,
    /// When it is tried again.
    at: Instant,
    /// The kind that tries it now.
    asking: Option<&'static str>,
}

impl BlockedCall {
    /// A call that failed for the first time.
    fn new(error: &AwsError, now: Instant) -> Self {
        BlockedCall { failures: 1, at: now + pause(error, 1), asking: None }
    }

    /// Records that `kind` was refused; it counts as a further failure if it is the kind that tried.
    fn failed(&mut self, kind: &'static str, error: &AwsError, now: Instant) {
        if self.asking == Some(kind) {
            let failures = self.failures.saturating_add(1);
            *self = BlockedCall { failures, at: now + pause(error, failures), asking: None };
        }
    }

    /// Whether `kind` may call now; `own` says that it is its turn.
    fn lets(&mut self, kind: &'static str, own: bool, now: Instant) -> bool {
        if self.asking.is_none() && own && now >= self.at {
            self.asking = Some(kind);
        }
        self.asking == Some(kind)
    }
}

impl TurnOrder {
    /// Whether `kind` may call now.
    fn turn(&mut self, kind: &'static str, now: Instant) -> Turn {
        if let Some((closed, error)) = &mut self.scope {
            return if closed.lets(kind, true, now) {
                Turn::Go
            } else {
                Turn::Wait { at: closed.at, own: closed.asking.is_none(), error: error.clone() }
            };
        }
        let first = self.denied.front().is_some_and(|(first, _)| *first == kind);
        let Some((_, error)) = self.denied.iter().find(|(denied, _)| *denied == kind) else { return Turn::Go };
        let Some(closed) = &mut self.denials else { return Turn::Go };
        if closed.lets(kind, first, now) {
            Turn::Go
        } else {
            Turn::Wait { at: closed.at, own: first && closed.asking.is_none(), error: error.clone() }
        }
    }

    /// Records that AWS answered a call of `kind`. Returns whether that lets other kinds call.
    fn answered(&mut self, kind: &'static str) -> bool {
        let mut opened = self.scope.take().is_some();
        if self.denied.iter().any(|(denied, _)| *denied == kind) {
            // Somebody fixed a policy, perhaps for the other kinds too.
            self.denied.clear();
            self.denials = None;
            opened = true;
        }
        opened
    }

    /// Records that a call of `kind` was refused for a reason that only a person can fix. Returns when it is tried again.
    fn refused(&mut self, kind: &'static str, error: &AwsError, now: Instant) -> Instant {
        if error.is_about_scope() {
            let (closed, reason) = self.scope.get_or_insert_with(|| (BlockedCall::new(error, now), error.clone()));
            closed.failed(kind, error, now);
            *reason = error.clone();
            return closed.at;
        }
        // A denial of one action proves that the credentials are valid.
        self.scope = None;
        let known = self.denied.iter().position(|(denied, _)| *denied == kind);
        known.and_then(|place| self.denied.remove(place));
        self.denied.push_back((kind, error.clone()));
        let closed = self.denials.get_or_insert_with(|| BlockedCall::new(error, now));
        closed.failed(kind, error, now);
        closed.at
    }

    /// Records that a call of `kind` failed for a reason that says nothing about the refusal; it is tried again after `pause`.
    fn unsure(&mut self, kind: &'static str, pause: Duration, now: Instant) -> bool {
        let scope = self.scope.as_mut().map(|(closed, _)| closed);
        let mut asked = false;
        for closed in scope.into_iter().chain(self.denials.as_mut()).filter(|closed| closed.asking == Some(kind)) {
            (closed.asking, closed.at) = (None, now + pause);
            asked = true;
        }
        asked
    }

    /// Lets everything be tried at once: one call tests the credentials, and every denied action is called.
    fn try_now(&mut self, now: Instant) {
        if let Some((closed, _)) = &mut self.scope {
            (closed.failures, closed.at) = (0, now);
        }
        self.denied.clear();
        self.denials = None;
    }
}

impl Gate {
    /// A gate at which no kind waits.
    #[must_use]
    pub fn new() -> Self {
        Gate { waiting: Mutex::default(), changes: watch::Sender::new(0), calls: watch::Sender::new(0) }
    }

    /// Lets everything that failed be tried at once.
    pub fn try_now(&self) {
        self.waiting.lock().try_now(Instant::now());
        self.calls.send_modify(|count| *count += 1);
        self.changed();
    }

    /// Changes when everything is to be tried at once.
    pub(super) fn calls(&self) -> watch::Receiver<u64> {
        self.calls.subscribe()
    }

    /// Changes when the turn order changes.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    pub(super) fn turn(&self, kind: &'static str) -> Turn {
        self.waiting.lock().turn(kind, Instant::now())
    }

    pub(super) fn answered(&self, kind: &'static str) {
        if self.waiting.lock().answered(kind) {
            self.changed();
        }
    }

    pub(super) fn refused(&self, kind: &'static str, error: &AwsError) -> Instant {
        let at = self.waiting.lock().refused(kind, error, Instant::now());
        self.changed();
        at
    }

    pub(super) fn unsure(&self, kind: &'static str, pause: Duration) {
        if self.waiting.lock().unsure(kind, pause, Instant::now()) {
            self.changed();
        }
    }

    fn changed(&self) {
        self.changes.send_modify(|count| *count += 1);
    }
}

impl Default for Gate {
    fn default() -> Self {
        Gate::new()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::aws::scripted::failure;
    use crate::model::ErrorClass;

    const KINDS: [&str; 4] = ["instance", "volume", "vpc", "subnet"];

    proptest! {
        /// Whatever calls bring, in whatever order: while something touches every kind exactly one of them may ask when its time
        /// has come, of the denied ones likewise, and nobody waits for ever.
        #[test]
        fn one_kind_asks_for_all_that_wait_and_there_is_always_one(
            steps in proptest::collection::vec((0_usize..4, 0_u8..5, 0_u64..200), 1..60),
        ) {
            let (denial, expiry) = (failure(ErrorClass::Denied, "UnauthorizedOperation"), failure(ErrorClass::Fatal, "ExpiredToken"));
            let (mut waiting, mut now) = (TurnOrder::default(), Instant::now());
            for (kind, outcome, seconds) in steps {
                let kind = KINDS[kind];
                now += Duration::from_secs(seconds);
                if waiting.turn(kind, now) == Turn::Go {
                    match outcome {
                        0 => {
                            waiting.answered(kind);
                        }
                        1 => {
                            waiting.refused(kind, &denial, now);
                        }
                        2 => {
                            waiting.refused(kind, &expiry, now);
                        }
                        3 => {
                            waiting.unsure(kind, Duration::from_secs(5), now);
                        }
                        _ => waiting.try_now(now),
                    }
                }
                let later = now + Duration::from_mins(6);
                let mut then = waiting.clone();
                let asking: Vec<&str> =
                    KINDS.into_iter().filter(|kind| then.turn(kind, later) == Turn::Go).collect();
                let denied = waiting.denied.len();
                let expected = if waiting.scope.is_some() { 1 } else { KINDS.len() - denied + usize::from(denied > 0) };
                prop_assert_eq!(asking.len(), expected, "{:?} of {:?}", asking, waiting);
            }
        }
    }
}
