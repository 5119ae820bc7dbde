//! The network attachments of an instance.

use crate::kinds::fields::{Fields, mapped};

mapped!(|interface: InstanceNetworkInterface| {
    Fields::new()
        .map("Association", interface.association)
        .map("Attachment", interface.attachment)
        .text("Description", interface.description)
        .list("Groups", interface.groups)
        .list("Ipv6Addresses", interface.ipv6_addresses)
        .text("MacAddress", interface.mac_address)
        .text("NetworkInterfaceId", interface.network_interface_id)
        .text("OwnerId", interface.owner_id)
        .text("PrivateDnsName", interface.private_dns_name)
        .text("PrivateIpAddress", interface.private_ip_address)
        .list("PrivateIpAddresses", interface.private_ip_addresses)
        .flag("SourceDestCheck", interface.source_dest_check)
        .code("Status", interface.status)
        .text("SubnetId", interface.subnet_id)
        .text("VpcId", interface.vpc_id)
        .text("InterfaceType", interface.interface_type)
        .list("Ipv4Prefixes", interface.ipv4_prefixes)
        .list("Ipv6Prefixes", interface.ipv6_prefixes)
        .map("ConnectionTrackingConfiguration", interface.connection_tracking_configuration)
        .map("Operator", interface.operator)
});

mapped!(|association: InstanceNetworkInterfaceAssociation| {
    Fields::new()
        .text("CarrierIp", association.carrier_ip)
        .text("CustomerOwnedIp", association.customer_owned_ip)
        .text("IpOwnerId", association.ip_owner_id)
        .text("PublicDnsName", association.public_dns_name)
        .text("PublicIp", association.public_ip)
});

mapped!(|attachment: InstanceNetworkInterfaceAttachment| {
    Fields::new()
        .time("AttachTime", attachment.attach_time)
        .text("AttachmentId", attachment.attachment_id)
        .flag("DeleteOnTermination", attachment.delete_on_termination)
        .int("DeviceIndex", attachment.device_index)
        .code("Status", attachment.status)
        .int("NetworkCardIndex", attachment.network_card_index)
        .map("EnaSrdSpecification", attachment.ena_srd_specification)
        .int("EnaQueueCount", attachment.ena_queue_count)
});

mapped!(|address: InstanceIpv6Address| {
    Fields::new().text("Ipv6Address", address.ipv6_address).flag("IsPrimaryIpv6", address.is_primary_ipv6)
});

mapped!(|options: InstanceNetworkPerformanceOptions| {
    Fields::new().code("BandwidthWeighting", options.bandwidth_weighting)
});

mapped!(|interface: InstanceSecondaryInterface| {
    Fields::new()
        .map("Attachment", interface.attachment)
        .text("MacAddress", interface.mac_address)
        .text("SecondaryInterfaceId", interface.secondary_interface_id)
        .text("OwnerId", interface.owner_id)
        .list("PrivateIpAddresses", interface.private_ip_addresses)
        .flag("SourceDestCheck", interface.source_dest_check)
        .code("Status", interface.status)
        .text("SecondarySubnetId", interface.secondary_subnet_id)
        .text("SecondaryNetworkId", interface.secondary_network_id)
        .code("InterfaceType", interface.interface_type)
});

mapped!(|attachment: InstanceSecondaryInterfaceAttachment| {
    Fields::new()
        .time("AttachTime", attachment.attach_time)
        .text("AttachmentId", attachment.attachment_id)
        .flag("DeleteOnTermination", attachment.delete_on_termination)
        .int("DeviceIndex", attachment.device_index)
        .code("Status", attachment.status)
        .int("NetworkCardIndex", attachment.network_card_index)
});

mapped!(|address: InstanceSecondaryInterfacePrivateIpAddress| {
    Fields::new().text("PrivateIpAddress", address.private_ip_address)
});
