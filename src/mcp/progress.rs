//! How far first sweeps are: until all are complete, a missing resource may just not have been seen yet.

use std::fmt;

use serde::Serialize;

use crate::aws::UnansweredCall;
use crate::freshness::ScopeFreshness;
use crate::kinds;
use crate::model::{Scope, Trouble};

/// A (scope, kind) whose first sweep is not complete.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct IncompleteSweep {
    /// The scope.
    #[serde(flatten)]
    pub scope: Scope,
    /// The kind, by slug.
    pub kind: &'static str,
    /// How many have been seen so far.
    pub seen: u64,
    /// What keeps the sweep from completing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
    /// Whether the sweep was given up for now.
    #[serde(skip)]
    is_given_up: bool,
}

/// How far first sweeps are, for a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    pub(super) incomplete: Vec<IncompleteSweep>,
    pub(super) trouble: Option<Trouble>,
    /// Nothing is watched while no region or account is known, which must not look like an empty inventory.
    pub(super) none_watched: bool,
    pub(super) regions: Vec<String>,
    /// The call that AWS has not answered, if that is what is waited for.
    pub(super) unanswered: Option<UnansweredCall>,
}

impl IncompleteSweep {
    /// The progress of one (scope, kind); `None` once its first sweep is complete.
    #[must_use]
    pub fn of(state: &ScopeFreshness) -> Option<Self> {
        let kind = kinds::of(&state.kind)?.slug;
        let trouble = state.failing().map(|trouble| format!("{}. {}", trouble.what, trouble.next_step()));
        let (scope, seen, is_given_up) = (state.scope.clone(), state.seen, state.trouble.is_some());
        state.complete.is_none().then_some(IncompleteSweep { scope, kind, seen, trouble, is_given_up })
    }
}

impl Progress {
    /// Whether everything was seen at least once.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.incomplete.is_empty() && !self.none_watched
    }

    /// Whether waiting is pointless, because every incomplete sweep was given up for now.
    #[must_use]
    pub fn is_stuck(&self) -> bool {
        self.trouble.is_some() || (!self.incomplete.is_empty() && self.incomplete.iter().all(|scope| scope.is_given_up))
    }
}

impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(trouble) = &self.trouble {
            return write!(f, "{}. {}", trouble.what, trouble.next_step());
        }
        if let Some(unanswered) = &self.unanswered {
            write!(f, "{unanswered}: check the network and AWS_ENDPOINT_URL. ")?;
        }
        if !self.regions.is_empty() {
            return write!(f, "No sweep of {} has begun; ask again in a few seconds", self.regions.join(", "));
        }
        for incomplete in &self.incomplete {
            let IncompleteSweep { scope, kind, seen, trouble, .. } = incomplete;
            match trouble {
                Some(trouble) => write!(f, "{scope} {kind}: {trouble}; ")?,
                None => write!(f, "{scope} {kind}: {seen} seen so far; ")?,
            }
        }
        f.write_str("ask again in a few seconds")
    }
}
