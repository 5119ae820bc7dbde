//! Machine images: the account's own, and those of other accounts that its instances were launched from.
//!
//! Each image of the account is made from an instance of the formula that has a backup, and its root volume comes from
//! that backup. The oldest image of another account was deregistered long ago, but instances still name it.

use std::time::Duration;

use crate::simulator::catalog::{AMAZON_LINUX_OLD, Image, image_numbered};
use crate::simulator::clock::Moment;
use crate::simulator::dice::{Dice, mix};
use crate::simulator::ebs_volume::PUBLIC;
use crate::simulator::ebs_volume::{EbsVolume, SLOTS};
use crate::simulator::ident::Kind;
use crate::simulator::plan::Plan;
use crate::simulator::snapshot::Owner;
use crate::simulator::tags::Tags;

/// Images of other accounts have the numbers below this one.
pub(crate) const FOREIGN: u64 = 6;
/// The first number of the account's own images in the formula.
pub(crate) const OWN: u64 = 1 << 20;

/// One machine image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ami {
    pub(crate) number: u64,
    pub(crate) owner: Owner,
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) family: &'static Image,
    pub(crate) arm: bool,
    /// The number of the snapshot of its root volume.
    pub(crate) snapshot: u64,
    pub(crate) gib: u32,
    pub(crate) encrypted: bool,
    pub(crate) source: Option<u64>,
    pub(crate) created: Moment,
    /// The image is pending until this moment.
    pub(crate) ready: Moment,
    pub(crate) deprecated: Option<Moment>,
    pub(crate) deregistered: bool,
    /// Its first tags.
    pub(crate) tags: Tags,
}

impl Ami {
    /// How many images of its own the account has in the formula.
    pub(crate) fn own(plan: &Plan) -> u64 {
        (plan.vpcs * 2).min((plan.count + 2) / 4)
    }

    /// The `number`th image of the formula, if there is one.
    pub(crate) fn of(plan: &Plan, number: u64) -> Option<Self> {
        if number < FOREIGN {
            return image_numbered(number).map(|family| Self::foreign(plan, family));
        }
        let ordinal = number.checked_sub(OWN).filter(|ordinal| *ordinal < Self::own(plan))?;
        // One instance in four has a backup, beginning with the second.
        let source = plan.instance(ordinal * 4 + 1);
        let created = source.created.plus(Duration::from_hours(24 * 41));
        let mut tags = Tags::default();
        if ordinal % 3 != 2 {
            tags.put("Name", format!("golden-{}", source.role.name));
            tags.put("env", if ordinal.is_multiple_of(2) { "prod" } else { "staging" });
        }
        Some(Self {
            number,
            owner: Owner::Own,
            name: format!("golden-{}-{ordinal:03}", source.role.name),
            description: if ordinal % 3 == 2 {
                String::new()
            } else {
                format!("Hardened image for {}", source.role.name)
            },
            family: source.image,
            arm: source.machine.arm,
            snapshot: source.number * SLOTS,
            gib: source.image.root_gib,
            encrypted: EbsVolume::root(plan, source.number).is_some_and(|disk| disk.encrypted),
            source: Some(source.number),
            created,
            ready: created,
            deprecated: (ordinal % 4 == 3).then(|| created.plus(Duration::from_hours(24 * 365))),
            deregistered: false,
            tags,
        })
    }

    fn foreign(plan: &Plan, family: &'static Image) -> Self {
        let number = family.number;
        let mut dice = Dice::new(plan.seed ^ mix(Kind::Image as u64), number);
        let created = Moment(1_650_000_000_000).plus(Duration::from_secs(dice.below(60_000_000)));
        let (owner, name) = match number {
            3 => (Owner::Other("099720109477".to_owned()), "ubuntu/images/hvm-ssd-gp3/ubuntu-noble-24.04-amd64-server"),
            4 => (Owner::Other("309956199498".to_owned()), "RHEL-9.4.0_HVM-x86_64-GP3"),
            5 => (Owner::Amazon, "Windows_Server-2022-English-Full-Base"),
            2 => (Owner::Amazon, "al2023-ami-kernel-6.1-arm64"),
            _ => (Owner::Amazon, "al2023-ami-kernel-6.1-x86_64"),
        };
        Self {
            number,
            owner,
            name: name.to_owned(),
            description: format!("{} base image", family.details),
            family,
            arm: family.arm(),
            snapshot: PUBLIC + number,
            gib: family.root_gib,
            encrypted: false,
            source: None,
            created,
            ready: created,
            deprecated: Some(created.plus(Duration::from_hours(24 * 365 * 10))),
            deregistered: number == AMAZON_LINUX_OLD.number,
            tags: Tags::default(),
        }
    }

    pub(crate) fn state(&self, at: Moment) -> &'static str {
        if at < self.ready { "pending" } else { "available" }
    }

    pub(crate) fn is_public(&self) -> bool {
        self.owner != Owner::Own
    }

    /// Where the image's manifest would be; for images backed by EBS it is only a name.
    pub(crate) fn location(&self, plan: &Plan) -> String {
        format!("{}/{}", self.owner.alias().unwrap_or_else(|| self.owner.account(plan)), self.name)
    }
}
