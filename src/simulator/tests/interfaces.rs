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
    assert_eq!(ids.len(), 300 - aws.0.home().instance_ids_in("terminated").len());
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
