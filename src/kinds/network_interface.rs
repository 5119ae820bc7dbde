//! Elastic network interfaces.
//!
//! `DescribeNetworkInterfaces` alone calls its tags `TagSet`. The document has them as `Tags`, like every other kind, because
//! filters and the evidence of the tags group use that name.
//!
//! The owner of a shared subnet sees the interfaces of other accounts in it, so such an interface does not mean changed
//! credentials.

use aws_sdk_ec2::types;

use super::describe::describe;
use super::fields::{Fields, mapped};
use super::spec::{DocumentFilter, Filter, KindSpec};
use crate::model::Form;

pub(super) static SPEC: KindSpec = KindSpec {
    name: "AWS::EC2::NetworkInterface",
    slug: "network-interface",
    title: "Network interface",
    plural: "network interfaces",
    description: "A virtual network card: its addresses, subnet, security groups, and what it is attached to. Its tags are \
        under Tags, as those of every kind.",
    // 2: the first interface has device index 0, the first address is the primary one.
    mapping: 2,
    prefix: Some("eni-"),
    id_field: "NetworkInterfaceId",
    list: &["networkInterfaceSet", "item"],
    state_path: Some("Status"),
    filters: FILTERS,
    in_documents: IN_DOCUMENTS,
    columns: &[
        ("status", "state"),
        ("interface-type", "type"),
        ("availability-zone", "availability_zone"),
        ("private-ip-address", "private_ip"),
        ("association.public-ip", "public_ip"),
        ("vpc-id", "vpc_id"),
        ("attachment.instance-id", "instance_id"),
        ("description", "description"),
    ],
    actions: &["ec2:DescribeNetworkInterfaces"],
    optional: &["IncludeManagedResources"],
    describe: describe!(
        |client, _, left_out| {
            client
                .describe_network_interfaces()
                .set_include_managed_resources(left_out.unless("IncludeManagedResources"))
        },
        set_network_interface_ids,
        network_interfaces,
        network_interface_id
    ),
    ..KindSpec::DEFAULT
};

/// What AWS documents as values of `interface-type`, with the one that answers spell in another way.
const TYPES: &[&str] = &[
    "api_gateway_managed",
    "aws_codestar_connections_managed",
    "branch",
    "ec2_instance_connect_endpoint",
    "efa",
    "efa-only",
    "efs",
    "evs",
    "gateway_load_balancer",
    "gateway_load_balancer_endpoint",
    "global_accelerator_managed",
    "interface",
    "iot_rules_managed",
    "lambda",
    "load_balancer",
    "natGateway",
    "nat_gateway",
    "network_load_balancer",
    "quicksight",
    "transit_gateway",
    "trunk",
    "vpc_endpoint",
];

/// A choice of what AWS offers, without the names and ids that lead to nothing else.
static FILTERS: &[Filter] = &[
    Filter::new(0, "network-interface-id", &["NetworkInterfaceId"], Form::Id(&["eni-"])),
    Filter::new(1, "owner-id", &["OwnerId"], Form::Account),
    Filter::new(2, "status", &["Status"], Form::Word(types::NetworkInterfaceStatus::values())),
    Filter::new(3, "interface-type", &["InterfaceType"], Form::Word(TYPES)),
    Filter::new(4, "vpc-id", &["VpcId"], Form::Id(&["vpc-"])),
    Filter::new(5, "subnet-id", &["SubnetId"], Form::Id(&["subnet-"])),
    Filter::new(6, "availability-zone", &["AvailabilityZone"], Form::Zone),
    Filter::new(7, "availability-zone-id", &["AvailabilityZoneId"], Form::ZoneId),
    Filter::new(8, "private-ip-address", &["PrivateIpAddress"], Form::Ipv4),
    Filter::new(9, "addresses.private-ip-address", &["PrivateIpAddresses.PrivateIpAddress"], Form::Ipv4).many(),
    Filter::new(10, "addresses.association.public-ip", &["PrivateIpAddresses.Association.PublicIp"], Form::Ipv4).many(),
    Filter::new(11, "association.public-ip", &["Association.PublicIp"], Form::Ipv4),
    Filter::new(12, "association.allocation-id", &["Association.AllocationId"], Form::Id(&["eipalloc-"])),
    Filter::new(13, "association.ip-owner-id", &["Association.IpOwnerId"], Form::Text),
    Filter::new(14, "ipv6-addresses.ipv6-address", &["Ipv6Addresses.Ipv6Address"], Form::Ipv6).many(),
    Filter::new(15, "attachment.instance-id", &["Attachment.InstanceId"], Form::Id(&["i-"])),
    Filter::new(
        16,
        "attachment.attachment-id",
        &["Attachment.AttachmentId"],
        Form::Id(&["eni-attach-", "ela-attach-"]),
    ),
    Filter::new(17, "attachment.device-index", &["Attachment.DeviceIndex"], Form::Number),
    Filter::new(18, "attachment.status", &["Attachment.Status"], Form::Word(types::AttachmentStatus::values())),
    Filter::new(19, "attachment.delete-on-termination", &["Attachment.DeleteOnTermination"], Form::Flag),
    Filter::new(20, "group-id", &["Groups.GroupId"], Form::Id(&["sg-"])).many(),
    Filter::new(21, "mac-address", &["MacAddress"], Form::Mac),
    Filter::new(22, "description", &["Description"], Form::Prose),
    Filter::new(23, "requester-id", &["RequesterId"], Form::Text),
    Filter::new(24, "requester-managed", &["RequesterManaged"], Form::Flag),
    Filter::new(25, "source-dest-check", &["SourceDestCheck"], Form::Flag),
    Filter::new(26, "operator.managed", &["Operator.Managed"], Form::Flag),
    Filter::new(27, "operator.principal", &["Operator.Principal"], Form::Text),
    Filter::new(28, "attachment.attach-time", &["Attachment.AttachTime"], Form::Time),
];

static IN_DOCUMENTS: &[DocumentFilter] = &[
    DocumentFilter::new("association.association-id", "Association.AssociationId", Form::Id(&["eipassoc-"])),
    DocumentFilter::new("addresses.association.owner-id", "PrivateIpAddresses.Association.IpOwnerId", Form::Text),
    DocumentFilter::new("addresses.primary", "PrivateIpAddresses.Primary", Form::Flag),
    DocumentFilter::new("association.public-dns-name", "Association.PublicDnsName", Form::Text),
    DocumentFilter::new("attachment.instance-owner-id", "Attachment.InstanceOwnerId", Form::Text),
    DocumentFilter::new("private-dns-name", "PrivateDnsName", Form::Text),
];

mapped!(|interface: NetworkInterface| {
    Fields::new()
        .map("Association", interface.association)
        .map("Attachment", interface.attachment)
        .text("AvailabilityZone", interface.availability_zone)
        .map("ConnectionTrackingConfiguration", interface.connection_tracking_configuration)
        .text("Description", interface.description)
        .list("Groups", interface.groups)
        .code("InterfaceType", interface.interface_type)
        .list("Ipv6Addresses", interface.ipv6_addresses)
        .text("MacAddress", interface.mac_address)
        .text("NetworkInterfaceId", interface.network_interface_id)
        .text("OutpostArn", interface.outpost_arn)
        .text("OwnerId", interface.owner_id)
        .text("PrivateDnsName", interface.private_dns_name)
        .text("PublicDnsName", interface.public_dns_name)
        .map("PublicIpDnsNameOptions", interface.public_ip_dns_name_options)
        .text("PrivateIpAddress", interface.private_ip_address)
        .list("PrivateIpAddresses", interface.private_ip_addresses)
        .list("Ipv4Prefixes", interface.ipv4_prefixes)
        .list("Ipv6Prefixes", interface.ipv6_prefixes)
        .text("RequesterId", interface.requester_id)
        .flag("RequesterManaged", interface.requester_managed)
        .flag("SourceDestCheck", interface.source_dest_check)
        .code("Status", interface.status)
        .text("SubnetId", interface.subnet_id)
        .list("Tags", interface.tag_set)
        .text("VpcId", interface.vpc_id)
        .flag("DenyAllIgwTraffic", interface.deny_all_igw_traffic)
        .flag("Ipv6Native", interface.ipv6_native)
        .text("Ipv6Address", interface.ipv6_address)
        .map("Operator", interface.operator)
        .texts("AssociatedSubnets", interface.associated_subnets)
        .text("AvailabilityZoneId", interface.availability_zone_id)
});

mapped!(|association: NetworkInterfaceAssociation| {
    Fields::new()
        .text("AllocationId", association.allocation_id)
        .text("AssociationId", association.association_id)
        .text("IpOwnerId", association.ip_owner_id)
        .text("PublicDnsName", association.public_dns_name)
        .text("PublicIp", association.public_ip)
        .text("CustomerOwnedIp", association.customer_owned_ip)
        .text("CarrierIp", association.carrier_ip)
});

mapped!(|attachment: NetworkInterfaceAttachment| {
    Fields::new()
        .time("AttachTime", attachment.attach_time)
        .text("AttachmentId", attachment.attachment_id)
        .flag("DeleteOnTermination", attachment.delete_on_termination)
        .int("DeviceIndex", attachment.device_index)
        .int("NetworkCardIndex", attachment.network_card_index)
        .text("InstanceId", attachment.instance_id)
        .text("InstanceOwnerId", attachment.instance_owner_id)
        .code("Status", attachment.status)
        .map("EnaSrdSpecification", attachment.ena_srd_specification)
        .int("EnaQueueCount", attachment.ena_queue_count)
});

mapped!(|address: NetworkInterfaceIpv6Address| {
    Fields::new()
        .text("Ipv6Address", address.ipv6_address)
        .text("PublicIpv6DnsName", address.public_ipv6_dns_name)
        .flag("IsPrimaryIpv6", address.is_primary_ipv6)
});

mapped!(|options: PublicIpDnsNameOptions| {
    Fields::new()
        .text("DnsHostnameType", options.dns_hostname_type)
        .text("PublicIpv4DnsName", options.public_ipv4_dns_name)
        .text("PublicIpv6DnsName", options.public_ipv6_dns_name)
        .text("PublicDualStackDnsName", options.public_dual_stack_dns_name)
});
