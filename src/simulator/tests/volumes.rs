//! Volumes: those of instances, and what calls do to them.

use std::collections::{BTreeMap, BTreeSet};

use crate::simulator::tests::{Aws, text, texts};

/// Each item of a set, as its own text.
pub(super) fn items(xml: &str, first: &str) -> Vec<String> {
    let open = format!("<item><{first}>");
    xml.split(&open).skip(1).map(|part| format!("<{first}>{part}")).collect()
}

#[test]
fn every_disk_an_instance_shows_is_listed_as_attached_to_it() {
    let aws = Aws::with(300);
    let instances = aws.get("DescribeInstances", &[]);
    let shown: BTreeSet<String> = texts(&instances, "volumeId").into_iter().collect();
    let listed = aws.get("DescribeVolumes", &[("Filter.1.Name", "status"), ("Filter.1.Value.1", "in-use")]);
    let attached: BTreeSet<String> = items(&listed, "volumeId")
        .iter()
        .filter(|item| item.contains("<size>"))
        .map(|item| texts(item, "volumeId").remove(0))
        .collect();
    assert_eq!(attached, shown);

    let mut devices = BTreeMap::new();
    for instance in instances.split("<blockDeviceMapping>").skip(1) {
        for mapping in items(instance.split("</blockDeviceMapping>").next().unwrap(), "deviceName") {
            devices.insert(text(&mapping, "volumeId"), (text(&mapping, "deviceName"), text(&mapping, "attachTime")));
        }
    }
    for item in items(&listed, "volumeId").iter().filter(|item| item.contains("<device>")) {
        let id = texts(item, "volumeId").remove(0);
        assert_eq!(devices.get(&id), Some(&(texts(item, "device").remove(0), texts(item, "attachTime").remove(0))));
    }
}

#[test]
fn pages_of_volumes_hold_each_one_once_whatever_their_size() {
    let aws = Aws::with(400);
    let all = aws.0.home().volume_ids();
    for size in ["5", "99", "1000"] {
        let pages = aws.pages("DescribeVolumes", "size", &[("MaxResults", size)]);
        assert_eq!(pages.concat().len(), all.len(), "{size}");
    }
    let (first, rest) = (aws.get("DescribeVolumes", &[("MaxResults", "5")]), aws.get("DescribeVolumes", &[]));
    assert_eq!(texts(&first, "size").len(), 5);
    assert!(!rest.contains("nextToken"));
    for bad in ["4", "1001"] {
        assert_eq!(aws.refused("DescribeVolumes", &[("MaxResults", bad)]).1, "InvalidParameterValue");
    }
    let token = text(&first, "nextToken");
    let other = [("MaxResults", "5"), ("NextToken", &token), ("Filter.1.Name", "size"), ("Filter.1.Value.1", "8")];
    assert_eq!(aws.refused("DescribeVolumes", &other).1, "InvalidNextToken");
}

#[test]
fn a_page_far_into_a_million_instances_costs_no_more_than_the_first() {
    let aws = Aws::with(1_000_000);
    let page = crate::simulator::page::Page::parse(
        &crate::simulator::request::Params::parse("", b"Action=DescribeVolumes&MaxResults=1000"),
        "VolumeId",
        &["IncludeManagedResources"],
        aws.0.home().plan().seed,
    );
    let token = page.unwrap().token(3_999_000);
    let xml = aws.get("DescribeVolumes", &[("MaxResults", "1000"), ("NextToken", &token)]);
    assert!((250..1_000).contains(&texts(&xml, "size").len()));
    assert!(!xml.contains("nextToken"));
}

#[test]
fn volumes_are_found_by_id_and_filter_and_refused_as_ec2_refuses_them() {
    let aws = Aws::with(100);
    let id = aws.0.home().volume_ids().remove(3);
    let one = aws.get("DescribeVolumes", &[("VolumeId.1", &id)]);
    assert_eq!(texts(&one, "size").len(), 1);
    let instance = text(&one, "instanceId");
    let of = [("Filter.1.Name", "attachment.instance-id"), ("Filter.1.Value.1", instance.as_str())];
    assert!(aws.get("DescribeVolumes", &of).contains(&id));
    let roots = aws
        .get("DescribeVolumes", &[("Filter.1.Name", "attachment.delete-on-termination"), ("Filter.1.Value.1", "true")]);
    assert!(texts(&roots, "device").iter().all(|device| device == "/dev/xvda" || device == "/dev/sda1"));
    let code = |id: &str| aws.refused("DescribeVolumes", &[("VolumeId.1", id)]).1;
    assert_eq!(code("vol-0123456789abcdef0"), "InvalidVolume.NotFound");
    assert_eq!(code("vol-xyz"), "InvalidVolumeID.Malformed");
    assert_eq!(
        aws.refused("DescribeVolumes", &[("Filter.1.Name", "colour"), ("Filter.1.Value.1", "x")]).1,
        "InvalidParameterValue"
    );
    assert_eq!(
        aws.refused("DescribeVolumes", &[("DryRun", "true")]),
        (412, "DryRunOperation".to_owned(), aws.refused("DescribeVolumes", &[("DryRun", "true")]).2)
    );
}

#[test]
fn a_terminated_instance_takes_its_root_volume_along_and_leaves_the_others() {
    let aws = Aws::with(300);
    let database = [
        ("Filter.1.Name", "tag:role"),
        ("Filter.1.Value.1", "db"),
        ("Filter.2.Name", "instance-state-name"),
        ("Filter.2.Value.1", "running"),
    ];
    let id = texts(&aws.get("DescribeInstances", &database), "instanceId").remove(0);
    let of = [("Filter.1.Name", "attachment.instance-id"), ("Filter.1.Value.1", id.as_str())];
    let attached = texts(&aws.get("DescribeVolumes", &of), "volumeId");
    let volumes: Vec<&String> = attached.iter().step_by(2).collect();
    assert_eq!(volumes.len(), 3);
    aws.get("TerminateInstances", &[("InstanceId.1", &id)]);
    assert_eq!(texts(&aws.get("DescribeVolumes", &of), "status").len(), 6);
    aws.advance(2);
    assert!(texts(&aws.get("DescribeVolumes", &of), "volumeId").is_empty());
    assert_eq!(aws.refused("DescribeVolumes", &[("VolumeId.1", volumes[0])]).1, "InvalidVolume.NotFound");
    for left in &volumes[1..] {
        assert_eq!(text(&aws.get("DescribeVolumes", &[("VolumeId.1", left)]), "status"), "available");
    }
}
