//! Subnets.

use std::collections::HashMap;

use crate::simulator::account::scene::Scene;
use crate::simulator::account::share::SharedVpc;
use crate::simulator::changes::CREATED;
use crate::simulator::clock::Moment;
use crate::simulator::history::History;
use crate::simulator::ident::{Kind, Malformed};
use crate::simulator::plan::{Plan, ZONES};
use crate::simulator::subnet::Subnet;
use crate::simulator::tags::Tags;

impl<'a> Scene<'a> {
    /// One past the position of the last subnet that the account sees. Its own subnets come first, then those of each
    /// VPC shared with it.
    pub(crate) fn subnets(self) -> u64 {
        (self.plan.vpcs + u64::try_from(self.shares().len()).unwrap_or(0)) * ZONES
    }

    /// The subnet at a position as of `at`, and its owner's formula, which its ids are made with.
    pub(crate) fn subnet(self, place: u64, at: Moment) -> Option<(Subnet, &'a Plan)> {
        let Some(shared) = (place / ZONES).checked_sub(self.plan.vpcs) else {
            return Some((Subnet::of(place), self.plan));
        };
        let share = self.shares().get(usize::try_from(shared).ok()?).filter(|share| share.from <= at)?;
        let mut subnet = Subnet::of(share.vpc * ZONES + place % ZONES);
        // AWS shows tags only to the owner.
        subnet.tags = Tags::default();
        Some((subnet, &share.plan))
    }

    /// The position of the subnet that an id names.
    pub(crate) fn subnet_place(self, id: &str) -> Result<Option<u64>, Malformed> {
        let own = self.plan.idents.number(Kind::Subnet, id)?.filter(|number| *number < self.plan.vpcs * ZONES);
        let is = |share: &SharedVpc, zone: u64| share.plan.idents.text(Kind::Subnet, share.vpc * ZONES + zone) == id;
        let shared = (self.plan.vpcs..).zip(self.shares());
        let mut places = shared.flat_map(|(vpc, share)| (0..ZONES).map(move |zone| (vpc * ZONES + zone, zone, share)));
        Ok(own.or_else(|| places.find(|(_, zone, share)| is(share, *zone)).map(|(place, ..)| place)))
    }

    /// The moments at which the count of free addresses in one of the account's own subnets may change.
    pub(crate) fn subnet_moments(self, number: u64) -> Vec<Moment> {
        let mut moments: Vec<Moment> = self.movers(number).flat_map(|instance| self.ends_of(instance)).collect();
        for made in self.tables().interfaces.made(CREATED) {
            let history = self.tables().interfaces.get(made);
            moments.extend(history.filter(|it| it.latest().subnet == number).into_iter().flat_map(History::moments));
        }
        let nats = self.nat_gateways(0).filter(|nat| self.kept_subnet(*nat) == Some(number));
        moments.extend(nats.flat_map(|nat| self.nat_gateway_moments(nat)));
        moments
    }

    /// How many more addresses of each subnet are taken at `at` than the formula's instances hold. Launched instances,
    /// created interfaces and NAT gateways add to it; terminated instances subtract.
    pub(crate) fn taken_addresses(self, at: Moment) -> HashMap<u64, i64> {
        let mut taken = self.moved(at);
        for made in self.tables().interfaces.made(CREATED) {
            if let Some(interface) = self.interface(made, at) {
                *taken.entry(interface.subnet).or_default() += 1;
            }
        }
        for nat in self.nat_gateways(0).filter_map(|nat| self.nat_gateway(nat, at)) {
            *taken.entry(nat.subnet).or_default() += i64::from(nat.state(at) != "deleted");
        }
        taken
    }
}
