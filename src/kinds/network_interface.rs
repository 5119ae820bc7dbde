//! Elastic network interfaces.
//!
//! `DescribeNetworkInterfaces` alone calls its tags `TagSet`. The document has them as `Tags`, as those of every other
//! kind: by that name tags are filtered, and are a group with evidence of its own.
//!
//! The owner of a shared subnet sees the interfaces that other accounts have in it, so an interface of another account is
//! no sign of changed credentials.

#![expect(clippy::needless_pass_by_value, reason = "every mapper consumes what it maps, so that text moves")]

use std::time::Duration;

use aws_sdk_ec2::{Client, types};
use futures::FutureExt;
use futures::future::BoxFuture;

use super::fields::Fields;
use super::group::group;
use super::operator::operator;
use super::tag::tag;
use super::{Failure, Filter, KindSpec, LeftOut, Listing, Page, item, reduce};
use crate::model::Form;

pub(super) static SPEC: KindSpec = KindSpec {
    name: "AWS::EC2::NetworkInterface",
    slug: "network-interface",
    title: "Network interface",
    plural: "network interfaces",
    description: "A virtual network card: its addresses, subnet, security groups, and what it is attached to. Its tags are \
                  under Tags, as for every kind.",
    // 2: the first interface has device index 0, the first address is the primary one.
    mapping: 2,
    id_field: "NetworkInterfaceId",
    other_id: None,
    list: &["networkInterfaceSet", "item"],
    name_field: None,
    owner_field: Some("OwnerId"),
    exclusive: false,
    own_only: false,
    state_path: Some("Status"),
    interval: Duration::from_mins(5),
    told_by: &[],
    relaxed: None,
    moves: false,
    gone_states: &[],
    masked: &[],
    status_of: None,
    filters: FILTERS,
    actions: &["ec2:DescribeNetworkInterfaces"],
    optional: &["IncludeManagedResources"],
    describe,
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
    Filter::new(9, "addresses.private-ip-address", &["PrivateIpAddresses.PrivateIpAddress"], Form::Ipv4),
    Filter::new(10, "addresses.association.public-ip", &["PrivateIpAddresses.Association.PublicIp"], Form::Ipv4),
    Filter::new(11, "association.public-ip", &["Association.PublicIp"], Form::Ipv4),
    Filter::new(12, "association.allocation-id", &["Association.AllocationId"], Form::Id(&["eipalloc-"])),
    Filter::new(13, "association.ip-owner-id", &["Association.IpOwnerId"], Form::Text),
    Filter::new(14, "ipv6-addresses.ipv6-address", &["Ipv6Addresses.Ipv6Address"], Form::Ipv6),
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
    Filter::new(20, "group-id", &["Groups.GroupId"], Form::Id(&["sg-"])),
    Filter::new(21, "mac-address", &["MacAddress"], Form::Mac),
    Filter::new(22, "description", &["Description"], Form::Prose),
    Filter::new(23, "requester-id", &["RequesterId"], Form::Text),
    Filter::new(24, "requester-managed", &["RequesterManaged"], Form::Flag),
    Filter::new(25, "source-dest-check", &["SourceDestCheck"], Form::Flag),
    Filter::new(26, "operator.managed", &["Operator.Managed"], Form::Flag),
    Filter::new(27, "operator.principal", &["Operator.Principal"], Form::Text),
    Filter::new(28, "attachment.attach-time", &["Attachment.AttachTime"], Form::Time),
];

fn describe(client: Client, listing: Listing, left_out: LeftOut) -> BoxFuture<'static, Result<Page, Failure>> {
    async move {
        let call = client
            .describe_network_interfaces()
            .set_include_managed_resources(left_out.unless("IncludeManagedResources"));
        let call = match listing {
            Listing::Page { token, max_results } => call.max_results(max_results).set_next_token(token),
            Listing::Ids(ids) => call.set_network_interface_ids(Some(ids)),
        };
        let answer = call.send().await.map_err(reduce)?;
        let interfaces = answer.network_interfaces.unwrap_or_default();
        let items =
            interfaces.into_iter().map(|described| item(described.network_interface_id.clone(), interface(described)));
        Ok(Page { items: items.collect(), next: answer.next_token, ..Page::default() })
    }
    .boxed()
}

fn interface(interface: types::NetworkInterface) -> Fields {
    Fields::new()
        .map("Association", interface.association, association)
        .map("Attachment", interface.attachment, attachment)
        .text("AvailabilityZone", interface.availability_zone)
        .map("ConnectionTrackingConfiguration", interface.connection_tracking_configuration, connection_tracking)
        .text("Description", interface.description)
        .list("Groups", interface.groups, group)
        .code("InterfaceType", interface.interface_type)
        .list("Ipv6Addresses", interface.ipv6_addresses, ipv6_address)
        .text("MacAddress", interface.mac_address)
        .text("NetworkInterfaceId", interface.network_interface_id)
        .text("OutpostArn", interface.outpost_arn)
        .text("OwnerId", interface.owner_id)
        .text("PrivateDnsName", interface.private_dns_name)
        .text("PublicDnsName", interface.public_dns_name)
        .map("PublicIpDnsNameOptions", interface.public_ip_dns_name_options, public_dns_name_options)
        .text("PrivateIpAddress", interface.private_ip_address)
        .list("PrivateIpAddresses", interface.private_ip_addresses, private_address)
        .list("Ipv4Prefixes", interface.ipv4_prefixes, ipv4_prefix)
        .list("Ipv6Prefixes", interface.ipv6_prefixes, ipv6_prefix)
        .text("RequesterId", interface.requester_id)
        .flag("RequesterManaged", interface.requester_managed)
        .flag("SourceDestCheck", interface.source_dest_check)
        .code("Status", interface.status)
        .text("SubnetId", interface.subnet_id)
        .list("Tags", interface.tag_set, tag)
        .text("VpcId", interface.vpc_id)
        .flag("DenyAllIgwTraffic", interface.deny_all_igw_traffic)
        .flag("Ipv6Native", interface.ipv6_native)
        .text("Ipv6Address", interface.ipv6_address)
        .map("Operator", interface.operator, operator)
        .texts("AssociatedSubnets", interface.associated_subnets)
        .text("AvailabilityZoneId", interface.availability_zone_id)
}

fn association(association: types::NetworkInterfaceAssociation) -> Fields {
    Fields::new()
        .text("AllocationId", association.allocation_id)
        .text("AssociationId", association.association_id)
        .text("IpOwnerId", association.ip_owner_id)
        .text("PublicDnsName", association.public_dns_name)
        .text("PublicIp", association.public_ip)
        .text("CustomerOwnedIp", association.customer_owned_ip)
        .text("CarrierIp", association.carrier_ip)
}

fn attachment(attachment: types::NetworkInterfaceAttachment) -> Fields {
    Fields::new()
        .time("AttachTime", attachment.attach_time)
        .text("AttachmentId", attachment.attachment_id)
        .flag("DeleteOnTermination", attachment.delete_on_termination)
        .int("DeviceIndex", attachment.device_index)
        .int("NetworkCardIndex", attachment.network_card_index)
        .text("InstanceId", attachment.instance_id)
        .text("InstanceOwnerId", attachment.instance_owner_id)
        .code("Status", attachment.status)
        .map("EnaSrdSpecification", attachment.ena_srd_specification, ena_srd)
        .int("EnaQueueCount", attachment.ena_queue_count)
}

fn ena_srd(specification: types::AttachmentEnaSrdSpecification) -> Fields {
    Fields::new().flag("EnaSrdEnabled", specification.ena_srd_enabled).map(
        "EnaSrdUdpSpecification",
        specification.ena_srd_udp_specification,
        ena_srd_udp,
    )
}

fn ena_srd_udp(specification: types::AttachmentEnaSrdUdpSpecification) -> Fields {
    Fields::new().flag("EnaSrdUdpEnabled", specification.ena_srd_udp_enabled)
}

fn connection_tracking(configuration: types::ConnectionTrackingConfiguration) -> Fields {
    Fields::new()
        .int("TcpEstablishedTimeout", configuration.tcp_established_timeout)
        .int("UdpStreamTimeout", configuration.udp_stream_timeout)
        .int("UdpTimeout", configuration.udp_timeout)
}

fn ipv6_address(address: types::NetworkInterfaceIpv6Address) -> Fields {
    Fields::new()
        .text("Ipv6Address", address.ipv6_address)
        .text("PublicIpv6DnsName", address.public_ipv6_dns_name)
        .flag("IsPrimaryIpv6", address.is_primary_ipv6)
}

fn public_dns_name_options(options: types::PublicIpDnsNameOptions) -> Fields {
    Fields::new()
        .text("DnsHostnameType", options.dns_hostname_type)
        .text("PublicIpv4DnsName", options.public_ipv4_dns_name)
        .text("PublicIpv6DnsName", options.public_ipv6_dns_name)
        .text("PublicDualStackDnsName", options.public_dual_stack_dns_name)
}

fn private_address(address: types::NetworkInterfacePrivateIpAddress) -> Fields {
    Fields::new()
        .map("Association", address.association, association)
        .flag("Primary", address.primary)
        .text("PrivateDnsName", address.private_dns_name)
        .text("PrivateIpAddress", address.private_ip_address)
}

fn ipv4_prefix(prefix: types::Ipv4PrefixSpecification) -> Fields {
    Fields::new().text("Ipv4Prefix", prefix.ipv4_prefix)
}

fn ipv6_prefix(prefix: types::Ipv6PrefixSpecification) -> Fields {
    Fields::new().text("Ipv6Prefix", prefix.ipv6_prefix)
}
