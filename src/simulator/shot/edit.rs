//! What calls and tests do to snapshots.

use std::borrow::Cow;

use crate::simulator::clock::Moment;
use crate::simulator::estate::{Edit, Estate, UnknownId};
use crate::simulator::ident::Kind;
use crate::simulator::shot::{Owner, Shot};
use crate::simulator::storage::Disk;
use crate::simulator::tags::Tags;

impl Edit<'_> {
    /// Takes a snapshot of a volume: pending now, completed after the snapshot delay. `stuck` says of its number whether
    /// it makes no progress.
    pub(crate) fn take(
        &mut self,
        disk: &Disk,
        description: &str,
        tags: Tags,
        now: Moment,
        stuck: impl FnOnce(u64) -> bool,
    ) -> Shot {
        let takes = i64::try_from(self.pace().snapshot.as_millis()).unwrap_or(i64::MAX / 1_000);
        let mut shot = Shot {
            number: 0,
            owner: Owner::Own,
            volume: disk.number,
            instance: disk.attachment.as_ref().map(|attachment| attachment.instance),
            gib: disk.gib,
            encrypted: disk.encrypted,
            description: Cow::Owned(description.to_owned()),
            started: now,
            takes,
            lost: 0,
            stuck: None,
            deleted: false,
            tags,
        };
        self.holdings().shots.make(now, |number| {
            shot.number = number;
            shot.stuck = stuck(number).then_some(now);
            shot.clone()
        });
        shot
    }

    /// Makes a snapshot `next` from `now` on.
    pub(crate) fn put_shot(&mut self, now: Moment, next: Shot) {
        let number = next.number;
        let formula = self.scene().formula_shot(number).unwrap_or_else(|| next.clone());
        self.holdings().shots.change(number, now, || formula, next);
    }
}

impl Estate {
    /// Takes a snapshot of a volume: pending now, completed after the snapshot delay. Returns its id.
    ///
    /// # Errors
    /// When there is no such volume.
    pub fn take_snapshot(&self, volume: &str, description: &str) -> Result<String, UnknownId> {
        let unknown = || UnknownId::of(volume);
        let number = self.plan().idents.number(Kind::Volume, volume).ok().flatten().ok_or_else(unknown)?;
        let (mut edit, now) = (self.edit(), self.now());
        let disk = edit.scene().disk(number, now).ok_or_else(unknown)?;
        let shot = edit.take(&disk, description, Tags::default(), now, |_| false);
        Ok(self.plan().idents.text(Kind::Snapshot, shot.number))
    }

    /// Holds a pending snapshot where it is, or lets it go on with as much left to do as there was.
    ///
    /// # Errors
    /// When there is no such snapshot.
    pub fn set_stuck(&self, snapshot: &str, stuck: bool) -> Result<(), UnknownId> {
        self.change_shot(snapshot, |shot, now| shot.stick(now, stuck))
    }

    /// Deletes a snapshot at once, as EC2 does.
    ///
    /// # Errors
    /// When there is no such snapshot.
    pub fn delete_snapshot(&self, snapshot: &str) -> Result<(), UnknownId> {
        self.change_shot(snapshot, |shot, _| shot.deleted = true)
    }

    /// The state of a snapshot now and its progress in percent; `None` when EC2 would say it does not exist.
    #[must_use]
    pub fn snapshot_state(&self, snapshot: &str) -> Option<(&'static str, i64)> {
        let number = self.plan().idents.number(Kind::Snapshot, snapshot).ok().flatten()?;
        let (view, now) = (self.view(), self.now());
        let shot = view.scene().shot(number, now)?;
        Some((shot.state(now), shot.progress(now)))
    }

    fn change_shot(&self, id: &str, with: impl FnOnce(&mut Shot, Moment)) -> Result<(), UnknownId> {
        let unknown = || UnknownId::of(id);
        let number = self.plan().idents.number(Kind::Snapshot, id).ok().flatten().ok_or_else(unknown)?;
        let (mut edit, now) = (self.edit(), self.now());
        let shot = edit.scene().shot(number, now).filter(|shot| shot.owner == Owner::Own);
        let mut shot = shot.ok_or_else(unknown)?;
        with(&mut shot, now);
        edit.put_shot(now, shot);
        Ok(())
    }
}
