//! Which kinds are watched.

use std::collections::BTreeSet;

use super::Kind;

/// Which kinds are watched, in every account and region; by default all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum KindSelection {
    /// All that there are.
    #[default]
    All,
    /// These.
    Only(BTreeSet<Kind>),
}

impl KindSelection {
    /// Whether a kind is watched.
    #[must_use]
    pub fn watches(&self, kind: &Kind) -> bool {
        match self {
            KindSelection::All => true,
            KindSelection::Only(kinds) => kinds.contains(kind),
        }
    }
}
