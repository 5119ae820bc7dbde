"""Makes every call that the simulator has, good ones and wrong ones, and prints what came of each as a line of JSON.

The same program runs against the simulator and against moto, so a line says nothing of what may differ between two accounts:
ids, times, addresses and whatever else is random become placeholders, ids that the program holds become their names in it.

A line is `{"call": "ec2.DescribeVpcs", "step": "one", "outcome": "200"}` with the parsed `answer`, or an outcome like
`400 InvalidVpcID.NotFound`. `stray` lists what botocore's model of the service has no place for in the body: elements and
members it does not know, and values that are not of the type or the enumeration it says. boto3 would drop those silently.

Settings (first argument): `endpoint`, `region`.
"""

import datetime
import json
import re
import sys
import time
import xml.etree.ElementTree as ElementTree

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError
from botocore.parsers import ResponseParserError

SETTINGS = json.loads(sys.argv[1])
CLIENTS = {}
# What boto3 was last answered, as it came: status and body.
RAW = {}
# The program's names for ids.
NAMES = {}

# ---- Normal form

SECRET = {"NextToken", "ReceiptHandle", "SecretAccessKey", "SessionToken", "UserData"}
# Members whose values an emulator makes up.
MADE_UP = {"AccessKeyId", "AssumedRoleId", "SenderId", "UserId"}
PATTERNS = [
    (re.compile(r"\b([a-z]+(?:-[a-z]+)*)-[0-9a-f]{17}\b"), r"<\1>"),
    (re.compile(r"\b[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\b"), "<uuid>"),
    (re.compile(r"\b(?:[0-9a-f]{2}:){5}[0-9a-f]{2}\b"), "<mac>"),
    (re.compile(r"\b\d{1,3}([.-])\d{1,3}\1\d{1,3}\1\d{1,3}\b(?!/)"), "<ip>"),
    (re.compile(r"\b\d{4}-\d\d-\d\dT[\d:.]+Z"), "<time>"),
    (re.compile(r"\b\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?: UTC| GMT)"), "<time>"),
    (re.compile(r"^1[6-9]\d{8}(?:\d{3}|\.\d+)?$"), "<time>"),
]


def normal(value, name=""):
    if isinstance(value, datetime.datetime):
        return "<time>"
    if isinstance(value, dict):
        return {key: normal(inner, key) for key, inner in value.items() if key != "ResponseMetadata"}
    if isinstance(value, list):
        return [normal(inner, name) for inner in value]
    if isinstance(value, bytes):
        return value.hex()
    if not isinstance(value, str):
        return value
    if name in SECRET or name in MADE_UP and not re.fullmatch(r"\d{12}", value):
        return f"<{name}>"
    if value[:1] in "{[":
        try:
            return normal(json.loads(value))
        except ValueError:
            pass
    for known, placeholder in sorted(NAMES.items(), key=lambda pair: -len(pair[0])):
        value = value.replace(known, placeholder)
    value = value.replace(SETTINGS["endpoint"], "<endpoint>").replace(SETTINGS["region"], "<region>")
    for pattern, placeholder in PATTERNS:
        value = pattern.sub(placeholder, value)
    return value


# ---- What botocore's model has no place for


def strays(operation, body):
    output = operation.output_shape
    if output is None or not body:
        return []
    if operation.service_model.metadata["protocol"] == "json":
        return list(json_strays(output, json.loads(body), output.name))
    root = ElementTree.fromstring(body)
    if "resultWrapper" in output.serialization:
        root = next(child for child in root if bare(child) == output.serialization["resultWrapper"])
    return list(xml_strays(output, root, output.name))


def bare(element):
    return element.tag.split("}")[-1]


def xml_strays(shape, element, path):
    if shape.type_name == "structure":
        members = {member.serialization.get("name", name): member for name, member in shape.members.items()}
        for child in element:
            name = bare(child)
            if name in members:
                yield from xml_strays(members[name], child, f"{path}.{name}")
            elif "." in path or name not in ("requestId", "return"):
                yield f"{path}.{name} is not in the model"
        names = [bare(child) for child in element]
        yield from (f"{path}.{name} is there twice" for name in set(names) if names.count(name) > 1)
    elif shape.type_name == "list":
        for child in element:
            if bare(child) != shape.member.serialization.get("name", "member"):
                yield f"{path} holds {bare(child)}"
            yield from xml_strays(shape.member, child, f"{path}[]")
    elif len(element):
        yield f"{path} is {shape.type_name} and holds elements"
    else:
        yield from text_strays(shape, element.text or "", path)


def text_strays(shape, text, path):
    forms = {
        "boolean": r"true|false",
        "integer": r"-?\d+",
        "long": r"-?\d+",
        "timestamp": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z",
    }
    form = forms.get(shape.type_name)
    if form and not re.fullmatch(form, text):
        yield f"{path} is {shape.type_name}, not {text!r}"
    enumeration = getattr(shape, "enum", None)
    if enumeration and text not in enumeration:
        yield f"{path} is one of {enumeration}, not {text!r}"


def json_strays(shape, value, path):
    kinds = {"structure": dict, "map": dict, "list": list, "string": str, "integer": int, "long": int, "boolean": bool}
    kind = kinds.get(shape.type_name, object)
    if not isinstance(value, kind):
        yield f"{path} is {shape.type_name}, not {value!r}"
    elif shape.type_name == "structure":
        for name, inner in value.items():
            if name in shape.members:
                yield from json_strays(shape.members[name], inner, f"{path}.{name}")
            else:
                yield f"{path}.{name} is not in the model"
    elif shape.type_name == "map":
        for name, inner in value.items():
            yield from json_strays(shape.value, inner, f"{path}.{name}")
    elif shape.type_name == "list":
        for inner in value:
            yield from json_strays(shape.member, inner, f"{path}[]")
    elif shape.type_name == "string":
        yield from text_strays(shape, value, path)


# ---- Calls


def client(service, **credentials):
    key = (service, credentials.get("aws_access_key_id"))
    if key not in CLIENTS:
        CLIENTS[key] = boto3.client(
            service,
            endpoint_url=SETTINGS["endpoint"],
            region_name=SETTINGS["region"],
            # Wrong calls must reach the server, and reach it once.
            config=Config(parameter_validation=False, retries={"total_max_attempts": 1}),
            **({"aws_access_key_id": "testing", "aws_secret_access_key": "testing"} | credentials),
        )
        CLIENTS[key].meta.events.register("before-parse", lambda response_dict, **_: RAW.update(response_dict))
    return CLIENTS[key]


def snake(operation):
    return re.sub(r"(?<!^)(?=[A-Z])", "_", operation).lower()


def call(operation, step, credentials=None, quiet=False, **arguments):
    """Makes a call, prints what came of it unless `quiet`, and answers the answer: `{}` for an error."""
    service, name = operation.split(".")
    asked = client(service, **(credentials or {}))
    line = {"call": operation, "step": step}
    try:
        answer = getattr(asked, snake(name))(**arguments)
        line["outcome"] = str(answer["ResponseMetadata"]["HTTPStatusCode"])
        line["answer"] = normal(answer)
        line["stray"] = strays(asked.meta.service_model.operation_model(name), RAW["body"])
    except ClientError as error:
        answer = {}
        status = error.response["ResponseMetadata"]["HTTPStatusCode"]
        line["outcome"] = f"{status} {error.response['Error']['Code']}"
    except ResponseParserError:
        answer = {}
        line["outcome"] = f"{RAW['status_code']} unreadable"
    if not quiet:
        print(json.dumps(line), flush=True)
    return answer


def ec2(operation, step, **arguments):
    return call(f"ec2.{operation}", step, **arguments)


def sqs(operation, step, **arguments):
    return call(f"sqs.{operation}", step, **arguments)


def events(operation, step, **arguments):
    return call(f"events.{operation}", step, **arguments)


def held(placeholder, identity, otherwise="none-00000000000000000"):
    """Names an id for the normal form; an answer that has none leaves the program something to ask for all the same."""
    if identity:
        NAMES[identity] = f"<{placeholder}>"
    return identity or otherwise


def every(answer, *path):
    found = [answer]
    for name in path:
        found = [inner for outer in found for inner in outer.get(name, [])]
    return found


def first(answer, *path):
    found = answer
    for name in path:
        found = found[name] if isinstance(found, dict) and name in found else found[0] if found and name == 0 else None
        if found is None:
            return None
    return found


def tagged(kind, **tags):
    return [{"ResourceType": kind, "Tags": [{"Key": key, "Value": value} for key, value in tags.items()]}]


def tag_filter(value="parity"):
    return [{"Name": "tag:parity", "Values": [value]}]


# ---- EC2


# How each describe names what it wants, and what unknown ids of it look like.
DESCRIBES = {
    "DescribeInstances": ("InstanceIds", "i"),
    "DescribeInstanceStatus": ("InstanceIds", "i"),
    "DescribeVpcs": ("VpcIds", "vpc"),
    "DescribeSubnets": ("SubnetIds", "subnet"),
    "DescribeSecurityGroups": ("GroupIds", "sg"),
    "DescribeNetworkInterfaces": ("NetworkInterfaceIds", "eni"),
    "DescribeVolumes": ("VolumeIds", "vol"),
    "DescribeSnapshots": ("SnapshotIds", "snap"),
    "DescribeAddresses": ("AllocationIds", "eipalloc"),
    "DescribeRouteTables": ("RouteTableIds", "rtb"),
    "DescribeInternetGateways": ("InternetGatewayIds", "igw"),
    "DescribeNatGateways": ("NatGatewayIds", "nat"),
    "DescribeNetworkAcls": ("NetworkAclIds", "acl"),
    "DescribeImages": ("ImageIds", "ami"),
}
UNPAGED = {"DescribeAddresses"}
UNKNOWN = "0123456789abcdef0"


def wrong_describes(known):
    for operation, (ids, prefix) in DESCRIBES.items():
        ec2(operation, "an unknown id", **{ids: [f"{prefix}-{UNKNOWN}"]})
        ec2(operation, "two unknown ids", **{ids: [f"{prefix}-{UNKNOWN}", f"{prefix}-{UNKNOWN[::-1]}"]})
        ec2(operation, "a malformed id", **{ids: [f"{prefix}-nonsense!"]})
        ec2(operation, "an id of another kind", **{ids: ["dopt-0123456789abcdef0"]})
        ec2(operation, "a dry run", DryRun=True)
        ec2(operation, "a dry run with an unknown id", DryRun=True, **{ids: [f"{prefix}-{UNKNOWN}"]})
        # The one describe that calls its filters otherwise.
        name = "Filter" if operation == "DescribeNatGateways" else "Filters"
        ec2(operation, "an unknown filter", **{name: [{"Name": "colour", "Values": ["red"]}]})
        ec2(operation, "a filter that nothing passes", **{name: tag_filter("nothing")})
        many = tag_filter() + [{"Name": "tag:n", "Values": ["x"] * 201}]
        ec2(operation, "a filter of 201 values", **{name: many})
        if operation in UNPAGED:
            continue
        nothing = {name: tag_filter("nothing")}
        ec2(operation, "MaxResults of 4", MaxResults=4, **nothing)
        ec2(operation, "MaxResults of 1001", MaxResults=1001, **nothing)
        ec2(operation, "MaxResults and ids", MaxResults=5, **{ids: [known[operation]]})
        ec2(operation, "an unknown token", NextToken="nonsense", **nothing)


def paging():
    """Pages of 5 by each describe that pages, over seven things each; then the first page's token where it is foreign."""
    for operation, member in [
        ("DescribeInstances", "Reservations"),
        ("DescribeInstanceStatus", "InstanceStatuses"),
        ("DescribeNetworkInterfaces", "NetworkInterfaces"),
        ("DescribeVolumes", "Volumes"),
        ("DescribeSnapshots", "Snapshots"),
    ]:
        # Tags filter only what has tags: a status has the instance's, an AZ and a state are not enough to be ours alone.
        chosen = tag_filter("page") if operation != "DescribeInstanceStatus" else []
        page = ec2(operation, "a first page", quiet=True, Filters=chosen, MaxResults=5)
        items = every(page, member, "Instances") if member == "Reservations" else page.get(member, [])
        token = page.get("NextToken")
        report(f"ec2.{operation}", "pages of 5 of 7 things", {"items": len(items), "more": token is not None})
        following = ec2(operation, "the second page", quiet=True, Filters=chosen, MaxResults=5, NextToken=token or "none")
        items = every(following, member, "Instances") if member == "Reservations" else following.get(member, [])
        if operation != "DescribeInstanceStatus":
            report(f"ec2.{operation}", "the second page", {"items": len(items), "more": "NextToken" in following})
        ec2(operation, "another filter's token", Filters=tag_filter("nothing"), MaxResults=5, NextToken=token or "none")


def report(operation, step, found):
    """Prints what several calls came to between them."""
    line = {"call": operation, "step": step, "outcome": "200", "answer": {f"({step})": found}, "stray": []}
    print(json.dumps(line), flush=True)


def surroundings():
    """The default VPC, its subnet in the first zone, its default group, and an image."""
    zone = [{"Name": "availability-zone", "Values": [SETTINGS["region"] + "a"]}]
    default = [{"Name": "is-default", "Values": ["true"]}]
    vpc = first(ec2("DescribeVpcs", "the default one", Filters=default), "Vpcs", 0, "VpcId")
    held("vpc", vpc)
    mine = [{"Name": "vpc-id", "Values": [vpc]}]
    subnet = first(ec2("DescribeSubnets", "one by zone", Filters=mine + zone), "Subnets", 0, "SubnetId")
    held("subnet", subnet)
    named = [{"Name": "group-name", "Values": ["default"]}]
    group = ec2("DescribeSecurityGroups", "the default one", quiet=True, Filters=mine + named)
    group = held("group", first(group, "SecurityGroups", 0, "GroupId"))
    ec2("DescribeVpcs", "one by id", VpcIds=[vpc])
    ec2("DescribeSubnets", "one by id", SubnetIds=[subnet])
    ec2("DescribeSecurityGroups", "one by id", GroupIds=[group])
    image = first(ec2("DescribeInstances", "any", quiet=True), "Reservations", 0, "Instances", 0, "ImageId")
    if image is None:
        images = [{"Name": "architecture", "Values": ["x86_64"]}, {"Name": "root-device-type", "Values": ["ebs"]}]
        images = client("ec2").describe_images(Owners=["amazon"], Filters=images)["Images"]
        image = next(image["ImageId"] for image in images if image.get("Platform") != "windows")
    NAMES[image] = "<image>"
    return vpc, subnet, group, image


def regions():
    ec2("DescribeRegions", "two by name", RegionNames=["us-east-1", "eu-west-1"])
    ec2("DescribeRegions", "one that is opted in to, of all", RegionNames=["af-south-1"], AllRegions=True)
    ec2("DescribeRegions", "an unknown one", RegionNames=["mars-north-1"])
    ec2("DescribeRegions", "a dry run", DryRun=True)
    without = [{"Name": "opt-in-status", "Values": ["opt-in-not-required"]}]
    found = ec2("DescribeRegions", "by filter", quiet=True, Filters=without)
    report("ec2.DescribeRegions", "by filter", sorted(region["RegionName"] for region in found.get("Regions", [])))


def zones():
    ec2("DescribeAvailabilityZones", "one by name", ZoneNames=[SETTINGS["region"] + "a"])
    ec2("DescribeAvailabilityZones", "a dry run", DryRun=True)


def launch(step, image, count=1, **arguments):
    return ec2("RunInstances", step, ImageId=image, MinCount=count, MaxCount=count, **arguments)


def launches(subnet, group, image):
    tags = tagged("instance", Name="a", parity="parity") + tagged("volume", parity="parity")
    answer = launch(
        "everything named",
        image,
        InstanceType="t3.micro",
        SubnetId=subnet,
        SecurityGroupIds=[group],
        TagSpecifications=tags,
        ClientToken="parity-launch",
        Monitoring={"Enabled": True},
    )
    instance = held("instance", first(answer, "Instances", 0, "InstanceId"))
    once = {"InstanceType": "t3.micro", "ClientToken": "parity-once"}
    before = first(launch("with a token", image, **once), "Instances", 0, "InstanceId")
    after = first(launch("with the same token", image, quiet=True, **once), "Instances", 0, "InstanceId")
    report("ec2.RunInstances", "the same token again", {"same": before == after})
    launch("the same token with another type", image, InstanceType="m5.large", ClientToken="parity-once")
    other = held("other instance", first(launch("nothing but an image", image), "Instances", 0, "InstanceId"))
    ec2("RunInstances", "no image", MinCount=1, MaxCount=1)
    ec2("RunInstances", "an unknown image", ImageId="ami-" + UNKNOWN, MinCount=1, MaxCount=1)
    ec2("RunInstances", "a malformed image", ImageId="nonsense", MinCount=1, MaxCount=1)
    ec2("RunInstances", "no counts", ImageId=image)
    ec2("RunInstances", "more at least than at most", ImageId=image, MinCount=2, MaxCount=1)
    launch("none", image, count=0)
    launch("an unknown type", image, InstanceType="t3.nonsense")
    launch("a type of another architecture", image, InstanceType="m7g.large")
    launch("an unknown subnet", image, SubnetId="subnet-" + UNKNOWN)
    launch("an unknown group", image, SecurityGroupIds=["sg-" + UNKNOWN])
    launch("a malformed group", image, SecurityGroupIds=["nonsense"])
    launch("an unknown zone", image, Placement={"AvailabilityZone": "mars-north-1a"})
    launch("an unknown key pair", image, KeyName="nobody")
    launch("a tag with AWS's prefix", image, TagSpecifications=tagged("instance", **{"aws:x": "y"}))
    launch("tags of a kind it does not make", image, TagSpecifications=tagged("snapshot", a="b"))
    launch("a dry run", image, DryRun=True)
    ec2("RunInstances", "a dry run without an image", MinCount=1, MaxCount=1, DryRun=True)
    return instance, other


def instances(instance, other):
    ec2("DescribeInstances", "one by id", InstanceIds=[instance])
    ec2("DescribeInstances", "the same one twice", InstanceIds=[instance, instance])
    ec2("DescribeInstances", "one that is and one that is not", InstanceIds=[instance, "i-" + UNKNOWN])
    for name, values in [
        ("tag:parity", ["parity"]),
        ("tag:parity", ["par*"]),
        ("tag:parity", ["par?"]),
        ("tag-key", ["parity"]),
        ("instance-state-name", ["running", "pending"]),
        ("instance-state-code", ["16"]),
        ("instance-type", ["t3.micro"]),
        ("image-id", ["ami-" + UNKNOWN]),
        ("availability-zone", [SETTINGS["region"] + "a"]),
        ("network-interface.owner-id", ["123456789012"]),
    ]:
        chosen = tag_filter("par*") + [{"Name": name, "Values": values}]
        found = every(ec2("DescribeInstances", name, quiet=True, Filters=chosen), "Reservations", "Instances")
        report("ec2.DescribeInstances", f"by {name} {normal(values[0])}", [normal(one["InstanceId"]) for one in found])
    status = {"InstanceIds": [instance]}
    ec2("DescribeInstanceStatus", "a running one", **status)
    ec2("DescribeInstanceStatus", "an unknown one among all", InstanceIds=["i-" + UNKNOWN], IncludeAllInstances=True)

    ec2("StartInstances", "a running one", InstanceIds=[instance])
    ec2("RebootInstances", "a running one", InstanceIds=[instance])
    ec2("StopInstances", "a running one", InstanceIds=[instance])
    ec2("DescribeInstances", "a stopped one", InstanceIds=[instance])
    ec2("DescribeInstanceStatus", "a stopped one", **status)
    ec2("DescribeInstanceStatus", "a stopped one, of all", IncludeAllInstances=True, **status)
    ec2("StopInstances", "a stopped one", InstanceIds=[instance])
    ec2("RebootInstances", "a stopped one", InstanceIds=[instance])
    ec2("StopInstances", "whatever a reboot made of it", quiet=True, InstanceIds=[instance])
    ec2("StartInstances", "a stopped one", InstanceIds=[instance])
    ec2("StopInstances", "two, one of them unknown", InstanceIds=[instance, "i-" + UNKNOWN])
    ec2("DescribeInstances", "a started one", InstanceIds=[instance])
    ec2("TerminateInstances", "a running one", InstanceIds=[other])
    ec2("DescribeInstances", "a terminated one", InstanceIds=[other])
    ec2("DescribeInstanceStatus", "a terminated one, of all", InstanceIds=[other], IncludeAllInstances=True)
    ec2("TerminateInstances", "a terminated one", InstanceIds=[other])
    ec2("StartInstances", "a terminated one", InstanceIds=[other])
    ec2("StopInstances", "a terminated one", InstanceIds=[other])
    ec2("RebootInstances", "a terminated one", InstanceIds=[other])
    for operation in ["StartInstances", "StopInstances", "RebootInstances", "TerminateInstances"]:
        ec2(operation, "an unknown id", InstanceIds=["i-" + UNKNOWN])
        ec2(operation, "a malformed id", InstanceIds=["i-nonsense!"])
        ec2(operation, "no ids")
        ec2(operation, "a dry run", InstanceIds=[instance], DryRun=True)
        ec2(operation, "a dry run with an unknown id", InstanceIds=["i-" + UNKNOWN], DryRun=True)
    ec2("DescribeInstances", "untouched by dry runs", InstanceIds=[instance])


def tags(instance, other):
    pairs = [{"Key": "Name", "Value": "b"}, {"Key": "empty", "Value": ""}, {"Key": "naïve <&>", "Value": "\"x\""}]
    ec2("CreateTags", "three", Resources=[instance], Tags=pairs)
    ec2("CreateTags", "on a terminated instance", Resources=[other], Tags=pairs)
    ec2("DeleteTags", "with another value", Resources=[instance], Tags=[{"Key": "Name", "Value": "not this"}])
    ec2("DeleteTags", "one that is not there", Resources=[instance], Tags=[{"Key": "nobody"}])
    ec2("DescribeInstances", "with tags", InstanceIds=[instance])
    ec2("DeleteTags", "by key", Resources=[instance], Tags=[{"Key": "empty"}, {"Key": "Name"}])
    ec2("DescribeInstances", "with fewer tags", InstanceIds=[instance])
    for operation in ["CreateTags", "DeleteTags"]:
        ec2(operation, "an unknown id", Resources=["i-" + UNKNOWN], Tags=pairs)
        ec2(operation, "a malformed id", Resources=["nonsense"], Tags=pairs)
        ec2(operation, "no resources", Tags=pairs)
        ec2(operation, "AWS's prefix", Resources=[instance], Tags=[{"Key": "aws:x", "Value": "y"}])
        ec2(operation, "a dry run", Resources=[instance], Tags=pairs, DryRun=True)
    ec2("CreateTags", "no tags", Resources=[instance])
    ec2("CreateTags", "51", Resources=[instance], Tags=[{"Key": f"k{n}", "Value": ""} for n in range(51)])
    ec2("CreateTags", "a key of 128 characters", Resources=[instance], Tags=[{"Key": "k" * 128, "Value": ""}])
    ec2("CreateTags", "a value of 257 characters", Resources=[instance], Tags=[{"Key": "k", "Value": "v" * 257}])
    ec2("DeleteTags", "the long ones", Resources=[instance], Tags=[{"Key": "k" * 128}, {"Key": "k"}])


def rules(group):
    https = {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443}
    wide = https | {"IpRanges": [{"CidrIp": "0.0.0.0/0", "Description": "everyone"}]}
    wide["Ipv6Ranges"] = [{"CidrIpv6": "::/0"}]
    inner = {"IpProtocol": "udp", "FromPort": 53, "ToPort": 53, "UserIdGroupPairs": [{"GroupId": group}]}
    ping = {"IpProtocol": "icmp", "FromPort": -1, "ToPort": -1, "IpRanges": [{"CidrIp": "10.0.0.0/8"}]}
    for operation in ["AuthorizeSecurityGroupIngress", "RevokeSecurityGroupIngress"]:
        ec2(operation, "an unknown group", GroupId="sg-" + UNKNOWN, IpPermissions=[wide])
        ec2(operation, "a malformed group", GroupId="nonsense", IpPermissions=[wide])
        ec2(operation, "no group", IpPermissions=[wide])
        ec2(operation, "no permissions", GroupId=group)
        ec2(operation, "a dry run", GroupId=group, IpPermissions=[wide], DryRun=True)
    authorize = "AuthorizeSecurityGroupIngress"
    ec2(authorize, "two ranges", GroupId=group, IpPermissions=[wide])
    ec2(authorize, "the same rule again", GroupId=group, IpPermissions=[wide])
    ec2(authorize, "a group and a range", GroupId=group, IpPermissions=[inner, ping])
    ec2(authorize, "flat", GroupId=group, IpProtocol="tcp", FromPort=22, ToPort=22, CidrIp="192.0.2.0/24")
    ec2(authorize, "a range that is none", GroupId=group, IpPermissions=[https | {"IpRanges": [{"CidrIp": "10.0.0.0/99"}]}])
    mine = [{"Name": "group-id", "Values": [group]}]
    found = ec2("DescribeSecurityGroups", "with rules", quiet=True, Filters=mine)["SecurityGroups"][0]["IpPermissions"]
    report("ec2.DescribeSecurityGroups", "added rules", [normal(one) for one in found if one["IpProtocol"] != "-1"])
    revoke = "RevokeSecurityGroupIngress"
    ec2(revoke, "a rule", GroupId=group, IpPermissions=[ping])
    ec2(revoke, "a rule that is not there", GroupId=group, IpPermissions=[ping])
    ec2(revoke, "flat", GroupId=group, IpProtocol="tcp", FromPort=22, ToPort=22, CidrIp="192.0.2.0/24")
    ec2(revoke, "the others", GroupId=group, IpPermissions=[wide, inner])
    ec2("DescribeSecurityGroups", "as it was", GroupIds=[group])
    wrong = {
        "ports the wrong way round": wide | {"FromPort": 444},
        "no source": https,
        "an unknown protocol": wide | {"IpProtocol": "nonsense"},
    }
    for step, permission in wrong.items():
        ec2(authorize, step, GroupId=group, IpPermissions=[permission])


def volumes(image, instance):
    zone = SETTINGS["region"] + "a"
    described = lambda step, volume: ec2("DescribeVolumes", step, VolumeIds=[volume])
    tags = tagged("volume", Name="data", parity="parity")
    answer = ec2("CreateVolume", "gp3", AvailabilityZone=zone, Size=10, VolumeType="gp3", TagSpecifications=tags)
    volume = held("volume", answer.get("VolumeId"))
    described("a new one", volume)
    key = f"arn:aws:kms:{SETTINGS['region']}:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"
    encrypted = {"Encrypted": True, "KmsKeyId": held("key", key)}
    answer = ec2("CreateVolume", "io2", AvailabilityZone=zone, Size=100, VolumeType="io2", Iops=5000, **encrypted)
    fast = held("fast volume", answer.get("VolumeId"))
    ec2("CreateVolume", "no type", AvailabilityZone=zone, Size=1)
    ec2("CreateVolume", "no zone", Size=1)
    ec2("CreateVolume", "an unknown zone", AvailabilityZone="mars-north-1a", Size=1)
    ec2("CreateVolume", "no size", AvailabilityZone=zone)
    ec2("CreateVolume", "too large", AvailabilityZone=zone, Size=10_000_000)
    ec2("CreateVolume", "an unknown type", AvailabilityZone=zone, Size=1, VolumeType="gp9")
    ec2("CreateVolume", "io2 without IOPS", AvailabilityZone=zone, Size=10, VolumeType="io2")
    ec2("CreateVolume", "gp2 with IOPS", AvailabilityZone=zone, Size=10, VolumeType="gp2", Iops=1000)
    ec2("CreateVolume", "an unknown snapshot", AvailabilityZone=zone, SnapshotId="snap-" + UNKNOWN)
    ec2("CreateVolume", "a malformed snapshot", AvailabilityZone=zone, SnapshotId="nonsense")
    ec2("CreateVolume", "a dry run", AvailabilityZone=zone, Size=1, DryRun=True)

    mine = {"VolumeId": volume, "InstanceId": instance}
    ec2("AttachVolume", "a dry run", Device="/dev/sdf", DryRun=True, **mine)
    ec2("DetachVolume", "one that is not attached", VolumeId=volume)
    ec2("AttachVolume", "an available one", Device="/dev/sdf", **mine)
    described("an attached one", volume)
    ec2("DescribeInstances", "with a second disk", InstanceIds=[instance])
    ec2("DeleteVolume", "an attached one", VolumeId=volume)
    ec2("AttachVolume", "an unknown volume", VolumeId="vol-" + UNKNOWN, InstanceId=instance, Device="/dev/sdh")
    ec2("AttachVolume", "a malformed volume", VolumeId="nonsense", InstanceId=instance, Device="/dev/sdh")
    ec2("AttachVolume", "an unknown instance", VolumeId=volume, InstanceId="i-" + UNKNOWN, Device="/dev/sdh")
    ec2("AttachVolume", "no instance", VolumeId=volume, Device="/dev/sdh")
    for name, values in [
        ("tag:parity", ["parity"]),
        ("attachment.instance-id", [instance]),
        ("attachment.device", ["/dev/sdf"]),
        ("status", ["in-use"]),
        ("volume-type", ["gp3"]),
        ("size", ["10"]),
        ("encrypted", ["false"]),
    ]:
        chosen = [{"Name": name, "Values": values}, {"Name": "tag:Name", "Values": ["data"]}]
        found = ec2("DescribeVolumes", name, quiet=True, Filters=chosen).get("Volumes", [])
        report("ec2.DescribeVolumes", f"by {name}", [normal(one["VolumeId"]) for one in found])
    ec2("ModifyVolume", "larger", VolumeId=volume, Size=20)
    ec2("ModifyVolume", "smaller", VolumeId=fast, Size=50)
    ec2("ModifyVolume", "another type", VolumeId=volume, VolumeType="gp2")
    ec2("ModifyVolume", "an unknown id", VolumeId="vol-" + UNKNOWN, Size=20)
    ec2("ModifyVolume", "a dry run", VolumeId=volume, Size=30, DryRun=True)
    described("a modified one", volume)
    ec2("DetachVolume", "a dry run", VolumeId=volume, DryRun=True)
    ec2("DetachVolume", "from another instance", VolumeId=volume, InstanceId="i-" + UNKNOWN)
    ec2("DetachVolume", "an attached one", Device="/dev/sdf", **mine)
    described("a detached one", volume)
    # Another host for what may leave it with disks that nothing detaches.
    host = ec2("RunInstances", "a host", quiet=True, ImageId=image, MinCount=1, MaxCount=1)
    host = {"VolumeId": fast, "InstanceId": held("host", first(host, "Instances", 0, "InstanceId"))}
    ec2("AttachVolume", "no device", **host)
    ec2("AttachVolume", "another", Device="/dev/sdg", **host)
    ec2("AttachVolume", "an attached one", Device="/dev/sdh", **host)
    ec2("DetachVolume", "by nothing but its id", VolumeId=fast)
    ec2("DetachVolume", "an unknown id", VolumeId="vol-" + UNKNOWN)
    ec2("DetachVolume", "a malformed id", VolumeId="nonsense")
    ec2("DetachVolume", "no id")
    gone = ec2("CreateVolume", "to be deleted", AvailabilityZone=zone, Size=1, VolumeType="gp3").get("VolumeId")
    held("deleted volume", gone)
    ec2("DeleteVolume", "a dry run", VolumeId=gone, DryRun=True)
    ec2("DeleteVolume", "an available one", VolumeId=gone)
    ec2("DeleteVolume", "a deleted one", VolumeId=gone)
    ec2("DeleteVolume", "a malformed id", VolumeId="nonsense")
    ec2("DeleteVolume", "no id")
    described("a deleted one", gone)
    return volume


def snapshots(image, volume):
    described = lambda step, snapshot: ec2("DescribeSnapshots", step, SnapshotIds=[snapshot])
    tags = tagged("snapshot", Name="nightly", parity="parity")
    answer = ec2("CreateSnapshot", "with tags", VolumeId=volume, Description="nightly", TagSpecifications=tags)
    snapshot = held("snapshot", answer.get("SnapshotId"))
    described("a new one", snapshot)
    plain = held("plain snapshot", ec2("CreateSnapshot", "plain", VolumeId=volume).get("SnapshotId"))
    ec2("CreateSnapshot", "an unknown id", VolumeId="vol-" + UNKNOWN)
    ec2("CreateSnapshot", "a malformed id", VolumeId="nonsense")
    ec2("CreateSnapshot", "no id")
    ec2("CreateSnapshot", "a dry run", VolumeId=volume, DryRun=True)
    ec2("CreateSnapshot", "tags of another kind", VolumeId=volume, TagSpecifications=tagged("volume", a="b"))
    zone = SETTINGS["region"] + "a"
    ec2("CreateVolume", "of a snapshot", AvailabilityZone=zone, SnapshotId=snapshot, VolumeType="gp3")
    ec2("CreateVolume", "smaller than its snapshot", AvailabilityZone=zone, SnapshotId=snapshot, Size=1)

    disks = tagged("volume", parity="snapshots")
    alone = launch("with a tagged disk", image, InstanceType="t3.micro", TagSpecifications=disks)
    whole = {"InstanceId": held("third instance", first(alone, "Instances", 0, "InstanceId"))}
    answer = ec2(
        "CreateSnapshots",
        "with the volumes' tags",
        InstanceSpecification=whole,
        Description="together",
        CopyTagsFromSource="volume",
        TagSpecifications=tagged("snapshot", batch="1"),
    )
    ec2("CreateSnapshots", "nothing left", InstanceSpecification=whole | {"ExcludeBootVolume": True})
    ec2("CreateSnapshots", "an unknown id", InstanceSpecification={"InstanceId": "i-" + UNKNOWN})
    ec2("CreateSnapshots", "a malformed id", InstanceSpecification={"InstanceId": "nonsense"})
    ec2("CreateSnapshots", "no id", InstanceSpecification={})
    ec2("CreateSnapshots", "a dry run", InstanceSpecification=whole, DryRun=True)
    of_batch = first(answer, "Snapshots", 0, "SnapshotId")
    if of_batch:
        described("one of several", of_batch)
    for name, values in [
        ("tag:parity", ["parity"]),
        ("volume-id", [volume]),
        ("status", ["completed"]),
        ("description", ["nightly"]),
        ("owner-id", ["123456789012"]),
        ("encrypted", ["false"]),
        ("volume-size", ["20"]),
    ]:
        chosen = tag_filter() + [{"Name": name, "Values": values}]
        found = ec2("DescribeSnapshots", name, quiet=True, OwnerIds=["self"], Filters=chosen).get("Snapshots", [])
        report("ec2.DescribeSnapshots", f"by {name}", [normal(one["SnapshotId"]) for one in found])
    owned = ec2("DescribeSnapshots", "its own", quiet=True, OwnerIds=["self"]).get("Snapshots", [])
    report("ec2.DescribeSnapshots", "its own", {"others": any(one["OwnerId"] != "123456789012" for one in owned)})
    ec2("DeleteSnapshot", "a dry run", SnapshotId=plain, DryRun=True)
    ec2("DeleteSnapshot", "one", SnapshotId=plain)
    ec2("DeleteSnapshot", "a deleted one", SnapshotId=plain)
    ec2("DeleteSnapshot", "a malformed id", SnapshotId="nonsense")
    ec2("DeleteSnapshot", "no id")
    described("a deleted one", plain)
    return snapshot


def interfaces(subnet, group, instance):
    tags = tagged("network-interface", Name="second", parity="parity")
    interface = ec2(
        "CreateNetworkInterface",
        "with a group",
        SubnetId=subnet,
        Groups=[group],
        Description="a second interface",
        TagSpecifications=tags,
    )
    interface = held("interface", first(interface, "NetworkInterface", "NetworkInterfaceId"))
    ec2("CreateNetworkInterface", "no subnet")
    ec2("CreateNetworkInterface", "an unknown subnet", SubnetId="subnet-" + UNKNOWN)
    ec2("CreateNetworkInterface", "a malformed subnet", SubnetId="nonsense")
    ec2("CreateNetworkInterface", "an unknown group", SubnetId=subnet, Groups=["sg-" + UNKNOWN])
    ec2("CreateNetworkInterface", "a dry run", SubnetId=subnet, DryRun=True)
    ec2("DescribeNetworkInterfaces", "one by id", NetworkInterfaceIds=[interface])
    attached = [{"Name": "attachment.instance-id", "Values": [instance]}]
    found = ec2("DescribeNetworkInterfaces", "an instance's", Filters=attached)
    primary = first(found, "NetworkInterfaces", 0, "NetworkInterfaceId")
    for name, values in [
        ("tag:parity", ["parity"]),
        ("description", ["a second interface"]),
        ("subnet-id", [subnet]),
        ("group-id", [group]),
        ("status", ["available"]),
    ]:
        chosen = tag_filter() + [{"Name": name, "Values": values}]
        found = ec2("DescribeNetworkInterfaces", name, quiet=True, Filters=chosen).get("NetworkInterfaces", [])
        report("ec2.DescribeNetworkInterfaces", f"by {name}", [normal(one["NetworkInterfaceId"]) for one in found])
    ec2("DeleteNetworkInterface", "an attached one", NetworkInterfaceId=primary)
    return interface


def addresses(subnet, instance, interface):
    tags = tagged("elastic-ip", Name="front", parity="parity")
    answer = ec2("AllocateAddress", "with tags", Domain="vpc", TagSpecifications=tags)
    address, ip = held("address", answer.get("AllocationId")), answer.get("PublicIp")
    ec2("AllocateAddress", "a dry run", Domain="vpc", DryRun=True)
    described = lambda step: ec2("DescribeAddresses", step, AllocationIds=[address])
    described("a free one")
    ec2("DescribeAddresses", "by address", PublicIps=[ip])
    ec2("DescribeAddresses", "by an unknown address", PublicIps=["192.0.2.77"])
    ec2("DescribeAddresses", "by filter", Filters=tag_filter())
    ec2("AssociateAddress", "a dry run", AllocationId=address, InstanceId=instance, DryRun=True)
    answer = ec2("AssociateAddress", "with an instance", AllocationId=address, InstanceId=instance)
    held("association", answer.get("AssociationId"))
    described("one of an instance")
    ec2("DescribeInstances", "with an address", InstanceIds=[instance])
    stays = {"NetworkInterfaceId": interface, "AllowReassociation": False}
    ec2("AssociateAddress", "one in use that is to stay", AllocationId=address, **stays)
    moves = {"NetworkInterfaceId": interface, "AllowReassociation": True}
    moved = ec2("AssociateAddress", "one in use that may move", AllocationId=address, **moves)
    held("second association", moved.get("AssociationId"))
    described("one of an interface")
    ec2("DescribeNetworkInterfaces", "with an address", NetworkInterfaceIds=[interface])
    used = ec2("AllocateAddress", "another", Domain="vpc").get("AllocationId")
    ec2("AssociateAddress", "another", quiet=True, AllocationId=used, InstanceId=instance)
    third = ec2("CreateNetworkInterface", "a third", quiet=True, SubnetId=subnet)
    third = first(third, "NetworkInterface", "NetworkInterfaceId")
    ec2("AssociateAddress", "one in use", AllocationId=used, NetworkInterfaceId=third)
    ec2("ReleaseAddress", "one in use", AllocationId=used)
    ec2("DeleteNetworkInterface", "a dry run", NetworkInterfaceId=interface, DryRun=True)
    ec2("AssociateAddress", "an unknown id", AllocationId="eipalloc-" + UNKNOWN, InstanceId=instance)
    ec2("AssociateAddress", "an unknown instance", AllocationId=address, InstanceId="i-" + UNKNOWN)
    ec2("AssociateAddress", "an unknown interface", AllocationId=address, NetworkInterfaceId="eni-" + UNKNOWN)
    ec2("AssociateAddress", "no address", InstanceId=instance)
    ec2("AssociateAddress", "nothing to associate with", AllocationId=address)
    ec2("DisassociateAddress", "a dry run", AssociationId=moved.get("AssociationId", "none"), DryRun=True)
    ec2("DisassociateAddress", "an association", AssociationId=moved.get("AssociationId", "none"))
    ec2("DisassociateAddress", "an ended one", AssociationId=moved.get("AssociationId", "none"))
    ec2("DisassociateAddress", "no id")
    described("a freed one")
    ec2("ReleaseAddress", "a dry run", AllocationId=address, DryRun=True)
    ec2("ReleaseAddress", "one", AllocationId=address)
    ec2("ReleaseAddress", "a released one", AllocationId=address)
    ec2("ReleaseAddress", "no id")
    described("a released one")
    ec2("DeleteNetworkInterface", "a free one", NetworkInterfaceId=interface)
    ec2("DeleteNetworkInterface", "a deleted one", NetworkInterfaceId=interface)
    ec2("DeleteNetworkInterface", "a malformed id", NetworkInterfaceId="nonsense")
    ec2("DeleteNetworkInterface", "no id")


def crowd(subnet, image):
    """Seven things of each kind that pages, for `paging`."""
    kinds = [kind for name in ["instance", "volume", "network-interface"] for kind in tagged(name, parity="page")]
    # In one reservation, which a page may split.
    made = ec2("RunInstances", "seven", quiet=True, ImageId=image, MinCount=7, MaxCount=7, TagSpecifications=kinds)
    report("ec2.RunInstances", "seven", {"instances": len(made.get("Instances", []))})
    instances = [one["InstanceId"] for one in made["Instances"]]
    disks = [{"Name": "attachment.instance-id", "Values": instances}]
    disks = ec2("DescribeVolumes", "of seven", quiet=True, Filters=disks)["Volumes"]
    report("ec2.DescribeVolumes", "of seven instances", {"volumes": len(disks)})
    for _ in range(7):
        volume = disks[0]["VolumeId"]
        ec2("CreateSnapshot", "one of seven", quiet=True, VolumeId=volume, TagSpecifications=tagged("snapshot", parity="page"))


# ---- STS


def identity():
    sts = lambda operation, step, **arguments: call(f"sts.{operation}", step, **arguments)
    sts("GetCallerIdentity", "of the account")
    role = {"RoleArn": "arn:aws:iam::444455556666:role/path/reader", "RoleSessionName": "parity"}
    answer = sts("AssumeRole", "of another account", **role)
    keys = answer.get("Credentials", {})
    keys = {
        "aws_access_key_id": keys.get("AccessKeyId", "none"),
        "aws_secret_access_key": keys.get("SecretAccessKey", "none"),
        "aws_session_token": keys.get("SessionToken", "none"),
    }
    sts("GetCallerIdentity", "of a role", credentials=keys)
    ec2("DescribeVpcs", "of another account", credentials=keys)
    ec2("DescribeInstances", "of another account", credentials=keys)
    sts("AssumeRole", "no role", RoleSessionName="parity")
    sts("AssumeRole", "no session name", RoleArn=role["RoleArn"])
    sts("AssumeRole", "a role that is none", RoleArn="arn:aws:iam::444455556666:user/reader", RoleSessionName="parity")
    sts("AssumeRole", "a wrong session name", RoleArn=role["RoleArn"], RoleSessionName="not good!")
    sts("AssumeRole", "too short", DurationSeconds=899, **role)
    sts("AssumeRole", "too long", DurationSeconds=43_201, **role)


# ---- SQS


def queues():
    attributes = {"VisibilityTimeout": "20", "ReceiveMessageWaitTimeSeconds": "0", "MessageRetentionPeriod": "3600"}
    made = sqs("CreateQueue", "with attributes", QueueName="parity-a", Attributes=attributes, tags={"team": "edge"})
    queue = made["QueueUrl"]
    sqs("CreateQueue", "the same again", QueueName="parity-a", Attributes=attributes)
    sqs("CreateQueue", "the same with another attribute", QueueName="parity-a", Attributes={"VisibilityTimeout": "21"})
    sqs("CreateQueue", "a wrong name", QueueName="not good!")
    sqs("CreateQueue", "no name")
    sqs("CreateQueue", "an unknown attribute", QueueName="parity-x", Attributes={"Colour": "red"})
    sqs("CreateQueue", "a timeout of 12 hours and a second", QueueName="parity-y", Attributes={"VisibilityTimeout": "43201"})
    dead = sqs("CreateQueue", "a dead-letter queue", QueueName="parity-dead")["QueueUrl"]
    sqs("GetQueueUrl", "a queue", QueueName="parity-a")
    sqs("GetQueueUrl", "an unknown one", QueueName="nobody")
    sqs("ListQueues", "by prefix", QueueNamePrefix="parity-a")
    sqs("ListQueues", "a page", QueueNamePrefix="parity-", MaxResults=1)
    sqs("ListQueues", "none", QueueNamePrefix="nobody")
    sqs("GetQueueAttributes", "all", QueueUrl=queue, AttributeNames=["All"])
    sqs("GetQueueAttributes", "two", QueueUrl=queue, AttributeNames=["QueueArn", "VisibilityTimeout"])
    sqs("GetQueueAttributes", "an unknown one", QueueUrl=queue, AttributeNames=["Colour"])
    sqs("GetQueueAttributes", "none", QueueUrl=queue)
    target = f"arn:aws:sqs:{SETTINGS['region']}:123456789012:parity-dead"
    redrive = json.dumps({"deadLetterTargetArn": target, "maxReceiveCount": 2})
    sqs("SetQueueAttributes", "redrive", QueueUrl=queue, Attributes={"RedrivePolicy": redrive})
    sqs("SetQueueAttributes", "an unknown one", QueueUrl=queue, Attributes={"Colour": "red"})
    sqs("SetQueueAttributes", "a wrong value", QueueUrl=queue, Attributes={"VisibilityTimeout": "soon"})
    sqs("GetQueueAttributes", "redrive", QueueUrl=queue, AttributeNames=["RedrivePolicy"])
    sqs("TagQueue", "two", QueueUrl=queue, Tags={"env": "prod", "empty": ""})
    sqs("ListQueueTags", "three", QueueUrl=queue)
    sqs("UntagQueue", "one", QueueUrl=queue, TagKeys=["team"])
    sqs("ListQueueTags", "two", QueueUrl=queue)
    messages(queue, dead)
    gone = queue.rsplit("/", 1)[0] + "/nobody"
    one = [{"Id": "a", "MessageBody": "x"}]
    for operation, arguments in {
        "SendMessage": {"MessageBody": "x"},
        "SendMessageBatch": {"Entries": one},
        "ReceiveMessage": {},
        "DeleteMessage": {"ReceiptHandle": "x"},
        "DeleteMessageBatch": {"Entries": [{"Id": "a", "ReceiptHandle": "x"}]},
        "ChangeMessageVisibility": {"ReceiptHandle": "x", "VisibilityTimeout": 5},
        "ChangeMessageVisibilityBatch": {"Entries": [{"Id": "a", "ReceiptHandle": "x", "VisibilityTimeout": 5}]},
        "GetQueueAttributes": {"AttributeNames": ["All"]},
        "SetQueueAttributes": {"Attributes": {"VisibilityTimeout": "5"}},
        "ListQueueTags": {},
        "TagQueue": {"Tags": {"a": "b"}},
        "UntagQueue": {"TagKeys": ["a"]},
        "PurgeQueue": {},
        "DeleteQueue": {},
    }.items():
        sqs(operation, "an unknown queue", QueueUrl=gone, **arguments)
        sqs(operation, "no queue", **arguments)
    sqs("PurgeQueue", "a queue", QueueUrl=queue)
    sqs("ReceiveMessage", "after a purge", QueueUrl=queue)
    sqs("PurgeQueue", "again at once", QueueUrl=queue)
    sqs("DeleteQueue", "a queue", QueueUrl=queue)
    sqs("SendMessage", "a deleted queue", QueueUrl=queue, MessageBody="x")
    sqs("CreateQueue", "a deleted one's name", QueueName="parity-a")


def messages(queue, dead):
    text = {"DataType": "String", "StringValue": "blue"}
    attributes = {"colour": text, "size": {"DataType": "Number", "StringValue": "7"}}
    attributes["raw"] = {"DataType": "Binary", "BinaryValue": b"\x00\x01"}
    sqs("SendMessage", "with attributes", QueueUrl=queue, MessageBody="héllo <&>", MessageAttributes=attributes)
    whole = {"AttributeNames": ["All"], "MessageAttributeNames": ["All"]}
    got = sqs("ReceiveMessage", "one with all", QueueUrl=queue, **whole)
    handle = first(got, "Messages", 0, "ReceiptHandle")
    sqs("ReceiveMessage", "one in flight", QueueUrl=queue)
    sqs("GetQueueAttributes", "one in flight", QueueUrl=queue, AttributeNames=["ApproximateNumberOfMessagesNotVisible"])
    sqs("ChangeMessageVisibility", "back at once", QueueUrl=queue, ReceiptHandle=handle, VisibilityTimeout=0)
    again = sqs("ReceiveMessage", "one that came back", QueueUrl=queue, **whole)
    sqs("ChangeMessageVisibility", "too long", QueueUrl=queue, ReceiptHandle=handle, VisibilityTimeout=43_201)
    sqs("ChangeMessageVisibility", "a handle that is none", QueueUrl=queue, ReceiptHandle="x", VisibilityTimeout=1)
    handle = first(again, "Messages", 0, "ReceiptHandle")
    sqs("ChangeMessageVisibility", "back a second time", QueueUrl=queue, ReceiptHandle=handle, VisibilityTimeout=0)
    sqs("ReceiveMessage", "one received too often", QueueUrl=queue)
    got = sqs("ReceiveMessage", "a dead letter", QueueUrl=dead, **whole)
    sqs("DeleteMessage", "one", QueueUrl=dead, ReceiptHandle=first(got, "Messages", 0, "ReceiptHandle"))
    sqs("DeleteMessage", "a handle that is none", QueueUrl=queue, ReceiptHandle="x")
    sqs("SendMessage", "no body", QueueUrl=queue)
    sqs("SendMessage", "16 minutes late", QueueUrl=queue, MessageBody="x", DelaySeconds=960)
    sqs("SendMessage", "an attribute without a type", QueueUrl=queue, MessageBody="x", MessageAttributes={"a": {}})
    sqs("SendMessage", "a MiB and a byte", QueueUrl=queue, MessageBody="x" * (1 << 20) + "x")
    three = [{"Id": str(n), "MessageBody": f"body {n}"} for n in range(3)]
    sqs("SendMessageBatch", "three", QueueUrl=queue, Entries=three)
    sqs("SendMessageBatch", "one too large", QueueUrl=queue, Entries=[{"Id": "a", "MessageBody": "x", "DelaySeconds": 901}])
    wrong = {
        "none": [],
        "eleven": [{"Id": str(n), "MessageBody": "x"} for n in range(11)],
        "an id twice": [three[0], three[0]],
        "a wrong id": [{"Id": "not good!", "MessageBody": "x"}],
    }
    for step, entries in wrong.items():
        sqs("SendMessageBatch", step, QueueUrl=queue, Entries=entries)
        handles = [{"Id": entry["Id"], "ReceiptHandle": "x"} for entry in entries]
        sqs("DeleteMessageBatch", step, QueueUrl=queue, Entries=handles)
        handles = [handle | {"VisibilityTimeout": 5} for handle in handles]
        sqs("ChangeMessageVisibilityBatch", step, QueueUrl=queue, Entries=handles)
    sqs("ReceiveMessage", "none of them", QueueUrl=queue, MaxNumberOfMessages=0)
    sqs("ReceiveMessage", "eleven", QueueUrl=queue, MaxNumberOfMessages=11)
    sqs("ReceiveMessage", "a wait of 21 seconds", QueueUrl=queue, WaitTimeSeconds=21)
    got = sqs("ReceiveMessage", "three", quiet=True, QueueUrl=queue, MaxNumberOfMessages=10, WaitTimeSeconds=1)
    bodies = sorted(message["Body"] for message in got.get("Messages", []))
    report("sqs.ReceiveMessage", "three", bodies)
    handles = [{"Id": str(n), "ReceiptHandle": one["ReceiptHandle"]} for n, one in enumerate(got.get("Messages", []))]
    later = [handle | {"VisibilityTimeout": 30} for handle in handles]
    sqs("ChangeMessageVisibilityBatch", "three", QueueUrl=queue, Entries=later)
    mixed = handles + [{"Id": "wrong", "ReceiptHandle": "x"}]
    sqs("DeleteMessageBatch", "three and a handle that is none", QueueUrl=queue, Entries=mixed)
    sqs("SendMessage", "an empty body", QueueUrl=dead, MessageBody="")
    sqs("SendMessage", "a character XML has not", QueueUrl=dead, MessageBody="\x00")
    started = time.monotonic()
    sqs("ReceiveMessage", "a wait of a second for nothing", QueueUrl=queue, WaitTimeSeconds=1)
    report("sqs.ReceiveMessage", "waits", {"long": time.monotonic() - started >= 0.9})


# ---- EventBridge


def bus():
    queue = sqs("CreateQueue", "for events", QueueName="parity-events")["QueueUrl"]
    arn = f"arn:aws:sqs:{SETTINGS['region']}:123456789012:parity-events"
    policy = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": "events.amazonaws.com"},
                "Action": "sqs:SendMessage",
                "Resource": arn,
            }
        ],
    }
    sqs("SetQueueAttributes", "a policy", QueueUrl=queue, Attributes={"Policy": json.dumps(policy)})
    pattern = json.dumps({"source": ["custom.parity"], "detail": {"size": [{"numeric": [">", 5]}]}})
    tags = [{"Key": "team", "Value": "edge"}]
    rule = events("PutRule", "with a pattern", Name="parity", EventPattern=pattern, Description="ours", Tags=tags)
    events("PutRule", "again", Name="parity", EventPattern=pattern, State="ENABLED", Description="ours")
    events("DescribeRule", "a rule", Name="parity")
    events("DescribeRule", "an unknown one", Name="nobody")
    events("DescribeRule", "no name")
    events("ListRules", "by prefix", NamePrefix="parity")
    events("ListRules", "none", NamePrefix="nobody")
    events("ListRules", "a limit of 0", Limit=0)
    events("ListRules", "an unknown token", NextToken="nonsense")

    events("PutTargets", "a queue", Rule="parity", Targets=[{"Id": "queue", "Arn": arn}])
    events("PutTargets", "an unknown rule", Rule="nobody", Targets=[{"Id": "queue", "Arn": arn}])
    events("ListTargetsByRule", "a rule", Rule="parity")
    events("ListTargetsByRule", "an unknown one", Rule="nobody")
    events("ListTargetsByRule", "no rule")
    events("ListRuleNamesByTarget", "the queue", TargetArn=arn)
    events("ListRuleNamesByTarget", "an unknown target", TargetArn=arn + "-nobody")
    resource = rule.get("RuleArn")
    events("ListTagsForResource", "a rule", ResourceARN=resource)
    events("TagResource", "a rule", ResourceARN=resource, Tags=[{"Key": "env", "Value": "prod"}])
    events("UntagResource", "a rule", ResourceARN=resource, TagKeys=["team"])
    events("ListTagsForResource", "a rule tagged anew", ResourceARN=resource)
    unknown = f"arn:aws:events:{SETTINGS['region']}:123456789012:rule/nobody"
    events("ListTagsForResource", "an unknown rule", ResourceARN=unknown)
    events("TagResource", "an unknown rule", ResourceARN=unknown, Tags=tags)
    events("UntagResource", "an unknown rule", ResourceARN=unknown, TagKeys=["team"])

    event = {"Source": "custom.parity", "DetailType": "Size", "Resources": ["arn:aws:ec2:us-east-1:1:x"]}
    big, small = event | {"Detail": '{"size": 9}'}, event | {"Detail": '{"size": 2}'}
    events("PutEvents", "one that fits and one that does not", Entries=[big, small])
    got = sqs("ReceiveMessage", "an event", quiet=True, QueueUrl=queue, WaitTimeSeconds=2, MaxNumberOfMessages=10)
    delivered = [json.loads(message["Body"]) for message in got.get("Messages", [])]
    report("events.PutEvents", "what is delivered", normal(delivered))
    events("PutEvents", "AWS's source", Entries=[event | {"Source": "aws.ec2", "Detail": "{}"}])
    events("PutEvents", "a detail that is none", Entries=[event | {"Detail": "nonsense"}])
    events("PutEvents", "no detail", Entries=[event])
    events("PutEvents", "no source", Entries=[{"DetailType": "Size", "Detail": "{}"}])
    events("PutEvents", "none", Entries=[])
    events("PutEvents", "eleven", Entries=[big] * 11)
    envelope = {
        "id": "1",
        "detail-type": "Size",
        "source": "custom.parity",
        "account": "123456789012",
        "time": "2026-11-22T12:00:00Z",
        "region": "us-east-1",
        "resources": [],
        "detail": {"size": 9},
    }
    events("TestEventPattern", "one that fits", EventPattern=pattern, Event=json.dumps(envelope))
    other = json.dumps(envelope | {"detail": {"size": 1}})
    events("TestEventPattern", "one that does not", EventPattern=pattern, Event=other)
    events("TestEventPattern", "an event that is none", EventPattern=pattern, Event="nonsense")
    events("TestEventPattern", "a pattern that is none", EventPattern="{", Event=json.dumps(envelope))

    for operation in ["DisableRule", "EnableRule"]:
        events(operation, "a rule", Name="parity")
        events("DescribeRule", f"after {operation}", Name="parity")
        events(operation, "an unknown one", Name="nobody")
    events("DeleteRule", "one with targets", Name="parity")
    events("RemoveTargets", "the queue and one that is not there", Rule="parity", Ids=["queue", "nobody"])
    events("RemoveTargets", "an unknown rule", Rule="nobody", Ids=["queue"])
    events("RemoveTargets", "no ids", Rule="parity")
    events("ListTargetsByRule", "none", Rule="parity")
    events("DeleteRule", "one", Name="parity")
    events("DeleteRule", "a deleted one", Name="parity")
    events("DeleteRule", "no name")

    # These leave things behind where they are not refused.
    events("PutRule", "for wrong targets", quiet=True, Name="parity-y", EventPattern=pattern)
    events("PutTargets", "none", Rule="parity-y", Targets=[])
    events("PutTargets", "no rule", Targets=[{"Id": "queue", "Arn": arn}])
    events("PutTargets", "no ARN", Rule="parity-y", Targets=[{"Id": "queue"}])
    events("PutTargets", "an ARN that is none", Rule="parity-y", Targets=[{"Id": "queue", "Arn": "nonsense"}])
    six = [{"Id": str(n), "Arn": arn} for n in range(6)]
    events("PutTargets", "six", Rule="parity-y", Targets=six)
    events("PutRule", "neither pattern nor schedule", Name="parity-x")
    events("PutRule", "a pattern that is none", Name="parity-x", EventPattern="{nonsense")
    events("PutRule", "an empty pattern", Name="parity-x", EventPattern="{}")
    events("PutRule", "a pattern of a bare value", Name="parity-x", EventPattern='{"source": "x"}')
    events("PutRule", "a wrong name", Name="not good!", EventPattern=pattern)
    events("PutRule", "no name", EventPattern=pattern)
    events("PutRule", "a wrong state", Name="parity-x", EventPattern=pattern, State="MAYBE")
    events("PutRule", "an unknown bus", Name="parity-x", EventPattern=pattern, EventBusName="nobody")


def tables(vpc, subnet):
    """Route tables, gateways and network ACLs of the default VPC, and what leads through them."""
    gateways = [{"Name": "attachment.vpc-id", "Values": [vpc]}]
    theirs = first(ec2("DescribeInternetGateways", "a VPC's", Filters=gateways), "InternetGateways", 0, "InternetGatewayId")
    held("VPC's gateway", theirs)
    tags = tagged("internet-gateway", Name="gate", parity="parity")
    answer = ec2("CreateInternetGateway", "with tags", TagSpecifications=tags)
    gateway = held("gateway", first(answer, "InternetGateway", "InternetGatewayId"))
    ec2("CreateInternetGateway", "a dry run", DryRun=True)
    ec2("DescribeInternetGateways", "one that is not attached", InternetGatewayIds=[gateway])
    ec2("AttachInternetGateway", "where another is", InternetGatewayId=gateway, VpcId=vpc)
    ec2("DetachInternetGateway", "the VPC's", InternetGatewayId=theirs, VpcId=vpc)
    ec2("AttachInternetGateway", "to the VPC", InternetGatewayId=gateway, VpcId=vpc)
    ec2("DescribeInternetGateways", "one that is attached", InternetGatewayIds=[gateway])
    for operation in ["AttachInternetGateway", "DetachInternetGateway"]:
        ec2(operation, "an unknown gateway", InternetGatewayId="igw-" + UNKNOWN, VpcId=vpc)
        ec2(operation, "an unknown VPC", InternetGatewayId=gateway, VpcId="vpc-" + UNKNOWN)
    ec2("DeleteInternetGateway", "an unknown id", InternetGatewayId="igw-" + UNKNOWN)

    address = ec2("AllocateAddress", "for a gateway", quiet=True, Domain="vpc")
    address = held("gateway's address", address.get("AllocationId"))
    tags = tagged("natgateway", Name="nat", parity="parity")
    answer = ec2("CreateNatGateway", "a public one", SubnetId=subnet, AllocationId=address, TagSpecifications=tags)
    nat = held("NAT gateway", first(answer, "NatGateway", "NatGatewayId"))
    ec2("DescribeNatGateways", "a public one", NatGatewayIds=[nat])
    answer = ec2("CreateNatGateway", "a private one", SubnetId=subnet, ConnectivityType="private")
    held("private NAT gateway", first(answer, "NatGateway", "NatGatewayId"))
    ec2("CreateNatGateway", "an unknown subnet", SubnetId="subnet-" + UNKNOWN, AllocationId=address)
    ec2("CreateNatGateway", "no subnet", AllocationId=address)
    ec2("CreateNatGateway", "a dry run", SubnetId=subnet, ConnectivityType="private", DryRun=True)
    for name, values in [("state", ["available"]), ("vpc-id", [vpc]), ("subnet-id", [subnet])]:
        chosen = tag_filter() + [{"Name": name, "Values": values}]
        found = ec2("DescribeNatGateways", name, quiet=True, Filter=chosen).get("NatGateways", [])
        report("ec2.DescribeNatGateways", f"by {name}", [normal(one["NatGatewayId"]) for one in found])

    main = [{"Name": "vpc-id", "Values": [vpc]}, {"Name": "association.main", "Values": ["true"]}]
    held("main table", first(ec2("DescribeRouteTables", "the main one", Filters=main), "RouteTables", 0, "RouteTableId"))
    answer = ec2("CreateRouteTable", "with tags", VpcId=vpc, TagSpecifications=tagged("route-table", parity="parity"))
    table = held("table", first(answer, "RouteTable", "RouteTableId"))
    ec2("CreateRouteTable", "an unknown VPC", VpcId="vpc-" + UNKNOWN)
    ec2("CreateRouteTable", "a dry run", VpcId=vpc, DryRun=True)
    everywhere = {"RouteTableId": table, "DestinationCidrBlock": "0.0.0.0/0"}
    ec2("CreateRoute", "through a gateway", GatewayId=gateway, **everywhere)
    ec2("CreateRoute", "the same again", GatewayId=gateway, **everywhere)
    ec2("CreateRoute", "through NAT", RouteTableId=table, DestinationCidrBlock="192.0.2.0/24", NatGatewayId=nat)
    ec2("CreateRoute", "an unknown table", RouteTableId="rtb-" + UNKNOWN, DestinationCidrBlock="10.9.0.0/16", GatewayId=gateway)
    ec2("AssociateRouteTable", "an unknown table", RouteTableId="rtb-" + UNKNOWN, SubnetId=subnet)
    answer = ec2("AssociateRouteTable", "a subnet", RouteTableId=table, SubnetId=subnet)
    association = held("association", answer.get("AssociationId"), "rtbassoc-" + UNKNOWN)
    ec2("DescribeRouteTables", "with routes", RouteTableIds=[table])
    for name, values in [
        ("route.gateway-id", [gateway]),
        ("route.nat-gateway-id", [nat]),
        ("association.subnet-id", [subnet]),
        ("route.destination-cidr-block", ["192.0.2.0/24"]),
    ]:
        chosen = tag_filter() + [{"Name": name, "Values": values}]
        found = ec2("DescribeRouteTables", name, quiet=True, Filters=chosen).get("RouteTables", [])
        report("ec2.DescribeRouteTables", f"by {name}", [normal(one["RouteTableId"]) for one in found])
    ec2("DeleteRouteTable", "one in use", RouteTableId=table)
    ec2("DeleteRoute", "one", RouteTableId=table, DestinationCidrBlock="192.0.2.0/24")
    ec2("DeleteRoute", "a deleted one", RouteTableId=table, DestinationCidrBlock="192.0.2.0/24")
    ec2("DisassociateRouteTable", "a subnet", AssociationId=association)
    ec2("DisassociateRouteTable", "an unknown one", AssociationId="rtbassoc-" + UNKNOWN)
    spare = first(ec2("CreateRouteTable", "a spare one", quiet=True, VpcId=vpc), "RouteTable", "RouteTableId")
    ec2("DeleteRouteTable", "one", RouteTableId=held("spare table", spare))
    ec2("DeleteRouteTable", "a deleted one", RouteTableId=spare)
    ec2("DeleteNatGateway", "one", NatGatewayId=nat)
    ec2("DeleteNatGateway", "an unknown one", NatGatewayId="nat-" + UNKNOWN)
    ec2("DetachInternetGateway", "one that routes lead to", InternetGatewayId=gateway, VpcId=vpc)
    ec2("DetachInternetGateway", "a detached one", InternetGatewayId=gateway, VpcId=vpc)
    ec2("DeleteInternetGateway", "one", InternetGatewayId=gateway)
    ec2("DescribeRouteTables", "with a blackhole", RouteTableIds=[table])

    default = [{"Name": "vpc-id", "Values": [vpc]}, {"Name": "default", "Values": ["true"]}]
    held("default ACL", first(ec2("DescribeNetworkAcls", "the default one", Filters=default), "NetworkAcls", 0, "NetworkAclId"))
    answer = ec2("CreateNetworkAcl", "with tags", VpcId=vpc, TagSpecifications=tagged("network-acl", parity="parity"))
    acl = held("ACL", first(answer, "NetworkAcl", "NetworkAclId"))
    ec2("CreateNetworkAcl", "an unknown VPC", VpcId="vpc-" + UNKNOWN)
    entry = {"NetworkAclId": acl, "RuleNumber": 100, "Egress": False}
    web = {"Protocol": "6", "RuleAction": "allow", "CidrBlock": "0.0.0.0/0", "PortRange": {"From": 80, "To": 443}}
    ec2("CreateNetworkAclEntry", "TCP", **entry, **web)
    ec2("CreateNetworkAclEntry", "the same again", **entry, **web)
    ping = {"Protocol": "1", "RuleAction": "deny", "CidrBlock": "10.0.0.0/8", "IcmpTypeCode": {"Type": 8, "Code": -1}}
    ec2("CreateNetworkAclEntry", "ICMP", NetworkAclId=acl, RuleNumber=110, Egress=True, **ping)
    ec2("CreateNetworkAclEntry", "an unknown ACL", NetworkAclId="acl-" + UNKNOWN, RuleNumber=1, Egress=True, **web)
    ec2("DescribeNetworkAcls", "with entries", NetworkAclIds=[acl])
    for name, values in [("entry.cidr", ["10.0.0.0/8"]), ("entry.rule-number", ["100"]), ("entry.rule-action", ["deny"])]:
        chosen = tag_filter() + [{"Name": name, "Values": values}]
        found = ec2("DescribeNetworkAcls", name, quiet=True, Filters=chosen).get("NetworkAcls", [])
        report("ec2.DescribeNetworkAcls", f"by {name}", [normal(one["NetworkAclId"]) for one in found])
    ec2("DeleteNetworkAclEntry", "one", **entry)
    ec2("DeleteNetworkAclEntry", "a deleted one", **entry)
    spare = first(ec2("CreateNetworkAcl", "a spare one", quiet=True, VpcId=vpc), "NetworkAcl", "NetworkAclId")
    ec2("DeleteNetworkAcl", "one", NetworkAclId=held("spare ACL", spare))
    ec2("DeleteNetworkAcl", "a deleted one", NetworkAclId=spare)
    return table, theirs, nat, acl


def images(image, instance):
    ec2("DescribeImages", "one by id", ImageIds=[image])
    answer = ec2("CreateImage", "of an instance", InstanceId=instance, Name="parity", Description="golden", NoReboot=True)
    own = held("own image", answer.get("ImageId"))
    ec2("DescribeImages", "an own one", ImageIds=[own])
    ec2("CreateImage", "an unknown instance", InstanceId="i-" + UNKNOWN, Name="nobody")
    ec2("CreateImage", "a dry run", InstanceId=instance, Name="dry", DryRun=True)
    for name, values in [("name", ["parity"]), ("state", ["available"]), ("owner-id", ["123456789012"])]:
        chosen = [{"Name": "name", "Values": ["parity"]}, {"Name": name, "Values": values}]
        found = ec2("DescribeImages", name, quiet=True, Owners=["self"], Filters=chosen).get("Images", [])
        report("ec2.DescribeImages", f"by {name}", [normal(one["ImageId"]) for one in found])
    spare = ec2("CreateImage", "a spare one", quiet=True, InstanceId=instance, Name="spare").get("ImageId")
    ec2("DeregisterImage", "one", ImageId=held("spare image", spare))
    ec2("DescribeImages", "a deregistered one", ImageIds=[spare])
    ec2("DeregisterImage", "a deregistered one", ImageId=spare)
    ec2("DeregisterImage", "an unknown one", ImageId="ami-" + UNKNOWN)
    return own


def everything():
    vpc, subnet, group, image = surroundings()
    regions()
    zones()
    instance, other = launches(subnet, group, image)
    instances(instance, other)
    tags(instance, other)
    rules(group)
    volume = volumes(image, instance)
    snapshot = snapshots(image, volume)
    interface = interfaces(subnet, group, instance)
    addresses(subnet, instance, interface)
    table, gateway, nat, acl = tables(vpc, subnet)
    own = images(image, instance)
    crowd(subnet, image)
    paging()
    wrong_describes(
        {
            "DescribeInstances": instance,
            "DescribeInstanceStatus": instance,
            "DescribeVpcs": vpc,
            "DescribeSubnets": subnet,
            "DescribeSecurityGroups": group,
            "DescribeNetworkInterfaces": interface,
            "DescribeVolumes": volume,
            "DescribeSnapshots": snapshot,
            "DescribeRouteTables": table,
            "DescribeInternetGateways": gateway,
            "DescribeNatGateways": nat,
            "DescribeNetworkAcls": acl,
            "DescribeImages": own,
        }
    )
    identity()
    queues()
    bus()


everything()
