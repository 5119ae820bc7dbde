"""One AWS account through boto3: a JSON command a line in, a JSON answer a line out.

`{"call": "ec2.describe_vpcs", "arguments": {...}}` answers `{"ok": result}` with times as the AWS CLI prints them, or
`{"error": {"type", "code", "message"}}`. `"every": "Vpcs"` follows pages and answers that member of all of them.
`{"do": "populate"}` makes the varied account that the field tests compare. `{"do": "enforce", "policies": [policies]}` makes a
user for each IAM policy, answers their keys, and has the emulator check permissions from then on. Settings (first argument):
`endpoint`, `region`, and `role`, the ARN of a role that is assumed first.
"""

import datetime
import json
import sys
import urllib.request

import boto3

SETTINGS = json.loads(sys.argv[1])
CLIENTS = {}


def client(service):
    if service not in CLIENTS:
        CLIENTS[service] = connect(service, **KEYS)
    return CLIENTS[service]


def connect(service, **keys):
    return boto3.client(service, endpoint_url=SETTINGS["endpoint"], region_name=SETTINGS["region"], **keys)


def keys():
    own = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing"}
    if "role" not in SETTINGS:
        return own
    assumed = connect("sts", **own).assume_role(RoleArn=SETTINGS["role"], RoleSessionName="boto3")["Credentials"]
    return {
        "aws_access_key_id": assumed["AccessKeyId"],
        "aws_secret_access_key": assumed["SecretAccessKey"],
        "aws_session_token": assumed["SessionToken"],
    }


def printed(value):
    if isinstance(value, datetime.datetime):
        return value.isoformat()
    raise TypeError(f"{type(value)} has no JSON form")


def perform(command):
    if command.get("do") == "populate":
        return populate()
    if command.get("do") == "enforce":
        return enforce(command["policies"])
    service, operation = command["call"].split(".")
    arguments = command.get("arguments", {})
    if member := command.get("every"):
        if not client(service).can_paginate(operation):
            return getattr(client(service), operation)(**arguments)[member]
        pages = client(service).get_paginator(operation).paginate(**arguments)
        return [item for page in pages for item in page[member]]
    answer = getattr(client(service), operation)(**arguments)
    answer.pop("ResponseMetadata", None)
    return answer


def populate():
    """Resources of every kind that between them set as many different fields as the emulator keeps."""
    ec2, iam = client("ec2"), client("iam")
    image = ec2.describe_images(Owners=["amazon"])["Images"][0]["ImageId"]

    vpc = ec2.create_vpc(
        CidrBlock="10.20.0.0/16",
        AmazonProvidedIpv6CidrBlock=True,
        InstanceTenancy="default",
        TagSpecifications=[{"ResourceType": "vpc", "Tags": [{"Key": "Name", "Value": "fields"}]}],
    )["Vpc"]["VpcId"]
    ec2.associate_vpc_cidr_block(VpcId=vpc, CidrBlock="10.21.0.0/16")
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.20.1.0/24")["Subnet"]["SubnetId"]

    front, back = (
        ec2.create_security_group(GroupName=name, Description=f"{name} hosts", VpcId=vpc)["GroupId"]
        for name in ("front", "back")
    )
    ec2.create_tags(Resources=[front], Tags=[{"Key": "team", "Value": "edge"}, {"Key": "Name", "Value": "front"}])
    prefixes = ec2.create_managed_prefix_list(
        PrefixListName="offices",
        AddressFamily="IPv4",
        MaxEntries=5,
        Entries=[{"Cidr": "10.99.0.0/24", "Description": "an office"}],
    )["PrefixList"]["PrefixListId"]
    ec2.authorize_security_group_ingress(
        GroupId=front,
        IpPermissions=[
            {
                "IpProtocol": "tcp",
                "FromPort": 443,
                "ToPort": 443,
                "IpRanges": [{"CidrIp": "0.0.0.0/0", "Description": "everyone"}, {"CidrIp": "10.0.0.0/8"}],
                "Ipv6Ranges": [{"CidrIpv6": "::/0", "Description": "everyone on IPv6"}],
                "PrefixListIds": [{"PrefixListId": prefixes, "Description": "the offices"}],
            },
            {"IpProtocol": "icmp", "FromPort": -1, "ToPort": -1, "IpRanges": [{"CidrIp": "10.0.0.0/8"}]},
        ],
    )
    ec2.authorize_security_group_ingress(
        GroupId=back,
        IpPermissions=[
            {
                "IpProtocol": "tcp",
                "FromPort": 5432,
                "ToPort": 5439,
                "UserIdGroupPairs": [{"GroupId": front, "Description": "the front hosts"}],
            }
        ],
    )

    trust = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}],
    }
    # IAM is one for all regions: another test's account may have made these.
    profile = f"fields-{SETTINGS['region']}"
    iam.create_role(RoleName=profile, AssumeRolePolicyDocument=json.dumps(trust))
    iam.create_instance_profile(InstanceProfileName=profile)
    iam.add_role_to_instance_profile(InstanceProfileName=profile, RoleName=profile)
    ec2.create_key_pair(KeyName="fields")

    def launch(**arguments):
        return ec2.run_instances(ImageId=image, MinCount=1, MaxCount=1, **arguments)["Instances"][0]["InstanceId"]

    rich = launch(
        InstanceType="m5.large",
        KeyName="fields",
        SecurityGroupIds=[front, back],
        SubnetId=subnet,
        IamInstanceProfile={"Name": profile},
        EbsOptimized=True,
        Monitoring={"Enabled": True},
        CpuOptions={"CoreCount": 1, "ThreadsPerCore": 2},
        HibernationOptions={"Configured": True},
        MetadataOptions={
            "HttpTokens": "required",
            "HttpPutResponseHopLimit": 3,
            "HttpEndpoint": "enabled",
            "InstanceMetadataTags": "enabled",
        },
        BlockDeviceMappings=[
            {"DeviceName": "/dev/sda1", "Ebs": {"VolumeSize": 20, "VolumeType": "gp3", "DeleteOnTermination": True}},
            {"DeviceName": "/dev/sdf", "Ebs": {"VolumeSize": 50, "VolumeType": "gp3", "Encrypted": True}},
        ],
        TagSpecifications=[
            {
                "ResourceType": "instance",
                "Tags": [
                    {"Key": "Name", "Value": "rich"},
                    {"Key": "env", "Value": "prod"},
                    {"Key": "note", "Value": "naïve <tag> & \"quotes\""},
                    {"Key": "empty", "Value": ""},
                ],
            }
        ],
        ClientToken="fields-rich",
    )
    plain = launch(InstanceType="t3.micro")
    spot = launch(InstanceType="t3.small", InstanceMarketOptions={"MarketType": "spot"})
    dedicated = launch(
        InstanceType="c5.large", SubnetId=subnet, Placement={"Tenancy": "dedicated", "GroupName": "cluster"}
    )
    interface = ec2.create_network_interface(SubnetId=subnet, Groups=[back], Description="a second interface")
    interface = interface["NetworkInterface"]["NetworkInterfaceId"]
    ec2.attach_network_interface(NetworkInterfaceId=interface, InstanceId=rich, DeviceIndex=1)
    address = ec2.allocate_address(Domain="vpc")["AllocationId"]
    ec2.associate_address(AllocationId=address, InstanceId=rich)
    zone = ec2.describe_subnets(SubnetIds=[subnet])["Subnets"][0]["AvailabilityZone"]
    ec2.modify_subnet_attribute(SubnetId=subnet, MapPublicIpOnLaunch={"Value": True})
    ec2.create_tags(
        Resources=[subnet, interface, address],
        Tags=[{"Key": "Name", "Value": "fields"}, {"Key": "empty", "Value": ""}],
    )
    ipv6 = ec2.describe_vpcs(VpcIds=[vpc])["Vpcs"][0]["Ipv6CidrBlockAssociationSet"][0]["Ipv6CidrBlock"]
    ec2.associate_subnet_cidr_block(SubnetId=subnet, Ipv6CidrBlock=ipv6.replace("/56", "/64"))
    key = "arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"
    volume = ec2.create_volume(
        AvailabilityZone=zone,
        Size=100,
        VolumeType="io2",
        Iops=5000,
        Encrypted=True,
        KmsKeyId=key,
        MultiAttachEnabled=True,
        TagSpecifications=[{"ResourceType": "volume", "Tags": [{"Key": "Name", "Value": "data"}]}],
    )["VolumeId"]
    ec2.attach_volume(VolumeId=volume, InstanceId=rich, Device="/dev/sdg")
    fast = ec2.create_volume(AvailabilityZone=zone, Size=8, VolumeType="gp3", Throughput=250)["VolumeId"]
    snapshot = ec2.create_snapshot(
        VolumeId=fast,
        Description="before the upgrade",
        TagSpecifications=[{"ResourceType": "snapshot", "Tags": [{"Key": "Name", "Value": "nightly"}]}],
    )["SnapshotId"]
    ec2.create_volume(AvailabilityZone=zone, SnapshotId=snapshot)
    ec2.create_snapshot(VolumeId=fast)
    ec2.create_network_interface(
        SubnetId=subnet,
        PrivateIpAddresses=[
            {"Primary": True, "PrivateIpAddress": "10.20.1.40"},
            {"Primary": False, "PrivateIpAddress": "10.20.1.41"},
        ],
        Ipv6AddressCount=1,
    )
    ec2.allocate_address(Domain="vpc")
    stopped = launch(InstanceType="t3.nano")
    ec2.stop_instances(InstanceIds=[stopped])
    terminated = launch(InstanceType="t3.nano")
    ec2.terminate_instances(InstanceIds=[terminated])
    routed(vpc, subnet)
    ec2.create_image(
        InstanceId=rich,
        Name="golden",
        Description="before the upgrade",
        TagSpecifications=[{"ResourceType": "image", "Tags": [{"Key": "Name", "Value": "golden"}]}],
    )
    return {
        "rich": rich,
        "plain": plain,
        "spot": spot,
        "dedicated": dedicated,
        "stopped": stopped,
        "terminated": terminated,
        "vpc": vpc,
        "front": front,
        "back": back,
    }


def routed(vpc, subnet):
    """Gateways, a table and rules of each kind that the VPC's traffic passes."""
    ec2 = client("ec2")

    def tags(kind):
        return [{"ResourceType": kind, "Tags": [{"Key": "Name", "Value": "edge"}, {"Key": "empty", "Value": ""}]}]

    gateway = ec2.create_internet_gateway(TagSpecifications=tags("internet-gateway"))
    gateway = gateway["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
    ec2.create_internet_gateway()
    nat = ec2.create_nat_gateway(
        SubnetId=subnet,
        AllocationId=ec2.allocate_address(Domain="vpc")["AllocationId"],
        TagSpecifications=tags("natgateway"),
    )["NatGateway"]["NatGatewayId"]
    ec2.create_nat_gateway(SubnetId=subnet, ConnectivityType="private")
    table = ec2.create_route_table(VpcId=vpc, TagSpecifications=tags("route-table"))["RouteTable"]["RouteTableId"]
    ec2.create_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0", GatewayId=gateway)
    ec2.create_route(RouteTableId=table, DestinationIpv6CidrBlock="::/0", GatewayId=gateway)
    ec2.create_route(RouteTableId=table, DestinationCidrBlock="192.0.2.0/24", NatGatewayId=nat)
    ec2.associate_route_table(RouteTableId=table, SubnetId=subnet)
    acl = ec2.create_network_acl(VpcId=vpc, TagSpecifications=tags("network-acl"))["NetworkAcl"]["NetworkAclId"]
    entry = {"NetworkAclId": acl, "RuleNumber": 100, "Egress": False}
    web = {"Protocol": "6", "RuleAction": "allow", "CidrBlock": "0.0.0.0/0", "PortRange": {"From": 80, "To": 443}}
    ec2.create_network_acl_entry(**entry, **web)
    ping = {"Protocol": "1", "RuleAction": "deny", "CidrBlock": "10.0.0.0/8", "IcmpTypeCode": {"Type": 8, "Code": -1}}
    ec2.create_network_acl_entry(NetworkAclId=acl, RuleNumber=110, Egress=True, **ping)


def enforce(policies):
    iam, keys = client("iam"), []
    for number, policy in enumerate(policies):
        user = f"user-{number}"
        iam.create_user(UserName=user)
        iam.put_user_policy(UserName=user, PolicyName=user, PolicyDocument=json.dumps(policy))
        made = iam.create_access_key(UserName=user)["AccessKey"]
        keys.append({"key": made["AccessKeyId"], "secret": made["SecretAccessKey"]})
    request = urllib.request.Request(
        f"{SETTINGS['endpoint']}/moto-api/reset-auth", data=b"0", headers={"Content-Type": "text/plain"}
    )
    urllib.request.urlopen(request).read()
    return keys


KEYS = keys()
for line in sys.stdin:
    try:
        reply = {"ok": perform(json.loads(line))}
    except Exception as error:
        detail = getattr(error, "response", {}).get("Error", {})
        reply = {
            "error": {"type": type(error).__name__, "code": detail.get("Code"), "message": detail.get("Message", str(error))}
        }
    print(json.dumps(reply, default=printed), flush=True)
