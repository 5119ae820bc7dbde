//! Route tables, gateways, network ACLs and machine images.

use crate::simulator::tests::{Aws, text, texts};

/// Each Describe action, the prefix of its ids, the parameter for one id, and the code for an id that does not exist.
const DESCRIBES: [(&str, &str, &str, &str); 5] = [
    ("DescribeRouteTables", "rtb-", "RouteTableId.1", "InvalidRouteTableID.NotFound"),
    ("DescribeInternetGateways", "igw-", "InternetGatewayId.1", "InvalidInternetGatewayID.NotFound"),
    ("DescribeNatGateways", "nat-", "NatGatewayId.1", "NatGatewayNotFound"),
    ("DescribeNetworkAcls", "acl-", "NetworkAclId.1", "InvalidNetworkAclID.NotFound"),
    ("DescribeImages", "ami-", "ImageId.1", "InvalidAMIID.NotFound"),
];

fn filtered<'a>(name: &'a str, value: &'a str) -> [(&'a str, &'a str); 2] {
    [("Filter.1.Name", name), ("Filter.1.Value.1", value)]
}

#[test]
fn ids_that_name_nothing_are_refused_with_the_codes_of_their_kind() {
    let aws = Aws::with(1_000);
    for (action, prefix, parameter, code) in DESCRIBES {
        let unknown = format!("{prefix}0123456789abcdef0");
        let (_, found, message) = aws.refused(action, &[(parameter, &unknown)]);
        assert_eq!(found, code);
        assert!(message.contains(&unknown), "{message}");
        // What is no id is one that nothing has, to DescribeRouteTables.
        let none = if action == "DescribeRouteTables" { code } else { "Malformed" };
        assert!(aws.refused(action, &[(parameter, "nonsense")]).1.ends_with(none), "{action}");
        assert_eq!(aws.refused(action, &[("DryRun", "true")]).1, "DryRunOperation");
        let many = aws.refused(action, &[("MaxResults", "1001")]);
        assert_eq!(many.1, "InvalidParameterValue");
    }
    assert_eq!(aws.refused("DescribeRouteTables", &[("MaxResults", "101")]).1, "InvalidParameterValue");
}

#[test]
fn pages_together_are_the_whole_list() {
    let aws = Aws::with(1_000_000);
    for (action, id) in [
        ("DescribeRouteTables", "routeTableId"),
        ("DescribeInternetGateways", "internetGatewayId"),
        ("DescribeNatGateways", "natGatewayId"),
        ("DescribeNetworkAcls", "networkAclId"),
        ("DescribeImages", "imageId"),
    ] {
        let all = texts(&aws.get(action, &[]), id);
        assert!(all.len() > 15, "{action} {}", all.len());
        assert_eq!(aws.pages(action, id, &[("MaxResults", "5")]).concat(), all, "{action}");
    }
}

#[test]
fn each_vpc_has_a_main_table_a_default_acl_and_a_gateway_that_its_routes_lead_to() {
    let aws = Aws::with(1_000);
    for vpc in aws.0.home().vpc_ids() {
        let main = [
            filtered("vpc-id", &vpc).as_slice(),
            &[("Filter.2.Name", "association.main"), ("Filter.2.Value.1", "true")],
        ]
        .concat();
        assert_eq!(texts(&aws.get("DescribeRouteTables", &main), "vpcId"), std::slice::from_ref(&vpc));
        let default =
            [filtered("vpc-id", &vpc).as_slice(), &[("Filter.2.Name", "default"), ("Filter.2.Value.1", "true")]]
                .concat();
        assert_eq!(texts(&aws.get("DescribeNetworkAcls", &default), "vpcId"), std::slice::from_ref(&vpc));
        let gateway =
            text(&aws.get("DescribeInternetGateways", &filtered("attachment.vpc-id", &vpc)), "internetGatewayId");
        let tables = aws.get("DescribeRouteTables", &filtered("route.gateway-id", &gateway));
        assert!(texts(&tables, "vpcId").contains(&vpc));
    }
    let guarded = texts(&aws.get("DescribeNetworkAcls", &[]), "subnetId");
    assert_eq!(guarded.len(), texts(&aws.get("DescribeSubnets", &[]), "subnetArn").len());
    let blackholes = aws.get("DescribeRouteTables", &filtered("route.state", "blackhole"));
    assert!(blackholes.contains("pcx-"));
}

#[test]
fn a_nat_gateway_has_an_interface_and_a_public_one_an_address() {
    let aws = Aws::with(2_000);
    let all = aws.get("DescribeNatGateways", &[]);
    let interfaces = texts(&all, "networkInterfaceId");
    assert!(texts(&all, "connectivityType").iter().any(|kind| kind == "private"));
    for (id, interface) in texts(&all, "natGatewayId").iter().zip(&interfaces) {
        let xml = aws.get("DescribeNetworkInterfaces", &[("NetworkInterfaceId.1", interface)]);
        assert_eq!(text(&xml, "interfaceType"), "nat_gateway");
        assert!(text(&xml, "description").ends_with(id.as_str()));
        let nat = aws.get("DescribeNatGateways", &[("NatGatewayId.1", id)]);
        let ip = text(&nat, "privateIp");
        assert!(texts(&xml, "privateIpAddress").contains(&ip));
        for allocation in texts(&nat, "allocationId") {
            let address = aws.get("DescribeAddresses", &[("AllocationId.1", &allocation)]);
            assert_eq!(text(&address, "networkInterfaceId"), *interface);
            assert_eq!(text(&address, "publicIp"), text(&nat, "publicIp"));
            assert!(!address.contains("instanceId"));
        }
    }
    let listed = aws.pages("DescribeNetworkInterfaces", "macAddress", &[("MaxResults", "500")]).concat();
    let whole = texts(&aws.get("DescribeNetworkInterfaces", &[]), "macAddress");
    assert_eq!(listed, whole);
}

#[test]
fn images_are_the_accounts_own_and_those_its_instances_use() {
    let aws = Aws::with(1_000);
    let own = aws.get("DescribeImages", &[("Owner.1", "self")]);
    assert!(texts(&own, "isPublic").iter().all(|public| public == "false"));
    assert_eq!(texts(&own, "imageId").len(), 6);
    for snapshot in texts(&own, "snapshotId") {
        aws.get("DescribeSnapshots", &[("SnapshotId.1", &snapshot)]);
    }
    let used: std::collections::BTreeSet<String> =
        texts(&aws.get("DescribeInstances", &[]), "imageId").into_iter().collect();
    let found = |id: &String| aws.ask("DescribeImages", &[("ImageId.1", id)]).map_err(|refusal| refusal.code);
    let (there, gone): (Vec<_>, Vec<_>) = used.iter().map(found).partition(Result::is_ok);
    assert_eq!((there.len(), gone), (5, vec![Err("InvalidAMIID.NotFound".into())]));
}

#[test]
fn a_nat_gateway_is_pending_available_deleting_deleted_and_then_unknown() {
    let aws = Aws::with(1_000);
    let subnet = texts(&aws.get("DescribeSubnets", &[]), "subnetId").pop().unwrap();
    let allocation = text(&aws.get("AllocateAddress", &[]), "allocationId");
    let made = aws.get("CreateNatGateway", &[("SubnetId", &subnet), ("AllocationId", &allocation)]);
    let id = text(&made, "natGatewayId");
    let named = [("NatGatewayId.1", id.as_str())];
    let gateway = || aws.get("DescribeNatGateways", &named);
    let state = || text(&gateway(), "state");
    assert_eq!((text(&made, "state"), state()), ("pending".to_owned(), "pending".to_owned()));
    aws.advance(5);
    assert_eq!(state(), "available");
    let interface = text(&gateway(), "networkInterfaceId");
    let described = || aws.ask("DescribeNetworkInterfaces", &[("NetworkInterfaceId.1", &interface)]);
    let address = || aws.get("DescribeAddresses", &[("AllocationId.1", &allocation)]);
    assert!(described().is_ok() && address().contains(&interface));
    let association = text(&address(), "associationId");
    assert_eq!(aws.refused("DisassociateAddress", &[("AssociationId", &association)]).1, "AuthFailure");

    let main = texts(&aws.get("DescribeRouteTables", &[]), "routeTableId").remove(0);
    let route =
        [("RouteTableId", main.as_str()), ("DestinationCidrBlock", "192.0.2.0/24"), ("NatGatewayId", id.as_str())];
    aws.get("CreateRoute", &route);
    assert_eq!(aws.refused("CreateRoute", &route).1, "RouteAlreadyExists");
    let routes = || texts(&aws.get("DescribeRouteTables", &[("RouteTableId.1", &main)]), "state");
    assert!(!routes().contains(&"blackhole".to_owned()));
    aws.get("DeleteNatGateway", &[("NatGatewayId", &id)]);
    assert_eq!(state(), "deleting");
    assert!(routes().contains(&"blackhole".to_owned()));
    aws.advance(5);
    assert_eq!(state(), "deleted");
    assert!(gateway().contains("deleteTime") && described().is_err() && !address().contains("associationId"));
    aws.advance(3_599);
    assert_eq!(state(), "deleted");
    aws.advance(1);
    assert_eq!(aws.refused("DescribeNatGateways", &named).1, "NatGatewayNotFound");
    aws.get("DeleteRoute", &route[..2]);
    assert_eq!(aws.refused("DeleteRoute", &route[..2]).1, "InvalidRoute.NotFound");
}

#[test]
fn tables_gateways_and_acls_are_made_changed_and_deleted() {
    let aws = Aws::with(1_000);
    let vpc = aws.0.home().vpc_ids().remove(1);
    let table = text(&aws.get("CreateRouteTable", &[("VpcId", &vpc)]), "routeTableId");
    let in_vpc = filtered("vpc-id", &vpc);
    let subnets = texts(&aws.get("DescribeSubnets", &in_vpc), "subnetId");
    let associate = |subnet: &str| aws.ask("AssociateRouteTable", &[("RouteTableId", &table), ("SubnetId", subnet)]);
    assert_eq!(associate(&subnets[0]).unwrap_err().code, "Resource.AlreadyAssociated");
    let association = text(&associate(&subnets[2]).unwrap(), "associationId");
    assert_eq!(aws.refused("DeleteRouteTable", &[("RouteTableId", &table)]).1, "DependencyViolation");
    aws.get("DisassociateRouteTable", &[("AssociationId", &association)]);
    aws.get("DeleteRouteTable", &[("RouteTableId", &table)]);
    assert_eq!(aws.refused("DescribeRouteTables", &[("RouteTableId.1", &table)]).1, "InvalidRouteTableID.NotFound");

    let gateway = text(&aws.get("CreateInternetGateway", &[]), "internetGatewayId");
    let ours = [("InternetGatewayId", gateway.as_str()), ("VpcId", vpc.as_str())];
    assert_eq!(aws.refused("AttachInternetGateway", &ours).1, "Resource.AlreadyAssociated");
    assert_eq!(aws.refused("DetachInternetGateway", &ours).1, "Gateway.NotAttached");
    let old = text(&aws.get("DescribeInternetGateways", &filtered("attachment.vpc-id", &vpc)), "internetGatewayId");
    aws.get("DetachInternetGateway", &[("InternetGatewayId", &old), ours[1]]);
    let through = aws.get("DescribeRouteTables", &filtered("route.gateway-id", &old));
    assert!(texts(&through, "state").contains(&"blackhole".to_owned()));
    aws.get("AttachInternetGateway", &ours);
    assert_eq!(aws.refused("DeleteInternetGateway", &ours[..1]).1, "DependencyViolation");
    aws.get("DetachInternetGateway", &ours);
    aws.get("DeleteInternetGateway", &ours[..1]);

    let acl = text(&aws.get("CreateNetworkAcl", &[("VpcId", &vpc)]), "networkAclId");
    let entry = [
        ("NetworkAclId", acl.as_str()),
        ("RuleNumber", "100"),
        ("Egress", "true"),
        ("Protocol", "tcp"),
        ("RuleAction", "allow"),
        ("CidrBlock", "10.0.0.0/8"),
        ("PortRange.From", "80"),
        ("PortRange.To", "90"),
    ];
    aws.get("CreateNetworkAclEntry", &entry);
    assert_eq!(aws.refused("CreateNetworkAclEntry", &entry).1, "NetworkAclEntryAlreadyExists");
    let found = aws.get("DescribeNetworkAcls", &filtered("entry.port-range.to", "90"));
    assert_eq!(text(&found, "from"), "80");
    aws.get("DeleteNetworkAclEntry", &entry[..3]);
    assert_eq!(aws.refused("DeleteNetworkAclEntry", &entry[..3]).1, "InvalidNetworkAclEntry.NotFound");
    aws.get("DeleteNetworkAcl", &[("NetworkAclId", &acl)]);
}

#[test]
fn an_own_image_is_made_launched_and_deregistered() {
    let aws = Aws::with(200);
    let instance = aws.first("running");
    let asked = [("InstanceId", instance.as_str()), ("Name", "mine")];
    let id = text(&aws.get("CreateImage", &asked), "imageId");
    let named = [("ImageId.1", id.as_str())];
    assert_eq!(text(&aws.get("DescribeImages", &named), "imageState"), "pending");
    assert_eq!(aws.refused("CreateImage", &asked).1, "InvalidAMIName.Duplicate");
    aws.advance(10);
    let image = aws.get("DescribeImages", &named);
    assert_eq!((text(&image, "imageState"), text(&image, "sourceInstanceId")), ("available".to_owned(), instance));
    aws.get("DeregisterImage", &[("ImageId", &id)]);
    assert_eq!(aws.refused("DescribeImages", &named).1, "InvalidAMIID.Unavailable");
    assert_eq!(aws.refused("DeregisterImage", &[("ImageId", &id)]).1, "InvalidAMIID.Unavailable");
    aws.get("DescribeSnapshots", &[("SnapshotId.1", &text(&image, "snapshotId"))]);
    let foreign = texts(&aws.get("DescribeImages", &[("Owner.1", "amazon")]), "imageId").remove(0);
    assert_eq!(aws.refused("DeregisterImage", &[("ImageId", &foreign)]).1, "UnauthorizedOperation");
}
