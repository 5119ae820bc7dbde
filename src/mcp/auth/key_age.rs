//! When the keys of an issuer may be fetched. Pure.

use std::time::Duration;

use tokio::time::Instant;

/// The shortest time from one fetch to the next because a token names a key that is not known. Whoever sends many of those causes no
/// more fetches than that.
pub(super) const PAUSE: Duration = Duration::from_mins(1);
/// The same while no keys are known at all.
pub(super) const RETRY: Duration = Duration::from_secs(10);
/// How long keys count before they are fetched again, so that one that the issuer has withdrawn is withdrawn here too.
pub(super) const FRESH: Duration = Duration::from_hours(1);

/// When the keys of an issuer were fetched, and when that was tried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct KeyAge {
    fetched: Option<Instant>,
    tried: Option<Instant>,
}

impl KeyAge {
    /// The same once a fetch has begun.
    pub(super) fn tried(self, now: Instant) -> Self {
        KeyAge { tried: Some(now), ..self }
    }

    /// The same once a fetch has brought keys.
    pub(super) fn fetched(self, now: Instant) -> Self {
        KeyAge { fetched: Some(now), ..self }
    }

    /// Since when keys may be fetched because one is not known.
    fn allowed(self) -> Option<Instant> {
        let pause = if self.fetched.is_some() { PAUSE } else { RETRY };
        self.tried.map(|tried| tried + pause)
    }

    /// Whether keys may be fetched because one is not known.
    pub(super) fn may_fetch(self, now: Instant) -> bool {
        self.allowed().is_none_or(|allowed| allowed <= now)
    }

    /// When keys are to be fetched, whether or not somebody asks; `None` for at once.
    pub(super) fn due(self) -> Option<Instant> {
        let old = self.fetched.map(|fetched| fetched + FRESH);
        self.allowed().map(|allowed| old.map_or(allowed, |old| old.max(allowed)))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        // A flood of unknown keys, with fetches that succeed and fail.
        #[test]
        fn no_two_fetches_are_nearer_than_the_pause(asks in prop::collection::vec((0..90_u64, any::<bool>()), 1..60)) {
            let start = Instant::now();
            let (mut now, mut age, mut begun) = (start, KeyAge::default(), Vec::<(Instant, bool)>::new());
            for (seconds, succeeds) in asks {
                now += Duration::from_secs(seconds);
                if age.may_fetch(now) {
                    begun.push((now, age.fetched.is_some()));
                    age = age.tried(now);
                    age = if succeeds { age.fetched(now) } else { age };
                }
                prop_assert!(age.due().is_none_or(|due| due <= now + FRESH));
            }
            for pair in begun.windows(2) {
                let (before, next) = (pair[0].0, pair[1]);
                let pause = if next.1 { PAUSE } else { RETRY };
                prop_assert!(next.0 - before >= pause);
            }
        }
    }

    #[test]
    fn keys_are_due_at_once_then_every_hour_and_after_a_failure_sooner() {
        let now = Instant::now();
        assert_eq!(KeyAge::default().due(), None);
        assert_eq!(KeyAge::default().tried(now).due(), Some(now + RETRY));
        let held = KeyAge::default().tried(now).fetched(now);
        assert_eq!(held.due(), Some(now + FRESH));
        let later = now + FRESH;
        assert_eq!(held.tried(later).due(), Some(later + PAUSE), "the issuer was down");
    }
}
