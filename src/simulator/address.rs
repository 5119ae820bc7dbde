//! Elastic IP addresses: those some public instances have by formula, and those that calls allocated.
//!
//! An address that AWS gives an instance by itself is no Elastic IP; it belongs to the instance and is not listed.

mod edit;

use std::net::Ipv4Addr;

use crate::simulator::clock::Moment;
use crate::simulator::estate::Scene;
use crate::simulator::history::History;
use crate::simulator::holdings::{CREATED, Timed};
use crate::simulator::instance::Instance;
use crate::simulator::nat_gateway::{NATS, NatAddress, NatGateway};
use crate::simulator::plan::{Plan, public};
use crate::simulator::tags::Tags;

/// One instance in so many has an Elastic IP, if it has a public address at all.
const STEP: u64 = 64;
const AT: u64 = 7;

/// What an address is bound to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Association {
    pub(crate) number: u64,
    pub(crate) interface: u64,
}

/// One Elastic IP address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Elastic {
    pub(crate) number: u64,
    pub(crate) ip: Ipv4Addr,
    pub(crate) association: Option<Association>,
    pub(crate) released: bool,
    /// The tags it was born with.
    pub(crate) tags: Tags,
}

impl Elastic {
    /// The address of an instance of the formula that has one: it has the instance's number.
    pub(crate) fn formula_ip(plan: &Plan, instance: u64, public_role: bool) -> Option<Ipv4Addr> {
        let has_one = public_role && instance % STEP == AT && instance < plan.count;
        has_one.then(|| public(52, instance))
    }

    fn of(host: &Instance, ip: Ipv4Addr) -> Self {
        let mut tags = Tags::default();
        tags.put("Name", format!("eip-{}-{:06}", host.role.name, host.number));
        Self {
            number: host.number,
            ip,
            association: Some(Association { number: host.number, interface: host.number }),
            released: false,
            tags,
        }
    }

    /// The address of a NAT gateway of the formula, with the number of the gateway's interface.
    fn of_nat(nat: &NatGateway, address: NatAddress) -> Self {
        let association = Association { number: address.association, interface: nat.interface() };
        let mut tags = Tags::default();
        tags.put("Name", format!("nat-{:02}", nat.vpc()));
        Self { number: address.allocation, ip: address.ip, association: Some(association), released: false, tags }
    }

    /// The address of the `number`th allocation.
    pub(crate) fn allocated(number: u64) -> Ipv4Addr {
        public(54, number - CREATED)
    }
}

impl Timed for Elastic {}

impl Scene<'_> {
    /// The address as it was at `at`; `None` where EC2 knows of none.
    pub(crate) fn elastic(self, number: u64, at: Moment) -> Option<Elastic> {
        let mut elastic = match self.holdings().elastics.get(number) {
            Some(history) => history.at(at)?.clone(),
            None => self.formula_elastic(number)?,
        };
        elastic.association = elastic.association.filter(|it| self.bound(*it, at));
        (!elastic.released).then_some(elastic)
    }

    /// Whether what an address was bound to is still there.
    fn bound(self, association: Association, at: Moment) -> bool {
        if association.interface < self.end() {
            return !self.ended(association.interface, at, None);
        }
        if let Some(nat) = self.nat_of(association.interface) {
            return self.nat_gateway(nat, at).is_some_and(|nat| nat.state(at) != "deleted");
        }
        let history = self.holdings().interfaces.get(association.interface);
        history.and_then(|history| history.at(at)).is_some_and(|interface| !interface.deleted)
    }

    pub(crate) fn formula_elastic(self, number: u64) -> Option<Elastic> {
        if let Some(nat) = self.nat_of(number).and_then(|nat| NatGateway::of(self.plan, nat)) {
            return nat.address.map(|address| Elastic::of_nat(&nat, address));
        }
        if number % STEP != AT || number >= self.plan.count {
            return None;
        }
        let host = self.plan.instance(number);
        Elastic::formula_ip(self.plan, number, host.role.public).map(|ip| Elastic::of(&host, ip))
    }

    /// The numbers of all addresses there ever were, in listing order. Some name nothing.
    pub(crate) fn elastics(self) -> impl Iterator<Item = u64> {
        let formula = (AT..self.plan.count).step_by(usize::try_from(STEP).unwrap_or(1));
        let nats = (0..NatGateway::count(self.plan)).map(|nat| NATS + nat);
        formula.chain(nats).chain(self.holdings().elastics.made(CREATED))
    }

    /// The addresses an interface may have had.
    pub(crate) fn elastics_of(self, interface: u64) -> impl Iterator<Item = u64> {
        let of_instance = interface % STEP == AT && interface < self.plan.count;
        let of_nat = (NATS..NATS + NatGateway::count(self.plan)).contains(&interface);
        let own = (of_instance || of_nat).then_some(interface);
        let bound = self.holdings().bound.get(&interface).into_iter().flatten().copied();
        own.into_iter().chain(bound.filter(move |number| Some(*number) != own))
    }

    /// The address an interface has at `at`.
    pub(crate) fn elastic_of(self, interface: u64, at: Moment) -> Option<Elastic> {
        let mut addresses = self.elastics_of(interface).filter_map(|number| self.elastic(number, at));
        addresses.find(|elastic| elastic.is_of(interface))
    }

    /// The number of the address `ip` at `at`.
    pub(crate) fn elastic_at(self, ip: Ipv4Addr, at: Moment) -> Option<u64> {
        let [.., low2, low1, low0] = ip.octets();
        let low = u64::from(u32::from_be_bytes([0, low2 & 0x7f, low1, low0]));
        let mut numbers = [low, CREATED + low, NATS + low].into_iter();
        numbers.find(|number| self.elastic(*number, at).is_some_and(|elastic| elastic.ip == ip))
    }

    /// The moments at which a describe begins to show something else of an address.
    pub(crate) fn elastic_moments(self, number: u64) -> Vec<Moment> {
        let mut moments = Vec::new();
        let mut bound = Vec::new();
        bound.extend(self.formula_elastic(number).and_then(|elastic| elastic.association));
        for (from, elastic) in self.holdings().elastics.get(number).into_iter().flat_map(History::versions) {
            moments.push(from);
            bound.extend(elastic.association);
        }
        for association in bound {
            match self.holdings().interfaces.get(association.interface) {
                Some(history) => moments.extend(history.moments()),
                None => moments.extend(self.host_moments(association.interface)),
            }
        }
        moments
    }
}
