//! EBS volumes.

use aws_sdk_ec2::types;

use super::describe::describe;
use super::fields::{Fields, mapped};
use super::spec::{CallWords, Filter, KindSpec};
use crate::model::Form;

pub(super) static SPEC: KindSpec = KindSpec {
    name: "AWS::EC2::Volume",
    slug: "volume",
    title: "EBS volume",
    plural: "volumes",
    description: "A block device: its size, type, throughput, encryption, the snapshot it was made from, and the instances \
                  it is attached to.",
    prefix: Some("vol-"),
    id_field: "VolumeId",
    list: &["volumeSet", "item"],
    // A volume of a managed instance may be the operating service's own.
    state_path: Some("State"),
    // Its events report at once that it was created, attached or deleted.
    moves: true,
    gone_states: &["deleted"],
    calls: CallWords { makes: &["Volume", "Instances", "Fleet"], ..CallWords::NONE },
    filters: FILTERS,
    columns: &[
        ("status", "state"),
        ("volume-type", "type"),
        ("size", "size_gib"),
        ("availability-zone", "availability_zone"),
        ("attachment.instance-id", "instance_id"),
        ("attachment.device", "device"),
        ("volume-id", "volume_id"),
    ],
    actions: &["ec2:DescribeVolumes"],
    optional: &["IncludeManagedResources"],
    describe: describe!(
        |client, _, left_out| {
            client.describe_volumes().set_include_managed_resources(left_out.unless("IncludeManagedResources"))
        },
        set_volume_ids,
        volumes,
        volume_id
    ),
    ..KindSpec::DEFAULT
};

/// All that AWS offers.
static FILTERS: &[Filter] = &[
    Filter::new(0, "volume-id", &["VolumeId"], Form::Id(&["vol-"])),
    Filter::new(1, "status", &["State"], Form::Word(types::VolumeState::values())),
    Filter::new(2, "volume-type", &["VolumeType"], Form::Word(types::VolumeType::values())),
    Filter::new(3, "size", &["Size"], Form::Number),
    Filter::new(4, "availability-zone", &["AvailabilityZone"], Form::Zone),
    Filter::new(5, "availability-zone-id", &["AvailabilityZoneId"], Form::ZoneId),
    Filter::new(6, "attachment.instance-id", &["Attachments.InstanceId"], Form::Id(&["i-"])).many(),
    Filter::new(7, "attachment.device", &["Attachments.Device"], Form::Text).many(),
    Filter::new(8, "attachment.status", &["Attachments.State"], Form::Word(types::VolumeAttachmentState::values()))
        .many(),
    Filter::new(9, "attachment.delete-on-termination", &["Attachments.DeleteOnTermination"], Form::Flag).many(),
    Filter::new(10, "snapshot-id", &["SnapshotId"], Form::Id(&["snap-"])),
    Filter::new(11, "encrypted", &["Encrypted"], Form::Flag),
    Filter::new(12, "create-time", &["CreateTime"], Form::Time),
    Filter::new(13, "multi-attach-enabled", &["MultiAttachEnabled"], Form::Flag),
    Filter::new(14, "fast-restored", &["FastRestored"], Form::Flag),
    Filter::new(15, "operator.managed", &["Operator.Managed"], Form::Flag),
    Filter::new(16, "operator.principal", &["Operator.Principal"], Form::Text),
    Filter::new(17, "attachment.attach-time", &["Attachments.AttachTime"], Form::Time).many(),
];

mapped!(|volume: Volume| {
    Fields::new()
        .text("AvailabilityZoneId", volume.availability_zone_id)
        .text("OutpostArn", volume.outpost_arn)
        .text("SourceVolumeId", volume.source_volume_id)
        .int("Iops", volume.iops)
        .list("Tags", volume.tags)
        .code("VolumeType", volume.volume_type)
        .flag("FastRestored", volume.fast_restored)
        .flag("MultiAttachEnabled", volume.multi_attach_enabled)
        .int("Throughput", volume.throughput)
        .code("SseType", volume.sse_type)
        .map("Operator", volume.operator)
        .int("VolumeInitializationRate", volume.volume_initialization_rate)
        .text("VolumeArn", volume.volume_arn)
        .text("OwnerId", volume.owner_id)
        .text("VolumeId", volume.volume_id)
        .int("Size", volume.size)
        .text("SnapshotId", volume.snapshot_id)
        .text("AvailabilityZone", volume.availability_zone)
        .code("State", volume.state)
        .time("CreateTime", volume.create_time)
        .list("Attachments", volume.attachments)
        .flag("Encrypted", volume.encrypted)
        .text("KmsKeyId", volume.kms_key_id)
});

mapped!(|attachment: VolumeAttachment| {
    Fields::new()
        .flag("DeleteOnTermination", attachment.delete_on_termination)
        .text("AssociatedResource", attachment.associated_resource)
        .text("InstanceOwningService", attachment.instance_owning_service)
        .int("EbsCardIndex", attachment.ebs_card_index)
        .text("VolumeId", attachment.volume_id)
        .text("InstanceId", attachment.instance_id)
        .text("Device", attachment.device)
        .code("State", attachment.state)
        .time("AttachTime", attachment.attach_time)
});
