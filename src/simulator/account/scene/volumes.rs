//! EBS volumes.

use crate::simulator::account::scene::Scene;
use crate::simulator::clock::Moment;
use crate::simulator::ebs_volume::{EbsVolume, SLOTS};
use crate::simulator::history::History;
use crate::simulator::instance::Instance;
use crate::simulator::plan::Plan;

impl Scene<'_> {
    /// The volume as it was at `at`, including changes that happen by themselves; `None` when EC2 does not list it.
    pub(crate) fn disk(self, number: u64, at: Moment) -> Option<EbsVolume> {
        let (mut disk, host) = match self.tables().disks.get(number) {
            Some(history) => (history.at(at)?.clone(), None),
            None => self.formula_disk(number).map(|(disk, host)| (disk, Some(host)))?,
        };
        if at < disk.created || disk.deleted.is_some_and(|gone| gone <= at) {
            return None;
        }
        let attachment = disk.attachment.take();
        if let Some(attachment) = attachment.filter(|it| it.detached.is_none_or(|gone| at < gone)) {
            let host = host.filter(|host| host.number == attachment.instance);
            if !self.ended(attachment.instance, at, host.as_ref()) {
                disk.attachment = Some(attachment);
            } else if attachment.delete_on_termination {
                return None;
            }
        }
        Some(disk)
    }

    /// A volume as its instance was launched with it, and that instance.
    pub(crate) fn formula_disk(self, number: u64) -> Option<(EbsVolume, Instance)> {
        let host = self.birth(number / SLOTS)?;
        let volume = Plan::volumes(&host).find(|volume| volume.number == number)?;
        Some((EbsVolume::of(self.plan, &host, volume), host))
    }

    /// The numbers of all volumes that ever existed, starting with `from`, in listing order. Some no longer exist.
    pub(crate) fn disks(self, from: u64) -> impl Iterator<Item = u64> {
        // Most numbers have no volume, and this check is cheap.
        let slots =
            (from..self.end() * SLOTS).filter(move |number| number % SLOTS <= self.data_volumes(number / SLOTS));
        slots.chain(self.tables().disks.made(from))
    }

    /// The volumes of an instance at `at`, its root volume first.
    pub(crate) fn disks_of(self, host: &Instance, at: Moment) -> impl Iterator<Item = EbsVolume> {
        let number = host.number;
        let own = Plan::volumes(host).map(|volume| volume.number);
        let guests = self.tables().guests.get(&number).into_iter().flatten().copied();
        own.chain(guests.filter(move |disk| disk / SLOTS != number))
            .filter_map(move |disk| self.disk(disk, at))
            .filter(move |disk| disk.attachment.as_ref().is_some_and(|it| it.instance == number))
    }

    /// The moments at which what Describe calls show of a volume may change.
    pub(crate) fn disk_moments(self, number: u64) -> Vec<Moment> {
        let mut moments = Vec::new();
        let mut hosts = Vec::new();
        if number / SLOTS < self.end() {
            hosts.push(number / SLOTS);
        }
        for (from, disk) in self.tables().disks.get(number).into_iter().flat_map(History::versions) {
            moments.extend([from, disk.created, disk.ready]);
            moments.extend(disk.deleted);
            if let Some(attachment) = &disk.attachment {
                moments.push(attachment.done);
                moments.extend(attachment.detached);
                hosts.push(attachment.instance);
            }
        }
        moments.extend(hosts.into_iter().flat_map(|host| self.ends_of(host)));
        moments
    }
}
