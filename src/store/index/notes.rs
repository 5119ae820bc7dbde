//! What the questions asked last found in each block of rows, so that one that is asked again reads only what changed since.
//!
//! A note is 8 bytes for each of [`LANES`] questions and a block of some dozen rows, and is made at the first question. It goes with
//! the block's next change.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use super::scopes::NumberedScopes;
use crate::store::matcher::{Matcher, On};

/// How many questions a kind keeps notes for.
const LANES: usize = 8;

/// The most texts that a question compares with, for which notes are kept: the question is kept as well.
const TEXTS: usize = 64;

/// The bits of a note that hold a term's number, one more than it is, and those that hold the number of rows. The others hold the
/// question's mark.
const TERM_BITS: u32 = 24;
const COUNT_BITS: u32 = 12;
const MARK_BITS: u32 = 64 - TERM_BITS - COUNT_BITS;

/// A question of which blocks hold notes. Two that are equal find the same in the same rows.
#[derive(PartialEq)]
pub(super) struct AskedQuestion {
    pub(super) matcher: Matcher,
    pub(super) scopes: NumberedScopes,
    /// What is ordered by, and the name of the order, if there is one.
    pub(super) order: Option<(On, String)>,
}

/// The questions that were asked last.
#[derive(Default)]
pub(super) struct AskedQuestions {
    /// The newest is the last.
    asked: Vec<(AskedQuestion, NotePlace)>,
    marks: u64,
}

/// Where blocks hold what they note of a question.
#[derive(Clone, Copy, Debug)]
pub(super) struct NotePlace {
    lane: usize,
    /// Tells the question's notes from those of an earlier one.
    mark: u64,
}

/// What a question found in a block.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct BlockNote {
    /// How many rows match.
    pub(super) count: u64,
    /// The term that gives the first of them in the question's order its place; `None` where it has no value.
    pub(super) first: Option<u32>,
}

/// The notes of one block.
#[derive(Default)]
pub(super) struct BlockNotes(OnceLock<Box<[AtomicU64; LANES]>>);

impl AskedQuestions {
    /// Where the notes of a question are, which is asked now; `None` for one that is too long to be kept.
    pub(super) fn place(&mut self, question: AskedQuestion) -> Option<NotePlace> {
        if let Some(nth) = self.asked.iter().position(|(asked, _)| *asked == question) {
            let known = self.asked.remove(nth);
            let place = known.1;
            self.asked.push(known);
            return Some(place);
        }
        let texts: usize = question.matcher.conditions().iter().flatten().map(|test| test.pattern.texts()).sum();
        if texts > TEXTS || self.marks + 1 >= 1 << MARK_BITS {
            return None;
        }
        self.marks += 1;
        let lane = if self.asked.len() < LANES { self.asked.len() } else { self.asked.remove(0).1.lane };
        let place = NotePlace { lane, mark: self.marks };
        self.asked.push((question, place));
        Some(place)
    }
}

impl BlockNotes {
    /// Bytes on the heap.
    pub(super) fn bytes(&self) -> usize {
        self.0.get().map_or(0, |_| size_of::<[AtomicU64; LANES]>())
    }

    /// What a question found; `None` where that is not known.
    pub(super) fn get(&self, place: NotePlace) -> Option<BlockNote> {
        let note = self.0.get()?.get(place.lane)?.load(Ordering::Relaxed);
        if note >> (TERM_BITS + COUNT_BITS) != place.mark {
            return None;
        }
        let first = u32::try_from(note & ((1 << TERM_BITS) - 1)).unwrap_or_default();
        Some(BlockNote { count: note >> TERM_BITS & ((1 << COUNT_BITS) - 1), first: first.checked_sub(1) })
    }

    /// Notes what a question found, if it can be written.
    pub(super) fn set(&self, place: NotePlace, note: BlockNote) {
        let first = note.first.map_or(0, |number| u64::from(number) + 1);
        if note.count >= 1 << COUNT_BITS || first >= 1 << TERM_BITS {
            return;
        }
        if let Some(lane) = self.0.get_or_init(Box::default).get(place.lane) {
            lane.store(place.mark << (TERM_BITS + COUNT_BITS) | note.count << TERM_BITS | first, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Comparison, ValuePattern};

    fn question(text: &str) -> AskedQuestion {
        let comparison = Comparison { on: On::Facet(1), pattern: ValuePattern::new(text) };
        AskedQuestion { matcher: Matcher::any().and(vec![comparison]), scopes: NumberedScopes::Only(0), order: None }
    }

    #[test]
    fn a_note_is_read_as_it_was_written_and_by_its_own_question_only() {
        let (mut asked, notes) = (AskedQuestions::default(), BlockNotes::default());
        let one = asked.place(question("one")).unwrap();
        for note in [
            BlockNote { count: 0, first: None },
            BlockNote { count: 4_095, first: Some((1 << 24) - 2) },
            BlockNote { count: 7, first: Some(0) },
        ] {
            notes.set(one, note);
            assert_eq!(notes.get(one), Some(note));
        }
        notes.set(one, BlockNote { count: 4_096, first: None });
        assert_eq!(notes.get(one).unwrap().count, 7, "what cannot be written is not noted");
        for other in 0..LANES {
            assert_eq!(notes.get(asked.place(question(&other.to_string())).unwrap()), None);
        }
        assert_eq!(notes.get(asked.place(question("one")).unwrap()), None, "its place was given away");
        assert!(notes.get(one).is_some(), "as long as nobody wrote there");
    }

    #[test]
    fn a_long_question_is_not_kept() {
        let mut long = question("one");
        long.matcher = long.matcher.and(vec![Comparison {
            on: On::Facet(1),
            pattern: ValuePattern::one_of((0..TEXTS).map(|n| n.to_string()).collect()),
        }]);
        assert!(AskedQuestions::default().place(long).is_none());
    }
}
