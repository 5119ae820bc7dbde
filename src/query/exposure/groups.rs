//! What security groups let in. Their rules only allow, so what any of them allows is let in.

use super::address_set::{AddressSet, Family};
use super::ports::{Ports, Protocol};
use crate::model::{Document, Map, Value};

/// What one rule of a security group lets in from one source.
#[derive(Clone, Debug)]
pub(super) struct InboundRule {
    /// The group.
    pub(super) group: String,
    /// The protocol as the group writes it.
    pub(super) protocol: String,
    /// The ports.
    pub(super) ports: Ports,
    /// From where.
    pub(super) source: RuleSource,
}

/// Where a rule of a security group lets traffic in from. Rules whose source is another group let in nothing from the internet and
/// are left out.
#[derive(Clone, Debug)]
pub(super) enum RuleSource {
    /// A range of addresses, as it is written and as a set.
    Range(Family, String, AddressSet),
    /// A prefix list, whose addresses are not held.
    PrefixList(String),
    /// Something that cannot be read.
    Unreadable(String),
}

/// The rules of the security groups of one network interface.
#[derive(Clone, Debug, Default)]
pub(super) struct Groups {
    rules: Vec<InboundRule>,
    /// Why some group is not known.
    unknown: Option<String>,
}

impl Groups {
    /// Of the groups with these ids: the document of each, or why it is not known.
    #[must_use]
    pub(super) fn of<'a>(groups: impl IntoIterator<Item = (&'a str, Result<&'a Document, &'a str>)>) -> Self {
        let mut all = Groups::default();
        for (id, group) in groups {
            match group {
                Ok(document) => {
                    for permission in maps(document.get("IpPermissions")) {
                        all.rules.extend(rules(id, permission));
                    }
                }
                Err(why) => drop(all.unknown.get_or_insert_with(|| why.to_owned())),
            }
        }
        all
    }

    /// The ports of all rules, where answers may change.
    pub(super) fn cuts(&self) -> impl Iterator<Item = Ports> {
        self.rules.iter().map(|rule| rule.ports)
    }

    fn matching(&self, protocol: Protocol, port: u16) -> impl Iterator<Item = &InboundRule> {
        self.rules.iter().filter(move |rule| rule.ports.hold(port) && protocol.is_meant_by(&rule.protocol))
    }

    /// The rules with ranges that let a port in.
    pub(super) fn admitting(
        &self,
        family: Family,
        protocol: Protocol,
        port: u16,
    ) -> impl Iterator<Item = (&InboundRule, &str)> {
        self.matching(protocol, port).filter_map(move |rule| match &rule.source {
            RuleSource::Range(of, written, _) if *of == family => Some((rule, written.as_str())),
            _ => None,
        })
    }

    /// The addresses that a port is let in from, as far as it is known.
    #[must_use]
    pub(super) fn admits(&self, family: Family, protocol: Protocol, port: u16) -> AddressSet {
        let ranges = self.matching(protocol, port).filter_map(|rule| match &rule.source {
            RuleSource::Range(of, _, set) if *of == family => Some(set),
            _ => None,
        });
        ranges.fold(AddressSet::default(), |all, range| all.or(range))
    }

    /// Why more may be let in than is known.
    #[must_use]
    pub(super) fn unknown(&self, protocol: Protocol, port: u16) -> Option<String> {
        let of_rule = self.matching(protocol, port).find_map(|rule| match &rule.source {
            RuleSource::Range(..) => None,
            RuleSource::PrefixList(list) => {
                Some(format!("{} lets in {list}, a prefix list that is not held", rule.group))
            }
            RuleSource::Unreadable(source) => Some(format!("{} lets in {source}, which cannot be read", rule.group)),
        });
        of_rule.or_else(|| self.unknown.clone())
    }
}

/// The rules of one permission, one a source.
fn rules(group: &str, permission: &Map) -> Vec<InboundRule> {
    let protocol = text(permission, "IpProtocol").unwrap_or("-1").to_owned();
    let Some(ports) = Ports::of(&protocol, permission, "FromPort", "ToPort") else {
        let source = RuleSource::Unreadable("ports".to_owned());
        return vec![InboundRule { group: group.to_owned(), protocol, ports: Ports::ALL, source }];
    };
    let range = |family, written: &str| match AddressSet::of(family, written) {
        Some(set) => RuleSource::Range(family, written.to_owned(), set),
        None => RuleSource::Unreadable(crate::model::text::shown(written, 60)),
    };
    let v4 = texts(permission, "IpRanges", "CidrIp").map(|cidr| range(Family::V4, cidr));
    let v6 = texts(permission, "Ipv6Ranges", "CidrIpv6").map(|cidr| range(Family::V6, cidr));
    let lists = texts(permission, "PrefixListIds", "PrefixListId").map(|list| RuleSource::PrefixList(list.to_owned()));
    let sources = v4.chain(v6).chain(lists);
    let rule = |source| InboundRule { group: group.to_owned(), protocol: protocol.clone(), ports, source };
    sources.map(rule).collect()
}

fn text<'a>(map: &'a Map, name: &str) -> Option<&'a str> {
    match map.get(name)? {
        Value::Text(text) => Some(text),
        _ => None,
    }
}

fn texts<'a>(map: &'a Map, list: &str, name: &'static str) -> impl Iterator<Item = &'a str> {
    maps(map.get(list)).filter_map(move |entry| text(entry, name))
}

/// The maps in a list.
pub(super) fn maps(value: Option<&Value>) -> impl Iterator<Item = &Map> {
    let list = match value {
        Some(Value::List(list)) => list.as_slice(),
        _ => &[],
    };
    list.iter().filter_map(|entry| match entry {
        Value::Map(map) => Some(map),
        _ => None,
    })
}
