//! Changes to volumes, made by calls and tests, and the events they cause.

use std::borrow::Cow;

use crate::simulator::account::{Account, Edit, UnknownId};
use crate::simulator::clock::Moment;
use crate::simulator::ebs_volume::{Attachment, Class, EbsVolume};
use crate::simulator::happening::What;
use crate::simulator::ident::Kind;
use crate::simulator::tags::Tags;

impl Edit<'_> {
    /// Creates an empty volume in a zone: creating now, available after the volume delay. `form` sets its other
    /// properties. Here and below, `request` is the id of the call that causes the change.
    pub(crate) fn create_disk(
        &mut self,
        zone: u64,
        gib: u32,
        tags: Tags,
        request: &str,
        form: impl FnOnce(&mut EbsVolume),
    ) -> EbsVolume {
        let now = self.now();
        let number = self.tables().disks.next();
        let mut disk = EbsVolume {
            number,
            zone,
            gib,
            class: Class::Gp2,
            iops: Class::Gp2.iops(gib),
            throughput: None,
            encrypted: false,
            key: None,
            multi_attach: false,
            snapshot: None,
            managed: false,
            created: now,
            ready: now.plus(self.pace().volume),
            attachment: None,
            deleted: None,
            tags: Tags::default(),
        };
        form(&mut disk);
        self.tables().disks.make(now, disk.clone());
        self.tell_disk(disk.ready, number, "createVolume", "available", request);
        self.tag_new(Kind::Volume, number, tags.clone());
        disk.tags = tags;
        disk
    }

    /// Attaches a volume: attaching now, attached after the volume delay.
    pub(crate) fn attach(&mut self, mut disk: EbsVolume, instance: u64, device: &str, request: &str) -> Attachment {
        let now = self.now();
        let attachment = Attachment {
            instance,
            device: Cow::Owned(device.to_owned()),
            asked: now,
            done: now.plus(self.pace().volume),
            delete_on_termination: false,
            detached: None,
        };
        disk.attachment = Some(attachment.clone());
        self.tell_disk(attachment.done, disk.number, "attachVolume", "attached", request);
        self.put_disk(disk);
        attachment
    }

    /// Detaches a volume: detaching now, available after the volume delay. AWS sends no event for this except the
    /// call's record.
    pub(crate) fn detach(&mut self, mut disk: EbsVolume) {
        let done = self.now().plus(self.pace().volume);
        if let Some(attachment) = &mut disk.attachment {
            attachment.detached = Some(done);
            self.put_disk(disk);
        }
    }

    /// Deletes a volume: deleting now, no longer listed after the volume delay.
    pub(crate) fn delete_disk(&mut self, mut disk: EbsVolume, request: &str) {
        let gone = self.now().plus(self.pace().volume);
        disk.deleted = Some(gone);
        self.tell_disk(gone, disk.number, "deleteVolume", "deleted", request);
        self.put_disk(disk);
    }

    /// Changes a volume's shape at once. AWS continues to optimize it for a while.
    pub(crate) fn modify(&mut self, disk: EbsVolume, request: &str) {
        let (now, number) = (self.now(), disk.number);
        self.put_disk(disk);
        self.tell_disk(now, number, "modifyVolume", "optimizing", request);
        self.tell_disk(now.plus(self.pace().volume), number, "modifyVolume", "completed", request);
    }

    /// Announces the volumes that an instance was launched with.
    pub(crate) fn tell_born_disks(&self, instance: u64) {
        let Some(host) = self.scene().birth(instance) else { return };
        for disk in self.scene().disks_of(&host, self.now()) {
            self.tell_disk(self.now(), disk.number, "createVolume", "available", "");
        }
    }

    /// Announces the volumes that are deleted with an instance when it terminates at `end`.
    pub(crate) fn tell_ended_disks(&self, instance: u64, end: Moment) {
        let Some(host) = self.scene().birth(instance) else { return };
        for disk in self.scene().disks_of(&host, self.now()) {
            if disk.attachment.is_some_and(|attachment| attachment.delete_on_termination) {
                self.tell_disk(end, disk.number, "deleteVolume", "deleted", "");
            }
        }
    }

    fn tell_disk(&self, at: Moment, number: u64, event: &'static str, result: &'static str, request: &str) {
        let id = self.scene().plan.idents.text(Kind::Volume, number);
        self.tell(at, What::Volume { id, event, result, cause: String::new(), request: request.to_owned() });
    }

    fn put_disk(&mut self, mut next: EbsVolume) {
        let (number, now) = (next.number, self.now());
        let formula = self.scene().formula_disk(number).map_or_else(|| next.clone(), |(disk, _)| disk);
        // Later tags are kept elsewhere; here only the first tags stand.
        next.tags.clone_from(&formula.tags);
        for known in [&formula, &next] {
            if let Some(attachment) = &known.attachment {
                self.tables().guests.entry(attachment.instance).or_default().insert(number);
            }
        }
        self.tables().disks.change(number, now, || formula, next);
    }
}

impl Account {
    /// Creates an empty `gp2` volume in the zone of an instance: creating now, available after the volume delay.
    /// Returns its id.
    ///
    /// # Errors
    /// When there is no such instance.
    pub fn create_volume(&self, beside: &str, gib: u32) -> Result<String, UnknownId> {
        let number = self.instance(beside)?;
        let mut edit = self.edit();
        let zone = edit.scene().birth(number).map(|host| host.zone).ok_or_else(|| UnknownId::new(beside))?;
        let disk = edit.create_disk(zone, gib, Tags::default(), "", |_| {});
        Ok(self.plan().idents.text(Kind::Volume, disk.number))
    }

    /// Attaches a volume to an instance in any state: attaching now, attached after the volume delay.
    ///
    /// # Errors
    /// When there is no such volume or instance.
    pub fn attach_volume(&self, volume: &str, instance: &str, device: &str) -> Result<(), UnknownId> {
        let number = self.instance(instance)?;
        let (mut edit, disk) = self.disk(volume)?;
        edit.attach(disk, number, device, "");
        Ok(())
    }

    /// Detaches a volume: detaching now, available after the volume delay. A volume that is not attached is no error.
    ///
    /// # Errors
    /// When there is no such volume.
    pub fn detach_volume(&self, volume: &str) -> Result<(), UnknownId> {
        let (mut edit, disk) = self.disk(volume)?;
        edit.detach(disk);
        Ok(())
    }

    /// Deletes a volume, even if it is attached: deleting now, no longer listed after the volume delay.
    ///
    /// # Errors
    /// When there is no such volume.
    pub fn delete_volume(&self, volume: &str) -> Result<(), UnknownId> {
        let (mut edit, disk) = self.disk(volume)?;
        edit.delete_disk(disk, "");
        Ok(())
    }

    /// The ids of all volumes that EC2 lists now.
    #[must_use]
    pub fn volume_ids(&self) -> Vec<String> {
        let reading = self.reading();
        let scene = reading.scene();
        let there = scene.disks(0).filter(|number| scene.disk(*number, reading.now()).is_some());
        there.map(|number| self.plan().idents.text(Kind::Volume, number)).collect()
    }

    fn disk(&self, id: &str) -> Result<(Edit<'_>, EbsVolume), UnknownId> {
        let unknown = || UnknownId::new(id);
        let number = self.plan().idents.number(Kind::Volume, id).ok().flatten().ok_or_else(unknown)?;
        let edit = self.edit();
        let disk = edit.scene().disk(number, edit.now()).ok_or_else(unknown)?;
        Ok((edit, disk))
    }
}
