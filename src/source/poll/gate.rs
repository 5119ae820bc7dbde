//! Who of a scope's kinds may ask AWS, after a refusal that only a person can mend.
//!
//! A refusal is one of two kinds. One that is about the credentials touches every kind of the scope: from then on one kind asks
//! for all of them, and the others wait for what it finds. A denial touches one action: of the kinds whose actions are denied
//! one asks at a time, each in turn. Either way one call a scope is made at each time, not one a kind: refused calls fill an
//! account's audit trail. When a call is answered, whoever waited on the same matter asks at once. Times are those of [`pause`].
//!
//! [`Waiting`] decides; [`Gate`] lets the kinds of a scope share it and wait.

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
    /// Ask.
    Go,
    /// Wait: until `at`, or until something changes.
    Wait {
        /// When somebody of the scope asks; in the past while somebody does.
        at: Instant,
        /// Whether it may itself be the one who asks then.
        own: bool,
        /// What is in the way.
        error: AwsError,
    },
}

/// What the kinds of a scope share. Clones do not share it.
#[derive(Debug)]
pub struct Gate {
    waiting: Mutex<Waiting>,
    /// Counts changes of who may ask.
    changes: watch::Sender<u64>,
    /// Counts how often somebody wanted everything tried at once.
    calls: watch::Sender<u64>,
}

/// Who waits for what.
#[derive(Clone, Debug, Default)]
pub(super) struct Waiting {
    /// What touches every kind.
    scope: Option<(Closed, AwsError)>,
    /// What the kinds wait for whose actions are denied.
    denials: Option<Closed>,
    /// These kinds with the reasons, whoever is to ask next first.
    denied: VecDeque<(&'static str, AwsError)>,
}

/// Something that is tried again and again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Closed {
    /// How often in a row it failed.
    failures: u32,
    /// When it is tried again.
    at: Instant,
    /// Who tries it now.
    asking: Option<&'static str>,
}

impl Closed {
    /// It failed for the first time.
    fn new(error: &AwsError, now: Instant) -> Self {
        Closed { failures: 1, at: now + pause(error, 1), asking: None }
    }

    /// `kind` was refused: once more, when it is the one who asked.
    fn failed(&mut self, kind: &'static str, error: &AwsError, now: Instant) {
        if self.asking == Some(kind) {
            let failures = self.failures.saturating_add(1);
            *self = Closed { failures, at: now + pause(error, failures), asking: None };
        }
    }

    /// Whether `kind`, whose turn it is when `own`, may ask now.
    fn lets(&mut self, kind: &'static str, own: bool, now: Instant) -> bool {
        if self.asking.is_none() && own && now >= self.at {
            self.asking = Some(kind);
        }
        self.asking == Some(kind)
    }
}

impl Waiting {
    /// Whether `kind` may ask now.
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

    /// Takes in that AWS answered a call of `kind`. Whether that lets others ask.
    fn answered(&mut self, kind: &'static str) -> bool {
        let mut opened = self.scope.take().is_some();
        if self.denied.iter().any(|(denied, _)| *denied == kind) {
            // Somebody mended a policy: perhaps for the others as well.
            self.denied.clear();
            self.denials = None;
            opened = true;
        }
        opened
    }

    /// Takes in that a call of `kind` was refused, for a reason that only a person can mend. Gives when it is tried again.
    fn refused(&mut self, kind: &'static str, error: &AwsError, now: Instant) -> Instant {
        if error.is_about_scope() {
            let (closed, reason) = self.scope.get_or_insert_with(|| (Closed::new(error, now), error.clone()));
            closed.failed(kind, error, now);
            *reason = error.clone();
            return closed.at;
        }
        // Who may not do one thing is somebody all the same.
        self.scope = None;
        let known = self.denied.iter().position(|(denied, _)| *denied == kind);
        known.and_then(|place| self.denied.remove(place));
        self.denied.push_back((kind, error.clone()));
        let closed = self.denials.get_or_insert_with(|| Closed::new(error, now));
        closed.failed(kind, error, now);
        closed.at
    }

    /// Takes in that a call of `kind` failed in a way that says nothing of what others wait for; it is tried again after `pause`.
    fn unsure(&mut self, kind: &'static str, pause: Duration, now: Instant) -> bool {
        let scope = self.scope.as_mut().map(|(closed, _)| closed);
        let mut asked = false;
        for closed in scope.into_iter().chain(self.denials.as_mut()).filter(|closed| closed.asking == Some(kind)) {
            (closed.asking, closed.at) = (None, now + pause);
            asked = true;
        }
        asked
    }

    /// Somebody wants everything tried at once: one call tells whether the credentials are good again, every denied action is asked for.
    fn try_now(&mut self, now: Instant) {
        if let Some((closed, _)) = &mut self.scope {
            (closed.failures, closed.at) = (0, now);
        }
        self.denied.clear();
        self.denials = None;
    }
}

impl Gate {
    /// Nobody waits.
    #[must_use]
    pub fn new() -> Self {
        Gate { waiting: Mutex::default(), changes: watch::Sender::new(0), calls: watch::Sender::new(0) }
    }

    /// Has everything tried at once that failed.
    pub fn try_now(&self) {
        self.waiting.lock().try_now(Instant::now());
        self.calls.send_modify(|count| *count += 1);
        self.changed();
    }

    /// Changes when somebody wants everything tried at once.
    pub(super) fn calls(&self) -> watch::Receiver<u64> {
        self.calls.subscribe()
    }

    /// Changes with who may ask.
    pub(super) fn changes(&self) -> watch::Receiver<u64> {
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
            let (mut waiting, mut now) = (Waiting::default(), Instant::now());
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
