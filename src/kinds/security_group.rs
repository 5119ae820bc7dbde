//! Security groups.

use std::time::Duration;

use super::describe::describe;
use super::fields::{Fields, mapped};
use super::spec::{CallWords, Filter, KindSpec};
use crate::model::Form;

pub(super) static SPEC: KindSpec = KindSpec {
    name: "AWS::EC2::SecurityGroup",
    slug: "security-group",
    title: "Security group",
    plural: "security groups",
    description: "A set of firewall rules: which addresses, groups and prefix lists may reach, or be \
                  reached from, resources that use it.",
    prefix: Some("sg-"),
    id_field: "GroupId",
    list: &["securityGroupInfo", "item"],
    name_field: Some("GroupName"),
    event_rules: &["tags", "calls"],
    relaxed: Some(Duration::from_hours(1)),
    calls: CallWords { reaches: &["SecurityGroup"], about: &["SecurityGroup"], ..CallWords::NONE },
    filters: FILTERS,
    columns: &[("group-name", "group_name"), ("vpc-id", "vpc_id"), ("description", "description")],
    actions: &["ec2:DescribeSecurityGroups"],
    describe: describe!(|client, _, _| client.describe_security_groups(), set_group_ids, security_groups, group_id),
    ..KindSpec::DEFAULT
};

static FILTERS: &[Filter] = &[
    Filter::new(0, "group-id", &["GroupId"], Form::Id(&["sg-"])),
    Filter::new(1, "owner-id", &["OwnerId"], Form::Account),
    Filter::new(2, "group-name", &["GroupName"], Form::Text),
    Filter::new(3, "vpc-id", &["VpcId"], Form::Id(&["vpc-"])),
    Filter::new(4, "description", &["Description"], Form::Prose),
    Filter::new(5, "ip-permission.protocol", &["IpPermissions.IpProtocol"], Form::Protocol).many(),
    Filter::new(6, "ip-permission.from-port", &["IpPermissions.FromPort"], Form::Port).many(),
    Filter::new(7, "ip-permission.to-port", &["IpPermissions.ToPort"], Form::Port).many(),
    Filter::new(8, "ip-permission.cidr", &["IpPermissions.IpRanges.CidrIp"], Form::Cidr).many(),
    Filter::new(9, "ip-permission.ipv6-cidr", &["IpPermissions.Ipv6Ranges.CidrIpv6"], Form::Cidr6).many(),
    Filter::new(10, "ip-permission.group-id", &["IpPermissions.UserIdGroupPairs.GroupId"], Form::Id(&["sg-"])).many(),
    Filter::new(11, "ip-permission.group-name", &["IpPermissions.UserIdGroupPairs.GroupName"], Form::Text).many(),
    Filter::new(12, "ip-permission.user-id", &["IpPermissions.UserIdGroupPairs.UserId"], Form::Account).many(),
    Filter::new(13, "ip-permission.prefix-list-id", &["IpPermissions.PrefixListIds.PrefixListId"], Form::Id(&["pl-"]))
        .many(),
    Filter::new(14, "egress.ip-permission.protocol", &["IpPermissionsEgress.IpProtocol"], Form::Protocol).many(),
    Filter::new(15, "egress.ip-permission.from-port", &["IpPermissionsEgress.FromPort"], Form::Port).many(),
    Filter::new(16, "egress.ip-permission.to-port", &["IpPermissionsEgress.ToPort"], Form::Port).many(),
    Filter::new(17, "egress.ip-permission.cidr", &["IpPermissionsEgress.IpRanges.CidrIp"], Form::Cidr).many(),
    Filter::new(18, "egress.ip-permission.ipv6-cidr", &["IpPermissionsEgress.Ipv6Ranges.CidrIpv6"], Form::Cidr6).many(),
    Filter::new(
        19,
        "egress.ip-permission.group-id",
        &["IpPermissionsEgress.UserIdGroupPairs.GroupId"],
        Form::Id(&["sg-"]),
    )
    .many(),
    Filter::new(20, "egress.ip-permission.group-name", &["IpPermissionsEgress.UserIdGroupPairs.GroupName"], Form::Text)
        .many(),
    Filter::new(21, "egress.ip-permission.user-id", &["IpPermissionsEgress.UserIdGroupPairs.UserId"], Form::Account)
        .many(),
    Filter::new(
        22,
        "egress.ip-permission.prefix-list-id",
        &["IpPermissionsEgress.PrefixListIds.PrefixListId"],
        Form::Id(&["pl-"]),
    )
    .many(),
];

mapped!(|group: SecurityGroup| {
    Fields::new()
        .text("GroupId", group.group_id)
        .list("IpPermissionsEgress", group.ip_permissions_egress)
        .list("Tags", group.tags)
        .text("VpcId", group.vpc_id)
        .text("SecurityGroupArn", group.security_group_arn)
        .text("OwnerId", group.owner_id)
        .text("GroupName", group.group_name)
        .text("Description", group.description)
        .list("IpPermissions", group.ip_permissions)
});

mapped!(|permission: IpPermission| {
    Fields::new()
        .text("IpProtocol", permission.ip_protocol)
        .int("FromPort", permission.from_port)
        .int("ToPort", permission.to_port)
        .list("UserIdGroupPairs", permission.user_id_group_pairs)
        .list("IpRanges", permission.ip_ranges)
        .list("Ipv6Ranges", permission.ipv6_ranges)
        .list("PrefixListIds", permission.prefix_list_ids)
});

mapped!(|pair: UserIdGroupPair| {
    Fields::new()
        .text("Description", pair.description)
        .text("UserId", pair.user_id)
        .text("GroupName", pair.group_name)
        .text("GroupId", pair.group_id)
        .text("VpcId", pair.vpc_id)
        .text("VpcPeeringConnectionId", pair.vpc_peering_connection_id)
        .text("PeeringStatus", pair.peering_status)
});

mapped!(|range: IpRange| Fields::new().text("Description", range.description).text("CidrIp", range.cidr_ip));

mapped!(|range: Ipv6Range| Fields::new().text("Description", range.description).text("CidrIpv6", range.cidr_ipv6));

mapped!(|id: PrefixListId| Fields::new().text("Description", id.description).text("PrefixListId", id.prefix_list_id));
