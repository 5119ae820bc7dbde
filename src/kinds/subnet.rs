//! Subnets.
//!
//! AWS lists subnets that another account shares through Resource Access Manager beside the account's own: `OwnerId` tells
//! them apart, and a foreign one is no sign of changed credentials.
//!
//! `AvailableIpAddressCount` moves with every network interface made or removed. It is compared like any other field, because
//! people want to know whether a subnet runs out of addresses, and a masked field would be served as it was when something else
//! last changed. It costs at most one change per subnet and sweep.

use aws_sdk_ec2::types;

use super::describe::describe;
use super::fields::{Fields, mapped};
use super::spec::{CallWords, DocumentFilter, Filter, KindSpec};
use crate::model::Form;

pub(super) static SPEC: KindSpec = KindSpec {
    name: "AWS::EC2::Subnet",
    slug: "subnet",
    title: "Subnet",
    plural: "subnets",
    description: "A part of a VPC in one availability zone: its address ranges, how many addresses are free, and what \
                  instances launched into it get. A shared subnet shows its owner.",
    prefix: Some("subnet-"),
    id_field: "SubnetId",
    list: &["subnetSet", "item"],
    state_path: Some("State"),
    calls: CallWords { about: &["Subnet"], ..CallWords::NONE },
    filters: FILTERS,
    in_documents: IN_DOCUMENTS,
    columns: &[
        ("state", "state"),
        ("availability-zone", "availability_zone"),
        ("cidr-block", "cidr"),
        ("available-ip-address-count", "free_addresses"),
        ("vpc-id", "vpc_id"),
    ],
    actions: &["ec2:DescribeSubnets"],
    describe: describe!(|client, _, _| client.describe_subnets(), set_subnet_ids, subnets, subnet_id),
    ..KindSpec::DEFAULT
};

static FILTERS: &[Filter] = &[
    Filter::new(0, "subnet-id", &["SubnetId"], Form::Id(&["subnet-"])),
    Filter::new(1, "owner-id", &["OwnerId"], Form::Account),
    Filter::new(2, "vpc-id", &["VpcId"], Form::Id(&["vpc-"])),
    Filter::new(3, "cidr-block", &["CidrBlock"], Form::Cidr),
    Filter::new(4, "state", &["State"], Form::Word(types::SubnetState::values())),
    Filter::new(5, "availability-zone", &["AvailabilityZone"], Form::Zone),
    Filter::new(6, "availability-zone-id", &["AvailabilityZoneId"], Form::ZoneId),
    Filter::new(7, "available-ip-address-count", &["AvailableIpAddressCount"], Form::Number),
    Filter::new(8, "default-for-az", &["DefaultForAz"], Form::Flag),
    Filter::new(9, "map-public-ip-on-launch", &["MapPublicIpOnLaunch"], Form::Flag),
    Filter::new(
        10,
        "ipv6-cidr-block-association.association-id",
        &["Ipv6CidrBlockAssociationSet.AssociationId"],
        Form::Id(&["subnet-cidr-assoc-"]),
    )
    .many(),
    Filter::new(
        11,
        "ipv6-cidr-block-association.ipv6-cidr-block",
        &["Ipv6CidrBlockAssociationSet.Ipv6CidrBlock"],
        Form::Cidr6,
    )
    .many(),
    Filter::new(
        12,
        "ipv6-cidr-block-association.state",
        &["Ipv6CidrBlockAssociationSet.Ipv6CidrBlockState.State"],
        Form::Word(types::SubnetCidrBlockStateCode::values()),
    )
    .many(),
    Filter::new(13, "ipv6-native", &["Ipv6Native"], Form::Flag),
    Filter::new(14, "enable-dns64", &["EnableDns64"], Form::Flag),
    Filter::new(15, "enable-lni-at-device-index", &["EnableLniAtDeviceIndex"], Form::Number),
    Filter::new(16, "map-customer-owned-ip-on-launch", &["MapCustomerOwnedIpOnLaunch"], Form::Flag),
    Filter::new(17, "customer-owned-ipv4-pool", &["CustomerOwnedIpv4Pool"], Form::Text),
    Filter::new(18, "outpost-arn", &["OutpostArn"], Form::Arn),
    Filter::new(
        19,
        "private-dns-name-options-on-launch.hostname-type",
        &["PrivateDnsNameOptionsOnLaunch.HostnameType"],
        Form::Word(types::HostnameType::values()),
    ),
    Filter::new(20, "subnet-arn", &["SubnetArn"], Form::Arn),
];

static IN_DOCUMENTS: &[DocumentFilter] = &[
    DocumentFilter::new(
        "private-dns-name-options-on-launch.enable-resource-name-dns-a-record",
        "PrivateDnsNameOptionsOnLaunch.EnableResourceNameDnsARecord",
        Form::Flag,
    ),
    DocumentFilter::new(
        "private-dns-name-options-on-launch.enable-resource-name-dns-aaaa-record",
        "PrivateDnsNameOptionsOnLaunch.EnableResourceNameDnsAAAARecord",
        Form::Flag,
    ),
];

mapped!(|subnet: Subnet| {
    Fields::new()
        .text("AvailabilityZoneId", subnet.availability_zone_id)
        .int("EnableLniAtDeviceIndex", subnet.enable_lni_at_device_index)
        .flag("MapCustomerOwnedIpOnLaunch", subnet.map_customer_owned_ip_on_launch)
        .text("CustomerOwnedIpv4Pool", subnet.customer_owned_ipv4_pool)
        .text("OwnerId", subnet.owner_id)
        .flag("AssignIpv6AddressOnCreation", subnet.assign_ipv6_address_on_creation)
        .list("Ipv6CidrBlockAssociationSet", subnet.ipv6_cidr_block_association_set)
        .list("Tags", subnet.tags)
        .text("SubnetArn", subnet.subnet_arn)
        .text("OutpostArn", subnet.outpost_arn)
        .flag("EnableDns64", subnet.enable_dns64)
        .flag("Ipv6Native", subnet.ipv6_native)
        .map("PrivateDnsNameOptionsOnLaunch", subnet.private_dns_name_options_on_launch)
        .map("BlockPublicAccessStates", subnet.block_public_access_states)
        .text("Type", subnet.r#type)
        .text("SubnetId", subnet.subnet_id)
        .code("State", subnet.state)
        .text("VpcId", subnet.vpc_id)
        .text("CidrBlock", subnet.cidr_block)
        .int("AvailableIpAddressCount", subnet.available_ip_address_count)
        .text("AvailabilityZone", subnet.availability_zone)
        .flag("DefaultForAz", subnet.default_for_az)
        .flag("MapPublicIpOnLaunch", subnet.map_public_ip_on_launch)
});

mapped!(|association: SubnetIpv6CidrBlockAssociation| {
    Fields::new()
        .text("AssociationId", association.association_id)
        .text("Ipv6CidrBlock", association.ipv6_cidr_block)
        .map("Ipv6CidrBlockState", association.ipv6_cidr_block_state)
        .code("Ipv6AddressAttribute", association.ipv6_address_attribute)
        .code("IpSource", association.ip_source)
});
