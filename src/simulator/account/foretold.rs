//! Whether a happening announced in advance took place.

use crate::simulator::account::Account;
use crate::simulator::clock::Moment;
use crate::simulator::happening::What;
use crate::simulator::ident::Kind;
use crate::simulator::snapshot::Snapshot;

impl Account {
    /// Whether a volume or snapshot happening announced for `at` took place; a later call may have prevented it.
    pub(crate) fn came_true(&self, what: &What, at: Moment) -> bool {
        let reading = self.reading();
        let scene = reading.scene();
        // For a resource that this account never held, the happening counts as having taken place.
        let number = |kind, id: &str| {
            let number = self.plan().idents.number(kind, id).ok().flatten();
            number.filter(|number| scene.ever(kind, *number))
        };
        let completed = |id: &str| {
            let snapshot = |number| scene.snapshot(number, at).is_some_and(|snapshot: Snapshot| snapshot.completed(at));
            number(Kind::Snapshot, id).is_none_or(snapshot)
        };
        match what {
            What::Volume { id, event, .. } => {
                let Some(number) = number(Kind::Volume, id) else { return true };
                match (*event, scene.disk(number, at)) {
                    ("deleteVolume", disk) => disk.is_none(),
                    (_, None) => false,
                    ("attachVolume", Some(disk)) => {
                        disk.attachment.is_some_and(|attachment| attachment.status(at) == "attached")
                    }
                    (_, Some(disk)) => at >= disk.ready,
                }
            }
            What::Snapshot { id, .. } => completed(id),
            What::Snapshots { snapshots, .. } => snapshots.iter().all(|(id, ..)| completed(id)),
            _ => true,
        }
    }
}
