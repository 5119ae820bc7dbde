//! Interned terms: each distinct facet value or tag of a kind gets a number.

mod term_set;

use compact_str::CompactString;
use parking_lot::{Mutex, MutexGuard};
use xxhash_rust::xxh3::xxh3_64;

pub(super) use self::term_set::TermSet;
use super::room::extend;
use super::row_terms::{read_length, write_length};
use crate::model::packed::{Unpacked, pack, unpacked};
use crate::store::matcher::{Comparison, On};

/// The first byte of a term: that of a facet with a smaller number is the number.
const WIDE_FACET: u8 = 0xF0;
const TAG: u8 = 0xF1;

/// Stands for the row's own id as the value of a facet. No text begins with it, packed or not.
const OWN: u8 = 0xFD;

/// The first byte of a key of this many bytes or more, whose length follows.
const LONG_KEY: u8 = 0xFF;

/// How many texts follow each other from one whose start is known.
const RUN: usize = 8;

/// How many terms there can be: a row takes 3 bytes for the number of a term, and a slot as many.
pub(super) const MOST: usize = (1 << 24) - 2;

/// A term to be found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Term<'a> {
    /// A filter's number and one of its values.
    Facet(u16, &'a str),
    /// A filter's number, for rows that have their own id as its value: one term instead of one a row.
    Own(u16),
    /// A tag's key and value.
    Tag(&'a str, &'a str),
}

/// A decoded term.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum KnownTerm<'a> {
    /// A filter's number and one of its values.
    Facet(u16, CompactString),
    /// A filter's number, where the value is the row's own id.
    Own(u16),
    /// A tag's key and value.
    Tag(&'a str, CompactString),
}

/// The value of a term.
#[derive(Debug)]
pub(super) enum TermValue<'a> {
    /// The row's own id.
    Own,
    /// Any other.
    Text(Unpacked<'a>),
}

/// All terms in one buffer, packed, found by a hash table of their numbers: about 7 bytes more than each packed text.
///
/// Terms that no row has any more stay until [`super::kind`] interns everything again.
#[derive(Default)]
pub(super) struct Terms {
    /// Each with its length before it.
    texts: Vec<u8>,
    /// The start of every so many texts, from which the others are found.
    starts: Vec<u32>,
    count: usize,
    /// Open addressing: 0, or a term's number + 1 and above it 8 bits of its hash, which spare almost every look at another text.
    slots: Vec<u32>,
    /// One bit a term: whether it is a `Name` tag with a value.
    names: Vec<u64>,
    /// The first byte of every text that a question has looked at: it says what a term is a value of.
    heads: Mutex<Vec<u8>>,
    scratch: Vec<u8>,
}

impl Terms {
    pub(super) fn len(&self) -> usize {
        self.count
    }

    /// Bytes on the heap.
    pub(super) fn bytes(&self) -> usize {
        let numbers = 4 * (self.starts.capacity() + self.slots.capacity());
        self.texts.capacity() + numbers + 8 * self.names.capacity() + self.heads.lock().capacity()
    }

    /// Releases reserved memory.
    pub(super) fn shrink(&mut self) {
        self.texts.shrink_to_fit();
        self.starts.shrink_to_fit();
        // At least one slot stays free: a search for a term that is not there ends at it.
        self.resize(self.count * 5 / 4 + 1);
    }

    /// The number of a term, which is added if new; `None` when numbers or buffer run out (4 GiB of text).
    pub(super) fn intern(&mut self, term: Term<'_>) -> Option<u32> {
        let mut text = std::mem::take(&mut self.scratch);
        text.clear();
        let number = write(term, &mut text).and_then(|()| self.intern_written(&text));
        self.scratch = text;
        number
    }

    /// The number of a term of `other`, which is added if new.
    pub(super) fn intern_from(&mut self, other: &Terms, number: u32) -> Option<u32> {
        self.intern_written(other.text(number)?)
    }

    fn intern_written(&mut self, text: &[u8]) -> Option<u32> {
        if (self.count + 1) * 8 > self.slots.len() * 7 {
            self.resize((self.slots.len() * 3 / 2).max(16));
        }
        let hash = xxh3_64(text);
        let (found, slot) = self.find(text, hash);
        found.or_else(|| {
            let number = u32::try_from(self.count).ok().filter(|_| self.count < MOST)?;
            let start = u32::try_from(self.texts.len()).ok()?;
            *self.slots.get_mut(slot)? = mark(hash) | (number + 1);
            if self.count.is_multiple_of(RUN) {
                extend(&mut self.starts, &[start]);
            }
            let mut length = Vec::new();
            write_length(text.len(), &mut length);
            extend(&mut self.texts, &length);
            extend(&mut self.texts, text);
            if self.count.is_multiple_of(64) {
                extend(&mut self.names, &[0]);
            }
            if let Some(word) = self.names.last_mut().filter(|_| is_name(text)) {
                *word |= 1 << (number % 64);
            }
            self.count += 1;
            Some(number)
        })
    }

    /// The number of an existing term.
    pub(super) fn number(&self, term: Term<'_>) -> Option<u32> {
        let mut text = Vec::new();
        write(term, &mut text)?;
        self.find(&text, xxh3_64(&text)).0
    }

    /// The term with a number.
    pub(super) fn get(&self, number: u32) -> Option<KnownTerm<'_>> {
        let (head, value) = split(self.text(number)?)?;
        Some(match (head, value) {
            (TermHead::Facet(facet), [OWN]) => KnownTerm::Own(facet),
            (TermHead::Facet(facet), value) => KnownTerm::Facet(facet, CompactString::new(&*unpacked(value))),
            (TermHead::Tag(key), value) => KnownTerm::Tag(key, CompactString::new(&*unpacked(value))),
        })
    }

    /// Shows `visit` the number of each term and that of the filter which it is a value of; `None` for a tag.
    pub(super) fn each_facet(&self, mut visit: impl FnMut(usize, Option<u16>)) {
        for (number, head) in self.known_heads().iter().enumerate() {
            match *head {
                TAG => visit(number, None),
                WIDE_FACET => visit(number, u32::try_from(number).ok().and_then(|number| self.wide_facet(number))),
                small => visit(number, Some(u16::from(small))),
            }
        }
    }

    fn wide_facet(&self, number: u32) -> Option<u16> {
        match split(self.text(number)?)?.0 {
            TermHead::Facet(facet) => Some(facet),
            TermHead::Tag(_) => None,
        }
    }

    /// Whether a term is a `Name` tag with a value.
    pub(super) fn is_name(&self, number: u32) -> bool {
        let word = usize::try_from(number / 64).ok().and_then(|word| self.names.get(word));
        word.is_some_and(|word| word >> (number % 64) & 1 == 1)
    }

    /// The value of a term. Cheaper than the whole term.
    pub(super) fn value(&self, number: u32) -> Option<TermValue<'_>> {
        Some(match split(self.text(number)?)?.1 {
            [OWN] => TermValue::Own,
            value => TermValue::Text(unpacked(value)),
        })
    }

    /// The numbers of all terms of a filter or tag, or of all tags, among them that of the row's own id.
    pub(super) fn all(&self, on: &On) -> Vec<u32> {
        match head(on) {
            Some(head) => self.beginning(head),
            None => self.of(on).map(|(number, _)| number).collect(),
        }
    }

    /// The same as a set to look at the numbers of all rows with.
    pub(super) fn shown(&self, on: &On) -> TermSet {
        match head(on) {
            Some(head) => {
                let heads = self.known_heads();
                let numbers = memchr::memchr_iter(head, &heads).filter_map(|number| u32::try_from(number).ok());
                TermSet::spread(numbers, self.count)
            }
            None => TermSet::spread(self.of(on).map(|(number, _)| number), self.count),
        }
    }

    /// The numbers of all terms whose texts begin with a byte.
    fn beginning(&self, head: u8) -> Vec<u32> {
        memchr::memchr_iter(head, &self.known_heads()).filter_map(|number| u32::try_from(number).ok()).collect()
    }

    /// The first bytes of all texts. Those of terms that are new since the last question are added.
    fn known_heads(&self) -> MutexGuard<'_, Vec<u8>> {
        let mut heads = self.heads.lock();
        let known = heads.len() / RUN;
        heads.truncate(known * RUN);
        if let Some(start) = self.starts.get(known).and_then(|start| usize::try_from(*start).ok()) {
            heads.reserve_exact(self.count - known * RUN);
            let mut rest = self.texts.get(start..).unwrap_or_default();
            while let Some((text, after)) = first(rest) {
                rest = after;
                heads.push(text.first().copied().unwrap_or_default());
            }
        }
        heads
    }

    /// The numbers of all terms that match `test`. Whether the own id of a row does is for the row to say.
    pub(super) fn passing(&self, test: &Comparison) -> Vec<u32> {
        if let Some(exact) = test.pattern.exact() {
            match &test.on {
                On::Facet(number) => return self.number(Term::Facet(*number, exact)).into_iter().collect(),
                On::Tag(key) => return self.number(Term::Tag(key, exact)).into_iter().collect(),
                On::TagKey | On::Account | On::Region => {}
            }
        }
        let is_key = matches!(test.on, On::TagKey);
        let passes = |text: &[u8]| match split(text) {
            Some((TermHead::Tag(key), _)) if is_key => test.pattern.matches(key),
            Some((TermHead::Facet(_), [OWN])) | None => false,
            Some((_, value)) => test.pattern.matches(&unpacked(value)),
        };
        match head(&test.on) {
            Some(head) => {
                let mut numbers = self.beginning(head);
                numbers.retain(|number| self.text(*number).is_some_and(passes));
                numbers
            }
            None => self.of(&test.on).filter(|(_, text)| passes(text)).map(|(number, _)| number).collect(),
        }
    }

    /// The terms of a filter or tag, or of all tags, with their numbers.
    fn of(&self, on: &On) -> impl Iterator<Item = (u32, &[u8])> {
        let mut prefix = Vec::new();
        let written = match on {
            On::Facet(number) => {
                write_facet(*number, &mut prefix);
                Some(())
            }
            On::Tag(key) => write_key(key, &mut prefix),
            On::TagKey => {
                prefix.push(TAG);
                Some(())
            }
            // These are no terms: see `TermCondition`.
            On::Account | On::Region => None,
        };
        let mut rest = self.texts.as_slice();
        let texts = std::iter::from_fn(move || {
            let (text, after) = first(rest)?;
            rest = after;
            Some(text)
        });
        written.map(|()| (0..).zip(texts)).into_iter().flatten().filter(move |(_, text)| text.starts_with(&prefix))
    }

    fn text(&self, number: u32) -> Option<&[u8]> {
        let number = usize::try_from(number).ok().filter(|number| *number < self.count)?;
        let start = usize::try_from(*self.starts.get(number / RUN)?).ok()?;
        let mut rest = self.texts.get(start..)?;
        for _ in 0..number % RUN {
            rest = first(rest)?.1;
        }
        Some(first(rest)?.0)
    }

    /// The term with this text and its slot, or the free slot where it belongs.
    fn find(&self, text: &[u8], hash: u64) -> (Option<u32>, usize) {
        let mut slot = self.slot(hash);
        while let Some(entry) = self.slots.get(slot).filter(|entry| **entry != 0) {
            let number = (entry & NUMBER) - 1;
            if entry & !NUMBER == mark(hash) && self.text(number) == Some(text) {
                return (Some(number), slot);
            }
            slot = self.after(slot);
        }
        (None, slot)
    }

    /// The slot where the search for a hash begins: the table need not have a power of two of them.
    fn slot(&self, hash: u64) -> usize {
        let slots = u64::try_from(self.slots.len()).unwrap_or_default();
        usize::try_from(((hash & 0xFFFF_FFFF) * slots) >> 32).unwrap_or_default()
    }

    fn after(&self, slot: usize) -> usize {
        if slot + 1 < self.slots.len() { slot + 1 } else { 0 }
    }

    fn resize(&mut self, slots: usize) {
        self.slots = vec![0; slots];
        let mut rest = self.texts.as_slice();
        for number in 0..u32::try_from(self.count).unwrap_or(u32::MAX) {
            let Some((text, after)) = first(rest) else { break };
            rest = after;
            let hash = xxh3_64(text);
            let mut slot = self.slot(hash);
            while self.slots.get(slot).is_some_and(|entry| *entry != 0) {
                slot = self.after(slot);
            }
            if let Some(entry) = self.slots.get_mut(slot) {
                *entry = mark(hash) | (number + 1);
            }
        }
    }
}

/// The bits of a slot that hold the number.
const NUMBER: u32 = (1 << 24) - 1;

/// The bits of a hash that a slot holds, where it holds them. The place of the slot is made of others.
fn mark(hash: u64) -> u32 {
    u32::try_from(hash >> 56).unwrap_or_default() << 24
}

/// Encodes a term unambiguously; `None` for a tag key longer than 65,535 bytes (AWS allows 512).
fn write(term: Term<'_>, out: &mut Vec<u8>) -> Option<()> {
    match term {
        Term::Facet(number, value) => {
            write_facet(number, out);
            pack(value, out);
        }
        Term::Own(number) => {
            write_facet(number, out);
            out.push(OWN);
        }
        Term::Tag(key, value) => {
            write_key(key, out)?;
            pack(value, out);
        }
    }
    Some(())
}

/// The byte that texts of a filter's values or of tags begin with, and no others; `None` where there is none.
fn head(on: &On) -> Option<u8> {
    match on {
        On::Facet(number) => u8::try_from(*number).ok().filter(|number| *number < WIDE_FACET),
        On::TagKey => Some(TAG),
        On::Tag(_) | On::Account | On::Region => None,
    }
}

fn write_facet(number: u16, out: &mut Vec<u8>) {
    match u8::try_from(number) {
        Ok(small) if small < WIDE_FACET => out.push(small),
        _ => {
            out.push(WIDE_FACET);
            out.extend_from_slice(&number.to_be_bytes());
        }
    }
}

fn write_key(key: &str, out: &mut Vec<u8>) -> Option<()> {
    out.push(TAG);
    match u8::try_from(key.len()) {
        Ok(short) if short < LONG_KEY => out.push(short),
        _ => {
            out.push(LONG_KEY);
            out.extend_from_slice(&u16::try_from(key.len()).ok()?.to_be_bytes());
        }
    }
    out.extend_from_slice(key.as_bytes());
    Some(())
}

/// Whether a term's text is that of a `Name` tag with a value.
fn is_name(text: &[u8]) -> bool {
    matches!(text, [TAG, 4, b'N', b'a', b'm', b'e', _, ..])
}

/// The first of some texts, and the others.
fn first(texts: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = read_length(texts)?;
    rest.split_at_checked(length)
}

/// What the value of a term belongs to.
enum TermHead<'a> {
    Facet(u16),
    Tag(&'a str),
}

/// The head of a term and its packed value.
fn split(text: &[u8]) -> Option<(TermHead<'_>, &[u8])> {
    let (first, rest) = text.split_first()?;
    match *first {
        WIDE_FACET => {
            let (number, value) = rest.split_first_chunk::<2>()?;
            Some((TermHead::Facet(u16::from_be_bytes(*number)), value))
        }
        TAG => {
            let (length, rest) = rest.split_first()?;
            let (length, rest) = match *length {
                LONG_KEY => {
                    let (length, rest) = rest.split_first_chunk::<2>()?;
                    (u16::from_be_bytes(*length), rest)
                }
                short => (u16::from(short), rest),
            };
            let (key, value) = rest.split_at_checked(usize::from(length))?;
            Some((TermHead::Tag(std::str::from_utf8(key).ok()?), value))
        }
        small => Some((TermHead::Facet(u16::from(small)), rest)),
    }
}

#[cfg(test)]
mod tests {
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
            assert_eq!(terms.get(u32::from(n)), Some(KnownTerm::Facet(n % 7, value.as_str().into())));
            assert_eq!(terms.intern(term), Some(u32::from(n)));
        }
        assert_eq!(terms.number(Term::Facet(8, "value-1")), None);
        assert_eq!(terms.get(1000), None);
    }

    #[test]
    fn facets_and_tags_with_the_same_bytes_are_different_terms() {
        let mut terms = Terms::default();
        let (long, longer) = ("k".repeat(255), "k".repeat(256));
        let all = [
            (Term::Facet(1, "a=b"), KnownTerm::Facet(1, "a=b".into())),
            (Term::Facet(700, "a=b"), KnownTerm::Facet(700, "a=b".into())),
            (Term::Own(1), KnownTerm::Own(1)),
            (Term::Own(240), KnownTerm::Own(240)),
            (Term::Tag("a", "=b"), KnownTerm::Tag("a", "=b".into())),
            (Term::Tag("a=", "b"), KnownTerm::Tag("a=", "b".into())),
            (Term::Tag("", "a=b"), KnownTerm::Tag("", "a=b".into())),
            (Term::Tag(&long, "k10.0.0.1"), KnownTerm::Tag(&long, "k10.0.0.1".into())),
            (Term::Tag(&longer, "10.0.0.1"), KnownTerm::Tag(&longer, "10.0.0.1".into())),
        ];
        for (number, (term, known)) in (0..).zip(&all) {
            assert_eq!(terms.intern(*term), Some(number));
            assert_eq!(terms.get(number).as_ref(), Some(known));
        }
        assert_eq!(terms.intern(Term::Tag(&"k".repeat(65_536), "")), None);
        assert_eq!(terms.len(), all.len());
    }

    #[test]
    fn tests_find_the_terms_that_pass() {
        let mut terms = Terms::default();
        for term in [
            Term::Facet(1, "run"),
            Term::Facet(1, "rum"),
            Term::Facet(2, "run"),
            Term::Tag("run", "run"),
            Term::Facet(3, "10.0.0.1"),
            Term::Own(3),
        ] {
            terms.intern(term);
        }
        let passing = |on, text: &str| terms.passing(&Comparison { on, pattern: ValuePattern::new(text) });
        assert_eq!(passing(On::Facet(1), "ru?"), [0, 1]);
        assert_eq!(passing(On::Facet(2), "run"), [2]);
        assert_eq!(passing(On::TagKey, "run"), [3]);
        assert_eq!(passing(On::Tag("run".into()), "*"), [3]);
        assert_eq!(passing(On::Tag("ru".into()), "*"), Vec::<u32>::new());
        assert_eq!(passing(On::Facet(3), "10.0.*"), [4]);
        assert_eq!(passing(On::Facet(3), "*"), [4]);
        assert_eq!(terms.all(&On::Facet(3)), [4, 5]);
    }

    #[test]
    fn a_small_table_that_has_shrunk_says_what_is_not_there() {
        for count in 0..9_u32 {
            let mut terms = Terms::default();
            for n in 0..count {
                assert_eq!(terms.intern(Term::Facet(1, &n.to_string())), Some(n));
            }
            terms.shrink();
            assert_eq!(terms.number(Term::Facet(1, "x")), None);
            assert_eq!(terms.intern(Term::Facet(1, "x")), Some(count));
            terms.shrink();
            assert_eq!(terms.number(Term::Facet(1, "x")), Some(count));
            assert_eq!(terms.number(Term::Facet(1, "y")), None);
        }
    }

    #[test]
    fn terms_are_found_after_the_table_has_shrunk_and_grown_again() {
        let mut terms = Terms::default();
        let mut copy = Terms::default();
        for n in 0..5000_u32 {
            let value = format!("i-{n:017x}");
            assert_eq!(terms.intern(Term::Facet(19, &value)), Some(n));
            if n % 1000 == 0 {
                terms.shrink();
            }
        }
        for n in (0..5000_u32).rev() {
            let value = format!("i-{n:017x}");
            assert_eq!(terms.number(Term::Facet(19, &value)), Some(n));
            assert_eq!(copy.intern_from(&terms, n), Some(4999 - n));
        }
        assert_eq!(copy.get(1), Some(KnownTerm::Facet(19, format!("i-{:017x}", 4998).into())));
        assert_eq!(copy.intern_from(&terms, 5000), None);
        assert!(terms.bytes() < 5000 * 26, "{}", terms.bytes());
    }
}
