//! Whether the internet can reach a port of an instance.
//!
//! Traffic from the internet passes a public address, an internet gateway that is attached and to which the subnet's route table
//! leads back, VPC Block Public Access, the subnet's network ACL, and the security groups of the network interface. Each is a hop
//! that passes, blocks, or is not known; an answer is `not reachable` only when a hop that is known blocks, `reachable` only when
//! all of them are known to pass.
//!
//! "The internet" is at least as many addresses as a /8 of IPv4 or a /16 of IPv6: what is open to a range that somebody named is
//! open to those, not to the internet. Whether anything listens, the instance's own firewall, and ways by load balancers, peering,
//! VPN or other services are not looked at ([`LEAVES_OUT`]).
//!
//! [`Reach`] is pure over documents that are handed in; [`Reaches`](gather::Reaches) fetches them of the store, once for all network
//! interfaces with the same subnet and security groups.

mod acl;
mod address_set;
mod answer;
pub mod gather;
mod groups;
mod parts;
mod ports;
mod reach;
mod routes;

pub use self::address_set::Family;
pub use self::answer::{Does, Exposure, Hop, ReachVerdict, Segment};
pub use self::parts::{Documents, Known, RouteTable};
pub use self::ports::{AskedPorts, Ports, Protocol};
pub use self::reach::{PublicAddresses, Reach, no_address};

/// The name of the filter of instances by ports that the internet can reach, beside AWS's filters.
pub const FILTER: &str = "exposed";

/// What values of [`FILTER`] look like.
pub const FILTER_FORM: &str = "ports that the internet can reach, such as 22, 8000-8100 or udp/53";

/// What no answer looks at.
pub const LEAVES_OUT: &str = "only the direct way in by a public address: not whether anything listens, not load balancers, CloudFront, peering \
     or VPN, nor firewalls in the instance";

#[cfg(test)]
mod tests;
