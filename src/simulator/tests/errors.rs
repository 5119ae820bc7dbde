//! EC2's errors, word for word.

use crate::simulator::ami;
use crate::simulator::ec2;
use crate::simulator::ident::Kind;
use crate::simulator::tests::{Aws, text};
use crate::simulator::{Error, Options};

#[test]
fn ids_that_are_unknown_or_no_ids_get_ec2s_errors() {
    let aws = Aws::with(50);
    let (one, two) = ("i-0123456789abcdef0", "i-0123456789abcdef1");
    for action in [
        "DescribeInstances",
        "DescribeInstanceStatus",
        "StartInstances",
        "StopInstances",
        "RebootInstances",
        "TerminateInstances",
    ] {
        assert_eq!(
            aws.refused(action, &[("InstanceId.1", one)]),
            (400, "InvalidInstanceID.NotFound".to_owned(), format!("The instance ID '{one}' does not exist"))
        );
        let (_, _, message) = aws.refused(action, &[("InstanceId.1", one), ("InstanceId.2", two)]);
        assert_eq!(message, format!("The instance IDs '{one}, {two}' do not exist"));
        let (_, code, message) = aws.refused(action, &[("InstanceId.1", "i-foo")]);
        assert_eq!((code.as_str(), message.as_str()), ("InvalidInstanceID.Malformed", "Invalid id: \"i-foo\""));
    }
    let (_, code, message) = aws.refused("DescribeVpcs", &[("VpcId.1", "vpc-0123456789abcdef0")]);
    assert_eq!(
        (code.as_str(), message.as_str()),
        ("InvalidVpcID.NotFound", "The vpc ID 'vpc-0123456789abcdef0' does not exist")
    );
    assert_eq!(aws.refused("DescribeVpcs", &[("VpcId.1", "net")]).1, "InvalidVpcID.Malformed");
    let (_, code, message) = aws.refused("DescribeSecurityGroups", &[("GroupId.1", "sg-0123456789abcdef0")]);
    assert_eq!(code, "InvalidGroup.NotFound");
    assert_eq!(message, "The security group 'sg-0123456789abcdef0' does not exist");
    assert_eq!(aws.refused("DescribeSecurityGroups", &[("GroupName.1", "nobody")]).1, "InvalidGroup.NotFound");
}

#[test]
fn wrong_requests_get_ec2s_errors() {
    let aws = Aws::with(150);
    let id = aws.first("running");
    assert_eq!(aws.refused("DescribeInstances", &[("MaxResults", "4")]).1, "InvalidParameterValue");
    assert_eq!(aws.refused("DescribeVpcs", &[("MaxResults", "1001")]).1, "InvalidParameterValue");
    let both = [("MaxResults", "5"), ("InstanceId.1", id.as_str())];
    assert_eq!(aws.refused("DescribeInstances", &both).1, "InvalidParameterCombination");
    assert_eq!(aws.refused("DescribeInstanceStatus", &both).1, "InvalidParameterCombination");
    assert_eq!(aws.refused("StartInstances", &[]).1, "InvalidParameterCombination");
    assert_eq!(aws.refused("StartInstances", &[("InstanceIds.1", &id)]).1, "UnknownParameter");
    assert_eq!(aws.refused("DescribeInstances", &[("DryRun", "perhaps")]).1, "InvalidParameterValue");
    let (_, code, message) = aws.refused("LaunchRocket", &[]);
    assert_eq!(code, "InvalidAction");
    assert_eq!(message, "The action LaunchRocket is not valid for this web service.");
    let ids = aws.0.home().instance_ids();
    let named: Vec<(String, &str)> =
        (1..).map(|n| format!("InstanceId.{n}")).zip(ids.iter().map(String::as_str)).collect();
    let named: Vec<(&str, &str)> = named.iter().map(|(name, id)| (name.as_str(), *id)).collect();
    assert!(aws.ask("DescribeInstanceStatus", &named[..100]).is_ok());
    assert_eq!(aws.refused("DescribeInstanceStatus", &named[..101]).1, "InvalidParameterValue");
}

#[test]
fn every_action_knows_the_dry_run() {
    let aws = Aws::with(20);
    let id = aws.first("running");
    let group = aws.0.home().security_group_ids().remove(0);
    let idents = aws.0.home().plan().idents;
    let image = idents.text(Kind::Image, 1);
    let (volume, interface, subnet) =
        (idents.text(Kind::Volume, 4), idents.text(Kind::Interface, 4), idents.text(Kind::Subnet, 0));
    let snapshot = idents.text(Kind::Snapshot, 4);
    let (vpc, table, gateway) =
        (idents.text(Kind::Vpc, 1), idents.text(Kind::RouteTable, 4), idents.text(Kind::InternetGateway, 1));
    let (nat, acl, own) =
        (idents.text(Kind::NatGateway, 2), idents.text(Kind::NetworkAcl, 3), idents.text(Kind::Image, ami::OWN));
    let (zone_subnet, table_association) = (idents.text(Kind::Subnet, 3), idents.text(Kind::RouteTableAssociation, 5));
    let allocation = aws.0.home().allocate_address();
    aws.0.home().associate_address(&allocation, &id).unwrap();
    let bound = aws.get("DescribeAddresses", &[("AllocationId.1", &allocation)]);
    let association = text(&bound, "associationId");
    for action in ec2::names() {
        let parameters: &[(&str, &str)] = match action {
            "StartInstances" | "StopInstances" | "RebootInstances" | "TerminateInstances" => &[("InstanceId.1", &id)],
            "CreateSnapshots" => &[("InstanceSpecification.InstanceId", &id)],
            "CreateTags" => &[("ResourceId.1", &id), ("Tag.1.Key", "a"), ("Tag.1.Value", "b")],
            "DeleteTags" => &[("ResourceId.1", &id)],
            "AuthorizeSecurityGroupIngress" | "RevokeSecurityGroupIngress" => &[
                ("GroupId", &group),
                ("IpProtocol", "tcp"),
                ("FromPort", "1"),
                ("ToPort", "2"),
                ("CidrIp", "0.0.0.0/0"),
            ],
            "RunInstances" => &[("ImageId", &image), ("MinCount", "1"), ("MaxCount", "1")],
            "AssociateAddress" => &[("AllocationId", &allocation), ("InstanceId", &id)],
            "AttachVolume" => &[("VolumeId", &volume), ("InstanceId", &id), ("Device", "/dev/sdh")],
            "CreateNetworkInterface" => &[("SubnetId", &subnet)],
            "CreateSnapshot" | "DeleteVolume" | "DetachVolume" | "ModifyVolume" => &[("VolumeId", &volume)],
            "CreateVolume" => &[("AvailabilityZone", "us-east-1a"), ("Size", "8")],
            "DeleteNetworkInterface" => &[("NetworkInterfaceId", &interface)],
            "DeleteSnapshot" => &[("SnapshotId", &snapshot)],
            "DisassociateAddress" => &[("AssociationId", &association)],
            "AssociateRouteTable" => &[("RouteTableId", &table), ("SubnetId", &zone_subnet)],
            "AttachInternetGateway" | "DetachInternetGateway" => &[("InternetGatewayId", &gateway), ("VpcId", &vpc)],
            "CreateImage" => &[("InstanceId", &id), ("Name", "mine")],
            "CreateNatGateway" => &[("SubnetId", &subnet), ("ConnectivityType", "private")],
            "CreateNetworkAcl" | "CreateRouteTable" => &[("VpcId", &vpc)],
            "CreateNetworkAclEntry" => &[
                ("NetworkAclId", &acl),
                ("RuleNumber", "1"),
                ("Protocol", "-1"),
                ("RuleAction", "deny"),
                ("CidrBlock", "10.0.0.0/8"),
            ],
            "CreateRoute" => {
                &[("RouteTableId", &table), ("DestinationCidrBlock", "10.0.0.0/8"), ("GatewayId", &gateway)]
            }
            "DeleteRoute" => &[("RouteTableId", &table), ("DestinationCidrBlock", "10.0.0.0/8")],
            "DeleteInternetGateway" => &[("InternetGatewayId", &gateway)],
            "DeleteNatGateway" => &[("NatGatewayId", &nat)],
            "DeleteNetworkAcl" => &[("NetworkAclId", &acl)],
            "DeleteNetworkAclEntry" => &[("NetworkAclId", &acl), ("RuleNumber", "100")],
            "DeleteRouteTable" => &[("RouteTableId", &table)],
            "DeregisterImage" => &[("ImageId", &own)],
            "DisassociateRouteTable" => &[("AssociationId", &table_association)],
            "ReleaseAddress" => &[("AllocationId", &allocation)],
            _ => &[],
        };
        let parameters: Vec<_> = parameters.iter().copied().chain([("DryRun", "true")]).collect();
        assert_eq!(
            aws.refused(action, &parameters),
            (412, "DryRunOperation".to_owned(), "Request would have succeeded, but DryRun flag is set.".to_owned()),
            "{action}"
        );
    }
    assert_eq!(aws.0.home().state(&id), Some("running"));
    assert!(aws.0.home().snapshots().is_empty());
}

#[test]
fn options_that_make_no_sense_are_refused() {
    let wrong = |change: fn(&mut Options)| {
        let mut options = Options::default();
        change(&mut options);
        options.check().unwrap_err()
    };
    assert!(matches!(wrong(|o| o.instances = 1_000_001), Error::TooManyInstances { .. }));
    assert!(matches!(wrong(|o| o.account = "me".to_owned()), Error::Account { .. }));
    assert!(matches!(wrong(|o| o.stopped_percent = 99), Error::Shares { .. }));
    assert!(matches!(wrong(|o| o.churn_per_second = f64::NAN), Error::Churn { .. }));
    let said = wrong(|o| o.churn_per_second = 1e300).to_string();
    assert!(said.ends_with("give a number from 0 to 100000"), "{said}");
}
