//! The evidence for each part of a resource's content.

use std::time::Duration;

use serde::Serialize;

use super::document::{Group, Value};
use super::observation::Source;
use super::time::Timestamp;

/// How long describes may lag behind an assertion, and how long the states that a resource left are remembered.
pub const LAG_WINDOW: Duration = Duration::from_secs(30);

/// Where a group's value comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Evidence {
    /// Who observed it.
    pub source: Source,
    /// When it was observed, in AWS time.
    pub at: Timestamp,
}

/// The evidence of each group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct GroupEvidence {
    /// Evidence for `State` and its reasons.
    pub state: Evidence,
    /// Evidence for `Tags`.
    pub tags: Evidence,
    /// Evidence for everything else.
    pub rest: Evidence,
}

impl GroupEvidence {
    /// The same evidence for every group.
    #[must_use]
    pub fn all(evidence: Evidence) -> Self {
        GroupEvidence { state: evidence, tags: evidence, rest: evidence }
    }

    /// The evidence of `group`.
    #[must_use]
    pub fn of(&self, group: Group) -> Evidence {
        match group {
            Group::State => self.state,
            Group::Tags => self.tags,
            Group::Rest => self.rest,
        }
    }

    /// Replaces the evidence of `group`.
    pub fn set(&mut self, group: Group, evidence: Evidence) {
        match group {
            Group::State => self.state = evidence,
            Group::Tags => self.tags = evidence,
            Group::Rest => self.rest = evidence,
        }
    }

    /// The newest evidence of any group: the resource existed then.
    #[must_use]
    pub fn newest(&self) -> Timestamp {
        self.state.at.max(self.tags.at).max(self.rest.at)
    }

    /// The oldest evidence of any group: every part is at least this new.
    #[must_use]
    pub fn oldest(&self) -> Timestamp {
        self.state.at.min(self.tags.at).min(self.rest.at)
    }
}

/// An assertion that no describe has settled yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Provisional {
    /// The group it covers.
    pub group: Group,
    /// Who asserted it.
    pub source: Source,
    /// When it was asserted, in AWS time.
    pub at: Timestamp,
    /// The states held in the [`LAG_WINDOW`] before the assertion: a describe that still shows one of them is lag.
    pub before: Vec<String>,
}

/// The last tag event that was applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tagging {
    /// Its `version`: an event with this or a lower version is old.
    pub version: u64,
    /// Its time, in AWS time.
    pub at: Timestamp,
    /// The tags held in the [`LAG_WINDOW`] before the event: a describe that still shows one of these sets is lag.
    pub superseded: Vec<Value>,
}
