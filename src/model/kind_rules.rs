//! What the rules of observation need to know about a kind of resource.

use super::Document;

/// The properties of a kind by which its observations are judged.
#[derive(Clone, Copy, Debug, Default)]
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
}

impl KindRules {
    /// Whether a resource is known to be terminated or deleted, so that AWS will forget it.
    #[must_use]
    pub fn is_gone(&self, document: &Document) -> bool {
        let state = self.state_path.and_then(|path| document.text(path));
        state.is_some_and(|state| self.gone_states.contains(&state))
    }
}
