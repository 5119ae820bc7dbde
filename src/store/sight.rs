//! What a reader may see, with what is remembered of the tags that resources had.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::model::{ActionId, Document, Event, Map, ResourceId, Seq};
use crate::policy::{Reach, Visibility};

/// How many resources, and how many actions, are remembered. When there are more, all are forgotten.
const MOST: usize = 20_000;

/// What a reader may see who does not see everything.
#[derive(Debug)]
pub(super) struct ReaderSight {
    pub(super) visibility: Visibility,
    /// What was read of the log already: records never change.
    spells: Mutex<HashMap<ResourceId, Arc<Spells>>>,
    /// The records that requested actions; [`Seq::ZERO`] for an action whose request was searched for and not found.
    requests: Mutex<HashMap<ActionId, Seq>>,
}

/// When a resource was visible by its tags: the spells between the records that brought it into sight and out of it.
#[derive(Debug)]
pub(super) struct Spells {
    /// Up to which record they are known.
    pub(super) upto: Seq,
    /// Whether it was visible before the first of the turns.
    pub(super) first: bool,
    /// The records that changed whether it was visible, and to what.
    pub(super) turns: Vec<(Seq, bool)>,
}

impl ReaderSight {
    pub(super) fn new(visibility: Visibility) -> Self {
        ReaderSight { visibility, spells: Mutex::default(), requests: Mutex::default() }
    }

    /// How much is visible of what a resource is among.
    pub(super) fn reach(&self, id: &ResourceId) -> Reach {
        self.visibility.reach(id.account.as_str(), id.region.as_str(), &id.kind)
    }

    /// Whether a resource with these tags is visible.
    pub(super) fn sees<'t>(&self, id: &ResourceId, tags: &(impl Iterator<Item = (&'t str, &'t str)> + Clone)) -> bool {
        self.visibility.sees(id.account.as_str(), id.region.as_str(), &id.kind, tags)
    }

    /// What is known of a resource's spells up to a record.
    pub(super) fn known(&self, id: &ResourceId, upto: Seq) -> Option<Arc<Spells>> {
        self.spells.lock().get(id).filter(|spells| spells.upto >= upto).cloned()
    }

    pub(super) fn remember(&self, id: &ResourceId, spells: &Arc<Spells>) {
        let mut known = self.spells.lock();
        if known.len() >= MOST {
            known.clear();
        }
        known.insert(id.clone(), Arc::clone(spells));
    }

    /// The record that requested an action, if that is remembered; [`Seq::ZERO`] if it was searched for and not found.
    pub(super) fn request(&self, action: ActionId) -> Option<Seq> {
        self.requests.lock().get(&action).copied()
    }

    /// Remembers which record requested an action; [`Seq::ZERO`] where none was found.
    pub(super) fn note_request(&self, action: ActionId, request: Seq) {
        let mut known = self.requests.lock();
        if known.len() >= MOST {
            known.clear();
        }
        known.insert(action, request);
    }
}

impl Spells {
    /// Whether it was visible after a record.
    pub(super) fn at(&self, seq: Seq) -> bool {
        let turns = self.turns.iter().rev();
        turns.into_iter().find(|(turn, _)| *turn <= seq).map_or(self.first, |(_, is_seen)| *is_seen)
    }

    /// The record that took it out of sight, where that was the last turn.
    pub(super) fn end(&self) -> Option<Seq> {
        self.turns.last().filter(|(_, is_seen)| !is_seen).map(|(seq, _)| *seq)
    }

    /// The record that brought it into sight for the spell in which `seq` is; `None` where that is not known.
    pub(super) fn start(&self, seq: Seq) -> Option<Seq> {
        let turn = self.turns.iter().rev().find(|(turn, _)| *turn <= seq)?;
        turn.1.then_some(turn.0)
    }

    pub(super) fn turn(&mut self, seq: Seq, is_seen: bool) {
        if self.turns.last().map_or(self.first, |(_, was)| *was) != is_seen {
            self.turns.push((seq, is_seen));
        }
    }
}

/// The tags in a document.
pub(super) fn tags_in(document: &Document) -> impl Iterator<Item = (&str, &str)> + Clone {
    document.tags().collect::<Vec<_>>().into_iter()
}

/// The tags of a resource while its records go by.
pub(super) struct PassingTags(Option<Document>);

impl PassingTags {
    /// Those of a document; `None` where there is no resource.
    pub(super) fn of(document: Option<&Document>) -> Self {
        PassingTags(document.map(|document| {
            let tags = document.get("Tags").cloned();
            Document::new(tags.map(|tags| Map::from([("Tags", tags)])).unwrap_or_default())
        }))
    }

    /// The tags; `None` where there is no resource, or what they are is not known.
    pub(super) fn document(&self) -> Option<&Document> {
        self.0.as_ref()
    }

    /// What they are after an event of the resource.
    pub(super) fn pass(&mut self, event: &Event) {
        match event {
            Event::Discovered { document, .. } => *self = PassingTags::of(Some(document)),
            Event::Changed { changes, .. } | Event::Remapped { changes, .. } => {
                if let Some(tags) = &mut self.0 {
                    let of_tags = |path: &str| path == "Tags" || path.starts_with("Tags.");
                    let changes: Vec<_> = changes.iter().filter(|change| of_tags(&change.path)).cloned().collect();
                    tags.apply(&changes);
                }
            }
            Event::Removed { .. } => self.0 = None,
            _ => {}
        }
    }

    /// A record could not be read: what the tags are is not known until the resource is discovered again.
    pub(super) fn lose(&mut self) {
        self.0 = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spell_lasts_from_the_record_that_shows_a_resource_to_the_one_that_hides_it() {
        let mut spells = Spells { upto: Seq(20), first: false, turns: Vec::new() };
        for (seq, is_seen) in [(2, false), (4, true), (6, true), (9, false), (12, true)] {
            spells.turn(Seq(seq), is_seen);
        }
        let seen: Vec<u64> = (0..15).filter(|seq| spells.at(Seq(*seq))).collect();
        assert_eq!(seen, [4, 5, 6, 7, 8, 12, 13, 14]);
        assert_eq!((spells.start(Seq(8)), spells.start(Seq(9)), spells.end()), (Some(Seq(4)), None, None));
        spells.turn(Seq(14), false);
        assert_eq!(spells.end(), Some(Seq(14)));
    }
}
