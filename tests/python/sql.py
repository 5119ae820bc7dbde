"""Answers SQL over an EC2 endpoint: it describes the account with boto3, puts it into Python's sqlite3, and answers statements.

The tables are those of `query_inventory`, made from AWS's answers alone. A JSON question a line in, `{"sql": "SELECT .."}`, a
JSON answer a line out: `{"rows": [[..]]}` or `{"error": ".."}`. The first line out says how many rows each table has. Settings
(first argument): `endpoint`, `region`, `account`.
"""

import json
import re
import sqlite3
import sys

import ec2
from ec2 import tags

SETTINGS = json.loads(sys.argv[1])
ACCOUNT, REGION = SETTINGS["account"], SETTINGS["region"]
EC2 = ec2.client(SETTINGS)


def described(operation, member, **arguments):
    return ec2.described(EC2, operation, member, **arguments)


def when(value):
    if value is None:
        return None
    text = value.strftime("%Y-%m-%d %H:%M:%S")
    return text if value.microsecond == 0 else f"{text}.{value.microsecond // 1000:03d}"


def flag(value):
    return None if value is None else int(value)


def several(values):
    values = [value for value in values if value]
    return json.dumps(list(dict.fromkeys(values))) if values else None


def name(item, other=None):
    return tags(item).get("Name") or other


INSTANCES = [instance for group in described("describe_instances", "Reservations") for instance in group["Instances"]]
VOLUMES = described("describe_volumes", "Volumes")
VPCS = described("describe_vpcs", "Vpcs")
SUBNETS = described("describe_subnets", "Subnets")
GROUPS = described("describe_security_groups", "SecurityGroups")
INTERFACES = described("describe_network_interfaces", "NetworkInterfaces")
ADDRESSES = described("describe_addresses", "Addresses")
ROUTES = described("describe_route_tables", "RouteTables")
SNAPSHOTS = [item for item in described("describe_snapshots", "Snapshots", OwnerIds=["self"]) if item["OwnerId"] == ACCOUNT]
GATEWAYS = described("describe_internet_gateways", "InternetGateways")
NATS = described("describe_nat_gateways", "NatGateways")
ACLS = described("describe_network_acls", "NetworkAcls")
STATUSES = described("describe_instance_status", "InstanceStatuses", IncludeAllInstances=True)
# Those that the account owns, and those that its instances use.
IMAGES = described("describe_images", "Images", Owners=["self"])
OWNED = {image["ImageId"] for image in IMAGES}
USED = sorted({instance["ImageId"] for instance in INSTANCES} - OWNED)
IMAGES += described("describe_images", "Images", Filters=[{"Name": "image-id", "Values": USED}]) if USED else []
TAGGED = [
    ("instance", "InstanceId", INSTANCES),
    ("volume", "VolumeId", VOLUMES),
    ("vpc", "VpcId", VPCS),
    ("subnet", "SubnetId", SUBNETS),
    ("security-group", "GroupId", GROUPS),
    ("network-interface", "NetworkInterfaceId", INTERFACES),
    ("address", "AllocationId", ADDRESSES),
    ("route-table", "RouteTableId", ROUTES),
    ("snapshot", "SnapshotId", SNAPSHOTS),
    ("internet-gateway", "InternetGatewayId", GATEWAYS),
    ("nat-gateway", "NatGatewayId", NATS),
    ("network-acl", "NetworkAclId", ACLS),
    ("image", "ImageId", IMAGES),
]

# Each table: columns with their types, and rows.
TABLES = {}


def table(title, columns, rows):
    TABLES[title] = (columns, [list(row) for row in rows])


table(
    "instance",
    "id TEXT, name TEXT, account TEXT, region TEXT, state TEXT, instance_id TEXT, instance_type TEXT, vpc_id TEXT, subnet_id TEXT,"
    " private_ip_address TEXT, ip_address TEXT, image_id TEXT, launch_time TEXT COLLATE utc, architecture TEXT,"
    " availability_zone TEXT, instance_group_id TEXT, tags TEXT",
    (
        (
            it["InstanceId"], name(it), ACCOUNT, REGION, it["State"]["Name"], it["InstanceId"], it["InstanceType"],
            it.get("VpcId"), it.get("SubnetId"), it.get("PrivateIpAddress"), it.get("PublicIpAddress"), it["ImageId"],
            when(it["LaunchTime"]), it.get("Architecture"), it["Placement"]["AvailabilityZone"],
            several(group["GroupId"] for group in it.get("SecurityGroups", [])), json.dumps(tags(it)),
        )
        for it in INSTANCES
    ),
)
table(
    "volume",
    "id TEXT, name TEXT, account TEXT, region TEXT, state TEXT, volume_id TEXT, volume_type TEXT, size INTEGER, encrypted INTEGER,"
    " create_time TEXT COLLATE utc, availability_zone TEXT, snapshot_id TEXT, tags TEXT",
    (
        (
            it["VolumeId"], name(it), ACCOUNT, REGION, it["State"], it["VolumeId"], it["VolumeType"], it["Size"],
            flag(it.get("Encrypted")), when(it["CreateTime"]), it["AvailabilityZone"], it.get("SnapshotId") or None,
            json.dumps(tags(it)),
        )
        for it in VOLUMES
    ),
)
table(
    "vpc",
    "id TEXT, name TEXT, account TEXT, region TEXT, state TEXT, vpc_id TEXT, cidr TEXT, is_default INTEGER, tags TEXT",
    (
        (
            it["VpcId"], name(it), ACCOUNT, REGION, it["State"], it["VpcId"], it["CidrBlock"], flag(it["IsDefault"]),
            json.dumps(tags(it)),
        )
        for it in VPCS
    ),
)
table(
    "subnet",
    "id TEXT, name TEXT, account TEXT, region TEXT, state TEXT, subnet_id TEXT, vpc_id TEXT, cidr_block TEXT,"
    " available_ip_address_count INTEGER, availability_zone TEXT, default_for_az INTEGER, tags TEXT",
    (
        (
            it["SubnetId"], name(it), ACCOUNT, REGION, it["State"], it["SubnetId"], it["VpcId"], it["CidrBlock"],
            it["AvailableIpAddressCount"], it["AvailabilityZone"], flag(it["DefaultForAz"]), json.dumps(tags(it)),
        )
        for it in SUBNETS
    ),
)
table(
    "security_group",
    "id TEXT, name TEXT, account TEXT, region TEXT, group_id TEXT, group_name TEXT, vpc_id TEXT, description TEXT, tags TEXT",
    (
        (
            it["GroupId"], name(it, it["GroupName"]), ACCOUNT, REGION, it["GroupId"], it["GroupName"], it["VpcId"],
            it["Description"], json.dumps(tags(it)),
        )
        for it in GROUPS
    ),
)
table(
    "tag",
    "kind TEXT COLLATE kind, id TEXT, account TEXT, region TEXT, key TEXT, value TEXT",
    (
        (kind, it[field], ACCOUNT, REGION, key, value)
        for kind, field, items in TAGGED
        for it in items
        for key, value in tags(it).items()
    ),
)
table(
    "instance_volume",
    "instance_id TEXT, volume_id TEXT, account TEXT, region TEXT, device TEXT, attachment_state TEXT,"
    " attach_time TEXT COLLATE utc, delete_on_termination INTEGER",
    (
        (
            at["InstanceId"], it["VolumeId"], ACCOUNT, REGION, at["Device"], at["State"], when(at.get("AttachTime")),
            flag(at.get("DeleteOnTermination")),
        )
        for it in VOLUMES
        for at in it["Attachments"]
    ),
)
table(
    "instance_security_group",
    "instance_id TEXT, group_id TEXT, account TEXT, region TEXT",
    (
        (it["InstanceId"], group["GroupId"], ACCOUNT, REGION)
        for it in INSTANCES
        for group in it.get("SecurityGroups", [])
    ),
)
CHECKS = ["SystemStatus", "InstanceStatus", "AttachedEbsStatus"]


def results(it):
    return [it.get(check, {}).get("Status") for check in CHECKS]


def verdict(it):
    order = ["impaired", "insufficient-data", "initializing", "ok", "not-applicable"]
    found = [result for result in results(it) if result]
    return min(found, key=order.index) if found else "unknown"


table(
    "instance_health",
    "instance_id TEXT, account TEXT, region TEXT, state TEXT, verdict TEXT, system_status TEXT, instance_status TEXT,"
    " attached_ebs_status TEXT",
    ((it["InstanceId"], ACCOUNT, REGION, it["InstanceState"]["Name"], verdict(it), *results(it)) for it in STATUSES),
)


def rules():
    sources = [
        ("IpRanges", "CidrIp", 0), ("Ipv6Ranges", "CidrIpv6", 1), ("PrefixListIds", "PrefixListId", 2),
        ("UserIdGroupPairs", "GroupId", 3),
    ]
    for it in GROUPS:
        for member, egress in (("IpPermissions", 0), ("IpPermissionsEgress", 1)):
            for rule in it[member]:
                every = rule["IpProtocol"] == "-1"
                first, last = (0, 65535) if every else (rule.get("FromPort"), rule.get("ToPort"))
                for listed, field, place in sources:
                    for source in rule.get(listed, []):
                        opened = [None] * 4
                        opened[place] = source[field]
                        yield (
                            it["GroupId"], ACCOUNT, REGION, it["GroupName"], it["VpcId"], egress, rule["IpProtocol"], first,
                            last, *opened, source.get("Description"),
                        )


table(
    "security_group_rule",
    "group_id TEXT, account TEXT, region TEXT, group_name TEXT, vpc_id TEXT, is_egress INTEGER, protocol TEXT, from_port INTEGER,"
    " to_port INTEGER, cidr_ipv4 TEXT, cidr_ipv6 TEXT, prefix_list_id TEXT, referenced_group_id TEXT, description TEXT",
    rules(),
)
table(
    "network_interface_address",
    "network_interface_id TEXT, account TEXT, region TEXT, instance_id TEXT, vpc_id TEXT, subnet_id TEXT, address TEXT,"
    " is_primary INTEGER, public_ip TEXT",
    (
        (
            it["NetworkInterfaceId"], ACCOUNT, REGION, it.get("Attachment", {}).get("InstanceId"), it["VpcId"], it["SubnetId"],
            address["PrivateIpAddress"], flag(address["Primary"]), address.get("Association", {}).get("PublicIp"),
        )
        for it in INTERFACES
        for address in it["PrivateIpAddresses"]
    ),
)
TABLES["network_interface_address"][1].extend(
    [
        it["NetworkInterfaceId"], ACCOUNT, REGION, it.get("Attachment", {}).get("InstanceId"), it["VpcId"], it["SubnetId"],
        address["Ipv6Address"], flag(address.get("IsPrimaryIpv6")), None,
    ]
    for it in INTERFACES
    for address in it.get("Ipv6Addresses", [])
)
TARGETS = [
    "GatewayId", "NatGatewayId", "InstanceId", "NetworkInterfaceId", "TransitGatewayId", "VpcPeeringConnectionId",
    "EgressOnlyInternetGatewayId", "LocalGatewayId", "CarrierGatewayId", "CoreNetworkArn",
]
DESTINATIONS = ["DestinationCidrBlock", "DestinationIpv6CidrBlock", "DestinationPrefixListId"]


def first(item, fields):
    return next((item[field] for field in fields if item.get(field)), None)


table(
    "route",
    "route_table_id TEXT, account TEXT, region TEXT, vpc_id TEXT, destination TEXT, target TEXT, state TEXT, origin TEXT",
    (
        (
            it["RouteTableId"], ACCOUNT, REGION, it["VpcId"], first(route, DESTINATIONS), first(route, TARGETS),
            route.get("State"), route.get("Origin"),
        )
        for it in ROUTES
        for route in it["Routes"]
    ),
)


def same_form(text):
    text = re.sub(r"^(\d{4}-\d\d-\d\d)T", r"\1 ", text)
    return re.sub(r"(?:\.000)?(?:Z|\+00:00)$", "", text)


def ordered(form):
    def compare(one, other):
        one, other = form(one), form(other)
        return (one > other) - (one < other)

    return compare


DATABASE = sqlite3.connect(":memory:")
DATABASE.create_collation("utc", ordered(same_form))
DATABASE.create_collation("kind", ordered(lambda text: text.replace("_", "-")))
for title, (columns, rows) in TABLES.items():
    DATABASE.execute(f"CREATE TABLE {title}({columns})")
    marks = ", ".join("?" * (columns.count(",") + 1))
    DATABASE.executemany(f"INSERT INTO {title} VALUES ({marks})", rows)
print(json.dumps({title: len(rows) for title, (_, rows) in TABLES.items()}), flush=True)
for line in sys.stdin:
    try:
        reply = {"rows": DATABASE.execute(json.loads(line)["sql"]).fetchall()}
    except sqlite3.Error as error:
        reply = {"error": str(error)}
    print(json.dumps(reply), flush=True)
