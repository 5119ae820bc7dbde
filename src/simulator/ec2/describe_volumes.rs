//! `DescribeVolumes`.

use crate::simulator::account::Scene;
use crate::simulator::clock::Moment;
use crate::simulator::ebs_volume::{Attachment, EbsVolume};
use crate::simulator::ec2::call::{Answer, Call};
use crate::simulator::ec2::instance_item::operator;
use crate::simulator::ec2::lifecycle::OPERATOR;
use crate::simulator::ec2::listing::{Described, describe, id};
use crate::simulator::filter::{Filter, Filtered};
use crate::simulator::ident::Kind;
use crate::simulator::tags::Tags;
use crate::simulator::xml::Xml;

/// Answers a `DescribeVolumes` call.
pub(super) fn answer(call: &Call) -> Answer {
    call.params.flag("IncludeManagedResources")?;
    describe::<EbsVolume>(call, |_| true)
}

impl Described for EbsVolume {
    const ACTION: &'static str = "DescribeVolumes";
    const KIND: Kind = Kind::Volume;
    const IDS: &'static str = "VolumeId";
    const SET: &'static str = "volumeSet";
    const BYTES: usize = 1_300;
    const CHOSEN: &'static [&'static str] = &["IncludeManagedResources"];

    fn numbers(scene: Scene<'_>, from: u64) -> impl Iterator<Item = u64> {
        scene.disks(from)
    }

    fn find(scene: Scene<'_>, number: u64, at: Moment) -> Option<Self> {
        scene.disk(number, at)
    }

    fn tags_mut(&mut self) -> &mut Tags {
        &mut self.tags
    }

    fn write(&self, xml: &mut Xml, call: &Call, at: Moment) {
        let plan = call.account.plan();
        id(xml, call, "volumeId", Kind::Volume, self.number);
        let arn = format!("arn:aws:ec2:{}:{}:volume/", plan.region, plan.account);
        xml.plain("volumeArn", |out| {
            out.push_str(&arn);
            plan.idents.write(Kind::Volume, self.number, out);
        });
        xml.text("ownerId", &plan.account);
        xml.number("size", self.gib);
        match self.snapshot {
            Some(snapshot) => id(xml, call, "snapshotId", Kind::Snapshot, snapshot),
            None => xml.empty("snapshotId"),
        }
        let zone = plan.zone(self.zone);
        xml.text("availabilityZone", &zone.name);
        xml.text("availabilityZoneId", &zone.id);
        xml.text("status", self.state(at));
        xml.text("createTime", &self.created.iso_millis());
        xml.within("attachmentSet", |xml| {
            if let Some(attachment) = &self.attachment {
                xml.within("item", |xml| write_attachment(xml, call, self.number, attachment, attachment.status(at)));
            }
        });
        self.tags.write(xml);
        xml.text("volumeType", self.class.name());
        if let Some(iops) = self.iops {
            xml.number("iops", iops);
        }
        xml.flag("encrypted", self.encrypted);
        if self.encrypted {
            xml.text("kmsKeyId", &EbsVolume::key_or_own(self.key.as_deref(), plan));
        }
        xml.flag("multiAttachEnabled", self.multi_attach);
        if let Some(throughput) = self.throughput {
            xml.number("throughput", throughput);
        }
        operator(xml, self.managed);
    }
}

/// The fields of a volume's attachment. They are also the whole answer of `AttachVolume` and `DetachVolume`.
pub(super) fn write_attachment(xml: &mut Xml, call: &Call, volume: u64, attachment: &Attachment, status: &str) {
    id(xml, call, "volumeId", Kind::Volume, volume);
    id(xml, call, "instanceId", Kind::Instance, attachment.instance);
    xml.text("device", &attachment.device);
    xml.text("status", status);
    xml.text("attachTime", &attachment.asked.iso());
    xml.flag("deleteOnTermination", attachment.delete_on_termination);
}

impl EbsVolume {
    fn attached<V>(&self, value: impl Fn(&Attachment) -> V) -> Option<V> {
        self.attachment.as_ref().map(value)
    }
}

impl Filtered for EbsVolume {
    const FILTERS: &'static [Filter<Self>] = &[
        ("attachment.attach-time", |disk, values| values.show(disk.attached(|it| it.asked.iso()))),
        ("attachment.delete-on-termination", |disk, values| values.show(disk.attached(|it| it.delete_on_termination))),
        ("attachment.device", |disk, values| values.show(disk.attached(|it| it.device.clone()))),
        ("attachment.instance-id", |disk, values| values.ids(Kind::Instance, disk.attached(|it| it.instance))),
        ("attachment.status", |disk, values| {
            let at = values.at;
            values.texts(disk.attached(|it| it.status(at)));
        }),
        ("availability-zone", |disk, values| values.text(&values.plan.zone(disk.zone).name)),
        ("availability-zone-id", |disk, values| values.text(&values.plan.zone(disk.zone).id)),
        ("create-time", |disk, values| values.text(&disk.created.iso_millis())),
        ("encrypted", |disk, values| values.flag(disk.encrypted)),
        ("fast-restored", |_, values| values.flag(false)),
        ("multi-attach-enabled", |disk, values| values.flag(disk.multi_attach)),
        ("operator.managed", |disk, values| values.flag(disk.managed)),
        ("operator.principal", |disk, values| values.texts(disk.managed.then_some(OPERATOR))),
        ("size", |disk, values| values.show([disk.gib])),
        ("snapshot-id", |disk, values| values.ids(Kind::Snapshot, disk.snapshot)),
        ("status", |disk, values| values.text(disk.state(values.at))),
        ("volume-id", |disk, values| values.ids(Kind::Volume, [disk.number])),
        ("volume-type", |disk, values| values.text(disk.class.name())),
    ];
    const TAGS: Option<fn(&Self) -> &Tags> = Some(|disk| &disk.tags);
}
