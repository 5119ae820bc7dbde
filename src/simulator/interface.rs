//! Network interfaces: the primary interface of each instance, from the formula, and those that calls created.
//!
//! A primary interface has its instance's number and no data of its own. It exists from the launch until the instance
//! has terminated. Interfaces that calls create are attached to nothing.

mod edit;

use std::fmt::Write as _;
use std::net::{Ipv4Addr, Ipv6Addr};

use crate::simulator::address::Elastic;
use crate::simulator::changes::Timed;
use crate::simulator::clock::Moment;
use crate::simulator::dice::mix;
use crate::simulator::instance::{Instance, State};
use crate::simulator::nat_gateway::NatGateway;
use crate::simulator::network::SecurityGroup;
use crate::simulator::plan::Plan;
use crate::simulator::tags::Tags;

/// The instance that an interface is attached to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Host {
    pub(crate) instance: u64,
    pub(crate) since: Moment,
}

/// The NAT gateway for which AWS made an interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Gateway {
    pub(crate) number: u64,
    pub(crate) since: Moment,
}

/// A public address of an interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Public {
    pub(crate) ip: Ipv4Addr,
    /// The numbers of its allocation and association if it is an Elastic IP address; otherwise it is Amazon's.
    pub(crate) elastic: Option<(u64, u64)>,
}

/// One network interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Interface {
    pub(crate) number: u64,
    pub(crate) vpc: u64,
    pub(crate) subnet: u64,
    pub(crate) zone: u64,
    pub(crate) private_ip: Ipv4Addr,
    pub(crate) ipv6: Option<Ipv6Addr>,
    /// The numbers of its security groups.
    pub(crate) groups: Vec<u64>,
    pub(crate) description: String,
    pub(crate) host: Option<Host>,
    /// The NAT gateway it belongs to.
    pub(crate) nat: Option<Gateway>,
    pub(crate) public: Option<Public>,
    pub(crate) managed: bool,
    pub(crate) deleted: bool,
    /// Its first tags.
    pub(crate) tags: Tags,
}

impl Interface {
    pub(crate) const fn status(&self) -> &'static str {
        if self.host.is_some() || self.nat.is_some() { "in-use" } else { "available" }
    }

    /// Since when it is attached to its instance or NAT gateway.
    pub(crate) fn attached(&self) -> Option<Moment> {
        self.host.map(|host| host.since).or(self.nat.map(|nat| nat.since))
    }

    /// The numbers of the allocation and the association of its Elastic IP address.
    pub(crate) fn elastic(&self) -> Option<(u64, u64)> {
        self.public.and_then(|public| public.elastic)
    }

    /// The interface of a NAT gateway; `None` after the gateway is deleted.
    pub(crate) fn of_nat(nat: &NatGateway, at: Moment) -> Option<Self> {
        (nat.state(at) != "deleted").then(|| Self {
            number: nat.interface(),
            vpc: nat.vpc(),
            subnet: nat.subnet,
            zone: nat.zone(),
            private_ip: nat.private_ip,
            ipv6: None,
            groups: Vec::new(),
            description: String::new(),
            host: None,
            nat: Some(Gateway { number: nat.number, since: nat.created }),
            public: None,
            managed: false,
            deleted: false,
            tags: Tags::default(),
        })
    }

    /// The primary interface of an instance; `None` after the instance has terminated.
    pub(crate) fn primary(host: &Instance, at: Moment) -> Option<Self> {
        if host.state(at) == State::Terminated {
            return None;
        }
        // An Elastic IP address is not part of the interface and may be associated with another by now.
        let up = matches!(host.state(at), State::Pending | State::Running | State::Stopping);
        let public = host.phase.public_ip.filter(|_| up).map(|ip| Public { ip, elastic: None });
        Some(Self {
            number: host.number,
            vpc: host.vpc,
            subnet: host.subnet,
            zone: host.zone,
            private_ip: host.private_ip,
            ipv6: host.ipv6,
            groups: host.groups.iter().map(|ordinal| SecurityGroup::number(host.network, *ordinal)).collect(),
            description: String::new(),
            host: Some(Host { instance: host.number, since: host.created }),
            nat: None,
            public,
            managed: host.managed,
            deleted: false,
            tags: Tags::default(),
        })
    }
}

/// The MAC address of an interface: locally administered, and derived from its number.
pub(crate) fn mac(plan: &Plan, interface: u64) -> String {
    let n = mix(plan.seed ^ !interface);
    let mut out = String::from("0a");
    for shift in [0, 8, 16, 24, 32] {
        // Writing into a String cannot fail.
        write!(out, ":{:02x}", (n >> shift) & 0xff).ok();
    }
    out
}

/// `ip-10-1-0-4.ec2.internal`
pub(crate) fn private_dns(plan: &Plan, ip: Ipv4Addr) -> String {
    let [a, b, c, d] = ip.octets();
    format!("ip-{a}-{b}-{c}-{d}.{}", plan.private_domain)
}

/// `ec2-3-128-0-4.compute-1.amazonaws.com`
pub(crate) fn public_dns(plan: &Plan, ip: Ipv4Addr) -> String {
    let [a, b, c, d] = ip.octets();
    format!("ec2-{a}-{b}-{c}-{d}.{}", plan.public_domain)
}

impl Timed for Interface {}

impl Elastic {
    /// Whether the address is associated with this interface.
    pub(crate) fn is_of(&self, interface: u64) -> bool {
        self.association.is_some_and(|it| it.interface == interface)
    }
}
