//! `DescribeSnapshots`: own snapshots, and the public ones unless somebody says whose are wanted.

use crate::simulator::clock::Moment;
use crate::simulator::ec2::listing::{Listing, id, seen_tags, truth};
use crate::simulator::ec2::owners::Owners;
use crate::simulator::ec2::{Answer, Call};
use crate::simulator::filter::Filters;
use crate::simulator::ident::Kind;
use crate::simulator::plan::Plan;
use crate::simulator::shot::{Shot, UNTOLD};
use crate::simulator::storage::Disk;
use crate::simulator::tags::TagField;
use crate::simulator::xml::Xml;

/// What EC2 shows where it does not tell the volume.
const UNTOLD_ID: &str = "vol-ffffffff";
/// About what a snapshot takes in XML.
const BYTES: usize = 900;

/// Answers a `DescribeSnapshots`.
pub(super) fn answer(call: &Call) -> Answer {
    let plan = call.estate.plan();
    let owners = Owners::parse(call.params, plan, "RestorableBy")?;
    let filters = Filters::parse(call.params, Field::parse)?;
    let view = call.estate.view();
    let scene = view.scene();
    let chosen = ["Owner.1", "Owner.2", "Owner.3", "RestorableBy.1", "RestorableBy.2"];
    let listing =
        Listing::parse(call, Kind::Snapshot, "SnapshotId", &chosen, |number, at| scene.shot(number, at).is_some())?;
    call.dry_run()?;
    Ok(call.envelope("DescribeSnapshots", BYTES * listing.expected(), |xml| {
        listing.write(
            xml,
            "snapshotSet",
            scene.shots(listing.from()),
            |number, sight| {
                let mut shot = scene.shot(number, sight.at).filter(|shot| owners.hold(&shot.owner, plan))?;
                seen_tags(scene, Kind::Snapshot, number, sight, &mut shot.tags);
                filters.hold(|field, matches| field.any(&shot, plan, sight.at, matches)).then_some(shot)
            },
            |xml, shot, sight| write(xml, call, shot, sight.at),
        );
    }))
}

/// A snapshot's fields, also the whole answer of `CreateSnapshot`.
pub(super) fn write(xml: &mut Xml, call: &Call, shot: &Shot, at: Moment) {
    let plan = call.estate.plan();
    id(xml, call, "snapshotId", Kind::Snapshot, shot.number);
    xml.text("volumeId", &volume_id(shot, plan));
    xml.text("status", shot.state(at));
    xml.text("startTime", &shot.started.iso_millis());
    xml.text("progress", &progress(shot, at));
    xml.text("ownerId", shot.owner.account(plan));
    if let Some(alias) = shot.owner.alias() {
        xml.text("ownerAlias", alias);
    }
    xml.number("volumeSize", shot.gib);
    xml.text("description", &shot.description);
    shot.tags.write(xml);
    xml.flag("encrypted", shot.encrypted);
    if shot.encrypted {
        xml.text("kmsKeyId", &Disk::key_or_own(shot.key.as_deref(), plan));
    }
    xml.text("storageTier", "standard");
    if shot.completed(at) {
        xml.text("completionTime", &shot.reaches(100).iso_millis());
        xml.number("fullSnapshotSizeInBytes", shot.bytes());
    }
}

fn volume_id(shot: &Shot, plan: &Plan) -> String {
    if shot.volume == UNTOLD { UNTOLD_ID.to_owned() } else { plan.idents.text(Kind::Volume, shot.volume) }
}

fn progress(shot: &Shot, at: Moment) -> String {
    format!("{}%", shot.progress(at))
}

enum Field {
    Id,
    Volume,
    State,
    Progress,
    Started,
    Owner,
    OwnerAlias,
    Size,
    Description,
    Encrypted,
    StorageTier,
    Tag(TagField),
}

impl Field {
    fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "snapshot-id" => Self::Id,
            "volume-id" => Self::Volume,
            "status" => Self::State,
            "progress" => Self::Progress,
            "start-time" => Self::Started,
            "owner-id" => Self::Owner,
            "owner-alias" => Self::OwnerAlias,
            "volume-size" => Self::Size,
            "description" => Self::Description,
            "encrypted" => Self::Encrypted,
            "storage-tier" => Self::StorageTier,
            _ => Self::Tag(TagField::parse(name)?),
        })
    }

    fn any(&self, shot: &Shot, plan: &Plan, at: Moment, matches: &mut dyn FnMut(&str) -> bool) -> bool {
        match self {
            Self::Id => matches(&plan.idents.text(Kind::Snapshot, shot.number)),
            Self::Volume => matches(&volume_id(shot, plan)),
            Self::State => matches(shot.state(at)),
            Self::Progress => matches(&progress(shot, at)),
            Self::Started => matches(&shot.started.iso_millis()),
            Self::Owner => matches(shot.owner.account(plan)),
            Self::OwnerAlias => shot.owner.alias().is_some_and(matches),
            Self::Size => matches(&shot.gib.to_string()),
            Self::Description => matches(&shot.description),
            Self::Encrypted => matches(truth(shot.encrypted)),
            Self::StorageTier => matches("standard"),
            Self::Tag(tag) => tag.any(&shot.tags, matches),
        }
    }
}
