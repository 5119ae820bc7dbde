//! `CreateImage` and `DeregisterImage`.

use crate::simulator::ami::Ami;
use crate::simulator::ec2::call::{Answer, Call};
use crate::simulator::ec2::describe_images::unavailable;
use crate::simulator::ec2::listing::{id, named};
use crate::simulator::ec2::tagging;
use crate::simulator::ident::Kind;
use crate::simulator::instance::State;
use crate::simulator::refusal::Refusal;

/// Answers a `CreateImage` call. The image contains only the root volume.
pub(super) fn create(call: &Call) -> Answer {
    let params = call.params;
    let instance_id = params.get("InstanceId").ok_or_else(|| Refusal::missing("instanceId"))?;
    let name = params.get("Name").ok_or_else(|| Refusal::missing("name"))?;
    let number = call.targets(&[instance_id])?.first().copied();
    params.flag("NoReboot")?;
    let tags = tagging::specified(params, &["image", "snapshot"])?;
    let of =
        |kind: &str| tags.iter().find(|(known, _)| known == kind).map(|(_, tags)| tags.clone()).unwrap_or_default();
    call.dry_run()?;
    let mut edit = call.account.edit();
    let now = edit.now();
    let instance = number.and_then(|number| edit.instance(number));
    let instance = instance.ok_or_else(|| Refusal::instance_not_found(&[instance_id]))?;
    if !matches!(instance.state(now), State::Running | State::Stopped | State::Stopping) {
        let message = format!("The instance ID '{instance_id}' is not in a valid state for this operation.");
        return Err(Refusal::new(400, "IncorrectState", message));
    }
    let scene = edit.scene();
    let mut own = scene.amis(0).filter_map(|number| scene.ami(number, now)).filter(|ami| !ami.is_public());
    if let Some(known) = own.find(|ami| ami.name == name) {
        let known = scene.plan.idents.text(Kind::Image, known.number);
        let message = format!("AMI name {name} is already in use by AMI {known}");
        return Err(Refusal::new(400, "InvalidAMIName.Duplicate", message));
    }
    drop(own);
    let description = params.get("Description").unwrap_or_default();
    let ami = edit.create_image(&instance, name, description, of("image"));
    let ami = ami.ok_or_else(|| Refusal::new(400, "IncorrectState", "The instance has no root volume."))?;
    edit.tag_new(Kind::Snapshot, ami.snapshot, of("snapshot"));
    drop(edit);
    Ok(call.envelope("CreateImage", 128, |xml| id(xml, call, "imageId", Kind::Image, ami.number)))
}

/// Answers a `DeregisterImage` call. The image's snapshot stays.
pub(super) fn deregister(call: &Call) -> Answer {
    unavailable(call, call.params.get("ImageId").as_slice())?;
    let ami: Ami = named(call)?;
    call.dry_run()?;
    if ami.is_public() {
        let message = "You are not authorized to perform this operation.";
        return Err(Refusal::new(403, "UnauthorizedOperation", message));
    }
    call.account.edit().put(Ami { deregistered: true, ..ami });
    Ok(call.done("DeregisterImage"))
}
