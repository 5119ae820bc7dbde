//! How far first sweeps are: until each is complete or has failed, a missing resource may just not have been seen yet.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::Serialize;
use serde_json::{Value, json};

use super::failed_scopes::FailedScopes;
use super::places::NAMED;
use super::tools::table::AnswerText;
use crate::aws::UnansweredCall;
use crate::freshness::{ScopeCoverage, ScopeFreshness};
use crate::kinds;
use crate::model::{Scope, Trouble};

/// How many sweeps an error names.
const SAID: usize = 8;

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
}

/// The (scope, kind)s whose first sweep is neither complete nor given up: more may be seen soon.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PendingSweeps(Vec<IncompleteSweep>);

/// How far first sweeps are, for a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Those that may show more soon.
    pub(super) pending: PendingSweeps,
    /// Those that were given up for now.
    pub(super) failed: FailedScopes,
    /// How many were complete once.
    pub(super) covered: usize,
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
        let (scope, seen) = (state.scope.clone(), state.seen);
        state.complete.is_none().then_some(IncompleteSweep { scope, kind, seen, trouble })
    }
}

impl PendingSweeps {
    /// Those of some states.
    #[must_use]
    pub fn of<'a>(states: impl IntoIterator<Item = &'a ScopeFreshness>) -> Self {
        let pending = states.into_iter().filter(|state| state.coverage() == ScopeCoverage::Pending);
        PendingSweeps(pending.filter_map(IncompleteSweep::of).collect())
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many scopes have one.
    #[must_use]
    pub fn scopes(&self) -> usize {
        self.0.iter().map(|sweep| &sweep.scope).collect::<BTreeSet<_>>().len()
    }

    /// The scopes that have one.
    #[must_use]
    pub fn each_scope(&self) -> BTreeSet<Scope> {
        self.0.iter().map(|sweep| sweep.scope.clone()).collect()
    }

    /// By kind, where they are many: how many scopes, how many resources were seen so far, and one of the scopes.
    fn by_kind(&self) -> Option<BTreeMap<&'static str, (usize, u64, &Scope)>> {
        if self.0.len() <= NAMED {
            return None;
        }
        let mut kinds = BTreeMap::new();
        for IncompleteSweep { scope, kind, seen, .. } in &self.0 {
            let (scopes, all, _) = kinds.entry(*kind).or_insert((0, 0, scope));
            *scopes += 1;
            *all += seen;
        }
        Some(kinds)
    }

    /// As the field `incomplete` of an answer: each of them, or how many there are of each kind.
    #[must_use]
    pub fn field(&self) -> Value {
        let Some(kinds) = self.by_kind() else { return json!(self.0) };
        let entry = |(kind, (scopes, seen, example)): (&str, (usize, u64, &Scope))| json!({"kind": kind, "scopes": scopes, "seen": seen, "examples": [example.to_string()]});
        kinds.into_iter().map(entry).collect()
    }

    /// Adds them to the text of an answer.
    pub fn say(&self, text: &mut AnswerText) {
        let Some(kinds) = self.by_kind() else {
            for IncompleteSweep { scope, seen, trouble, .. } in &self.0 {
                let trouble = trouble.as_ref().map_or_else(String::new, |trouble| format!(": {trouble}"));
                text.add(format_args!("\nIncomplete: first sweep of {scope} under way, {seen} seen{trouble}"));
            }
            return;
        };
        for (kind, (scopes, seen, example)) in kinds {
            text.add(format_args!(
                "\nIncomplete: first sweeps of {kind} in {scopes} scopes, such as {example}, under way, {seen} seen"
            ));
        }
    }
}

impl Progress {
    /// Whether more may be seen soon: a first sweep is under way or about to begin.
    #[must_use]
    pub fn is_pending(&self) -> bool {
        !self.pending.is_empty() || self.none_watched
    }

    /// Whether everything was seen at least once.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        !self.is_pending() && self.failed.is_empty()
    }

    /// Whether waiting is pointless, because nothing is pending, or nothing can be seen at all.
    #[must_use]
    pub fn is_stuck(&self) -> bool {
        self.trouble.is_some() || !self.is_pending() || (self.pending.is_empty() && self.failed.has_unreached())
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
        if !self.regions.is_empty() && !self.failed.has_unreached() {
            return write!(f, "No sweep of {} has begun; ask again in a few seconds", self.regions.join(", "));
        }
        for reason in self.failed.reasons() {
            write!(f, "{reason}; ")?;
        }
        let PendingSweeps(pending) = &self.pending;
        for IncompleteSweep { scope, kind, seen, trouble } in pending.iter().take(SAID) {
            match trouble {
                Some(trouble) => write!(f, "{scope} {kind}: {trouble}; ")?,
                None => write!(f, "{scope} {kind}: {seen} seen so far; ")?,
            }
        }
        if pending.len() > SAID {
            write!(f, "{} more first sweeps are not complete; ", pending.len() - SAID)?;
        }
        f.write_str("ask again in a few seconds")
    }
}
