//! `ModifyVolume`: changes size, type or performance. Describe calls show the change at once.
//!
//! The modification itself continues as on AWS: it is optimizing for a while and then completed. Only events report
//! that, because `DescribeVolumesModifications` is not simulated.

use crate::simulator::ebs_volume::EbsVolume;
use crate::simulator::ec2::call::{Answer, Call};
use crate::simulator::ec2::create_volume::{VolumeShape, named};
use crate::simulator::ec2::listing::id;
use crate::simulator::ec2::volume_attachment::managed;
use crate::simulator::ident::Kind;
use crate::simulator::refusal::Refusal;
use crate::simulator::xml::Xml;

/// Answers a `ModifyVolume` call.
pub(super) fn answer(call: &Call) -> Answer {
    let number = named(call, "VolumeId")?.number;
    call.dry_run()?;

    let mut edit = call.account.edit();
    let now = edit.now();
    let volume_id = call.account.plan().idents.text(Kind::Volume, number);
    let before = edit.scene().disk(number, now);
    let before = before.ok_or_else(|| Refusal::unknown_resource(Kind::Volume, &volume_id))?;
    if before.managed {
        return Err(managed(&volume_id));
    }
    if !matches!(before.state(now), "available" | "in-use") {
        let message = format!("Volume '{volume_id}' is not 'available' or 'in-use'.");
        return Err(Refusal::new(400, "IncorrectState", message));
    }
    let shape = VolumeShape::changed(call.params, &before)?;
    if shape.gib < before.gib {
        return Err(Refusal::invalid_value(format!(
            "New size cannot be smaller than existing size {} GiB",
            before.gib
        )));
    }
    let VolumeShape { gib, class, iops, throughput, .. } = shape;
    let after = EbsVolume { gib, class, iops, throughput, ..before.clone() };
    edit.modify(after.clone(), call.request);
    drop(edit);
    Ok(call.envelope("ModifyVolume", 1_024, |xml| {
        xml.within("volumeModification", |xml| {
            id(xml, call, "volumeId", Kind::Volume, number);
            xml.text("modificationState", "modifying");
            side(xml, ["targetSize", "targetIops", "targetVolumeType", "targetThroughput"], &after);
            side(xml, ["originalSize", "originalIops", "originalVolumeType", "originalThroughput"], &before);
            xml.number("progress", 0);
            xml.text("startTime", &now.iso());
        });
    }))
}

fn side(xml: &mut Xml, [size, iops, class, throughput]: [&str; 4], disk: &EbsVolume) {
    xml.number(size, disk.gib);
    if let Some(n) = disk.iops {
        xml.number(iops, n);
    }
    xml.text(class, disk.class.name());
    if let Some(n) = disk.throughput {
        xml.number(throughput, n);
    }
}
