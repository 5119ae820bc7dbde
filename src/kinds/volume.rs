//! EBS volumes.

use std::time::Duration;

use aws_sdk_ec2::{Client, types};
use futures::FutureExt;
use futures::future::BoxFuture;

use super::fields::Fields;
use super::operator::operator;
use super::tag::tag;
use super::{Failure, Filter, KindSpec, LeftOut, Listing, Page, item, reduce};
use crate::model::Form;

pub(super) static SPEC: KindSpec = KindSpec {
    name: "AWS::EC2::Volume",
    slug: "volume",
    title: "EBS volume",
    plural: "volumes",
    description: "A block device: its size, type, throughput, encryption, the snapshot it was made from, and the instances \
                  it is attached to.",
    mapping: 1,
    id_field: "VolumeId",
    other_id: None,
    list: &["volumeSet", "item"],
    name_field: None,
    // A volume of a managed instance may be the operating service's own.
    owner_field: Some("OwnerId"),
    exclusive: false,
    own_only: false,
    state_path: Some("State"),
    interval: Duration::from_mins(5),
    told_by: &[],
    relaxed: None,
    // Its events say at once that it was made, attached or deleted.
    moves: true,
    gone_states: &["deleted"],
    masked: &[],
    status_of: None,
    filters: FILTERS,
    actions: &["ec2:DescribeVolumes"],
    optional: &["IncludeManagedResources"],
    describe,
};

/// All that AWS offers.
static FILTERS: &[Filter] = &[
    Filter::new(0, "volume-id", &["VolumeId"], Form::Id(&["vol-"])),
    Filter::new(1, "status", &["State"], Form::Word(types::VolumeState::values())),
    Filter::new(2, "volume-type", &["VolumeType"], Form::Word(types::VolumeType::values())),
    Filter::new(3, "size", &["Size"], Form::Number),
    Filter::new(4, "availability-zone", &["AvailabilityZone"], Form::Zone),
    Filter::new(5, "availability-zone-id", &["AvailabilityZoneId"], Form::ZoneId),
    Filter::new(6, "attachment.instance-id", &["Attachments.InstanceId"], Form::Id(&["i-"])),
    Filter::new(7, "attachment.device", &["Attachments.Device"], Form::Text),
    Filter::new(8, "attachment.status", &["Attachments.State"], Form::Word(types::VolumeAttachmentState::values())),
    Filter::new(9, "attachment.delete-on-termination", &["Attachments.DeleteOnTermination"], Form::Flag),
    Filter::new(10, "snapshot-id", &["SnapshotId"], Form::Id(&["snap-"])),
    Filter::new(11, "encrypted", &["Encrypted"], Form::Flag),
    Filter::new(12, "create-time", &["CreateTime"], Form::Time),
    Filter::new(13, "multi-attach-enabled", &["MultiAttachEnabled"], Form::Flag),
    Filter::new(14, "fast-restored", &["FastRestored"], Form::Flag),
    Filter::new(15, "operator.managed", &["Operator.Managed"], Form::Flag),
    Filter::new(16, "operator.principal", &["Operator.Principal"], Form::Text),
    Filter::new(17, "attachment.attach-time", &["Attachments.AttachTime"], Form::Time),
];

fn describe(client: Client, listing: Listing, left_out: LeftOut) -> BoxFuture<'static, Result<Page, Failure>> {
    async move {
        let call = client.describe_volumes().set_include_managed_resources(left_out.unless("IncludeManagedResources"));
        let call = match listing {
            Listing::Page { token, max_results } => call.max_results(max_results).set_next_token(token),
            Listing::Ids(ids) => call.set_volume_ids(Some(ids)),
        };
        let answer = call.send().await.map_err(reduce)?;
        let volumes = answer.volumes.unwrap_or_default();
        let items = volumes.into_iter().map(|described| item(described.volume_id.clone(), volume(described)));
        Ok(Page { items: items.collect(), next: answer.next_token, ..Page::default() })
    }
    .boxed()
}

fn volume(volume: types::Volume) -> Fields {
    Fields::new()
        .text("AvailabilityZoneId", volume.availability_zone_id)
        .text("OutpostArn", volume.outpost_arn)
        .text("SourceVolumeId", volume.source_volume_id)
        .int("Iops", volume.iops)
        .list("Tags", volume.tags, tag)
        .code("VolumeType", volume.volume_type)
        .flag("FastRestored", volume.fast_restored)
        .flag("MultiAttachEnabled", volume.multi_attach_enabled)
        .int("Throughput", volume.throughput)
        .code("SseType", volume.sse_type)
        .map("Operator", volume.operator, operator)
        .int("VolumeInitializationRate", volume.volume_initialization_rate)
        .text("VolumeArn", volume.volume_arn)
        .text("OwnerId", volume.owner_id)
        .text("VolumeId", volume.volume_id)
        .int("Size", volume.size)
        .text("SnapshotId", volume.snapshot_id)
        .text("AvailabilityZone", volume.availability_zone)
        .code("State", volume.state)
        .time("CreateTime", volume.create_time)
        .list("Attachments", volume.attachments, attachment)
        .flag("Encrypted", volume.encrypted)
        .text("KmsKeyId", volume.kms_key_id)
}

fn attachment(attachment: types::VolumeAttachment) -> Fields {
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
}
