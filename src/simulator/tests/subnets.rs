//! Subnets.

use crate::simulator::tests::{Aws, text, texts};

#[test]
fn each_vpc_has_a_subnet_in_each_zone_and_instances_are_in_them() {
    let aws = Aws::with(1_000);
    let xml = aws.get("DescribeSubnets", &[]);
    let ids = texts(&xml, "subnetId");
    assert_eq!(ids.len(), aws.0.home().vpc_ids().len() * 3);
    assert_eq!(aws.pages("DescribeSubnets", "subnetId", &[("MaxResults", "5")]).concat(), ids);
    let instances = aws.get("DescribeInstances", &[]);
    for id in texts(&instances, "subnetId") {
        assert!(ids.contains(&id));
    }
    let default = aws.get("DescribeSubnets", &[("Filter.1.Name", "default-for-az"), ("Filter.1.Value.1", "true")]);
    assert_eq!(texts(&default, "cidrBlock"), ["172.31.0.0/18", "172.31.64.0/18", "172.31.128.0/18"]);
    let code = |id: &str| aws.refused("DescribeSubnets", &[("SubnetId.1", id)]).1;
    assert_eq!(code("subnet-0123456789abcdef0"), "InvalidSubnetID.NotFound");
    assert_eq!(code("subnet-x"), "InvalidSubnetID.Malformed");
}

#[test]
fn free_addresses_are_what_instances_leave() {
    let aws = Aws::with(1_000);
    let id = aws.first("running");
    let subnet = texts(&aws.get("DescribeInstances", &[("InstanceId.1", &id)]), "subnetId").remove(0);
    let free = || {
        text(&aws.get("DescribeSubnets", &[("SubnetId.1", &subnet)]), "availableIpAddressCount").parse::<u64>().unwrap()
    };
    let counts = texts(&aws.get("DescribeSubnets", &[]), "availableIpAddressCount");
    let taken: u64 = counts.iter().map(|free| 16_379 - free.parse::<u64>().unwrap()).sum();
    assert_eq!(taken, 1_000);
    let before = free();
    aws.get("TerminateInstances", &[("InstanceId.1", &id)]);
    assert_eq!(free(), before);
    aws.advance(2);
    assert_eq!(free(), before + 1);
}
