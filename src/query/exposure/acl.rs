//! What a network ACL lets through: its entries in the order of their numbers, the first that matches decides, and what none
//! matches is denied. It keeps no state, so answers need an entry of their own.

use super::address_set::{AddressSet, Family};
use super::groups::maps;
use super::ports::{Ports, Protocol};
use crate::model::{Document, Map, Value};

/// The ports that clients send from, to which answers go: AWS's own advice for network ACLs.
/// Source: <https://docs.aws.amazon.com/vpc/latest/userguide/custom-network-acl.html#nacl-ephemeral-ports>.
pub(super) const EPHEMERAL: Ports = Ports { from: 1024, to: u16::MAX };

/// The entries of a network ACL.
#[derive(Clone, Debug, Default)]
pub(super) struct Acl {
    /// In the order in which they are tried.
    entries: Vec<Entry>,
}

#[derive(Clone, Debug)]
struct Entry {
    number: i64,
    is_egress: bool,
    allows: bool,
    protocol: String,
    ports: Ports,
    family: Family,
    range: AddressSet,
}

impl Acl {
    /// Of the document of a network ACL; `None` when an entry cannot be read, which might allow or deny anything.
    #[must_use]
    pub(super) fn of(document: &Document) -> Option<Self> {
        let mut entries = maps(document.get("Entries")).map(entry).collect::<Option<Vec<_>>>()?;
        entries.sort_by_key(|entry| entry.number);
        Some(Acl { entries })
    }

    fn matching(&self, is_egress: bool, family: Family, protocol: Protocol, port: u16) -> impl Iterator<Item = &Entry> {
        let direction = self.entries.iter().filter(move |entry| entry.is_egress == is_egress && entry.family == family);
        direction.filter(move |entry| entry.ports.hold(port) && protocol.is_meant_by(&entry.protocol))
    }

    fn allows(&self, is_egress: bool, family: Family, protocol: Protocol, port: u16) -> AddressSet {
        let (mut allowed, mut decided) = (AddressSet::default(), AddressSet::default());
        for entry in self.matching(is_egress, family, protocol, port) {
            if entry.allows {
                allowed = allowed.or(&entry.range.minus(&decided));
            }
            decided = decided.or(&entry.range);
        }
        allowed
    }

    /// The ports of all inbound entries, where answers may change.
    pub(super) fn cuts(&self) -> impl Iterator<Item = Ports> {
        self.entries.iter().filter(|entry| !entry.is_egress).map(|entry| entry.ports)
    }

    /// The addresses from which a port is let in.
    #[must_use]
    pub(super) fn lets_in(&self, family: Family, protocol: Protocol, port: u16) -> AddressSet {
        self.allows(false, family, protocol, port)
    }

    /// The addresses to which answers are let out, on at least one port that a client may have sent from.
    #[must_use]
    pub(super) fn lets_answers_out(&self, family: Family, protocol: Protocol) -> AddressSet {
        let egress = self.entries.iter().filter(|entry| entry.is_egress).map(|entry| entry.ports);
        let pieces = EPHEMERAL.cut(egress);
        pieces
            .into_iter()
            .fold(AddressSet::default(), |all, piece| all.or(&self.allows(true, family, protocol, piece.from)))
    }

    /// The number of the first inbound entry that decides about a port for as much as the internet, and whether it allows.
    #[must_use]
    pub(super) fn deciding(&self, family: Family, protocol: Protocol, port: u16) -> Option<(i64, bool)> {
        let entry = self.matching(false, family, protocol, port).find(|entry| entry.range.is_internet(family))?;
        Some((entry.number, entry.allows))
    }
}

fn entry(map: &Map) -> Option<Entry> {
    let text = |name: &str| match map.get(name) {
        Some(Value::Text(text)) => Some(text.as_str()),
        _ => None,
    };
    let (family, cidr) = match (text("CidrBlock"), text("Ipv6CidrBlock")) {
        (Some(cidr), _) => (Family::V4, cidr),
        (None, Some(cidr)) => (Family::V6, cidr),
        (None, None) => return None,
    };
    let protocol = text("Protocol")?.to_owned();
    let ports = match map.get("PortRange") {
        Some(Value::Map(range)) => Ports::of(&protocol, range, "From", "To")?,
        _ => Ports::ALL,
    };
    let (Some(Value::Int(number)), Some(Value::Bool(is_egress))) = (map.get("RuleNumber"), map.get("Egress")) else {
        return None;
    };
    Some(Entry {
        number: *number,
        is_egress: *is_egress,
        allows: match text("RuleAction")? {
            "allow" => true,
            "deny" => false,
            _ => return None,
        },
        protocol,
        ports,
        family,
        range: AddressSet::of(family, cidr)?,
    })
}
