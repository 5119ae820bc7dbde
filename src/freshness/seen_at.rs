//! When a resource was last observed as it is known.

use crate::model::{Group, GroupEvidence, Timestamp};
use crate::reconcile::credible;

/// When a resource was last observed as it is known, apart from its evidence. Taken before its body is read, so that a change in
/// between makes the answer look older, never newer, than it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SeenAt {
    /// The newest describe of this process that showed exactly what was known.
    pub(super) confirmed: Option<Timestamp>,
    /// The start of an earlier process's last complete sweep, until this process has swept.
    pub(super) swept: Option<Timestamp>,
    /// When this was taken: later times come from a wrong clock and count as unknown.
    pub(super) now: Timestamp,
}

impl SeenAt {
    /// The newest time at which everything served about the resource was confirmed.
    ///
    /// Never later than the truth: it is the oldest evidence of a group, or the newest describe that changed nothing, or the start
    /// of an earlier process's last sweep. That sweep does not count for a resource with later evidence, one recorded after it
    /// (`changed_at`) by a late answer, or a `provisional` one, which it may have contradicted.
    #[must_use]
    pub fn as_of(&self, evidence: &GroupEvidence, provisional: bool, changed_at: Timestamp) -> Timestamp {
        let at = |group| self.group_as_of(group, evidence, provisional, changed_at);
        Group::ALL.into_iter().map(at).min().unwrap_or_default()
    }

    /// The same for one group: never earlier than for everything.
    #[must_use]
    pub fn group_as_of(
        &self,
        group: Group,
        evidence: &GroupEvidence,
        provisional: bool,
        changed_at: Timestamp,
    ) -> Timestamp {
        credible(evidence.of(group).at, self.now).max(self.whole(evidence, provisional, changed_at))
    }

    /// When all groups were confirmed at once.
    fn whole(&self, evidence: &GroupEvidence, provisional: bool, changed_at: Timestamp) -> Timestamp {
        match (self.confirmed, self.swept) {
            (Some(confirmed), _) => credible(confirmed, self.now),
            (None, Some(swept)) if !provisional && evidence.newest().max(changed_at) <= swept => {
                credible(swept, self.now)
            }
            (None, _) => Timestamp::EPOCH,
        }
    }
}
