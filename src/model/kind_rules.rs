//! What the rules of observing have to know of a kind of resource.

use std::time::Duration;

use super::Document;

/// For how long evidence of a resource outweighs its absence from a listing, unless a test says otherwise.
pub const ABSENCE_AFTER: Duration = Duration::from_mins(1);

/// What a kind tells the rules by which observations are judged.
#[derive(Clone, Copy, Debug)]
pub struct KindRules {
    /// The version of the mapping that makes this kind's documents now.
    pub mapping: u16,
    /// Paths that move on every poll and are no change.
    pub masked: &'static [&'static str],
    /// Where the lifecycle state stands in a document of this kind.
    pub state_path: Option<&'static str>,
    /// States after which AWS forgets a resource by itself.
    pub gone_states: &'static [&'static str],
    /// Words in the names of the calls that make a resource of this kind; any call that makes something when empty.
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
