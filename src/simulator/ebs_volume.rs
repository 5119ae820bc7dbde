//! One EBS volume: what was asked of it and when that is done. Its state at any moment follows from these.

use std::borrow::Cow;
use std::sync::Arc;

use crate::simulator::changes::Timed;
use crate::simulator::clock::Moment;
use crate::simulator::tags::Tags;

/// The first number of public snapshots.
pub(crate) const PUBLIC: u64 = 1 << 41;

/// How many volume numbers each instance has; the last one is never used.
pub(crate) const SLOTS: u64 = 4;

/// The volume types of EBS.
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

    /// The smallest and the largest size of a volume, in GiB.
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

    /// The default IOPS of a volume of `gib`; `io1` and `io2` have no default.
    pub(crate) fn iops(self, gib: u32) -> Option<u32> {
        match self {
            Self::Gp2 => Some((gib * 3).clamp(100, 16_000)),
            Self::Gp3 => Some(3_000),
            Self::Standard | Self::Io1 | Self::Io2 | Self::Sc1 | Self::St1 => None,
        }
    }

    /// The default throughput in MiB/s.
    pub(crate) const fn throughput(self) -> Option<u32> {
        match self {
            Self::Gp3 => Some(125),
            _ => None,
        }
    }
}

/// An attachment of a volume to an instance, from the call that attaches it until it is detached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Attachment {
    pub(crate) instance: u64,
    pub(crate) device: Cow<'static, str>,
    pub(crate) asked: Moment,
    /// The volume is attaching until this moment.
    pub(crate) done: Moment,
    pub(crate) delete_on_termination: bool,
    /// The volume is detaching until this moment, once that was asked for.
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
pub(crate) struct EbsVolume {
    pub(crate) number: u64,
    pub(crate) zone: u64,
    pub(crate) gib: u32,
    pub(crate) class: Class,
    pub(crate) iops: Option<u32>,
    pub(crate) throughput: Option<u32>,
    pub(crate) encrypted: bool,
    /// The KMS key that the call or its snapshot named; without one, an encrypted volume uses the account's own key.
    pub(crate) key: Option<Arc<str>>,
    pub(crate) multi_attach: bool,
    /// The number of the snapshot it was created from.
    pub(crate) snapshot: Option<u64>,
    pub(crate) managed: bool,
    pub(crate) created: Moment,
    /// The volume is creating until this moment.
    pub(crate) ready: Moment,
    pub(crate) attachment: Option<Attachment>,
    /// The volume is deleting until this moment, once that was asked for.
    pub(crate) deleted: Option<Moment>,
    /// Its first tags.
    pub(crate) tags: Tags,
}

impl Timed for EbsVolume {
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

impl EbsVolume {
    pub(crate) fn state(&self, at: Moment) -> &'static str {
        match &self.attachment {
            _ if self.deleted.is_some() => "deleting",
            _ if at < self.ready => "creating",
            Some(_) => "in-use",
            None => "available",
        }
    }
}
