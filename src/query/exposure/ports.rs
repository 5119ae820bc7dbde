//! Protocols and ports, as rules write them.

use std::fmt;

use serde::{Serialize, Serializer};

use crate::model::{Map, Value};

/// What rules write for all protocols.
const ANY: &str = "-1";

/// A protocol with ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Protocol {
    /// TCP. Whoever connects must be answered, so return traffic has to get out.
    Tcp,
    /// UDP. A packet has reached a port whether or not an answer gets out.
    Udp,
}

impl Protocol {
    /// Both, in the order in which they are shown.
    pub const ALL: [Protocol; 2] = [Protocol::Tcp, Protocol::Udp];

    /// The protocol of this name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text.trim().to_ascii_lowercase().as_str() {
            "tcp" | "6" => Some(Protocol::Tcp),
            "udp" | "17" => Some(Protocol::Udp),
            _ => None,
        }
    }

    /// Whether a rule for the protocol that it calls `written` is for this one. Security groups write names, network ACLs
    /// numbers, and both -1 for all.
    #[must_use]
    pub fn is_meant_by(self, written: &str) -> bool {
        written == ANY || Protocol::parse(written) == Some(self)
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Protocol::Tcp => "tcp",
            Protocol::Udp => "udp",
        })
    }
}

impl Serialize for Protocol {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Ports from one to another, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ports {
    /// The first.
    pub from: u16,
    /// The last.
    pub to: u16,
}

impl Ports {
    /// Every port.
    pub const ALL: Ports = Ports { from: 0, to: u16::MAX };

    /// One port.
    #[must_use]
    pub const fn one(port: u16) -> Self {
        Ports { from: port, to: port }
    }

    /// Whether `port` is among them.
    #[must_use]
    pub fn hold(self, port: u16) -> bool {
        self.from <= port && port <= self.to
    }

    /// Whether they have any in common.
    #[must_use]
    pub fn meet(self, other: Ports) -> bool {
        self.from <= other.to && other.from <= self.to
    }

    /// Those of a rule for the protocol that it calls `protocol`, in the fields of these names. A rule without them is for all, and so is
    /// one for all protocols, whatever ports it names. AWS writes -1 for all too. `None`: they are no ports.
    #[must_use]
    pub fn of(protocol: &str, rule: &Map, from: &str, to: &str) -> Option<Self> {
        if protocol == ANY {
            return Some(Ports::ALL);
        }
        let port = |name, absent| match rule.get(name) {
            None | Some(Value::Null | Value::Int(-1)) => Some(absent),
            Some(Value::Int(port)) => u16::try_from(*port).ok(),
            Some(_) => None,
        };
        Some(Ports { from: port(from, 0)?, to: port(to, u16::MAX)? }).filter(|ports| ports.from <= ports.to)
    }

    /// Cuts `self` wherever one of `others` begins or ends, so that no piece is partly in one of them.
    #[must_use]
    pub fn cut(self, others: impl IntoIterator<Item = Ports>) -> Vec<Ports> {
        let mut starts = vec![self.from];
        for Ports { from, to } in others {
            starts.push(from);
            starts.extend(to.checked_add(1));
        }
        starts.retain(|start| self.hold(*start));
        starts.sort_unstable();
        starts.dedup();
        let ends = starts.iter().skip(1).map(|next| next - 1).chain([self.to]);
        starts.iter().zip(ends).map(|(from, to)| Ports { from: *from, to }).collect()
    }
}

impl fmt::Display for Ports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Ports { from, to } if from == to => write!(f, "{from}"),
            Ports { from, to } => write!(f, "{from}-{to}"),
        }
    }
}

/// Ports of a protocol that are asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AskedPorts {
    /// The protocol.
    pub protocol: Protocol,
    /// The ports.
    pub ports: Ports,
}

impl AskedPorts {
    /// Reads `22`, `8000-8100`, `tcp/443` or `udp/53`; TCP is meant unless said otherwise.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (protocol, ports) = text.trim().split_once('/').unwrap_or(("tcp", text.trim()));
        let (from, to) = ports.split_once('-').unwrap_or((ports, ports));
        let port = |text: &str| text.trim().parse::<u16>().ok();
        let ports = Ports { from: port(from)?, to: port(to)? };
        (ports.from <= ports.to).then_some(AskedPorts { protocol: Protocol::parse(protocol)?, ports })
    }
}

impl fmt::Display for AskedPorts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.protocol, self.ports)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_asked_about_by_number_range_and_protocol() {
        let shown = |text| AskedPorts::parse(text).map(|asked| asked.to_string());
        assert_eq!(shown("22").as_deref(), Some("tcp/22"));
        assert_eq!(shown(" udp/53 ").as_deref(), Some("udp/53"));
        assert_eq!(shown("TCP/8000-8100").as_deref(), Some("tcp/8000-8100"));
        for wrong in ["", "ssh", "70000", "30-20", "icmp/8", "22,23", "-1"] {
            assert_eq!(shown(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn pieces_are_whole_in_every_rule() {
        let ports = |from, to| Ports { from, to };
        let pieces = ports(10, 90).cut([ports(0, 20), ports(15, 30), ports(80, u16::MAX), ports(95, 99)]);
        assert_eq!(pieces, [ports(10, 14), ports(15, 20), ports(21, 30), ports(31, 79), ports(80, 90)]);
        assert_eq!(Ports::ALL.cut([Ports::one(u16::MAX)]), [ports(0, u16::MAX - 1), Ports::one(u16::MAX)]);
        assert_eq!((Ports::one(22).to_string(), ports(1, 2).to_string()), ("22".to_owned(), "1-2".to_owned()));
    }

    #[test]
    fn a_rule_without_ports_is_for_all_of_them() {
        let rule =
            |from: i64, to: i64| Map::from([("F".to_owned(), Value::Int(from)), ("T".to_owned(), Value::Int(to))]);
        let of = |rule: &Map| Ports::of("6", rule, "F", "T");
        assert_eq!(of(&Map::new()), Some(Ports::ALL));
        assert_eq!(Ports::of("-1", &rule(22, 22), "F", "T"), Some(Ports::ALL));
        assert_eq!(of(&rule(-1, -1)), Some(Ports::ALL));
        assert_eq!(of(&rule(22, 22)), Some(Ports::one(22)));
        assert_eq!(of(&rule(22, 70_000)), None);
        assert_eq!(of(&rule(22, 21)), None);
        assert!(Protocol::Tcp.is_meant_by("6") && Protocol::Tcp.is_meant_by("-1") && !Protocol::Tcp.is_meant_by("udp"));
    }
}
