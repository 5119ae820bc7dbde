//! What a reader may see, with what is remembered of the tags that resources had.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::model::{ActionId, Document, Event, Map, ResourceId, Seq};
use crate::policy::{Visibility, VisiblePart};

/// How many resources, and how many actions, are remembered. When there are more, all are forgotten.
const MOST: usize = 20_000;

/// What a reader may see who does not see everything.
#[derive(Debug)]
pub(super) struct ReaderSight {
    pub(super) visibility: Visibility,
    /// Decides on what is looked up beside what is not found.
    pub(super) secret: u64,
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
    /// What it was before the first of the turns.
    pub(super) first: SightState,
    /// The records that changed what it was, and to what.
    pub(super) turns: Vec<(Seq, SightState)>,
}

/// What a resource is for a reader after a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SightState {
    /// It is not there.
    Absent,
    /// It is there, and hidden or of unknown tags.
    Hidden,
    /// It is there and visible.
    Seen,
}

impl ReaderSight {
    pub(super) fn new(visibility: Visibility) -> Self {
        let secret = fastrand::u64(..);
        ReaderSight { visibility, secret, spells: Mutex::default(), requests: Mutex::default() }
    }

    /// How much is visible of what a resource is among.
    pub(super) fn reach(&self, id: &ResourceId) -> VisiblePart {
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
    /// Whether it was there and visible after a record.
    pub(super) fn at(&self, seq: Seq) -> bool {
        let turn = self.turns.iter().rev().find(|(turn, _)| *turn <= seq);
        turn.map_or(self.first, |(_, state)| *state) == SightState::Seen
    }

    /// Whether what was recorded of it as `seq` is visible, also where it was not there then: it may tell of what was gone already,
    /// or of what was found only later. So it goes by the last state before in which it was there, or else by the first one after.
    pub(super) fn around(&self, seq: Seq) -> bool {
        let (until, later) = self.turns.split_at(self.turns.partition_point(|(turn, _)| *turn <= seq));
        let before = until.iter().rev().map(|(_, state)| *state).chain([self.first]);
        let mut states = before.chain(later.iter().map(|(_, state)| *state));
        states.find(|state| *state != SightState::Absent) == Some(SightState::Seen)
    }

    /// Whether it never was there.
    pub(super) fn is_blank(&self) -> bool {
        self.first == SightState::Absent && self.turns.is_empty()
    }

    /// The record that took it out of sight, if it is not visible any more.
    pub(super) fn end(&self) -> Option<Seq> {
        let mut end = None;
        for (seq, state) in self.turns.iter().rev() {
            if *state == SightState::Seen {
                return end;
            }
            end = Some(*seq);
        }
        end.filter(|_| self.first == SightState::Seen)
    }

    /// The record that brought it into sight for the spell in which `seq` is; `None` where that is not known.
    pub(super) fn start(&self, seq: Seq) -> Option<Seq> {
        let (turn, state) = self.turns.iter().rev().find(|(turn, _)| *turn <= seq)?;
        (*state == SightState::Seen).then_some(*turn)
    }

    pub(super) fn turn(&mut self, seq: Seq, state: SightState) {
        if self.turns.last().map_or(self.first, |(_, was)| *was) != state {
            self.turns.push((seq, state));
        }
    }
}

/// The tags in a document.
pub(super) fn tags_in(document: &Document) -> impl Iterator<Item = (&str, &str)> + Clone {
    document.tags().collect::<Vec<_>>().into_iter()
}

/// The tags of a resource while its records go by.
pub(super) enum PassingTags {
    /// There is no resource.
    Absent,
    /// What they are is not known.
    Lost,
    /// A document of nothing else.
    Known(Document),
}

impl PassingTags {
    /// Those of a document; `None` where there is no resource.
    pub(super) fn of(document: Option<&Document>) -> Self {
        let Some(document) = document else { return PassingTags::Absent };
        let tags = document.get("Tags").cloned();
        PassingTags::Known(Document::new(tags.map(|tags| Map::from([("Tags", tags)])).unwrap_or_default()))
    }

    /// What a resource with them is for a reader who sees those whose tags `sees` takes.
    pub(super) fn state(&self, sees: impl Fn(&Document) -> bool) -> SightState {
        match self {
            PassingTags::Absent => SightState::Absent,
            PassingTags::Known(tags) if sees(tags) => SightState::Seen,
            PassingTags::Lost | PassingTags::Known(_) => SightState::Hidden,
        }
    }

    /// What they are after an event of the resource.
    pub(super) fn pass(&mut self, event: &Event) {
        match event {
            Event::Discovered { document, .. } => *self = PassingTags::of(Some(document)),
            Event::Changed { changes, .. } | Event::Remapped { changes, .. } => {
                if let PassingTags::Known(tags) = self {
                    let of_tags = |path: &str| path == "Tags" || path.starts_with("Tags.");
                    let changes: Vec<_> = changes.iter().filter(|change| of_tags(&change.path)).cloned().collect();
                    tags.apply(&changes);
                }
            }
            Event::Removed { .. } => *self = PassingTags::Absent,
            _ => {}
        }
    }

    /// A record could not be read: what the tags are is not known until the resource is discovered again.
    pub(super) fn lose(&mut self) {
        *self = PassingTags::Lost;
    }
}

#[cfg(test)]
mod tests {
    use super::SightState::{Absent, Hidden, Seen};
    use super::*;

    fn spells(first: SightState, turns: &[(u64, SightState)]) -> Spells {
        let mut spells = Spells { upto: Seq(20), first, turns: Vec::new() };
        for (seq, state) in turns {
            spells.turn(Seq(*seq), *state);
        }
        spells
    }

    #[test]
    fn a_spell_lasts_from_the_record_that_shows_a_resource_to_the_one_that_hides_it() {
        let mut spells = spells(Hidden, &[(2, Hidden), (4, Seen), (6, Seen), (9, Hidden), (12, Seen)]);
        let seen: Vec<u64> = (0..15).filter(|seq| spells.at(Seq(*seq))).collect();
        assert_eq!(seen, [4, 5, 6, 7, 8, 12, 13, 14]);
        assert_eq!((spells.start(Seq(8)), spells.start(Seq(9)), spells.end()), (Some(Seq(4)), None, None));
        spells.turn(Seq(14), Hidden);
        spells.turn(Seq(16), Absent);
        assert_eq!(spells.end(), Some(Seq(14)));
    }

    #[test]
    fn what_is_told_of_a_resource_that_is_not_there_goes_by_the_last_state_before_or_the_first_one_after() {
        let around = |spells: &Spells| (0..12).filter(|seq| spells.around(Seq(*seq))).collect::<Vec<u64>>();
        let found = spells(Absent, &[(3, Seen), (5, Hidden), (7, Seen), (9, Absent)]);
        assert_eq!(around(&found), [0, 1, 2, 3, 4, 7, 8, 9, 10, 11]);
        let hidden = spells(Absent, &[(3, Hidden), (5, Absent), (7, Seen), (9, Hidden), (10, Absent)]);
        assert_eq!(around(&hidden), [7, 8]);
        let never = spells(Absent, &[]);
        assert!(never.is_blank() && around(&never).is_empty());
        assert_eq!(never.end(), None);
    }
}
