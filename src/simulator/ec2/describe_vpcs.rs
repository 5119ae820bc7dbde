//! `DescribeVpcs`.

use crate::simulator::ec2::{Answer, Call, named, next_token, walk_numbers};
use crate::simulator::filter::Filters;
use crate::simulator::ident::Kind;
use crate::simulator::network::Vpc;
use crate::simulator::page::Page;
use crate::simulator::plan::Plan;
use crate::simulator::refusal::Refusal;
use crate::simulator::tags::TagField;
use crate::simulator::xml::Xml;

/// Answers a `DescribeVpcs`.
pub(super) fn answer(call: &Call) -> Answer {
    let plan = call.estate.plan();
    let page = Page::parse(call.params, "VpcId", &[], plan.seed)?;
    let filters = Filters::parse(call.params, Field::parse)?;
    let ids = call.params.set("VpcId");
    let numbers = named(plan.idents, Kind::Vpc, &ids, plan.vpcs, "InvalidVpcId.Malformed", |ids| {
        Refusal::not_found("InvalidVpcID.NotFound", "vpc ID", ids)
    })?;
    call.dry_run()?;
    let view = call.estate.view();
    let keep = |vpc: &Vpc| {
        (numbers.is_empty() || numbers.contains(&vpc.number))
            && filters.hold(|field, matches| field.any(vpc, plan, matches))
    };
    Ok(call.envelope("DescribeVpcs", 16_384, |xml| {
        let mut next = None;
        xml.within("vpcSet", |xml| {
            next = walk_numbers(plan.vpcs, &page, |number| view.vpc(number), keep, |vpc| write(xml, &vpc, plan));
        });
        next_token(xml, &page, next);
    }))
}

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
            Self::DhcpOptions => matches(&plan.idents.text(Kind::DhcpOptions, 0)),
            Self::Tag(tag) => tag.any(&vpc.tags, matches),
        }
    }
}
