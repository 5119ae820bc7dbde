//! NAT gateways.
//!
//! AWS does not show the owner of one. Like a terminated instance, a deleted one is listed for about an hour, in the state
//! `deleted`.

use aws_sdk_ec2::types;

use super::describe::describe;
use super::fields::{Fields, mapped};
use super::spec::{CallWords, Filter, KindSpec};
use crate::model::Form;

pub(super) static SPEC: KindSpec = KindSpec {
    name: "AWS::EC2::NatGateway",
    slug: "nat-gateway",
    title: "NAT gateway",
    plural: "NAT gateways",
    description: "A gateway through which private subnets reach other networks: its state, addresses, subnet and, if it failed, \
        the reason.",
    prefix: Some("nat-"),
    arn_type: Some("natgateway"),
    id_field: "NatGatewayId",
    list: &["natGatewaySet", "item"],
    owner_field: None,
    state_path: Some("State"),
    gone_states: &["deleted"],
    calls: CallWords { makes: &["NatGateway"], about: &["NatGateway"], ..CallWords::NONE },
    filters: FILTERS,
    columns: &[("state", "state"), ("vpc-id", "vpc_id"), ("subnet-id", "subnet_id")],
    actions: &["ec2:DescribeNatGateways"],
    describe: describe!(
        |client, _, _| client.describe_nat_gateways(),
        set_nat_gateway_ids,
        set_filter,
        nat_gateways,
        nat_gateway_id
    ),
    ..KindSpec::DEFAULT
};

static FILTERS: &[Filter] = &[
    Filter::new(0, "nat-gateway-id", &["NatGatewayId"], Form::Id(&["nat-"])),
    Filter::new(1, "state", &["State"], Form::Word(types::NatGatewayState::values())),
    Filter::new(2, "subnet-id", &["SubnetId"], Form::Id(&["subnet-"])),
    Filter::new(3, "vpc-id", &["VpcId"], Form::Id(&["vpc-"])),
];

mapped!(|gateway: NatGateway| {
    Fields::new()
        .time("CreateTime", gateway.create_time)
        .time("DeleteTime", gateway.delete_time)
        .text("FailureCode", gateway.failure_code)
        .text("FailureMessage", gateway.failure_message)
        .list("NatGatewayAddresses", gateway.nat_gateway_addresses)
        .text("NatGatewayId", gateway.nat_gateway_id)
        .map("ProvisionedBandwidth", gateway.provisioned_bandwidth)
        .code("State", gateway.state)
        .text("SubnetId", gateway.subnet_id)
        .text("VpcId", gateway.vpc_id)
        .list("Tags", gateway.tags)
        .code("ConnectivityType", gateway.connectivity_type)
        .code("AvailabilityMode", gateway.availability_mode)
        .code("AutoScalingIps", gateway.auto_scaling_ips)
        .code("AutoProvisionZones", gateway.auto_provision_zones)
        .list("AttachedAppliances", gateway.attached_appliances)
        .text("RouteTableId", gateway.route_table_id)
});

mapped!(|address: NatGatewayAddress| {
    Fields::new()
        .text("AllocationId", address.allocation_id)
        .text("NetworkInterfaceId", address.network_interface_id)
        .text("PrivateIp", address.private_ip)
        .text("PublicIp", address.public_ip)
        .text("AssociationId", address.association_id)
        .flag("IsPrimary", address.is_primary)
        .text("FailureMessage", address.failure_message)
        .code("Status", address.status)
        .text("AvailabilityZone", address.availability_zone)
        .text("AvailabilityZoneId", address.availability_zone_id)
});

mapped!(|bandwidth: ProvisionedBandwidth| {
    Fields::new()
        .time("ProvisionTime", bandwidth.provision_time)
        .text("Provisioned", bandwidth.provisioned)
        .time("RequestTime", bandwidth.request_time)
        .text("Requested", bandwidth.requested)
        .text("Status", bandwidth.status)
});

mapped!(|appliance: NatGatewayAttachedAppliance| {
    Fields::new()
        .code("Type", appliance.r#type)
        .text("ApplianceArn", appliance.appliance_arn)
        .text("VpcEndpointId", appliance.vpc_endpoint_id)
        .code("AttachmentState", appliance.attachment_state)
        .code("ModificationState", appliance.modification_state)
        .text("FailureCode", appliance.failure_code)
        .text("FailureMessage", appliance.failure_message)
});
