//! Subnets: one of each VPC in each zone, by the same kind of formula as the VPCs.

use std::collections::HashMap;

use crate::simulator::ident::Kind;
use crate::simulator::plan::ipv6;
use crate::simulator::plan::{Plan, ZONES, address, base};
use crate::simulator::tags::Tags;

/// Addresses of a /18 that AWS leaves to its owner: five are its own.
const ADDRESSES: i64 = (1 << 14) - 5;

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
        Self { number, cidr: format!("{}/18", address(base(vpc), zone, 0)), ipv6, tags }
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
}

impl Subnet {
    /// How many of its addresses are free. Instances of the owner's formula are counted without looking at them, those born
    /// terminated too. `key` is the number that its id encodes with the account that asks.
    pub(crate) fn free(&self, plan: &Plan, key: u64, taken: &HashMap<u64, i64>) -> i64 {
        let more = taken.get(&key).copied().unwrap_or(0);
        ADDRESSES - plan.held(self.vpc(), self.zone()) - more
    }
}
