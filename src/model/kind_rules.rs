//! What the rules of observation need to know about a kind of resource.

use std::time::Duration;

use super::{Document, Timestamp};

/// For how long evidence of a resource outweighs its absence from a listing, unless a test says otherwise.
pub const ABSENCE_AFTER: Duration = Duration::from_mins(1);

/// How long a resource counts as just made.
const YOUNG: Duration = Duration::from_mins(1);

/// A state that resources of a kind leave by themselves some time after they are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PassingState {
    /// Its name.
    pub state: &'static str,
    /// The state that it leads to.
    pub into: &'static str,
    /// The field that holds when the resource was begun.
    pub begun: &'static str,
}

/// What a kind tells the rules by which observations are judged.
#[derive(Clone, Copy, Debug)]
pub struct KindRules {
    /// The current version of the mapping that makes this kind's documents.
    pub mapping: u16,
    /// Paths that change on every poll and are not reported as changes.
    pub masked: &'static [&'static str],
    /// The path of the lifecycle state in a document of this kind.
    pub state_path: Option<&'static str>,
    /// The states after which AWS forgets a resource.
    pub gone_states: &'static [&'static str],
    /// Words in the names of the calls that create a resource of this kind; empty if any creating call may.
    pub made_by: &'static [&'static str],
    /// The state that a resource is in at first, if its end is worth looking for.
    pub passing: Option<PassingState>,
    /// Evidence this recent outweighs absence from the sweep that follows it.
    pub absence_after: Duration,
}

impl Default for KindRules {
    fn default() -> Self {
        KindRules {
            mapping: 0,
            masked: &[],
            state_path: None,
            gone_states: &[],
            made_by: &[],
            passing: None,
            absence_after: ABSENCE_AFTER,
        }
    }
}

impl KindRules {
    /// When the resource of a document was begun, if its kind says so. No answer of an earlier time can show it.
    #[must_use]
    pub fn begun(&self, document: &Document) -> Option<Timestamp> {
        Timestamp::parse(document.text(self.passing?.begun)?)
    }

    /// The state that a resource which was begun a moment before `now` is about to come to; `None` for one that is there, that has
    /// no such state, or that was begun longer ago.
    #[must_use]
    pub fn awaited(&self, document: &Document, now: Timestamp) -> Option<&'static str> {
        let PassingState { state, into, .. } = self.passing?;
        let is_passing = self.state_path.and_then(|path| document.text(path)) == Some(state);
        (is_passing && now.since(self.begun(document)?) <= YOUNG).then_some(into)
    }

    /// Whether a resource is known to be terminated or deleted, so that AWS will forget it.
    #[must_use]
    pub fn is_gone(&self, document: &Document) -> bool {
        let state = self.state_path.and_then(|path| document.text(path));
        state.is_some_and(|state| self.gone_states.contains(&state))
    }
}
