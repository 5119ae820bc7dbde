//! Subnets: one in each zone of each VPC. Like the VPCs, they are formulas of their numbers.

use std::collections::HashMap;

use crate::simulator::ident::Kind;
use crate::simulator::plan::ipv6;
use crate::simulator::plan::{Plan, ZONES, address, base};
use crate::simulator::tags::Tags;

/// How many addresses of a /18 can be used; AWS reserves five.
const ADDRESSES: i64 = (1 << 14) - 5;

/// One subnet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Subnet {
    pub(crate) number: u64,
    pub(crate) cidr: String,
    pub(crate) ipv6: Option<String>,
    /// Its first tags.
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

    /// Whether it is the default subnet of its zone; the default VPC has one in each zone.
    pub(crate) const fn is_default(&self) -> bool {
        self.vpc() == 0
    }

    pub(crate) fn arn(&self, plan: &Plan) -> String {
        let id = plan.idents.text(Kind::Subnet, self.number);
        format!("arn:aws:ec2:{}:{}:subnet/{id}", plan.region, plan.account)
    }
}

impl Subnet {
    /// How many of its addresses are free. All instances of the owner's formula count as holding one, including those
    /// that begin terminated. `key` is the number that the subnet's id encodes in the account that makes the call.
    pub(crate) fn free(&self, plan: &Plan, key: u64, taken: &HashMap<u64, i64>) -> i64 {
        let more = taken.get(&key).copied().unwrap_or(0);
        ADDRESSES - plan.held(self.vpc(), self.zone()) - more
    }
}
