//! Every document holds what boto3 prints for the same resource of the same account, field by field.

use std::collections::{BTreeMap, BTreeSet};

use muster::kinds::{KINDS, KindSpec};
use serde_json::{Map, Value, json};

use crate::harness::account::Account;
use crate::harness::moto::{ACCOUNT, Moto};
use crate::harness::muster::{Endpoint, RARELY, Sandbox};
use crate::harness::rpc::Client;
use crate::harness::simulator::Simulator;

/// Fields that boto3 prints and our documents leave out: kind, path, why.
const LEFT_OUT: &[(&str, &str, &str)] = &[];

/// Paths that the account must have filled in, so that the comparison cannot become empty unnoticed.
const COVERED: &[(&str, &[&str])] = &[
    (
        "instance",
        &[
            "AmiLaunchIndex",
            "Architecture",
            "BlockDeviceMappings[].DeviceName",
            "BlockDeviceMappings[].Ebs.AttachTime",
            "BlockDeviceMappings[].Ebs.DeleteOnTermination",
            "BlockDeviceMappings[].Ebs.VolumeId",
            "ClientToken",
            "EbsOptimized",
            "IamInstanceProfile.Arn",
            "ImageId",
            "InstanceLifecycle",
            "InstanceType",
            "KeyName",
            "LaunchTime",
            "MetadataOptions.HttpPutResponseHopLimit",
            "MetadataOptions.HttpTokens",
            "Monitoring.State",
            "NetworkInterfaces[].Association.PublicIp",
            "NetworkInterfaces[].Attachment.DeviceIndex",
            "NetworkInterfaces[].Groups[].GroupId",
            "NetworkInterfaces[].PrivateIpAddresses[].Primary",
            "OwnerId",
            "Placement.AvailabilityZone",
            "Placement.Tenancy",
            "PrivateIpAddress",
            "ReservationId",
            "RootDeviceName",
            "SecurityGroups[].GroupName",
            "State.Code",
            "State.Name",
            "StateReason.Code",
            "StateTransitionReason",
            "SubnetId",
            "Tags[].Key",
            "Tags[].Value",
            "VirtualizationType",
            "VpcId",
        ],
    ),
    (
        "instance-status",
        &[
            "AvailabilityZone",
            "InstanceState.Name",
            "InstanceStatus.Details[].Name",
            "InstanceStatus.Status",
            "SystemStatus.Status",
        ],
    ),
    (
        "vpc",
        &[
            "CidrBlock",
            "CidrBlockAssociationSet[].CidrBlockState.State",
            "DhcpOptionsId",
            "InstanceTenancy",
            "Ipv6CidrBlockAssociationSet[].Ipv6CidrBlock",
            "IsDefault",
            "OwnerId",
            "State",
            "Tags[].Value",
        ],
    ),
    (
        "security-group",
        &[
            "Description",
            "GroupName",
            "IpPermissions[].FromPort",
            "IpPermissions[].IpRanges[].CidrIp",
            "IpPermissions[].IpRanges[].Description",
            "IpPermissions[].Ipv6Ranges[].CidrIpv6",
            "IpPermissions[].PrefixListIds[].PrefixListId",
            "IpPermissions[].UserIdGroupPairs[].GroupId",
            "IpPermissionsEgress[].IpProtocol",
            "OwnerId",
            "Tags[].Key",
            "VpcId",
        ],
    ),
    (
        "subnet",
        &[
            "AssignIpv6AddressOnCreation",
            "AvailabilityZone",
            "AvailabilityZoneId",
            "AvailableIpAddressCount",
            "CidrBlock",
            "DefaultForAz",
            "Ipv6CidrBlockAssociationSet[].Ipv6CidrBlockState.State",
            "Ipv6Native",
            "MapPublicIpOnLaunch",
            "OwnerId",
            "State",
            "SubnetArn",
            "Tags[].Value",
            "VpcId",
        ],
    ),
    (
        "network-interface",
        &[
            "Association.AllocationId",
            "Association.PublicIp",
            "Attachment.AttachmentId",
            "Attachment.DeviceIndex",
            "Attachment.InstanceId",
            "Attachment.Status",
            "Description",
            "Groups[].GroupId",
            "InterfaceType",
            "Ipv6Addresses[].Ipv6Address",
            "MacAddress",
            "OwnerId",
            "PrivateIpAddresses[].Primary",
            "RequesterManaged",
            "SourceDestCheck",
            "Status",
            "SubnetId",
            "Tags[].Value",
            "VpcId",
        ],
    ),
    (
        "address",
        &[
            "AssociationId",
            "Domain",
            "InstanceId",
            "NetworkInterfaceId",
            "PrivateIpAddress",
            "PublicIp",
            "Tags[].Value",
        ],
    ),
    (
        "volume",
        &[
            "Attachments[].AttachTime",
            "Attachments[].Device",
            "Attachments[].InstanceId",
            "Attachments[].State",
            "AvailabilityZone",
            "CreateTime",
            "Encrypted",
            "Iops",
            "KmsKeyId",
            "MultiAttachEnabled",
            "Size",
            "SnapshotId",
            "State",
            "Tags[].Value",
            "Throughput",
            "VolumeType",
        ],
    ),
    (
        "snapshot",
        &[
            "Description",
            "Encrypted",
            "OwnerId",
            "Progress",
            "StartTime",
            "State",
            "Tags[].Value",
            "VolumeId",
            "VolumeSize",
        ],
    ),
    (
        "route-table",
        &[
            "Associations[].AssociationState.State",
            "Associations[].Main",
            "Associations[].RouteTableAssociationId",
            "Associations[].SubnetId",
            "OwnerId",
            "Routes[].DestinationCidrBlock",
            "Routes[].DestinationIpv6CidrBlock",
            "Routes[].GatewayId",
            "Routes[].NatGatewayId",
            "Routes[].Origin",
            "Routes[].State",
            "Tags[].Value",
            "VpcId",
        ],
    ),
    ("internet-gateway", &["Attachments[].State", "Attachments[].VpcId", "OwnerId", "Tags[].Value"]),
    (
        "nat-gateway",
        &[
            "ConnectivityType",
            "CreateTime",
            "NatGatewayAddresses[].AllocationId",
            "NatGatewayAddresses[].NetworkInterfaceId",
            "NatGatewayAddresses[].PrivateIp",
            "NatGatewayAddresses[].PublicIp",
            "State",
            "SubnetId",
            "Tags[].Value",
            "VpcId",
        ],
    ),
    (
        "network-acl",
        &[
            "Associations[].NetworkAclAssociationId",
            "Associations[].SubnetId",
            "Entries[].CidrBlock",
            "Entries[].Egress",
            "Entries[].PortRange.From",
            "Entries[].PortRange.To",
            "Entries[].Protocol",
            "Entries[].RuleAction",
            "Entries[].RuleNumber",
            "IsDefault",
            "OwnerId",
            "Tags[].Value",
            "VpcId",
        ],
    ),
    (
        "image",
        &[
            "Architecture",
            "BlockDeviceMappings[].DeviceName",
            "BlockDeviceMappings[].Ebs.SnapshotId",
            "BlockDeviceMappings[].Ebs.VolumeType",
            "BootMode",
            "CreationDate",
            "Description",
            "ImageType",
            "Name",
            "OwnerId",
            "Public",
            "RootDeviceName",
            "RootDeviceType",
            "SourceInstanceId",
            "State",
            "Tags[].Value",
            "VirtualizationType",
        ],
    ),
];

/// Paths that the emulator does not have, for which the simulator stands in.
const COVERED_BY_SIMULATOR: &[(&str, &[&str])] = &[
    (
        "instance",
        &[
            "CpuOptions.CoreCount",
            "EnclaveOptions.Enabled",
            "HibernationOptions.Configured",
            "MaintenanceOptions.AutoRecovery",
            "NetworkInterfaces[].Ipv6Addresses[].Ipv6Address",
            "Operator.Managed",
            "Placement.PartitionNumber",
            "PrivateDnsNameOptions.HostnameType",
        ],
    ),
    ("instance-status", &["AttachedEbsStatus.Status", "AvailabilityZoneId", "Operator.Managed"]),
    ("vpc", &["BlockPublicAccessStates.InternetGatewayBlockMode"]),
    ("security-group", &["IpPermissions[].UserIdGroupPairs[].Description"]),
    (
        "subnet",
        &[
            "EnableDns64",
            "Ipv6CidrBlockAssociationSet[].IpSource",
            "MapCustomerOwnedIpOnLaunch",
            "PrivateDnsNameOptionsOnLaunch.HostnameType",
        ],
    ),
    (
        "network-interface",
        &[
            "Attachment.InstanceOwnerId",
            "Attachment.NetworkCardIndex",
            "AvailabilityZoneId",
            "Ipv6Addresses[].IsPrimaryIpv6",
            "PublicIpDnsNameOptions.DnsHostnameType",
        ],
    ),
    ("address", &["NetworkBorderGroup", "NetworkInterfaceOwnerId", "PublicIpv4Pool"]),
    ("volume", &["Attachments[].DeleteOnTermination", "AvailabilityZoneId"]),
    ("snapshot", &["CompletionTime", "FullSnapshotSizeInBytes", "StorageTier"]),
    ("route-table", &["Routes[].DestinationPrefixListId", "Routes[].VpcPeeringConnectionId"]),
    ("internet-gateway", &["Attachments[].State"]),
    (
        "nat-gateway",
        &[
            "AvailabilityMode",
            "NatGatewayAddresses[].AssociationId",
            "NatGatewayAddresses[].IsPrimary",
            "NatGatewayAddresses[].Status",
        ],
    ),
    ("network-acl", &["Entries[].IcmpTypeCode.Code", "Entries[].IcmpTypeCode.Type", "Entries[].Ipv6CidrBlock"]),
    (
        "image",
        &[
            "BlockDeviceMappings[].Ebs.Throughput",
            "DeprecationTime",
            "DeregistrationProtection",
            "EnaSupport",
            "Hypervisor",
            "ImageLocation",
            "PlatformDetails",
            "SourceImageId",
            "SriovNetSupport",
            "UsageOperation",
        ],
    ),
];

#[test]
fn every_document_equals_what_boto3_prints() {
    let moto = Moto::start();
    moto.populate();
    has_all(COVERED, &compare_all(&moto, &moto.endpoint()));
}

#[test]
fn every_document_of_the_simulator_equals_what_boto3_prints() {
    // The simulator fills in fields that the emulator does not have.
    let simulator = Simulator::start(200, &[]);
    has_all(COVERED_BY_SIMULATOR, &compare_all(&Account::at(&simulator.endpoint()), &simulator.endpoint()));
}

fn has_all(required: &[(&str, &[&str])], covered: &BTreeMap<&str, BTreeSet<String>>) {
    let kinds: BTreeSet<&str> = required.iter().map(|(kind, _)| *kind).collect();
    assert_eq!(
        kinds,
        covered.keys().copied().collect(),
        "left: the kinds whose paths are listed, right: the registry's"
    );
    for (kind, required) in required {
        let missing: Vec<_> = required.iter().filter(|path| !covered[kind].contains(**path)).collect();
        assert!(missing.is_empty(), "no {kind} has {missing:?} any more");
    }
}

/// Compares every resource of an account and answers the paths that were filled in, by kind.
fn compare_all(account: &Account, endpoint: &Endpoint) -> BTreeMap<&'static str, BTreeSet<String>> {
    let sandbox = Sandbox::new(endpoint);
    let server = sandbox.serve(&RARELY);
    server.swept();
    let mut client = Client::http(&server.http);
    let mut differences = Vec::new();
    let mut covered = BTreeMap::new();
    for (kind, resources) in boto3(account) {
        assert!(!resources.is_empty(), "no {kind} to compare");
        let mut filled = BTreeSet::new();
        for (id, expected) in &resources {
            let uri = match kind.strip_suffix("-status") {
                Some(whole) => format!("ec2://{whole}/{id}/status"),
                None => format!("ec2://{kind}/{id}"),
            };
            let document = client.read(&uri)["document"].take();
            compare(kind, id, "", expected, &document, &mut differences);
            paths("", expected, &mut filled);
        }
        eprintln!("{kind}: {} resources, {} paths", resources.len(), filled.len());
        covered.insert(kind, filled);
    }
    assert!(differences.is_empty(), "{} differences:\n{}", differences.len(), differences.join("\n"));
    covered
}

/// How boto3 is asked for a kind.
pub(crate) struct Describe {
    /// What boto3 calls the operation, such as `describe_volumes`.
    pub(crate) operation: String,
    /// The member of its answer that lists the resources.
    pub(crate) member: String,
    /// What the parameter is called that takes filters.
    pub(crate) filters: &'static str,
    /// The arguments that the listing takes besides.
    pub(crate) arguments: Value,
}

impl Describe {
    /// As the registry has it: what AWS calls the operation, but for what only some operations have.
    pub(crate) fn of(spec: &KindSpec) -> Describe {
        let action = spec.actions[0].strip_prefix("ec2:Describe").unwrap();
        let (member, arguments) = match spec.slug {
            "instance" => ("Reservations", json!({})),
            "instance-status" => ("InstanceStatuses", json!({"IncludeAllInstances": true})),
            "snapshot" => ("Snapshots", json!({"OwnerIds": ["self"]})),
            "image" => ("Images", json!({"Owners": ["self"]})),
            _ => (action, json!({})),
        };
        let filters = if spec.slug == "nat-gateway" { "Filter" } else { "Filters" };
        let snake = action.chars().flat_map(|letter| {
            let word = letter.is_ascii_uppercase().then_some('_');
            word.into_iter().chain([letter.to_ascii_lowercase()])
        });
        let operation = format!("describe{}", snake.collect::<String>());
        Describe { operation, member: member.to_owned(), filters, arguments }
    }
}

/// Resources and their ids, as they are listed.
pub(crate) type Resources = Vec<(String, Value)>;

/// What boto3 prints of every kind of the registry, by its slug: the resources that a sweep of it is about.
pub(crate) fn boto3(account: &Account) -> BTreeMap<&'static str, Resources> {
    let mut found: BTreeMap<&'static str, Resources> = BTreeMap::new();
    for spec in KINDS {
        let describe = Describe::of(spec);
        let operation = format!("ec2.{}", describe.operation);
        let mut listed = account.every(&operation, &describe.member, &describe.arguments);
        if spec.slug == "instance" {
            listed = listed.into_iter().flat_map(launched).collect();
        }
        if spec.own_only {
            // The emulator ignores the owner, and lists what the account does not have.
            listed.retain(|resource| resource["OwnerId"] == ACCOUNT);
        }
        for (other, path) in spec.also_by_id {
            let own: BTreeSet<String> = listed.iter().map(|resource| id(spec, resource)).collect();
            let referred = found[other].iter().filter_map(|(_, resource)| resource[*path].as_str());
            let foreign: BTreeSet<&str> = referred.filter(|id| !own.contains(*id)).collect();
            if !foreign.is_empty() {
                let by_ids = Map::from_iter([(format!("{}s", spec.id_field), json!(foreign))]);
                listed.extend(account.every(&operation, &describe.member, &Value::Object(by_ids)));
            }
        }
        for resource in listed.iter_mut().filter_map(Value::as_object_mut) {
            // The one kind whose tags AWS calls otherwise; a document has the tags of every kind under `Tags`.
            if let Some(tags) = resource.remove("TagSet") {
                resource.insert("Tags".to_owned(), tags);
            }
        }
        found.insert(spec.slug, listed.into_iter().map(|resource| (id(spec, &resource), resource)).collect());
    }
    found
}

pub(crate) fn id(spec: &KindSpec, resource: &Value) -> String {
    resource[spec.id_field].as_str().unwrap_or_else(|| panic!("no {} in {resource}", spec.id_field)).to_owned()
}

/// The instances of a reservation. The AWS CLI prints them under it; a document carries the reservation's own fields, the groups
/// (EC2-Classic's) only when there are any.
pub(crate) fn launched(mut reservation: Value) -> Vec<Value> {
    let mut instances: Vec<Value> = serde_json::from_value(reservation["Instances"].take()).unwrap();
    let reservation = reservation.as_object_mut().unwrap();
    reservation.remove("Instances");
    if reservation["Groups"] == json!([]) {
        reservation.remove("Groups");
    }
    for instance in &mut instances {
        instance.as_object_mut().unwrap().extend(reservation.clone());
    }
    instances
}

pub(crate) fn compare(
    kind: &str,
    id: &str,
    path: &str,
    expected: &Value,
    actual: &Value,
    differences: &mut Vec<String>,
) {
    if LEFT_OUT.iter().any(|(of, left_out, _)| *of == kind && *left_out == path) {
        return;
    }
    match (expected, actual) {
        (Value::Object(expected), Value::Object(actual)) => {
            let names: BTreeSet<&String> = expected.keys().chain(actual.keys()).collect();
            for name in names {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                let of = |map: &Map<String, Value>| map.get(name).cloned().unwrap_or(Value::Null);
                compare(kind, id, &path, &of(expected), &of(actual), differences);
            }
        }
        (Value::Array(expected), Value::Array(actual)) if expected.len() == actual.len() => {
            // AWS promises no order of elements.
            for (expected, actual) in sorted(expected).iter().zip(sorted(actual).iter()) {
                compare(kind, id, &format!("{path}[]"), expected, actual, differences);
            }
        }
        _ if expected == actual => {}
        _ => differences.push(format!("{kind} {id} {path}: boto3 has {expected}, Muster has {actual}")),
    }
}

fn sorted(list: &[Value]) -> Vec<Value> {
    let mut list: Vec<Value> = list.to_vec();
    list.sort_by_cached_key(canonical);
    list
}

/// Text that orders values alike whatever the order of their fields and elements.
fn canonical(value: &Value) -> String {
    match value {
        Value::Object(map) => {
            let fields: BTreeMap<&String, String> = map.iter().map(|(name, value)| (name, canonical(value))).collect();
            format!("{fields:?}")
        }
        Value::Array(list) => {
            let mut elements: Vec<String> = list.iter().map(canonical).collect();
            elements.sort_unstable();
            format!("{elements:?}")
        }
        other => other.to_string(),
    }
}

/// The paths of all values that are present and not empty.
fn paths(prefix: &str, value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(map) => {
            for (name, value) in map {
                let path = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
                paths(&path, value, found);
            }
        }
        Value::Array(list) => list.iter().for_each(|value| paths(&format!("{prefix}[]"), value, found)),
        Value::Null => {}
        _ => drop(found.insert(prefix.to_owned())),
    }
}
