//! `CreateSnapshots`: one crash-consistent snapshot of each volume of an instance.

use crate::simulator::ec2::call::{Answer, Call};
use crate::simulator::ec2::listing::id;
use crate::simulator::ec2::tagging;

use crate::simulator::ebs_volume::EbsVolume;
use crate::simulator::ident::Kind;
use crate::simulator::instance::State;
use crate::simulator::plan::Plan;
use crate::simulator::refusal::Refusal;
use crate::simulator::request::Params;
use crate::simulator::snapshot::Snapshot;
use crate::simulator::tags::Tags;
use crate::simulator::xml::Xml;

/// EC2's limit on the number of excluded data volumes.
const MAX_EXCLUDED: usize = 40;

/// Answers a `CreateSnapshots` call.
pub(super) fn answer(call: &Call) -> Answer {
    let (params, plan) = (call.params, call.account.plan());
    let parameter = "InstanceSpecification.InstanceId";
    let instance_id = params.get(parameter).ok_or_else(|| Refusal::missing(parameter))?;
    let numbers = call.targets(&[instance_id])?;
    let exclude_boot = params.flag("InstanceSpecification.ExcludeBootVolume")?;
    let excluded = excluded(params, plan)?;
    let copy_tags = copy_tags(params)?;
    let tags = tagging::one(params, "snapshot")?;
    let description = params.get("Description").unwrap_or_default();
    call.dry_run()?;

    let mut edit = call.account.edit();
    let Some(instance) = numbers.first().and_then(|number| edit.scene().birth(*number)) else {
        return Err(Refusal::instance_not_found(&[instance_id]));
    };
    let host = edit.scene().host(instance.number, edit.now());
    if host.is_none_or(|host| matches!(host.state(edit.now()), State::ShuttingDown | State::Terminated)) {
        return Err(Refusal::wrong_state(instance_id, "snapshotted"));
    }
    let root = |disk: &EbsVolume| disk.attachment.as_ref().is_some_and(|it| it.device == instance.image.root);
    let disks: Vec<EbsVolume> = edit.scene().disks_of(&instance, edit.now()).collect();
    let data = |number: &u64| disks.iter().any(|disk| disk.number == *number && !root(disk));
    if let Some(stranger) = excluded.iter().find(|number| !data(number)) {
        let id = plan.idents.text(Kind::Volume, *stranger);
        return Err(Refusal::invalid_value(format!("The volume '{id}' is not a data volume of '{instance_id}'")));
    }
    let chosen = |disk: &&EbsVolume| if root(disk) { !exclude_boot } else { !excluded.contains(&disk.number) };
    let mut taken = Vec::with_capacity(disks.len());
    for disk in disks.iter().filter(chosen) {
        let mut all = Tags::default();
        if copy_tags {
            all = edit.tags(Kind::Volume, disk.number).inherited();
        }
        all.lay(&tags);
        let sticks = |number| call.view.sticks(Kind::Snapshot, number);
        taken.push(edit.take(disk, description, all, sticks));
    }
    if taken.is_empty() {
        return Err(Refusal::invalid_combination("No volumes are left to snapshot after the exclusions"));
    }
    edit.batch(&taken);
    drop(edit);
    Ok(call.envelope("CreateSnapshots", 1_024 * taken.len(), |xml| {
        xml.within("snapshotSet", |xml| {
            for snapshot in &taken {
                xml.within("item", |xml| write(xml, call, snapshot));
            }
        });
    }))
}

fn write(xml: &mut Xml, call: &Call, snapshot: &Snapshot) {
    id(xml, call, "snapshotId", Kind::Snapshot, snapshot.number);
    xml.text("description", &snapshot.description);
    snapshot.tags.write(xml);
    xml.flag("encrypted", snapshot.encrypted);
    id(xml, call, "volumeId", Kind::Volume, snapshot.volume);
    xml.text("state", "pending");
    xml.number("volumeSize", snapshot.gib);
    xml.text("startTime", &snapshot.started.iso_millis());
    xml.text("progress", "");
    xml.text("ownerId", &call.account.plan().account);
    xml.text("sseType", "none");
}

fn excluded(params: &Params, plan: &Plan) -> Result<Vec<u64>, Refusal> {
    let ids = params.set("InstanceSpecification.ExcludeDataVolumeId");
    if ids.len() > MAX_EXCLUDED {
        return Err(Refusal::invalid_value("You can specify up to 40 volume IDs per request."));
    }
    let number = |id: &&str| {
        let known = plan.idents.number(Kind::Volume, id);
        let known = known.map_err(|_| Refusal::malformed_resource(Kind::Volume, id))?;
        known.ok_or_else(|| Refusal::not_found("InvalidVolume.NotFound", "volume", &[id]))
    };
    ids.iter().map(number).collect()
}

fn copy_tags(params: &Params) -> Result<bool, Refusal> {
    match params.get("CopyTagsFromSource") {
        None => Ok(false),
        Some("volume") => Ok(true),
        Some(other) => Err(Refusal::invalid_value(format!("Invalid value '{other}' for CopyTagsFromSource"))),
    }
}
