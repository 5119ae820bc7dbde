//! EBS snapshots that the account owns.
//!
//! Without `OwnerIds=self` AWS lists every public snapshot of the region, so it is always sent, with ids as well. AWS then lists
//! none of another account; emulators that ignore the parameter do (moto lists 1,300 public ones). These are left out
//! ([`KindSpec::own_only`]): the account does not have them, and treating them as changed credentials would stop every sweep of
//! the emulator. Snapshots that others share with the account are not listed either way.
//!
//! `Progress` moves while a snapshot is made, and is compared like any other field. A snapshot that was just made is looked at a few
//! times until it is complete, since its sweeps are far apart.

use std::time::Duration;

use aws_sdk_ec2::types;

use super::describe::describe;
use super::fields::{Fields, mapped};
use super::spec::{CallWords, Filter, KindSpec};
use crate::model::{Form, PassingState};

pub(super) static SPEC: KindSpec = KindSpec {
    name: "AWS::EC2::Snapshot",
    slug: "snapshot",
    title: "EBS snapshot",
    plural: "snapshots",
    description: "A copy of a volume at one moment, owned by this account: its volume, size, progress, encryption and \
                  storage tier.",
    prefix: Some("snap-"),
    id_field: "SnapshotId",
    list: &["snapshotSet", "item"],
    own_only: true,
    state_path: Some("State"),
    interval: Duration::from_mins(10),
    // A tool makes them, and an event says when one is complete.
    moves: true,
    passing: Some(PassingState { state: "pending", into: "completed", begun: "StartTime" }),
    refreshes: &[Duration::from_secs(2), Duration::from_secs(5), Duration::from_secs(15), Duration::from_mins(1)],
    calls: CallWords { makes: &["Snapshot", "Image"], ..CallWords::NONE },
    filters: FILTERS,
    columns: &[
        ("status", "state"),
        ("volume-size", "size_gib"),
        ("progress", "progress"),
        ("start-time", "started"),
        ("volume-id", "volume_id"),
        ("description", "description"),
    ],
    actions: &["ec2:DescribeSnapshots"],
    describe: describe!(
        |client, _, _| client.describe_snapshots().owner_ids("self"),
        set_snapshot_ids,
        snapshots,
        snapshot_id
    ),
    ..KindSpec::DEFAULT
};

static FILTERS: &[Filter] = &[
    Filter::new(0, "snapshot-id", &["SnapshotId"], Form::Id(&["snap-"])),
    Filter::new(1, "owner-id", &["OwnerId"], Form::Account),
    Filter::new(2, "status", &["State"], Form::Word(types::SnapshotState::values())),
    Filter::new(3, "progress", &["Progress"], Form::Percent),
    Filter::new(4, "volume-id", &["VolumeId"], Form::Id(&["vol-"])),
    Filter::new(5, "volume-size", &["VolumeSize"], Form::Number),
    Filter::new(6, "start-time", &["StartTime"], Form::Time),
    Filter::new(7, "description", &["Description"], Form::Prose),
    Filter::new(8, "encrypted", &["Encrypted"], Form::Flag),
    Filter::new(9, "storage-tier", &["StorageTier"], Form::Word(types::StorageTier::values())),
    Filter::new(10, "transfer-type", &["TransferType"], Form::Word(types::TransferType::values())),
    Filter::new(11, "owner-alias", &["OwnerAlias"], Form::Text),
];

mapped!(|snapshot: Snapshot| {
    Fields::new()
        .text("OwnerAlias", snapshot.owner_alias)
        .text("OutpostArn", snapshot.outpost_arn)
        .list("Tags", snapshot.tags)
        .code("StorageTier", snapshot.storage_tier)
        .time("RestoreExpiryTime", snapshot.restore_expiry_time)
        .code("SseType", snapshot.sse_type)
        .text("AvailabilityZone", snapshot.availability_zone)
        .code("TransferType", snapshot.transfer_type)
        .int("CompletionDurationMinutes", snapshot.completion_duration_minutes)
        .time("CompletionTime", snapshot.completion_time)
        .int("FullSnapshotSizeInBytes", snapshot.full_snapshot_size_in_bytes)
        .text("SnapshotId", snapshot.snapshot_id)
        .text("VolumeId", snapshot.volume_id)
        .code("State", snapshot.state)
        .text("StateMessage", snapshot.state_message)
        .time("StartTime", snapshot.start_time)
        .text("Progress", snapshot.progress)
        .text("OwnerId", snapshot.owner_id)
        .text("Description", snapshot.description)
        .int("VolumeSize", snapshot.volume_size)
        .flag("Encrypted", snapshot.encrypted)
        .text("KmsKeyId", snapshot.kms_key_id)
        .text("DataEncryptionKeyId", snapshot.data_encryption_key_id)
});
