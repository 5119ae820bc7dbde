"""Makes Muster's tables of EC2's wire names (src/ec2_api/wire/) of botocore's model of EC2, and writes them to a directory.

Settings: the directory. The botocore that this Python has is read: the tests run it with the one that is pinned in
tests/requirements-moto.txt, and so does `UPDATE_WIRE=1 cargo test --test it -- wire_names::`.

A table is about one action: the parameters of its requests (`?`), the fields of its answers (`!`), and those of every structure
in them (`=`). The line of a field has the name of a field, its name on the wire, its type (in brackets if it is a list of such), and the
bounds of a number if the model has any. Last come the filters that AWS documents (`~`), with `tag:` for those by the value of a tag,
and with their other names.
The names of fields are those of boto3 and of the AWS CLI, as documents have them, but for
one: network interfaces have their tags under `Tags`, as everything else has.

Besides, actions.txt has the names of all actions of EC2, and reads.txt those that only read and show no secrets (user data,
passwords, keys, consoles, and whatever else the model calls sensitive), each with its parameters by their wire names. Actions that
AWS's table of permissions does not know are not among them, nor those that write something elsewhere. Of an action that reads one
attribute, some of which are secrets, the parameter Attribute has the values after it that are none.
"""

import gzip
import html
import json
import pathlib
import re
import sys

import botocore

VERSION = "2016-11-15"
# Every kind that is held, and what is known besides.
ACTIONS = """
DescribeAddresses DescribeAvailabilityZones DescribeImages DescribeInstanceStatus DescribeInstances DescribeInternetGateways
DescribeNatGateways DescribeNetworkAcls DescribeNetworkInterfaces DescribeRegions DescribeRouteTables DescribeSecurityGroups
DescribeSnapshots DescribeSubnets DescribeTags DescribeVolumes DescribeVpcs
""".split()
READS = ("Describe", "Get", "List", "Search")
# Members of answers that show secrets, beside those that the model calls sensitive.
SECRETS = {"ImageData", "LaunchTemplateData", "Output", "PasswordData", "PreSharedKey", "TokenValue", "UefiData", "UserData"}
# What AWS calls a read, and what puts a file into a bucket all the same.
WRITES = {"GetFlowLogsIntegrationTemplate"}
# Actions that read one attribute, with the attributes that are secrets.
ATTRIBUTES = {"DescribeInstanceAttribute": {"userData"}, "DescribeImageAttribute": {"uefiData"}}
# What AWS's table of permissions does not know (yet), so that nobody says that it only reads.
UNKNOWN = set("""
DescribeCapacityReservationDateChangeQuotes DescribeMetricCategories DescribeNetworkingFlexCostAllocationPolicies
DescribeNetworkingFlexCostAllocationPolicyAssociations DescribeTransitGatewayNetworkFunctionAttachments
GetCapacityManagerSupportabilityScores GetClientVpnEndpointAuthorizationPolicy GetImageFindings
GetNetworkingFlexCostAllocationPolicyVersions GetTransitGatewayAttachmentNatConfiguration
""".split())
IN_DOCUMENTS = {("NetworkInterface", "TagSet"): "Tags"}


def model():
    path = pathlib.Path(botocore.__file__).parent / "data" / "ec2" / VERSION / "service-2.json.gz"
    return json.loads(gzip.decompress(path.read_bytes()))


def in_requests(member, name):
    """The wire name of a parameter, by the rules of the protocol `ec2`."""
    written = member.get("locationName", name)
    return member.get("queryName", written[:1].upper() + written[1:])


def in_answers(member, name):
    return member.get("locationName", name)


class Table:
    def __init__(self, shapes):
        self.shapes, self.seen, self.lines = shapes, set(), []

    def type(self, name):
        """The type of a shape in a line, and the name of the structure in it."""
        shape = self.shapes[name]
        if shape["type"] == "list":
            element, structure = self.type(shape["member"]["shape"])
            if element.startswith("[") or shape.get("flattened"):
                raise SystemExit(f"{name}: a list of lists, or a flattened one, has no place in a table")
            return f"[{element}]", structure
        if shape["type"] == "structure":
            return name, name
        if shape["type"] not in ("boolean", "integer", "long", "string", "timestamp"):
            raise SystemExit(f"{name}: the type {shape['type']} has no place in a table")
        bounds = "".join(f" {shape['min']}..{shape['max']}" for _ in [0] if shape["type"] == "integer" and "max" in shape)
        return shape["type"] + bounds, None

    def fields(self, head, name, wire_name):
        self.lines.append(head)
        structures = []
        rows = []
        for field, member in self.shapes[name]["members"].items():
            kind, structure = self.type(member["shape"])
            shown = IN_DOCUMENTS.get((name, field), field)
            rows.append(f"{shown} {wire_name(member, field)} {kind}")
            structures += [structure] if structure else []
        self.lines += sorted(rows, key=lambda row: row.split()[0])
        return sorted(set(structures))

    def structures(self, names):
        for name in names:
            if name not in self.seen:
                self.seen.add(name)
                self.items(name)
                self.structures(self.fields(f"= {name}", name, in_answers))

    def items(self, name):
        """Every list of an answer has its elements in `item`."""
        for field, member in self.shapes[name]["members"].items():
            shape = self.shapes[member["shape"]]
            if shape["type"] == "list" and shape["member"].get("locationName") != "item":
                raise SystemExit(f"{name}.{field}: its elements are not called item")


# Other names of filters that AWS takes and does not document any more, but clients still use: Terraform's data source aws_vpc and
# Ansible's ec2_instance and ec2_vpc_net do.
FORMER = {"DescribeVpcs": {"cidr": ["cidr-block", "cidrBlock"], "is-default": ["isDefault"]}}


def documented(action, text):
    """The names of the filters that a documentation lists, each with its other names: the first of each point that is no point of
    another."""
    depth, filters = 0, {}
    for mark, name, rest in re.findall(r"<(ul|/ul|li)>(?: *<p> *<code>([^<]+)</code>)?((?:(?!</?ul>|<li>).)*)", text):
        depth += {"ul": 1, "/ul": -1, "li": 0}[mark]
        if mark == "li" and depth == 1:
            name = "tag:" if name == "tag" or name.startswith("tag:") else html.unescape(name)
            also = re.findall(r"You can also use ([^.]*) as the filter name", rest)
            former = FORMER.get(action, {}).get(name, [])
            filters[name] = [name] + re.findall(r"<code>([^<]+)</code>", "".join(also)) + former
    return [" ".join(names) for _, names in sorted(filters.items())]


def table(service, action):
    operation = service["operations"][action]
    made = Table(service["shapes"])
    asked = made.fields(f"? {action}", operation["input"]["shape"], in_requests)
    if asked not in ([], ["Filter"]):
        raise SystemExit(f"{action}: only filters are structures in requests, not {asked}")
    answer = operation["output"]["shape"]
    made.items(answer)
    made.structures(made.fields(f"! {action}", answer, in_answers))
    (filters,) = [member for name, member in made.shapes[operation["input"]["shape"]]["members"].items() if "Filter" in name]
    return made.lines + [f"~ {action}"] + documented(action, filters["documentation"])


def shows_secrets(shapes, name, seen):
    if name in seen:
        return False
    seen.add(name)
    shape = shapes[name]
    members = shape.get("members", {})
    inner = [member["shape"] for member in members.values()] + ([shape["member"]["shape"]] if "member" in shape else [])
    is_one = shape.get("sensitive", False) or not SECRETS.isdisjoint(members)
    return is_one or any(shows_secrets(shapes, each, seen) for each in inner)


def harmless(service):
    """The actions that only read and show no secrets."""
    for action, operation in sorted(service["operations"].items()):
        answer = operation.get("output", {}).get("shape")
        if action.startswith(READS) and action not in UNKNOWN | WRITES and answer:
            if action in ATTRIBUTES or not shows_secrets(service["shapes"], answer, set()):
                yield " ".join([action, *parameters(service["shapes"], operation["input"]["shape"], ATTRIBUTES.get(action))])


def parameters(shapes, name, secrets):
    """The wire names of parameters; the one that names an attribute has those that are no secrets after it."""
    for field, member in sorted(shapes[name]["members"].items(), key=lambda each: in_requests(each[1], each[0])):
        values = ""
        if secrets and field == "Attribute":
            values = "=" + "|".join(value for value in shapes[member["shape"]]["enum"] if value not in secrets)
        yield in_requests(member, field) + values


def main():
    directory = pathlib.Path(sys.argv[1])
    service = model()
    made_of = [f"# Made of botocore {botocore.__version__} by tests/python/wire_names.py."]
    for action in ACTIONS:
        (directory / f"{action}.txt").write_text("\n".join(made_of + table(service, action)) + "\n")
    (directory / "reads.txt").write_text("\n".join(made_of + list(harmless(service))) + "\n")
    (directory / "actions.txt").write_text("\n".join(made_of + sorted(service["operations"])) + "\n")


main()
