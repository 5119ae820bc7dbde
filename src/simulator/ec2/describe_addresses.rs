//! `DescribeAddresses`: Elastic IP addresses, all in one answer, because AWS has no paging for them.

use std::net::Ipv4Addr;

use crate::simulator::address::Elastic;
use crate::simulator::ec2::call::{Answer, Call};
use crate::simulator::ec2::listing::{Listing, id, seen_tags};
use crate::simulator::filter::{Filter, Filtered, Filters};
use crate::simulator::ident::Kind;
use crate::simulator::interface::Interface;
use crate::simulator::refusal::Refusal;
use crate::simulator::tags::Tags;
use crate::simulator::xml::Xml;

/// Answers a `DescribeAddresses` call.
pub(super) fn answer(call: &Call) -> Answer {
    let plan = call.account.plan();
    let filters = Filters::<ShownAddress>::parse(call.params)?;
    let reading = call.account.reading();
    let scene = reading.scene();
    let listing =
        Listing::parse(call, Kind::Allocation, "AllocationId", &[], |number, at| scene.elastic(number, at).is_some())?;
    let mut wanted = Vec::new();
    for text in call.params.set("PublicIp") {
        let ip = parse_ip(text)?;
        let seen = |number| scene.elastic(number, call.view.of(Kind::Allocation, number).at).is_some();
        match scene.elastic_at(ip, call.now).filter(|number| seen(*number)) {
            Some(_) => wanted.push(ip),
            None => return Err(no_address(text)),
        }
    }
    call.dry_run()?;
    Ok(call.envelope("DescribeAddresses", 700 * listing.expected().min(64), |xml| {
        listing.write(
            xml,
            "addressesSet",
            scene.elastics(),
            |number, sight| {
                let mut elastic = scene.elastic(number, sight.at)?;
                if !wanted.is_empty() && !wanted.contains(&elastic.ip) {
                    return None;
                }
                seen_tags(scene, Kind::Allocation, number, sight, &mut elastic.tags);
                let interface = elastic.association.and_then(|it| scene.interface(it.interface, sight.at));
                let shown = ShownAddress { elastic, interface };
                filters.hold(&shown, plan, sight.at).then_some(shown)
            },
            |xml, shown, _| write(xml, call, shown),
        );
    }))
}

/// Reads an address from a parameter.
pub(super) fn parse_ip(text: &str) -> Result<Ipv4Addr, Refusal> {
    text.parse()
        .map_err(|_| Refusal::invalid_value(format!("Invalid value '{text}' for PublicIp. Not a valid IPv4 address")))
}

/// EC2's refusal for an address that the account does not have.
pub(super) fn no_address(ip: &str) -> Refusal {
    Refusal::new(400, "InvalidAddress.NotFound", format!("Address '{ip}' not found."))
}

/// An address with the interface it is associated with.
struct ShownAddress {
    elastic: Elastic,
    interface: Option<Interface>,
}

fn write(xml: &mut Xml, call: &Call, shown: &ShownAddress) {
    let plan = call.account.plan();
    let ShownAddress { elastic, interface } = shown;
    xml.number("publicIp", elastic.ip);
    id(xml, call, "allocationId", Kind::Allocation, elastic.number);
    xml.text("domain", "vpc");
    if let Some(host) = interface.as_ref().and_then(|interface| interface.host) {
        id(xml, call, "instanceId", Kind::Instance, host.instance);
    }
    if let (Some(association), Some(interface)) = (elastic.association, interface) {
        id(xml, call, "associationId", Kind::Association, association.number);
        id(xml, call, "networkInterfaceId", Kind::Interface, interface.number);
        xml.text("networkInterfaceOwnerId", &plan.account);
        xml.number("privateIpAddress", interface.private_ip);
    }
    elastic.tags.write(xml);
    xml.text("publicIpv4Pool", "amazon");
    xml.text("networkBorderGroup", &plan.region);
}

impl ShownAddress {
    fn association(&self) -> Option<u64> {
        self.elastic.association.map(|association| association.number)
    }

    fn of<V>(&self, value: impl Fn(&Interface) -> V) -> Option<V> {
        self.interface.as_ref().map(value)
    }
}

impl Filtered for ShownAddress {
    const FILTERS: &'static [Filter<Self>] = &[
        ("allocation-id", |it, values| values.ids(Kind::Allocation, [it.elastic.number])),
        ("association-id", |it, values| values.ids(Kind::Association, it.association())),
        ("domain", |_, values| values.text("vpc")),
        ("instance-id", |it, values| {
            values.ids(Kind::Instance, it.of(|it| it.host).flatten().map(|host| host.instance));
        }),
        ("network-border-group", |_, values| values.text(&values.plan.region)),
        ("network-interface-id", |it, values| values.ids(Kind::Interface, it.of(|it| it.number))),
        ("network-interface-owner-id", |it, values| values.texts(it.of(|_| values.plan.account.as_str()))),
        ("private-ip-address", |it, values| values.show(it.of(|it| it.private_ip))),
        ("public-ip", |it, values| values.show([it.elastic.ip])),
    ];
    const TAGS: Option<fn(&Self) -> &Tags> = Some(|it| &it.elastic.tags);
}
