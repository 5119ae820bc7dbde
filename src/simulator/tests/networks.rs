//! Route tables, gateways, network ACLs and machine images.

use crate::simulator::tests::{Aws, text, texts};

/// Each describe, what names one and its parameter, and the code for an id that nothing has.
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
        assert!(aws.refused(action, &[(parameter, "nonsense")]).1.ends_with("Malformed"), "{action}");
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
