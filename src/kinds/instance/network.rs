//! How an instance is attached to networks.

#![expect(clippy::needless_pass_by_value, reason = "every mapper consumes what it maps, so that text moves")]

use aws_sdk_ec2::types;

use crate::kinds::fields::Fields;
use crate::kinds::group::group;
use crate::kinds::operator::operator;

pub(super) fn interface(interface: types::InstanceNetworkInterface) -> Fields {
    Fields::new()
        .map("Association", interface.association, association)
        .map("Attachment", interface.attachment, attachment)
        .text("Description", interface.description)
        .list("Groups", interface.groups, group)
        .list("Ipv6Addresses", interface.ipv6_addresses, ipv6_address)
        .text("MacAddress", interface.mac_address)
        .text("NetworkInterfaceId", interface.network_interface_id)
        .text("OwnerId", interface.owner_id)
        .text("PrivateDnsName", interface.private_dns_name)
        .text("PrivateIpAddress", interface.private_ip_address)
        .list("PrivateIpAddresses", interface.private_ip_addresses, private_address)
        .flag("SourceDestCheck", interface.source_dest_check)
        .code("Status", interface.status)
        .text("SubnetId", interface.subnet_id)
        .text("VpcId", interface.vpc_id)
        .text("InterfaceType", interface.interface_type)
        .list("Ipv4Prefixes", interface.ipv4_prefixes, ipv4_prefix)
        .list("Ipv6Prefixes", interface.ipv6_prefixes, ipv6_prefix)
        .map("ConnectionTrackingConfiguration", interface.connection_tracking_configuration, connection_tracking)
        .map("Operator", interface.operator, operator)
}

fn association(association: types::InstanceNetworkInterfaceAssociation) -> Fields {
    Fields::new()
        .text("CarrierIp", association.carrier_ip)
        .text("CustomerOwnedIp", association.customer_owned_ip)
        .text("IpOwnerId", association.ip_owner_id)
        .text("PublicDnsName", association.public_dns_name)
        .text("PublicIp", association.public_ip)
}

fn attachment(attachment: types::InstanceNetworkInterfaceAttachment) -> Fields {
    Fields::new()
        .time("AttachTime", attachment.attach_time)
        .text("AttachmentId", attachment.attachment_id)
        .flag("DeleteOnTermination", attachment.delete_on_termination)
        .int("DeviceIndex", attachment.device_index)
        .code("Status", attachment.status)
        .int("NetworkCardIndex", attachment.network_card_index)
        .map("EnaSrdSpecification", attachment.ena_srd_specification, ena_srd)
        .int("EnaQueueCount", attachment.ena_queue_count)
}

fn ena_srd(specification: types::InstanceAttachmentEnaSrdSpecification) -> Fields {
    Fields::new().flag("EnaSrdEnabled", specification.ena_srd_enabled).map(
        "EnaSrdUdpSpecification",
        specification.ena_srd_udp_specification,
        ena_srd_udp,
    )
}

fn ena_srd_udp(specification: types::InstanceAttachmentEnaSrdUdpSpecification) -> Fields {
    Fields::new().flag("EnaSrdUdpEnabled", specification.ena_srd_udp_enabled)
}

fn ipv6_address(address: types::InstanceIpv6Address) -> Fields {
    Fields::new().text("Ipv6Address", address.ipv6_address).flag("IsPrimaryIpv6", address.is_primary_ipv6)
}

fn private_address(address: types::InstancePrivateIpAddress) -> Fields {
    Fields::new()
        .map("Association", address.association, association)
        .flag("Primary", address.primary)
        .text("PrivateDnsName", address.private_dns_name)
        .text("PrivateIpAddress", address.private_ip_address)
}

fn ipv4_prefix(prefix: types::InstanceIpv4Prefix) -> Fields {
    Fields::new().text("Ipv4Prefix", prefix.ipv4_prefix)
}

fn ipv6_prefix(prefix: types::InstanceIpv6Prefix) -> Fields {
    Fields::new().text("Ipv6Prefix", prefix.ipv6_prefix)
}

fn connection_tracking(response: types::ConnectionTrackingSpecificationResponse) -> Fields {
    Fields::new()
        .int("TcpEstablishedTimeout", response.tcp_established_timeout)
        .int("UdpStreamTimeout", response.udp_stream_timeout)
        .int("UdpTimeout", response.udp_timeout)
}

pub(super) fn private_dns_name_options(response: types::PrivateDnsNameOptionsResponse) -> Fields {
    Fields::new()
        .code("HostnameType", response.hostname_type)
        .flag("EnableResourceNameDnsARecord", response.enable_resource_name_dns_a_record)
        .flag("EnableResourceNameDnsAAAARecord", response.enable_resource_name_dns_aaaa_record)
}

pub(super) fn network_performance(options: types::InstanceNetworkPerformanceOptions) -> Fields {
    Fields::new().code("BandwidthWeighting", options.bandwidth_weighting)
}

pub(super) fn secondary_interface(interface: types::InstanceSecondaryInterface) -> Fields {
    Fields::new()
        .map("Attachment", interface.attachment, secondary_attachment)
        .text("MacAddress", interface.mac_address)
        .text("SecondaryInterfaceId", interface.secondary_interface_id)
        .text("OwnerId", interface.owner_id)
        .list("PrivateIpAddresses", interface.private_ip_addresses, secondary_address)
        .flag("SourceDestCheck", interface.source_dest_check)
        .code("Status", interface.status)
        .text("SecondarySubnetId", interface.secondary_subnet_id)
        .text("SecondaryNetworkId", interface.secondary_network_id)
        .code("InterfaceType", interface.interface_type)
}

fn secondary_attachment(attachment: types::InstanceSecondaryInterfaceAttachment) -> Fields {
    Fields::new()
        .time("AttachTime", attachment.attach_time)
        .text("AttachmentId", attachment.attachment_id)
        .flag("DeleteOnTermination", attachment.delete_on_termination)
        .int("DeviceIndex", attachment.device_index)
        .code("Status", attachment.status)
        .int("NetworkCardIndex", attachment.network_card_index)
}

fn secondary_address(address: types::InstanceSecondaryInterfacePrivateIpAddress) -> Fields {
    Fields::new().text("PrivateIpAddress", address.private_ip_address)
}
