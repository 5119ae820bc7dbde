//! `DescribeNetworkInterfaces`.

use crate::simulator::ec2::describe_instances::operator;
use crate::simulator::ec2::lifecycle::OPERATOR;
use crate::simulator::ec2::listing::{Listing, id, seen_tags, truth};
use crate::simulator::ec2::{Answer, Call};
use crate::simulator::filter::Filters;
use crate::simulator::ident::{Kind, hex};
use crate::simulator::interface::{Gateway, Interface, Public, mac, private_dns, public_dns};
use crate::simulator::network::{GROUPS, SecurityGroup};
use crate::simulator::plan::Plan;
use crate::simulator::tags::TagField;
use crate::simulator::xml::Xml;

/// About what an interface takes in XML.
const BYTES: usize = 2_600;

/// Answers a `DescribeNetworkInterfaces`.
pub(super) fn answer(call: &Call) -> Answer {
    let plan = call.estate.plan();
    call.params.flag("IncludeManagedResources")?;
    let filters = Filters::parse(call.params, Field::parse)?;
    let view = call.estate.view();
    let scene = view.scene();
    let chosen = ["IncludeManagedResources"];
    let listing = Listing::parse(call, Kind::Interface, "NetworkInterfaceId", &chosen, |number, at| {
        scene.interface(number, at).is_some()
    })?;
    call.dry_run()?;
    Ok(call.envelope("DescribeNetworkInterfaces", BYTES * listing.expected(), |xml| {
        listing.write(
            xml,
            "networkInterfaceSet",
            scene.interfaces(listing.from()),
            |number, sight| {
                let mut interface = scene.interface(number, sight.at)?;
                seen_tags(scene, Kind::Interface, number, sight, &mut interface.tags);
                filters.hold(|field, matches| field.any(&interface, plan, matches)).then_some(interface)
            },
            |xml, interface, _| write(xml, call, interface, interface.status()),
        );
    }))
}

/// An interface's fields, also what `CreateNetworkInterface` answers.
pub(super) fn write(xml: &mut Xml, call: &Call, interface: &Interface, status: &str) {
    let plan = call.estate.plan();
    let private_dns = private_dns(plan, interface.private_ip);
    let zone = plan.zone(interface.zone);
    id(xml, call, "networkInterfaceId", Kind::Interface, interface.number);
    id(xml, call, "subnetId", Kind::Subnet, interface.subnet);
    id(xml, call, "vpcId", Kind::Vpc, interface.vpc);
    xml.text("availabilityZone", &zone.name);
    xml.text("availabilityZoneId", &zone.id);
    match interface.nat {
        Some(nat) => xml.text("description", &nat_description(nat, plan)),
        None => xml.text("description", &interface.description),
    }
    xml.text("ownerId", &plan.account);
    if interface.nat.is_some() {
        xml.text("requesterId", NAT_REQUESTER);
    }
    xml.flag("requesterManaged", interface.nat.is_some());
    xml.text("status", status);
    xml.text("macAddress", &mac(plan, interface.number));
    xml.number("privateIpAddress", interface.private_ip);
    xml.text("privateDnsName", &private_dns);
    xml.flag("sourceDestCheck", true);
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
            xml.plain("attachmentId", |out| {
                out.push_str("ela-attach-0");
                hex(interface.number, out);
            });
            xml.text("instanceOwnerId", "amazon-aws");
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

/// The account that makes interfaces for NAT gateways.
const NAT_REQUESTER: &str = "727180483721";

fn nat_description(nat: Gateway, plan: &Plan) -> String {
    format!("Interface for NAT Gateway {}", plan.idents.text(Kind::NatGateway, nat.number))
}

const fn interface_type(interface: &Interface) -> &'static str {
    if interface.nat.is_some() { "nat_gateway" } else { "interface" }
}

fn association(xml: &mut Xml, call: &Call, interface: &Interface) {
    let plan = call.estate.plan();
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

/// Whose a public address is.
fn owner(public: Public, plan: &Plan) -> &str {
    if public.elastic.is_some() { &plan.account } else { "amazon" }
}

enum Field {
    Id,
    Status,
    Subnet,
    Vpc,
    Zone,
    ZoneId,
    Description,
    Owner,
    PrivateIp,
    PrivateDns,
    Ipv6,
    Mac,
    GroupId,
    GroupName,
    Attachment,
    Instance,
    AttachTime,
    /// A field that every attached interface has with the same value.
    Attached(&'static str),
    AttachmentOwner,
    PublicIp,
    PublicDns,
    PublicOwner,
    Allocation,
    Association,
    Managed,
    Principal,
    /// A field that has the same value for every simulated interface.
    Same(&'static str),
    Tag(TagField),
}

impl Field {
    fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "network-interface-id" => Self::Id,
            "status" => Self::Status,
            "subnet-id" => Self::Subnet,
            "vpc-id" => Self::Vpc,
            "availability-zone" => Self::Zone,
            "availability-zone-id" => Self::ZoneId,
            "description" => Self::Description,
            "owner-id" => Self::Owner,
            "private-ip-address" | "addresses.private-ip-address" => Self::PrivateIp,
            "private-dns-name" | "addresses.private-dns-name" => Self::PrivateDns,
            "ipv6-addresses.ipv6-address" => Self::Ipv6,
            "mac-address" => Self::Mac,
            "group-id" => Self::GroupId,
            "group-name" => Self::GroupName,
            "attachment.attachment-id" => Self::Attachment,
            "attachment.instance-id" => Self::Instance,
            "attachment.attach-time" => Self::AttachTime,
            "attachment.instance-owner-id" => Self::AttachmentOwner,
            "attachment.status" => Self::Attached("attached"),
            "attachment.device-index" => Self::Attached("0"),
            "attachment.delete-on-termination" => Self::Attached("true"),
            "association.public-ip" | "addresses.association.public-ip" => Self::PublicIp,
            "association.public-dns-name" => Self::PublicDns,
            "association.ip-owner-id" | "addresses.association.owner-id" => Self::PublicOwner,
            "association.allocation-id" => Self::Allocation,
            "association.association-id" => Self::Association,
            "operator.managed" => Self::Managed,
            "operator.principal" => Self::Principal,
            "addresses.primary" | "source-dest-check" => Self::Same("true"),
            "requester-managed" => Self::Same("false"),
            "interface-type" => Self::Same("interface"),
            _ => Self::Tag(TagField::parse(name)?),
        })
    }

    fn any(&self, interface: &Interface, plan: &Plan, matches: &mut dyn FnMut(&str) -> bool) -> bool {
        let id = |kind, number| plan.idents.text(kind, number);
        let (host, public) = (interface.host, interface.public);
        match self {
            Self::Id => matches(&id(Kind::Interface, interface.number)),
            Self::Status => matches(interface.status()),
            Self::Subnet => matches(&id(Kind::Subnet, interface.subnet)),
            Self::Vpc => matches(&id(Kind::Vpc, interface.vpc)),
            Self::Zone => matches(&plan.zone(interface.zone).name),
            Self::ZoneId => matches(&plan.zone(interface.zone).id),
            Self::Description => match interface.nat {
                Some(nat) => matches(&nat_description(nat, plan)),
                None => matches(&interface.description),
            },
            Self::Owner => matches(&plan.account),
            Self::PrivateIp => matches(&interface.private_ip.to_string()),
            Self::PrivateDns => matches(&private_dns(plan, interface.private_ip)),
            Self::Ipv6 => interface.ipv6.is_some_and(|ip| matches(&ip.to_string())),
            Self::Mac => matches(&mac(plan, interface.number)),
            Self::GroupId => interface.groups.iter().any(|group| matches(&id(Kind::SecurityGroup, *group))),
            Self::GroupName => interface.groups.iter().any(|group| matches(SecurityGroup::name(*group % GROUPS))),
            Self::Attachment => host.is_some() && matches(&id(Kind::Attachment, interface.number)),
            Self::Instance => host.is_some_and(|host| matches(&id(Kind::Instance, host.instance))),
            Self::AttachTime => host.is_some_and(|host| matches(&host.since.iso())),
            Self::Attached(value) => host.is_some() && matches(value),
            Self::AttachmentOwner => host.is_some() && matches(&plan.account),
            Self::PublicIp => public.is_some_and(|public| matches(&public.ip.to_string())),
            Self::PublicDns => public.is_some_and(|public| matches(&public_dns(plan, public.ip))),
            Self::PublicOwner => public.is_some_and(|public| matches(owner(public, plan))),
            Self::Allocation => {
                let elastic = public.and_then(|public| public.elastic);
                elastic.is_some_and(|(allocation, _)| matches(&id(Kind::Allocation, allocation)))
            }
            Self::Association => {
                let elastic = public.and_then(|public| public.elastic);
                elastic.is_some_and(|(_, association)| matches(&id(Kind::Association, association)))
            }
            Self::Managed => matches(truth(interface.managed)),
            Self::Principal => interface.managed && matches(OPERATOR),
            Self::Same(value) => matches(value),
            Self::Tag(tag) => tag.any(&interface.tags, matches),
        }
    }
}
