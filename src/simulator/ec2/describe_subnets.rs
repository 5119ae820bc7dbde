//! `DescribeSubnets`: the account's own subnets, then those of VPCs that other accounts share with it.

use std::cell::RefCell;
use std::collections::HashMap;

use crate::simulator::clock::Moment;
use crate::simulator::ec2::call::{Answer, Call};
use crate::simulator::ec2::listing::{Listing, seen_tags};
use crate::simulator::filter::{Filter, Filtered, Filters};
use crate::simulator::ident::Kind;
use crate::simulator::plan::Plan;
use crate::simulator::subnet::Subnet;
use crate::simulator::tags::Tags;
use crate::simulator::xml::Xml;

/// Answers a `DescribeSubnets` call.
pub(super) fn answer(call: &Call) -> Answer {
    let plan = call.account.plan();
    let filters = Filters::<ShownSubnet>::parse(call.params)?;
    let reading = call.account.reading();
    let scene = reading.scene();
    let seen = |place: &u64| scene.subnet(*place, call.view.of(Kind::Subnet, *place).at).is_some();
    let listing = Listing::find(call, Kind::Subnet, "SubnetId", &[], |id| Ok(scene.subnet_place(id)?.filter(seen)))?;
    call.dry_run()?;
    // Counting reads all changes, so the counts are kept for each moment that the request sees; usually that is one.
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
                let shown = ShownSubnet { subnet, free };
                filters.hold(&shown, owner, sight.at).then_some((shown, owner))
            },
            |xml, (shown, owner), _| write(xml, shown, owner),
        );
    }))
}

/// A subnet and the number of its free addresses.
struct ShownSubnet {
    subnet: Subnet,
    free: i64,
}

/// Writes a subnet; `plan` is its owner's formula.
fn write(xml: &mut Xml, ShownSubnet { subnet, free }: &ShownSubnet, plan: &Plan) {
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

impl ShownSubnet {
    /// A filter value that every IPv6 range of a subnet has.
    fn of_ipv6<V>(&self, value: V) -> Option<V> {
        self.subnet.ipv6.as_ref().map(|_| value)
    }
}

impl Filtered for ShownSubnet {
    const FILTERS: &'static [Filter<Self>] = &[
        ("availability-zone", |it, values| values.text(&values.plan.zone(it.subnet.zone()).name)),
        ("availability-zone-id", |it, values| values.text(&values.plan.zone(it.subnet.zone()).id)),
        ("availabilityZone", |it, values| values.text(&values.plan.zone(it.subnet.zone()).name)),
        ("availabilityZoneId", |it, values| values.text(&values.plan.zone(it.subnet.zone()).id)),
        ("available-ip-address-count", |it, values| values.show([it.free])),
        ("cidr", |it, values| values.text(&it.subnet.cidr)),
        ("cidr-block", |it, values| values.text(&it.subnet.cidr)),
        ("cidrBlock", |it, values| values.text(&it.subnet.cidr)),
        ("default-for-az", |it, values| values.flag(it.subnet.is_default())),
        ("defaultForAz", |it, values| values.flag(it.subnet.is_default())),
        ("enable-dns64", |_, values| values.flag(false)),
        ("ipv6-cidr-block-association.association-id", |it, values| {
            values.ids(Kind::SubnetCidrAssociation, it.of_ipv6(it.subnet.number));
        }),
        ("ipv6-cidr-block-association.ipv6-cidr-block", |it, values| values.texts(it.subnet.ipv6.as_deref())),
        ("ipv6-cidr-block-association.state", |it, values| values.texts(it.of_ipv6("associated"))),
        ("ipv6-native", |_, values| values.flag(false)),
        ("map-customer-owned-ip-on-launch", |_, values| values.flag(false)),
        ("map-public-ip-on-launch", |it, values| values.flag(it.subnet.is_default())),
        ("owner-id", |_, values| values.text(&values.plan.account)),
        ("private-dns-name-options-on-launch.enable-resource-name-dns-a-record", |_, values| values.flag(true)),
        ("private-dns-name-options-on-launch.enable-resource-name-dns-aaaa-record", |_, values| values.flag(false)),
        ("private-dns-name-options-on-launch.hostname-type", |_, values| values.text("ip-name")),
        ("state", |_, values| values.text("available")),
        ("subnet-arn", |it, values| values.text(&it.subnet.arn(values.plan))),
        ("subnet-id", |it, values| values.ids(Kind::Subnet, [it.subnet.number])),
        ("vpc-id", |it, values| values.ids(Kind::Vpc, [it.subnet.vpc()])),
    ];
    const TAGS: Option<fn(&Self) -> &Tags> = Some(|it| &it.subnet.tags);
}
