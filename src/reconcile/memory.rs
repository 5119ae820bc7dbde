//! What is remembered between observations of one kind in one scope, besides the log.
//!
//! None of it is stored: after a restart nothing is confirmed, doubted or missing, and every proof starts again. That only delays
//! decisions.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::absence::{self, Absence, Unseen};
use super::guard::{Candidates, Hold};
use super::known::{KnownResource, credible};
use super::lacked::{Lacked, Lacking};
use super::sightings::{LastSeen, Sightings};
use crate::model::{Current, ItemHash, KnownBytes, Timestamp, UnchangedItem};

/// With more doubted resources than this, a scope waits for its next sweep instead of describing each.
const DOUBTED: usize = 100;

/// How much of what is known a describe showed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// It showed exactly what is known.
    Exactly,
    /// For a part, something newer is known.
    Partly,
    /// A part is not applied: it lags behind an assertion.
    Lagging,
    /// It lacked all tags, and that is doubted.
    Tagless,
}

/// What to remember of an observation, once its changes are durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Note {
    /// A describe showed the resource.
    Shown {
        /// When the describe was sent.
        at: Timestamp,
        /// How much of what is known it showed.
        how: How,
        /// Whether the current sweep showed it.
        swept: bool,
        /// Whether it is known to be terminated or deleted.
        gone: bool,
    },
    /// The current sweep listed it, and what it showed cannot be read or compared.
    Listed {
        /// When the describe was sent.
        at: Timestamp,
    },
    /// An event or a tool's answer was about it.
    Told {
        /// The event's time.
        at: Timestamp,
    },
    /// A describe of its id answered NotFound.
    Missing {
        /// When the describe was sent.
        at: Timestamp,
    },
    /// It was removed.
    Removed,
}

/// The memory of one kind in one scope. It is small while nothing is remembered: most kinds of most scopes hold nothing.
#[derive(Clone, Debug, Default)]
pub struct ScopeMemory {
    seen: Sightings,
    doubts: Option<Box<Doubts>>,
    hold: Option<Box<Hold>>,
    /// The number of the current or last sweep.
    sweep: u32,
    /// How many resources that sweep has shown.
    shown: usize,
    /// For how many it showed something that was not applied.
    doubtful: usize,
}

/// What is open about resources of a scope. Mostly nothing is.
#[derive(Clone, Debug, Default)]
struct Doubts {
    /// Those that lacked all their tags, each since when.
    tagless: BTreeMap<Arc<str>, Timestamp>,
    /// Those that a complete sweep lacked and that are not proved to be gone.
    candidates: Candidates,
    /// Those that the last complete sweep lacked.
    lacking: Lacking,
}

/// Nothing is open.
static NONE: Doubts = Doubts { tagless: BTreeMap::new(), candidates: Candidates::new(), lacking: Lacking::none() };

impl Doubts {
    fn are_there(&self) -> bool {
        !(self.tagless.is_empty() && self.candidates.is_empty() && self.lacking.is_empty())
    }
}

impl ScopeMemory {
    /// What is known about a resource, with the given state from the store.
    #[must_use]
    pub fn known<'a>(
        &self,
        id: &str,
        current: Option<&'a Current>,
        removed_at: Option<Timestamp>,
    ) -> KnownResource<'a> {
        let seen = self.seen.get(id);
        KnownResource {
            current,
            removed_at,
            confirmed: seen.map(|seen| seen.confirmed),
            listed: seen.map(|seen| seen.listed),
            tagless: self.doubts().tagless.get(id).copied(),
            candidate: self.doubts().candidates.get(id).copied(),
        }
    }

    /// The newest describe that showed a resource exactly as known.
    #[must_use]
    pub fn confirmed(&self, id: &str) -> Option<Timestamp> {
        self.seen.get(id).map(|seen| seen.confirmed)
    }

    /// Starts a sweep; an unfinished one is void.
    pub fn begin(&mut self) {
        self.sweep = self.sweep.wrapping_add(1);
        self.shown = 0;
        self.doubtful = 0;
    }

    /// Whether the current sweep has shown a resource.
    #[must_use]
    pub fn is_shown(&self, id: &str) -> bool {
        self.seen.get(id).is_some_and(|seen| seen.sweep == self.sweep)
    }

    /// How many resources the current sweep has shown, except those removed since.
    #[must_use]
    pub fn shown(&self) -> usize {
        self.shown
    }

    /// How many resources are missing without proof.
    #[must_use]
    pub fn missing(&self) -> usize {
        self.doubts().candidates.len() + self.hold.as_ref().map_or(0, |hold| hold.len())
    }

    /// What complete sweeps show about a resource that the last of them lacked.
    #[must_use]
    pub fn lacked(&self, id: &str) -> Option<Lacked> {
        self.doubts().lacking.of(id)
    }

    /// Since when complete sweeps have lacked any resource.
    #[must_use]
    pub fn lacked_since(&self) -> Option<Timestamp> {
        self.doubts().lacking.since()
    }

    /// Remembers the bytes in which the current sweep showed a resource exactly as it is stored, until anything else is seen of it.
    pub fn remember(&mut self, id: &str, bytes: KnownBytes) {
        self.seen.remember(id, bytes);
    }

    /// What is remembered of a listed item, if its bytes are as they were.
    #[must_use]
    pub fn unchanged(&self, id: &str, hash: ItemHash) -> Option<UnchangedItem> {
        let known = self.seen.bytes(id).filter(|bytes| bytes.hash == hash)?;
        let gone = self.seen.get(id)?.gone;
        Some(UnchangedItem { id: id.into(), known, gone })
    }

    /// Forgets the bytes of all items, so that the next listing is decoded.
    pub fn forget_bytes(&mut self) {
        self.seen.forget_bytes();
    }

    /// Records that the current sweep listed a resource of which nothing is known.
    pub fn doubt(&mut self) {
        self.doubtful += 1;
    }

    /// For how many resources the current or last sweep showed something that was not applied.
    #[must_use]
    pub fn doubtful(&self) -> usize {
        self.doubtful
    }

    /// The resources that vanished together and are not assumed to be gone.
    #[must_use]
    pub fn hold(&self) -> Option<&Hold> {
        self.hold.as_deref()
    }

    /// How many more resources with doubted tags may be described individually.
    #[must_use]
    pub fn tag_questions(&self) -> usize {
        DOUBTED.saturating_sub(self.doubts().tagless.len())
    }

    /// Drops absences dated before the clock's last jump or ahead of now: they cannot be compared with anything.
    pub fn forget_undated(&mut self, steady: Timestamp, now: Timestamp) {
        let dated = |lacked: Timestamp| lacked >= steady && credible(lacked, now) == lacked;
        if let Some(doubts) = &mut self.doubts {
            doubts.candidates.retain(|_, lacked| dated(*lacked));
            doubts.lacking.retain(dated);
        }
        self.hold = self.hold.take().filter(|hold| dated(hold.ended()));
    }

    /// Remembers a note at `now`. Returns the ids that a hold released, if this note completed its sample.
    pub fn take(&mut self, id: &Arc<str>, note: Note, now: Timestamp) -> Vec<Arc<str>> {
        match note {
            Note::Shown { at, how, swept, gone } => {
                let sweep = self.sweep;
                let mut seen = self.touched(id, at, now);
                seen.gone = gone;
                if how == How::Exactly {
                    seen.confirmed = credible(seen.confirmed, now).max(at);
                }
                if swept && seen.sweep != sweep {
                    seen.sweep = sweep;
                    self.shown += 1;
                    self.doubtful += usize::from(matches!(how, How::Lagging | How::Tagless));
                }
                self.seen.put(id, seen);
                if how == How::Tagless {
                    self.doubts.get_or_insert_default().tagless.entry(Arc::clone(id)).or_insert(at);
                } else if self.doubts().tagless.get(id).is_some_and(|first| at >= credible(*first, now)) {
                    self.tagged(id);
                }
                self.present(id);
                self.answered(id, true, at)
            }
            Note::Listed { at } => {
                let sweep = self.sweep;
                let mut seen = self.touched(id, at, now);
                if seen.sweep != sweep {
                    seen.sweep = sweep;
                    self.shown += 1;
                    // It is unknown whether it is still unchanged.
                    self.doubtful += 1;
                }
                self.seen.put(id, seen);
                self.present(id);
                self.answered(id, true, at)
            }
            Note::Told { at } => {
                let seen = self.touched(id, at, now);
                self.seen.put(id, seen);
                Vec::new()
            }
            Note::Missing { at } => self.answered(id, false, at),
            Note::Removed => {
                if self.seen.remove(id).is_some_and(|seen| seen.sweep == self.sweep) {
                    self.shown = self.shown.saturating_sub(1);
                }
                self.tagged(id);
                self.present(id);
                Vec::new()
            }
        }
    }

    /// Judges what the complete sweep lacked; see [`absence::judge`].
    pub fn complete(&mut self, unseen: Vec<Unseen>, fresh: Duration, started: Timestamp, ended: Timestamp) -> Absence {
        let alive = if unseen.is_empty() {
            0
        } else {
            let shown = self.seen.count(|seen| seen.sweep == self.sweep && !seen.gone);
            shown + unseen.iter().filter(|unseen| !unseen.gone).count()
        };
        let doubts = self.doubts.get_or_insert_default();
        doubts.lacking.complete(unseen.iter().map(|unseen| &unseen.id), started);
        let absence = absence::judge(unseen, &doubts.candidates, alive, fresh, started, ended);
        // Proved absences stay candidates until the removal is durable: the commit may fail.
        let proved = absence.removed.iter().filter_map(|id| doubts.candidates.remove_entry(id));
        doubts.candidates =
            proved.chain(absence.candidates.iter().map(|(id, first)| (Arc::clone(id), *first))).collect();
        self.doubts = self.doubts.take().filter(|doubts| doubts.are_there());
        self.hold = absence.held.clone().map(Box::new);
        absence
    }

    fn doubts(&self) -> &Doubts {
        self.doubts.as_deref().unwrap_or(&NONE)
    }

    /// Records that it is no longer open whether a resource has tags.
    fn tagged(&mut self, id: &str) {
        if let Some(doubts) = &mut self.doubts {
            doubts.tagless.remove(id);
        }
    }

    /// Records that a resource is not lacking, or known to be gone.
    fn present(&mut self, id: &str) {
        if let Some(doubts) = &mut self.doubts {
            doubts.candidates.remove(id);
            doubts.lacking.settled(id);
        }
    }

    /// When a resource was seen, with an observation of `at` more.
    fn touched(&self, id: &str, at: Timestamp, now: Timestamp) -> LastSeen {
        let never = LastSeen {
            listed: Timestamp::EPOCH,
            confirmed: Timestamp::EPOCH,
            sweep: self.sweep.wrapping_sub(1),
            gone: false,
        };
        let seen = self.seen.get(id).unwrap_or(never);
        LastSeen { listed: credible(seen.listed, now).max(at), ..seen }
    }

    fn answered(&mut self, id: &str, found: bool, at: Timestamp) -> Vec<Arc<str>> {
        if !self.hold.as_mut().is_some_and(|hold| hold.answered(id, found, at)) {
            return Vec::new();
        }
        let released = self.hold.take().map(|hold| hold.release()).unwrap_or_default();
        let ids = released.keys().cloned().collect();
        self.doubts.get_or_insert_default().candidates.extend(released);
        ids
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::fixtures::at;
    use crate::model::kind_rules::ABSENCE_AFTER;

    fn shown(second: i64) -> Note {
        Note::Shown { at: at(second), how: How::Exactly, swept: true, gone: false }
    }

    fn unseen(ids: std::ops::Range<usize>) -> Vec<Unseen> {
        ids.map(|n| Unseen { id: id(n), newest: at(0), gone: false }).collect()
    }

    fn id(n: usize) -> Arc<str> {
        format!("i-{n:03}").into()
    }

    #[test]
    fn a_candidate_that_is_seen_again_is_no_longer_one() {
        let mut memory = ScopeMemory::default();
        memory.complete(unseen(0..1), ABSENCE_AFTER, at(100), at(110));
        assert_eq!(memory.known("i-000", None, None).candidate, Some(at(110)));
        memory.take(&id(0), shown(120), at(121));
        assert_eq!(memory.known("i-000", None, None).candidate, None);
        assert_eq!(memory.missing(), 0);
    }

    #[test]
    fn a_removal_that_was_not_stored_is_proved_again_by_the_next_sweep() {
        let mut memory = ScopeMemory::default();
        memory.complete(unseen(0..1), ABSENCE_AFTER, at(100), at(110));
        for second in [200, 300] {
            assert_eq!(memory.complete(unseen(0..1), ABSENCE_AFTER, at(second), at(second + 10)).removed, [id(0)]);
        }
        memory.take(&id(0), Note::Removed, at(311));
        assert_eq!(memory.missing(), 0);
    }

    #[test]
    fn a_shown_resource_counts_once_and_not_for_the_next_sweep() {
        let mut memory = ScopeMemory::default();
        memory.begin();
        memory.take(&id(0), shown(1), at(2));
        memory.take(&id(0), shown(2), at(2));
        assert_eq!((memory.shown(), memory.is_shown("i-000")), (1, true));
        memory.begin();
        assert_eq!((memory.shown(), memory.is_shown("i-000")), (0, false));
    }

    #[test]
    fn bytes_are_known_until_anything_else_is_seen_of_the_resource() {
        let (hash, other) = (ItemHash::new(1 << 64), ItemHash::new(2 << 64));
        let gone = Note::Shown { at: at(20), how: How::Exactly, swept: true, gone: true };
        for note in [Note::Told { at: at(20) }, Note::Listed { at: at(20) }, gone, Note::Removed] {
            let mut memory = ScopeMemory::default();
            memory.remember("i-000", KnownBytes::new(hash, 7));
            assert_eq!(memory.unchanged("i-000", hash), None, "it was never shown");
            memory.take(&id(0), shown(10), at(11));
            memory.remember("i-000", KnownBytes::new(hash, 7));
            let known = memory.unchanged("i-000", hash).expect("it is remembered");
            assert_eq!((&*known.id, known.known.digest(), known.gone), ("i-000", 7, false));
            assert_eq!(memory.unchanged("i-000", other), None);
            memory.take(&id(0), note, at(21));
            assert_eq!(memory.unchanged("i-000", hash), None, "{note:?}");
        }
        let mut memory = ScopeMemory::default();
        memory.take(&id(0), gone, at(21));
        memory.remember("i-000", KnownBytes::new(hash, 7));
        memory.take(&id(0), Note::Missing { at: at(22) }, at(23));
        assert!(memory.unchanged("i-000", hash).is_some_and(|known| known.gone));
        memory.forget_bytes();
        assert_eq!(memory.unchanged("i-000", hash), None);
    }

    #[test]
    fn tags_that_are_seen_again_end_the_doubt_but_an_older_answer_does_not() {
        let mut memory = ScopeMemory::default();
        let tagless = Note::Shown { at: at(10), how: How::Tagless, swept: true, gone: false };
        memory.take(&id(0), tagless, at(11));
        memory.take(&id(0), shown(9), at(11));
        assert_eq!(memory.known("i-000", None, None).tagless, Some(at(10)));
        memory.take(&id(0), shown(12), at(13));
        assert_eq!(memory.known("i-000", None, None).tagless, None);
    }

    #[test]
    fn a_hold_confirmed_by_the_sample_becomes_candidates_which_the_next_sweep_removes() {
        let mut memory = ScopeMemory::default();
        let absence = memory.complete(unseen(0..50), ABSENCE_AFTER, at(100), at(110));
        assert!(absence.removed.is_empty() && absence.held.is_some());
        let sample: Vec<Arc<str>> = memory.hold().expect("a hold").sample().cloned().collect();
        let released: Vec<Arc<str>> =
            sample.iter().flat_map(|id| memory.take(id, Note::Missing { at: at(120) }, at(121))).collect();
        assert_eq!(released.len(), 50);
        assert_eq!(memory.complete(unseen(0..50), ABSENCE_AFTER, at(200), at(210)).removed.len(), 50);
    }

    #[test]
    fn a_hold_contradicted_by_the_sample_stays_until_a_listing_shows_them() {
        let mut memory = ScopeMemory::default();
        memory.complete(unseen(0..50), ABSENCE_AFTER, at(100), at(110));
        for n in 0..50 {
            memory.take(&id(n), Note::Shown { at: at(120), how: How::Exactly, swept: false, gone: false }, at(121));
        }
        assert_eq!(memory.missing(), 50);
        memory.complete(Vec::new(), ABSENCE_AFTER, at(200), at(210));
        assert_eq!(memory.missing(), 0);
    }
}
