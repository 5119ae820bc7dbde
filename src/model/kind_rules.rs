//! What the rules of observation need to know about a kind of resource.

use std::time::Duration;

use super::Document;

/// For how long evidence of a resource outweighs its absence from a listing, unless a test says otherwise.
pub const ABSENCE_AFTER: Duration = Duration::from_mins(1);

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
            absence_after: ABSENCE_AFTER,
        }
    }
}

impl KindRules {
    /// Whether a resource is known to be terminated or deleted, so that AWS will forget it.
    #[must_use]
    pub fn is_gone(&self, document: &Document) -> bool {
        let state = self.state_path.and_then(|path| document.text(path));
        state.is_some_and(|state| self.gone_states.contains(&state))
    }
}
