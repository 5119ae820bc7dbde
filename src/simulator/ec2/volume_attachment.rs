//! `AttachVolume` and `DetachVolume`: both take a while, and the answer shows the change in progress.

use crate::simulator::ebs_volume::{Attachment, EbsVolume};
use crate::simulator::ec2::call::{Answer, Call};
use crate::simulator::ec2::create_volume::named;
use crate::simulator::ec2::describe_volumes::write_attachment;
use crate::simulator::ec2::lifecycle::OPERATOR;
use crate::simulator::ident::Kind;
use crate::simulator::instance::{Instance, State};
use crate::simulator::refusal::Refusal;

/// Answers an `AttachVolume` call.
pub(super) fn attach(call: &Call) -> Answer {
    let disk = named(call, "VolumeId")?;
    let instance_id = call.params.get("InstanceId").ok_or_else(|| Refusal::missing("InstanceId"))?;
    let device = call.params.get("Device").ok_or_else(|| Refusal::missing("Device"))?;
    let number = instance(call, instance_id)?;
    call.dry_run()?;

    let mut edit = call.account.edit();
    let now = edit.now();
    let (scene, plan) = (edit.scene(), call.account.plan());
    let volume_id = plan.idents.text(Kind::Volume, disk.number);
    let disk = scene.disk(disk.number, now).ok_or_else(|| gone(&volume_id))?;
    let host = scene.host(number, now).ok_or_else(|| Refusal::instance_not_found(&[instance_id]))?;
    check_volume(&disk, &volume_id, call)?;
    check_host(&host, instance_id, call)?;
    if host.zone != disk.zone {
        return Err(Refusal::new(
            400,
            "InvalidVolume.ZoneMismatch",
            format!("The volume '{volume_id}' is not in the same availability zone as instance '{instance_id}'"),
        ));
    }
    let taken = |other: &EbsVolume| other.attachment.as_ref().is_some_and(|it| it.device == device);
    if scene.disks_of(&host, now).any(|other| taken(&other)) {
        return Err(Refusal::invalid_value(format!(
            "Invalid value '{device}' for unixDevice. Attachment point {device} is already in use"
        )));
    }
    let attachment = edit.attach(disk.clone(), number, device, call.request);
    drop(edit);
    Ok(shown("AttachVolume", call, &disk, &attachment, "attaching"))
}

/// Answers a `DetachVolume` call.
pub(super) fn detach(call: &Call) -> Answer {
    call.params.flag("Force")?;
    let disk = named(call, "VolumeId")?;
    let instance_id = call.params.get("InstanceId");
    let number = instance_id.map(|id| instance(call, id)).transpose()?;
    call.dry_run()?;

    let mut edit = call.account.edit();
    let now = edit.now();
    let (scene, plan) = (edit.scene(), call.account.plan());
    let volume_id = plan.idents.text(Kind::Volume, disk.number);
    let disk = scene.disk(disk.number, now).ok_or_else(|| gone(&volume_id))?;
    let Some(attachment) = disk.attachment.clone() else {
        return Err(incorrect(format!("Volume '{volume_id}' is in the '{}' state.", disk.state(now))));
    };
    let elsewhere = number.is_some_and(|number| number != attachment.instance)
        || call.params.get("Device").is_some_and(|device| device != attachment.device);
    if elsewhere {
        let host = plan.idents.text(Kind::Instance, attachment.instance);
        let message = format!("Volume '{volume_id}' is attached to '{host}' as '{}'", attachment.device);
        return Err(Refusal::new(400, "InvalidAttachment.NotFound", message));
    }
    if disk.managed {
        return Err(managed(&volume_id));
    }
    if attachment.detached.is_some() {
        return Err(incorrect(format!("Volume '{volume_id}' is in the 'detaching' state.")));
    }
    let host = scene.host(attachment.instance, now);
    let root = host.as_ref().is_some_and(|host| attachment.device == host.image.root);
    if root && host.is_some_and(|host| host.state(now) != State::Stopped) {
        let host = plan.idents.text(Kind::Instance, attachment.instance);
        let message = format!("Unable to detach root volume '{volume_id}' from instance '{host}'");
        return Err(Refusal::new(400, "OperationNotPermitted", message));
    }
    edit.detach(disk.clone());
    drop(edit);
    Ok(shown("DetachVolume", call, &disk, &attachment, "detaching"))
}

fn shown(action: &str, call: &Call, disk: &EbsVolume, attachment: &Attachment, status: &str) -> String {
    call.envelope(action, 512, |xml| write_attachment(xml, call, disk.number, attachment, status))
}

fn check_volume(disk: &EbsVolume, id: &str, call: &Call) -> Result<(), Refusal> {
    match disk.state(call.now) {
        _ if disk.managed => Err(managed(id)),
        "available" => Ok(()),
        "in-use" => Err(Refusal::new(400, "VolumeInUse", format!("{id} is already attached to an instance"))),
        _ => Err(incorrect(format!("{id} is not 'available'."))),
    }
}

fn check_host(host: &Instance, id: &str, call: &Call) -> Result<(), Refusal> {
    if matches!(host.state(call.now), State::Running | State::Stopping | State::Stopped) {
        return Ok(());
    }
    Err(incorrect(format!("Instance '{id}' is not 'running'.")))
}

fn instance(call: &Call, id: &str) -> Result<u64, Refusal> {
    let numbers = call.targets(&[id])?;
    numbers.first().copied().ok_or_else(|| Refusal::instance_not_found(&[id]))
}

fn gone(id: &str) -> Refusal {
    Refusal::unknown_resource(Kind::Volume, id)
}

fn incorrect(message: String) -> Refusal {
    Refusal::new(400, "IncorrectState", message)
}

/// EC2's refusal to change a volume that another principal manages for the account.
pub(super) fn managed(id: &str) -> Refusal {
    let message = format!("The volume '{id}' may not be modified. It is managed by {OPERATOR}.");
    Refusal::new(400, "OperationNotPermitted", message)
}
