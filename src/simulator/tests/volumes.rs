//! Volumes: those of instances, and the effects of calls on them.

use std::collections::{BTreeMap, BTreeSet};

use crate::simulator::happening::What;
use crate::simulator::ident::Kind;
use crate::simulator::tests::{Aws, text, texts};

/// Each item of a set, as a separate text.
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
    assert_eq!(code("vol-xyz"), "InvalidParameterValue");
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

/// A running instance that no other principal manages, and its zone.
fn running(aws: &Aws) -> (String, String) {
    let id = aws.first("running");
    let zone = text(&aws.get("DescribeInstances", &[("InstanceId.1", &id)]), "availabilityZone");
    (id, zone)
}

fn one(aws: &Aws, id: &str) -> String {
    aws.get("DescribeVolumes", &[("VolumeId.1", id)])
}

#[test]
fn a_volume_and_its_snapshots_keep_the_key_that_was_chosen() {
    let aws = Aws::with(100);
    let (_, zone) = running(&aws);
    let make = |further: &[(&str, &str)]| {
        let base = [("AvailabilityZone", zone.as_str()), ("Size", "20")];
        let all: Vec<_> = base.iter().chain(further).copied().collect();
        aws.get("CreateVolume", &all)
    };
    let own = text(&make(&[("Encrypted", "true")]), "kmsKeyId");
    assert_eq!(text(&make(&[("Encrypted", "true"), ("KmsKeyId", "alias/aws/ebs")]), "kmsKeyId"), own);
    let chosen = "arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab";
    for name in [chosen, "1234abcd-12ab-34cd-56ef-1234567890ab"] {
        let volume = make(&[("Encrypted", "true"), ("KmsKeyId", name)]);
        assert_eq!(text(&volume, "kmsKeyId"), chosen);
        aws.advance(1);
        let snapshot = aws.get("CreateSnapshot", &[("VolumeId", &text(&volume, "volumeId"))]);
        assert_eq!(text(&snapshot, "kmsKeyId"), chosen);
        aws.advance(60);
        let again = make(&[("SnapshotId", &text(&snapshot, "snapshotId"))]);
        assert_eq!(text(&again, "kmsKeyId"), chosen);
    }
}

#[test]
fn a_volume_is_created_attached_detached_and_deleted_and_each_takes_a_while() {
    let aws = Aws::with(100);
    let (instance, zone) = running(&aws);
    let shape = [("AvailabilityZone", zone.as_str()), ("Size", "20"), ("VolumeType", "gp3"), ("Encrypted", "true")];
    let made = aws.get("CreateVolume", &shape);
    let id = text(&made, "volumeId");
    assert_eq!((text(&made, "status"), text(&made, "iops")), ("creating".to_owned(), "3000".to_owned()));
    assert_eq!(text(&one(&aws, &id), "status"), "creating");
    let attach = [("VolumeId", id.as_str()), ("InstanceId", instance.as_str()), ("Device", "/dev/sdh")];
    assert_eq!(aws.refused("AttachVolume", &attach).1, "IncorrectState");
    aws.advance(1);
    assert_eq!(text(&one(&aws, &id), "status"), "available");

    assert_eq!(text(&aws.get("AttachVolume", &attach), "status"), "attaching");
    assert_eq!(texts(&one(&aws, &id), "status"), ["in-use", "attaching"]);
    assert_eq!(aws.refused("AttachVolume", &attach).1, "VolumeInUse");
    assert_eq!(aws.refused("DeleteVolume", &[("VolumeId", &id)]).1, "VolumeInUse");
    aws.advance(1);
    let shown = aws.get("DescribeInstances", &[("InstanceId.1", &instance)]);
    let mapping = items(&shown, "deviceName").into_iter().find(|item| item.contains("/dev/sdh")).unwrap();
    let mapping = mapping.split("</item>").next().unwrap();
    assert_eq!((text(mapping, "volumeId"), text(mapping, "status")), (id.clone(), "attached".to_owned()));
    let by_volume = [("Filter.1.Name", "block-device-mapping.volume-id"), ("Filter.1.Value.1", id.as_str())];
    assert_eq!(text(&aws.get("DescribeInstances", &by_volume), "instanceId"), instance);

    assert_eq!(text(&aws.get("DetachVolume", &[("VolumeId", &id)]), "status"), "detaching");
    assert_eq!(texts(&one(&aws, &id), "status"), ["in-use", "detaching"]);
    aws.advance(1);
    assert_eq!(texts(&one(&aws, &id), "status"), ["available"]);
    assert!(!aws.get("DescribeInstances", &[("InstanceId.1", &instance)]).contains(&id));
    assert_eq!(aws.refused("DetachVolume", &[("VolumeId", &id)]).1, "IncorrectState");

    assert_eq!(text(&aws.get("DeleteVolume", &[("VolumeId", &id)]), "return"), "true");
    assert_eq!(text(&one(&aws, &id), "status"), "deleting");
    assert_eq!(aws.refused("DeleteVolume", &[("VolumeId", &id)]).1, "IncorrectState");
    aws.advance(1);
    assert_eq!(aws.refused("DescribeVolumes", &[("VolumeId.1", &id)]).1, "InvalidVolume.NotFound");
    assert_eq!(aws.refused("DeleteVolume", &[("VolumeId", &id)]).1, "InvalidVolume.NotFound");
}

#[test]
fn volumes_that_make_no_sense_are_refused() {
    let aws = Aws::with(100);
    let code = |more: &[(&str, &str)]| {
        let mut parameters = vec![("AvailabilityZone", "us-east-1a")];
        parameters.extend_from_slice(more);
        aws.refused("CreateVolume", &parameters).1
    };
    assert_eq!(code(&[]), "MissingParameter");
    assert_eq!(code(&[("Size", "0")]), "InvalidParameterValue");
    assert_eq!(code(&[("Size", "99999")]), "InvalidParameterValue");
    assert_eq!(code(&[("Size", "8"), ("VolumeType", "gp9")]), "UnknownVolumeType");
    assert_eq!(code(&[("Size", "8"), ("VolumeType", "io2")]), "InvalidParameterCombination");
    assert_eq!(code(&[("Size", "8"), ("Iops", "200")]), "InvalidParameterCombination");
    assert_eq!(code(&[("SnapshotId", "snap-0123456789abcdef0")]), "InvalidSnapshot.NotFound");
    assert_eq!(code(&[("Size", "8"), ("DryRun", "true")]), "DryRunOperation");
    assert_eq!(
        aws.refused("CreateVolume", &[("AvailabilityZone", "us-east-1x"), ("Size", "8")]).1,
        "InvalidZone.NotFound"
    );
}

#[test]
fn a_client_token_makes_one_volume_however_often_it_is_sent() {
    let aws = Aws::with(10);
    let ask = |size: &str| {
        aws.ask("CreateVolume", &[("AvailabilityZone", "us-east-1a"), ("Size", size), ("ClientToken", "t")])
    };
    let first = text(&ask("8").unwrap(), "volumeId");
    assert_eq!(text(&ask("8").unwrap(), "volumeId"), first);
    assert_eq!(ask("9").unwrap_err().code, "IdempotentParameterMismatch");
}

#[test]
fn a_volume_cannot_go_where_it_does_not_fit() {
    let aws = Aws::with(100);
    let (instance, zone) = running(&aws);
    let other = if zone.ends_with('a') { "us-east-1b" } else { "us-east-1a" };
    let create = |zone: &str| {
        let id = text(&aws.get("CreateVolume", &[("AvailabilityZone", zone), ("Size", "8")]), "volumeId");
        aws.advance(1);
        id
    };
    let code = |volume: &str, device: &str| {
        let attach = [("VolumeId", volume), ("InstanceId", instance.as_str()), ("Device", device)];
        aws.refused("AttachVolume", &attach).1
    };
    assert_eq!(code(&create(other), "/dev/sdh"), "InvalidVolume.ZoneMismatch");
    let root = text(&aws.get("DescribeInstances", &[("InstanceId.1", &instance)]), "rootDeviceName");
    assert_eq!(code(&create(&zone), &root), "InvalidParameterValue");
    let own = texts(&aws.get("DescribeInstances", &[("InstanceId.1", &instance)]), "volumeId").remove(0);
    assert_eq!(aws.refused("DetachVolume", &[("VolumeId", &own)]).1, "OperationNotPermitted");
    let elsewhere = [("VolumeId", own.as_str()), ("Device", "/dev/sdz")];
    assert_eq!(aws.refused("DetachVolume", &elsewhere).1, "InvalidAttachment.NotFound");
}

#[test]
fn a_stopped_instances_root_can_move_to_another() {
    let aws = Aws::with(200);
    let home = aws.0.home();
    let stopped = aws.first("stopped");
    let root = texts(&aws.get("DescribeInstances", &[("InstanceId.1", &stopped)]), "volumeId").remove(0);
    let zone = text(&aws.get("DescribeVolumes", &[("VolumeId.1", &root)]), "availabilityZone");
    aws.get("DetachVolume", &[("VolumeId", &root)]);
    aws.advance(1);
    let same_zone = [
        ("Filter.1.Name", "availability-zone"),
        ("Filter.1.Value.1", zone.as_str()),
        ("Filter.2.Name", "instance-state-name"),
        ("Filter.2.Value.1", "running"),
    ];
    let other = texts(&aws.get("DescribeInstances", &same_zone), "instanceId").remove(0);
    home.attach_volume(&root, &other, "/dev/sdx").unwrap();
    aws.advance(1);
    assert!(!aws.get("DescribeInstances", &[("InstanceId.1", &stopped)]).contains(&root));
    assert!(aws.get("DescribeInstances", &[("InstanceId.1", &other)]).contains(&root));
    // The root volume was moved, so it is deleted with neither instance.
    home.terminate(&stopped).unwrap();
    aws.advance(2);
    assert_eq!(texts(&one(&aws, &root), "status"), ["in-use", "attached"]);
    home.terminate(&other).unwrap();
    aws.advance(2);
    assert_eq!(texts(&one(&aws, &root), "status"), ["available"]);
}

#[test]
fn a_volume_grows_and_changes_its_type_but_does_not_shrink() {
    let aws = Aws::with(20);
    let id = text(&aws.get("CreateVolume", &[("AvailabilityZone", "us-east-1a"), ("Size", "20")]), "volumeId");
    aws.advance(1);
    let modified = aws.get("ModifyVolume", &[("VolumeId", &id), ("Size", "50"), ("VolumeType", "gp3")]);
    assert_eq!((text(&modified, "originalSize"), text(&modified, "targetSize")), ("20".to_owned(), "50".to_owned()));
    let shown = one(&aws, &id);
    assert_eq!(
        (text(&shown, "size"), text(&shown, "volumeType"), text(&shown, "iops")),
        ("50".to_owned(), "gp3".to_owned(), "3000".to_owned())
    );
    assert_eq!(aws.refused("ModifyVolume", &[("VolumeId", &id), ("Size", "8")]).1, "InvalidParameterValue");
}

#[test]
fn what_a_volume_was_can_be_asked_later() {
    let aws = Aws::with(100);
    let home = aws.0.home();
    let (instance, _) = running(&aws);
    let number = |kind, id: &str| home.plan().idents.number(kind, id).unwrap().unwrap();
    let id = home.create_volume(&instance, 8).unwrap();
    let disk = number(Kind::Volume, &id);
    let mut told = Vec::new();
    let mut tell = |aws: &Aws| {
        let reading = home.reading();
        let state = reading
            .scene()
            .disk(disk, reading.now())
            .map(|disk| (disk.state(reading.now()), disk.attachment.is_some()));
        told.push((aws.0.clock().now(), state));
    };
    tell(&aws);
    aws.advance(5);
    home.attach_volume(&id, &instance, "/dev/sdh").unwrap();
    tell(&aws);
    aws.advance(5);
    home.terminate(&instance).unwrap();
    tell(&aws);
    aws.advance(5);
    tell(&aws);
    home.delete_volume(&id).unwrap();
    aws.advance(5);
    tell(&aws);
    let reading = home.reading();
    for (at, state) in &told {
        let at = crate::simulator::clock::Moment::of(*at);
        let then = reading.scene().disk(disk, at).map(|disk| (disk.state(at), disk.attachment.is_some()));
        // At the moment itself, what began then holds.
        if *state != then {
            assert_eq!((*state, then), (Some(("available", false)), Some(("deleting", false))));
        }
    }
    drop(reading);
    let start = aws.0.clock().now().as_second() - 20;
    let moments: Vec<i64> = home.moments(&id).iter().map(|moment| moment.as_second() - start).collect();
    assert_eq!(moments, [0, 1, 5, 6, 12, 15, 16]);
    assert!(home.moments(&instance).len() > 3);
}

#[test]
fn volumes_tell_of_their_making_attaching_and_end() {
    let aws = Aws::with(100);
    let home = aws.0.home();
    let (instance, zone) = running(&aws);
    let id = text(&aws.get("CreateVolume", &[("AvailabilityZone", &zone), ("Size", "8")]), "volumeId");
    let mut heard = Vec::new();
    let mut hear = || {
        for happening in home.outbox().due(home.reading().now()) {
            match happening.what {
                What::Volume { event, result, .. } => heard.push(format!("{event} {result}")),
                What::Call { name, .. } => heard.push(name.to_owned()),
                _ => {}
            }
        }
        heard.join(", ")
    };
    assert_eq!(hear(), "CreateVolume");
    aws.advance(1);
    assert_eq!(hear(), "CreateVolume, createVolume available");
    aws.get("AttachVolume", &[("VolumeId", &id), ("InstanceId", &instance), ("Device", "/dev/sdh")]);
    aws.advance(1);
    aws.get("DetachVolume", &[("VolumeId", &id)]);
    aws.advance(1);
    aws.get("DeleteVolume", &[("VolumeId", &id)]);
    aws.advance(1);
    assert_eq!(
        hear(),
        "CreateVolume, createVolume available, AttachVolume, attachVolume attached, DetachVolume, DeleteVolume, \
         deleteVolume deleted"
    );
}
