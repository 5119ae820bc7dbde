//! `CreateSnapshot` and `DeleteSnapshot`.

use crate::simulator::ec2::call::{Answer, Call};
use crate::simulator::ec2::create_volume::named;
use crate::simulator::ec2::listing::Described;
use crate::simulator::ec2::{listing, tagging};
use crate::simulator::ident::Kind;
use crate::simulator::refusal::Refusal;
use crate::simulator::snapshot::Owner;

/// Answers a `CreateSnapshot` call: the snapshot is pending and has made no progress.
pub(super) fn create(call: &Call) -> Answer {
    let disk = named(call, "VolumeId")?;
    let tags = tagging::one(call.params, "snapshot")?;
    let description = call.params.get("Description").unwrap_or_default();
    call.dry_run()?;

    let mut edit = call.account.edit();
    let id = call.account.plan().idents.text(Kind::Volume, disk.number);
    let disk = edit.scene().disk(disk.number, edit.now());
    let disk = disk.ok_or_else(|| Refusal::unknown_resource(Kind::Volume, &id))?;
    let state = disk.state(edit.now());
    if !matches!(state, "available" | "in-use") {
        return Err(Refusal::new(400, "IncorrectState", format!("The volume '{id}' is '{state}'.")));
    }
    let sticks = |number| call.view.sticks(Kind::Snapshot, number);
    let mut snapshot = edit.take(&disk, description, tags, sticks);
    drop(edit);
    // EC2 answers `pending` even when the snapshot takes no time.
    snapshot.takes = snapshot.takes.max(1);
    Ok(call.envelope("CreateSnapshot", 1_024, |xml| snapshot.write(xml, call, snapshot.started)))
}

/// Answers a `DeleteSnapshot` call.
pub(super) fn delete(call: &Call) -> Answer {
    let parameter = "SnapshotId";
    let id = call.params.get(parameter).ok_or_else(|| Refusal::missing(parameter))?;
    let reading = call.account.reading();
    let now = reading.now();
    let number = listing::number(call, Kind::Snapshot, id, |number| reading.scene().snapshot(number, now).is_some())?;
    drop(reading);
    call.dry_run()?;

    let mut edit = call.account.edit();
    let snapshot = edit.scene().snapshot(number, edit.now());
    let mut snapshot = snapshot.ok_or_else(|| Refusal::unknown_resource(Kind::Snapshot, id))?;
    if snapshot.owner != Owner::Own {
        let message = "You are not authorized to perform this operation.";
        return Err(Refusal::new(403, "UnauthorizedOperation", message));
    }
    snapshot.deleted = true;
    edit.put_snapshot(snapshot);
    drop(edit);
    Ok(call.envelope("DeleteSnapshot", 64, |xml| xml.flag("return", true)))
}
