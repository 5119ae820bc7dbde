//! The input of a decision: what is known about the observed resource, and the time.

use std::time::Duration;

use crate::model::{Current, Timestamp};

/// A stored time that is further ahead of now came from a wrong clock and counts as unknown.
const MAX_AHEAD: Duration = Duration::from_secs(5);

/// When a decision is made.
#[derive(Clone, Copy, Debug)]
pub struct DecisionTime {
    /// Now, in AWS time.
    pub now: Timestamp,
    /// When this process started to observe.
    pub started: Timestamp,
    /// Since when the clock has run without a jump.
    pub steady: Timestamp,
    /// Whether the scope had a complete sweep since then.
    pub swept: bool,
}

/// What is known about the observed resource.
#[derive(Clone, Copy, Debug, Default)]
pub struct KnownResource<'a> {
    /// Its state, if it exists.
    pub current: Option<&'a Current>,
    /// The time of the proof of its last removal.
    pub removed_at: Option<Timestamp>,
    /// The newest describe that showed exactly `current`. Such describes change nothing and are not in the log.
    pub confirmed: Option<Timestamp>,
    /// The newest observation, from any source, that shows that it exists.
    pub listed: Option<Timestamp>,
    /// When the first describe without all its tags was sent, while that is doubted.
    pub tagless: Option<Timestamp>,
    /// When the complete sweep that lacked it ended, while its absence is not proved.
    pub candidate: Option<Timestamp>,
}

impl KnownResource<'_> {
    /// The newest evidence, from any source, that it exists. Times before and after the clock's last jump cannot be compared, so
    /// earlier evidence counts as of the jump.
    #[must_use]
    pub fn newest(&self, moment: DecisionTime) -> Timestamp {
        let evidence = self.current.map_or(Timestamp::EPOCH, |current| current.evidence.newest());
        let times = [evidence, self.confirmed.unwrap_or_default(), self.listed.unwrap_or_default()];
        times.into_iter().map(|at| credible(at, moment.now)).fold(moment.steady, Timestamp::max)
    }
}

/// `at`, or the earliest time if `at` is in the future: then its clock was wrong, and nothing can be concluded from it.
#[must_use]
pub fn credible(at: Timestamp, now: Timestamp) -> Timestamp {
    if at > now + MAX_AHEAD { Timestamp::EPOCH } else { at }
}
