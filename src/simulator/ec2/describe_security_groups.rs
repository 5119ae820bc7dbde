//! `DescribeSecurityGroups`.

use crate::simulator::ec2::call::{Answer, Call, named, next_token, walk};
use crate::simulator::filter::{Filter, Filtered, Filters, Values};
use crate::simulator::ident::Kind;
use crate::simulator::network::{GROUPS, Permission, SecurityGroup};
use crate::simulator::page::Page;
use crate::simulator::plan::Plan;
use crate::simulator::refusal::Refusal;
use crate::simulator::tags::Tags;
use crate::simulator::xml::Xml;

/// Answers a `DescribeSecurityGroups` call.
pub(super) fn answer(call: &Call) -> Answer {
    let plan = call.account.plan();
    let page = Page::parse(call.params, "GroupId", &[], plan.seed)?;
    let filters = Filters::<SecurityGroup>::parse(call.params)?;
    let (ids, names) = (call.params.set("GroupId"), call.params.set("GroupName"));
    let reading = call.account.reading();
    let end = reading.vpcs() * GROUPS;
    let see = |number: u64| {
        let sight = call.view.of(Kind::SecurityGroup, number);
        let mut group = reading.group(number, sight.at)?;
        if sight.tagless {
            group.tags = Tags::default();
        }
        Some((sight, group))
    };
    let not_found = |names: &[&str]| Refusal::not_found("InvalidGroup.NotFound", "security group", names);
    let mut numbers = named(plan.idents, Kind::SecurityGroup, &ids, end, not_found)?;
    let unseen: Vec<&str> =
        ids.iter().zip(&numbers).filter(|(_, number)| see(**number).is_none()).map(|(id, _)| *id).collect();
    if !unseen.is_empty() {
        return Err(not_found(&unseen));
    }
    // Group names work only in the default VPC, as on EC2.
    for name in &names {
        let found = (0..GROUPS).find(|ordinal| SecurityGroup::name(*ordinal) == *name);
        numbers.push(found.ok_or_else(|| not_found(&[name]))?);
    }
    call.dry_run()?;
    let chosen = |number: u64| {
        let (sight, group) = see(number).filter(|(sight, _)| !sight.hidden)?;
        let wanted = numbers.is_empty() || numbers.contains(&number);
        (wanted && filters.hold(&group, plan, sight.at)).then_some(group)
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

impl Filtered for SecurityGroup {
    const FILTERS: &'static [Filter<Self>] = &[
        ("description", |group, values| values.text(group.description)),
        ("egress.ip-permission.cidr", |group, values| cidrs(&group.egress, values)),
        ("egress.ip-permission.from-port", |group, values| from_ports(&group.egress, values)),
        ("egress.ip-permission.group-id", |group, values| group_ids(&group.egress, values)),
        // Rules in a VPC refer to groups only by id.
        ("egress.ip-permission.group-name", |_, _| {}),
        ("egress.ip-permission.ipv6-cidr", |group, values| ipv6_cidrs(&group.egress, values)),
        ("egress.ip-permission.prefix-list-id", |group, values| prefix_lists(&group.egress, values)),
        ("egress.ip-permission.protocol", |group, values| protocols(&group.egress, values)),
        ("egress.ip-permission.to-port", |group, values| to_ports(&group.egress, values)),
        ("egress.ip-permission.user-id", |group, values| user_ids(&group.egress, values)),
        ("group-id", |group, values| values.ids(Kind::SecurityGroup, [group.number])),
        ("group-name", |group, values| values.text(group.name)),
        ("ip-permission.cidr", |group, values| cidrs(&group.ingress, values)),
        ("ip-permission.from-port", |group, values| from_ports(&group.ingress, values)),
        ("ip-permission.group-id", |group, values| group_ids(&group.ingress, values)),
        // Rules in a VPC refer to groups only by id.
        ("ip-permission.group-name", |_, _| {}),
        ("ip-permission.ipv6-cidr", |group, values| ipv6_cidrs(&group.ingress, values)),
        ("ip-permission.prefix-list-id", |group, values| prefix_lists(&group.ingress, values)),
        ("ip-permission.protocol", |group, values| protocols(&group.ingress, values)),
        ("ip-permission.to-port", |group, values| to_ports(&group.ingress, values)),
        ("ip-permission.user-id", |group, values| user_ids(&group.ingress, values)),
        ("owner-id", |_, values| values.text(&values.plan.account)),
        ("vpc-id", |group, values| values.ids(Kind::Vpc, [group.vpc])),
    ];
    const TAGS: Option<fn(&Self) -> &Tags> = Some(|group| &group.tags);
}

fn cidrs(rules: &[Permission], values: &mut Values<'_>) {
    values.texts(rules.iter().flat_map(|rule| &rule.ranges).map(|(range, _)| range.as_str()));
}

fn ipv6_cidrs(rules: &[Permission], values: &mut Values<'_>) {
    values.texts(rules.iter().flat_map(|rule| &rule.ranges6).map(|(range, _)| range.as_str()));
}

fn prefix_lists(rules: &[Permission], values: &mut Values<'_>) {
    values.texts(rules.iter().flat_map(|rule| &rule.prefix_lists).map(|(list, _)| list.as_str()));
}

fn protocols(rules: &[Permission], values: &mut Values<'_>) {
    values.texts(rules.iter().map(|rule| rule.protocol.as_ref()));
}

fn from_ports(rules: &[Permission], values: &mut Values<'_>) {
    values.show(rules.iter().filter_map(|rule| rule.ports).map(|(from, _)| from));
}

fn to_ports(rules: &[Permission], values: &mut Values<'_>) {
    values.show(rules.iter().filter_map(|rule| rule.ports).map(|(_, to)| to));
}

fn group_ids(rules: &[Permission], values: &mut Values<'_>) {
    values.ids(Kind::SecurityGroup, rules.iter().flat_map(|rule| &rule.groups).map(|(group, _)| *group));
}

fn user_ids(rules: &[Permission], values: &mut Values<'_>) {
    let of_groups = rules.iter().flat_map(|rule| &rule.groups);
    values.texts(of_groups.map(|_| values.plan.account.as_str()).take(1));
}
