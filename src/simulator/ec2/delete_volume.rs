//! `DeleteVolume`: the volume is deleting for a while, and then EC2 does not list it.

use crate::simulator::ec2::call::{Answer, Call};
use crate::simulator::ec2::create_volume::named;
use crate::simulator::ec2::volume_attachment::managed;
use crate::simulator::ident::Kind;
use crate::simulator::refusal::Refusal;

/// Answers a `DeleteVolume` call.
pub(super) fn answer(call: &Call) -> Answer {
    let number = named(call, "VolumeId")?.number;
    call.dry_run()?;

    let mut edit = call.account.edit();
    let now = edit.now();
    let idents = call.account.plan().idents;
    let id = idents.text(Kind::Volume, number);
    let disk = edit.scene().disk(number, now);
    let disk = disk.ok_or_else(|| Refusal::unknown_resource(Kind::Volume, &id))?;
    if disk.managed {
        return Err(managed(&id));
    }
    if let Some(attachment) = &disk.attachment {
        let host = idents.text(Kind::Instance, attachment.instance);
        return Err(Refusal::new(400, "VolumeInUse", format!("Volume {id} is currently attached to {host}")));
    }
    let state = disk.state(now);
    if state != "available" {
        return Err(Refusal::new(400, "IncorrectState", format!("The volume '{id}' is '{state}'.")));
    }
    edit.delete_disk(disk, call.request);
    drop(edit);
    Ok(call.envelope("DeleteVolume", 64, |xml| xml.flag("return", true)))
}
