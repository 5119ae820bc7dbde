//! Why an answer may be out of date.

use serde::Serialize;

use crate::freshness::ScopeFreshness;
use crate::model::{Timestamp, Trouble};

/// The reason why an answer may be out of date.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Stale {
    /// The reason in words, with the fix if it is known.
    pub why: String,
    /// Since when: the end of the last complete sweep, or when the trouble began.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
}

impl Stale {
    /// The reason why the copy of one (scope, kind) may be out of date; `None` while it is fresh. `everywhere` is trouble of all
    /// scopes.
    #[must_use]
    pub fn of(state: &ScopeFreshness, everywhere: Option<&Trouble>, now: Timestamp) -> Option<Self> {
        let mut why = state.stale(now)?;
        let trouble = state.failing().or(everywhere);
        if let Some(trouble) = trouble {
            if !why.contains(&trouble.what) {
                why = format!("{why}: {}", trouble.what);
            }
            why = format!("{why}. {}", trouble.next_step());
        }
        let since = state.complete.map(|swept| swept.ended).or(trouble.map(|trouble| trouble.since));
        Some(Stale { why, since })
    }
}
