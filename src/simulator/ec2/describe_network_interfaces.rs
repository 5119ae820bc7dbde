//! `DescribeNetworkInterfaces`.

use std::borrow::Cow;

use crate::simulator::account::Scene;
use crate::simulator::clock::Moment;
use crate::simulator::ec2::call::{Answer, Call};
use crate::simulator::ec2::instance_item::operator;
use crate::simulator::ec2::lifecycle::OPERATOR;
use crate::simulator::ec2::listing::{Described, describe, id};
use crate::simulator::filter::{Filter, Filtered};
use crate::simulator::ident::{Kind, hex};
use crate::simulator::interface::{Interface, Public, mac, private_dns, public_dns};
use crate::simulator::network::{GROUPS, SecurityGroup};
use crate::simulator::plan::Plan;
use crate::simulator::tags::Tags;
use crate::simulator::xml::Xml;

/// Answers a `DescribeNetworkInterfaces` call.
pub(super) fn answer(call: &Call) -> Answer {
    call.params.flag("IncludeManagedResources")?;
    describe::<Interface>(call, |_| true)
}

impl Described for Interface {
    const ACTION: &'static str = "DescribeNetworkInterfaces";
    const KIND: Kind = Kind::Interface;
    const IDS: &'static str = "NetworkInterfaceId";
    const SET: &'static str = "networkInterfaceSet";
    const BYTES: usize = 2_600;
    const CHOSEN: &'static [&'static str] = &["IncludeManagedResources"];

    fn numbers(scene: Scene<'_>, from: u64) -> impl Iterator<Item = u64> {
        scene.interfaces(from)
    }

    fn find(scene: Scene<'_>, number: u64, at: Moment) -> Option<Self> {
        scene.interface(number, at)
    }

    fn tags_mut(&mut self) -> &mut Tags {
        &mut self.tags
    }

    fn write(&self, xml: &mut Xml, call: &Call, _at: Moment) {
        write(xml, call, self, self.status());
    }
}

/// The fields of an interface. `CreateNetworkInterface` also answers with them.
pub(super) fn write(xml: &mut Xml, call: &Call, interface: &Interface, status: &str) {
    let plan = call.account.plan();
    let private_dns = private_dns(plan, interface.private_ip);
    let zone = plan.zone(interface.zone);
    id(xml, call, "networkInterfaceId", Kind::Interface, interface.number);
    id(xml, call, "subnetId", Kind::Subnet, interface.subnet);
    id(xml, call, "vpcId", Kind::Vpc, interface.vpc);
    xml.text("availabilityZone", &zone.name);
    xml.text("availabilityZoneId", &zone.id);
    xml.text("description", &description(interface, plan));
    xml.text("ownerId", &plan.account);
    if interface.nat.is_some() {
        xml.text("requesterId", NAT_REQUESTER);
    }
    xml.flag("requesterManaged", interface.nat.is_some());
    xml.text("status", status);
    xml.text("macAddress", &mac(plan, interface.number));
    xml.number("privateIpAddress", interface.private_ip);
    xml.text("privateDnsName", &private_dns);
    xml.flag("sourceDestCheck", interface.nat.is_none());
    xml.within("groupSet", |xml| {
        for group in &interface.groups {
            xml.within("item", |xml| {
                id(xml, call, "groupId", Kind::SecurityGroup, *group);
                xml.text("groupName", SecurityGroup::name(*group % GROUPS));
            });
        }
    });
    if let Some(host) = interface.host {
        xml.within("attachment", |xml| {
            id(xml, call, "attachmentId", Kind::Attachment, interface.number);
            id(xml, call, "instanceId", Kind::Instance, host.instance);
            xml.text("instanceOwnerId", &plan.account);
            xml.number("deviceIndex", 0);
            xml.number("networkCardIndex", 0);
            xml.text("status", "attached");
            xml.text("attachTime", &host.since.iso());
            xml.flag("deleteOnTermination", true);
        });
    }
    if let Some(nat) = interface.nat {
        xml.within("attachment", |xml| {
            xml.text("attachmentId", &attachment_id(interface, plan).unwrap_or_default());
            xml.text("instanceOwnerId", NAT_OWNER);
            xml.number("deviceIndex", 1);
            xml.text("status", "attached");
            xml.text("attachTime", &nat.since.iso());
            xml.flag("deleteOnTermination", false);
        });
    }
    association(xml, call, interface);
    interface.tags.write(xml);
    xml.within("privateIpAddressesSet", |xml| {
        xml.within("item", |xml| {
            xml.number("privateIpAddress", interface.private_ip);
            xml.text("privateDnsName", &private_dns);
            xml.flag("primary", true);
            association(xml, call, interface);
        });
    });
    xml.within("ipv6AddressesSet", |xml| {
        if let Some(address) = interface.ipv6 {
            xml.within("item", |xml| {
                xml.number("ipv6Address", address);
                xml.flag("isPrimaryIpv6", false);
            });
        }
    });
    if let Some(address) = interface.ipv6 {
        xml.number("ipv6Address", address);
    }
    xml.text("interfaceType", interface_type(interface));
    if let Some(public) = interface.public {
        let name = public_dns(plan, public.ip);
        xml.text("publicDnsName", &name);
        xml.within("publicIpDnsNameOptions", |xml| {
            xml.text("dnsHostnameType", "public-ipv4-dns-name");
            xml.text("publicIpv4DnsName", &name);
        });
    }
    operator(xml, interface.managed);
}

/// The account with which AWS creates interfaces for NAT gateways.
const NAT_REQUESTER: &str = "727180483721";

/// The account with which AWS attaches them.
const NAT_OWNER: &str = "amazon-aws";

/// The description that the creator gave; AWS describes the interfaces that it creates.
fn description<'a>(interface: &'a Interface, plan: &Plan) -> Cow<'a, str> {
    match interface.nat {
        Some(nat) => format!("Interface for NAT Gateway {}", plan.idents.text(Kind::NatGateway, nat.number)).into(),
        None => interface.description.as_str().into(),
    }
}

fn attachment_id(interface: &Interface, plan: &Plan) -> Option<String> {
    let of_nat = || {
        let mut out = "ela-attach-0".to_owned();
        hex(interface.number, &mut out);
        out
    };
    let of_instance = interface.host.map(|_| plan.idents.text(Kind::Attachment, interface.number));
    of_instance.or_else(|| interface.nat.map(|_| of_nat()))
}

const fn interface_type(interface: &Interface) -> &'static str {
    if interface.nat.is_some() { "nat_gateway" } else { "interface" }
}

fn association(xml: &mut Xml, call: &Call, interface: &Interface) {
    let plan = call.account.plan();
    if let Some(public) = interface.public {
        xml.within("association", |xml| {
            xml.number("publicIp", public.ip);
            xml.text("publicDnsName", &public_dns(plan, public.ip));
            xml.text("ipOwnerId", owner(public, plan));
            if let Some((allocation, association)) = public.elastic {
                id(xml, call, "allocationId", Kind::Allocation, allocation);
                id(xml, call, "associationId", Kind::Association, association);
            }
        });
    }
}

/// The owner of a public address.
fn owner(public: Public, plan: &Plan) -> &str {
    if public.elastic.is_some() { &plan.account } else { "amazon" }
}

/// The owner of an interface's attachment.
fn attachment_owner<'a>(interface: &Interface, plan: &'a Plan) -> Option<&'a str> {
    let of_nat = interface.nat.map(|_| NAT_OWNER);
    interface.host.map(|_| plan.account.as_str()).or(of_nat)
}

impl Filtered for Interface {
    const FILTERS: &'static [Filter<Self>] = &[
        ("addresses.association.owner-id", |it, values| {
            values.texts(it.public.map(|public| owner(public, values.plan)));
        }),
        ("addresses.association.public-ip", |it, values| values.show(it.public.map(|public| public.ip))),
        ("addresses.primary", |_, values| values.flag(true)),
        ("addresses.private-dns-name", |it, values| values.text(&private_dns(values.plan, it.private_ip))),
        ("addresses.private-ip-address", |it, values| values.show([it.private_ip])),
        ("association.allocation-id", |it, values| {
            values.ids(Kind::Allocation, it.elastic().map(|(number, _)| number));
        }),
        ("association.association-id", |it, values| {
            values.ids(Kind::Association, it.elastic().map(|(_, number)| number));
        }),
        ("association.ip-owner-id", |it, values| values.texts(it.public.map(|public| owner(public, values.plan)))),
        ("association.public-dns-name", |it, values| {
            values.show(it.public.map(|public| public_dns(values.plan, public.ip)));
        }),
        ("association.public-ip", |it, values| values.show(it.public.map(|public| public.ip))),
        ("attachment.attach-time", |it, values| values.show(it.attached().map(Moment::iso))),
        ("attachment.attachment-id", |it, values| values.texts(attachment_id(it, values.plan).as_deref())),
        ("attachment.delete-on-termination", |it, values| values.show(it.attached().map(|_| it.nat.is_none()))),
        ("attachment.device-index", |it, values| values.show(it.attached().map(|_| u8::from(it.nat.is_some())))),
        ("attachment.instance-id", |it, values| values.ids(Kind::Instance, it.host.map(|host| host.instance))),
        ("attachment.instance-owner-id", |it, values| values.texts(attachment_owner(it, values.plan))),
        ("attachment.status", |it, values| values.texts(it.attached().map(|_| "attached"))),
        ("availability-zone", |it, values| values.text(&values.plan.zone(it.zone).name)),
        ("availability-zone-id", |it, values| values.text(&values.plan.zone(it.zone).id)),
        ("description", |it, values| values.text(&description(it, values.plan))),
        ("group-id", |it, values| values.ids(Kind::SecurityGroup, it.groups.iter().copied())),
        ("group-name", |it, values| values.texts(it.groups.iter().map(|group| SecurityGroup::name(*group % GROUPS)))),
        ("interface-type", |it, values| values.text(interface_type(it))),
        ("ipv6-addresses.ipv6-address", |it, values| values.show(it.ipv6)),
        ("mac-address", |it, values| values.text(&mac(values.plan, it.number))),
        ("network-interface-id", |it, values| values.ids(Kind::Interface, [it.number])),
        ("operator.managed", |it, values| values.flag(it.managed)),
        ("operator.principal", |it, values| values.texts(it.managed.then_some(OPERATOR))),
        ("owner-id", |_, values| values.text(&values.plan.account)),
        ("private-dns-name", |it, values| values.text(&private_dns(values.plan, it.private_ip))),
        ("private-ip-address", |it, values| values.show([it.private_ip])),
        ("requester-managed", |it, values| values.flag(it.nat.is_some())),
        ("source-dest-check", |it, values| values.flag(it.nat.is_none())),
        ("status", |it, values| values.text(it.status())),
        ("subnet-id", |it, values| values.ids(Kind::Subnet, [it.subnet])),
        ("vpc-id", |it, values| values.ids(Kind::Vpc, [it.vpc])),
    ];
    const TAGS: Option<fn(&Self) -> &Tags> = Some(|it| &it.tags);
}
