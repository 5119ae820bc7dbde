//! The resources around instances, as the formula ([`Plan`]) and the changes together give them.
//!
//! Both reads and changes use a [`Scene`]. The modules of the kinds say what one resource is; the modules below this
//! one say which resources exist and what happened to them.

mod addresses;
mod amis;
mod gateways;
mod interfaces;
mod kept;
mod kinds;
mod snapshots;
mod subnets;
mod volumes;

use std::collections::{BTreeSet, HashMap};

use crate::simulator::account::differences::Differences;
use crate::simulator::account::share::SharedVpc;
use crate::simulator::clock::Moment;
use crate::simulator::ident::Kind;
use crate::simulator::instance::{Instance, Life, Phase, State};
use crate::simulator::network::Vpc;
use crate::simulator::plan::Plan;
use crate::simulator::tables::Tables;
use crate::simulator::tags::{Tagged, Tags};

/// A view of an account's resources around instances. Readings and edits make it; it is cheap to copy.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scene<'a> {
    pub(crate) plan: &'a Plan,
    differences: &'a Differences,
}

impl<'a> Scene<'a> {
    pub(super) const fn new(plan: &'a Plan, differences: &'a Differences) -> Self {
        Self { plan, differences }
    }

    pub(crate) const fn tables(self) -> &'a Tables {
        &self.differences.tables
    }

    /// The number after the last instance's.
    pub(crate) fn end(self) -> u64 {
        self.differences.end(self.plan)
    }

    /// The VPCs of other accounts. The first has the position after the account's own VPCs.
    pub(crate) fn shares(self) -> &'a [SharedVpc] {
        &self.differences.shares
    }

    /// An instance as it was at `at`, without its changed volumes and addresses; `None` before its launch.
    pub(crate) fn host(self, number: u64, at: Moment) -> Option<Instance> {
        self.differences.instance(self.plan, number, at)
    }

    /// An instance as it was launched, whenever that was.
    pub(crate) fn birth(self, number: u64) -> Option<Instance> {
        match self.differences.touched.get(&number).and_then(|touched| touched.born.as_deref()) {
            Some(born) => Some(born.clone()),
            None => (number < self.plan.count).then(|| self.plan.instance(number)),
        }
    }

    /// How many data volumes an instance was launched with.
    pub(crate) fn data_volumes(self, number: u64) -> u64 {
        let born = self.differences.touched.get(&number).and_then(|touched| touched.born.as_deref());
        born.map_or_else(|| self.plan.data_volumes(number), |born| born.role.data_volumes)
    }

    /// The phase of an instance at `at`, if it has recorded phases and had been launched by then.
    fn phase(self, number: u64, at: Moment) -> Option<Phase> {
        self.differences.touched.get(&number)?.phases.at(at).copied()
    }

    /// Whether an instance had terminated by `at`. A caller that already has the instance's `birth` passes it to save
    /// time.
    pub(crate) fn ended(self, number: u64, at: Moment, birth: Option<&Instance>) -> bool {
        let born = || birth.map(|birth| birth.phase).or_else(|| self.birth(number).map(|birth| birth.phase));
        let phase = self.phase(number, at).or_else(born);
        phase.is_some_and(|phase| phase.state(at) == State::Terminated)
    }

    /// When an instance was launched and when it terminated, if changes record this.
    pub(crate) fn ends_of(self, number: u64) -> Vec<Moment> {
        // Instances of the formula have always existed.
        let launched = self.birth(number).filter(|_| number >= self.plan.count);
        let mut moments: Vec<Moment> = launched.map(|birth| birth.created).into_iter().collect();
        for (from, phase) in
            self.differences.touched.get(&number).into_iter().flat_map(|touched| touched.phases.versions())
        {
            if let Life::Gone { terminated, .. } = phase.life {
                moments.push(terminated.max(from));
            }
        }
        moments
    }

    /// The moments at which the public address that EC2 assigned to an instance may have changed.
    pub(crate) fn phase_moments(self, number: u64) -> Vec<Moment> {
        let mut moments = Vec::new();
        for (from, phase) in
            self.differences.touched.get(&number).into_iter().flat_map(|touched| touched.phases.versions())
        {
            moments.extend([from, phase.settles().0.max(from)]);
        }
        moments
    }

    /// How many more instances hold an address in each subnet at `at` than in the formula, by the number that the
    /// subnet's id encodes.
    pub(crate) fn moved(self, at: Moment) -> HashMap<u64, i64> {
        let mut moved = HashMap::new();
        for (&number, touched) in &self.differences.touched {
            let alive = touched.phases.at(at).is_some_and(|phase| phase.state(at) != State::Terminated);
            let change = i64::from(alive) - i64::from(number < self.plan.count);
            // The formula also counts instances that begin terminated.
            let counted = |birth: &Instance| alive || !matches!(birth.phase.life, Life::Gone { .. });
            if let Some(birth) = (change != 0).then(|| self.birth(number)).flatten().filter(counted) {
                *moved.entry(birth.subnet).or_default() += change;
            }
        }
        moved
    }

    /// The numbers of the instances in a subnet that were launched or changed.
    pub(crate) fn movers(self, subnet: u64) -> impl Iterator<Item = u64> {
        let there = move |number: &u64| self.birth(*number).is_some_and(|birth| birth.subnet == subnet);
        self.differences.touched.keys().copied().filter(there)
    }

    /// The tags of a resource at `at`, if they were changed by then.
    pub(crate) fn retagged(self, kind: Kind, number: u64, at: Moment) -> Option<&'a Tags> {
        let tags = self.differences.tags.get(&(kind, number))?;
        tags.at(at).map(|tagged| &tagged.tags)
    }

    /// The tags of a resource at `at`, whether or not it existed then.
    pub(crate) fn tagged(self, kind: Kind, number: u64, at: Moment) -> Tagged {
        match self.differences.tags.get(&(kind, number)).and_then(|tags| tags.at(at)) {
            Some(tagged) => tagged.clone(),
            None => Tagged { version: 1, tags: self.first_tags(kind, number) },
        }
    }

    /// The tags of a resource whose tags were never changed.
    fn first_tags(self, kind: Kind, number: u64) -> Tags {
        match kind {
            Kind::Instance => match self.differences.touched.get(&number).and_then(|touched| touched.born.as_ref()) {
                Some(born) => born.tags.clone(),
                None => self.plan.instance(number).tags,
            },
            Kind::Vpc if number < self.plan.vpcs => Vpc::of(number).tags,
            Kind::SecurityGroup => self.differences.group(self.plan, number).tags,
            _ => self.born_tags(kind, number).unwrap_or_default(),
        }
    }

    /// The resources of these kinds that were ever made or changed.
    pub(crate) fn touched(self) -> BTreeSet<(Kind, u64)> {
        let tables = self.tables();
        let kinds = [
            (Kind::Volume, tables.disks.numbers()),
            (Kind::Snapshot, tables.snapshots.numbers()),
            (Kind::Interface, tables.interfaces.numbers()),
            (Kind::Allocation, tables.elastics.numbers()),
            (Kind::RouteTable, tables.route_tables.numbers()),
            (Kind::InternetGateway, tables.internet_gateways.numbers()),
            (Kind::NatGateway, tables.nat_gateways.numbers()),
            (Kind::NetworkAcl, tables.network_acls.numbers()),
            (Kind::Image, tables.amis.numbers()),
        ];
        kinds.into_iter().flat_map(|(kind, numbers)| numbers.into_iter().map(move |number| (kind, number))).collect()
    }
}
