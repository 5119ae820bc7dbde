//! Gateways, route tables and network ACLs.

use crate::simulator::account::scene::Scene;
use crate::simulator::clock::Moment;
use crate::simulator::internet_gateway::InternetGateway;
use crate::simulator::nat_gateway::{NATS, NatGateway};
use crate::simulator::network_acl::{ACLS, NetworkAcl};
use crate::simulator::route_table::{RouteTable, RouteTarget, TABLES};

impl Scene<'_> {
    /// The table as it was at `at`; `None` when EC2 does not list it.
    pub(crate) fn route_table(self, number: u64, at: Moment) -> Option<RouteTable> {
        let mut table: RouteTable = self.kept(number, at).filter(|table: &RouteTable| !table.deleted)?;
        for route in &mut table.routes {
            route.active = match route.target {
                RouteTarget::Local | RouteTarget::Endpoint(_) => true,
                RouteTarget::Internet(gateway) => {
                    self.internet_gateway(gateway, at).is_some_and(|gateway| gateway.vpc == Some(table.vpc))
                }
                RouteTarget::Nat(nat) => self.nat_gateway(nat, at).is_some_and(|nat| nat.works()),
                RouteTarget::Peering(_) => false,
            };
        }
        Some(table)
    }

    /// The numbers of all route tables that ever existed, starting with `from`, in listing order.
    pub(crate) fn route_tables(self, from: u64) -> impl Iterator<Item = u64> {
        (from..self.plan.vpcs * TABLES).chain(self.tables().route_tables.made(from))
    }

    /// The moments at which what Describe calls show of a table may change. Its routes also depend on its gateways.
    pub(crate) fn route_table_moments(self, number: u64) -> Vec<Moment> {
        let mut moments = self.kept_moments::<RouteTable>(number);
        for route in self.versions_of::<RouteTable>(number).into_iter().flat_map(|(_, table)| table.routes) {
            match route.target {
                RouteTarget::Internet(gateway) => moments.extend(self.kept_moments::<InternetGateway>(gateway)),
                RouteTarget::Nat(nat) => moments.extend(self.nat_gateway_moments(nat)),
                RouteTarget::Local | RouteTarget::Endpoint(_) | RouteTarget::Peering(_) => {}
            }
        }
        moments
    }

    /// The gateway as it was at `at`; `None` when EC2 does not list it.
    pub(crate) fn internet_gateway(self, number: u64, at: Moment) -> Option<InternetGateway> {
        self.kept(number, at).filter(|gateway: &InternetGateway| !gateway.deleted)
    }

    /// The numbers of all internet gateways that ever existed, starting with `from`, in listing order.
    pub(crate) fn internet_gateways(self, from: u64) -> impl Iterator<Item = u64> {
        (from..InternetGateway::count(self.plan)).chain(self.tables().internet_gateways.made(from))
    }

    /// The gateway as it was at `at`, including a deleted one that EC2 still lists; `None` when EC2 does not list it.
    pub(crate) fn nat_gateway(self, number: u64, at: Moment) -> Option<NatGateway> {
        let gateway: NatGateway = self.kept(number, at)?;
        let forgotten = gateway.ended.is_some_and(|(_, ended)| ended.plus(self.plan.retention) <= at);
        (gateway.created <= at && !forgotten).then_some(gateway)
    }

    /// The numbers of all NAT gateways that ever existed, starting with `from`, in listing order.
    pub(crate) fn nat_gateways(self, from: u64) -> impl Iterator<Item = u64> {
        (from..NatGateway::count(self.plan)).chain(self.tables().nat_gateways.made(from))
    }

    /// The moments at which what Describe calls show of a gateway may change.
    pub(crate) fn nat_gateway_moments(self, number: u64) -> Vec<Moment> {
        let mut moments = Vec::new();
        for (from, gateway) in self.versions_of::<NatGateway>(number) {
            moments.extend([from, gateway.created, gateway.ready]);
            if let Some((asked, ended)) = gateway.ended {
                moments.extend([asked, ended, ended.plus(self.plan.retention)]);
            }
        }
        moments
    }

    /// The number of the NAT gateway that an interface belongs to, if it belongs to one.
    pub(crate) fn nat_of(self, interface: u64) -> Option<u64> {
        interface.checked_sub(NATS).filter(|nat| self.ever_kept::<NatGateway>(*nat))
    }

    /// The subnet that a NAT gateway is or was in.
    pub(crate) fn kept_subnet(self, nat: u64) -> Option<u64> {
        self.kept::<NatGateway>(nat, Moment::LAST).map(|nat| nat.subnet)
    }

    /// The moments at which the NAT gateway or instance of an interface may have begun or ended.
    pub(crate) fn host_moments(self, interface: u64) -> Vec<Moment> {
        match self.nat_of(interface) {
            Some(nat) => self.nat_gateway_moments(nat),
            None => self.ends_of(interface),
        }
    }

    /// The ACL as it was at `at`; `None` when EC2 does not list it.
    pub(crate) fn network_acl(self, number: u64, at: Moment) -> Option<NetworkAcl> {
        self.kept(number, at).filter(|acl: &NetworkAcl| !acl.deleted)
    }

    /// The numbers of all network ACLs that ever existed, starting with `from`, in listing order.
    pub(crate) fn network_acls(self, from: u64) -> impl Iterator<Item = u64> {
        (from..self.plan.vpcs * ACLS).chain(self.tables().network_acls.made(from))
    }
}
