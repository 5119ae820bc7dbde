//! Reads of an account as of any moment.

use std::collections::BTreeSet;

use parking_lot::RwLockReadGuard;

use crate::simulator::account::differences::Differences;
use crate::simulator::account::scene::Scene;
use crate::simulator::account::share::SubnetPlace;
use crate::simulator::catalog::GROUP_DEFAULT;
use crate::simulator::clock::Moment;
use crate::simulator::ident::{Kind, Malformed};
use crate::simulator::instance::{Instance, Phase};
use crate::simulator::network::{GROUPS, SecurityGroup, Vpc};
use crate::simulator::plan::{Plan, ZONES};
use crate::simulator::tags::Tagged;

/// A consistent view of an account: nothing changes while it is held, and it can answer for any moment.
pub(crate) struct Reading<'a> {
    plan: &'a Plan,
    now: Moment,
    differences: RwLockReadGuard<'a, Differences>,
}

impl<'a> Reading<'a> {
    pub(super) const fn new(plan: &'a Plan, now: Moment, differences: RwLockReadGuard<'a, Differences>) -> Self {
        Self { plan, now, differences }
    }

    /// When the reading began. It shows nothing newer.
    pub(crate) const fn now(&self) -> Moment {
        self.now
    }

    /// The number after the last instance's.
    pub(crate) fn end(&self) -> u64 {
        self.differences.end(self.plan)
    }

    /// An instance as it was at `at`, even if EC2 no longer listed it; `None` before its launch.
    pub(crate) fn instance(&self, number: u64, at: Moment) -> Option<Instance> {
        self.differences.instance(self.plan, number, at).map(|instance| self.scene().with_attachments(instance, at))
    }

    /// The resources around the instances.
    pub(crate) fn scene(&self) -> Scene<'_> {
        Scene::new(self.plan, &self.differences)
    }

    /// An instance as it was at `at`, if EC2 listed it then.
    pub(crate) fn listed(&self, number: u64, at: Moment) -> Option<Instance> {
        self.instance(number, at).filter(|instance| self.forgets(number, &instance.phase).is_none_or(|end| at < end))
    }

    /// When EC2 stops listing an instance in this phase; `None` when it is not terminated.
    pub(crate) fn forgets(&self, number: u64, phase: &Phase) -> Option<Moment> {
        self.differences.forgets(self.plan, number, phase)
    }

    /// The number of an instance, if it has ever existed.
    pub(crate) fn number(&self, id: &str) -> Result<Option<u64>, Malformed> {
        let number = self.plan.idents.number(Kind::Instance, id)?;
        Ok(number.filter(|number| *number < self.end()))
    }

    /// The number of VPCs that the account sees, including shared ones.
    pub(crate) fn vpcs(&self) -> u64 {
        self.differences.vpcs(self.plan)
    }

    /// The VPC at a position as of `at`, and its owner's formula, which its ids are made with.
    pub(crate) fn vpc(&self, place: u64, at: Moment) -> Option<(Vpc, &Plan)> {
        self.differences.vpc(self.plan, place, at)
    }

    /// The position of a VPC that the account sees.
    pub(crate) fn vpc_place(&self, id: &str) -> Result<Option<u64>, Malformed> {
        self.differences.vpc_place(self.plan, id)
    }

    /// A subnet in which the account may launch instances.
    pub(crate) fn place(&self, id: &str) -> Result<Option<SubnetPlace>, Malformed> {
        self.differences.place(self.plan, id)
    }

    /// A security group of a VPC that the account saw at `at`. A region that begins without instances has what AWS makes everywhere:
    /// of its groups only the default ones.
    pub(crate) fn group(&self, number: u64, at: Moment) -> Option<SecurityGroup> {
        let is_own = number / GROUPS < self.plan.vpcs;
        if self.plan.count == 0 && is_own && number % GROUPS != GROUP_DEFAULT {
            return None;
        }
        if self.differences.share(self.plan, number / GROUPS).is_some_and(|share| share.from > at) {
            return None;
        }
        let mut group = self.differences.group(self.plan, number);
        if let Some(tagged) = self.differences.tags.get(&(Kind::SecurityGroup, number)).and_then(|tags| tags.at(at)) {
            group.tags = tagged.tags.clone();
        }
        if let Some(ingress) = self.differences.ingress.get(&number).and_then(|rules| rules.at(at)) {
            group.ingress.clone_from(ingress);
        }
        Some(group)
    }

    /// The tags of a resource at `at` and their version; `None` when the resource did not exist then.
    pub(crate) fn tagged(&self, kind: Kind, number: u64, at: Moment) -> Option<Tagged> {
        self.holds(kind, number, at).then(|| self.scene().tagged(kind, number, at))
    }

    /// Whether EC2 lists a resource at `at`. With [`Moment::LAST`], instances that EC2 no longer lists count too.
    pub(crate) fn holds(&self, kind: Kind, number: u64, at: Moment) -> bool {
        match kind {
            Kind::Instance if at == Moment::LAST => number < self.end(),
            Kind::Instance => self.listed(number, at).is_some(),
            Kind::Vpc => number < self.plan.vpcs,
            Kind::SecurityGroup => number < self.vpcs() * GROUPS && self.group(number, at).is_some(),
            Kind::Subnet => number < self.plan.vpcs * ZONES,
            _ if at == Moment::LAST => self.scene().ever(kind, number),
            _ => self.scene().exists(kind, number, at),
        }
    }

    /// The resource that an id names, if its kind can have tags and the account ever held it.
    pub(crate) fn resource(&self, id: &str) -> Result<Option<(Kind, u64)>, Malformed> {
        let kind = Kind::taggable().into_iter().find(|kind| id.starts_with(kind.prefix())).ok_or(Malformed)?;
        let number = self.plan.idents.number(kind, id)?;
        Ok(number.filter(|number| self.holds(kind, *number, Moment::LAST)).map(|number| (kind, number)))
    }

    /// The phases of an instance and when each began. The first phase of the formula's instances began at
    /// [`Moment::NEVER`].
    pub(crate) fn phases(&self, number: u64) -> Vec<(Moment, Phase)> {
        match self.differences.touched.get(&number) {
            Some(touched) => touched.phases.versions().map(|(from, phase)| (from, *phase)).collect(),
            None => self.instance(number, Moment::LAST).map(|one| (Moment::NEVER, one.phase)).into_iter().collect(),
        }
    }

    /// The moments at which a resource of any kind was changed.
    pub(crate) fn changes(&self, kind: Kind, number: u64) -> Vec<Moment> {
        let mut moments = Vec::new();
        if let Some(tags) = self.differences.tags.get(&(kind, number)) {
            moments.extend(tags.moments());
        }
        if let Some(touched) = self.differences.touched.get(&number).filter(|_| kind == Kind::Instance) {
            moments.extend(touched.phases.moments());
            moments.extend(touched.health.iter().flat_map(|health| health.moments()));
        }
        if let Some(rules) = self.differences.ingress.get(&number).filter(|_| kind == Kind::SecurityGroup) {
            moments.extend(rules.moments());
        }
        moments
    }

    /// Since when the VPC at a position is shared with the account; `None` for its own VPCs.
    pub(crate) fn shared_since(&self, place: u64) -> Option<Moment> {
        self.differences.share(self.plan, place).map(|share| share.from)
    }

    /// Every resource that was ever changed or created.
    pub(crate) fn touched(&self) -> BTreeSet<(Kind, u64)> {
        let instances = self.differences.touched.keys().map(|number| (Kind::Instance, *number));
        let groups = self.differences.ingress.keys().map(|number| (Kind::SecurityGroup, *number));
        instances.chain(groups).chain(self.differences.tags.keys().copied()).chain(self.scene().touched()).collect()
    }
}
