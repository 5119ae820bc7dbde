//! Elastic IP addresses: those that the formula gives to some public instances, and those that calls allocated.
//!
//! A public address that AWS assigns to an instance by itself is not an Elastic IP address and is not listed.

mod edit;

use std::net::Ipv4Addr;

use crate::simulator::changes::{CREATED, Timed};
use crate::simulator::instance::Instance;
use crate::simulator::nat_gateway::{NatAddress, NatGateway};
use crate::simulator::plan::public;
use crate::simulator::tags::Tags;

/// What an address is associated with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Association {
    pub(crate) number: u64,
    pub(crate) interface: u64,
}

/// One Elastic IP address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Elastic {
    pub(crate) number: u64,
    pub(crate) ip: Ipv4Addr,
    pub(crate) association: Option<Association>,
    pub(crate) released: bool,
    /// Its first tags.
    pub(crate) tags: Tags,
}

impl Elastic {
    /// The address of an instance of the formula.
    pub(crate) fn of(host: &Instance, ip: Ipv4Addr) -> Self {
        let mut tags = Tags::default();
        tags.put("Name", format!("eip-{}-{:06}", host.role.name, host.number));
        Self {
            number: host.number,
            ip,
            association: Some(Association { number: host.number, interface: host.number }),
            released: false,
            tags,
        }
    }

    /// The address of a NAT gateway of the formula. It has the number of the gateway's interface.
    pub(crate) fn of_nat(nat: &NatGateway, address: NatAddress) -> Self {
        let association = Association { number: address.association, interface: nat.interface() };
        let mut tags = Tags::default();
        tags.put("Name", format!("nat-{:02}", nat.vpc()));
        Self { number: address.allocation, ip: address.ip, association: Some(association), released: false, tags }
    }

    /// The address of the `number`th allocation.
    pub(crate) fn allocated(number: u64) -> Ipv4Addr {
        public(54, number - CREATED)
    }
}

impl Timed for Elastic {}
