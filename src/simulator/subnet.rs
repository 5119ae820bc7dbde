//! Subnets: one of each VPC in each zone, by the same kind of formula as the VPCs.

use std::collections::HashMap;
use std::net::Ipv4Addr;

use crate::simulator::clock::Moment;
use crate::simulator::holdings::{CREATED, Scene};
use crate::simulator::ident::Kind;
use crate::simulator::network::ipv6;
use crate::simulator::plan::{Plan, ZONES, address};
use crate::simulator::tags::Tags;

/// Addresses of a /18 that AWS leaves to its owner: five are its own.
const ADDRESSES: i64 = (1 << 14) - 5;
/// The highest host of a /18 below its broadcast address.
const LAST_HOST: u64 = (1 << 14) - 2;

/// One subnet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Subnet {
    pub(crate) number: u64,
    pub(crate) cidr: String,
    pub(crate) ipv6: Option<String>,
    /// The tags it was born with.
    pub(crate) tags: Tags,
}

impl Subnet {
    pub(crate) fn of(number: u64) -> Self {
        let (vpc, zone) = (number / ZONES, number % ZONES);
        let mut tags = Tags::default();
        if vpc > 0 {
            let letter = ["a", "b", "c"].into_iter().nth(usize::try_from(zone).unwrap_or(0)).unwrap_or("c");
            tags.put("Name", format!("net-{vpc:02}-{letter}"));
            tags.put("env", if vpc.is_multiple_of(3) { "staging" } else { "prod" });
        }
        let ipv6 = ipv6(vpc, zone, 0).map(|first| format!("{first}/64"));
        Self { number, cidr: format!("{}/18", address(vpc, zone, 0)), ipv6, tags }
    }

    pub(crate) const fn vpc(&self) -> u64 {
        self.number / ZONES
    }

    pub(crate) const fn zone(&self) -> u64 {
        self.number % ZONES
    }

    /// The default VPC has a default subnet in each zone.
    pub(crate) const fn is_default(&self) -> bool {
        self.vpc() == 0
    }

    pub(crate) fn arn(&self, plan: &Plan) -> String {
        let id = plan.idents.text(Kind::Subnet, self.number);
        format!("arn:aws:ec2:{}:{}:subnet/{id}", plan.region, plan.account)
    }

    /// The `n`th address of a subnet, counted from its end.
    pub(crate) fn last_host(number: u64, n: u64) -> Ipv4Addr {
        address(number / ZONES, number % ZONES, LAST_HOST - n % LAST_HOST)
    }
}

impl Scene<'_> {
    /// How many addresses of each subnet are taken at `at` beyond what the formula's instances hold: by launched instances
    /// and created interfaces, less what the terminated gave back.
    pub(crate) fn taken_addresses(self, at: Moment) -> HashMap<u64, i64> {
        let mut taken = self.hosts.moved(at);
        for made in self.holdings.interfaces.made(CREATED) {
            if let Some(interface) = self.interface(made, at) {
                *taken.entry(interface.subnet).or_default() += 1;
            }
        }
        taken
    }
}

impl Subnet {
    /// How many of its addresses are free. Instances of the formula are counted without looking at them, those born
    /// terminated too.
    pub(crate) fn free(&self, plan: &Plan, taken: &HashMap<u64, i64>) -> i64 {
        let more = taken.get(&self.number).copied().unwrap_or(0);
        ADDRESSES - plan.held(self.vpc(), self.zone()) - more
    }
}
