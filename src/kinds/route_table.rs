//! Route tables.
//!
//! AWS puts at most 100 of them on a page. The owner of a VPC and those whom it shares a subnet with see the same tables, so one of
//! another account is no sign of changed credentials. Routes come and go without a call about the table: a virtual private gateway
//! propagates them, and one whose target is gone turns into a `blackhole`.

use aws_sdk_ec2::types;

use super::describe::describe;
use super::fields::{Fields, mapped};
use super::spec::{CallWords, Filter, KindSpec};
use crate::model::Form;

pub(super) static SPEC: KindSpec = KindSpec {
    name: "AWS::EC2::RouteTable",
    slug: "route-table",
    title: "Route table",
    plural: "route tables",
    description: "The routes of a VPC: for each destination the gateway, interface or peering that traffic to it takes, and which \
                  subnets and gateways use the table.",
    prefix: Some("rtb-"),
    id_field: "RouteTableId",
    list: &["routeTableSet", "item"],
    max_results: 100,
    calls: CallWords {
        makes: &["RouteTable", "CreateVpc", "CreateDefaultVpc"],
        reaches: &["RouteTable"],
        about: &["Route", "VpcEndpoint"],
    },
    filters: FILTERS,
    columns: &[("association.main", "is_main"), ("vpc-id", "vpc_id"), ("association.subnet-id", "subnet_ids")],
    actions: &["ec2:DescribeRouteTables"],
    describe: describe!(
        |client, _, _| client.describe_route_tables(),
        set_route_table_ids,
        route_tables,
        route_table_id
    ),
    ..KindSpec::DEFAULT
};

static FILTERS: &[Filter] = &[
    Filter::new(0, "route-table-id", &["RouteTableId"], Form::Id(&["rtb-"])),
    Filter::new(1, "owner-id", &["OwnerId"], Form::Account),
    Filter::new(2, "vpc-id", &["VpcId"], Form::Id(&["vpc-"])),
    Filter::new(
        3,
        "association.route-table-association-id",
        &["Associations.RouteTableAssociationId"],
        Form::Id(&["rtbassoc-"]),
    )
    .many(),
    Filter::new(4, "association.route-table-id", &["Associations.RouteTableId"], Form::Id(&["rtb-"])).many(),
    Filter::new(5, "association.subnet-id", &["Associations.SubnetId"], Form::Id(&["subnet-"])).many(),
    Filter::new(6, "association.gateway-id", &["Associations.GatewayId"], Form::Id(&["igw-", "vgw-"])).many(),
    Filter::new(7, "association.main", &["Associations.Main"], Form::Flag).many(),
    Filter::new(8, "route.destination-cidr-block", &["Routes.DestinationCidrBlock"], Form::Cidr).many(),
    Filter::new(9, "route.destination-ipv6-cidr-block", &["Routes.DestinationIpv6CidrBlock"], Form::Cidr6).many(),
    Filter::new(10, "route.destination-prefix-list-id", &["Routes.DestinationPrefixListId"], Form::Id(&["pl-"])).many(),
    Filter::new(
        11,
        "route.egress-only-internet-gateway-id",
        &["Routes.EgressOnlyInternetGatewayId"],
        Form::Id(&["eigw-"]),
    )
    .many(),
    Filter::new(12, "route.gateway-id", &["Routes.GatewayId"], Form::IdOr(&["igw-", "vgw-", "vpce-"], "local")).many(),
    Filter::new(13, "route.instance-id", &["Routes.InstanceId"], Form::Id(&["i-"])).many(),
    Filter::new(14, "route.nat-gateway-id", &["Routes.NatGatewayId"], Form::Id(&["nat-"])).many(),
    Filter::new(15, "route.transit-gateway-id", &["Routes.TransitGatewayId"], Form::Id(&["tgw-"])).many(),
    Filter::new(16, "route.origin", &["Routes.Origin"], Form::Word(types::RouteOrigin::values())).many(),
    Filter::new(17, "route.state", &["Routes.State"], Form::Word(types::RouteState::values())).many(),
    Filter::new(18, "route.vpc-peering-connection-id", &["Routes.VpcPeeringConnectionId"], Form::Id(&["pcx-"])).many(),
];

mapped!(|table: RouteTable| {
    Fields::new()
        .list("Associations", table.associations)
        .list("PropagatingVgws", table.propagating_vgws)
        .text("RouteTableId", table.route_table_id)
        .list("Routes", table.routes)
        .list("Tags", table.tags)
        .text("VpcId", table.vpc_id)
        .text("OwnerId", table.owner_id)
});

mapped!(|association: RouteTableAssociation| {
    Fields::new()
        .flag("Main", association.main)
        .text("RouteTableAssociationId", association.route_table_association_id)
        .text("RouteTableId", association.route_table_id)
        .text("SubnetId", association.subnet_id)
        .text("GatewayId", association.gateway_id)
        .text("PublicIpv4Pool", association.public_ipv4_pool)
        .map("AssociationState", association.association_state)
});

mapped!(|vgw: PropagatingVgw| Fields::new().text("GatewayId", vgw.gateway_id));

mapped!(|route: Route| {
    Fields::new()
        .text("DestinationCidrBlock", route.destination_cidr_block)
        .text("DestinationIpv6CidrBlock", route.destination_ipv6_cidr_block)
        .text("DestinationPrefixListId", route.destination_prefix_list_id)
        .text("EgressOnlyInternetGatewayId", route.egress_only_internet_gateway_id)
        .text("GatewayId", route.gateway_id)
        .text("InstanceId", route.instance_id)
        .text("InstanceOwnerId", route.instance_owner_id)
        .text("NatGatewayId", route.nat_gateway_id)
        .text("TransitGatewayId", route.transit_gateway_id)
        .text("LocalGatewayId", route.local_gateway_id)
        .text("CarrierGatewayId", route.carrier_gateway_id)
        .text("NetworkInterfaceId", route.network_interface_id)
        .code("Origin", route.origin)
        .code("State", route.state)
        .text("VpcPeeringConnectionId", route.vpc_peering_connection_id)
        .text("CoreNetworkArn", route.core_network_arn)
        .text("OdbNetworkArn", route.odb_network_arn)
        .text("IpAddress", route.ip_address)
});

mapped!(|state: RouteTableAssociationState| {
    Fields::new().code("State", state.state).text("StatusMessage", state.status_message)
});
