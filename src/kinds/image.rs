//! AMIs that the account owns, and AMIs of other accounts that its instances use.
//!
//! Without an owner AWS lists every public image of the region, so the listing requests `self`, including deprecated and disabled
//! images. Foreign ones are described by the ids that instances name ([`KindSpec::also_by_id`]), and kept as long as one does.
//!
//! AWS gives times of images as text, and the filter `creation-date` compares that text.

use std::time::Duration;

use aws_sdk_ec2::types;

use super::describe::{DescribeInput, describe};
use super::fields::{Fields, mapped};
use super::spec::{CallWords, DocumentFilter, Filter, KindSpec};
use crate::model::Form;

pub(super) static SPEC: KindSpec = KindSpec {
    name: "AWS::EC2::Image",
    slug: "image",
    title: "Image (AMI)",
    plural: "images",
    description: "A machine image that instances are launched from: its name, owner, state, architecture, block devices and \
                  snapshots. Listed are images that the account owns, and images of others that its instances use.",
    prefix: Some("ami-"),
    id_field: "ImageId",
    list: &["imagesSet", "item"],
    name_field: Some("Name"),
    own_only: true,
    also_by_id: &[("instance", "ImageId")],
    state_path: Some("State"),
    gone_states: &["deregistered"],
    interval: Duration::from_mins(10),
    calls: CallWords { makes: &["Image"], about: &["Image"], ..CallWords::NONE },
    filters: FILTERS,
    in_documents: IN_DOCUMENTS,
    columns: &[
        ("state", "state"),
        ("architecture", "architecture"),
        ("owner-id", "owner_id"),
        ("creation-date", "created"),
        ("is-public", "is_public"),
        ("description", "description"),
    ],
    actions: &["ec2:DescribeImages"],
    describe: describe!(
        |client, input, _| {
            let call = client.describe_images().include_deprecated(true).include_disabled(true);
            match input {
                DescribeInput::Page { .. } | DescribeInput::Filtered(_) | DescribeInput::DryRun => call.owners("self"),
                DescribeInput::Ids(_) => call,
            }
        },
        set_image_ids,
        images,
        image_id
    ),
    ..KindSpec::DEFAULT
};

static FILTERS: &[Filter] = &[
    Filter::new(0, "image-id", &["ImageId"], Form::Id(&["ami-"])),
    Filter::new(1, "owner-id", &["OwnerId"], Form::Account),
    Filter::new(2, "name", &["Name"], Form::Text),
    Filter::new(3, "state", &["State"], Form::Word(types::ImageState::values())),
    Filter::new(4, "architecture", &["Architecture"], Form::Word(types::ArchitectureValues::values())),
    Filter::new(5, "image-type", &["ImageType"], Form::Word(types::ImageTypeValues::values())),
    Filter::new(6, "is-public", &["Public"], Form::Flag),
    Filter::new(7, "creation-date", &["CreationDate"], Form::Text),
    Filter::new(8, "description", &["Description"], Form::Prose),
    Filter::new(9, "platform", &["Platform"], Form::Word(&["windows"])),
    Filter::new(10, "root-device-type", &["RootDeviceType"], Form::Word(types::DeviceType::values())),
    Filter::new(11, "root-device-name", &["RootDeviceName"], Form::Text),
    Filter::new(12, "virtualization-type", &["VirtualizationType"], Form::Word(types::VirtualizationType::values())),
    Filter::new(13, "hypervisor", &["Hypervisor"], Form::Word(types::HypervisorType::values())),
    Filter::new(14, "ena-support", &["EnaSupport"], Form::Flag),
    Filter::new(15, "owner-alias", &["ImageOwnerAlias"], Form::Text),
    Filter::new(16, "kernel-id", &["KernelId"], Form::Id(&["aki-"])),
    Filter::new(17, "ramdisk-id", &["RamdiskId"], Form::Id(&["ari-"])),
    Filter::new(18, "manifest-location", &["ImageLocation"], Form::Text),
    Filter::new(19, "source-image-id", &["SourceImageId"], Form::Id(&["ami-"])),
    Filter::new(20, "source-image-region", &["SourceImageRegion"], Form::Text),
    Filter::new(21, "source-instance-id", &["SourceInstanceId"], Form::Id(&["i-"])),
    Filter::new(22, "block-device-mapping.snapshot-id", &["BlockDeviceMappings.Ebs.SnapshotId"], Form::Id(&["snap-"]))
        .many(),
    Filter::new(23, "block-device-mapping.volume-size", &["BlockDeviceMappings.Ebs.VolumeSize"], Form::Number).many(),
    Filter::new(
        24,
        "block-device-mapping.volume-type",
        &["BlockDeviceMappings.Ebs.VolumeType"],
        Form::Word(types::VolumeType::values()),
    )
    .many(),
    Filter::new(25, "block-device-mapping.encrypted", &["BlockDeviceMappings.Ebs.Encrypted"], Form::Flag).many(),
    Filter::new(
        26,
        "block-device-mapping.delete-on-termination",
        &["BlockDeviceMappings.Ebs.DeleteOnTermination"],
        Form::Flag,
    )
    .many(),
    Filter::new(27, "block-device-mapping.device-name", &["BlockDeviceMappings.DeviceName"], Form::Text).many(),
    Filter::new(28, "product-code", &["ProductCodes.ProductCodeId"], Form::Text).many(),
    Filter::new(
        29,
        "product-code.type",
        &["ProductCodes.ProductCodeType"],
        Form::Word(types::ProductCodeValues::values()),
    )
    .many(),
    Filter::new(30, "state-reason-code", &["StateReason.Code"], Form::Prose),
    Filter::new(31, "state-reason-message", &["StateReason.Message"], Form::Prose),
    Filter::new(32, "sriov-net-support", &["SriovNetSupport"], Form::Text),
    Filter::new(33, "image-allowed", &["ImageAllowed"], Form::Flag),
    Filter::new(34, "free-tier-eligible", &["FreeTierEligible"], Form::Flag),
];

static IN_DOCUMENTS: &[DocumentFilter] = &[
    DocumentFilter::new("boot-mode", "BootMode", Form::Word(types::BootModeValues::values())),
    DocumentFilter::new(
        "image-watermark.source-image-creation-time",
        "ImageWatermarks.SourceImageCreationTime",
        Form::Time,
    ),
    DocumentFilter::new("image-watermark.source-image-id", "ImageWatermarks.SourceImageId", Form::Id(&["ami-"])),
    DocumentFilter::new("image-watermark.source-image-region", "ImageWatermarks.SourceImageRegion", Form::Text),
    DocumentFilter::new("image-watermark.watermark-creation-time", "ImageWatermarks.WatermarkCreationTime", Form::Time),
    DocumentFilter::new("image-watermark.watermark-key", "ImageWatermarks.WatermarkKey", Form::Text),
    DocumentFilter::new(
        "instance-type-specification.supported-instance-type",
        "InstanceTypeSpecification.SupportedInstanceTypes.InstanceType",
        Form::Text,
    ),
    DocumentFilter::new(
        "instance-type-specification.unsupported-instance-type",
        "InstanceTypeSpecification.UnsupportedInstanceTypes.InstanceType",
        Form::Text,
    ),
    DocumentFilter::new("public-ssm-parameter-name", "PublicSsmParameterName", Form::Text),
    DocumentFilter::new("scan-result.finding-scan-date", "ScanResults.FindingScanDate", Form::Time),
    DocumentFilter::new(
        "scan-result.highest-finding-severity-label",
        "ScanResults.HighestFindingSeverityLabel",
        Form::Word(types::SeverityLabel::values()),
    ),
    DocumentFilter::new(
        "scan-result.informational-fix-available-since",
        "ScanResults.InformationalFixAvailableSince",
        Form::Time,
    ),
    DocumentFilter::new("scan-result.low-fix-available-since", "ScanResults.LowFixAvailableSince", Form::Time),
    DocumentFilter::new("scan-result.medium-fix-available-since", "ScanResults.MediumFixAvailableSince", Form::Time),
    DocumentFilter::new("scan-result.high-fix-available-since", "ScanResults.HighFixAvailableSince", Form::Time),
    DocumentFilter::new(
        "scan-result.critical-fix-available-since",
        "ScanResults.CriticalFixAvailableSince",
        Form::Time,
    ),
];

mapped!(|image: Image| {
    Fields::new()
        .text("PlatformDetails", image.platform_details)
        .text("UsageOperation", image.usage_operation)
        .list("BlockDeviceMappings", image.block_device_mappings)
        .text("Description", image.description)
        .flag("EnaSupport", image.ena_support)
        .code("Hypervisor", image.hypervisor)
        .text("ImageOwnerAlias", image.image_owner_alias)
        .text("Name", image.name)
        .text("RootDeviceName", image.root_device_name)
        .code("RootDeviceType", image.root_device_type)
        .text("SriovNetSupport", image.sriov_net_support)
        .map("StateReason", image.state_reason)
        .list("Tags", image.tags)
        .code("VirtualizationType", image.virtualization_type)
        .code("BootMode", image.boot_mode)
        .code("TpmSupport", image.tpm_support)
        .text("DeprecationTime", image.deprecation_time)
        .code("ImdsSupport", image.imds_support)
        .text("SourceInstanceId", image.source_instance_id)
        .text("DeregistrationProtection", image.deregistration_protection)
        .text("LastLaunchedTime", image.last_launched_time)
        .flag("ImageAllowed", image.image_allowed)
        .text("SourceImageId", image.source_image_id)
        .text("SourceImageRegion", image.source_image_region)
        .flag("FreeTierEligible", image.free_tier_eligible)
        .text("PublicSsmParameterName", image.public_ssm_parameter_name)
        .list("ImageWatermarks", image.image_watermarks)
        .map("ScanResults", image.scan_results)
        .map("InstanceTypeSpecification", image.instance_type_specification)
        .text("ImageId", image.image_id)
        .text("ImageLocation", image.image_location)
        .code("State", image.state)
        .text("OwnerId", image.owner_id)
        .text("CreationDate", image.creation_date)
        .flag("Public", image.public)
        .list("ProductCodes", image.product_codes)
        .code("Architecture", image.architecture)
        .code("ImageType", image.image_type)
        .text("KernelId", image.kernel_id)
        .text("RamdiskId", image.ramdisk_id)
        .code("Platform", image.platform)
});

mapped!(|mapping: BlockDeviceMapping| {
    Fields::new()
        .map("Ebs", mapping.ebs)
        .text("NoDevice", mapping.no_device)
        .text("DeviceName", mapping.device_name)
        .text("VirtualName", mapping.virtual_name)
});

mapped!(|watermark: ImageWatermark| {
    Fields::new()
        .text("WatermarkKey", watermark.watermark_key)
        .text("SourceImageRegion", watermark.source_image_region)
        .text("SourceImageId", watermark.source_image_id)
        .time("SourceImageCreationTime", watermark.source_image_creation_time)
        .time("WatermarkCreationTime", watermark.watermark_creation_time)
});

mapped!(|results: ScanResults| {
    Fields::new()
        .code("HighestFindingSeverityLabel", results.highest_finding_severity_label)
        .time("FindingScanDate", results.finding_scan_date)
        .time("InformationalFixAvailableSince", results.informational_fix_available_since)
        .time("LowFixAvailableSince", results.low_fix_available_since)
        .time("MediumFixAvailableSince", results.medium_fix_available_since)
        .time("HighFixAvailableSince", results.high_fix_available_since)
        .time("CriticalFixAvailableSince", results.critical_fix_available_since)
});

mapped!(|specification: InstanceTypeSpecification| {
    Fields::new()
        .list("SupportedInstanceTypes", specification.supported_instance_types)
        .list("UnsupportedInstanceTypes", specification.unsupported_instance_types)
});

mapped!(|device: EbsBlockDevice| {
    Fields::new()
        .flag("DeleteOnTermination", device.delete_on_termination)
        .int("Iops", device.iops)
        .text("SnapshotId", device.snapshot_id)
        .int("VolumeSize", device.volume_size)
        .code("VolumeType", device.volume_type)
        .text("KmsKeyId", device.kms_key_id)
        .int("Throughput", device.throughput)
        .text("OutpostArn", device.outpost_arn)
        .text("AvailabilityZone", device.availability_zone)
        .flag("Encrypted", device.encrypted)
        .int("VolumeInitializationRate", device.volume_initialization_rate)
        .text("AvailabilityZoneId", device.availability_zone_id)
        .int("EbsCardIndex", device.ebs_card_index)
});

mapped!(|item: InstanceTypeItem| Fields::new().text("InstanceType", item.instance_type));
