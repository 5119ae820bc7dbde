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

/// The longest question that notes are kept for, in bytes: the question is kept as well.
const LONGEST: usize = 4096;

/// The bits of a note that hold a term's number, one more than it is, and those that hold the number of rows. The others hold the
/// question's mark.
const TERM_BITS: u32 = 24;
const COUNT_BITS: u32 = 12;
const MARK_BITS: u32 = 64 - TERM_BITS - COUNT_BITS;

/// A question of which blocks hold notes. Two that are equal find the same in the same rows.
#[derive(PartialEq)]
pub(super) struct AskedQuestion {
    matcher: Matcher,
    scopes: NumberedScopes,
    /// What is ordered by, and the name of the order, if there is one.
    order: Option<(On, String)>,
}

impl AskedQuestion {
    /// The question that `matcher` asks in these scopes, `order` being what is ordered by and the name of the order; `None` if it is
    /// too long to be kept.
    pub(super) fn new(matcher: &Matcher, scopes: NumberedScopes, order: Option<(&On, &str)>) -> Option<Self> {
        let of_order = order.map_or(0, |(on, name)| on.bytes() + name.len());
        if matcher.bytes() + of_order > LONGEST {
            return None;
        }
        let order = order.map(|(on, name)| (on.clone(), name.to_owned()));
        Some(AskedQuestion { matcher: matcher.clone(), scopes, order })
    }
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
    /// Where the notes of a question are, which is asked now; `None` once there are no more marks.
    pub(super) fn place(&mut self, question: AskedQuestion) -> Option<NotePlace> {
        if let Some(nth) = self.asked.iter().position(|(asked, _)| *asked == question) {
            let known = self.asked.remove(nth);
            let place = known.1;
            self.asked.push(known);
            return Some(place);
        }
        if self.are_marks_used() {
            return None;
        }
        self.marks += 1;
        let lane = if self.asked.len() < LANES { self.asked.len() } else { self.asked.remove(0).1.lane };
        let place = NotePlace { lane, mark: self.marks };
        self.asked.push((question, place));
        Some(place)
    }

    /// Whether there are no more marks. Then all notes have to be dropped, and with them what was asked.
    pub(super) fn are_marks_used(&self) -> bool {
        self.marks + 1 >= 1 << MARK_BITS
    }

    /// As if almost every mark had been given.
    #[cfg(test)]
    pub(super) fn use_marks(&mut self) {
        self.marks = (1 << MARK_BITS) - 3;
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

    fn matcher(pattern: ValuePattern) -> Matcher {
        Matcher::any().and(vec![Comparison { on: On::Facet(1), pattern }])
    }

    fn question(text: &str) -> AskedQuestion {
        AskedQuestion::new(&matcher(ValuePattern::new(text)), NumberedScopes::Only(0), None).unwrap()
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
        let long = "a".repeat(LONGEST);
        for pattern in [
            ValuePattern::exactly(&long),
            ValuePattern::beginning(&long[..LONGEST / 4]),
            ValuePattern::time(&format!("{}*", &long[..LONGEST / 4])),
            ValuePattern::one_of((0..LONGEST / 16).map(|n| n.to_string()).collect()),
        ] {
            assert!(AskedQuestion::new(&matcher(pattern), NumberedScopes::Only(0), None).is_none());
        }
        let tag = On::Tag(long.clone());
        assert!(AskedQuestion::new(&Matcher::any(), NumberedScopes::Only(0), Some((&tag, ""))).is_none());
        assert!(AskedQuestion::new(&Matcher::any(), NumberedScopes::Only(0), Some((&On::TagKey, &long))).is_none());
        assert!(AskedQuestion::new(&Matcher::any(), NumberedScopes::Only(0), Some((&On::TagKey, "a"))).is_some());
    }

    #[test]
    fn marks_are_given_once() {
        let mut asked = AskedQuestions::default();
        asked.use_marks();
        assert!(asked.place(question("one")).is_some() && asked.place(question("two")).is_some());
        assert!(asked.are_marks_used() && asked.place(question("three")).is_none());
        assert!(asked.place(question("one")).is_some(), "those that have one keep it");
    }
}
