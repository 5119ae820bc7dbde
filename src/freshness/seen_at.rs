//! When a resource was last seen as it is known.

use crate::model::{Group, GroupEvidence, Timestamp};
use crate::reconcile::credible;

/// When a resource was last seen as it is known, apart from its evidence. Taken before its body is read, so that a change
/// in between makes the answer look older, never newer, than it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SeenAt {
    /// The newest describe of this process that showed exactly what was known.
    pub(super) confirmed: Option<Timestamp>,
    /// The start of an earlier process's last complete sweep, while this one has not looked.
    pub(super) swept: Option<Timestamp>,
    /// When this was asked: what is dated later comes from a clock that was wrong, and counts as unknown.
    pub(super) now: Timestamp,
}

impl SeenAt {
    /// The newest time at which everything served of the resource was known to be so.
    ///
    /// Never later than the truth: from the group with the oldest evidence, the newest describe that changed nothing, or
    /// the start of an earlier process's last sweep. That sweep says nothing of a resource with later evidence, nor of one
    /// recorded after it (`changed_at`) by an answer that came late, nor of a `provisional` one, which it may have contradicted.
    #[must_use]
    pub fn as_of(&self, evidence: &GroupEvidence, provisional: bool, changed_at: Timestamp) -> Timestamp {
        let at = |group| self.group_as_of(group, evidence, provisional, changed_at);
        Group::ALL.into_iter().map(at).min().unwrap_or_default()
    }

    /// The same of one group: never earlier than that of everything.
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

    /// When all groups were known to be so at once.
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
