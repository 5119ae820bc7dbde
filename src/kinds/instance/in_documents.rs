//! Filters of instances that rows do not hold: AWS documents 135 filters of instances, and each in a row costs space.
//!
//! Not among them, since descriptions do not show them: `metadata-options.http-protocol-ipv4`, the tags of network interfaces, and
//! the allocations and associations of their addresses.

use aws_sdk_ec2::types;

use crate::kinds::spec::DocumentFilter;
use crate::model::Form;

pub(super) static IN_DOCUMENTS: &[DocumentFilter] = &[
    DocumentFilter::new("affinity", "Placement.Affinity", Form::Word(types::Affinity::values())),
    DocumentFilter::new("availability-zone-id", "Placement.AvailabilityZoneId", Form::ZoneId),
    DocumentFilter::new(
        "block-device-mapping.delete-on-termination",
        "BlockDeviceMappings.Ebs.DeleteOnTermination",
        Form::Flag,
    ),
    DocumentFilter::new("block-device-mapping.device-name", "BlockDeviceMappings.DeviceName", Form::Text),
    DocumentFilter::new(
        "block-device-mapping.status",
        "BlockDeviceMappings.Ebs.Status",
        Form::Word(types::AttachmentStatus::values()),
    ),
    DocumentFilter::new("boot-mode", "BootMode", Form::Word(types::BootModeValues::values())),
    DocumentFilter::new(
        "capacity-reservation-specification.capacity-reservation-preference",
        "CapacityReservationSpecification.CapacityReservationPreference",
        Form::Word(types::CapacityReservationPreference::values()),
    ),
    DocumentFilter::new(
        "capacity-reservation-specification.capacity-reservation-target.capacity-reservation-id",
        "CapacityReservationSpecification.CapacityReservationTarget.CapacityReservationId",
        Form::Id(&["cr-"]),
    ),
    DocumentFilter::new(
        "capacity-reservation-specification.capacity-reservation-target.capacity-reservation-resource-group-arn",
        "CapacityReservationSpecification.CapacityReservationTarget.CapacityReservationResourceGroupArn",
        Form::Arn,
    ),
    DocumentFilter::new("client-token", "ClientToken", Form::Text),
    DocumentFilter::new(
        "current-instance-boot-mode",
        "CurrentInstanceBootMode",
        Form::Word(types::InstanceBootModeValues::values()),
    ),
    DocumentFilter::new("dns-name", "PublicDnsName", Form::Text),
    DocumentFilter::new("ebs-optimized", "EbsOptimized", Form::Flag),
    DocumentFilter::new("ena-support", "EnaSupport", Form::Flag),
    DocumentFilter::new("enclave-options.enabled", "EnclaveOptions.Enabled", Form::Flag),
    DocumentFilter::new("hibernation-options.configured", "HibernationOptions.Configured", Form::Flag),
    DocumentFilter::new("hypervisor", "Hypervisor", Form::Word(types::HypervisorType::values())),
    DocumentFilter::new("iam-instance-profile.id", "IamInstanceProfile.Id", Form::Text),
    DocumentFilter::new("instance-state-code", "State.Code", Form::Number),
    DocumentFilter::new("kernel-id", "KernelId", Form::Id(&["aki-"])),
    DocumentFilter::new("launch-index", "AmiLaunchIndex", Form::Number),
    DocumentFilter::new(
        "maintenance-options.auto-recovery",
        "MaintenanceOptions.AutoRecovery",
        Form::Word(types::InstanceAutoRecoveryState::values()),
    ),
    DocumentFilter::new(
        "metadata-options.http-endpoint",
        "MetadataOptions.HttpEndpoint",
        Form::Word(types::InstanceMetadataEndpointState::values()),
    ),
    DocumentFilter::new(
        "metadata-options.http-protocol-ipv6",
        "MetadataOptions.HttpProtocolIpv6",
        Form::Word(types::InstanceMetadataProtocolState::values()),
    ),
    DocumentFilter::new(
        "metadata-options.http-put-response-hop-limit",
        "MetadataOptions.HttpPutResponseHopLimit",
        Form::Number,
    ),
    DocumentFilter::new(
        "metadata-options.instance-metadata-tags",
        "MetadataOptions.InstanceMetadataTags",
        Form::Word(types::InstanceMetadataTagsState::values()),
    ),
    DocumentFilter::new(
        "metadata-options.state",
        "MetadataOptions.State",
        Form::Word(types::InstanceMetadataOptionsState::values()),
    ),
    DocumentFilter::new("monitoring-state", "Monitoring.State", Form::Word(types::MonitoringState::values())),
    DocumentFilter::new(
        "network-interface.addresses.association.carrier-ip",
        "NetworkInterfaces.PrivateIpAddresses.Association.CarrierIp",
        Form::Ipv4,
    ),
    DocumentFilter::new(
        "network-interface.addresses.association.customer-owned-ip",
        "NetworkInterfaces.PrivateIpAddresses.Association.CustomerOwnedIp",
        Form::Ipv4,
    ),
    DocumentFilter::new(
        "network-interface.addresses.association.ip-owner-id",
        "NetworkInterfaces.PrivateIpAddresses.Association.IpOwnerId",
        Form::Text,
    ),
    DocumentFilter::new(
        "network-interface.addresses.association.public-dns-name",
        "NetworkInterfaces.PrivateIpAddresses.Association.PublicDnsName",
        Form::Text,
    ),
    DocumentFilter::new(
        "network-interface.addresses.association.public-ip",
        "NetworkInterfaces.PrivateIpAddresses.Association.PublicIp",
        Form::Ipv4,
    ),
    DocumentFilter::new(
        "network-interface.addresses.primary",
        "NetworkInterfaces.PrivateIpAddresses.Primary",
        Form::Flag,
    ),
    DocumentFilter::new(
        "network-interface.addresses.private-dns-name",
        "NetworkInterfaces.PrivateIpAddresses.PrivateDnsName",
        Form::Text,
    ),
    DocumentFilter::new(
        "network-interface.addresses.private-ip-address",
        "NetworkInterfaces.PrivateIpAddresses.PrivateIpAddress",
        Form::Ipv4,
    ),
    DocumentFilter::new(
        "network-interface.association.carrier-ip",
        "NetworkInterfaces.Association.CarrierIp",
        Form::Ipv4,
    ),
    DocumentFilter::new(
        "network-interface.association.customer-owned-ip",
        "NetworkInterfaces.Association.CustomerOwnedIp",
        Form::Ipv4,
    ),
    DocumentFilter::new(
        "network-interface.association.ip-owner-id",
        "NetworkInterfaces.Association.IpOwnerId",
        Form::Text,
    ),
    DocumentFilter::new(
        "network-interface.association.public-dns-name",
        "NetworkInterfaces.Association.PublicDnsName",
        Form::Text,
    ),
    DocumentFilter::new(
        "network-interface.association.public-ip",
        "NetworkInterfaces.Association.PublicIp",
        Form::Ipv4,
    ),
    DocumentFilter::new(
        "network-interface.attachment.attach-time",
        "NetworkInterfaces.Attachment.AttachTime",
        Form::Time,
    ),
    DocumentFilter::new(
        "network-interface.attachment.attachment-id",
        "NetworkInterfaces.Attachment.AttachmentId",
        Form::Prefixed("eni-attach-"),
    ),
    DocumentFilter::new(
        "network-interface.attachment.delete-on-termination",
        "NetworkInterfaces.Attachment.DeleteOnTermination",
        Form::Flag,
    ),
    DocumentFilter::new(
        "network-interface.attachment.device-index",
        "NetworkInterfaces.Attachment.DeviceIndex",
        Form::Number,
    ),
    DocumentFilter::new(
        "network-interface.attachment.network-card-index",
        "NetworkInterfaces.Attachment.NetworkCardIndex",
        Form::Number,
    ),
    DocumentFilter::new(
        "network-interface.attachment.status",
        "NetworkInterfaces.Attachment.Status",
        Form::Word(types::AttachmentStatus::values()),
    ),
    DocumentFilter::new("network-interface.description", "NetworkInterfaces.Description", Form::Prose),
    DocumentFilter::new("network-interface.group-id", "NetworkInterfaces.Groups.GroupId", Form::Id(&["sg-"])),
    DocumentFilter::new("network-interface.group-name", "NetworkInterfaces.Groups.GroupName", Form::Text),
    DocumentFilter::new(
        "network-interface.ipv4-prefixes.ipv4-prefix",
        "NetworkInterfaces.Ipv4Prefixes.Ipv4Prefix",
        Form::Cidr,
    ),
    DocumentFilter::new("network-interface.ipv6-address", "NetworkInterfaces.Ipv6Addresses.Ipv6Address", Form::Ipv6),
    DocumentFilter::new(
        "network-interface.ipv6-addresses.ipv6-address",
        "NetworkInterfaces.Ipv6Addresses.Ipv6Address",
        Form::Ipv6,
    ),
    DocumentFilter::new(
        "network-interface.ipv6-addresses.is-primary-ipv6",
        "NetworkInterfaces.Ipv6Addresses.IsPrimaryIpv6",
        Form::Flag,
    ),
    DocumentFilter::new(
        "network-interface.ipv6-prefixes.ipv6-prefix",
        "NetworkInterfaces.Ipv6Prefixes.Ipv6Prefix",
        Form::Cidr6,
    ),
    DocumentFilter::new("network-interface.mac-address", "NetworkInterfaces.MacAddress", Form::Mac),
    DocumentFilter::new("network-interface.operator.managed", "NetworkInterfaces.Operator.Managed", Form::Flag),
    DocumentFilter::new("network-interface.operator.principal", "NetworkInterfaces.Operator.Principal", Form::Text),
    DocumentFilter::new("network-interface.owner-id", "NetworkInterfaces.OwnerId", Form::Account),
    DocumentFilter::new("network-interface.private-dns-name", "NetworkInterfaces.PrivateDnsName", Form::Text),
    DocumentFilter::new("network-interface.private-ip-address", "NetworkInterfaces.PrivateIpAddress", Form::Ipv4),
    DocumentFilter::new("network-interface.source-dest-check", "NetworkInterfaces.SourceDestCheck", Form::Flag),
    DocumentFilter::new(
        "network-interface.status",
        "NetworkInterfaces.Status",
        Form::Word(types::NetworkInterfaceStatus::values()),
    ),
    DocumentFilter::new("network-interface.subnet-id", "NetworkInterfaces.SubnetId", Form::Id(&["subnet-"])),
    DocumentFilter::new("network-interface.vpc-id", "NetworkInterfaces.VpcId", Form::Id(&["vpc-"])),
    DocumentFilter::new(
        "network-performance-options.bandwidth-weighting",
        "NetworkPerformanceOptions.BandwidthWeighting",
        Form::Word(types::InstanceBandwidthWeighting::values()),
    ),
    DocumentFilter::new("placement-partition-number", "Placement.PartitionNumber", Form::Number),
    DocumentFilter::new("private-dns-name", "PrivateDnsName", Form::Text),
    DocumentFilter::new(
        "private-dns-name-options.enable-resource-name-dns-a-record",
        "PrivateDnsNameOptions.EnableResourceNameDnsARecord",
        Form::Flag,
    ),
    DocumentFilter::new(
        "private-dns-name-options.enable-resource-name-dns-aaaa-record",
        "PrivateDnsNameOptions.EnableResourceNameDnsAAAARecord",
        Form::Flag,
    ),
    DocumentFilter::new(
        "private-dns-name-options.hostname-type",
        "PrivateDnsNameOptions.HostnameType",
        Form::Word(types::HostnameType::values()),
    ),
    DocumentFilter::new("product-code", "ProductCodes.ProductCodeId", Form::Text),
    DocumentFilter::new(
        "product-code.type",
        "ProductCodes.ProductCodeType",
        Form::Word(types::ProductCodeValues::values()),
    ),
    DocumentFilter::new("ramdisk-id", "RamdiskId", Form::Id(&["ari-"])),
    DocumentFilter::new("requester-id", "RequesterId", Form::Text),
    DocumentFilter::new("reservation-id", "ReservationId", Form::Id(&["r-"])),
    DocumentFilter::new("root-device-name", "RootDeviceName", Form::Text),
    DocumentFilter::new("root-device-type", "RootDeviceType", Form::Word(types::DeviceType::values())),
    DocumentFilter::new("source-dest-check", "SourceDestCheck", Form::Flag),
    DocumentFilter::new("state-reason-message", "StateReason.Message", Form::Prose),
    DocumentFilter::new("tpm-support", "TpmSupport", Form::Text),
    DocumentFilter::new("usage-operation", "UsageOperation", Form::Text),
    DocumentFilter::new("usage-operation-update-time", "UsageOperationUpdateTime", Form::Time),
    DocumentFilter::new("virtualization-type", "VirtualizationType", Form::Word(types::VirtualizationType::values())),
];
