//! EBS volumes: those of the formula's instances, and those that calls created, changed or deleted.
//!
//! A volume stores what was asked of it and when that is done. Its state at a moment is computed from this and from
//! whether its instance had terminated by then.

mod edit;

use std::borrow::Cow;

use crate::simulator::clock::Moment;
use crate::simulator::dice::{Dice, mix};
use crate::simulator::ebs_volume::{Attachment, Class, EbsVolume, PUBLIC};
use crate::simulator::ident::Kind;
use crate::simulator::instance::Instance;
use crate::simulator::plan::{Plan, Volume};
use crate::simulator::tags::Tags;

impl EbsVolume {
    /// The volume of an instance without changes.
    pub(crate) fn of(plan: &Plan, host: &Instance, volume: Volume) -> Self {
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
            tags: if host.number < plan.count { host.tags.inherited() } else { Tags::default() },
        }
    }

    /// The root volume of an instance of the formula.
    pub(crate) fn root(plan: &Plan, instance: u64) -> Option<Self> {
        let host = plan.instance(instance);
        let volume = Plan::volumes(&host).next()?;
        Some(Self::of(plan, &host, volume))
    }

    /// The KMS key that encrypts volumes if none is chosen: the account has one in each region.
    fn own_key(plan: &Plan) -> String {
        let n = mix(plan.seed);
        let (region, account) = (&plan.region, &plan.account);
        let node = n & 0xffff_ffff_ffff;
        format!("arn:aws:kms:{region}:{account}:key/{:08x}-4a2b-4c3d-8e5f-{node:012x}", n >> 32)
    }

    pub(crate) fn key_or_own<'a>(chosen: Option<&'a str>, plan: &Plan) -> Cow<'a, str> {
        chosen.map_or_else(|| Cow::Owned(Self::own_key(plan)), Cow::Borrowed)
    }

    /// The ARN of the KMS key that a call names by id or ARN. Every alias means the account's own key.
    pub(crate) fn named_key(plan: &Plan, name: &str) -> String {
        match name.strip_prefix("arn:") {
            _ if name.contains("alias/") => Self::own_key(plan),
            Some(_) => name.to_owned(),
            None => format!("arn:aws:kms:{}:{}:key/{name}", plan.region, plan.account),
        }
    }
}

/// A volume as its instance shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mount<'a> {
    pub(crate) disk: u64,
    pub(crate) device: &'a str,
    pub(crate) since: Moment,
    pub(crate) status: &'static str,
    pub(crate) delete_on_termination: bool,
}

impl<'a> Mount<'a> {
    /// The volumes of an instance that has not terminated by `at`, its root volume first.
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
