//! EBS snapshots.

use crate::simulator::changes::CREATED;
use crate::simulator::clock::Moment;
use crate::simulator::disk::Disk;
use crate::simulator::disk::{PUBLIC, SLOTS};
use crate::simulator::estate::scene::Scene;
use crate::simulator::history::History;
use crate::simulator::shot::{BACKUPS, PUBLICS, Shot};

impl Scene<'_> {
    /// The snapshot as it was at `at`; `None` where EC2 knows of none the account may see.
    pub(crate) fn shot(self, number: u64, at: Moment) -> Option<Shot> {
        let shot = match self.holdings().shots.get(number) {
            Some(history) => history.at(at)?.clone(),
            None => self.formula_shot(number)?,
        };
        (!shot.deleted && shot.started <= at).then_some(shot)
    }

    /// A snapshot nobody took: a backup, or a public one.
    pub(crate) fn formula_shot(self, number: u64) -> Option<Shot> {
        if (PUBLIC..PUBLIC + PUBLICS).contains(&number) {
            return Some(Shot::public(self.plan, number));
        }
        let instance = number / SLOTS;
        let backed = number.is_multiple_of(SLOTS) && instance % BACKUPS == 1 && instance < self.plan.count;
        let disk = if backed { Disk::root(self.plan, instance)? } else { return None };
        Some(Shot::backup(self.plan, &disk))
    }

    /// The numbers of all snapshots there ever were, from `from` on, in listing order: own ones first.
    pub(crate) fn shots(self, from: u64) -> impl Iterator<Item = u64> {
        let step = SLOTS * BACKUPS;
        let first = from.max(SLOTS).saturating_sub(SLOTS).div_ceil(step) * step + SLOTS;
        let backups = (first..self.plan.count * SLOTS).step_by(usize::try_from(step).unwrap_or(1));
        backups.chain(self.holdings().shots.made(from)).chain(from.max(PUBLIC)..PUBLIC + PUBLICS)
    }

    /// The snapshots calls took, oldest first, as they are at `at`.
    pub(crate) fn taken(self, at: Moment) -> impl Iterator<Item = Shot> {
        self.holdings().shots.made(CREATED).filter_map(move |number| self.shot(number, at))
    }

    /// The moments at which a describe begins to show something else of a snapshot.
    pub(crate) fn shot_moments(self, number: u64) -> Vec<Moment> {
        let mut moments = Vec::new();
        for (from, shot) in self.holdings().shots.get(number).into_iter().flat_map(History::versions) {
            moments.push(from);
            if shot.stuck.is_none() {
                moments.extend((10..=100).step_by(10).map(|percent| shot.reaches(percent)));
            }
        }
        moments
    }
}
