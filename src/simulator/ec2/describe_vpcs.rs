//! `DescribeVpcs`: the account's own, then those other accounts share with it.

use crate::simulator::ec2::{Answer, Call, next_token, walk};
use crate::simulator::filter::Filters;
use crate::simulator::ident::Kind;
use crate::simulator::network::Vpc;
use crate::simulator::page::Page;
use crate::simulator::plan::Plan;
use crate::simulator::refusal::Refusal;
use crate::simulator::tags::{TagField, Tags};
use crate::simulator::xml::Xml;

/// Answers a `DescribeVpcs`.
pub(super) fn answer(call: &Call) -> Answer {
    let plan = call.estate.plan();
    let page = Page::parse(call.params, "VpcId", &[], plan.seed)?;
    let filters = Filters::parse(call.params, Field::parse)?;
    let ids = call.params.set("VpcId");
    let view = call.estate.view();
    let see = |place: u64| {
        let sight = call.lens.of(Kind::Vpc, place);
        let (mut vpc, owner) = view.vpc(place, sight.at)?;
        if sight.tagless {
            vpc.tags = Tags::default();
        }
        Some((sight, vpc, owner))
    };
    let mut places = Vec::with_capacity(ids.len());
    let mut unknown = Vec::new();
    for id in &ids {
        let place = view.vpc_place(id).map_err(|_| Refusal::malformed("InvalidVpcID.Malformed", id, "vpc-"))?;
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
        let (_, vpc, owner) = see(place).filter(|(sight, ..)| !sight.hidden)?;
        let wanted = places.is_empty() || places.contains(&place);
        (wanted && filters.hold(|field, matches| field.any(&vpc, owner, matches))).then_some((vpc, owner))
    };
    Ok(call.envelope("DescribeVpcs", 16_384, |xml| {
        let mut next = None;
        xml.within("vpcSet", |xml| {
            next = walk(view.vpcs(), &page, chosen, |(vpc, owner)| write(xml, &vpc, owner));
        });
        next_token(xml, &page, next);
    }))
}

/// A VPC; `plan` is its owner's.
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

enum Field {
    Id,
    Cidr,
    IsDefault,
    State,
    Owner,
    DhcpOptions,
    Association,
    AssociationState,
    Ipv6Cidr,
    Ipv6Association,
    Ipv6State,
    Ipv6Pool,
    Tag(TagField),
}

impl Field {
    fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "vpc-id" => Self::Id,
            "cidr" | "cidr-block-association.cidr-block" | "cidrBlock" => Self::Cidr,
            "is-default" | "isDefault" => Self::IsDefault,
            "state" => Self::State,
            "owner-id" => Self::Owner,
            "dhcp-options-id" => Self::DhcpOptions,
            "cidr-block-association.association-id" => Self::Association,
            "cidr-block-association.state" => Self::AssociationState,
            "ipv6-cidr-block-association.ipv6-cidr-block" => Self::Ipv6Cidr,
            "ipv6-cidr-block-association.association-id" => Self::Ipv6Association,
            "ipv6-cidr-block-association.state" => Self::Ipv6State,
            "ipv6-cidr-block-association.ipv6-pool" => Self::Ipv6Pool,
            _ => Self::Tag(TagField::parse(name)?),
        })
    }

    fn any(&self, vpc: &Vpc, plan: &Plan, matches: &mut dyn FnMut(&str) -> bool) -> bool {
        match self {
            Self::Id => matches(&plan.idents.text(Kind::Vpc, vpc.number)),
            Self::Cidr => matches(&vpc.cidr),
            Self::IsDefault => matches(if vpc.is_default() { "true" } else { "false" }),
            Self::State => matches("available"),
            Self::Owner => matches(&plan.account),
            Self::Association => matches(&plan.idents.text(Kind::CidrAssociation, vpc.number * 2)),
            Self::AssociationState => matches("associated"),
            Self::Ipv6Cidr => vpc.ipv6.as_deref().is_some_and(matches),
            Self::Ipv6Association => {
                vpc.ipv6.is_some() && matches(&plan.idents.text(Kind::CidrAssociation, vpc.number * 2 + 1))
            }
            Self::Ipv6State => vpc.ipv6.is_some() && matches("associated"),
            Self::Ipv6Pool => vpc.ipv6.is_some() && matches("Amazon"),
            Self::DhcpOptions => matches(&plan.idents.text(Kind::DhcpOptions, 0)),
            Self::Tag(tag) => tag.any(&vpc.tags, matches),
        }
    }
}
