//! EBS snapshots.

use crate::simulator::account::scene::Scene;
use crate::simulator::changes::CREATED;
use crate::simulator::clock::Moment;
use crate::simulator::ebs_volume::EbsVolume;
use crate::simulator::ebs_volume::{PUBLIC, SLOTS};
use crate::simulator::history::History;
use crate::simulator::snapshot::{BACKUPS, PUBLICS, Snapshot};

impl Scene<'_> {
    /// The snapshot as it was at `at`; `None` when EC2 does not show it to the account.
    pub(crate) fn snapshot(self, number: u64, at: Moment) -> Option<Snapshot> {
        let snapshot = match self.tables().snapshots.get(number) {
            Some(history) => history.at(at)?.clone(),
            None => self.formula_snapshot(number)?,
        };
        (!snapshot.deleted && snapshot.started <= at).then_some(snapshot)
    }

    /// A snapshot that no call took: a backup or a public one.
    pub(crate) fn formula_snapshot(self, number: u64) -> Option<Snapshot> {
        if (PUBLIC..PUBLIC + PUBLICS).contains(&number) {
            return Some(Snapshot::public(self.plan, number));
        }
        let instance = number / SLOTS;
        let backed = number.is_multiple_of(SLOTS) && instance % BACKUPS == 1 && instance < self.plan.count;
        let disk = if backed { EbsVolume::root(self.plan, instance)? } else { return None };
        Some(Snapshot::backup(self.plan, &disk))
    }

    /// The numbers of all snapshots that ever existed, starting with `from`, in listing order: the account's own come
    /// first.
    pub(crate) fn snapshots(self, from: u64) -> impl Iterator<Item = u64> {
        let step = SLOTS * BACKUPS;
        let first = from.max(SLOTS).saturating_sub(SLOTS).div_ceil(step) * step + SLOTS;
        let backups = (first..self.plan.count * SLOTS).step_by(usize::try_from(step).unwrap_or(1));
        backups.chain(self.tables().snapshots.made(from)).chain(from.max(PUBLIC)..PUBLIC + PUBLICS)
    }

    /// The snapshots that calls took, oldest first, as they are at `at`.
    pub(crate) fn taken(self, at: Moment) -> impl Iterator<Item = Snapshot> {
        self.tables().snapshots.made(CREATED).filter_map(move |number| self.snapshot(number, at))
    }

    /// The moments at which what Describe calls show of a snapshot may change.
    pub(crate) fn snapshot_moments(self, number: u64) -> Vec<Moment> {
        let mut moments = Vec::new();
        for (from, snapshot) in self.tables().snapshots.get(number).into_iter().flat_map(History::versions) {
            moments.push(from);
            if snapshot.stuck.is_none() {
                moments.extend((10..=100).step_by(10).map(|percent| snapshot.reaches(percent)));
            }
        }
        moments
    }
}
