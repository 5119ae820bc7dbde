//! `DescribeSubnets`: the account's own, then those of VPCs other accounts share with it.

use std::cell::RefCell;
use std::collections::HashMap;

use crate::simulator::clock::Moment;
use crate::simulator::ec2::listing::{Listing, seen_tags, truth};
use crate::simulator::ec2::{Answer, Call};
use crate::simulator::filter::Filters;
use crate::simulator::ident::Kind;
use crate::simulator::plan::Plan;
use crate::simulator::subnet::Subnet;
use crate::simulator::tags::TagField;
use crate::simulator::xml::Xml;

/// Answers a `DescribeSubnets`.
pub(super) fn answer(call: &Call) -> Answer {
    let plan = call.estate.plan();
    let filters = Filters::parse(call.params, Field::parse)?;
    let view = call.estate.view();
    let scene = view.scene();
    let seen = |place: &u64| scene.subnet(*place, call.lens.of(Kind::Subnet, *place).at).is_some();
    let listing = Listing::find(call, Kind::Subnet, "SubnetId", &[], |id| Ok(scene.subnet_place(id)?.filter(seen)))?;
    call.dry_run()?;
    // Counting takes a look at all that changed: once for each moment the request sees, which mostly is one.
    let counts: RefCell<Option<(Moment, HashMap<u64, i64>)>> = RefCell::default();
    let free = |subnet: &Subnet, owner: &Plan, at: Moment| {
        let mut counts = counts.borrow_mut();
        let (of, taken) = counts.take().filter(|(of, _)| *of == at).unwrap_or_else(|| (at, scene.taken_addresses(at)));
        let id = owner.idents.text(Kind::Subnet, subnet.number);
        let key = plan.idents.number(Kind::Subnet, &id).ok().flatten().unwrap_or(subnet.number);
        let free = subnet.free(owner, key, &taken);
        *counts = Some((of, taken));
        free
    };
    Ok(call.envelope("DescribeSubnets", 1_800 * listing.expected().min(64), |xml| {
        listing.write(
            xml,
            "subnetSet",
            listing.from()..scene.subnets(),
            |place, sight| {
                let (mut subnet, owner) = scene.subnet(place, sight.at)?;
                seen_tags(scene, Kind::Subnet, place, sight, &mut subnet.tags);
                let free = free(&subnet, owner, sight.at);
                let keep = filters.hold(|field, matches| field.any(&subnet, owner, free, matches));
                keep.then_some((subnet, owner, free))
            },
            |xml, (subnet, owner, free), _| write(xml, subnet, owner, *free),
        );
    }))
}

/// A subnet; `plan` is its owner's.
fn write(xml: &mut Xml, subnet: &Subnet, plan: &Plan, free: i64) {
    let id = |xml: &mut Xml, tag: &str, kind, number| xml.plain(tag, |out| plan.idents.write(kind, number, out));
    let zone = plan.zone(subnet.zone());
    id(xml, "subnetId", Kind::Subnet, subnet.number);
    xml.text("subnetArn", &subnet.arn(plan));
    xml.text("state", "available");
    xml.text("ownerId", &plan.account);
    id(xml, "vpcId", Kind::Vpc, subnet.vpc());
    xml.text("cidrBlock", &subnet.cidr);
    xml.within("ipv6CidrBlockAssociationSet", |xml| {
        if let Some(ipv6) = &subnet.ipv6 {
            xml.within("item", |xml| {
                xml.text("ipv6CidrBlock", ipv6);
                id(xml, "associationId", Kind::SubnetCidrAssociation, subnet.number);
                xml.within("ipv6CidrBlockState", |xml| xml.text("state", "associated"));
                xml.text("ipv6AddressAttribute", "public");
                xml.text("ipSource", "amazon");
            });
        }
    });
    xml.number("availableIpAddressCount", free);
    xml.text("availabilityZone", &zone.name);
    xml.text("availabilityZoneId", &zone.id);
    xml.flag("defaultForAz", subnet.is_default());
    xml.flag("mapPublicIpOnLaunch", subnet.is_default());
    xml.flag("mapCustomerOwnedIpOnLaunch", false);
    xml.flag("assignIpv6AddressOnCreation", subnet.ipv6.is_some());
    subnet.tags.write(xml);
    xml.flag("enableDns64", false);
    xml.flag("ipv6Native", false);
    xml.raw(
        "<privateDnsNameOptionsOnLaunch><hostnameType>ip-name</hostnameType>\
         <enableResourceNameDnsARecord>true</enableResourceNameDnsARecord>\
         <enableResourceNameDnsAAAARecord>false</enableResourceNameDnsAAAARecord></privateDnsNameOptionsOnLaunch>\
         <blockPublicAccessStates><internetGatewayBlockMode>off</internetGatewayBlockMode></blockPublicAccessStates>",
    );
}

enum Field {
    Id,
    Arn,
    Vpc,
    Zone,
    ZoneId,
    Cidr,
    Ipv6Cidr,
    Ipv6Association,
    Ipv6State,
    Free,
    Default,
    Owner,
    Public,
    /// A field that has the same value for every simulated subnet.
    Same(&'static str),
    Tag(TagField),
}

impl Field {
    fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "subnet-id" => Self::Id,
            "subnet-arn" => Self::Arn,
            "vpc-id" => Self::Vpc,
            "availability-zone" | "availabilityZone" => Self::Zone,
            "availability-zone-id" | "availabilityZoneId" => Self::ZoneId,
            "cidr-block" | "cidr" | "cidrBlock" => Self::Cidr,
            "ipv6-cidr-block-association.ipv6-cidr-block" => Self::Ipv6Cidr,
            "ipv6-cidr-block-association.association-id" => Self::Ipv6Association,
            "ipv6-cidr-block-association.state" => Self::Ipv6State,
            "available-ip-address-count" => Self::Free,
            "default-for-az" | "defaultForAz" => Self::Default,
            "owner-id" => Self::Owner,
            "map-public-ip-on-launch" => Self::Public,
            "state" => Self::Same("available"),
            "enable-dns64"
            | "ipv6-native"
            | "map-customer-owned-ip-on-launch"
            | "private-dns-name-options-on-launch.enable-resource-name-dns-aaaa-record" => Self::Same("false"),
            "private-dns-name-options-on-launch.hostname-type" => Self::Same("ip-name"),
            "private-dns-name-options-on-launch.enable-resource-name-dns-a-record" => Self::Same("true"),
            _ => Self::Tag(TagField::parse(name)?),
        })
    }

    fn any(&self, subnet: &Subnet, plan: &Plan, free: i64, matches: &mut dyn FnMut(&str) -> bool) -> bool {
        let id = |kind, number| plan.idents.text(kind, number);
        match self {
            Self::Id => matches(&id(Kind::Subnet, subnet.number)),
            Self::Arn => matches(&subnet.arn(plan)),
            Self::Vpc => matches(&id(Kind::Vpc, subnet.vpc())),
            Self::Zone => matches(&plan.zone(subnet.zone()).name),
            Self::ZoneId => matches(&plan.zone(subnet.zone()).id),
            Self::Cidr => matches(&subnet.cidr),
            Self::Ipv6Cidr => subnet.ipv6.as_deref().is_some_and(matches),
            Self::Ipv6Association => subnet.ipv6.is_some() && matches(&id(Kind::SubnetCidrAssociation, subnet.number)),
            Self::Ipv6State => subnet.ipv6.is_some() && matches("associated"),
            Self::Free => matches(&free.to_string()),
            Self::Default | Self::Public => matches(truth(subnet.is_default())),
            Self::Owner => matches(&plan.account),
            Self::Same(value) => matches(value),
            Self::Tag(tag) => tag.any(&subnet.tags, matches),
        }
    }
}
