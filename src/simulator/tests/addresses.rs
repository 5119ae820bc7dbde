//! Elastic IP addresses.

use crate::simulator::ident::Kind;
use crate::simulator::tests::{Aws, text, texts};

#[test]
fn an_elastic_ip_is_the_address_its_instance_shows_and_amazons_are_not_listed() {
    let aws = Aws::with(1_000);
    let xml = aws.get("DescribeAddresses", &[]);
    let (ips, instances) = (texts(&xml, "publicIp"), texts(&xml, "instanceId"));
    assert!(ips.len() > 2 && !instances.is_empty());
    for id in &instances {
        let of = [("Filter.1.Name", "instance-id"), ("Filter.1.Value.1", id.as_str())];
        let address = aws.get("DescribeAddresses", &of);
        let instance = aws.get("DescribeInstances", &[("InstanceId.1", id)]);
        assert_eq!(text(&address, "publicIp"), text(&instance, "ipAddress"));
        assert_eq!(texts(&instance, "ipOwnerId"), ["123456789012"; 2]);
        let own = text(&address, "networkInterfaceId");
        let interface = aws.get("DescribeNetworkInterfaces", &[("NetworkInterfaceId.1", &own)]);
        assert_eq!(texts(&interface, "allocationId"), vec![text(&address, "allocationId"); 2]);
        assert_eq!(texts(&interface, "associationId"), vec![text(&address, "associationId"); 2]);
    }
    let shown = texts(&aws.get("DescribeInstances", &[]), "ipAddress");
    assert!(shown.len() > ips.len());
    let code = |name: &str, value: &str| aws.refused("DescribeAddresses", &[(name, value)]).1;
    assert_eq!(code("AllocationId.1", "eipalloc-0123456789abcdef0"), "InvalidAllocationID.NotFound");
    assert_eq!(code("AllocationId.1", "x"), "InvalidAllocationID.NotFound");
    assert_eq!(code("PublicIp.1", "192.0.2.1"), "InvalidAddress.NotFound");
    assert_eq!(code("MaxResults", "5"), "UnknownParameter");
    let named = aws.get("DescribeAddresses", &[("PublicIp.1", &ips[1])]);
    assert_eq!(texts(&named, "publicIp"), [ips[1].clone()]);
    assert_eq!(aws.get("DescribeAddresses", &[("AllocationId.1", &text(&named, "allocationId"))]), named);
}

#[test]
fn an_elastic_ip_outlives_a_stop_and_its_instance() {
    let aws = Aws::with(1_000);
    let xml = aws.get("DescribeAddresses", &[]);
    let id = texts(&xml, "instanceId").into_iter().find(|id| aws.0.home().state(id) == Some("running")).unwrap();
    let of = [("Filter.1.Name", "instance-id"), ("Filter.1.Value.1", id.as_str())];
    let ip = text(&aws.get("DescribeAddresses", &of), "publicIp");
    let instance = || aws.get("DescribeInstances", &[("InstanceId.1", &id)]);
    aws.get("StopInstances", &[("InstanceId.1", &id)]);
    aws.advance(2);
    assert_eq!(texts(&instance(), "ipAddress"), std::slice::from_ref(&ip));
    aws.get("TerminateInstances", &[("InstanceId.1", &id)]);
    aws.advance(2);
    assert!(texts(&instance(), "ipAddress").is_empty());
    let left = aws.get("DescribeAddresses", &[("PublicIp.1", &ip)]);
    assert!(!left.contains("associationId") && !left.contains("instanceId"));
}

/// A running instance in a VPC; 0 is the default one.
fn running_in(aws: &Aws, vpc: u64) -> String {
    let vpc = aws.0.home().plan().idents.text(Kind::Vpc, vpc);
    let there = [("Filter.1.Name", "vpc-id"), ("Filter.1.Value.1", vpc.as_str())];
    let running = [("Filter.2.Name", "instance-state-name"), ("Filter.2.Value.1", "running")];
    texts(&aws.get("DescribeInstances", &[there, running].concat()), "instanceId").swap_remove(0)
}

#[test]
fn a_release_frees_an_address_by_itself_in_the_default_vpc() {
    let aws = Aws::with(1_000);
    let id = running_in(&aws, 0);
    let allocation = text(&aws.get("AllocateAddress", &[]), "allocationId");
    aws.get("AssociateAddress", &[("AllocationId", &allocation), ("InstanceId", &id)]);
    aws.get("ReleaseAddress", &[("AllocationId", &allocation)]);
    assert_eq!(aws.refused("DescribeAddresses", &[("AllocationId.1", &allocation)]).1, "InvalidAllocationID.NotFound");
    assert!(!aws.get("DescribeNetworkInterfaces", &[]).contains(&allocation));
}

#[test]
fn an_address_is_allocated_bound_freed_and_released() {
    let aws = Aws::with(1_000);
    let id = running_in(&aws, 1);
    let tagged = [
        ("Domain", "vpc"),
        ("TagSpecification.1.ResourceType", "elastic-ip"),
        ("TagSpecification.1.Tag.1.Key", "Name"),
        ("TagSpecification.1.Tag.1.Value", "gate"),
    ];
    let made = aws.get("AllocateAddress", &tagged);
    let (allocation, ip) = (text(&made, "allocationId"), text(&made, "publicIp"));
    let address = || aws.get("DescribeAddresses", &[("AllocationId.1", &allocation)]);
    assert!(address().contains("<key>Name</key><value>gate</value>") && !address().contains("associationId"));
    let instance = || aws.get("DescribeInstances", &[("InstanceId.1", &id)]);
    let before = texts(&instance(), "ipAddress");

    let bind = [("AllocationId", allocation.as_str()), ("InstanceId", id.as_str())];
    let association = text(&aws.get("AssociateAddress", &bind), "associationId");
    assert_eq!(text(&address(), "associationId"), association);
    assert_eq!(text(&address(), "instanceId"), id);
    assert_eq!(texts(&instance(), "ipAddress"), std::slice::from_ref(&ip));
    assert_eq!(aws.refused("ReleaseAddress", &[("AllocationId", &allocation)]).1, "InvalidIPAddress.InUse");
    let other = aws.0.home().instance_ids_in("running").pop().unwrap();
    let stay = [bind[0], ("InstanceId", other.as_str()), ("AllowReassociation", "false")];
    assert_eq!(aws.refused("AssociateAddress", &stay).1, "Resource.AlreadyAssociated");

    aws.get("DisassociateAddress", &[("AssociationId", &association)]);
    assert_eq!(texts(&instance(), "ipAddress"), before);
    assert_eq!(
        aws.refused("DisassociateAddress", &[("AssociationId", &association)]).1,
        "InvalidAssociationID.NotFound"
    );
    aws.get("ReleaseAddress", &[("AllocationId", &allocation)]);
    assert_eq!(aws.refused("DescribeAddresses", &[("AllocationId.1", &allocation)]).1, "InvalidAllocationID.NotFound");
    assert_eq!(aws.refused("AssociateAddress", &bind).1, "InvalidAllocationID.NotFound");
}

#[test]
fn an_address_of_the_formula_can_move_to_another_instance() {
    let aws = Aws::with(1_000);
    let home = aws.0.home();
    let xml = aws.get("DescribeAddresses", &[]);
    let first = texts(&xml, "instanceId").into_iter().find(|id| home.state(id) == Some("running")).unwrap();
    let of = [("Filter.1.Name", "instance-id"), ("Filter.1.Value.1", first.as_str())];
    let address = aws.get("DescribeAddresses", &of);
    let (allocation, ip) = (text(&address, "allocationId"), text(&address, "publicIp"));
    let other = aws.first("running");
    aws.get("AssociateAddress", &[("AllocationId", &allocation), ("InstanceId", &other)]);
    let shown = |id: &str| texts(&aws.get("DescribeInstances", &[("InstanceId.1", id)]), "ipAddress");
    assert_eq!(shown(&other), std::slice::from_ref(&ip));
    assert_ne!(shown(&first), std::slice::from_ref(&ip));
    assert_eq!(shown(&first).len(), 1);
    aws.get("DisassociateAddress", &[("PublicIp", &ip)]);
    assert!(!shown(&other).contains(&ip));
}
