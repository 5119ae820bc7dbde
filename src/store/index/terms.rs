//! Interned terms: each distinct facet value or tag of a kind gets a number.

use xxhash_rust::xxh3::xxh3_64;

use super::room::extend;
use crate::store::matcher::{Comparison, On};

const FACET: u8 = 0;
const TAG: u8 = 1;

/// A decoded term.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Term<'a> {
    /// A filter's number and one of its values.
    Facet(u16, &'a str),
    /// A tag's key and value.
    Tag(&'a str, &'a str),
}

/// All texts in one buffer, found by a hash table of their numbers: about 10 bytes more than each text.
///
/// Terms that no row has any more stay until [`super::kind`] interns everything again.
#[derive(Default)]
pub(super) struct Terms {
    texts: Vec<u8>,
    /// The end of each text.
    ends: Vec<u32>,
    /// Open addressing: a term's number + 1, or 0. The length is a power of two, or zero.
    slots: Vec<u32>,
    scratch: Vec<u8>,
}

impl Terms {
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    /// Bytes on the heap.
    pub(super) fn bytes(&self) -> usize {
        self.texts.capacity() + 4 * (self.ends.capacity() + self.slots.capacity())
    }

    /// Releases reserved memory.
    pub(super) fn shrink(&mut self) {
        self.texts.shrink_to_fit();
        self.ends.shrink_to_fit();
    }

    /// The number of a term, which is added if new; `None` when numbers or buffer run out (4 GiB of text).
    pub(super) fn intern(&mut self, term: Term<'_>) -> Option<u32> {
        if (self.ends.len() + 1) * 4 > self.slots.len() * 3 {
            self.grow();
        }
        let mut text = std::mem::take(&mut self.scratch);
        text.clear();
        write(term, &mut text)?;
        let (found, slot) = self.find(&text);
        let number = found.or_else(|| {
            let number = u32::try_from(self.ends.len()).ok()?;
            let end = u32::try_from(self.texts.len() + text.len()).ok()?;
            *self.slots.get_mut(slot)? = number.checked_add(1)?;
            extend(&mut self.texts, &text);
            extend(&mut self.ends, &[end]);
            Some(number)
        });
        self.scratch = text;
        number
    }

    /// The number of an existing term.
    pub(super) fn number(&self, term: Term<'_>) -> Option<u32> {
        let mut text = Vec::new();
        write(term, &mut text)?;
        self.find(&text).0
    }

    /// The term with a number.
    pub(super) fn get(&self, number: u32) -> Option<Term<'_>> {
        read(self.text(number)?)
    }

    /// The number of the filter that a term is a value of; `None` for a tag. Cheaper than the whole term.
    pub(super) fn facet(&self, number: u32) -> Option<u16> {
        match self.text(number)?.first_chunk::<3>()? {
            [FACET, high, low] => Some(u16::from_be_bytes([*high, *low])),
            _ => None,
        }
    }

    /// The numbers of all terms that match `test`.
    pub(super) fn passing(&self, test: &Comparison) -> Vec<u32> {
        if let Some(exact) = test.pattern.exact() {
            match &test.on {
                On::Facet(number) => return self.number(Term::Facet(*number, exact)).into_iter().collect(),
                On::Tag(key) => return self.number(Term::Tag(key, exact)).into_iter().collect(),
                On::TagKey | On::Account | On::Region => {}
            }
        }
        let mut prefix = Vec::new();
        let values = match &test.on {
            On::Facet(number) => write(Term::Facet(*number, ""), &mut prefix),
            On::Tag(key) => write(Term::Tag(key, ""), &mut prefix),
            On::TagKey => {
                let passes =
                    |term: Option<Term<'_>>| matches!(term, Some(Term::Tag(key, _)) if test.pattern.matches(key));
                return self.under(&[TAG]).filter(|(_, text)| passes(read(text))).map(|(number, _)| number).collect();
            }
            // These are no terms: see `TermCondition`.
            On::Account | On::Region => return Vec::new(),
        };
        let passes = |value: &[u8]| std::str::from_utf8(value).is_ok_and(|value| test.pattern.matches(value));
        let rest = |text: &'_ [u8]| text.get(prefix.len()..).is_some_and(passes);
        let under = values.map(|()| self.under(&prefix));
        under.into_iter().flatten().filter(|(_, text)| rest(text)).map(|(number, _)| number).collect()
    }

    /// The texts with this prefix, with their numbers.
    fn under(&self, prefix: &[u8]) -> impl Iterator<Item = (u32, &[u8])> {
        let mut start = 0;
        let texts = self.ends.iter().map(move |end| {
            let end = usize::try_from(*end).unwrap_or(usize::MAX);
            let text = self.texts.get(start..end).unwrap_or_default();
            start = end;
            text
        });
        (0..).zip(texts).filter(move |(_, text)| text.starts_with(prefix))
    }

    fn text(&self, number: u32) -> Option<&[u8]> {
        let number = usize::try_from(number).ok()?;
        let end = usize::try_from(*self.ends.get(number)?).ok()?;
        let start = match number.checked_sub(1) {
            Some(before) => usize::try_from(*self.ends.get(before)?).ok()?,
            None => 0,
        };
        self.texts.get(start..end)
    }

    /// The term with this text and its slot, or the free slot where it belongs.
    fn find(&self, text: &[u8]) -> (Option<u32>, usize) {
        let mask = self.slots.len().wrapping_sub(1);
        let mut slot = fold(xxh3_64(text)) & mask;
        while let Some(number) = self.slots.get(slot).and_then(|entry| entry.checked_sub(1)) {
            if self.text(number) == Some(text) {
                return (Some(number), slot);
            }
            slot = (slot + 1) & mask;
        }
        (None, slot)
    }

    fn grow(&mut self) {
        let length = (self.slots.len() * 2).max(16);
        let mask = length - 1;
        let mut slots = vec![0_u32; length];
        for number in 0..u32::try_from(self.ends.len()).unwrap_or(u32::MAX) {
            let Some(text) = self.text(number) else { break };
            let mut slot = fold(xxh3_64(text)) & mask;
            while slots.get(slot).is_some_and(|entry| *entry != 0) {
                slot = (slot + 1) & mask;
            }
            if let Some(entry) = slots.get_mut(slot) {
                *entry = number + 1;
            }
        }
        self.slots = slots;
    }
}

/// A hash reduced to the machine's word size.
fn fold(hash: u64) -> usize {
    usize::try_from(hash & u64::from(u32::MAX)).unwrap_or(0)
}

/// Encodes a term unambiguously; `None` for a tag key longer than 65,535 bytes (AWS allows 512).
fn write(term: Term<'_>, out: &mut Vec<u8>) -> Option<()> {
    match term {
        Term::Facet(number, value) => {
            out.push(FACET);
            out.extend_from_slice(&number.to_be_bytes());
            out.extend_from_slice(value.as_bytes());
        }
        Term::Tag(key, value) => {
            out.push(TAG);
            out.extend_from_slice(&u16::try_from(key.len()).ok()?.to_be_bytes());
            out.extend_from_slice(key.as_bytes());
            out.extend_from_slice(value.as_bytes());
        }
    }
    Some(())
}

fn read(text: &[u8]) -> Option<Term<'_>> {
    let ([kind, n0, n1], rest) = text.split_first_chunk::<3>()?;
    let number = u16::from_be_bytes([*n0, *n1]);
    let rest = std::str::from_utf8(rest).ok()?;
    if *kind == FACET {
        return Some(Term::Facet(number, rest));
    }
    let (key, value) = rest.split_at_checked(usize::from(number))?;
    Some(Term::Tag(key, value))
}

/// A set of term numbers with a fast lookup.
pub(super) enum TermSet {
    /// A few numbers, compared one by one.
    Few(Vec<u32>),
    /// One bit per term.
    Many(Vec<u64>),
}

impl TermSet {
    /// The set of `numbers` among `terms` terms.
    pub(super) fn new(mut numbers: Vec<u32>, terms: usize) -> Self {
        numbers.sort_unstable();
        numbers.dedup();
        if numbers.len() <= 4 {
            return TermSet::Few(numbers);
        }
        let mut bits = vec![0_u64; terms / 64 + 1];
        for number in numbers {
            let (word, bit) = place(number);
            if let Some(word) = bits.get_mut(word) {
                *word |= bit;
            }
        }
        TermSet::Many(bits)
    }

    /// Whether the set is empty.
    pub(super) fn is_empty(&self) -> bool {
        matches!(self, TermSet::Few(numbers) if numbers.is_empty())
    }

    /// Whether a term is in it.
    pub(super) fn contains(&self, number: u32) -> bool {
        match self {
            TermSet::Few(numbers) => numbers.contains(&number),
            TermSet::Many(bits) => {
                let (word, bit) = place(number);
                bits.get(word).is_some_and(|word| word & bit != 0)
            }
        }
    }

    /// Whether any of a row's terms is in the set.
    pub(super) fn meets(&self, terms: &[u32]) -> bool {
        match self {
            // Compares whole rows at once: the compiler uses vector instructions.
            TermSet::Few(numbers) => numbers.iter().any(|number| terms.contains(number)),
            TermSet::Many(_) => terms.iter().any(|number| self.contains(*number)),
        }
    }
}

fn place(number: u32) -> (usize, u64) {
    (usize::try_from(number / 64).unwrap_or(usize::MAX), 1 << (number % 64))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::store::matcher::ValuePattern;

    #[test]
    fn a_term_keeps_its_number_and_reads_back() {
        let mut terms = Terms::default();
        let numbers: Vec<u32> =
            (0..1000).filter_map(|n| terms.intern(Term::Facet(n % 7, &format!("value-{n}")))).collect();
        assert_eq!(numbers, (0..1000).collect::<Vec<_>>());
        for n in 0..1000_u16 {
            let value = format!("value-{n}");
            let term = Term::Facet(n % 7, &value);
            assert_eq!(terms.number(term), Some(u32::from(n)));
            assert_eq!(terms.get(u32::from(n)), Some(term));
            assert_eq!(terms.intern(term), Some(u32::from(n)));
        }
        assert_eq!(terms.number(Term::Facet(8, "value-1")), None);
        assert_eq!(terms.get(1000), None);
    }

    #[test]
    fn facets_and_tags_with_the_same_bytes_are_different_terms() {
        let mut terms = Terms::default();
        let all = [Term::Facet(1, "a=b"), Term::Tag("a", "=b"), Term::Tag("a=", "b"), Term::Tag("", "a=b")];
        let numbers: Vec<_> = all.into_iter().map(|term| terms.intern(term)).collect();
        assert_eq!(numbers, [Some(0), Some(1), Some(2), Some(3)]);
    }

    #[test]
    fn tests_find_the_terms_that_pass() {
        let mut terms = Terms::default();
        for term in [Term::Facet(1, "run"), Term::Facet(1, "rum"), Term::Facet(2, "run"), Term::Tag("run", "run")] {
            terms.intern(term);
        }
        let passing = |on, text: &str| terms.passing(&Comparison { on, pattern: ValuePattern::new(text) });
        assert_eq!(passing(On::Facet(1), "ru?"), [0, 1]);
        assert_eq!(passing(On::Facet(2), "run"), [2]);
        assert_eq!(passing(On::TagKey, "run"), [3]);
        assert_eq!(passing(On::Tag("run".into()), "*"), [3]);
        assert_eq!(passing(On::Tag("ru".into()), "*"), Vec::<u32>::new());
    }

    proptest! {
        #[test]
        fn a_set_meets_what_shares_a_number_with_it(
            numbers in proptest::collection::vec(0_u32..500, 0..20),
            asked in proptest::collection::vec(0_u32..500, 0..20),
        ) {
            let set = TermSet::new(numbers.clone(), 500);
            prop_assert_eq!(set.meets(&asked), asked.iter().any(|number| numbers.contains(number)));
            prop_assert_eq!(set.is_empty(), numbers.is_empty());
        }
    }
}
