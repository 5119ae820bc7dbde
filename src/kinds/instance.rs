//! EC2 instances.
//!
//! `DescribeInstances` answers reservations, each with the instances launched together. An instance's document carries
//! its reservation's `ReservationId`, `OwnerId` and, where there are any, `RequesterId` and `Groups`; otherwise it is what
//! `aws ec2 describe-instances` prints under `Instances[]`. User data is not part of that answer and is never fetched.

mod in_documents;
mod network;
mod options;

use std::time::Duration;

use aws_sdk_ec2::{Client, types};
use futures::FutureExt;
use futures::future::BoxFuture;

use super::describe::{DescribeError, DescribeInput, SMALLEST_PAGE, filters, reduce};
use super::facet_reading::FacetReading;
use super::fields::{Fields, Mapped, mapped};
use super::spec::{CallWords, Filter, KindSpec};
use crate::model::{Form, Item, LeftOut, Page};

pub(super) static SPEC: KindSpec = KindSpec {
    name: "AWS::EC2::Instance",
    slug: "instance",
    title: "EC2 instance",
    plural: "instances",
    description: "A virtual machine: its state, type, image, addresses, network interfaces, block devices and options.",
    // 2: the first interface has device index 0, the first address is the primary one.
    mapping: 2,
    prefix: Some("i-"),
    id_field: "InstanceId",
    list: &["reservationSet", "item", "instancesSet", "item"],
    exclusive: true,
    state_path: Some("State.Name"),
    interval: Duration::from_mins(1),
    event_rules: &["instances", "tags", "calls"],
    relaxed: Some(Duration::from_mins(5)),
    moves: true,
    gone_states: &["terminated"],
    calls: CallWords {
        makes: &["Instance", "Fleet"],
        reaches: &["Instance", "NetworkInterface", "Address"],
        ..CallWords::NONE
    },
    filters: FILTERS,
    in_documents: in_documents::IN_DOCUMENTS,
    columns: &[
        ("instance-state-name", "state"),
        ("instance-type", "type"),
        ("availability-zone", "availability_zone"),
        ("private-ip-address", "private_ip"),
        ("ip-address", "public_ip"),
        ("vpc-id", "vpc_id"),
        ("instance-id", "instance_id"),
    ],
    actions: &["ec2:DescribeInstances"],
    optional: &["IncludeManagedResources"],
    describe,
    ..KindSpec::DEFAULT
};

/// A choice of what AWS offers: a row of a typical instance stays below 400 bytes. What is rare costs nothing where absent.
static FILTERS: &[Filter] = &[
    Filter::new(0, "instance-id", &["InstanceId"], Form::Id(&["i-"])),
    Filter::new(1, "owner-id", &["OwnerId"], Form::Account),
    Filter::new(2, "instance-state-name", &["State.Name"], Form::Word(types::InstanceStateName::values())),
    Filter::new(3, "instance-type", &["InstanceType"], Form::Word(types::InstanceType::values())),
    Filter::new(4, "image-id", &["ImageId"], Form::Id(&["ami-"])),
    Filter::new(5, "vpc-id", &["VpcId"], Form::Id(&["vpc-"])),
    Filter::new(6, "subnet-id", &["SubnetId"], Form::Id(&["subnet-"])),
    Filter::new(7, "availability-zone", &["Placement.AvailabilityZone"], Form::Zone),
    Filter::new(8, "private-ip-address", &["PrivateIpAddress"], Form::Ipv4),
    Filter::new(9, "ip-address", &["PublicIpAddress"], Form::Ipv4),
    Filter::new(10, "key-name", &["KeyName"], Form::Text),
    Filter::new(11, "instance.group-id", &["SecurityGroups.GroupId"], Form::Id(&["sg-"])).many(),
    Filter::new(12, "instance.group-name", &["SecurityGroups.GroupName"], Form::Text).many(),
    Filter::new(13, "iam-instance-profile.arn", &["IamInstanceProfile.Arn"], Form::Arn),
    Filter::new(14, "instance-lifecycle", &["InstanceLifecycle"], Form::Word(types::InstanceLifecycleType::values())),
    Filter::new(15, "architecture", &["Architecture"], Form::Word(types::ArchitectureValues::values())),
    Filter::new(16, "platform-details", &["PlatformDetails"], Form::Text),
    Filter::new(17, "tenancy", &["Placement.Tenancy"], Form::Word(types::Tenancy::values())),
    Filter::new(18, "launch-time", &["LaunchTime"], Form::Time),
    Filter::new(
        19,
        "network-interface.network-interface-id",
        &["NetworkInterfaces.NetworkInterfaceId"],
        Form::Id(&["eni-"]),
    )
    .many(),
    Filter::new(20, "block-device-mapping.volume-id", &["BlockDeviceMappings.Ebs.VolumeId"], Form::Id(&["vol-"]))
        .many(),
    Filter::new(
        21,
        "metadata-options.http-tokens",
        &["MetadataOptions.HttpTokens"],
        Form::Word(types::HttpTokensState::values()),
    ),
    Filter::new(22, "placement-group-name", &["Placement.GroupName"], Form::Text),
    Filter::new(23, "host-id", &["Placement.HostId"], Form::Id(&["h-"])),
    Filter::new(24, "spot-instance-request-id", &["SpotInstanceRequestId"], Form::Prefixed("sir-")),
    Filter::new(25, "capacity-reservation-id", &["CapacityReservationId"], Form::Id(&["cr-"])),
    Filter::new(26, "outpost-arn", &["OutpostArn"], Form::Arn),
    Filter::new(27, "platform", &["Platform"], Form::Word(&["windows"])),
    Filter::new(28, "ipv6-address", &["Ipv6Address"], Form::Ipv6),
    Filter::new(29, "state-reason-code", &["StateReason.Code"], Form::Prose),
    Filter::new(30, "operator.managed", &["Operator.Managed"], Form::Flag),
    Filter::new(31, "operator.principal", &["Operator.Principal"], Form::Text),
    Filter::new(32, "block-device-mapping.attach-time", &["BlockDeviceMappings.Ebs.AttachTime"], Form::Time).many(),
    Filter::new(33, "reason", &["StateTransitionReason"], Form::Text),
    // AWS has no such filter: it is the time in the reason, and absent where the reason has none.
    Filter::new(34, "state-transition-time", &["StateTransitionReason"], Form::Time).read_as(FacetReading::TimesAtEnd),
];

fn describe(
    client: Client,
    input: DescribeInput,
    left_out: LeftOut,
) -> BoxFuture<'static, Result<Page, DescribeError>> {
    async move {
        let call =
            client.describe_instances().set_include_managed_resources(left_out.unless("IncludeManagedResources"));
        let call = match input {
            DescribeInput::Page { token, max_results } => call.max_results(max_results).set_next_token(token),
            DescribeInput::Ids(ids) => call.set_instance_ids(Some(ids)),
            DescribeInput::Filtered(asked) => call.set_filters(Some(filters(asked))),
            DescribeInput::DryRun => call.max_results(SMALLEST_PAGE).dry_run(true),
        };
        let output = call.send().await.map_err(reduce)?;
        let items = output.reservations.unwrap_or_default().into_iter().flat_map(reserved).collect();
        Ok(Page { items, next: output.next_token, ..Page::default() })
    }
    .boxed()
}

/// The instances of one reservation.
pub(super) fn reserved(reservation: types::Reservation) -> Vec<Item> {
    let types::Reservation { reservation_id, owner_id, requester_id, groups, instances, .. } = reservation;
    let item = |instance: types::Instance| {
        let id = instance.instance_id.clone().unwrap_or_default();
        let fields = instance
            .fields()
            .text("ReservationId", reservation_id.clone())
            .text("OwnerId", owner_id.clone())
            .text("RequesterId", requester_id.clone())
            .list_unless_empty("Groups", groups.clone());
        Item::new(id, fields.document())
    };
    instances.unwrap_or_default().into_iter().map(item).collect()
}

mapped!(|instance: Instance| {
    Fields::new()
        .code("Architecture", instance.architecture)
        .list("BlockDeviceMappings", instance.block_device_mappings)
        .text("ClientToken", instance.client_token)
        .flag("EbsOptimized", instance.ebs_optimized)
        .flag("EnaSupport", instance.ena_support)
        .code("Hypervisor", instance.hypervisor)
        .map("IamInstanceProfile", instance.iam_instance_profile)
        .code("InstanceLifecycle", instance.instance_lifecycle)
        .list("ElasticGpuAssociations", instance.elastic_gpu_associations)
        .list("ElasticInferenceAcceleratorAssociations", instance.elastic_inference_accelerator_associations)
        .list("NetworkInterfaces", instance.network_interfaces)
        .text("OutpostArn", instance.outpost_arn)
        .text("RootDeviceName", instance.root_device_name)
        .code("RootDeviceType", instance.root_device_type)
        .list("SecurityGroups", instance.security_groups)
        .flag("SourceDestCheck", instance.source_dest_check)
        .text("SpotInstanceRequestId", instance.spot_instance_request_id)
        .text("SriovNetSupport", instance.sriov_net_support)
        .map("StateReason", instance.state_reason)
        .list("Tags", instance.tags)
        .code("VirtualizationType", instance.virtualization_type)
        .map("CpuOptions", instance.cpu_options)
        .text("CapacityBlockId", instance.capacity_block_id)
        .text("CapacityReservationId", instance.capacity_reservation_id)
        .map("CapacityReservationSpecification", instance.capacity_reservation_specification)
        .map("HibernationOptions", instance.hibernation_options)
        .list("Licenses", instance.licenses)
        .map("MetadataOptions", instance.metadata_options)
        .map("EnclaveOptions", instance.enclave_options)
        .code("BootMode", instance.boot_mode)
        .text("PlatformDetails", instance.platform_details)
        .text("UsageOperation", instance.usage_operation)
        .time("UsageOperationUpdateTime", instance.usage_operation_update_time)
        .map("PrivateDnsNameOptions", instance.private_dns_name_options)
        .text("Ipv6Address", instance.ipv6_address)
        .text("TpmSupport", instance.tpm_support)
        .map("MaintenanceOptions", instance.maintenance_options)
        .code("CurrentInstanceBootMode", instance.current_instance_boot_mode)
        .map("NetworkPerformanceOptions", instance.network_performance_options)
        .map("Operator", instance.operator)
        .list("SecondaryInterfaces", instance.secondary_interfaces)
        .text("InstanceId", instance.instance_id)
        .text("ImageId", instance.image_id)
        .map("State", instance.state)
        .text("PrivateDnsName", instance.private_dns_name)
        .text("PublicDnsName", instance.public_dns_name)
        .text("StateTransitionReason", instance.state_transition_reason)
        .text("KeyName", instance.key_name)
        .int("AmiLaunchIndex", instance.ami_launch_index)
        .list("ProductCodes", instance.product_codes)
        .code("InstanceType", instance.instance_type)
        .time("LaunchTime", instance.launch_time)
        .map("Placement", instance.placement)
        .text("KernelId", instance.kernel_id)
        .text("RamdiskId", instance.ramdisk_id)
        .code("Platform", instance.platform)
        .map("Monitoring", instance.monitoring)
        .text("SubnetId", instance.subnet_id)
        .text("VpcId", instance.vpc_id)
        .text("PrivateIpAddress", instance.private_ip_address)
        .text("PublicIpAddress", instance.public_ip_address)
});

mapped!(|mapping: InstanceBlockDeviceMapping| {
    Fields::new().text("DeviceName", mapping.device_name).map("Ebs", mapping.ebs)
});

mapped!(|device: EbsInstanceBlockDevice| {
    Fields::new()
        .time("AttachTime", device.attach_time)
        .flag("DeleteOnTermination", device.delete_on_termination)
        .code("Status", device.status)
        .text("VolumeId", device.volume_id)
        .text("AssociatedResource", device.associated_resource)
        .text("VolumeOwnerId", device.volume_owner_id)
        .map("Operator", device.operator)
        .int("EbsCardIndex", device.ebs_card_index)
});

mapped!(|profile: IamInstanceProfile| Fields::new().text("Arn", profile.arn).text("Id", profile.id));

mapped!(|placement: Placement| {
    Fields::new()
        .text("AvailabilityZoneId", placement.availability_zone_id)
        .text("Affinity", placement.affinity)
        .text("GroupName", placement.group_name)
        .int("PartitionNumber", placement.partition_number)
        .text("HostId", placement.host_id)
        .code("Tenancy", placement.tenancy)
        .text("SpreadDomain", placement.spread_domain)
        .text("HostResourceGroupArn", placement.host_resource_group_arn)
        .text("GroupId", placement.group_id)
        .text("AvailabilityZone", placement.availability_zone)
});

mapped!(|monitoring: Monitoring| Fields::new().code("State", monitoring.state));
