//! Snapshots: backups, those that calls take, and public ones of other accounts.

use crate::simulator::happening::What;
use crate::simulator::tests::{Aws, text, texts};

const MINE: [(&str, &str); 1] = [("Owner.1", "self")];

#[test]
fn snapshots_of_others_are_listed_unless_one_asks_for_ones_own() {
    let aws = Aws::with(200);
    let account = "123456789012";
    let all = texts(&aws.get("DescribeSnapshots", &[]), "ownerId");
    let own = texts(&aws.get("DescribeSnapshots", &MINE), "ownerId");
    assert_eq!(own.len(), 50);
    assert!(own.iter().all(|owner| owner == account));
    assert_eq!(all.iter().filter(|owner| *owner == account).count(), 50);
    assert!(all.len() > own.len());
    let amazons = aws.get("DescribeSnapshots", &[("Owner.1", "amazon")]);
    assert!(texts(&amazons, "ownerAlias").iter().all(|alias| alias == "amazon"));
    let public = aws.get("DescribeSnapshots", &[("RestorableBy.1", "all")]);
    assert!(!public.contains(account));
    assert_eq!(aws.refused("DescribeSnapshots", &[("Owner.1", "me")]).1, "InvalidUserID.Malformed");
}

#[test]
fn pages_of_snapshots_hold_each_one_once() {
    let aws = Aws::with(2_000);
    let all = texts(&aws.get("DescribeSnapshots", &MINE), "snapshotId");
    for size in ["7", "500", "1000"] {
        let pages = aws.pages("DescribeSnapshots", "snapshotId", &[MINE[0], ("MaxResults", size)]);
        assert_eq!(pages.concat(), all, "{size}");
    }
    let token = text(&aws.get("DescribeSnapshots", &[MINE[0], ("MaxResults", "5")]), "nextToken");
    assert_eq!(aws.refused("DescribeSnapshots", &[("MaxResults", "5"), ("NextToken", &token)]).1, "InvalidNextToken");
}

#[test]
fn snapshots_are_found_by_volume_and_refused_as_ec2_refuses_them() {
    let aws = Aws::with(100);
    let xml = aws.get("DescribeSnapshots", &MINE);
    let volume = texts(&xml, "volumeId").remove(2);
    let of = [("Filter.1.Name", "volume-id"), ("Filter.1.Value.1", volume.as_str())];
    let found = aws.get("DescribeSnapshots", &of);
    assert_eq!((text(&found, "status"), text(&found, "progress")), ("completed".to_owned(), "100%".to_owned()));
    let code = |id: &str| aws.refused("DescribeSnapshots", &[("SnapshotId.1", id)]).1;
    assert_eq!(code("snap-0123456789abcdef0"), "InvalidSnapshot.NotFound");
    assert_eq!(code("snap-x"), "InvalidSnapshotID.Malformed");
    assert_eq!(code("x"), "InvalidParameterValue");
    let root = text(&aws.get("DescribeVolumes", &[("VolumeId.1", &volume)]), "snapshotId");
    assert!(aws.get("DescribeSnapshots", &[("SnapshotId.1", &root)]).contains("<ownerAlias>amazon</ownerAlias>"));
}

fn volume(aws: &Aws) -> String {
    let id = aws.first("running");
    texts(&aws.get("DescribeInstances", &[("InstanceId.1", &id)]), "volumeId").remove(0)
}

#[test]
fn a_snapshot_makes_progress_and_is_then_completed() {
    let aws = Aws::with(50);
    let made = aws.get("CreateSnapshot", &[("VolumeId", &volume(&aws)), ("Description", "before")]);
    let id = text(&made, "snapshotId");
    assert_eq!((text(&made, "status"), text(&made, "progress")), ("pending".to_owned(), "0%".to_owned()));
    let named = [("SnapshotId.1", id.as_str())];
    let shown = || {
        let xml = aws.get("DescribeSnapshots", &named);
        (text(&xml, "status"), text(&xml, "progress"), texts(&xml, "completionTime"))
    };
    aws.advance(5);
    assert_eq!(shown(), ("pending".to_owned(), "50%".to_owned(), Vec::new()));
    aws.advance(5);
    let done = vec!["2026-11-22T12:00:10.000Z".to_owned()];
    assert_eq!(shown(), ("completed".to_owned(), "100%".to_owned(), done));
    aws.get("DeleteSnapshot", &[("SnapshotId", &id)]);
    assert_eq!(aws.refused("DescribeSnapshots", &named).1, "InvalidSnapshot.NotFound");
    assert_eq!(aws.refused("DeleteSnapshot", &[("SnapshotId", &id)]).1, "InvalidSnapshot.NotFound");
    assert_eq!(aws.0.home().moments(&id).len(), 11);
    assert!(aws.0.home().snapshots().is_empty());
}

#[test]
fn a_stuck_snapshot_stays_pending_until_it_is_let_go() {
    let aws = Aws::with(50);
    let home = aws.0.home();
    let id = home.take_snapshot(&volume(&aws), "").unwrap();
    aws.advance(4);
    home.set_stuck(&id, true).unwrap();
    aws.advance(3_600);
    assert_eq!(home.snapshot_state(&id), Some(("pending", 40)));
    home.set_stuck(&id, false).unwrap();
    aws.advance(5);
    assert_eq!(home.snapshot_state(&id), Some(("pending", 90)));
    aws.advance(1);
    assert_eq!(home.snapshot_state(&id), Some(("completed", 100)));
}

#[test]
fn completion_is_told_once_it_is_true_and_not_before() {
    let aws = Aws::with(300);
    let home = aws.0.home();
    let database = [
        ("Filter.1.Name", "tag:role"),
        ("Filter.1.Value.1", "db"),
        ("Filter.2.Name", "instance-state-name"),
        ("Filter.2.Value.1", "running"),
    ];
    let instance = texts(&aws.get("DescribeInstances", &database), "instanceId").remove(0);
    aws.get("CreateSnapshots", &[("InstanceSpecification.InstanceId", &instance)]);
    let hear = || {
        let due = home.outbox().due(home.reading().now());
        let true_ones = due.into_iter().filter(|happening| home.came_true(&happening.what, happening.at));
        let mut heard = Vec::new();
        for happening in true_ones {
            match happening.what {
                What::Snapshot { result, .. } => heard.push(format!("one {result}")),
                What::Snapshots { snapshots, .. } => heard.push(format!("all {}", snapshots.len())),
                _ => {}
            }
        }
        heard
    };
    aws.advance(9);
    assert!(hear().is_empty());
    let stuck = home.snapshots().remove(0).id;
    home.set_stuck(&stuck, true).unwrap();
    aws.advance(1);
    assert_eq!(hear(), ["one succeeded", "one succeeded"]);
    home.set_stuck(&stuck, false).unwrap();
    aws.advance(1);
    assert_eq!(hear(), ["one succeeded", "all 3"]);
}

#[test]
fn a_volume_from_a_snapshot_is_as_large_and_says_where_it_is_from() {
    let aws = Aws::with(50);
    let snapshot = text(&aws.get("CreateSnapshot", &[("VolumeId", &volume(&aws))]), "snapshotId");
    let create = [("AvailabilityZone", "us-east-1a"), ("SnapshotId", snapshot.as_str())];
    assert_eq!(aws.refused("CreateVolume", &create).1, "IncorrectState");
    aws.advance(10);
    let made = aws.get("CreateVolume", &create);
    assert_eq!(text(&made, "snapshotId"), snapshot);
    let size = text(&aws.get("DescribeSnapshots", &[("SnapshotId.1", &snapshot)]), "volumeSize");
    assert_eq!(text(&made, "size"), size);
    let smaller = [create[0], create[1], ("Size", "1")];
    assert_eq!(aws.refused("CreateVolume", &smaller).1, "InvalidParameterValue");
}
