//! `DescribeNetworkAcls`.

use crate::simulator::account::Scene;
use crate::simulator::clock::Moment;
use crate::simulator::ec2::call::{Answer, Call};
use crate::simulator::ec2::listing::{Described, describe, id};
use crate::simulator::filter::{Filter, Filtered};
use crate::simulator::ident::Kind;
use crate::simulator::network_acl::{AclEntry, NetworkAcl};
use crate::simulator::tags::Tags;
use crate::simulator::xml::Xml;

/// Answers a `DescribeNetworkAcls` call.
pub(super) fn answer(call: &Call) -> Answer {
    describe::<NetworkAcl>(call, |_| true)
}

impl Described for NetworkAcl {
    const ACTION: &'static str = "DescribeNetworkAcls";
    const KIND: Kind = Kind::NetworkAcl;
    const IDS: &'static str = "NetworkAclId";
    const SET: &'static str = "networkAclSet";
    const BYTES: usize = 2_000;

    fn numbers(scene: Scene<'_>, from: u64) -> impl Iterator<Item = u64> {
        scene.network_acls(from)
    }

    fn find(scene: Scene<'_>, number: u64, at: Moment) -> Option<Self> {
        scene.network_acl(number, at)
    }

    fn tags_mut(&mut self) -> &mut Tags {
        &mut self.tags
    }

    fn write(&self, xml: &mut Xml, call: &Call, _at: Moment) {
        id(xml, call, "networkAclId", Kind::NetworkAcl, self.number);
        id(xml, call, "vpcId", Kind::Vpc, self.vpc);
        xml.text("ownerId", &call.account.plan().account);
        xml.flag("default", self.is_default);
        xml.within("entrySet", |xml| {
            for entry in &self.entries {
                xml.within("item", |xml| write_entry(xml, entry));
            }
        });
        xml.within("associationSet", |xml| {
            for association in &self.associations {
                xml.within("item", |xml| {
                    let number = association.number;
                    id(xml, call, "networkAclAssociationId", Kind::NetworkAclAssociation, number);
                    id(xml, call, "networkAclId", Kind::NetworkAcl, self.number);
                    id(xml, call, "subnetId", Kind::Subnet, association.subnet);
                });
            }
        });
        self.tags.write(xml);
    }
}

fn write_entry(xml: &mut Xml, entry: &AclEntry) {
    xml.number("ruleNumber", entry.rule);
    xml.text("protocol", &entry.protocol);
    xml.text("ruleAction", entry.action());
    xml.flag("egress", entry.egress);
    if let Some(range) = &entry.ipv4 {
        xml.text("cidrBlock", range);
    }
    if let Some(range) = &entry.ipv6 {
        xml.text("ipv6CidrBlock", range);
    }
    if let Some((kind, code)) = entry.icmp {
        xml.within("icmpTypeCode", |xml| {
            xml.number("code", code);
            xml.number("type", kind);
        });
    }
    if let Some((from, to)) = entry.ports {
        xml.within("portRange", |xml| {
            xml.number("from", from);
            xml.number("to", to);
        });
    }
}

impl AclEntry {
    const fn action(&self) -> &'static str {
        if self.allow { "allow" } else { "deny" }
    }
}

impl Filtered for NetworkAcl {
    const FILTERS: &'static [Filter<Self>] = &[
        ("association.association-id", |acl, values| {
            values.ids(Kind::NetworkAclAssociation, acl.associations.iter().map(|association| association.number));
        }),
        ("association.network-acl-id", |acl, values| {
            values.ids(Kind::NetworkAcl, acl.associations.first().map(|_| acl.number));
        }),
        ("association.subnet-id", |acl, values| {
            values.ids(Kind::Subnet, acl.associations.iter().map(|association| association.subnet));
        }),
        ("default", |acl, values| values.flag(acl.is_default)),
        ("entry.cidr", |acl, values| values.texts(acl.entries.iter().filter_map(|entry| entry.ipv4.as_deref()))),
        ("entry.egress", |acl, values| acl.entries.iter().for_each(|entry| values.flag(entry.egress))),
        ("entry.icmp.code", |acl, values| {
            values.show(acl.entries.iter().filter_map(|entry| entry.icmp).map(|(_, code)| code));
        }),
        ("entry.icmp.type", |acl, values| {
            values.show(acl.entries.iter().filter_map(|entry| entry.icmp).map(|(kind, _)| kind));
        }),
        ("entry.ipv6-cidr", |acl, values| values.texts(acl.entries.iter().filter_map(|entry| entry.ipv6.as_deref()))),
        ("entry.port-range.from", |acl, values| {
            values.show(acl.entries.iter().filter_map(|entry| entry.ports).map(|(from, _)| from));
        }),
        ("entry.port-range.to", |acl, values| {
            values.show(acl.entries.iter().filter_map(|entry| entry.ports).map(|(_, to)| to));
        }),
        // This filter of AWS also accepts the names of protocols, although answers show numbers.
        ("entry.protocol", |acl, values| {
            for entry in &acl.entries {
                values.text(&entry.protocol);
                values.texts(match entry.protocol.as_str() {
                    "1" => Some("icmp"),
                    "6" => Some("tcp"),
                    "17" => Some("udp"),
                    _ => None,
                });
            }
        }),
        ("entry.rule-action", |acl, values| values.texts(acl.entries.iter().map(AclEntry::action))),
        ("entry.rule-number", |acl, values| values.show(acl.entries.iter().map(|entry| entry.rule))),
        ("network-acl-id", |acl, values| values.ids(Kind::NetworkAcl, [acl.number])),
        ("owner-id", |_, values| values.text(&values.plan.account)),
        ("vpc-id", |acl, values| values.ids(Kind::Vpc, [acl.vpc])),
    ];
    const TAGS: Option<fn(&Self) -> &Tags> = Some(|item| &item.tags);
}
