//! Subnets.

use crate::simulator::ec2::{Call, answer};
use crate::simulator::happening::RecordedCaller;
use crate::simulator::request::Params;
use crate::simulator::tests::{Aws, text, texts};
use crate::simulator::view::{Lag, Loss, View};

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
    assert_eq!(code("subnet-x"), "InvalidSubnetID.NotFound", "as of an id that nothing has");
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
    let gateways = texts(&aws.get("DescribeNatGateways", &[]), "natGatewayId").len();
    assert_eq!(taken, 1_000 + u64::try_from(gateways).unwrap());
    let before = free();
    aws.get("TerminateInstances", &[("InstanceId.1", &id)]);
    assert_eq!(free(), before);
    aws.advance(2);
    assert_eq!(free(), before + 1);
}

#[test]
fn what_describes_show_late_is_what_was_and_hidden_things_are_missing() {
    let aws = Aws::with(1_000);
    let home = aws.0.home();
    let (instance, created) = (aws.first("running"), aws.0.clock().moment());
    let volume = home.create_volume(&instance, 8).unwrap();
    aws.advance(10);
    home.set_tag(&volume, "a", "b").unwrap();
    aws.advance(10);
    let ask = |view: View, action: &str, more: &str| {
        let body = format!("Action={action}&Version=2016-11-15{more}");
        let params = Params::parse("", body.as_bytes());
        answer(
            &Call {
                params: &params,
                account: &home,
                now: aws.0.clock().moment(),
                view,
                request: "r",
                by: &RecordedCaller::default(),
            },
            action,
        )
    };
    let at = |seconds: u64| View::clear(created.plus(std::time::Duration::from_secs(seconds)));
    let named = format!("&VolumeId.1={volume}");
    assert!(ask(at(20), "DescribeVolumes", &named).unwrap().contains("<key>a</key>"));
    assert!(!ask(at(5), "DescribeVolumes", &named).unwrap().contains("<key>a</key>"));
    assert!(ask(at(0), "DescribeVolumes", &named).unwrap().contains("creating"));
    let before = View::clear(crate::simulator::clock::Moment(created.0 - 1));
    assert_eq!(ask(before, "DescribeVolumes", &named).unwrap_err().code, "InvalidVolume.NotFound");

    let all = |share| Loss { seed: 1, share };
    let none = Loss::NONE;
    let hidden = View::faulty(aws.0.clock().moment(), Lag::NONE, all(1.0), none, none);
    let tagless = View::faulty(aws.0.clock().moment(), Lag::NONE, none, all(1.0), none);
    for (action, id) in [
        ("DescribeVolumes", "<size>"),
        ("DescribeSnapshots", "<snapshotId>"),
        ("DescribeSubnets", "<subnetId>"),
        ("DescribeNetworkInterfaces", "<subnetId>"),
        ("DescribeAddresses", "<publicIp>"),
    ] {
        assert!(!ask(hidden, action, "").unwrap().contains(id), "{action}");
        let bare = ask(tagless, action, "").unwrap();
        assert!(bare.contains(id) && !bare.contains("tagSet"), "{action}");
    }
}

#[test]
fn every_kind_can_be_tagged() {
    let aws = Aws::with(1_000);
    for (action, id, prefix) in [
        ("DescribeVolumes", "volumeId", "vol-"),
        ("DescribeSnapshots", "snapshotId", "snap-"),
        ("DescribeSubnets", "subnetId", "subnet-"),
        ("DescribeNetworkInterfaces", "networkInterfaceId", "eni-"),
        ("DescribeAddresses", "allocationId", "eipalloc-"),
    ] {
        let first = texts(&aws.get(action, &[]), id).remove(0);
        assert!(first.starts_with(prefix));
        aws.get("CreateTags", &[("ResourceId.1", &first), ("Tag.1.Key", "by"), ("Tag.1.Value", "me")]);
        let by = [("Filter.1.Name", "tag:by"), ("Filter.1.Value.1", "me")];
        let found = aws.get(action, &by);
        assert!(texts(&found, id).contains(&first), "{action}");
        aws.get("DeleteTags", &[("ResourceId.1", &first), ("Tag.1.Key", "by")]);
        assert!(!aws.get(action, &by).contains(&first), "{action}");
    }
}
