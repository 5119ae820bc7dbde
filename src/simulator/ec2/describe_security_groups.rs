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
    /// Of the rules for what comes in.
    Ingress(RuleField),
    /// Of the rules for what goes out.
    Egress(RuleField),
    Tag(TagField),
}

/// What a filter asks of the rules of a group.
enum RuleField {
    Protocol,
    FromPort,
    ToPort,
    Cidr,
    Ipv6Cidr,
    PrefixList,
    Group,
    GroupName,
    User,
}

impl Field {
    fn parse(name: &str) -> Option<Self> {
        if let Some(name) = name.strip_prefix("ip-permission.") {
            return RuleField::parse(name).map(Self::Ingress);
        }
        if let Some(name) = name.strip_prefix("egress.ip-permission.") {
            return RuleField::parse(name).map(Self::Egress);
        }
        Some(match name {
            "group-id" => Self::Id,
            "group-name" => Self::Name,
            "description" => Self::Description,
            "vpc-id" => Self::Vpc,
            "owner-id" => Self::Owner,
            _ => Self::Tag(TagField::parse(name)?),
        })
    }

    fn any(&self, group: &SecurityGroup, plan: &Plan, matches: &mut dyn FnMut(&str) -> bool) -> bool {
        match self {
            Self::Id => matches(&plan.idents.text(Kind::SecurityGroup, group.number)),
            Self::Name => matches(group.name),
            Self::Description => matches(group.description),
            Self::Vpc => matches(&plan.idents.text(Kind::Vpc, group.vpc)),
            Self::Owner => matches(&plan.account),
            Self::Ingress(field) => group.ingress.iter().any(|rule| field.any(rule, plan, matches)),
            Self::Egress(field) => group.egress.iter().any(|rule| field.any(rule, plan, matches)),
            Self::Tag(tag) => tag.any(&group.tags, matches),
        }
    }
}

impl RuleField {
    fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "protocol" => Self::Protocol,
            "from-port" => Self::FromPort,
            "to-port" => Self::ToPort,
            "cidr" => Self::Cidr,
            "ipv6-cidr" => Self::Ipv6Cidr,
            "prefix-list-id" => Self::PrefixList,
            "group-id" => Self::Group,
            "group-name" => Self::GroupName,
            "user-id" => Self::User,
            _ => return None,
        })
    }

    fn any(&self, rule: &Permission, plan: &Plan, matches: &mut dyn FnMut(&str) -> bool) -> bool {
        match self {
            Self::Protocol => matches(&rule.protocol),
            Self::FromPort => rule.ports.is_some_and(|(from, _)| matches(&from.to_string())),
            Self::ToPort => rule.ports.is_some_and(|(_, to)| matches(&to.to_string())),
            Self::Cidr => rule.ranges.iter().any(|(cidr, _)| matches(cidr)),
            Self::Ipv6Cidr => rule.ranges6.iter().any(|(cidr, _)| matches(cidr)),
            Self::PrefixList => rule.prefix_lists.iter().any(|(list, _)| matches(list)),
            Self::Group => rule.groups.iter().any(|(group, _)| matches(&plan.idents.text(Kind::SecurityGroup, *group))),
            // Rules of VPCs name groups by id alone.
            Self::GroupName => false,
            Self::User => !rule.groups.is_empty() && matches(&plan.account),
        }
    }
}
