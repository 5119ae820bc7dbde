//! Network interfaces.

use crate::simulator::tests::{Aws, text, texts};

#[test]
fn an_instances_interface_says_what_the_instance_says() {
    let aws = Aws::with(200);
    let id = aws.first("running");
    let instance = aws.get("DescribeInstances", &[("InstanceId.1", &id)]);
    let own = text(&instance, "networkInterfaceId");
    let interface = aws.get("DescribeNetworkInterfaces", &[("NetworkInterfaceId.1", &own)]);
    for tag in [
        "subnetId",
        "vpcId",
        "macAddress",
        "privateIpAddress",
        "privateDnsName",
        "attachmentId",
        "attachTime",
        "groupName",
    ] {
        let of_instance = texts(&instance, tag);
        assert!(of_instance.contains(&texts(&interface, tag)[0]), "{tag}");
    }
    assert_eq!(text(&interface, "instanceId"), id);
    assert_eq!(texts(&interface, "status"), ["in-use", "attached"]);
    assert_eq!(texts(&interface, "publicIp").first(), texts(&instance, "ipAddress").first());
}

#[test]
fn interfaces_are_paged_filtered_and_gone_with_their_instance() {
    let aws = Aws::with(300);
    let all = aws.get("DescribeNetworkInterfaces", &[]);
    let ids = texts(&all, "networkInterfaceId");
    let gateways = texts(&aws.get("DescribeNatGateways", &[]), "natGatewayId").len();
    assert_eq!(ids.len(), 300 - aws.0.home().instance_ids_in("terminated").len() + gateways);
    let pages = aws.pages("DescribeNetworkInterfaces", "networkInterfaceId", &[("MaxResults", "37")]);
    assert_eq!(pages.concat(), ids);
    let id = aws.first("running");
    let of = [("Filter.1.Name", "attachment.instance-id"), ("Filter.1.Value.1", id.as_str())];
    let own = text(&aws.get("DescribeNetworkInterfaces", &of), "networkInterfaceId");
    aws.get("TerminateInstances", &[("InstanceId.1", &id)]);
    aws.advance(2);
    let code = |id: &str| aws.refused("DescribeNetworkInterfaces", &[("NetworkInterfaceId.1", id)]).1;
    assert_eq!(code(&own), "InvalidNetworkInterfaceID.NotFound");
    assert_eq!(code("eni-x"), "InvalidNetworkInterfaceId.Malformed");
}

#[test]
fn an_interface_is_created_in_a_subnet_and_deleted() {
    let aws = Aws::with(100);
    let subnet = texts(&aws.get("DescribeSubnets", &[]), "subnetId").remove(4);
    let free = || text(&aws.get("DescribeSubnets", &[("SubnetId.1", &subnet)]), "availableIpAddressCount");
    let before: u64 = free().parse().unwrap();
    let create = [("SubnetId", subnet.as_str()), ("Description", "spare"), ("ClientToken", "t")];
    let made = aws.get("CreateNetworkInterface", &create);
    assert_eq!((text(&made, "status"), text(&made, "description")), ("pending".to_owned(), "spare".to_owned()));
    let id = text(&made, "networkInterfaceId");
    assert_eq!(text(&aws.get("CreateNetworkInterface", &create), "networkInterfaceId"), id);
    assert_eq!(free(), (before - 1).to_string());
    let shown = aws.get("DescribeNetworkInterfaces", &[("NetworkInterfaceId.1", &id)]);
    assert_eq!(text(&shown, "status"), "available");

    let allocation = text(&aws.get("AllocateAddress", &[]), "allocationId");
    aws.get("AssociateAddress", &[("AllocationId", &allocation), ("NetworkInterfaceId", &id)]);
    let shown = aws.get("DescribeNetworkInterfaces", &[("NetworkInterfaceId.1", &id)]);
    assert_eq!(texts(&shown, "allocationId"), vec![allocation.clone(); 2]);
    aws.get("DeleteNetworkInterface", &[("NetworkInterfaceId", &id)]);
    assert_eq!(
        aws.refused("DescribeNetworkInterfaces", &[("NetworkInterfaceId.1", &id)]).1,
        "InvalidNetworkInterfaceID.NotFound"
    );
    assert!(!aws.get("DescribeAddresses", &[("AllocationId.1", &allocation)]).contains("associationId"));
    let instance = aws.first("running");
    let own = texts(&aws.get("DescribeInstances", &[("InstanceId.1", &instance)]), "networkInterfaceId").remove(0);
    assert_eq!(
        aws.refused("DeleteNetworkInterface", &[("NetworkInterfaceId", &own)]).1,
        "InvalidNetworkInterface.InUse"
    );
}
