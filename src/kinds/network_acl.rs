//! Network ACLs.
//!
//! Creating a subnet associates it with the default ACL of its VPC without a call that names the ACL. AWS shows protocols by
//! number.

use aws_sdk_ec2::types;

use super::describe::describe;
use super::fields::{Fields, mapped};
use super::spec::{CallWords, Filter, KindSpec};
use crate::model::Form;

pub(super) static SPEC: KindSpec = KindSpec {
    name: "AWS::EC2::NetworkAcl",
    slug: "network-acl",
    title: "Network ACL",
    plural: "network ACLs",
    description: "The stateless firewall of subnets: its numbered rules, which allow or deny traffic in each direction, and the \
                  subnets that it is associated with.",
    prefix: Some("acl-"),
    id_field: "NetworkAclId",
    list: &["networkAclSet", "item"],
    calls: CallWords {
        makes: &["NetworkAcl", "CreateVpc", "CreateDefaultVpc"],
        reaches: &["NetworkAcl"],
        about: &["NetworkAcl"],
    },
    filters: FILTERS,
    columns: &[("default", "is_default"), ("vpc-id", "vpc_id"), ("association.subnet-id", "subnet_ids")],
    actions: &["ec2:DescribeNetworkAcls"],
    describe: describe!(
        |client, _, _| client.describe_network_acls(),
        set_network_acl_ids,
        network_acls,
        network_acl_id
    ),
    ..KindSpec::DEFAULT
};

static FILTERS: &[Filter] = &[
    Filter::new(0, "network-acl-id", &["NetworkAclId"], Form::Id(&["acl-"])),
    Filter::new(1, "owner-id", &["OwnerId"], Form::Account),
    Filter::new(2, "vpc-id", &["VpcId"], Form::Id(&["vpc-"])),
    Filter::new(3, "default", &["IsDefault"], Form::Flag),
    Filter::new(4, "association.association-id", &["Associations.NetworkAclAssociationId"], Form::Id(&["aclassoc-"]))
        .many(),
    Filter::new(5, "association.network-acl-id", &["Associations.NetworkAclId"], Form::Id(&["acl-"])).many(),
    Filter::new(6, "association.subnet-id", &["Associations.SubnetId"], Form::Id(&["subnet-"])).many(),
    Filter::new(7, "entry.cidr", &["Entries.CidrBlock"], Form::Cidr).many(),
    Filter::new(8, "entry.ipv6-cidr", &["Entries.Ipv6CidrBlock"], Form::Cidr6).many(),
    Filter::new(9, "entry.icmp.code", &["Entries.IcmpTypeCode.Code"], Form::Port).many(),
    Filter::new(10, "entry.icmp.type", &["Entries.IcmpTypeCode.Type"], Form::Port).many(),
    Filter::new(11, "entry.port-range.from", &["Entries.PortRange.From"], Form::Port).many(),
    Filter::new(12, "entry.port-range.to", &["Entries.PortRange.To"], Form::Port).many(),
    Filter::new(13, "entry.protocol", &["Entries.Protocol"], Form::Protocol).many(),
    Filter::new(14, "entry.rule-action", &["Entries.RuleAction"], Form::Word(types::RuleAction::values())).many(),
    Filter::new(15, "entry.egress", &["Entries.Egress"], Form::Flag).many(),
    Filter::new(16, "entry.rule-number", &["Entries.RuleNumber"], Form::Number).many(),
];

mapped!(|acl: NetworkAcl| {
    Fields::new()
        .list("Associations", acl.associations)
        .list("Entries", acl.entries)
        .flag("IsDefault", acl.is_default)
        .text("NetworkAclId", acl.network_acl_id)
        .list("Tags", acl.tags)
        .text("VpcId", acl.vpc_id)
        .text("OwnerId", acl.owner_id)
});

mapped!(|association: NetworkAclAssociation| {
    Fields::new()
        .text("NetworkAclAssociationId", association.network_acl_association_id)
        .text("NetworkAclId", association.network_acl_id)
        .text("SubnetId", association.subnet_id)
});

mapped!(|entry: NetworkAclEntry| {
    Fields::new()
        .text("CidrBlock", entry.cidr_block)
        .flag("Egress", entry.egress)
        .map("IcmpTypeCode", entry.icmp_type_code)
        .text("Ipv6CidrBlock", entry.ipv6_cidr_block)
        .map("PortRange", entry.port_range)
        .text("Protocol", entry.protocol)
        .code("RuleAction", entry.rule_action)
        .int("RuleNumber", entry.rule_number)
});

mapped!(|code: IcmpTypeCode| Fields::new().int("Code", code.code).int("Type", code.r#type));

mapped!(|range: PortRange| Fields::new().int("From", range.from).int("To", range.to));
