//! `CreateSnapshots`: one crash-consistent snapshot of each volume of an instance.

use crate::simulator::ec2::{Answer, Call};
use crate::simulator::estate::Snapshot;
use crate::simulator::ident::Kind;
use crate::simulator::instance::State;
use crate::simulator::plan::{Plan, Volume};
use crate::simulator::refusal::Refusal;
use crate::simulator::request::Params;
use crate::simulator::tags::Tags;
use crate::simulator::xml::Xml;

/// EC2's limit on excluded data volumes.
const MAX_EXCLUDED: usize = 40;

/// Answers a `CreateSnapshots`.
pub(super) fn answer(call: &Call) -> Answer {
    let (params, plan) = (call.params, call.estate.plan());
    let parameter = "InstanceSpecification.InstanceId";
    let instance_id = params.get(parameter).ok_or_else(|| Refusal::missing(parameter))?;
    let numbers = call.targets(&[instance_id])?;
    let exclude_boot = params.flag("InstanceSpecification.ExcludeBootVolume")?;
    let excluded = excluded(params, plan)?;
    let copy_tags = copy_tags(params)?;
    let tags = tags(params)?;
    let description = params.get("Description").unwrap_or_default();
    call.dry_run()?;

    let mut edit = call.estate.edit();
    let Some(instance) = numbers.first().and_then(|number| edit.instance(*number)) else {
        return Err(Refusal::instance_not_found(&[instance_id]));
    };
    if matches!(instance.state(call.now), State::ShuttingDown | State::Terminated) {
        return Err(Refusal::wrong_state(instance_id, "snapshotted"));
    }
    let data = |number: &u64| Plan::volumes(&instance).any(|volume| !volume.root && volume.number == *number);
    if let Some(stranger) = excluded.iter().find(|number| !data(number)) {
        let id = plan.idents.text(Kind::Volume, *stranger);
        return Err(Refusal::invalid_value(format!("The volume '{id}' is not a data volume of '{instance_id}'")));
    }
    let chosen = |volume: &Volume| if volume.root { !exclude_boot } else { !excluded.contains(&volume.number) };
    let volumes: Vec<Volume> = Plan::volumes(&instance).filter(chosen).collect();
    if volumes.is_empty() {
        return Err(Refusal::invalid_combination("No volumes are left to snapshot after the exclusions"));
    }
    let mut taken = Vec::with_capacity(volumes.len());
    for volume in volumes {
        let mut all = Tags::default();
        // Volumes carry the tags users gave their instance, as `RunInstances` puts them on both when asked to.
        let copied = instance.tags.iter().filter(|(key, _)| copy_tags && !key.starts_with("aws:"));
        for (key, value) in copied.chain(tags.iter()) {
            all.put(key.to_owned(), value.to_owned());
        }
        edit.snapshot(|number| {
            let id = plan.idents.text(Kind::Snapshot, number);
            taken.push((id.clone(), volume, all.clone()));
            Snapshot {
                id,
                volume_id: plan.idents.text(Kind::Volume, volume.number),
                instance_id: instance_id.to_owned(),
                description: description.to_owned(),
                tags: all.iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect(),
            }
        });
    }
    drop(edit);
    Ok(call.envelope("CreateSnapshots", 1_024 * taken.len(), |xml| {
        xml.within("snapshotSet", |xml| {
            for (id, volume, tags) in &taken {
                xml.within("item", |xml| {
                    xml.text("snapshotId", id);
                    write(xml, call, *volume, description, tags);
                });
            }
        });
    }))
}

fn write(xml: &mut Xml, call: &Call, volume: Volume, description: &str, tags: &Tags) {
    let plan = call.estate.plan();
    xml.text("description", description);
    tags.write(xml);
    xml.flag("encrypted", false);
    xml.plain("volumeId", |out| plan.idents.write(Kind::Volume, volume.number, out));
    xml.text("state", "pending");
    xml.number("volumeSize", volume.gib);
    xml.text("startTime", &call.now.iso_millis());
    xml.text("progress", "");
    xml.text("ownerId", &plan.account);
    xml.text("sseType", "none");
}

fn excluded(params: &Params, plan: &Plan) -> Result<Vec<u64>, Refusal> {
    let ids = params.set("InstanceSpecification.ExcludeDataVolumeId");
    if ids.len() > MAX_EXCLUDED {
        return Err(Refusal::invalid_value("You can specify up to 40 volume IDs per request."));
    }
    let number = |id: &&str| {
        let known = plan.idents.number(Kind::Volume, id);
        let known = known.map_err(|_| Refusal::malformed("InvalidVolumeID.Malformed", id, "vol-"))?;
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

fn tags(params: &Params) -> Result<Tags, Refusal> {
    let mut tags = Tags::default();
    for n in 1_u32.. {
        let Some(kind) = params.get(&format!("TagSpecification.{n}.ResourceType")) else { break };
        if kind != "snapshot" {
            return Err(Refusal::invalid_value(format!(
                "'{kind}' is not a valid taggable resource type for this operation."
            )));
        }
        for m in 1_u32.. {
            let tag = format!("TagSpecification.{n}.Tag.{m}");
            let Some(key) = params.get(&format!("{tag}.Key")) else { break };
            if key.starts_with("aws:") {
                return Err(Refusal::invalid_value(format!("Tag keys starting with 'aws:' are reserved: {key}")));
            }
            tags.put(key.to_owned(), params.get(&format!("{tag}.Value")).unwrap_or_default().to_owned());
        }
    }
    Ok(tags)
}
