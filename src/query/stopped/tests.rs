use serde_json::json;

use super::*;
use crate::kinds::VOLUME;
use crate::model::event::Overlay;
use crate::model::fixtures::{json_document, scope};
use crate::model::{Cause, Event, Evidence, Group, Source};
use crate::query::estate::{resource, store};
use crate::store::CommitBatch;

const SURE: Unsure<'static> = &|_, _| None;

fn stopped(reason: &str, volumes: &[&str], rest: &serde_json::Value) -> serde_json::Value {
    let devices: Vec<_> = volumes.iter().map(|volume| json!({"Ebs": {"VolumeId": volume}})).collect();
    let mut document = json!({
        "State": {"Name": "stopped"}, "StateTransitionReason": reason, "InstanceType": "t3.medium",
        "PlatformDetails": "Linux/UNIX", "Placement": {"AvailabilityZone": "us-east-1a", "Tenancy": "default"},
        "BlockDeviceMappings": devices,
    });
    for (name, value) in rest.as_object().unwrap() {
        document[name] = value.clone();
    }
    document
}

fn volume(gib: u64, volume_type: &str) -> serde_json::Value {
    json!({"Size": gib, "VolumeType": volume_type, "Iops": 3000, "Throughput": 125, "AvailabilityZone": "us-east-1a"})
}

fn estate() -> (tempfile::TempDir, crate::store::Writer, Store) {
    let owned = json!({
        "Tags": [{"Key": "ops/Cost-Center", "Value": "42"}, {"Key": "Name", "Value": "db"}, {"Key": "TEAM", "Value": "data"}],
        "NetworkInterfaces": [{"PrivateIpAddresses": [{"Association": {"PublicIp": "198.51.100.1"}}]}],
    });
    let lent = json!([{"PrivateIpAddresses": [{"Association": {"PublicIp": "198.51.100.2", "IpOwnerId": "amazon"}}]}]);
    let windows = json!({"PlatformDetails": "Windows", "InstanceType": "m5.large", "NetworkInterfaces": lent});
    let edge = json!({"Placement": {"AvailabilityZone": "us-east-1-bos-1a", "Tenancy": "default"}});
    let brought =
        json!({"NetworkInterfaces": [{"PrivateIpAddresses": [{"Association": {"PublicIp": "198.51.100.9"}}]}]});
    store(&[
        ("instance", "i-1", stopped("User initiated (2026-11-01 10:00:00 GMT)", &["vol-1", "vol-2"], &owned)),
        ("instance", "i-2", stopped("", &["vol-3"], &windows)),
        ("instance", "i-3", stopped("User initiated (2026-10-01 10:00:00 GMT)", &["vol-4", "vol-9"], &edge)),
        ("instance", "i-4", stopped("User initiated (2026-09-01 10:00:00 GMT)", &["vol-1"], &brought)),
        ("instance", "i-5", json!({"State": {"Name": "running"}, "InstanceType": "t3.medium"})),
        ("volume", "vol-1", volume(100, "gp3")),
        ("volume", "vol-2", volume(200, "gp2")),
        ("volume", "vol-3", volume(500, "st1")),
        ("volume", "vol-4", json!({"Size": 10, "VolumeType": "gp3", "AvailabilityZone": "us-east-1a"})),
        ("snapshot", "snap-1", json!({"VolumeId": "vol-1", "VolumeSize": 100, "StorageTier": "standard"})),
        ("snapshot", "snap-2", json!({"VolumeId": "vol-1", "VolumeSize": 100, "StorageTier": "archive"})),
        ("snapshot", "snap-3", json!({"VolumeId": "vol-7", "VolumeSize": 900})),
        ("address", "eipalloc-1", json!({"PublicIp": "198.51.100.1", "PublicIpv4Pool": "amazon"})),
        ("address", "eipalloc-9", json!({"PublicIp": "198.51.100.9", "PublicIpv4Pool": "ipv4pool-ec2-1"})),
    ])
}

fn report_of(store: &Store, stopped_by: Option<&str>, order: Order, unsure: Unsure<'_>) -> StoppedReport {
    let stopped_by = stopped_by.map(|at| Timestamp::parse(at).unwrap());
    let query = StoppedQuery { scope: &scope().into(), matcher: &Matcher::any(), stopped_by, order, shown: 1 };
    report(store, &PriceTable::carried(), &query, unsure).unwrap()
}

fn ids(report: &StoppedReport) -> Vec<&str> {
    report.instances.iter().map(|one| &*one.id.id).collect()
}

#[test]
fn a_stopped_instance_costs_its_volumes_and_addresses_and_what_is_unknown_is_counted() {
    let (_dir, _writer, store) = estate();
    let report = report_of(&store, None, Order::Cost, SURE);
    assert_eq!(ids(&report), ["i-1", "i-2", "i-4", "i-3"], "the dearest first");
    let first = &report.instances[0];
    assert_eq!(first.bill.volumes.known.to_string(), "28.00", "100 GiB of gp3 and 200 of gp2");
    assert_eq!(first.bill.addresses.known.to_string(), "3.65");
    assert_eq!((first.bill.stopped().to_string(), first.bill.unknown()), ("31.65".to_owned(), 0));
    assert_eq!(first.bill.snapshots.known.to_string(), "6.25", "as if each held all of its volume");
    assert_eq!(first.bill.running.known.to_string(), "30.37");
    assert_eq!(first.owners, [("TEAM".to_owned(), "data".to_owned()), ("ops/Cost-Center".to_owned(), "42".to_owned())]);
    let windows = &report.instances[1];
    assert_eq!(windows.bill.stopped().to_string(), "22.50", "an address that AWS lent is given back");
    assert_eq!(windows.bill.running.unknown[0].why, "the table has no prices of the platform Windows");
    let own = &report.instances[2];
    assert_eq!(own.bill.addresses, Cost::default(), "AWS does not charge for addresses that the account brought");
    let edge = &report.instances[3];
    assert_eq!((edge.bill.stopped(), edge.bill.unknown()), (Money::ZERO, 2));
    let why: Vec<&str> = edge.bill.volumes.unknown.iter().map(|one| one.why.as_str()).collect();
    assert_eq!(why, ["no price of such a gp3 in us-east-1", "it is not held"]);
    assert!(edge.bill.running.unknown[0].why.contains("us-east-1-bos-1a"), "{edge:?}");
    // The volume that two instances share is paid for once.
    assert_eq!(report.stopped().to_string(), "54.15");
    assert_eq!((report.total.snapshots.known.to_string(), report.total.unknown()), ("6.25".to_owned(), 2));
    assert_eq!(report.total.running.known.to_string(), "60.74");
}

#[test]
fn snapshots_that_may_not_all_be_held_make_the_bound_unknown() {
    let (_dir, _writer, store) = estate();
    let stale: Unsure<'_> = &|_, kind| (kind.slug == "snapshot").then(|| "its first sweep is under way".to_owned());
    let report = report_of(&store, None, Order::Cost, stale);
    let unknown = &report.total.snapshots.unknown;
    assert_eq!(unknown.len(), 5, "one a volume: {unknown:?}");
    assert_eq!(unknown[0].why, "snapshots: its first sweep is under way");
    assert_eq!(report.total.unknown(), 2, "{VOLUME:?} are all that is paid for in any case");
}

#[test]
fn those_stopped_too_lately_are_left_out_and_those_of_unknown_time_are_counted() {
    let (_dir, _writer, store) = estate();
    let report = report_of(&store, Some("2026-10-15T00:00:00Z"), Order::Since, SURE);
    // When the log began, i-2 was stopped already.
    assert_eq!(ids(&report), ["i-2", "i-4", "i-3"]);
    assert_eq!(report.instances[0].since, StoppedSince::Before(Timestamp::from_millis(1_000)));
    assert_eq!(report.undecided, 0);
    let report = report_of(&store, Some("1970-01-01T00:00:00Z"), Order::Since, SURE);
    assert_eq!((ids(&report).len(), report.undecided), (0, 1), "it may have been stopped before that");
    let report = report_of(&store, None, Order::Since, SURE);
    assert_eq!(ids(&report), ["i-2", "i-4", "i-3", "i-1"]);
}

#[test]
fn where_aws_does_not_say_since_when_the_log_does() {
    let running = json!({"State": {"Name": "running"}});
    let (_dir, mut writer, store) =
        store(&[("instance", "i-1", running.clone()), ("instance", "i-2", running.clone())]);
    let stops = [("i-1", Cause::Sweep), ("i-2", Cause::Resumed { since: Timestamp::from_millis(3_000) })];
    let entries = stops.map(|(id, cause)| {
        let changes = json_document(&running).changes_to(&json_document(&json!({"State": {"Name": "stopped"}})));
        let evidence = vec![(Group::State, Evidence { source: Source::Sweep, at: Timestamp::from_millis(9_000) })];
        (cause, Event::Changed { id: resource("instance", id), changes, evidence, overlay: Overlay::Keep })
    });
    let recorded_at = Timestamp::from_millis(9_500);
    writer.commit(CommitBatch { recorded_at, entries: entries.into(), ..CommitBatch::default() }).unwrap();
    let report = report_of(&store, None, Order::Since, SURE);
    let since: Vec<StoppedSince> = report.instances.iter().map(|one| one.since).collect();
    let at = Timestamp::from_millis(9_000);
    assert_eq!(since, [StoppedSince::Seen(at), StoppedSince::Before(at)], "nobody was looking when i-2 stopped");
}
