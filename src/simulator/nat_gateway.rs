//! NAT gateways: a public one for each VPC except the default VPC, some private ones, and those that calls created.
//!
//! A gateway has a network interface, whose number follows from the gateway's number. A public gateway has an Elastic
//! IP address that is associated with the interface. A deleted gateway stays listed for as long as a terminated
//! instance.

use std::net::Ipv4Addr;
use std::time::Duration;

use crate::simulator::clock::Moment;
use crate::simulator::dice::{Dice, mix};
use crate::simulator::ident::Kind;
use crate::simulator::plan::{Plan, ZONES, address, base, public};
use crate::simulator::tags::Tags;

/// The offset from a gateway's number to its interface's number and, for the formula's gateways, to its address's
/// number.
pub(crate) const NATS: u64 = 1 << 39;
/// The position in its subnet of the private address of a gateway of the formula.
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
    /// The gateway is pending until this moment.
    pub(crate) ready: Moment,
    /// When the deletion was requested, and until when the gateway is deleting.
    pub(crate) ended: Option<(Moment, Moment)>,
    /// Its first tags.
    pub(crate) tags: Tags,
}

impl NatGateway {
    /// How many numbers the gateways of the formula have: two per VPC, and some are unused.
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

    /// Whether traffic passes through it now or soon: it is not being deleted.
    pub(crate) const fn works(&self) -> bool {
        self.ended.is_none()
    }
}
