//! What calls and tests do to snapshots, and what AWS tells of it.

use std::borrow::Cow;

use crate::simulator::clock::Moment;
use crate::simulator::disk::Disk;
use crate::simulator::estate::{Edit, Estate, UnknownId};
use crate::simulator::happening::What;
use crate::simulator::ident::Kind;
use crate::simulator::shot::{Owner, Shot};
use crate::simulator::tags::Tags;

impl Edit<'_> {
    /// Takes a snapshot of a volume: pending now, completed after the snapshot delay. `stuck` says of its number whether
    /// it makes no progress.
    pub(crate) fn take(&mut self, disk: &Disk, description: &str, tags: Tags, stuck: impl FnOnce(u64) -> bool) -> Shot {
        let now = self.now();
        let number = self.holdings().shots.next();
        let mut shot = Shot {
            number,
            owner: Owner::Own,
            volume: disk.number,
            instance: disk.attachment.as_ref().map(|attachment| attachment.instance),
            batch: None,
            gib: disk.gib,
            encrypted: disk.encrypted,
            key: disk.key.clone(),
            description: Cow::Owned(description.to_owned()),
            started: now,
            takes: i64::try_from(self.pace().snapshot.as_millis()).unwrap_or(i64::MAX / 1_000),
            lost: 0,
            stuck: stuck(number).then_some(now),
            deleted: false,
            tags: Tags::default(),
        };
        self.holdings().shots.make(now, shot.clone());
        self.tell_completion(&shot);
        self.tag_new(Kind::Snapshot, number, tags.clone());
        shot.tags = tags;
        shot
    }

    /// Says that snapshots were taken by one call, whose completion AWS tells as one.
    pub(crate) fn batch(&mut self, shots: &[Shot]) {
        let [first, ..] = shots else { return };
        let batch = Some((first.number, u64::try_from(shots.len()).unwrap_or(0)));
        for shot in shots {
            self.put_shot(Shot { batch, ..shot.clone() });
        }
        self.tell_batch(batch);
    }

    /// Makes a snapshot `next` from now on.
    pub(crate) fn put_shot(&mut self, mut next: Shot) {
        let (number, now) = (next.number, self.now());
        let formula =
            self.scene().formula_shot(number).unwrap_or_else(|| Shot { tags: Tags::default(), ..next.clone() });
        // What was put on since is kept apart.
        next.tags.clone_from(&formula.tags);
        self.holdings().shots.change(number, now, || formula, next);
    }

    /// Tells when a snapshot will be complete, if nothing holds it up.
    fn tell_completion(&self, shot: &Shot) {
        if shot.stuck.is_some() {
            return;
        }
        let idents = self.scene().plan.idents;
        let ended = shot.reaches(100);
        let what = What::Snapshot {
            id: idents.text(Kind::Snapshot, shot.number),
            volume: idents.text(Kind::Volume, shot.volume),
            event: "createSnapshot",
            result: "succeeded",
            cause: String::new(),
            started: shot.started,
            ended,
        };
        self.tell(ended, what);
    }

    fn tell_batch(&self, batch: Option<(u64, u64)>) {
        let Some((first, count)) = batch else { return };
        let scene = self.scene();
        let shots: Vec<Shot> = (first..first + count).filter_map(|number| scene.shot(number, self.now())).collect();
        // One that is stuck or gone leaves the batch incomplete.
        if shots.iter().any(|shot| shot.stuck.is_some()) || u64::try_from(shots.len()) != Ok(count) {
            return;
        }
        let [one, ..] = shots.as_slice() else { return };
        let ended = shots.iter().map(|shot| shot.reaches(100)).max().unwrap_or(one.started);
        let text = |kind, number| scene.plan.idents.text(kind, number);
        let pair = |shot: &Shot| (text(Kind::Snapshot, shot.number), text(Kind::Volume, shot.volume), "completed");
        let what = What::Snapshots {
            instance: one.instance.map(|number| text(Kind::Instance, number)).unwrap_or_default(),
            result: "succeeded",
            started: one.started,
            ended,
            snapshots: shots.iter().map(pair).collect(),
        };
        self.tell(ended, what);
    }
}

impl Estate {
    /// Takes a snapshot of a volume: pending now, completed after the snapshot delay. Returns its id.
    ///
    /// # Errors
    /// When there is no such volume.
    pub fn take_snapshot(&self, volume: &str, description: &str) -> Result<String, UnknownId> {
        let unknown = || UnknownId::new(volume);
        let number = self.plan().idents.number(Kind::Volume, volume).ok().flatten().ok_or_else(unknown)?;
        let mut edit = self.edit();
        let disk = edit.scene().disk(number, edit.now()).ok_or_else(unknown)?;
        let shot = edit.take(&disk, description, Tags::default(), |_| false);
        Ok(self.plan().idents.text(Kind::Snapshot, shot.number))
    }

    /// Holds a pending snapshot where it is, or lets it go on with as much left to do as there was.
    ///
    /// # Errors
    /// When there is no such snapshot.
    pub fn set_stuck(&self, snapshot: &str, stuck: bool) -> Result<(), UnknownId> {
        let (mut edit, mut shot) = self.shot(snapshot)?;
        shot.stick(edit.now(), stuck);
        edit.put_shot(shot.clone());
        if !stuck {
            edit.tell_completion(&shot);
            edit.tell_batch(shot.batch);
        }
        Ok(())
    }

    /// Deletes a snapshot at once, as EC2 does.
    ///
    /// # Errors
    /// When there is no such snapshot.
    pub fn delete_snapshot(&self, snapshot: &str) -> Result<(), UnknownId> {
        let (mut edit, shot) = self.shot(snapshot)?;
        edit.put_shot(Shot { deleted: true, ..shot });
        Ok(())
    }

    /// The state of a snapshot now and its progress in percent; `None` when EC2 would say it does not exist.
    #[must_use]
    pub fn snapshot_state(&self, snapshot: &str) -> Option<(&'static str, i64)> {
        let number = self.plan().idents.number(Kind::Snapshot, snapshot).ok().flatten()?;
        let view = self.view();
        let (shot, now): (Shot, Moment) = (view.scene().shot(number, view.now())?, view.now());
        Some((shot.state(now), shot.progress(now)))
    }

    fn shot(&self, id: &str) -> Result<(Edit<'_>, Shot), UnknownId> {
        let unknown = || UnknownId::new(id);
        let number = self.plan().idents.number(Kind::Snapshot, id).ok().flatten().ok_or_else(unknown)?;
        let edit = self.edit();
        let shot = edit.scene().shot(number, edit.now()).filter(|shot| shot.owner == Owner::Own);
        let shot = shot.ok_or_else(unknown)?;
        Ok((edit, shot))
    }
}
