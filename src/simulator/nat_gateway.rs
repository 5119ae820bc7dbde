//! NAT gateways: a public one of each VPC but the default one, some private ones, and those that calls created.
//!
//! A gateway has a network interface, whose number follows from its own, and a public one has an Elastic IP address bound to
//! that interface. A deleted gateway stays listed as long as a terminated instance does, and then it is unknown.

use std::net::Ipv4Addr;
use std::time::Duration;

use crate::simulator::clock::Moment;
use crate::simulator::dice::{Dice, mix};
use crate::simulator::ident::Kind;
use crate::simulator::plan::{Plan, ZONES, address, base, public};
use crate::simulator::tags::Tags;

/// What is added to a gateway's number for that of its interface, and of a formula's gateway for that of its address.
pub(crate) const NATS: u64 = 1 << 39;
/// The place in its subnet of the address of a formula's gateway.
pub(crate) const NAT_HOST: u64 = 16_382;

/// The Elastic IP address of a public gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NatAddress {
    pub(crate) allocation: u64,
    pub(crate) association: u64,
    pub(crate) ip: Ipv4Addr,
}

/// One NAT gateway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NatGateway {
    pub(crate) number: u64,
    pub(crate) subnet: u64,
    pub(crate) private_ip: Ipv4Addr,
    /// `None` for private gateways.
    pub(crate) address: Option<NatAddress>,
    pub(crate) created: Moment,
    /// Pending until then.
    pub(crate) ready: Moment,
    /// When its deletion was asked for, and until when it is deleting.
    pub(crate) ended: Option<(Moment, Moment)>,
    /// The tags it was born with.
    pub(crate) tags: Tags,
}

impl NatGateway {
    /// Numbers the formula's gateways may take: two a VPC.
    pub(crate) const fn count(plan: &Plan) -> u64 {
        plan.vpcs * 2
    }

    /// The number of a VPC's public gateway.
    pub(crate) const fn public_of(vpc: u64) -> u64 {
        vpc * 2
    }

    /// The `number`th gateway of the formula, if there is one.
    pub(crate) fn of(plan: &Plan, number: u64) -> Option<Self> {
        let (vpc, private) = (number / 2, number % 2 == 1);
        if number >= Self::count(plan) || vpc == 0 || (private && vpc % 3 != 0) {
            return None;
        }
        let mut dice = Dice::new(plan.seed ^ mix(Kind::NatGateway as u64), number);
        let created = Moment(1_700_000_000_000).plus(Duration::from_secs(dice.below(60_000_000)));
        let zone = u64::from(private);
        let mut tags = Tags::default();
        tags.put("Name", format!("net-{vpc:02}-{}", if private { "nat-private" } else { "nat" }));
        let allocation = NATS + number;
        Some(Self {
            number,
            subnet: vpc * ZONES + zone,
            private_ip: address(base(vpc), zone, NAT_HOST),
            address: (!private).then(|| NatAddress { allocation, association: allocation, ip: public(35, number) }),
            created,
            ready: created,
            ended: None,
            tags,
        })
    }

    pub(crate) const fn vpc(&self) -> u64 {
        self.subnet / ZONES
    }

    pub(crate) const fn zone(&self) -> u64 {
        self.subnet % ZONES
    }

    /// The number of its network interface.
    pub(crate) const fn interface(&self) -> u64 {
        NATS + self.number
    }

    pub(crate) fn state(&self, at: Moment) -> &'static str {
        match self.ended {
            Some((_, ended)) if ended <= at => "deleted",
            Some(_) => "deleting",
            None if at < self.ready => "pending",
            None => "available",
        }
    }

    /// Whether traffic goes through it, or soon will.
    pub(crate) const fn works(&self) -> bool {
        self.ended.is_none()
    }
}
