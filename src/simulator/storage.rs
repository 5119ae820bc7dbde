//! EBS volumes: disks of instances by formula, and those that calls made, moved or deleted.
//!
//! A disk keeps what was asked of it and when that is done; its state at a moment is worked out from both, and from
//! whether its instance has ended by then.

mod edit;

use std::borrow::Cow;
use std::sync::Arc;

use crate::simulator::clock::Moment;
use crate::simulator::dice::{Dice, mix};
use crate::simulator::estate::Scene;
use crate::simulator::history::History;
use crate::simulator::holdings::{Timed, inherited};
use crate::simulator::ident::Kind;
use crate::simulator::instance::Instance;
use crate::simulator::plan::{Plan, Volume};
use crate::simulator::shot::PUBLIC;
use crate::simulator::tags::Tags;

/// Numbers an instance's disks may take; the last is never used.
pub(crate) const SLOTS: u64 = 4;

/// What EBS offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    Standard,
    Io1,
    Io2,
    Gp2,
    Gp3,
    Sc1,
    St1,
}

impl Class {
    const ALL: [Self; 7] = [Self::Standard, Self::Io1, Self::Io2, Self::Gp2, Self::Gp3, Self::Sc1, Self::St1];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Standard => "standard",
            Self::Io1 => "io1",
            Self::Io2 => "io2",
            Self::Gp2 => "gp2",
            Self::Gp3 => "gp3",
            Self::Sc1 => "sc1",
            Self::St1 => "st1",
        }
    }

    pub(crate) fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.name() == name)
    }

    /// The least and the most GiB of a volume.
    pub(crate) const fn sizes(self) -> (u32, u32) {
        match self {
            Self::Standard => (1, 1_024),
            Self::Io1 => (4, 16_384),
            Self::Io2 => (4, 65_536),
            Self::Gp2 => (1, 16_384),
            Self::Gp3 => (1, 65_536),
            Self::Sc1 | Self::St1 => (125, 16_384),
        }
    }

    /// What a volume of `gib` has when nobody says: only `io1` and `io2` must be told.
    pub(crate) fn iops(self, gib: u32) -> Option<u32> {
        match self {
            Self::Gp2 => Some((gib * 3).clamp(100, 16_000)),
            Self::Gp3 => Some(3_000),
            Self::Standard | Self::Io1 | Self::Io2 | Self::Sc1 | Self::St1 => None,
        }
    }

    /// In MiB/s.
    pub(crate) const fn throughput(self) -> Option<u32> {
        match self {
            Self::Gp3 => Some(125),
            _ => None,
        }
    }
}

/// A volume on its way to, at, or on its way from an instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Attachment {
    pub(crate) instance: u64,
    pub(crate) device: Cow<'static, str>,
    pub(crate) asked: Moment,
    /// Attaching until then.
    pub(crate) done: Moment,
    pub(crate) delete_on_termination: bool,
    /// Detaching until then, once that was asked for.
    pub(crate) detached: Option<Moment>,
}

impl Attachment {
    pub(crate) fn status(&self, at: Moment) -> &'static str {
        match self.detached {
            Some(_) => "detaching",
            None if at < self.done => "attaching",
            None => "attached",
        }
    }
}

/// One EBS volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Disk {
    pub(crate) number: u64,
    pub(crate) zone: u64,
    pub(crate) gib: u32,
    pub(crate) class: Class,
    pub(crate) iops: Option<u32>,
    pub(crate) throughput: Option<u32>,
    pub(crate) encrypted: bool,
    /// The key its maker chose; without it an encrypted volume has the account's own.
    pub(crate) key: Option<Arc<str>>,
    pub(crate) multi_attach: bool,
    /// The snapshot it was made from.
    pub(crate) snapshot: Option<u64>,
    pub(crate) managed: bool,
    pub(crate) created: Moment,
    /// Creating until then.
    pub(crate) ready: Moment,
    pub(crate) attachment: Option<Attachment>,
    /// Deleting until then, once that was asked for.
    pub(crate) deleted: Option<Moment>,
    /// The tags it was born with.
    pub(crate) tags: Tags,
}

impl Disk {
    pub(crate) fn state(&self, at: Moment) -> &'static str {
        match &self.attachment {
            _ if self.deleted.is_some() => "deleting",
            _ if at < self.ready => "creating",
            Some(_) => "in-use",
            None => "available",
        }
    }

    /// The disk of an instance as it was before anybody touched it.
    fn of(plan: &Plan, host: &Instance, volume: Volume) -> Self {
        let mut dice = Dice::new(plan.seed ^ mix(Kind::Volume as u64), volume.number);
        let class = match (volume.root, host.role.name) {
            (true, _) if dice.percent(15) => Class::Gp2,
            (false, "db") => Class::Io2,
            (false, "build") => Class::St1,
            _ => Class::Gp3,
        };
        Self {
            number: volume.number,
            zone: host.zone,
            gib: volume.gib,
            class,
            iops: if class == Class::Io2 { Some(10_000) } else { class.iops(volume.gib) },
            throughput: class.throughput(),
            encrypted: dice.percent(60),
            key: None,
            multi_attach: false,
            snapshot: volume.root.then_some(PUBLIC + host.image.number),
            managed: host.managed,
            created: host.created,
            ready: host.created,
            attachment: Some(Attachment {
                instance: host.number,
                device: Cow::Borrowed(volume.device),
                asked: host.created,
                done: host.created,
                delete_on_termination: volume.root,
                detached: None,
            }),
            deleted: None,
            tags: if host.number < plan.count { inherited(&host.tags) } else { Tags::default() },
        }
    }

    /// The root disk of an instance of the formula.
    pub(crate) fn root(plan: &Plan, instance: u64) -> Option<Self> {
        let host = plan.instance(instance);
        let volume = Plan::volumes(&host).next()?;
        Some(Self::of(plan, &host, volume))
    }

    /// The key that encrypts volumes unless somebody chooses another: the account has one per region.
    fn own_key(plan: &Plan) -> String {
        let n = mix(plan.seed);
        let (region, account) = (&plan.region, &plan.account);
        let node = n & 0xffff_ffff_ffff;
        format!("arn:aws:kms:{region}:{account}:key/{:08x}-4a2b-4c3d-8e5f-{node:012x}", n >> 32)
    }

    pub(crate) fn key_or_own<'a>(chosen: Option<&'a str>, plan: &Plan) -> Cow<'a, str> {
        chosen.map_or_else(|| Cow::Owned(Self::own_key(plan)), Cow::Borrowed)
    }

    /// The ARN of the key that a call names by its id or ARN; every alias stands for the account's own key.
    pub(crate) fn named_key(plan: &Plan, name: &str) -> String {
        match name.strip_prefix("arn:") {
            _ if name.contains("alias/") => Self::own_key(plan),
            Some(_) => name.to_owned(),
            None => format!("arn:aws:kms:{}:{}:key/{name}", plan.region, plan.account),
        }
    }
}

/// A disk as its instance shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mount<'a> {
    pub(crate) disk: u64,
    pub(crate) device: &'a str,
    pub(crate) since: Moment,
    pub(crate) status: &'static str,
    pub(crate) delete_on_termination: bool,
}

impl<'a> Mount<'a> {
    /// The disks of an instance that has not terminated at `at`, its root first.
    pub(crate) fn all(host: &'a Instance, at: Moment) -> impl Iterator<Item = Self> {
        let formula = host.disks.is_none().then(|| Plan::volumes(host)).into_iter().flatten();
        let formula = formula.map(|volume| Self {
            disk: volume.number,
            device: volume.device,
            since: host.created,
            status: "attached",
            delete_on_termination: volume.root,
        });
        let disks = host.disks.as_deref().unwrap_or_default().iter();
        formula.chain(disks.filter_map(move |disk| {
            let attachment = disk.attachment.as_ref()?;
            Some(Self {
                disk: disk.number,
                device: &attachment.device,
                since: attachment.asked,
                status: attachment.status(at),
                delete_on_termination: attachment.delete_on_termination,
            })
        }))
    }
}

impl Timed for Disk {
    fn shift(&mut self, shift: impl Fn(Moment) -> Moment) {
        self.created = shift(self.created);
        self.ready = shift(self.ready);
        self.deleted = self.deleted.map(&shift);
        if let Some(attachment) = &mut self.attachment {
            attachment.asked = shift(attachment.asked);
            attachment.done = shift(attachment.done);
            attachment.detached = attachment.detached.map(shift);
        }
    }
}

impl Scene<'_> {
    /// The disk as it was at `at`, everything taken into account that happened by itself; `None` where EC2 knows of none.
    pub(crate) fn disk(self, number: u64, at: Moment) -> Option<Disk> {
        let (mut disk, host) = match self.holdings().disks.get(number) {
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

    /// A disk as its instance was born with it, and that instance.
    pub(crate) fn formula_disk(self, number: u64) -> Option<(Disk, Instance)> {
        let host = self.birth(number / SLOTS)?;
        let volume = Plan::volumes(&host).find(|volume| volume.number == number)?;
        Some((Disk::of(self.plan, &host, volume), host))
    }

    /// The numbers of all disks there ever were, from `from` on, in listing order. Some are gone.
    pub(crate) fn disks(self, from: u64) -> impl Iterator<Item = u64> {
        // Whether a disk was there at all is a cheap question, and most are not.
        let slots =
            (from..self.end() * SLOTS).filter(move |number| number % SLOTS <= self.data_volumes(number / SLOTS));
        slots.chain(self.holdings().disks.made(from))
    }

    /// The disks an instance has at `at`, its root first.
    pub(crate) fn disks_of(self, host: &Instance, at: Moment) -> impl Iterator<Item = Disk> {
        let number = host.number;
        let own = Plan::volumes(host).map(|volume| volume.number);
        let guests = self.holdings().guests.get(&number).into_iter().flatten().copied();
        own.chain(guests.filter(move |disk| disk / SLOTS != number))
            .filter_map(move |disk| self.disk(disk, at))
            .filter(move |disk| disk.attachment.as_ref().is_some_and(|it| it.instance == number))
    }

    /// The moments at which a describe begins to show something else of a disk.
    pub(crate) fn disk_moments(self, number: u64) -> Vec<Moment> {
        let mut moments = Vec::new();
        let mut hosts = Vec::new();
        if number / SLOTS < self.end() {
            hosts.push(number / SLOTS);
        }
        for (from, disk) in self.holdings().disks.get(number).into_iter().flat_map(History::versions) {
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
