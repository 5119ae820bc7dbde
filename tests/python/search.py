"""Searches of an EC2 account, with what they find: generated from a seed, evaluated over what boto3 describes.

A JSON text a line out: `{"kind", "filters", "ids"}`, and with `sort` the ids in that order. Filters are looked up in the
descriptions by the table below, one path a filter, and evaluated by brute force. Settings (first argument): `endpoint`, `region`,
`account`, `seed`, `number`.
"""

import fnmatch
import json
import random
import re
import sys
from datetime import datetime, timedelta, timezone

import ec2
from ec2 import tags

SETTINGS = json.loads(sys.argv[1])
RANDOM = random.Random(SETTINGS["seed"])
EC2 = ec2.client(SETTINGS)

# By kind: the operation, its list, the id, and the path of each filter. A path's steps go through lists.
KINDS = {
    "instance": (
        ("describe_instances", "Reservations", {}),
        "InstanceId",
        {
            "instance-id": "InstanceId",
            "instance-state-name": "State.Name",
            "instance-type": "InstanceType",
            "vpc-id": "VpcId",
            "subnet-id": "SubnetId",
            "availability-zone": "Placement.AvailabilityZone",
            "private-ip-address": "PrivateIpAddress",
            "ip-address": "PublicIpAddress",
            "image-id": "ImageId",
            "key-name": "KeyName",
            "architecture": "Architecture",
            "instance.group-id": "SecurityGroups.GroupId",
            "instance.group-name": "SecurityGroups.GroupName",
            "block-device-mapping.volume-id": "BlockDeviceMappings.Ebs.VolumeId",
            "network-interface.network-interface-id": "NetworkInterfaces.NetworkInterfaceId",
            "launch-time": "LaunchTime",
        },
    ),
    "volume": (
        ("describe_volumes", "Volumes", {}),
        "VolumeId",
        {
            "volume-id": "VolumeId",
            "status": "State",
            "volume-type": "VolumeType",
            "size": "Size",
            "availability-zone": "AvailabilityZone",
            "encrypted": "Encrypted",
            "snapshot-id": "SnapshotId",
            "attachment.instance-id": "Attachments.InstanceId",
            "attachment.device": "Attachments.Device",
            "create-time": "CreateTime",
        },
    ),
    "snapshot": (
        ("describe_snapshots", "Snapshots", {"OwnerIds": ["self"]}),
        "SnapshotId",
        {
            "snapshot-id": "SnapshotId",
            "status": "State",
            "volume-id": "VolumeId",
            "volume-size": "VolumeSize",
            "description": "Description",
            "start-time": "StartTime",
        },
    ),
    "network-interface": (
        ("describe_network_interfaces", "NetworkInterfaces", {}),
        "NetworkInterfaceId",
        {
            "network-interface-id": "NetworkInterfaceId",
            "status": "Status",
            "vpc-id": "VpcId",
            "subnet-id": "SubnetId",
            "availability-zone": "AvailabilityZone",
            "mac-address": "MacAddress",
            "group-id": "Groups.GroupId",
            "private-ip-address": "PrivateIpAddress",
            "addresses.private-ip-address": "PrivateIpAddresses.PrivateIpAddress",
            "attachment.instance-id": "Attachment.InstanceId",
        },
    ),
    "security-group": (
        ("describe_security_groups", "SecurityGroups", {}),
        "GroupId",
        {
            "group-id": "GroupId",
            "group-name": "GroupName",
            "vpc-id": "VpcId",
            "description": "Description",
            "ip-permission.from-port": "IpPermissions.FromPort",
            "ip-permission.to-port": "IpPermissions.ToPort",
            "ip-permission.protocol": "IpPermissions.IpProtocol",
            "ip-permission.cidr": "IpPermissions.IpRanges.CidrIp",
        },
    ),
    "subnet": (
        ("describe_subnets", "Subnets", {}),
        "SubnetId",
        {
            "subnet-id": "SubnetId",
            "vpc-id": "VpcId",
            "availability-zone": "AvailabilityZone",
            "cidr-block": "CidrBlock",
            "available-ip-address-count": "AvailableIpAddressCount",
        },
    ),
    "address": (
        ("describe_addresses", "Addresses", {}),
        "AllocationId",
        {
            "allocation-id": "AllocationId",
            "public-ip": "PublicIp",
            "instance-id": "InstanceId",
            "association-id": "AssociationId",
            "network-interface-id": "NetworkInterfaceId",
        },
    ),
}


def described(operation, member, arguments):
    items = ec2.described(EC2, operation, member, **arguments)
    if member == "Reservations":
        return [instance for item in items for instance in item["Instances"]]
    return items


def reached(value, steps):
    """The values at a path, through lists; absent ones are none, and so are empty ones, as the snapshot of a new volume."""
    if isinstance(value, list):
        return [found for item in value for found in reached(item, steps)]
    if not steps:
        return [] if value in (None, "") else [value]
    return reached(value[steps[0]], steps[1:]) if steps[0] in value else []


def values(kind, item, name):
    if name.startswith("tag:"):
        held = tags(item)
        return [held[name[4:]]] if name[4:] in held else []
    if name == "tag-key":
        return list(tags(item))
    return reached(item, KINDS[kind][2][name].split("."))


def text(value):
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%dT%H:%M:%S.") + f"{value.microsecond // 1000:03d}Z"
    return str(value)


def matches(value, wanted):
    """Whether one value is what one filter value asks for."""
    bound = re.match(r"(>=|<=|>|<)(.+)", wanted)
    if bound and not isinstance(value, (str, bool)):
        against = bound[2]
        limit = datetime.fromisoformat(against) if isinstance(value, datetime) else float(against)
        return {">": value > limit, ">=": value >= limit, "<": value < limit, "<=": value <= limit}[bound[1]]
    # `[` is a plain character to AWS.
    return fnmatch.fnmatchcase(text(value), wanted.replace("[", "[[]"))


def finds(kind, item, filters):
    for name, wanted in filters.items():
        held = values(kind, item, name)
        bounds = [value for value in wanted if value[:1] in ("<", ">")]
        if bounds:
            # Several bounds are a range, in which one value has to be.
            found = any(all(matches(value, bound) for bound in bounds) for value in held)
        else:
            found = any(
                not held if value == "@absent" else bool(held) if value == "@present" else any(matches(one, value) for one in held)
                for value in wanted
            )
        if not found:
            return False
    return True


ITEMS = {kind: described(*where) for kind, (where, _, _) in KINDS.items()}


def some_value(kind, name):
    held = [value for item in RANDOM.sample(ITEMS[kind], min(20, len(ITEMS[kind]))) for value in values(kind, item, name)]
    if not held:
        return "@absent"
    value = RANDOM.choice(held)
    shape = RANDOM.random()
    if isinstance(value, datetime):
        if shape < 0.2:
            return RANDOM.choice(["@absent", "@present"])
        at = value + timedelta(seconds=RANDOM.choice([-1, 0, 1, 86400]))
        return RANDOM.choice([">", ">=", "<", "<="]) + at.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    if isinstance(value, int) and not isinstance(value, bool) and shape < 0.4 and name in ("size", "volume-size", "available-ip-address-count"):
        return RANDOM.choice([">", ">=", "<", "<="]) + str(value + RANDOM.choice([-1, 0, 1]))
    value = text(value)
    if shape < 0.5 or not value:
        return value
    if shape < 0.6:
        return RANDOM.choice(["@absent", "@present"])
    if shape < 0.8:
        cut = RANDOM.randrange(len(value))
        return value[:cut] + "*"
    if shape < 0.9:
        cut = RANDOM.randrange(len(value))
        return value[:cut] + "?" + value[cut + 1 :]
    return "*" + value[RANDOM.randrange(len(value)) :]


def some_filters(kind):
    names = list(KINDS[kind][2])
    keys = sorted({key for item in ITEMS[kind] for key in tags(item)})
    names += [f"tag:{key}" for key in keys] + (["tag-key"] if keys else [])
    filters = {}
    for name in RANDOM.sample(names, RANDOM.choice([1, 1, 1, 2, 2, 3])):
        wanted = [some_value(kind, name) for _ in range(RANDOM.choice([1, 1, 1, 2, 3]))]
        if any(value[:1] in ("<", ">") for value in wanted):
            wanted = [value for value in wanted if value[:1] in ("<", ">")]
        filters[name] = sorted(set(wanted))
    return filters


for _ in range(SETTINGS["number"]):
    kind = RANDOM.choice([kind for kind in KINDS if ITEMS[kind]])
    filters = some_filters(kind)
    found = [item[KINDS[kind][1]] for item in ITEMS[kind] if finds(kind, item, filters)]
    print(json.dumps({"kind": kind, "filters": filters, "ids": sorted(found)}), flush=True)
