//! Snapshots: backups, those calls take, and other accounts' public ones.

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
    let root = text(&aws.get("DescribeVolumes", &[("VolumeId.1", &volume)]), "snapshotId");
    assert!(aws.get("DescribeSnapshots", &[("SnapshotId.1", &root)]).contains("<ownerAlias>amazon</ownerAlias>"));
}
