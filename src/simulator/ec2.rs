//! EC2's Query API: the actions, the envelope around their answers, and what they have in common.

mod call;
mod client_token;
mod create_snapshot;
mod create_snapshots;
mod create_volume;
mod delete_volume;
mod describe_addresses;
mod describe_images;
mod describe_instance_status;
mod describe_instances;
mod describe_internet_gateways;
mod describe_nat_gateways;
mod describe_network_acls;
mod describe_network_interfaces;
mod describe_regions;
mod describe_route_tables;
mod describe_security_groups;
mod describe_snapshots;
mod describe_subnets;
mod describe_volumes;
mod describe_vpcs;
mod elastic_address;
mod image;
mod instance_filters;
mod internet_gateway;
mod lifecycle;
mod listing;
mod modify_volume;
mod nat_gateway;
mod network_acl;
mod network_interface;
mod owners;
mod route_table;
mod run_instances;
mod security_group_rules;
mod tagging;
mod trail;
mod volume_attachment;

use crate::simulator::happening::{Happening, What};
use crate::simulator::refusal::Refusal;

use call::Answer;
pub(crate) use call::Call;

const VERSION: &str = "2016-11-15";

/// An action of the API.
struct Action {
    name: &'static str,
    /// First segments of the parameters it takes, besides `Action`, `Version` and `DryRun`.
    parameters: &'static [&'static str],
    answer: fn(&Call) -> Answer,
    /// Whether it changes things: the oracle refuses it, and `CloudTrail` hears of it.
    mutates: bool,
}

/// Adding an action is a file and a line here.
static ACTIONS: &[Action] = &[
    Action {
        name: "AllocateAddress",
        parameters: &["Domain", "NetworkBorderGroup", "TagSpecification"],
        answer: elastic_address::allocate,
        mutates: true,
    },
    Action {
        name: "AssociateAddress",
        parameters: &["AllocationId", "AllowReassociation", "InstanceId", "NetworkInterfaceId", "PublicIp"],
        answer: elastic_address::associate,
        mutates: true,
    },
    Action {
        name: "AssociateRouteTable",
        parameters: &["RouteTableId", "SubnetId"],
        answer: route_table::associate,
        mutates: true,
    },
    Action {
        name: "AttachInternetGateway",
        parameters: &["InternetGatewayId", "VpcId"],
        answer: internet_gateway::attach,
        mutates: true,
    },
    Action {
        name: "AttachVolume",
        parameters: &["Device", "InstanceId", "VolumeId"],
        answer: volume_attachment::attach,
        mutates: true,
    },
    Action {
        name: "AuthorizeSecurityGroupIngress",
        parameters: security_group_rules::PARAMETERS,
        answer: security_group_rules::authorize,
        mutates: true,
    },
    Action {
        name: "CreateImage",
        parameters: &["Description", "InstanceId", "Name", "NoReboot", "TagSpecification"],
        answer: image::create,
        mutates: true,
    },
    Action {
        name: "CreateInternetGateway",
        parameters: &["TagSpecification"],
        answer: internet_gateway::create,
        mutates: true,
    },
    Action {
        name: "CreateNatGateway",
        parameters: nat_gateway::PARAMETERS,
        answer: nat_gateway::create,
        mutates: true,
    },
    Action {
        name: "CreateNetworkAcl",
        parameters: &["ClientToken", "TagSpecification", "VpcId"],
        answer: network_acl::create,
        mutates: true,
    },
    Action {
        name: "CreateNetworkAclEntry",
        parameters: network_acl::ENTRY,
        answer: network_acl::create_entry,
        mutates: true,
    },
    Action {
        name: "CreateNetworkInterface",
        parameters: network_interface::PARAMETERS,
        answer: network_interface::create,
        mutates: true,
    },
    Action {
        name: "CreateRoute",
        parameters: &["DestinationCidrBlock", "DestinationIpv6CidrBlock", "GatewayId", "NatGatewayId", "RouteTableId"],
        answer: route_table::create_route,
        mutates: true,
    },
    Action {
        name: "CreateRouteTable",
        parameters: &["ClientToken", "TagSpecification", "VpcId"],
        answer: route_table::create,
        mutates: true,
    },
    Action {
        name: "CreateSnapshot",
        parameters: &["Description", "Location", "TagSpecification", "VolumeId"],
        answer: create_snapshot::create,
        mutates: true,
    },
    Action {
        name: "CreateSnapshots",
        parameters: &[
            "CopyTagsFromSource",
            "Description",
            "InstanceSpecification",
            "Location",
            "OutpostArn",
            "TagSpecification",
        ],
        answer: create_snapshots::answer,
        mutates: true,
    },
    Action { name: "CreateTags", parameters: &["ResourceId", "Tag"], answer: tagging::create, mutates: true },
    Action {
        name: "CreateVolume",
        parameters: create_volume::PARAMETERS,
        answer: create_volume::answer,
        mutates: true,
    },
    Action {
        name: "DeleteInternetGateway",
        parameters: &["InternetGatewayId"],
        answer: internet_gateway::delete,
        mutates: true,
    },
    Action { name: "DeleteNatGateway", parameters: &["NatGatewayId"], answer: nat_gateway::delete, mutates: true },
    Action { name: "DeleteNetworkAcl", parameters: &["NetworkAclId"], answer: network_acl::delete, mutates: true },
    Action {
        name: "DeleteNetworkAclEntry",
        parameters: &["Egress", "NetworkAclId", "RuleNumber"],
        answer: network_acl::delete_entry,
        mutates: true,
    },
    Action {
        name: "DeleteNetworkInterface",
        parameters: &["NetworkInterfaceId"],
        answer: network_interface::delete,
        mutates: true,
    },
    Action {
        name: "DeleteRoute",
        parameters: &["DestinationCidrBlock", "DestinationIpv6CidrBlock", "RouteTableId"],
        answer: route_table::delete_route,
        mutates: true,
    },
    Action { name: "DeleteRouteTable", parameters: &["RouteTableId"], answer: route_table::delete, mutates: true },
    Action { name: "DeleteSnapshot", parameters: &["SnapshotId"], answer: create_snapshot::delete, mutates: true },
    Action { name: "DeleteTags", parameters: &["ResourceId", "Tag"], answer: tagging::delete, mutates: true },
    Action { name: "DeleteVolume", parameters: &["VolumeId"], answer: delete_volume::answer, mutates: true },
    Action { name: "DeregisterImage", parameters: &["ImageId"], answer: image::deregister, mutates: true },
    Action {
        name: "DescribeAddresses",
        parameters: &["AllocationId", "Filter", "PublicIp"],
        answer: describe_addresses::answer,
        mutates: false,
    },
    Action {
        name: "DescribeImages",
        parameters: &[
            "ExecutableBy",
            "Filter",
            "ImageId",
            "IncludeDeprecated",
            "IncludeDisabled",
            "MaxResults",
            "NextToken",
            "Owner",
        ],
        answer: describe_images::answer,
        mutates: false,
    },
    Action {
        name: "DescribeInstanceStatus",
        parameters: &[
            "Filter",
            "IncludeAllInstances",
            "IncludeManagedResources",
            "InstanceId",
            "MaxResults",
            "NextToken",
        ],
        answer: describe_instance_status::answer,
        mutates: false,
    },
    Action {
        name: "DescribeInstances",
        parameters: &["Filter", "IncludeManagedResources", "InstanceId", "MaxResults", "NextToken"],
        answer: describe_instances::answer,
        mutates: false,
    },
    Action {
        name: "DescribeInternetGateways",
        parameters: &["Filter", "InternetGatewayId", "MaxResults", "NextToken"],
        answer: describe_internet_gateways::answer,
        mutates: false,
    },
    Action {
        name: "DescribeNatGateways",
        parameters: &["Filter", "MaxResults", "NatGatewayId", "NextToken"],
        answer: describe_nat_gateways::answer,
        mutates: false,
    },
    Action {
        name: "DescribeNetworkAcls",
        parameters: &["Filter", "MaxResults", "NetworkAclId", "NextToken"],
        answer: describe_network_acls::answer,
        mutates: false,
    },
    Action {
        name: "DescribeNetworkInterfaces",
        parameters: &["Filter", "IncludeManagedResources", "MaxResults", "NetworkInterfaceId", "NextToken"],
        answer: describe_network_interfaces::answer,
        mutates: false,
    },
    Action {
        name: "DescribeRegions",
        parameters: &["AllRegions", "Filter", "RegionName"],
        answer: describe_regions::answer,
        mutates: false,
    },
    Action {
        name: "DescribeRouteTables",
        parameters: &["Filter", "MaxResults", "NextToken", "RouteTableId"],
        answer: describe_route_tables::answer,
        mutates: false,
    },
    Action {
        name: "DescribeSecurityGroups",
        parameters: &["Filter", "GroupId", "GroupName", "MaxResults", "NextToken"],
        answer: describe_security_groups::answer,
        mutates: false,
    },
    Action {
        name: "DescribeSnapshots",
        parameters: &["Filter", "MaxResults", "NextToken", "Owner", "RestorableBy", "SnapshotId"],
        answer: describe_snapshots::answer,
        mutates: false,
    },
    Action {
        name: "DescribeSubnets",
        parameters: &["Filter", "MaxResults", "NextToken", "SubnetId"],
        answer: describe_subnets::answer,
        mutates: false,
    },
    Action {
        name: "DescribeVolumes",
        parameters: &["Filter", "IncludeManagedResources", "MaxResults", "NextToken", "VolumeId"],
        answer: describe_volumes::answer,
        mutates: false,
    },
    Action {
        name: "DescribeVpcs",
        parameters: &["Filter", "MaxResults", "NextToken", "VpcId"],
        answer: describe_vpcs::answer,
        mutates: false,
    },
    Action {
        name: "DetachInternetGateway",
        parameters: &["InternetGatewayId", "VpcId"],
        answer: internet_gateway::detach,
        mutates: true,
    },
    Action {
        name: "DetachVolume",
        parameters: &["Device", "Force", "InstanceId", "VolumeId"],
        answer: volume_attachment::detach,
        mutates: true,
    },
    Action {
        name: "DisassociateAddress",
        parameters: &["AssociationId", "PublicIp"],
        answer: elastic_address::disassociate,
        mutates: true,
    },
    Action {
        name: "DisassociateRouteTable",
        parameters: &["AssociationId"],
        answer: route_table::disassociate,
        mutates: true,
    },
    Action {
        name: "ModifyVolume",
        parameters: &["Iops", "Size", "Throughput", "VolumeId", "VolumeType"],
        answer: modify_volume::answer,
        mutates: true,
    },
    Action { name: "RebootInstances", parameters: &["InstanceId"], answer: lifecycle::reboot, mutates: true },
    Action {
        name: "ReleaseAddress",
        parameters: &["AllocationId", "NetworkBorderGroup", "PublicIp"],
        answer: elastic_address::release,
        mutates: true,
    },
    Action {
        name: "RevokeSecurityGroupIngress",
        parameters: security_group_rules::PARAMETERS,
        answer: security_group_rules::revoke,
        mutates: true,
    },
    Action {
        name: "RunInstances",
        parameters: run_instances::PARAMETERS,
        answer: run_instances::answer,
        mutates: true,
    },
    Action {
        name: "StartInstances",
        parameters: &["AdditionalInfo", "InstanceId"],
        answer: lifecycle::start,
        mutates: true,
    },
    Action {
        name: "StopInstances",
        parameters: &["Force", "Hibernate", "InstanceId", "SkipOsShutdown"],
        answer: lifecycle::stop,
        mutates: true,
    },
    Action {
        name: "TerminateInstances",
        parameters: &["Force", "InstanceId", "SkipOsShutdown"],
        answer: lifecycle::terminate,
        mutates: true,
    },
];

/// Whether the simulator has an action of this name.
pub(crate) fn knows(action: &str) -> bool {
    ACTIONS.iter().any(|known| known.name == action)
}

/// Whether an action of this name changes things.
pub(crate) fn mutates(action: &str) -> bool {
    ACTIONS.iter().any(|known| known.name == action && known.mutates)
}

/// The names of all actions.
#[cfg(test)]
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    ACTIONS.iter().map(|action| action.name)
}

/// Answers one EC2 call.
pub(crate) fn answer(call: &Call, action: &str) -> Answer {
    let found = ACTIONS.iter().find(|known| known.name == action);
    let known = found.ok_or_else(|| Refusal::invalid_action(action))?;
    let version = call.params.get("Version").unwrap_or_default();
    if version != VERSION {
        return Err(Refusal::no_such_version(version, "AmazonEC2"));
    }
    let answer = call.params.only(known.parameters).and_then(|()| (known.answer)(call));
    if known.mutates {
        record(call, known.name, &answer);
    }
    answer
}

/// Tells `CloudTrail` of a call that the caller's policy denied, if it would have changed things.
pub(crate) fn denied(call: &Call, action: &str, refusal: &Refusal) {
    if let Some(known) = ACTIONS.iter().find(|known| known.name == action && known.mutates) {
        record(call, known.name, &Err(refusal.clone()));
    }
}

/// Tells `CloudTrail` of a call, whatever came of it.
fn record(call: &Call, name: &'static str, answer: &Answer) {
    let plan = call.account.plan();
    let what = What::Call {
        name,
        request: trail::request(name, call.params),
        response: answer.as_ref().map_or(serde_json::Value::Null, |xml| trail::response(xml)),
        error: answer.as_ref().err().map(trail::error),
        request_id: call.request.to_owned(),
    };
    let (account, region) = (plan.account.clone(), plan.region.clone());
    call.account.outbox().push(Happening { at: call.now, account, region, what });
}
