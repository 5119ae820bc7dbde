//! EBS snapshots: backups from the formula, snapshots that calls took, and public ones of other accounts.
//!
//! The progress of a snapshot follows from when it started and how long it takes; there are no timers. A snapshot that
//! is stuck keeps the progress it had.

mod edit;

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use crate::simulator::changes::Timed;
use crate::simulator::clock::Moment;
use crate::simulator::dice::{Dice, mix};
use crate::simulator::ebs_volume::{EbsVolume, PUBLIC, SLOTS};
use crate::simulator::ident::Kind;
use crate::simulator::plan::Plan;
use crate::simulator::tags::Tags;

/// How many of the public snapshots belong to Amazon's images.
const AMAZONS: u64 = 6;
/// How many public snapshots there are. AWS lists tens of thousands; these few expose a client that does not name
/// owners.
pub(crate) const PUBLICS: u64 = 24;
const AMAZON: &str = "137112412989";
/// The volume number of a snapshot whose volume the account may not know.
pub(crate) const HIDDEN_VOLUME: u64 = u64::MAX;
/// One in this many instances has a backup of its root volume.
pub(crate) const BACKUPS: u64 = 4;

/// The owner of a snapshot or an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Owner {
    /// The account itself.
    Own,
    /// Amazon.
    Amazon,
    /// Another account, which made it public.
    Other(String),
}

impl Owner {
    pub(crate) fn account<'a>(&'a self, plan: &'a Plan) -> &'a str {
        match self {
            Self::Own => &plan.account,
            Self::Amazon => AMAZON,
            Self::Other(account) => account,
        }
    }

    pub(crate) fn alias(&self) -> Option<&'static str> {
        (*self == Self::Amazon).then_some("amazon")
    }
}

/// One snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Snapshot {
    pub(crate) number: u64,
    pub(crate) owner: Owner,
    /// The volume's number. A snapshot can outlive its volume.
    pub(crate) volume: u64,
    /// The instance that the volume was attached to.
    pub(crate) instance: Option<u64>,
    /// The number of the first snapshot that the same call took, and how many it took.
    pub(crate) batch: Option<(u64, u64)>,
    pub(crate) gib: u32,
    pub(crate) encrypted: bool,
    /// The KMS key of its volume.
    pub(crate) key: Option<Arc<str>>,
    pub(crate) description: Cow<'static, str>,
    pub(crate) started: Moment,
    /// How long it takes to complete, in milliseconds.
    pub(crate) takes: i64,
    /// How long it was stuck before, in milliseconds.
    pub(crate) lost: i64,
    /// Since when it is stuck, if it is.
    pub(crate) stuck: Option<Moment>,
    pub(crate) deleted: bool,
    /// Its first tags.
    pub(crate) tags: Tags,
}

impl Snapshot {
    /// The progress in percent, in steps of ten.
    pub(crate) fn progress(&self, at: Moment) -> i64 {
        let at = self.stuck.map_or(at, |stuck| stuck.min(at));
        let worked = at.0.saturating_sub(self.started.0).saturating_sub(self.lost);
        if worked >= self.takes { 100 } else { (worked * 10 / self.takes.max(1)).clamp(0, 9) * 10 }
    }

    /// When it reaches `percent`, if it does not get stuck again.
    pub(crate) fn reaches(&self, percent: i64) -> Moment {
        let worked = (self.takes.saturating_mul(percent) + 99) / 100;
        Moment(self.started.0.saturating_add(self.lost).saturating_add(worked))
    }

    pub(crate) fn completed(&self, at: Moment) -> bool {
        self.progress(at) == 100
    }

    pub(crate) fn state(&self, at: Moment) -> &'static str {
        if self.completed(at) { "completed" } else { "pending" }
    }

    /// The size of its blocks: most volumes are not full.
    pub(crate) fn bytes(&self) -> u64 {
        let blocks = (u64::from(self.gib) << 30) / (512 << 10);
        (blocks * (20 + mix(self.number) % 60) / 100) * (512 << 10)
    }

    /// Makes the snapshot stuck at `now`, or lets it continue with the work that is left.
    pub(crate) fn stick(&mut self, now: Moment, stuck: bool) {
        match self.stuck {
            None if stuck && !self.completed(now) => self.stuck = Some(now),
            Some(since) if !stuck => {
                self.lost = self.lost.saturating_add(now.0.saturating_sub(since.0).max(0));
                self.stuck = None;
            }
            _ => {}
        }
    }

    /// The backup of an instance's root volume, taken up to 40 days after the volume was created.
    pub(crate) fn backup(plan: &Plan, disk: &EbsVolume) -> Self {
        let mut dice = Dice::new(plan.seed ^ mix(Kind::Snapshot as u64), disk.number);
        let started = disk.created.plus(Duration::from_millis(dice.below(40 * 86_400_000)));
        let mut tags = disk.tags.inherited();
        tags.put("backup", "nightly");
        Self {
            number: disk.number,
            owner: Owner::Own,
            volume: disk.number,
            instance: Some(disk.number / SLOTS),
            batch: None,
            gib: disk.gib,
            encrypted: disk.encrypted,
            key: disk.key.clone(),
            description: Cow::Borrowed("Nightly backup"),
            started,
            takes: 60_000 + 1_000 * i64::from(disk.gib),
            lost: 0,
            stuck: None,
            deleted: false,
            tags,
        }
    }

    /// The public snapshot with this number.
    pub(crate) fn public(plan: &Plan, number: u64) -> Self {
        let ordinal = number - PUBLIC;
        let mut dice = Dice::new(plan.seed ^ mix(Kind::Snapshot as u64), number);
        let started = Moment(1_700_000_000_000).plus(Duration::from_secs(dice.below(60_000_000)));
        let (owner, description) = if ordinal < AMAZONS {
            (Owner::Amazon, format!("Root of ami-{ordinal}"))
        } else {
            (Owner::Other(format!("{:012}", dice.below(1_000_000_000_000))), format!("Public data set {ordinal}"))
        };
        Self {
            number,
            owner,
            volume: HIDDEN_VOLUME,
            instance: None,
            batch: None,
            gib: u32::try_from(8 + dice.below(93)).unwrap_or(8),
            encrypted: false,
            key: None,
            description: Cow::Owned(description),
            started,
            takes: 300_000,
            lost: 0,
            stuck: None,
            deleted: false,
            tags: Tags::default(),
        }
    }
}

impl Timed for Snapshot {
    fn shift(&mut self, shift: impl Fn(Moment) -> Moment) {
        // It keeps its progress, and takes as long from here as before.
        let worked = shift(Moment(self.started.0.saturating_add(self.takes))).0 - self.takes;
        let begun = Moment(worked.min(shift(self.started).0));
        self.started = begun;
        self.stuck = self.stuck.map(shift);
    }
}
