//! What a decision rests on: what is known of the observed resource, and the time.

use std::time::Duration;

use crate::model::{Current, Timestamp};

/// A stored time this far ahead of now came from a clock that was wrong: it counts as unknown.
const MAX_AHEAD: Duration = Duration::from_secs(5);

/// When a decision is made.
#[derive(Clone, Copy, Debug)]
pub struct DecisionTime {
    /// Now, in AWS time.
    pub now: Timestamp,
    /// When this process started to look.
    pub started: Timestamp,
    /// Since when the clock has run without a jump.
    pub steady: Timestamp,
    /// Whether the scope had a complete sweep since then.
    pub swept: bool,
}

/// What is known of the observed resource.
#[derive(Clone, Copy, Debug, Default)]
pub struct KnownResource<'a> {
    /// Its state, if it exists.
    pub current: Option<&'a Current>,
    /// The proof time of its last removal.
    pub removed_at: Option<Timestamp>,
    /// The newest describe that showed exactly `current`. Such describes change nothing and are not in the log.
    pub confirmed: Option<Timestamp>,
    /// The newest observation of any source that shows that it exists.
    pub listed: Option<Timestamp>,
    /// When the first describe was sent that lacked all its tags, while that is doubted.
    pub tagless: Option<Timestamp>,
    /// When the complete sweep ended that lacked it, while its absence is not proved.
    pub candidate: Option<Timestamp>,
}

impl KnownResource<'_> {
    /// The newest evidence of any source that it exists. What came before the clock's last jump cannot be compared with what
    /// came after it, so it counts as of the jump.
    #[must_use]
    pub fn newest(&self, moment: DecisionTime) -> Timestamp {
        let evidence = self.current.map_or(Timestamp::EPOCH, |current| current.evidence.newest());
        let times = [evidence, self.confirmed.unwrap_or_default(), self.listed.unwrap_or_default()];
        times.into_iter().map(|at| credible(at, moment.now)).fold(moment.steady, Timestamp::max)
    }
}

/// `at`, unless it lies in the future: then whoever wrote it had a wrong clock, nothing can be said, and it counts as
/// before everything.
#[must_use]
pub fn credible(at: Timestamp, now: Timestamp) -> Timestamp {
    if at > now + MAX_AHEAD { Timestamp::EPOCH } else { at }
}
