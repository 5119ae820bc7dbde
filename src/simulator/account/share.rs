//! VPCs that Resource Access Manager shares between accounts, and where in them an instance can be put.
//!
//! A shared VPC takes a place after the account's own; its security groups there are the participant's. AWS shows the owner's
//! tags to nobody else. Ids need no table: every well-formed id encodes a number in every account's formula, so an
//! instance can name another account's VPC and subnet by number as well.

use std::net::Ipv4Addr;
use std::sync::Arc;

use crate::simulator::clock::Moment;
use crate::simulator::ident::Kind;
use crate::simulator::plan::{Plan, ZONES, base};

/// Another account's VPC, with its subnets.
#[derive(Debug, Clone)]
pub(crate) struct SharedVpc {
    /// The owner's formula.
    pub(crate) plan: Arc<Plan>,
    /// The VPC's number with its owner.
    pub(crate) vpc: u64,
    pub(crate) from: Moment,
}

impl SharedVpc {
    /// The id of the VPC.
    pub(crate) fn id(&self) -> String {
        self.plan.idents.text(Kind::Vpc, self.vpc)
    }
}

/// A subnet, as far as an instance in it needs to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SubnetPlace {
    /// The place of its VPC among those the account sees.
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
    /// A subnet of the account's own.
    pub(crate) fn own(subnet: u64) -> Self {
        let vpc = subnet / ZONES;
        Self { network: vpc, vpc, subnet, zone: subnet % ZONES, base: base(vpc), shared: false }
    }
}
