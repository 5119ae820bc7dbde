//! EBS snapshots: backups that were always there, what calls take, and the public ones of other accounts.
//!
//! How far a snapshot is follows from when it began and when it is to be done; nothing moves it. One that is stuck stays as
//! far as it was at the moment it stuck.

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

/// How many of them are of Amazon's own images.
const AMAZONS: u64 = 6;
/// How many of them there are. AWS lists tens of thousands; a few show who forgets to ask for their own.
pub(crate) const PUBLICS: u64 = 24;
const AMAZON: &str = "137112412989";
/// The volume of a snapshot whose volume is not the asker's business.
pub(crate) const HIDDEN_VOLUME: u64 = u64::MAX;
/// One instance in so many has a backup of its root volume.
pub(crate) const BACKUPS: u64 = 4;

/// Whose a snapshot is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Owner {
    /// The account's own.
    Own,
    /// Amazon's, for its images.
    Amazon,
    /// Another account's that made it public.
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
    /// The volume's number; snapshots outlive their volumes.
    pub(crate) volume: u64,
    /// The instance the volume was attached to.
    pub(crate) instance: Option<u64>,
    /// The first of the snapshots taken by the same call, and how many those are.
    pub(crate) batch: Option<(u64, u64)>,
    pub(crate) gib: u32,
    pub(crate) encrypted: bool,
    /// Its volume's.
    pub(crate) key: Option<Arc<str>>,
    pub(crate) description: Cow<'static, str>,
    pub(crate) started: Moment,
    /// The milliseconds of progress it takes.
    pub(crate) takes: i64,
    /// The milliseconds it stood still.
    pub(crate) lost: i64,
    /// Set while it makes no progress.
    pub(crate) stuck: Option<Moment>,
    pub(crate) deleted: bool,
    /// The tags it was born with.
    pub(crate) tags: Tags,
}

impl Snapshot {
    /// Percent done, in steps of ten.
    pub(crate) fn progress(&self, at: Moment) -> i64 {
        let at = self.stuck.map_or(at, |stuck| stuck.min(at));
        let worked = at.0.saturating_sub(self.started.0).saturating_sub(self.lost);
        if worked >= self.takes { 100 } else { (worked * 10 / self.takes.max(1)).clamp(0, 9) * 10 }
    }

    /// When it reaches `percent`, if nothing holds it up any more.
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

    /// What its blocks take: most volumes are not full.
    pub(crate) fn bytes(&self) -> u64 {
        let blocks = (u64::from(self.gib) << 30) / (512 << 10);
        (blocks * (20 + mix(self.number) % 60) / 100) * (512 << 10)
    }

    /// Stops at `now`, or goes on from there with as much left to do as there was.
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

    /// The backup of an instance's root volume, taken some days after the volume was made.
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

    /// One that everybody may see.
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
        // As far as it was, with as much left to do.
        let worked = shift(Moment(self.started.0.saturating_add(self.takes))).0 - self.takes;
        let begun = Moment(worked.min(shift(self.started).0));
        self.started = begun;
        self.stuck = self.stuck.map(shift);
    }
}
