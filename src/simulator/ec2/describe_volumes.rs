//! `DescribeVolumes`.

use crate::simulator::clock::Moment;
use crate::simulator::ec2::describe_instances::operator;
use crate::simulator::ec2::lifecycle::OPERATOR;
use crate::simulator::ec2::listing::{Listing, id, seen_tags, truth};
use crate::simulator::ec2::{Answer, Call};
use crate::simulator::filter::Filters;
use crate::simulator::ident::Kind;
use crate::simulator::plan::Plan;
use crate::simulator::storage::{Attachment, Disk};
use crate::simulator::tags::TagField;
use crate::simulator::xml::Xml;

/// About what a volume takes in XML.
const BYTES: usize = 1_300;

/// Answers a `DescribeVolumes`.
pub(super) fn answer(call: &Call) -> Answer {
    let plan = call.estate.plan();
    call.params.flag("IncludeManagedResources")?;
    let filters = Filters::parse(call.params, Field::parse)?;
    let view = call.estate.view();
    let scene = view.scene();
    let chosen = ["IncludeManagedResources"];
    let listing =
        Listing::parse(call, Kind::Volume, "VolumeId", &chosen, |number, at| scene.disk(number, at).is_some())?;
    call.dry_run()?;
    Ok(call.envelope("DescribeVolumes", BYTES * listing.expected(), |xml| {
        listing.write(
            xml,
            "volumeSet",
            scene.disks(listing.from()),
            |number, sight| {
                let mut disk = scene.disk(number, sight.at)?;
                seen_tags(scene, Kind::Volume, number, sight, &mut disk.tags);
                filters.hold(|field, matches| field.any(&disk, plan, sight.at, matches)).then_some(disk)
            },
            |xml, disk, sight| write(xml, call, disk, sight.at),
        );
    }))
}

/// A volume's fields.
pub(super) fn write(xml: &mut Xml, call: &Call, disk: &Disk, at: Moment) {
    let plan = call.estate.plan();
    id(xml, call, "volumeId", Kind::Volume, disk.number);
    let arn = format!("arn:aws:ec2:{}:{}:volume/", plan.region, plan.account);
    xml.plain("volumeArn", |out| {
        out.push_str(&arn);
        plan.idents.write(Kind::Volume, disk.number, out);
    });
    xml.text("ownerId", &plan.account);
    xml.number("size", disk.gib);
    match disk.snapshot {
        Some(snapshot) => id(xml, call, "snapshotId", Kind::Snapshot, snapshot),
        None => xml.empty("snapshotId"),
    }
    let zone = plan.zone(disk.zone);
    xml.text("availabilityZone", &zone.name);
    xml.text("availabilityZoneId", &zone.id);
    xml.text("status", disk.state(at));
    xml.text("createTime", &disk.created.iso_millis());
    xml.within("attachmentSet", |xml| {
        if let Some(attachment) = &disk.attachment {
            xml.within("item", |xml| write_attachment(xml, call, disk.number, attachment, attachment.status(at)));
        }
    });
    disk.tags.write(xml);
    xml.text("volumeType", disk.class.name());
    if let Some(iops) = disk.iops {
        xml.number("iops", iops);
    }
    xml.flag("encrypted", disk.encrypted);
    if disk.encrypted {
        xml.text("kmsKeyId", &Disk::key_or_own(disk.key.as_deref(), plan));
    }
    xml.flag("multiAttachEnabled", disk.multi_attach);
    if let Some(throughput) = disk.throughput {
        xml.number("throughput", throughput);
    }
    operator(xml, disk.managed);
}

/// The fields of a volume's attachment, also the whole answer of `AttachVolume` and `DetachVolume`.
pub(super) fn write_attachment(xml: &mut Xml, call: &Call, volume: u64, attachment: &Attachment, status: &str) {
    id(xml, call, "volumeId", Kind::Volume, volume);
    id(xml, call, "instanceId", Kind::Instance, attachment.instance);
    xml.text("device", &attachment.device);
    xml.text("status", status);
    xml.text("attachTime", &attachment.asked.iso());
    xml.flag("deleteOnTermination", attachment.delete_on_termination);
}

enum Field {
    Id,
    State,
    Size,
    Class,
    Snapshot,
    Zone,
    ZoneId,
    Created,
    Encrypted,
    MultiAttach,
    Instance,
    Device,
    AttachmentStatus,
    AttachTime,
    DeleteOnTermination,
    Managed,
    Principal,
    FastRestored,
    Tag(TagField),
}

impl Field {
    fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "volume-id" => Self::Id,
            "status" => Self::State,
            "size" => Self::Size,
            "volume-type" => Self::Class,
            "snapshot-id" => Self::Snapshot,
            "availability-zone" => Self::Zone,
            "availability-zone-id" => Self::ZoneId,
            "create-time" => Self::Created,
            "encrypted" => Self::Encrypted,
            "multi-attach-enabled" => Self::MultiAttach,
            "attachment.instance-id" => Self::Instance,
            "attachment.device" => Self::Device,
            "attachment.status" => Self::AttachmentStatus,
            "attachment.attach-time" => Self::AttachTime,
            "attachment.delete-on-termination" => Self::DeleteOnTermination,
            "operator.managed" => Self::Managed,
            "operator.principal" => Self::Principal,
            "fast-restored" => Self::FastRestored,
            _ => Self::Tag(TagField::parse(name)?),
        })
    }

    fn any(&self, disk: &Disk, plan: &Plan, at: Moment, matches: &mut dyn FnMut(&str) -> bool) -> bool {
        let attachment = disk.attachment.as_ref();
        let id = |kind, number| plan.idents.text(kind, number);
        match self {
            Self::Id => matches(&id(Kind::Volume, disk.number)),
            Self::State => matches(disk.state(at)),
            Self::Size => matches(&disk.gib.to_string()),
            Self::Class => matches(disk.class.name()),
            Self::Snapshot => disk.snapshot.is_some_and(|number| matches(&id(Kind::Snapshot, number))),
            Self::Zone => matches(&plan.zone(disk.zone).name),
            Self::ZoneId => matches(&plan.zone(disk.zone).id),
            Self::Created => matches(&disk.created.iso_millis()),
            Self::Encrypted => matches(truth(disk.encrypted)),
            Self::MultiAttach => matches(truth(disk.multi_attach)),
            Self::Instance => attachment.is_some_and(|it| matches(&id(Kind::Instance, it.instance))),
            Self::Device => attachment.is_some_and(|it| matches(&it.device)),
            Self::AttachmentStatus => attachment.is_some_and(|it| matches(it.status(at))),
            Self::AttachTime => attachment.is_some_and(|it| matches(&it.asked.iso())),
            Self::DeleteOnTermination => attachment.is_some_and(|it| matches(truth(it.delete_on_termination))),
            Self::Managed => matches(truth(disk.managed)),
            Self::Principal => disk.managed && matches(OPERATOR),
            Self::FastRestored => matches("false"),
            Self::Tag(tag) => tag.any(&disk.tags, matches),
        }
    }
}
