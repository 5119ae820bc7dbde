//! `DescribeVpcs`: the account's own VPCs, then those that other accounts share with it.

use crate::simulator::ec2::call::{Answer, Call, next_token, walk};
use crate::simulator::filter::{Filter, Filtered, Filters};
use crate::simulator::ident::Kind;
use crate::simulator::network::Vpc;
use crate::simulator::page::Page;
use crate::simulator::plan::Plan;
use crate::simulator::refusal::Refusal;
use crate::simulator::tags::Tags;
use crate::simulator::xml::Xml;

/// Answers a `DescribeVpcs` call.
pub(super) fn answer(call: &Call) -> Answer {
    let plan = call.account.plan();
    let page = Page::parse(call.params, "VpcId", &[], plan.seed)?;
    let filters = Filters::<Vpc>::parse(call.params)?;
    let ids = call.params.set("VpcId");
    let reading = call.account.reading();
    let see = |place: u64| {
        let sight = call.view.of(Kind::Vpc, place);
        let (mut vpc, owner) = reading.vpc(place, sight.at)?;
        if sight.tagless {
            vpc.tags = Tags::default();
        }
        Some((sight, vpc, owner))
    };
    let mut places = Vec::with_capacity(ids.len());
    let mut unknown = Vec::new();
    for id in &ids {
        let place = reading.vpc_place(id).map_err(|_| Refusal::malformed("InvalidVpcID.Malformed", id, "vpc-"))?;
        match place.filter(|place| see(*place).is_some()) {
            Some(place) => places.push(place),
            None => unknown.push(*id),
        }
    }
    if !unknown.is_empty() {
        return Err(Refusal::not_found("InvalidVpcID.NotFound", "vpc ID", &unknown));
    }
    call.dry_run()?;
    let chosen = |place: u64| {
        let (sight, vpc, owner) = see(place).filter(|(sight, ..)| !sight.hidden)?;
        let wanted = places.is_empty() || places.contains(&place);
        (wanted && filters.hold(&vpc, owner, sight.at)).then_some((vpc, owner))
    };
    Ok(call.envelope("DescribeVpcs", 16_384, |xml| {
        let mut next = None;
        xml.within("vpcSet", |xml| {
            next = walk(reading.vpcs(), &page, chosen, |(vpc, owner)| write(xml, &vpc, owner));
        });
        next_token(xml, &page, next);
    }))
}

/// Writes a VPC; `plan` is its owner's formula.
fn write(xml: &mut Xml, vpc: &Vpc, plan: &Plan) {
    xml.within("item", |xml| {
        xml.plain("vpcId", |out| plan.idents.write(Kind::Vpc, vpc.number, out));
        xml.text("ownerId", &plan.account);
        xml.text("state", "available");
        xml.text("cidrBlock", &vpc.cidr);
        xml.within("cidrBlockAssociationSet", |xml| {
            xml.within("item", |xml| {
                xml.text("cidrBlock", &vpc.cidr);
                xml.plain("associationId", |out| plan.idents.write(Kind::CidrAssociation, vpc.number * 2, out));
                xml.within("cidrBlockState", |xml| xml.text("state", "associated"));
            });
        });
        if let Some(ipv6) = &vpc.ipv6 {
            xml.within("ipv6CidrBlockAssociationSet", |xml| {
                xml.within("item", |xml| {
                    xml.text("ipv6CidrBlock", ipv6);
                    xml.plain("associationId", |out| plan.idents.write(Kind::CidrAssociation, vpc.number * 2 + 1, out));
                    xml.within("ipv6CidrBlockState", |xml| xml.text("state", "associated"));
                    xml.text("networkBorderGroup", &plan.region);
                    xml.text("ipv6Pool", "Amazon");
                    xml.text("ipv6AddressAttribute", "public");
                    xml.text("ipSource", "amazon");
                });
            });
        }
        xml.plain("dhcpOptionsId", |out| plan.idents.write(Kind::DhcpOptions, 0, out));
        xml.text("instanceTenancy", "default");
        xml.flag("isDefault", vpc.is_default());
        xml.within("blockPublicAccessStates", |xml| xml.text("internetGatewayBlockMode", "off"));
        vpc.tags.write(xml);
    });
}

impl Vpc {
    /// A filter value that every IPv6 range of a VPC has.
    fn of_ipv6(&self, value: &'static str) -> Option<&'static str> {
        self.ipv6.as_ref().map(|_| value)
    }
}

impl Filtered for Vpc {
    const FILTERS: &'static [Filter<Self>] = &[
        ("cidr", |vpc, values| values.text(&vpc.cidr)),
        ("cidr-block", |vpc, values| values.text(&vpc.cidr)),
        ("cidr-block-association.association-id", |vpc, values| values.ids(Kind::CidrAssociation, [vpc.number * 2])),
        ("cidr-block-association.cidr-block", |vpc, values| values.text(&vpc.cidr)),
        ("cidr-block-association.state", |_, values| values.text("associated")),
        ("cidrBlock", |vpc, values| values.text(&vpc.cidr)),
        ("dhcp-options-id", |_, values| values.ids(Kind::DhcpOptions, [0])),
        ("ipv6-cidr-block-association.association-id", |vpc, values| {
            values.ids(Kind::CidrAssociation, vpc.ipv6.as_ref().map(|_| vpc.number * 2 + 1));
        }),
        ("ipv6-cidr-block-association.ipv6-cidr-block", |vpc, values| values.texts(vpc.ipv6.as_deref())),
        ("ipv6-cidr-block-association.ipv6-pool", |vpc, values| values.texts(vpc.of_ipv6("Amazon"))),
        ("ipv6-cidr-block-association.state", |vpc, values| values.texts(vpc.of_ipv6("associated"))),
        ("is-default", |vpc, values| values.flag(vpc.is_default())),
        ("isDefault", |vpc, values| values.flag(vpc.is_default())),
        ("owner-id", |_, values| values.text(&values.plan.account)),
        ("state", |_, values| values.text("available")),
        ("vpc-id", |vpc, values| values.ids(Kind::Vpc, [vpc.number])),
    ];
    const TAGS: Option<fn(&Self) -> &Tags> = Some(|vpc| &vpc.tags);
}
