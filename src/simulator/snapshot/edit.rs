//! Changes to snapshots, made by calls and tests, and the events they cause.

use std::borrow::Cow;

use crate::simulator::account::{Account, Edit, UnknownId};
use crate::simulator::clock::Moment;
use crate::simulator::ebs_volume::EbsVolume;
use crate::simulator::happening::What;
use crate::simulator::ident::Kind;
use crate::simulator::snapshot::{Owner, Snapshot};
use crate::simulator::tags::Tags;

impl Edit<'_> {
    /// Takes a snapshot of a volume: pending now, completed after the snapshot delay. `stuck` says for the new
    /// snapshot's number whether it gets stuck.
    pub(crate) fn take(
        &mut self,
        disk: &EbsVolume,
        description: &str,
        tags: Tags,
        stuck: impl FnOnce(u64) -> bool,
    ) -> Snapshot {
        let now = self.now();
        let number = self.tables().snapshots.next();
        let mut snapshot = Snapshot {
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
        self.tables().snapshots.make(now, snapshot.clone());
        self.tell_completion(&snapshot);
        self.tag_new(Kind::Snapshot, number, tags.clone());
        snapshot.tags = tags;
        snapshot
    }

    /// Marks snapshots as taken by one call; AWS sends one event when all of them complete.
    pub(crate) fn batch(&mut self, snapshots: &[Snapshot]) {
        let [first, ..] = snapshots else { return };
        let batch = Some((first.number, u64::try_from(snapshots.len()).unwrap_or(0)));
        for snapshot in snapshots {
            self.put_snapshot(Snapshot { batch, ..snapshot.clone() });
        }
        self.tell_batch(batch);
    }

    /// Replaces a snapshot by `next` from now on.
    pub(crate) fn put_snapshot(&mut self, mut next: Snapshot) {
        let (number, now) = (next.number, self.now());
        let formula =
            self.scene().formula_snapshot(number).unwrap_or_else(|| Snapshot { tags: Tags::default(), ..next.clone() });
        // Later tags are kept elsewhere; here only the first tags stand.
        next.tags.clone_from(&formula.tags);
        self.tables().snapshots.change(number, now, || formula, next);
    }

    /// Announces when a snapshot completes, unless it is stuck.
    fn tell_completion(&self, snapshot: &Snapshot) {
        if snapshot.stuck.is_some() {
            return;
        }
        let idents = self.scene().plan.idents;
        let ended = snapshot.reaches(100);
        let what = What::Snapshot {
            id: idents.text(Kind::Snapshot, snapshot.number),
            volume: idents.text(Kind::Volume, snapshot.volume),
            event: "createSnapshot",
            result: "succeeded",
            cause: String::new(),
            started: snapshot.started,
            ended,
        };
        self.tell(ended, what);
    }

    fn tell_batch(&self, batch: Option<(u64, u64)>) {
        let Some((first, count)) = batch else { return };
        let scene = self.scene();
        let snapshots: Vec<Snapshot> =
            (first..first + count).filter_map(|number| scene.snapshot(number, self.now())).collect();
        // A stuck or deleted snapshot leaves the batch incomplete.
        if snapshots.iter().any(|snapshot| snapshot.stuck.is_some()) || u64::try_from(snapshots.len()) != Ok(count) {
            return;
        }
        let [one, ..] = snapshots.as_slice() else { return };
        let ended = snapshots.iter().map(|snapshot| snapshot.reaches(100)).max().unwrap_or(one.started);
        let text = |kind, number| scene.plan.idents.text(kind, number);
        let pair = |snapshot: &Snapshot| {
            (text(Kind::Snapshot, snapshot.number), text(Kind::Volume, snapshot.volume), "completed")
        };
        let what = What::Snapshots {
            instance: one.instance.map(|number| text(Kind::Instance, number)).unwrap_or_default(),
            result: "succeeded",
            started: one.started,
            ended,
            snapshots: snapshots.iter().map(pair).collect(),
        };
        self.tell(ended, what);
    }
}

impl Account {
    /// Takes a snapshot of a volume: pending now, completed after the snapshot delay. Returns its id.
    ///
    /// # Errors
    /// When there is no such volume.
    pub fn take_snapshot(&self, volume: &str, description: &str) -> Result<String, UnknownId> {
        let unknown = || UnknownId::new(volume);
        let number = self.plan().idents.number(Kind::Volume, volume).ok().flatten().ok_or_else(unknown)?;
        let mut edit = self.edit();
        let disk = edit.scene().disk(number, edit.now()).ok_or_else(unknown)?;
        let snapshot = edit.take(&disk, description, Tags::default(), |_| false);
        Ok(self.plan().idents.text(Kind::Snapshot, snapshot.number))
    }

    /// Makes a pending snapshot stuck, or lets it continue with the work that is left.
    ///
    /// # Errors
    /// When there is no such snapshot.
    pub fn set_stuck(&self, snapshot: &str, stuck: bool) -> Result<(), UnknownId> {
        let (mut edit, mut snapshot) = self.snapshot(snapshot)?;
        snapshot.stick(edit.now(), stuck);
        edit.put_snapshot(snapshot.clone());
        if !stuck {
            edit.tell_completion(&snapshot);
            edit.tell_batch(snapshot.batch);
        }
        Ok(())
    }

    /// Deletes a snapshot at once, as EC2 does.
    ///
    /// # Errors
    /// When there is no such snapshot.
    pub fn delete_snapshot(&self, snapshot: &str) -> Result<(), UnknownId> {
        let (mut edit, snapshot) = self.snapshot(snapshot)?;
        edit.put_snapshot(Snapshot { deleted: true, ..snapshot });
        Ok(())
    }

    /// The state of a snapshot now and its progress in percent; `None` when EC2 does not list it.
    #[must_use]
    pub fn snapshot_state(&self, snapshot: &str) -> Option<(&'static str, i64)> {
        let number = self.plan().idents.number(Kind::Snapshot, snapshot).ok().flatten()?;
        let reading = self.reading();
        let (snapshot, now): (Snapshot, Moment) = (reading.scene().snapshot(number, reading.now())?, reading.now());
        Some((snapshot.state(now), snapshot.progress(now)))
    }

    fn snapshot(&self, id: &str) -> Result<(Edit<'_>, Snapshot), UnknownId> {
        let unknown = || UnknownId::new(id);
        let number = self.plan().idents.number(Kind::Snapshot, id).ok().flatten().ok_or_else(unknown)?;
        let edit = self.edit();
        let snapshot = edit.scene().snapshot(number, edit.now()).filter(|snapshot| snapshot.owner == Owner::Own);
        let snapshot = snapshot.ok_or_else(unknown)?;
        Ok((edit, snapshot))
    }
}
