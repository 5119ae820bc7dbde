//! Virtual private clouds.

use std::time::Duration;

use aws_sdk_ec2::types;

use super::describe::describe;
use super::fields::{Fields, mapped};
use super::spec::{CallWords, Filter, KindSpec};
use crate::model::Form;

pub(super) static SPEC: KindSpec = KindSpec {
    name: "AWS::EC2::VPC",
    slug: "vpc",
    title: "VPC",
    plural: "VPCs",
    description: "A virtual network: its address ranges, tenancy, DHCP options and whether it is the default one. A shared VPC \
        shows its owner.",
    prefix: Some("vpc-"),
    id_field: "VpcId",
    list: &["vpcSet", "item"],
    state_path: Some("State"),
    listed_beside_collections: 200,
    event_rules: &["tags", "calls"],
    relaxed: Some(Duration::from_hours(1)),
    calls: CallWords { reaches: &["Vpc"], about: &["Vpc"], ..CallWords::NONE },
    filters: FILTERS,
    columns: &[("state", "state"), ("cidr", "cidr"), ("is-default", "is_default"), ("vpc-id", "vpc_id")],
    actions: &["ec2:DescribeVpcs"],
    describe: describe!(|client, _, _| client.describe_vpcs(), set_vpc_ids, vpcs, vpc_id),
    ..KindSpec::DEFAULT
};

static FILTERS: &[Filter] = &[
    Filter::new(0, "vpc-id", &["VpcId"], Form::Id(&["vpc-"])),
    Filter::new(1, "owner-id", &["OwnerId"], Form::Account),
    Filter::new(2, "cidr", &["CidrBlock"], Form::Cidr),
    Filter::new(3, "state", &["State"], Form::Word(types::VpcState::values())),
    Filter::new(4, "is-default", &["IsDefault"], Form::Flag),
    Filter::new(5, "dhcp-options-id", &["DhcpOptionsId"], Form::IdOr(&["dopt-"], "default")),
    Filter::new(
        6,
        "cidr-block-association.association-id",
        &["CidrBlockAssociationSet.AssociationId"],
        Form::Id(&["vpc-cidr-assoc-"]),
    )
    .many(),
    Filter::new(7, "cidr-block-association.cidr-block", &["CidrBlockAssociationSet.CidrBlock"], Form::Cidr).many(),
    Filter::new(
        8,
        "cidr-block-association.state",
        &["CidrBlockAssociationSet.CidrBlockState.State"],
        Form::Word(types::VpcCidrBlockStateCode::values()),
    )
    .many(),
    Filter::new(
        9,
        "ipv6-cidr-block-association.association-id",
        &["Ipv6CidrBlockAssociationSet.AssociationId"],
        Form::Id(&["vpc-cidr-assoc-"]),
    )
    .many(),
    Filter::new(
        10,
        "ipv6-cidr-block-association.ipv6-cidr-block",
        &["Ipv6CidrBlockAssociationSet.Ipv6CidrBlock"],
        Form::Cidr6,
    )
    .many(),
    Filter::new(11, "ipv6-cidr-block-association.ipv6-pool", &["Ipv6CidrBlockAssociationSet.Ipv6Pool"], Form::Text)
        .many(),
    Filter::new(
        12,
        "ipv6-cidr-block-association.state",
        &["Ipv6CidrBlockAssociationSet.Ipv6CidrBlockState.State"],
        Form::Word(types::VpcCidrBlockStateCode::values()),
    )
    .many(),
];

mapped!(|vpc: Vpc| {
    Fields::new()
        .text("OwnerId", vpc.owner_id)
        .code("InstanceTenancy", vpc.instance_tenancy)
        .list("Ipv6CidrBlockAssociationSet", vpc.ipv6_cidr_block_association_set)
        .list("CidrBlockAssociationSet", vpc.cidr_block_association_set)
        .flag("IsDefault", vpc.is_default)
        .map("EncryptionControl", vpc.encryption_control)
        .list("Tags", vpc.tags)
        .map("BlockPublicAccessStates", vpc.block_public_access_states)
        .text("VpcId", vpc.vpc_id)
        .code("State", vpc.state)
        .text("CidrBlock", vpc.cidr_block)
        .text("DhcpOptionsId", vpc.dhcp_options_id)
});

mapped!(|association: VpcCidrBlockAssociation| {
    Fields::new()
        .text("AssociationId", association.association_id)
        .text("CidrBlock", association.cidr_block)
        .map("CidrBlockState", association.cidr_block_state)
});

mapped!(|association: VpcIpv6CidrBlockAssociation| {
    Fields::new()
        .text("AssociationId", association.association_id)
        .text("Ipv6CidrBlock", association.ipv6_cidr_block)
        .map("Ipv6CidrBlockState", association.ipv6_cidr_block_state)
        .text("NetworkBorderGroup", association.network_border_group)
        .text("Ipv6Pool", association.ipv6_pool)
        .code("Ipv6AddressAttribute", association.ipv6_address_attribute)
        .code("IpSource", association.ip_source)
});

mapped!(|control: VpcEncryptionControl| {
    Fields::new()
        .text("VpcId", control.vpc_id)
        .text("VpcEncryptionControlId", control.vpc_encryption_control_id)
        .code("Mode", control.mode)
        .code("State", control.state)
        .text("StateMessage", control.state_message)
        .map("ResourceExclusions", control.resource_exclusions)
        .list("Tags", control.tags)
});

mapped!(|exclusions: VpcEncryptionControlExclusions| {
    Fields::new()
        .map("InternetGateway", exclusions.internet_gateway)
        .map("EgressOnlyInternetGateway", exclusions.egress_only_internet_gateway)
        .map("NatGateway", exclusions.nat_gateway)
        .map("VirtualPrivateGateway", exclusions.virtual_private_gateway)
        .map("VpcPeering", exclusions.vpc_peering)
        .map("Lambda", exclusions.lambda)
        .map("VpcLattice", exclusions.vpc_lattice)
        .map("ElasticFileSystem", exclusions.elastic_file_system)
});

mapped!(|exclusion: VpcEncryptionControlExclusion| {
    Fields::new().code("State", exclusion.state).text("StateMessage", exclusion.state_message)
});
