//! When the configuration of an account is read again, and with it a new session is begun. It is pure: time is passed in.

use std::time::Duration;

use tokio::time::Instant;

/// How long a configuration is used before it is read again for a failure that it may have caused.
const REREAD_AFTER: Duration = Duration::from_secs(10);
/// How old what a new session rests on may be: accounts whose sessions end together share it.
const RENEWED_FROM: Duration = Duration::from_secs(2);

/// Why a configuration is suspect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Reason {
    /// A call failed that it may have made fail.
    Failure,
    /// A session is over.
    Expiry,
}

/// Whether a configuration is suspect.
#[derive(Clone, Copy, Debug)]
pub(super) struct ConfigurationDoubt {
    /// When it was read.
    read: Instant,
    /// When it was last read at once, because a session was over.
    renewed: Option<Instant>,
    reason: Option<Reason>,
    /// Which state of AWS's configuration files it is of.
    files: u64,
}

impl ConfigurationDoubt {
    /// One that was read at `now`.
    pub(super) fn new(files: u64, now: Instant) -> Self {
        ConfigurationDoubt { read: now, renewed: None, reason: None, files }
    }

    /// It has become suspect.
    pub(super) fn suspect(&mut self, reason: Reason) {
        self.reason = self.reason.max(Some(reason));
    }

    /// It was not read after all: the doubt `before` that stands, and what was doubted since.
    pub(super) fn restore(&mut self, before: ConfigurationDoubt) {
        *self = ConfigurationDoubt { reason: before.reason.max(self.reason), ..before };
    }

    /// Whether it is read again at `now`: the age of what it may rest on. `files` is the state of the files, if it depends on them.
    ///
    /// Changed files are read at once. So is it when a session is over, but once in [`REREAD_AFTER`] only: a session that is refused
    /// right after it began is not begun again and again.
    pub(super) fn reread(&mut self, files: Option<u64>, now: Instant) -> Option<Duration> {
        let has_changed = files.is_some_and(|files| files != self.files);
        let is_open = |since: Instant| now.saturating_duration_since(since) >= REREAD_AFTER;
        let age = match self.reason {
            _ if has_changed => REREAD_AFTER,
            Some(Reason::Expiry) if self.renewed.is_none_or(is_open) => {
                self.renewed = Some(now);
                RENEWED_FROM
            }
            Some(_) if is_open(self.read) => REREAD_AFTER,
            _ => return None,
        };
        (self.read, self.reason) = (now, None);
        self.files = files.unwrap_or(self.files);
        Some(age)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn after(begun: Instant, seconds: u64) -> Instant {
        begun + Duration::from_secs(seconds)
    }

    #[test]
    fn a_session_that_is_over_is_renewed_at_once_and_one_that_is_refused_again_waits() {
        let begun = Instant::now();
        let mut doubt = ConfigurationDoubt::new(0, begun);
        assert_eq!(doubt.reread(Some(0), after(begun, 60)), None, "nothing is wrong");
        doubt.suspect(Reason::Expiry);
        doubt.suspect(Reason::Failure);
        assert_eq!(doubt.reread(None, after(begun, 61)), Some(RENEWED_FROM));
        doubt.suspect(Reason::Expiry);
        assert_eq!(doubt.reread(None, after(begun, 62)), None);
        assert_eq!(doubt.reread(None, after(begun, 71)), Some(RENEWED_FROM));
        doubt.suspect(Reason::Failure);
        assert_eq!(doubt.reread(None, after(begun, 80)), None);
        assert_eq!(doubt.reread(None, after(begun, 81)), Some(REREAD_AFTER));
    }

    #[test]
    fn changed_files_are_read_at_once_by_whoever_depends_on_them() {
        let begun = Instant::now();
        let mut doubt = ConfigurationDoubt::new(3, begun);
        assert_eq!(doubt.reread(None, begun), None, "keys of the environment do not stand in them");
        assert_eq!(doubt.reread(Some(4), begun), Some(REREAD_AFTER));
        assert_eq!(doubt.reread(Some(4), begun), None);
    }

    #[test]
    fn what_was_not_read_after_all_is_read_by_whoever_calls_next() {
        let begun = Instant::now();
        let mut doubt = ConfigurationDoubt::new(3, begun);
        let before = doubt;
        assert_eq!(doubt.reread(Some(4), begun), Some(REREAD_AFTER));
        doubt.restore(before);
        assert_eq!(doubt.reread(Some(4), begun), Some(REREAD_AFTER), "changed files");
        doubt.suspect(Reason::Expiry);
        let before = doubt;
        assert_eq!(doubt.reread(Some(4), begun), Some(RENEWED_FROM));
        doubt.suspect(Reason::Failure);
        doubt.restore(before);
        assert_eq!(doubt.reread(Some(4), begun), Some(RENEWED_FROM), "a session that is over");
        assert_eq!(doubt.reread(Some(4), begun), None);
    }

    proptest! {
        /// Whatever fails, and however often a call is made: without a change of the files the configuration is read twice in each
        /// ten seconds at most, and a doubt is settled within ten.
        #[test]
        fn it_is_read_seldom_and_no_doubt_stays(
            steps in proptest::collection::vec((0_u64..4, prop::sample::select(vec![None, Some(Reason::Failure), Some(Reason::Expiry)])), 1..200),
        ) {
            let begun = Instant::now();
            let (mut doubt, mut now, mut read) = (ConfigurationDoubt::new(0, begun), begun, Vec::new());
            for (seconds, reason) in steps {
                now += Duration::from_secs(seconds);
                if let Some(reason) = reason {
                    doubt.suspect(reason);
                }
                if doubt.reread(Some(0), now).is_some() {
                    read.push(now);
                }
            }
            for (n, first) in read.iter().enumerate() {
                let soon = read[n..].iter().filter(|at| **at < *first + REREAD_AFTER).count();
                prop_assert!(soon <= 2, "{soon} in ten seconds: {read:?}");
            }
            doubt.suspect(Reason::Failure);
            prop_assert!(doubt.reread(None, now + REREAD_AFTER).is_some());
        }
    }
}
