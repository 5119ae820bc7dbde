//! What the internet can reach behind one subnet and one set of security groups.

use super::acl::EPHEMERAL;
use super::address_set::{AddressSet, Family};
use super::answer::{Does, Exposure, Hop, ReachVerdict, Segment};
use super::parts::{Documents, NetworkParts};
use super::ports::{Ports, Protocol};

/// How many rules a hop names.
const NAMED: usize = 3;

/// Answers for every port behind one subnet and one set of security groups. They are the same for all network interfaces there, so
/// this is made once for them.
#[derive(Clone, Debug, Default)]
pub struct Reach {
    /// For each family and protocol, every port once, in order.
    segments: Vec<Segment>,
}

/// Which public addresses a network interface has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PublicAddresses {
    /// Public IPv4 addresses.
    pub ipv4: Vec<String>,
    /// IPv6 addresses that are routed on the internet.
    pub ipv6: Vec<String>,
}

impl PublicAddresses {
    /// Those of a family.
    #[must_use]
    pub fn of(&self, family: Family) -> &[String] {
        match family {
            Family::V4 => &self.ipv4,
            Family::V6 => &self.ipv6,
        }
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ipv4.is_empty() && self.ipv6.is_empty()
    }

    /// Adds an IPv6 address, if it is one that is routed on the internet.
    pub fn add_ipv6(&mut self, address: &str) {
        let range = AddressSet::of(Family::V6, &format!("{address}/128")).unwrap_or_default();
        if !range.and(&Family::V6.internet()).is_empty() {
            self.ipv6.push(address.to_owned());
        }
    }
}

impl Reach {
    /// Judges every port.
    #[must_use]
    pub fn of(documents: &Documents) -> Self {
        let parts = NetworkParts::of(documents);
        let mut segments: Vec<Segment> = Vec::new();
        for family in [Family::V4, Family::V6] {
            for protocol in Protocol::ALL {
                let acl = parts.acl.as_ref().ok().into_iter().flat_map(|(_, acl)| acl.cuts());
                for ports in Ports::ALL.cut(parts.groups.cuts().chain(acl)) {
                    let (verdict, hops) = judged(&parts, family, protocol, ports.from);
                    let is_same = |last: &&mut Segment| {
                        (last.family, last.protocol, last.verdict) == (family, protocol, verdict) && last.hops == hops
                    };
                    match segments.last_mut().filter(is_same) {
                        Some(last) => last.ports.to = ports.to,
                        None => segments.push(Segment { family, protocol, ports, verdict, hops }),
                    }
                }
            }
        }
        Reach { segments }
    }

    /// Every stretch of ports, for addresses of the families that there are.
    pub fn segments(&self, addresses: &PublicAddresses) -> impl Iterator<Item = &Segment> {
        self.segments.iter().filter(move |segment| !addresses.of(segment.family).is_empty())
    }

    /// The answer of [`Reach::ask`] without what decides.
    #[must_use]
    pub fn verdict(&self, addresses: &PublicAddresses, protocol: Protocol, ports: Ports) -> ReachVerdict {
        self.asked(addresses, protocol, ports)
            .map(|segment| segment.verdict)
            .max()
            .unwrap_or(ReachVerdict::NotReachable)
    }

    fn asked(&self, addresses: &PublicAddresses, protocol: Protocol, ports: Ports) -> impl Iterator<Item = &Segment> {
        let is_asked = move |segment: &&Segment| segment.protocol == protocol && segment.ports.meet(ports);
        self.segments(addresses).filter(is_asked)
    }

    /// Whether the internet can reach any of these ports at any of these addresses: the worst answer, worst being that it can.
    #[must_use]
    pub fn ask(&self, addresses: &PublicAddresses, protocol: Protocol, ports: Ports) -> Exposure {
        let asked = self.asked(addresses, protocol, ports);
        // Of those that are as bad the first.
        let worst = asked.reduce(|worst, next| if worst.verdict >= next.verdict { worst } else { next });
        let Some(worst) = worst else { return no_address() };
        let mut hops = vec![Hop {
            hop: "public address",
            does: Does::Passes,
            why: addresses.of(worst.family).iter().take(NAMED).cloned().collect::<Vec<_>>().join(", "),
        }];
        hops.extend(worst.hops.iter().cloned());
        let meeting = Ports { from: worst.ports.from.max(ports.from), to: worst.ports.to.min(ports.to) };
        let ports = if worst.verdict == ReachVerdict::Reachable { meeting } else { ports };
        Exposure { verdict: worst.verdict, ports, hops }
    }
}

/// The answer where nothing has a public address.
#[must_use]
pub fn no_address() -> Exposure {
    let why = "no public IPv4 address and no global IPv6 address".to_owned();
    let hops = vec![Hop { hop: "public address", does: Does::Blocks, why }];
    Exposure { verdict: ReachVerdict::NotReachable, ports: Ports::ALL, hops }
}

/// Follows traffic hop by hop. Each hop narrows the addresses that still get through; the first that leaves less than the internet
/// blocks. A hop that is not known leaves them as they are and makes the answer unknown, unless another blocks.
fn judged(parts: &NetworkParts, family: Family, protocol: Protocol, port: u16) -> (ReachVerdict, Vec<Hop>) {
    let mut hops = Vec::new();
    let mut left = family.internet();
    for (hop, judge) in HOPS {
        let Judged { admits, does, why } = judge(parts, family, protocol, port, &left);
        left = admits.map_or(left.clone(), |admits| left.and(&admits));
        hops.push(Hop { hop, does, why });
        if does == Does::Blocks {
            return (ReachVerdict::NotReachable, hops);
        }
    }
    let is_unknown = hops.iter().any(|hop| hop.does == Does::Unknown);
    (if is_unknown { ReachVerdict::Unknown } else { ReachVerdict::Reachable }, hops)
}

/// What a hop does to what is left of the internet.
struct Judged {
    /// The addresses that it lets through; `None` where that is not known.
    admits: Option<AddressSet>,
    does: Does,
    why: String,
}

impl Judged {
    fn unknown(why: impl Into<String>) -> Self {
        Judged { admits: None, does: Does::Unknown, why: why.into() }
    }

    fn blocks(why: impl Into<String>) -> Self {
        Judged { admits: None, does: Does::Blocks, why: why.into() }
    }

    fn passes(admits: Option<AddressSet>, why: impl Into<String>) -> Self {
        Judged { admits, does: Does::Passes, why: why.into() }
    }
}

/// Judges a hop, given the addresses that are left.
type ReachJudge = fn(&NetworkParts, Family, Protocol, u16, &AddressSet) -> Judged;

/// The hops from the internet inwards.
const HOPS: [(&str, ReachJudge); 4] = [
    ("internet gateway and route table", route),
    ("VPC Block Public Access", block),
    ("network ACL", acl),
    ("security groups", groups),
];

fn route(parts: &NetworkParts, family: Family, _: Protocol, _: u16, left: &AddressSet) -> Judged {
    let (id, is_explicit, routes) = match &parts.table {
        Ok(table) => table,
        Err(why) => return Judged::unknown(why.as_str()),
    };
    let attached = match &parts.gateways {
        Ok(gateways) => gateways,
        Err(why) => return Judged::unknown(why.as_str()),
    };
    let which = if *is_explicit { format!("of {}", parts.subnet) } else { format!("the main one of {}", parts.vpc) };
    let mut detached = None;
    for gateway in routes.gateways() {
        let admits = routes.through(family, gateway);
        if !left.and(&admits).is_internet(family) {
            continue;
        }
        match attached.get(gateway) {
            Some(true) if parts.edge.is_some() => {
                let edge = parts.edge.as_deref().unwrap_or_default();
                let why = format!("{edge} leads what comes in by {gateway} another way, which is not followed");
                return Judged { admits: Some(admits), ..Judged::unknown(why) };
            }
            Some(true) => {
                let to = routes.widest(family, gateway).unwrap_or(family.everything());
                return Judged::passes(
                    Some(admits),
                    format!("{id}, {which}, routes {to} to {gateway}, which is attached"),
                );
            }
            // A gateway of another account is attached and not held.
            None => return Judged::unknown(format!("{id} routes to {gateway}, which is not held")),
            Some(false) => detached = Some(gateway),
        }
    }
    match (detached, routes.listed()) {
        (Some(gateway), _) => {
            Judged::blocks(format!("{gateway}, to which {id} routes, is not attached to {}", parts.vpc))
        }
        (None, Some(list)) => {
            Judged::unknown(format!("{id} routes {list} to an internet gateway, a prefix list that is not held"))
        }
        (None, None) => {
            Judged::blocks(format!("{id}, {which}, has no route from {} to an internet gateway", family.everything()))
        }
    }
}

fn block(parts: &NetworkParts, _: Family, _: Protocol, _: u16, _: &AddressSet) -> Judged {
    match &parts.blocked {
        Ok(None) => Judged::passes(None, format!("VPC Block Public Access is off for {}", parts.subnet)),
        Ok(Some(mode)) if mode.starts_with("block-") => {
            Judged::blocks(format!("VPC Block Public Access is {mode} for {}", parts.subnet))
        }
        Ok(Some(mode)) => Judged::unknown(format!(
            "VPC Block Public Access is {} for {}",
            crate::model::text::shown(mode, 40),
            parts.subnet
        )),
        Err(why) => Judged::unknown(why.as_str()),
    }
}

fn acl(parts: &NetworkParts, family: Family, protocol: Protocol, port: u16, left: &AddressSet) -> Judged {
    let (id, acl) = match &parts.acl {
        Ok(acl) => acl,
        Err(why) => return Judged::unknown(why.as_str()),
    };
    let inward = acl.lets_in(family, protocol, port);
    let deciding = acl.deciding(family, protocol, port);
    if !left.and(&inward).is_internet(family) {
        let why = match deciding {
            Some((number, false)) => format!("rule {number} of {id} denies it"),
            _ => format!("no rule of {id} allows it from {}", family.everything()),
        };
        return Judged::blocks(why);
    }
    let through = match protocol {
        Protocol::Udp => inward,
        Protocol::Tcp => inward.and(&acl.lets_answers_out(family, protocol)),
    };
    if !left.and(&through).is_internet(family) {
        return Judged::blocks(format!("no outbound rule of {id} allows answers to ports {EPHEMERAL}"));
    }
    let why = match deciding {
        Some((number, true)) => format!("rule {number} of {id} allows it"),
        _ => format!("{id} allows it"),
    };
    Judged::passes(Some(through), why)
}

fn groups(parts: &NetworkParts, family: Family, protocol: Protocol, port: u16, left: &AddressSet) -> Judged {
    let admits = parts.groups.admits(family, protocol, port);
    let through = left.and(&admits);
    let is_through = through.is_internet(family);
    let rules = parts.groups.admitting(family, protocol, port).map(|(rule, source)| {
        let protocol = if rule.protocol == "-1" { "all protocols" } else { &rule.protocol };
        format!("{} allows {protocol} {} from {source}", rule.group, rule.ports)
    });
    let mut rules: Vec<String> = rules.collect();
    let more = rules.len().saturating_sub(NAMED);
    rules.truncate(NAMED);
    let mut rules = rules.join("; ");
    if more > 0 {
        rules = format!("{rules}; and {more} more");
    }
    if is_through {
        return Judged::passes(Some(admits), rules);
    }
    if let Some(why) = parts.groups.unknown(protocol, port) {
        return Judged::unknown(why);
    }
    let ids = parts.group_ids.join(", ");
    if through.is_empty() {
        return Judged::blocks(format!("no rule of {ids} allows it from the internet"));
    }
    Judged::blocks(format!("only from addresses that are named, not from the internet: {rules}"))
}
