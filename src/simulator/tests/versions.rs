//! The history of volumes, snapshots, interfaces, addresses and subnets: whatever happens, an earlier moment can be
//! read again, and between two moments of a resource's journal nothing of it changes.

use std::collections::BTreeMap;

use fastrand::Rng;

use crate::simulator::Options;
use crate::simulator::clock::Moment;
use crate::simulator::tests::{Aws, options, texts};
use crate::simulator::view::View;
use crate::simulator::world::World;

/// A Describe action, the set in its answer, and the element with an item's id.
const LISTINGS: [(&str, &str, &str); 6] = [
    ("DescribeAddresses", "addressesSet", "allocationId"),
    ("DescribeInstances", "instancesSet", "instanceId"),
    ("DescribeNetworkInterfaces", "networkInterfaceSet", "networkInterfaceId"),
    ("DescribeSnapshots", "snapshotSet", "snapshotId"),
    ("DescribeSubnets", "subnetSet", "subnetId"),
    ("DescribeVolumes", "volumeSet", "volumeId"),
];

/// Each resource as it is listed, by id.
type Shown = BTreeMap<String, String>;

/// The items directly inside each `<set>`.
fn items(xml: &str, set: &str) -> Vec<String> {
    let (mut found, mut depth, mut item) = (Vec::new(), 0, String::new());
    for inside in texts(xml, set) {
        for tag in inside.split_inclusive('>') {
            let closing = tag.contains("</item>");
            depth += u32::from(tag.contains("<item>"));
            item.push_str(tag);
            depth -= u32::from(closing);
            if closing && depth == 0 {
                found.push(std::mem::take(&mut item));
            }
        }
    }
    found
}

fn look(aws: &Aws, at: Moment) -> Shown {
    let mut shown = Shown::new();
    for (action, set, id) in LISTINGS {
        let xml = Aws::ask_of(&aws.0.home(), View::clear(at), action, &[]).unwrap();
        for item in items(&xml, set) {
            shown.insert(texts(&item, id).remove(0), item);
        }
    }
    shown
}

/// Makes a random call, which may be refused.
fn act(aws: &Aws, rng: &mut Rng, seen: &Shown) {
    let of = |rng: &mut Rng, prefix: &str| {
        let ids: Vec<&String> = seen.keys().filter(|id| id.starts_with(prefix)).collect();
        rng.choice(ids).cloned().unwrap_or_default()
    };
    let home = aws.0.home();
    let (instance, volume, other) = (of(rng, "i-"), of(rng, "vol-"), of(rng, "i-"));
    let (snapshot, address, subnet, interface) =
        (of(rng, "snap-"), of(rng, "eipalloc-"), of(rng, "subnet-"), of(rng, "eni-"));
    let device = format!("/dev/sd{}", rng.char('h'..='z'));
    match rng.u8(0..20) {
        0 => drop(aws.ask("StartInstances", &[("InstanceId.1", &instance)])),
        1 => drop(aws.ask("StopInstances", &[("InstanceId.1", &instance)])),
        2 => drop(aws.ask("TerminateInstances", &[("InstanceId.1", &instance)])),
        3 => drop(home.launch()),
        4 => drop(home.create_volume(&instance, 8)),
        5 | 6 => {
            drop(aws.ask("AttachVolume", &[("VolumeId", &volume), ("InstanceId", &instance), ("Device", &device)]));
        }
        7 => drop(home.attach_volume(&volume, &other, &device)),
        8 => drop(aws.ask("DetachVolume", &[("VolumeId", &volume)])),
        9 => drop(home.detach_volume(&volume)),
        10 => drop(aws.ask("DeleteVolume", &[("VolumeId", &volume)])),
        11 => drop(home.take_snapshot(&volume, "by chance")),
        12 => drop(home.set_stuck(&snapshot, rng.bool())),
        13 => drop(home.delete_snapshot(&snapshot)),
        14 => drop(home.allocate_address()),
        15 => drop(aws.ask("AssociateAddress", &[("AllocationId", &address), ("InstanceId", &instance)])),
        16 => drop(home.disassociate_address(&address)),
        17 => drop(aws.ask("ReleaseAddress", &[("AllocationId", &address)])),
        18 => drop(aws.ask("CreateNetworkInterface", &[("SubnetId", &subnet)])),
        _ => drop(aws.ask("DeleteNetworkInterface", &[("NetworkInterfaceId", &interface)])),
    }
}

#[test]
fn whatever_happens_the_past_stays_and_the_journal_misses_nothing() {
    for seed in 0..2 {
        let aws = Aws(World::new(Options { seed, ..options(40) }));
        let home = aws.0.home();
        let mut rng = Rng::with_seed(seed);
        let mut told: Vec<(Moment, Shown)> = Vec::new();
        let mut seen = look(&aws, aws.0.clock().moment());
        for _ in 0..40 {
            for _ in 0..rng.u8(0..3) {
                act(&aws, &mut rng, &seen);
            }
            let now = aws.0.clock().moment();
            seen = look(&aws, now);
            told.push((now, seen.clone()));
            aws.0.clock().advance(std::time::Duration::from_millis(rng.u64(1..2_500)));
        }
        for (at, shown) in &told {
            assert_eq!(&look(&aws, *at), shown, "seed {seed}");
        }
        for pair in told.windows(2) {
            let [(before, old), (after, new)] = pair else { continue };
            for id in old.keys().chain(new.keys()).filter(|id| old.get(*id) != new.get(*id)) {
                let moments = home.moments(id);
                let told = moments.iter().any(|moment| *before < Moment::of(*moment) && Moment::of(*moment) <= *after);
                assert!(told, "seed {seed}: {id} {:?} {:?}", old.get(id), new.get(id));
            }
        }
    }
}

#[test]
fn a_clock_that_is_put_back_takes_nothing_away() {
    let aws = Aws::with(100);
    let home = aws.0.home();
    let id = aws.first("running");
    let volume = home.create_volume(&id, 8).unwrap();
    aws.advance(60);
    let snapshot = home.take_snapshot(&volume, "").unwrap();
    aws.advance(6);
    home.attach_volume(&volume, &id, "/dev/sdh").unwrap();
    let half = home.snapshot_state(&snapshot);
    aws.0.clock().set("2026-11-22T11:00:00Z".parse().unwrap());
    assert_eq!(home.snapshot_state(&snapshot), half);
    let shown = aws.get("DescribeVolumes", &[("VolumeId.1", &volume)]);
    assert_eq!(texts(&shown, "status"), ["in-use", "attaching"]);
    aws.advance(4);
    assert_eq!(home.snapshot_state(&snapshot), Some(("completed", 100)));
    let shown = aws.get("DescribeVolumes", &[("VolumeId.1", &volume)]);
    assert_eq!(texts(&shown, "status"), ["in-use", "attached"]);
}
