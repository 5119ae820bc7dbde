//! Network interfaces.

use crate::simulator::account::scene::Scene;
use crate::simulator::changes::CREATED;
use crate::simulator::clock::Moment;
use crate::simulator::interface::{Interface, Public};
use crate::simulator::nat_gateway::NATS;

impl Scene<'_> {
    /// The interface as it was at `at`; `None` when EC2 does not list it.
    pub(crate) fn interface(self, number: u64, at: Moment) -> Option<Interface> {
        let mut interface = match self.tables().interfaces.get(number) {
            Some(history) => history.at(at)?.clone(),
            None => match self.nat_of(number) {
                Some(nat) => Interface::of_nat(&self.nat_gateway(nat, at)?, at)?,
                None => Interface::primary(&self.host(number, at)?, at)?,
            },
        };
        if interface.deleted {
            return None;
        }
        if let Some(elastic) = self.elastic_of(number, at) {
            let association = elastic.association.map(|it| (elastic.number, it.number));
            interface.public = Some(Public { ip: elastic.ip, elastic: association });
        }
        Some(interface)
    }

    /// The numbers of all interfaces that ever existed, starting with `from`, in listing order.
    pub(crate) fn interfaces(self, from: u64) -> impl Iterator<Item = u64> {
        let nats = self.nat_gateways(from.saturating_sub(NATS)).map(|nat| NATS + nat).filter(move |nat| from <= *nat);
        let (formula, made): (Vec<u64>, Vec<u64>) = nats.partition(|nat| *nat < CREATED);
        (from..self.end()).chain(formula).chain(self.tables().interfaces.made(from)).chain(made)
    }

    /// The moments at which what Describe calls show of an interface may change.
    pub(crate) fn interface_moments(self, number: u64) -> Vec<Moment> {
        let mut moments: Vec<Moment> = match self.tables().interfaces.get(number) {
            Some(history) => history.moments().collect(),
            None => self.host_moments(number),
        };
        moments.extend(self.phase_moments(number));
        moments.extend(self.elastics_of(number).flat_map(|elastic| self.elastic_moments(elastic)));
        moments
    }
}
