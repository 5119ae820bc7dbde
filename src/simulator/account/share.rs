//! VPCs that accounts share through Resource Access Manager, and the subnets in which instances can be launched.
//!
//! A shared VPC has a position after the account's own VPCs. Its security groups belong to the participant. AWS shows
//! tags only to the owner. Ids need no table: every well-formed id encodes a number in every account's formula, so an
//! instance can also refer to another account's VPC and subnet by number.

use std::net::Ipv4Addr;
use std::sync::Arc;

use crate::simulator::clock::Moment;
use crate::simulator::ident::Kind;
use crate::simulator::plan::{Plan, ZONES, base};

/// A VPC of another account, with its subnets.
#[derive(Debug, Clone)]
pub(crate) struct SharedVpc {
    /// The owner's formula.
    pub(crate) plan: Arc<Plan>,
    /// The VPC's number in its owner's account.
    pub(crate) vpc: u64,
    pub(crate) from: Moment,
}

impl SharedVpc {
    /// The id of the VPC.
    pub(crate) fn id(&self) -> String {
        self.plan.idents.text(Kind::Vpc, self.vpc)
    }
}

/// What an instance needs to know about its subnet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SubnetPlace {
    /// The position of the subnet's VPC among those the account sees.
    pub(crate) network: u64,
    /// The number that the VPC's id encodes.
    pub(crate) vpc: u64,
    /// The number that the subnet's id encodes.
    pub(crate) subnet: u64,
    pub(crate) zone: u64,
    /// The first address of the VPC.
    pub(crate) base: Ipv4Addr,
    pub(crate) shared: bool,
}

impl SubnetPlace {
    /// One of the account's own subnets.
    pub(crate) fn own(subnet: u64) -> Self {
        let vpc = subnet / ZONES;
        Self { network: vpc, vpc, subnet, zone: subnet % ZONES, base: base(vpc), shared: false }
    }
}
