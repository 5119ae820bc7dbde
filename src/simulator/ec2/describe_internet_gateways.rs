//! `DescribeInternetGateways`.

use crate::simulator::account::Scene;
use crate::simulator::clock::Moment;
use crate::simulator::ec2::call::{Answer, Call};
use crate::simulator::ec2::listing::{Described, describe, id};
use crate::simulator::filter::{Filter, Filtered};
use crate::simulator::ident::Kind;
use crate::simulator::internet_gateway::InternetGateway;
use crate::simulator::tags::Tags;
use crate::simulator::xml::Xml;

/// The state that EC2 shows for an attached gateway, although its model says `attached`.
const ATTACHED: &str = "available";

/// Answers a `DescribeInternetGateways` call.
pub(super) fn answer(call: &Call) -> Answer {
    describe::<InternetGateway>(call, |_| true)
}

impl Described for InternetGateway {
    const ACTION: &'static str = "DescribeInternetGateways";
    const KIND: Kind = Kind::InternetGateway;
    const IDS: &'static str = "InternetGatewayId";
    const SET: &'static str = "internetGatewaySet";
    const BYTES: usize = 500;

    fn numbers(scene: Scene<'_>, from: u64) -> impl Iterator<Item = u64> {
        scene.internet_gateways(from)
    }

    fn find(scene: Scene<'_>, number: u64, at: Moment) -> Option<Self> {
        scene.internet_gateway(number, at)
    }

    fn tags_mut(&mut self) -> &mut Tags {
        &mut self.tags
    }

    fn write(&self, xml: &mut Xml, call: &Call, _at: Moment) {
        id(xml, call, "internetGatewayId", Kind::InternetGateway, self.number);
        xml.text("ownerId", &call.account.plan().account);
        xml.within("attachmentSet", |xml| {
            if let Some(vpc) = self.vpc {
                xml.within("item", |xml| {
                    id(xml, call, "vpcId", Kind::Vpc, vpc);
                    xml.text("state", ATTACHED);
                });
            }
        });
        self.tags.write(xml);
    }
}

impl Filtered for InternetGateway {
    const FILTERS: &'static [Filter<Self>] = &[
        ("attachment.state", |gateway, values| values.texts(gateway.vpc.map(|_| ATTACHED))),
        ("attachment.vpc-id", |gateway, values| values.ids(Kind::Vpc, gateway.vpc)),
        ("internet-gateway-id", |gateway, values| values.ids(Kind::InternetGateway, [gateway.number])),
        ("owner-id", |_, values| values.text(&values.plan.account)),
    ];
    const TAGS: Option<fn(&Self) -> &Tags> = Some(|item| &item.tags);
}
