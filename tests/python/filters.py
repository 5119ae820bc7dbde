"""Asks an EC2 endpoint by filters: a JSON question a line in, a JSON answer a line out.

`{"kind": "volume", "filters": [{"Name": "status", "Values": ["in-use"]}]}` answers `{"ids": [...]}`, in order, or
`{"error": "400 InvalidParameterValue"}`. `{"documented": true}` answers the filters that botocore's model of EC2 documents, by
kind. Settings (first argument): `endpoint`, `region`, `account` (whose snapshots count: an emulator ignores the owner).
"""

import json
import re
import sys

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

SETTINGS = json.loads(sys.argv[1])
# Kind: operation, member of the answer, id, other arguments.
KINDS = {
    "instance": ("DescribeInstances", "Reservations", "InstanceId", {}),
    "instance-status": ("DescribeInstanceStatus", "InstanceStatuses", "InstanceId", {"IncludeAllInstances": True}),
    "vpc": ("DescribeVpcs", "Vpcs", "VpcId", {}),
    "subnet": ("DescribeSubnets", "Subnets", "SubnetId", {}),
    "security-group": ("DescribeSecurityGroups", "SecurityGroups", "GroupId", {}),
    "network-interface": ("DescribeNetworkInterfaces", "NetworkInterfaces", "NetworkInterfaceId", {}),
    "address": ("DescribeAddresses", "Addresses", "AllocationId", {}),
    "volume": ("DescribeVolumes", "Volumes", "VolumeId", {}),
    "snapshot": ("DescribeSnapshots", "Snapshots", "SnapshotId", {"OwnerIds": ["self"]}),
    "route-table": ("DescribeRouteTables", "RouteTables", "RouteTableId", {}),
    "internet-gateway": ("DescribeInternetGateways", "InternetGateways", "InternetGatewayId", {}),
    "nat-gateway": ("DescribeNatGateways", "NatGateways", "NatGatewayId", {}),
    "network-acl": ("DescribeNetworkAcls", "NetworkAcls", "NetworkAclId", {}),
    "image": ("DescribeImages", "Images", "ImageId", {"Owners": ["self"]}),
}
EC2 = boto3.client(
    "ec2",
    endpoint_url=SETTINGS["endpoint"],
    region_name=SETTINGS["region"],
    aws_access_key_id="testing",
    aws_secret_access_key="testing",
    config=Config(retries={"total_max_attempts": 1}),
)


def snake(operation):
    return re.sub(r"(?<!^)(?=[A-Z])", "_", operation).lower()


def parameter(kind):
    """What the kind's describe calls its filters."""
    return "Filter" if kind == "nat-gateway" else "Filters"


def ask(kind, filters):
    operation, member, name, arguments = KINDS[kind]
    items = getattr(EC2, snake(operation))(**{parameter(kind): filters}, **arguments)[member]
    if kind == "instance":
        items = [instance for reservation in items for instance in reservation["Instances"]]
    if kind == "snapshot":
        items = [item for item in items if item["OwnerId"] == SETTINGS["account"]]
    return sorted(item[name] for item in items)


def documented():
    model = EC2.meta.service_model
    found = {}
    for kind, (operation, *_) in KINDS.items():
        text = model.operation_model(operation).input_shape.members[parameter(kind)].documentation
        found[kind] = re.findall(r"<code>([a-z0-9.:<>-]+?)</code> (?:-|–|—)", text)
    return found


for line in sys.stdin:
    question = json.loads(line)
    try:
        reply = documented() if "documented" in question else {"ids": ask(question["kind"], question["filters"])}
    except ClientError as error:
        status = error.response["ResponseMetadata"]["HTTPStatusCode"]
        reply = {"error": f"{status} {error.response['Error']['Code']}"}
    except (BotoCoreError, ResponseParserError) as error:
        reply = {"error": type(error).__name__}
    print(json.dumps(reply), flush=True)
