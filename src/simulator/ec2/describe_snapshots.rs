//! `DescribeSnapshots`: the account's own snapshots and public ones, unless the call names owners.

use crate::simulator::account::Scene;
use crate::simulator::clock::Moment;
use crate::simulator::ebs_volume::EbsVolume;
use crate::simulator::ec2::call::{Answer, Call};
use crate::simulator::ec2::listing::{Described, describe, id};
use crate::simulator::ec2::owners::Owners;
use crate::simulator::filter::{Filter, Filtered};
use crate::simulator::ident::Kind;
use crate::simulator::plan::Plan;
use crate::simulator::snapshot::{HIDDEN_VOLUME, Snapshot};
use crate::simulator::tags::Tags;
use crate::simulator::xml::Xml;

/// What EC2 shows in place of the volume's id when the account may not know it.
const HIDDEN_VOLUME_ID: &str = "vol-ffffffff";
/// Answers a `DescribeSnapshots` call.
pub(super) fn answer(call: &Call) -> Answer {
    let plan = call.account.plan();
    let owners = Owners::parse(call.params, plan, "RestorableBy")?;
    describe::<Snapshot>(call, |snapshot| owners.hold(&snapshot.owner, plan))
}

impl Described for Snapshot {
    const ACTION: &'static str = "DescribeSnapshots";
    const KIND: Kind = Kind::Snapshot;
    const IDS: &'static str = "SnapshotId";
    const SET: &'static str = "snapshotSet";
    const BYTES: usize = 900;
    const CHOSEN: &'static [&'static str] = &["Owner.1", "Owner.2", "Owner.3", "RestorableBy.1", "RestorableBy.2"];

    fn numbers(scene: Scene<'_>, from: u64) -> impl Iterator<Item = u64> {
        scene.snapshots(from)
    }

    fn find(scene: Scene<'_>, number: u64, at: Moment) -> Option<Self> {
        scene.snapshot(number, at)
    }

    fn tags_mut(&mut self) -> &mut Tags {
        &mut self.tags
    }

    fn write(&self, xml: &mut Xml, call: &Call, at: Moment) {
        let plan = call.account.plan();
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
            xml.text("kmsKeyId", &EbsVolume::key_or_own(self.key.as_deref(), plan));
        }
        xml.text("storageTier", "standard");
        if self.completed(at) {
            xml.text("completionTime", &self.reaches(100).iso_millis());
            xml.number("fullSnapshotSizeInBytes", self.bytes());
        }
    }
}

fn volume_id(snapshot: &Snapshot, plan: &Plan) -> String {
    if snapshot.volume == HIDDEN_VOLUME {
        HIDDEN_VOLUME_ID.to_owned()
    } else {
        plan.idents.text(Kind::Volume, snapshot.volume)
    }
}

fn progress(snapshot: &Snapshot, at: Moment) -> String {
    format!("{}%", snapshot.progress(at))
}

impl Filtered for Snapshot {
    const FILTERS: &'static [Filter<Self>] = &[
        ("description", |snapshot, values| values.text(&snapshot.description)),
        ("encrypted", |snapshot, values| values.flag(snapshot.encrypted)),
        ("owner-alias", |snapshot, values| values.texts(snapshot.owner.alias())),
        ("owner-id", |snapshot, values| values.text(snapshot.owner.account(values.plan))),
        ("progress", |snapshot, values| values.text(&progress(snapshot, values.at))),
        ("snapshot-id", |snapshot, values| values.ids(Kind::Snapshot, [snapshot.number])),
        ("start-time", |snapshot, values| values.text(&snapshot.started.iso_millis())),
        ("status", |snapshot, values| values.text(snapshot.state(values.at))),
        ("storage-tier", |_, values| values.text("standard")),
        ("volume-id", |snapshot, values| values.text(&volume_id(snapshot, values.plan))),
        ("volume-size", |snapshot, values| values.show([snapshot.gib])),
    ];
    const TAGS: Option<fn(&Self) -> &Tags> = Some(|snapshot| &snapshot.tags);
}
