//! `DescribeSnapshots`: own snapshots, and the public ones unless somebody says whose are wanted.

use crate::simulator::clock::Moment;
use crate::simulator::disk::Disk;
use crate::simulator::ec2::call::{Answer, Call};
use crate::simulator::ec2::listing::{Described, describe, id};
use crate::simulator::ec2::owners::Owners;
use crate::simulator::estate::Scene;
use crate::simulator::filter::{Filter, Filtered};
use crate::simulator::ident::Kind;
use crate::simulator::plan::Plan;
use crate::simulator::shot::{Shot, UNTOLD};
use crate::simulator::tags::Tags;
use crate::simulator::xml::Xml;

/// What EC2 shows where it does not tell the volume.
const UNTOLD_ID: &str = "vol-ffffffff";
/// Answers a `DescribeSnapshots`.
pub(super) fn answer(call: &Call) -> Answer {
    let plan = call.estate.plan();
    let owners = Owners::parse(call.params, plan, "RestorableBy")?;
    describe::<Shot>(call, |shot| owners.hold(&shot.owner, plan))
}

impl Described for Shot {
    const ACTION: &'static str = "DescribeSnapshots";
    const KIND: Kind = Kind::Snapshot;
    const IDS: &'static str = "SnapshotId";
    const SET: &'static str = "snapshotSet";
    const BYTES: usize = 900;
    const CHOSEN: &'static [&'static str] = &["Owner.1", "Owner.2", "Owner.3", "RestorableBy.1", "RestorableBy.2"];

    fn numbers(scene: Scene<'_>, from: u64) -> impl Iterator<Item = u64> {
        scene.shots(from)
    }

    fn find(scene: Scene<'_>, number: u64, at: Moment) -> Option<Self> {
        scene.shot(number, at)
    }

    fn tags_mut(&mut self) -> &mut Tags {
        &mut self.tags
    }

    fn write(&self, xml: &mut Xml, call: &Call, at: Moment) {
        let plan = call.estate.plan();
        id(xml, call, "snapshotId", Kind::Snapshot, self.number);
        xml.text("volumeId", &volume_id(self, plan));
        xml.text("status", self.state(at));
        xml.text("startTime", &self.started.iso_millis());
        xml.text("progress", &progress(self, at));
        xml.text("ownerId", self.owner.account(plan));
        if let Some(alias) = self.owner.alias() {
            xml.text("ownerAlias", alias);
        }
        xml.number("volumeSize", self.gib);
        xml.text("description", &self.description);
        self.tags.write(xml);
        xml.flag("encrypted", self.encrypted);
        if self.encrypted {
            xml.text("kmsKeyId", &Disk::key_or_own(self.key.as_deref(), plan));
        }
        xml.text("storageTier", "standard");
        if self.completed(at) {
            xml.text("completionTime", &self.reaches(100).iso_millis());
            xml.number("fullSnapshotSizeInBytes", self.bytes());
        }
    }
}

fn volume_id(shot: &Shot, plan: &Plan) -> String {
    if shot.volume == UNTOLD { UNTOLD_ID.to_owned() } else { plan.idents.text(Kind::Volume, shot.volume) }
}

fn progress(shot: &Shot, at: Moment) -> String {
    format!("{}%", shot.progress(at))
}

impl Filtered for Shot {
    const FILTERS: &'static [Filter<Self>] = &[
        ("description", |shot, values| values.text(&shot.description)),
        ("encrypted", |shot, values| values.flag(shot.encrypted)),
        ("owner-alias", |shot, values| values.texts(shot.owner.alias())),
        ("owner-id", |shot, values| values.text(shot.owner.account(values.plan))),
        ("progress", |shot, values| values.text(&progress(shot, values.at))),
        ("snapshot-id", |shot, values| values.ids(Kind::Snapshot, [shot.number])),
        ("start-time", |shot, values| values.text(&shot.started.iso_millis())),
        ("status", |shot, values| values.text(shot.state(values.at))),
        ("storage-tier", |_, values| values.text("standard")),
        ("volume-id", |shot, values| values.text(&volume_id(shot, values.plan))),
        ("volume-size", |shot, values| values.show([shot.gib])),
    ];
    const TAGS: Option<fn(&Self) -> &Tags> = Some(|shot| &shot.tags);
}
