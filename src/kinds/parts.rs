//! Structures that several kinds share, some of which the SDK names differently for each kind.

use super::fields::{Fields, mapped};

mapped!(|tag: Tag| Fields::new().text("Key", tag.key).text("Value", tag.value));

mapped!(|group: GroupIdentifier| Fields::new().text("GroupId", group.group_id).text("GroupName", group.group_name));

// The AWS service that manages a resource on the account's behalf, if one does.
mapped!(|operator: OperatorResponse| {
    Fields::new()
        .flag("Managed", operator.managed)
        .text("Principal", operator.principal)
        .flag("HiddenByDefault", operator.hidden_by_default)
});

mapped!(|state: InstanceState| Fields::new().int("Code", state.code).code("Name", state.name));

mapped!(|reason: StateReason| Fields::new().text("Code", reason.code).text("Message", reason.message));

mapped!(|code: ProductCode| {
    Fields::new().text("ProductCodeId", code.product_code_id).code("ProductCodeType", code.product_code_type)
});

mapped!(|states: BlockPublicAccessStates| {
    Fields::new().code("InternetGatewayBlockMode", states.internet_gateway_block_mode)
});

mapped!(|state: VpcCidrBlockState, SubnetCidrBlockState| {
    Fields::new().code("State", state.state).text("StatusMessage", state.status_message)
});

mapped!(|options: PrivateDnsNameOptionsResponse, PrivateDnsNameOptionsOnLaunch| {
    Fields::new()
        .code("HostnameType", options.hostname_type)
        .flag("EnableResourceNameDnsARecord", options.enable_resource_name_dns_a_record)
        .flag("EnableResourceNameDnsAAAARecord", options.enable_resource_name_dns_aaaa_record)
});

mapped!(|prefix: Ipv4PrefixSpecification, InstanceIpv4Prefix| Fields::new().text("Ipv4Prefix", prefix.ipv4_prefix));

mapped!(|prefix: Ipv6PrefixSpecification, InstanceIpv6Prefix| Fields::new().text("Ipv6Prefix", prefix.ipv6_prefix));

mapped!(|address: NetworkInterfacePrivateIpAddress, InstancePrivateIpAddress| {
    Fields::new()
        .map("Association", address.association)
        .flag("Primary", address.primary)
        .text("PrivateDnsName", address.private_dns_name)
        .text("PrivateIpAddress", address.private_ip_address)
});

mapped!(|tracking: ConnectionTrackingConfiguration, ConnectionTrackingSpecificationResponse| {
    Fields::new()
        .int("TcpEstablishedTimeout", tracking.tcp_established_timeout)
        .int("UdpStreamTimeout", tracking.udp_stream_timeout)
        .int("UdpTimeout", tracking.udp_timeout)
});

mapped!(|srd: AttachmentEnaSrdSpecification, InstanceAttachmentEnaSrdSpecification| {
    Fields::new()
        .flag("EnaSrdEnabled", srd.ena_srd_enabled)
        .map("EnaSrdUdpSpecification", srd.ena_srd_udp_specification)
});

mapped!(|udp: AttachmentEnaSrdUdpSpecification, InstanceAttachmentEnaSrdUdpSpecification| {
    Fields::new().flag("EnaSrdUdpEnabled", udp.ena_srd_udp_enabled)
});
