//! `CreateSnapshot` and `DeleteSnapshot`.

use crate::simulator::ec2::call::{Answer, Call};
use crate::simulator::ec2::create_volume::named;
use crate::simulator::ec2::listing::Described;
use crate::simulator::ec2::{listing, tagging};
use crate::simulator::ident::Kind;
use crate::simulator::refusal::Refusal;
use crate::simulator::shot::Owner;

/// Answers a `CreateSnapshot`: pending, with no progress yet.
pub(super) fn create(call: &Call) -> Answer {
    let disk = named(call, "VolumeId")?;
    let tags = tagging::one(call.params, "snapshot")?;
    let description = call.params.get("Description").unwrap_or_default();
    call.dry_run()?;

    let mut edit = call.estate.edit();
    let id = call.estate.plan().idents.text(Kind::Volume, disk.number);
    let disk = edit.scene().disk(disk.number, edit.now());
    let disk = disk.ok_or_else(|| Refusal::unknown_resource(Kind::Volume, &id))?;
    let state = disk.state(edit.now());
    if !matches!(state, "available" | "in-use") {
        return Err(Refusal::new(400, "IncorrectState", format!("The volume '{id}' is '{state}'.")));
    }
    let sticks = |number| call.lens.sticks(Kind::Snapshot, number);
    let mut shot = edit.take(&disk, description, tags, sticks);
    drop(edit);
    // EC2 answers `pending` even when it takes no time at all.
    shot.takes = shot.takes.max(1);
    Ok(call.envelope("CreateSnapshot", 1_024, |xml| shot.write(xml, call, shot.started)))
}

/// Answers a `DeleteSnapshot`.
pub(super) fn delete(call: &Call) -> Answer {
    let parameter = "SnapshotId";
    let id = call.params.get(parameter).ok_or_else(|| Refusal::missing(parameter))?;
    let view = call.estate.view();
    let now = view.now();
    let number = listing::number(call, Kind::Snapshot, id, |number| view.scene().shot(number, now).is_some())?;
    drop(view);
    call.dry_run()?;

    let mut edit = call.estate.edit();
    let shot = edit.scene().shot(number, edit.now());
    let mut shot = shot.ok_or_else(|| Refusal::unknown_resource(Kind::Snapshot, id))?;
    if shot.owner != Owner::Own {
        let message = "You are not authorized to perform this operation.";
        return Err(Refusal::new(403, "UnauthorizedOperation", message));
    }
    shot.deleted = true;
    edit.put_shot(shot);
    drop(edit);
    Ok(call.envelope("DeleteSnapshot", 64, |xml| xml.flag("return", true)))
}
