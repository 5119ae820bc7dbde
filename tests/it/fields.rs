//! Every document holds what boto3 prints for the same resource of the same account, field by field.

use std::collections::{BTreeMap, BTreeSet};

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
    for (kind, uri, resources) in boto3(account) {
        assert!(!resources.is_empty(), "no {kind} to compare");
        let mut filled = BTreeSet::new();
        for (id, expected) in &resources {
            let document = client.read(&uri.replace("{id}", id))["document"].take();
            compare(kind, id, "", expected, &document, &mut differences);
            paths("", expected, &mut filled);
        }
        eprintln!("{kind}: {} resources, {} paths", resources.len(), filled.len());
        covered.insert(kind, filled);
    }
    assert!(differences.is_empty(), "{} differences:\n{}", differences.len(), differences.join("\n"));
    covered
}

/// Resources by id.
pub(crate) type Resources = Vec<(String, Value)>;

/// What boto3 prints: kind, the URI of one, and all of them by id.
pub(crate) fn boto3(account: &Account) -> [(&'static str, &'static str, Resources); 9] {
    let mut instances = Vec::new();
    for mut reservation in account.every("ec2.describe_instances", "Reservations", &json!({})) {
        let launched: Vec<Value> = serde_json::from_value(reservation["Instances"].take()).unwrap();
        let reservation = reservation.as_object_mut().unwrap();
        reservation.remove("Instances");
        // The AWS CLI prints instances under their reservation; a document carries the reservation's own fields, the
        // groups (EC2-Classic's) only when there are any.
        if reservation["Groups"] == json!([]) {
            reservation.remove("Groups");
        }
        for mut instance in launched {
            instance.as_object_mut().unwrap().extend(reservation.clone());
            instances.push(instance);
        }
    }
    let statuses =
        account.every("ec2.describe_instance_status", "InstanceStatuses", &json!({"IncludeAllInstances": true}));
    let vpcs = account.every("ec2.describe_vpcs", "Vpcs", &json!({}));
    let groups = account.every("ec2.describe_security_groups", "SecurityGroups", &json!({}));
    let subnets = account.every("ec2.describe_subnets", "Subnets", &json!({}));
    let mut interfaces = account.every("ec2.describe_network_interfaces", "NetworkInterfaces", &json!({}));
    for interface in &mut interfaces {
        // The one kind whose tags AWS calls otherwise; a document has the tags of every kind under `Tags`.
        let interface = interface.as_object_mut().unwrap();
        if let Some(tags) = interface.remove("TagSet") {
            interface.insert("Tags".to_owned(), tags);
        }
    }
    let addresses = account.call("ec2.describe_addresses", &json!({}))["Addresses"].take();
    let addresses = serde_json::from_value(addresses).unwrap();
    let volumes = account.every("ec2.describe_volumes", "Volumes", &json!({}));
    // The emulator ignores the owner, and lists what the account does not have.
    let mut snapshots = account.every("ec2.describe_snapshots", "Snapshots", &json!({"OwnerIds": ["self"]}));
    snapshots.retain(|snapshot| snapshot["OwnerId"] == ACCOUNT);
    let by = |field: &str, resources: Vec<Value>| {
        resources.into_iter().map(|resource| (resource[field].as_str().unwrap().to_owned(), resource)).collect()
    };
    [
        ("instance", "ec2://instance/{id}", by("InstanceId", instances)),
        ("instance-status", "ec2://instance/{id}/status", by("InstanceId", statuses)),
        ("vpc", "ec2://vpc/{id}", by("VpcId", vpcs)),
        ("subnet", "ec2://subnet/{id}", by("SubnetId", subnets)),
        ("security-group", "ec2://security-group/{id}", by("GroupId", groups)),
        ("network-interface", "ec2://network-interface/{id}", by("NetworkInterfaceId", interfaces)),
        ("address", "ec2://address/{id}", by("AllocationId", addresses)),
        ("volume", "ec2://volume/{id}", by("VolumeId", volumes)),
        ("snapshot", "ec2://snapshot/{id}", by("SnapshotId", snapshots)),
    ]
}

fn compare(kind: &str, id: &str, path: &str, expected: &Value, actual: &Value, differences: &mut Vec<String>) {
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
