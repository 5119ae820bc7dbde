//! `DescribeNatGateways`: includes deleted gateways for as long as EC2 lists them.

use crate::simulator::account::Scene;
use crate::simulator::clock::Moment;
use crate::simulator::ec2::call::{Answer, Call};
use crate::simulator::ec2::listing::{Described, describe, id};
use crate::simulator::filter::{Filter, Filtered};
use crate::simulator::ident::Kind;
use crate::simulator::nat_gateway::NatGateway;
use crate::simulator::tags::Tags;
use crate::simulator::xml::Xml;

/// Answers a `DescribeNatGateways` call.
pub(super) fn answer(call: &Call) -> Answer {
    describe::<NatGateway>(call, |_| true)
}

impl Described for NatGateway {
    const ACTION: &'static str = "DescribeNatGateways";
    const KIND: Kind = Kind::NatGateway;
    const IDS: &'static str = "NatGatewayId";
    const SET: &'static str = "natGatewaySet";
    const BYTES: usize = 1_200;

    fn numbers(scene: Scene<'_>, from: u64) -> impl Iterator<Item = u64> {
        scene.nat_gateways(from)
    }

    fn find(scene: Scene<'_>, number: u64, at: Moment) -> Option<Self> {
        scene.nat_gateway(number, at)
    }

    fn tags_mut(&mut self) -> &mut Tags {
        &mut self.tags
    }

    fn write(&self, xml: &mut Xml, call: &Call, at: Moment) {
        id(xml, call, "natGatewayId", Kind::NatGateway, self.number);
        id(xml, call, "subnetId", Kind::Subnet, self.subnet);
        id(xml, call, "vpcId", Kind::Vpc, self.vpc());
        xml.text("state", self.state(at));
        xml.text("createTime", &self.created.iso());
        if let Some((_, ended)) = self.ended.filter(|(_, ended)| *ended <= at) {
            xml.text("deleteTime", &ended.iso());
        }
        xml.within("natGatewayAddressSet", |xml| xml.within("item", |xml| write_address(xml, call, self, at)));
        self.tags.write(xml);
        xml.text("connectivityType", if self.address.is_some() { "public" } else { "private" });
        xml.text("availabilityMode", "zonal");
    }
}

fn write_address(xml: &mut Xml, call: &Call, gateway: &NatGateway, at: Moment) {
    // While a gateway is pending, EC2 shows only the part of its address that the call asked for.
    let pending = gateway.state(at) == "pending";
    if let Some(address) = gateway.address {
        id(xml, call, "allocationId", Kind::Allocation, address.allocation);
        if !pending {
            xml.number("publicIp", address.ip);
            id(xml, call, "associationId", Kind::Association, address.association);
        }
    }
    if !pending {
        id(xml, call, "networkInterfaceId", Kind::Interface, gateway.interface());
        xml.number("privateIp", gateway.private_ip);
    }
    xml.flag("isPrimary", true);
    xml.text("status", if pending { "associating" } else { "succeeded" });
}

impl Filtered for NatGateway {
    const FILTERS: &'static [Filter<Self>] = &[
        ("nat-gateway-id", |gateway, values| values.ids(Kind::NatGateway, [gateway.number])),
        ("state", |gateway, values| values.text(gateway.state(values.at))),
        ("subnet-id", |gateway, values| values.ids(Kind::Subnet, [gateway.subnet])),
        ("vpc-id", |gateway, values| values.ids(Kind::Vpc, [gateway.vpc()])),
    ];
    const TAGS: Option<fn(&Self) -> &Tags> = Some(|item| &item.tags);
}
