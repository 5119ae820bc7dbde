//! Questions that apply to every kind of resource: whether it exists, its first tags, and when it changed.

use crate::simulator::account::scene::Scene;
use crate::simulator::ami::Ami;
use crate::simulator::clock::Moment;
use crate::simulator::ident::Kind;
use crate::simulator::instance::Instance;
use crate::simulator::internet_gateway::InternetGateway;
use crate::simulator::nat_gateway::NatGateway;
use crate::simulator::network_acl::NetworkAcl;
use crate::simulator::route_table::RouteTable;
use crate::simulator::subnet::Subnet;
use crate::simulator::tags::Tags;

impl Scene<'_> {
    /// Whether EC2 lists a resource at `at`.
    pub(crate) fn exists(self, kind: Kind, number: u64, at: Moment) -> bool {
        match kind {
            Kind::Volume => self.disk(number, at).is_some(),
            Kind::Snapshot => self.snapshot(number, at).is_some(),
            Kind::Interface => self.interface(number, at).is_some(),
            Kind::Allocation => self.elastic(number, at).is_some(),
            Kind::RouteTable => self.route_table(number, at).is_some(),
            Kind::InternetGateway => self.internet_gateway(number, at).is_some(),
            Kind::NatGateway => self.nat_gateway(number, at).is_some(),
            Kind::NetworkAcl => self.network_acl(number, at).is_some(),
            Kind::Image => self.ami(number, at).is_some(),
            _ => false,
        }
    }

    /// Whether the resource ever existed.
    pub(crate) fn ever(self, kind: Kind, number: u64) -> bool {
        let tables = self.tables();
        match kind {
            Kind::Volume => tables.disks.get(number).is_some() || self.formula_disk(number).is_some(),
            Kind::Snapshot => tables.snapshots.get(number).is_some() || self.formula_snapshot(number).is_some(),
            Kind::Interface => {
                tables.interfaces.get(number).is_some() || number < self.end() || self.nat_of(number).is_some()
            }
            Kind::Allocation => tables.elastics.get(number).is_some() || self.formula_elastic(number).is_some(),
            Kind::RouteTable => self.ever_kept::<RouteTable>(number),
            Kind::InternetGateway => self.ever_kept::<InternetGateway>(number),
            Kind::NatGateway => self.ever_kept::<NatGateway>(number),
            Kind::NetworkAcl => self.ever_kept::<NetworkAcl>(number),
            Kind::Image => self.ever_kept::<Ami>(number),
            _ => false,
        }
    }

    /// The first tags of a resource of the formula. Tags of resources that calls create are recorded as changes.
    pub(crate) fn born_tags(self, kind: Kind, number: u64) -> Option<Tags> {
        match kind {
            Kind::Subnet => Some(Subnet::of(number).tags),
            Kind::Volume => self.formula_disk(number).map(|(disk, _)| disk.tags),
            Kind::Snapshot => self.formula_snapshot(number).map(|snapshot| snapshot.tags),
            Kind::Allocation => self.formula_elastic(number).map(|elastic| elastic.tags),
            Kind::RouteTable => RouteTable::of(self.plan, number).map(|table| table.tags),
            Kind::InternetGateway => InternetGateway::of(self.plan, number).map(|gateway| gateway.tags),
            Kind::NatGateway => NatGateway::of(self.plan, number).map(|gateway| gateway.tags),
            Kind::NetworkAcl => NetworkAcl::of(self.plan, number).map(|acl| acl.tags),
            Kind::Image => Ami::of(self.plan, number).map(|ami| ami.tags),
            _ => None,
        }
    }

    /// Gives an instance the volumes and the Elastic IP that it has at `at`, if they differ from those at its launch.
    pub(crate) fn with_attachments(self, mut host: Instance, at: Moment) -> Instance {
        if self.tables().guests.contains_key(&host.number) {
            host.disks = Some(self.disks_of(&host, at).collect());
        }
        if self.tables().bound.contains_key(&host.number) {
            host.elastic = self.elastic_of(host.number, at).map(|elastic| elastic.ip);
        }
        host
    }

    /// The moments, including future ones, at which what Describe calls show of a resource may change. For an instance,
    /// only changes of its volumes and addresses count here.
    pub(crate) fn moments(self, kind: Kind, number: u64) -> Vec<Moment> {
        match kind {
            Kind::Instance => {
                let disks = self.tables().guests.get(&number).into_iter().flatten();
                let elastics = self.tables().bound.get(&number).into_iter().flatten();
                let disks = disks.flat_map(|disk| self.disk_moments(*disk));
                disks.chain(elastics.flat_map(|elastic| self.elastic_moments(*elastic))).collect()
            }
            Kind::Subnet => self.subnet_moments(number),
            Kind::Volume => self.disk_moments(number),
            Kind::Snapshot => self.snapshot_moments(number),
            Kind::Interface => self.interface_moments(number),
            Kind::Allocation => self.elastic_moments(number),
            Kind::RouteTable => self.route_table_moments(number),
            Kind::InternetGateway => self.kept_moments::<InternetGateway>(number),
            Kind::NatGateway => self.nat_gateway_moments(number),
            Kind::NetworkAcl => self.kept_moments::<NetworkAcl>(number),
            Kind::Image => self.ami_moments(number),
            _ => Vec::new(),
        }
    }
}
