//! Elastic IP addresses.

use std::net::Ipv4Addr;

use crate::simulator::account::scene::Scene;
use crate::simulator::address::{Association, Elastic};
use crate::simulator::changes::CREATED;
use crate::simulator::clock::Moment;
use crate::simulator::history::History;
use crate::simulator::nat_gateway::{NATS, NatGateway};
use crate::simulator::plan::{ELASTIC_AT, ELASTIC_STEP};

impl Scene<'_> {
    /// The address as it was at `at`; `None` when EC2 does not list it.
    pub(crate) fn elastic(self, number: u64, at: Moment) -> Option<Elastic> {
        let mut elastic = match self.tables().elastics.get(number) {
            Some(history) => history.at(at)?.clone(),
            None => self.formula_elastic(number)?,
        };
        elastic.association = elastic.association.filter(|it| self.bound(*it, at));
        (!elastic.released).then_some(elastic)
    }

    /// Whether the interface that an address is associated with still exists.
    fn bound(self, association: Association, at: Moment) -> bool {
        if association.interface < self.end() {
            return !self.ended(association.interface, at, None);
        }
        if let Some(nat) = self.nat_of(association.interface) {
            return self.nat_gateway(nat, at).is_some_and(|nat| nat.state(at) != "deleted");
        }
        let history = self.tables().interfaces.get(association.interface);
        history.and_then(|history| history.at(at)).is_some_and(|interface| !interface.deleted)
    }

    pub(crate) fn formula_elastic(self, number: u64) -> Option<Elastic> {
        if let Some(nat) = self.nat_of(number).and_then(|nat| NatGateway::of(self.plan, nat)) {
            return nat.address.map(|address| Elastic::of_nat(&nat, address));
        }
        if number % ELASTIC_STEP != ELASTIC_AT || number >= self.plan.count {
            return None;
        }
        let host = self.plan.instance(number);
        self.plan.elastic_ip(number, host.role.public).map(|ip| Elastic::of(&host, ip))
    }

    /// The numbers of all addresses that ever existed, in listing order. Some numbers have no address.
    pub(crate) fn elastics(self) -> impl Iterator<Item = u64> {
        let formula = (ELASTIC_AT..self.plan.count).step_by(usize::try_from(ELASTIC_STEP).unwrap_or(1));
        let nats = (0..NatGateway::count(self.plan)).map(|nat| NATS + nat);
        formula.chain(nats).chain(self.tables().elastics.made(CREATED))
    }

    /// The addresses that may ever have been associated with an interface.
    pub(crate) fn elastics_of(self, interface: u64) -> impl Iterator<Item = u64> {
        let of_instance = interface % ELASTIC_STEP == ELASTIC_AT && interface < self.plan.count;
        let of_nat = (NATS..NATS + NatGateway::count(self.plan)).contains(&interface);
        let own = (of_instance || of_nat).then_some(interface);
        let bound = self.tables().bound.get(&interface).into_iter().flatten().copied();
        own.into_iter().chain(bound.filter(move |number| Some(*number) != own))
    }

    /// The address associated with an interface at `at`.
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

    /// The moments at which what Describe calls show of an address may change.
    pub(crate) fn elastic_moments(self, number: u64) -> Vec<Moment> {
        let mut moments = Vec::new();
        let mut bound = Vec::new();
        bound.extend(self.formula_elastic(number).and_then(|elastic| elastic.association));
        for (from, elastic) in self.tables().elastics.get(number).into_iter().flat_map(History::versions) {
            moments.push(from);
            bound.extend(elastic.association);
        }
        for association in bound {
            match self.tables().interfaces.get(association.interface) {
                Some(history) => moments.extend(history.moments()),
                None => moments.extend(self.host_moments(association.interface)),
            }
        }
        moments
    }
}
