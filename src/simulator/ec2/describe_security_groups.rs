//! `DescribeSecurityGroups`.

use crate::simulator::ec2::{Answer, Call, named, next_token, walk};
use crate::simulator::filter::Filters;
use crate::simulator::ident::Kind;
use crate::simulator::network::{GROUPS, Permission, SecurityGroup};
use crate::simulator::page::Page;
use crate::simulator::plan::Plan;
use crate::simulator::refusal::Refusal;
use crate::simulator::tags::{TagField, Tags};
use crate::simulator::xml::Xml;

/// Answers a `DescribeSecurityGroups`.
pub(super) fn answer(call: &Call) -> Answer {
    let plan = call.estate.plan();
    let page = Page::parse(call.params, "GroupId", &[], plan.seed)?;
    let filters = Filters::parse(call.params, Field::parse)?;
    let (ids, names) = (call.params.set("GroupId"), call.params.set("GroupName"));
    let view = call.estate.view();
    let end = view.vpcs() * GROUPS;
    let see = |number: u64| {
        let sight = call.lens.of(Kind::SecurityGroup, number);
        let mut group = view.group(number, sight.at)?;
        if sight.tagless {
            group.tags = Tags::default();
        }
        Some((sight, group))
    };
    let not_found = |names: &[&str]| Refusal::not_found("InvalidGroup.NotFound", "security group", names);
    let mut numbers = named(plan.idents, Kind::SecurityGroup, &ids, end, "InvalidGroupId.Malformed", not_found)?;
    let unseen: Vec<&str> =
        ids.iter().zip(&numbers).filter(|(_, number)| see(**number).is_none()).map(|(id, _)| *id).collect();
    if !unseen.is_empty() {
        return Err(not_found(&unseen));
    }
    // Names work in the default VPC only, as on EC2.
    for name in &names {
        let found = (0..GROUPS).find(|ordinal| SecurityGroup::name(*ordinal) == *name);
        numbers.push(found.ok_or_else(|| not_found(&[name]))?);
    }
    call.dry_run()?;
    let chosen = |number: u64| {
        let (_, group) = see(number).filter(|(sight, _)| !sight.hidden)?;
        let wanted = numbers.is_empty() || numbers.contains(&number);
        (wanted && filters.hold(|field, matches| field.any(&group, plan, matches))).then_some(group)
    };
    Ok(call.envelope("DescribeSecurityGroups", 65_536, |xml| {
        let mut next = None;
        xml.within("securityGroupInfo", |xml| {
            next = walk(end, &page, chosen, |group| write(xml, &group, plan));
        });
        next_token(xml, &page, next);
    }))
}

fn write(xml: &mut Xml, group: &SecurityGroup, plan: &Plan) {
    xml.within("item", |xml| {
        xml.text("ownerId", &plan.account);
        xml.plain("groupId", |out| plan.idents.write(Kind::SecurityGroup, group.number, out));
        xml.text("groupName", group.name);
        xml.text("groupDescription", group.description);
        xml.plain("vpcId", |out| plan.idents.write(Kind::Vpc, group.vpc, out));
        xml.text("securityGroupArn", &group.arn(plan));
        permissions(xml, "ipPermissions", &group.ingress, plan);
        permissions(xml, "ipPermissionsEgress", &group.egress, plan);
        group.tags.write(xml);
    });
}

fn permissions(xml: &mut Xml, tag: &str, permissions: &[Permission], plan: &Plan) {
    xml.within(tag, |xml| {
        for permission in permissions {
            xml.within("item", |xml| permission_body(xml, permission, plan));
        }
    });
}

fn permission_body(xml: &mut Xml, permission: &Permission, plan: &Plan) {
    xml.text("ipProtocol", &permission.protocol);
    if let Some((from, to)) = permission.ports {
        xml.number("fromPort", from);
        xml.number("toPort", to);
    }
    xml.within("groups", |xml| {
        for (group, description) in &permission.groups {
            xml.within("item", |xml| {
                xml.text("userId", &plan.account);
                xml.plain("groupId", |out| plan.idents.write(Kind::SecurityGroup, *group, out));
                describe(xml, description.as_deref());
            });
        }
    });
    let sources = [
        ("ipRanges", "cidrIp", &permission.ranges),
        ("ipv6Ranges", "cidrIpv6", &permission.ranges6),
        ("prefixListIds", "prefixListId", &permission.prefix_lists),
    ];
    for (set, tag, items) in sources {
        xml.within(set, |xml| {
            for (value, description) in items {
                xml.within("item", |xml| {
                    xml.text(tag, value);
                    describe(xml, description.as_deref());
                });
            }
        });
    }
}

fn describe(xml: &mut Xml, description: Option<&str>) {
    if let Some(description) = description {
        xml.text("description", description);
    }
}

enum Field {
    Id,
    Name,
    Description,
    Vpc,
    Owner,
    Cidr,
    Protocol,
    FromPort,
    ToPort,
    SourceGroup,
    Tag(TagField),
}

impl Field {
    fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "group-id" => Self::Id,
            "group-name" => Self::Name,
            "description" => Self::Description,
            "vpc-id" => Self::Vpc,
            "owner-id" => Self::Owner,
            "ip-permission.cidr" => Self::Cidr,
            "ip-permission.protocol" => Self::Protocol,
            "ip-permission.from-port" => Self::FromPort,
            "ip-permission.to-port" => Self::ToPort,
            "ip-permission.group-id" => Self::SourceGroup,
            _ => Self::Tag(TagField::parse(name)?),
        })
    }

    fn any(&self, group: &SecurityGroup, plan: &Plan, matches: &mut dyn FnMut(&str) -> bool) -> bool {
        let mut rules = group.ingress.iter();
        match self {
            Self::Id => matches(&plan.idents.text(Kind::SecurityGroup, group.number)),
            Self::Name => matches(group.name),
            Self::Description => matches(group.description),
            Self::Vpc => matches(&plan.idents.text(Kind::Vpc, group.vpc)),
            Self::Owner => matches(&plan.account),
            Self::Cidr => rules.any(|rule| rule.ranges.iter().any(|(cidr, _)| matches(cidr))),
            Self::Protocol => rules.any(|rule| matches(&rule.protocol)),
            Self::FromPort => rules.filter_map(|rule| rule.ports).any(|(from, _)| matches(&from.to_string())),
            Self::ToPort => rules.filter_map(|rule| rule.ports).any(|(_, to)| matches(&to.to_string())),
            Self::SourceGroup => rules.any(|rule| {
                rule.groups.iter().any(|(number, _)| matches(&plan.idents.text(Kind::SecurityGroup, *number)))
            }),
            Self::Tag(tag) => tag.any(&group.tags, matches),
        }
    }
}
