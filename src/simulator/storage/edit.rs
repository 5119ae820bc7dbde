//! What calls and tests do to volumes.

use std::borrow::Cow;

use crate::simulator::clock::Moment;
use crate::simulator::estate::{Edit, Estate, UnknownId};
use crate::simulator::ident::Kind;
use crate::simulator::storage::{Attachment, Class, Disk};
use crate::simulator::tags::Tags;

impl Edit<'_> {
    /// Creates an empty volume in a zone: creating now, available after the volume delay. `form` gives it its properties.
    pub(crate) fn create_disk(&mut self, zone: u64, gib: u32, now: Moment, form: impl FnOnce(&mut Disk)) -> Disk {
        let ready = now.plus(self.pace().volume);
        let mut disk = Disk {
            number: 0,
            zone,
            gib,
            class: Class::Gp2,
            iops: Class::Gp2.iops(gib),
            throughput: None,
            encrypted: false,
            multi_attach: false,
            snapshot: None,
            managed: false,
            created: now,
            ready,
            attachment: None,
            deleted: None,
            tags: Tags::default(),
        };
        form(&mut disk);
        self.holdings().disks.make(now, |number| {
            disk.number = number;
            disk.clone()
        });
        disk
    }

    /// Begins to attach a volume: attached after the volume delay.
    pub(crate) fn attach(&mut self, mut disk: Disk, instance: u64, device: &str, now: Moment) -> Attachment {
        let attachment = Attachment {
            instance,
            device: Cow::Owned(device.to_owned()),
            asked: now,
            done: now.plus(self.pace().volume),
            delete_on_termination: false,
            detached: None,
        };
        disk.attachment = Some(attachment.clone());
        self.holdings().guests.entry(instance).or_default().insert(disk.number);
        self.put_disk(now, disk);
        attachment
    }

    /// Begins to detach a volume: available after the volume delay.
    pub(crate) fn detach(&mut self, mut disk: Disk, now: Moment) {
        let done = now.plus(self.pace().volume);
        if let Some(attachment) = &mut disk.attachment {
            attachment.detached = Some(done);
            self.put_disk(now, disk);
        }
    }

    /// Begins to delete a volume: gone after the volume delay.
    pub(crate) fn delete_disk(&mut self, mut disk: Disk, now: Moment) {
        disk.deleted = Some(now.plus(self.pace().volume));
        self.put_disk(now, disk);
    }

    /// Makes a volume `next` from `now` on.
    pub(crate) fn put_disk(&mut self, now: Moment, next: Disk) {
        let number = next.number;
        let formula = self.scene().formula(number, now).unwrap_or_else(|| next.clone());
        self.holdings().disks.change(number, now, || formula, next);
    }
}

impl Estate {
    /// Creates an empty `gp2` volume in the zone of an instance: creating now, available after the volume delay. Returns
    /// its id.
    ///
    /// # Errors
    /// When there is no such instance.
    pub fn create_volume(&self, beside: &str, gib: u32) -> Result<String, UnknownId> {
        let number = self.instance(beside)?;
        let now = self.now();
        let mut edit = self.edit();
        let zone = edit.scene().host(number, now).map(|host| host.zone).ok_or_else(|| UnknownId::of(beside))?;
        let disk = edit.create_disk(zone, gib, now, |_| {});
        Ok(self.plan().idents.text(Kind::Volume, disk.number))
    }

    /// Begins to attach a volume to an instance, whatever the states: attached after the volume delay.
    ///
    /// # Errors
    /// When there is no such volume or instance.
    pub fn attach_volume(&self, volume: &str, instance: &str, device: &str) -> Result<(), UnknownId> {
        let number = self.instance(instance)?;
        let (mut edit, disk, now) = self.disk(volume)?;
        edit.attach(disk, number, device, now);
        Ok(())
    }

    /// Begins to detach a volume: available after the volume delay. One that is attached to nothing is no error.
    ///
    /// # Errors
    /// When there is no such volume.
    pub fn detach_volume(&self, volume: &str) -> Result<(), UnknownId> {
        let (mut edit, disk, now) = self.disk(volume)?;
        edit.detach(disk, now);
        Ok(())
    }

    /// Begins to delete a volume, whatever it is attached to: gone after the volume delay.
    ///
    /// # Errors
    /// When there is no such volume.
    pub fn delete_volume(&self, volume: &str) -> Result<(), UnknownId> {
        let (mut edit, disk, now) = self.disk(volume)?;
        edit.delete_disk(disk, now);
        Ok(())
    }

    /// The ids of all volumes EC2 would list now.
    #[must_use]
    pub fn volume_ids(&self) -> Vec<String> {
        let (view, now) = (self.view(), self.now());
        let scene = view.scene();
        let there = scene.disks(0).filter(|number| scene.disk(*number, now).is_some());
        there.map(|number| self.plan().idents.text(Kind::Volume, number)).collect()
    }

    fn disk(&self, id: &str) -> Result<(Edit<'_>, Disk, Moment), UnknownId> {
        let unknown = || UnknownId::of(id);
        let number = self.plan().idents.number(Kind::Volume, id).ok().flatten().ok_or_else(unknown)?;
        let (edit, now) = (self.edit(), self.now());
        let disk = edit.scene().disk(number, now).ok_or_else(unknown)?;
        Ok((edit, disk, now))
    }
}
