//! The index of one kind: its rows in list order, each as the numbers of its terms.

pub(super) mod alike;
pub(super) mod copied;
pub(super) mod named;
pub(super) mod ordered;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use foldhash::fast::RandomState;
use parking_lot::Mutex;

use super::notes::{AskedQuestion, AskedQuestions, BlockNote, NotePlace};
use super::rows::{IndexedRow, RowBlock, SortedKey, SortedRows};
use super::scopes::{ScopeNumbers, WantedScopes};
use super::terms::{KnownTerm, MOST, Term, TermSet, Terms};
use crate::model::packed::{compare, pack, unpacked};
use crate::model::{Kind, ResourceId, RowFields, Scope};
use crate::store::matcher::{Comparison, Matcher, On};

/// The rows of one kind.
#[derive(Default)]
pub(super) struct KindIndex {
    terms: Terms,
    rows: SortedRows,
    scopes: ScopeNumbers,
    /// The number of terms after the last cleaning.
    cleaned: usize,
    /// The questions of which blocks hold notes.
    asked: Mutex<AskedQuestions>,
    /// The term numbers of the current row.
    scratch: Vec<u32>,
}

/// A condition on a row: some of these terms, or none of those, or one of these scopes, or the row's own id passes.
struct TermCondition<'a> {
    some: TermSet,
    none: Vec<TermSet>,
    scopes: Vec<u16>,
    own: Vec<OwnId<'a>>,
}

/// A condition on the own id of rows for which that is a filter's value.
struct OwnId<'a> {
    /// The term that says so.
    term: u32,
    test: &'a Comparison,
    /// The only id that passes, packed, if there is one.
    exact: Option<Vec<u8>>,
}

impl OwnId<'_> {
    fn holds(&self, row: &IndexedRow<'_>) -> bool {
        match &self.exact {
            Some(exact) => row.id == exact.as_slice() && row.terms.contain(self.term),
            None => row.terms.contain(self.term) && self.test.pattern.matches(&unpacked(row.id)),
        }
    }
}

impl TermCondition<'_> {
    /// Whether any row can satisfy it.
    fn is_possible(&self) -> bool {
        !self.none.is_empty() || !self.some.is_empty() || !self.scopes.is_empty() || !self.own.is_empty()
    }

    fn holds(&self, row: &IndexedRow<'_>) -> bool {
        self.some.meets(row.terms)
            || self.none.iter().any(|values| !values.meets(row.terms))
            || self.scopes.contains(&row.scope)
            || self.own.iter().any(|own| own.holds(row))
    }
}

/// The index ran out of numbers.
pub(super) struct Overflow;

impl KindIndex {
    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// Bytes on the heap, estimated.
    pub(super) fn bytes(&self) -> usize {
        self.terms.bytes() + self.rows.bytes()
    }

    /// Applies what a commit says of a row: its new fields, or that it is gone.
    pub(super) fn follow(&mut self, id: &ResourceId, fields: Option<&RowFields>) -> Result<(), Overflow> {
        let Some(fields) = fields else {
            self.remove(id);
            return Ok(());
        };
        let facets = fields.facets.iter().map(|(number, value)| Term::Facet(*number, value));
        let tags = fields.tags.iter().map(|(key, value)| Term::Tag(key, value));
        self.insert(id, facets.chain(tags))
    }

    /// Inserts or replaces a row.
    pub(super) fn insert<'a>(
        &mut self,
        id: &ResourceId,
        terms: impl Iterator<Item = Term<'a>>,
    ) -> Result<(), Overflow> {
        self.intern(&id.id, terms)?;
        let key = self.key(id)?;
        self.rows.insert(&key, &self.scratch, &self.scopes);
        self.clean_if_worthwhile()
    }

    /// Removes a row.
    pub(super) fn remove(&mut self, id: &ResourceId) {
        if let Some(scope) = self.scopes.number(&id.scope()) {
            self.rows.remove(&SortedKey::new(&id.id, scope), &self.scopes);
        }
    }

    /// The only row with an id; `None` where there are several or none.
    pub(super) fn only(&self, kind: &Kind, id: &str) -> Option<ResourceId> {
        let mut rows = self.rows.with_id(id);
        let (first, second) = (rows.next()?, rows.next());
        let scope = self.scopes.get(first.scope).filter(|_| second.is_none())?;
        Some(ResourceId::new(scope, kind, id))
    }

    /// The ids of at most `limit` matching rows after `after`, in list order, and the total number of matches.
    pub(super) fn scan(
        &self,
        kind: &Kind,
        scopes: &WantedScopes<'_>,
        matcher: &Matcher,
        beside: Option<&KindIndex>,
        (after, limit): (Option<&ResourceId>, usize),
    ) -> (Vec<ResourceId>, u64) {
        let Some(wants) = self.wants(scopes, matcher, beside) else { return (Vec::new(), 0) };
        let after = after.map(|after| (packed(&after.id), after.scope()));
        let is_after = |row: &IndexedRow<'_>| self.is_after(row, after.as_ref());
        let blocks = self.rows.blocks();
        // No block before this one has a row after `after`, and every one behind it has only such rows.
        let begins_before = |block: &RowBlock| block.rows().next().is_some_and(|first| !is_after(&first));
        let first = blocks.partition_point(begins_before).saturating_sub(1);
        let place = self.note_place(scopes, matcher, None);
        let (mut ids, mut total) = (Vec::new(), 0);
        for (nth, block) in blocks.iter().enumerate() {
            let is_read = nth >= first && ids.len() < limit;
            if let Some(note) = block.noted(place).filter(|note| !is_read || note.count == 0) {
                total += note.count;
                continue;
            }
            let mut count = 0;
            for row in block.rows().filter(&wants) {
                count += 1;
                if is_read
                    && ids.len() < limit
                    && (nth > first || is_after(&row))
                    && let Some(scope) = self.scopes.get(row.scope)
                {
                    ids.push(ResourceId::new(scope, kind, &*unpacked(row.id)));
                }
            }
            block.note(place, BlockNote { count, first: None });
            total += count;
        }
        (ids, total)
    }

    /// Whether a row comes after the one with this id, packed, and scope in list order; every row does where there is none.
    fn is_after(&self, row: &IndexedRow<'_>, after: Option<&(Vec<u8>, Scope)>) -> bool {
        after.is_none_or(|(id, scope)| {
            let scopes = || self.scopes.get(row.scope).map(Arc::as_ref).cmp(&Some(scope));
            compare(row.id, id).then_with(scopes).is_gt()
        })
    }

    /// Where the notes of a question are, which is asked now; `None` where there are none. `order` is what is ordered by, and the name
    /// of the order.
    fn note_place(
        &self,
        scopes: &WantedScopes<'_>,
        matcher: &Matcher,
        order: Option<(&On, &str)>,
    ) -> Option<NotePlace> {
        if matcher.whole().is_some() {
            // Its rows change without those of this kind.
            return None;
        }
        let question = AskedQuestion::new(matcher, self.scopes.known(scopes)?, order)?;
        self.asked.lock().place(question)
    }

    /// The number of rows for each value of a facet or tag, or for each tag key, in one scope or all. A row with several values
    /// counts for each.
    pub(super) fn count_by(&self, scopes: &WantedScopes<'_>, on: &On) -> BTreeMap<String, u64> {
        let Some(scopes) = self.scopes.known(scopes) else { return BTreeMap::new() };
        let wanted = self.rows.iter().filter(|row| scopes.hold(row.scope));
        if matches!(on, On::Account | On::Region) {
            let mut by_part = BTreeMap::new();
            for row in wanted {
                let Some(part) = self.scopes.get(row.scope).and_then(|scope| on.part(scope)) else { continue };
                add(&mut by_part, part);
            }
            return by_part;
        }
        let values = self.terms.all(on);
        let shown = TermSet::spread(values.iter().copied(), self.terms.len());
        let own = self.own_term(on);
        let mut counts = vec![0_u32; self.terms.len()];
        let mut by_value = BTreeMap::new();
        for row in wanted {
            for term in shown.shared(row.terms) {
                if Some(term) == own {
                    add(&mut by_value, &unpacked(row.id));
                } else if let Some(count) = usize::try_from(term).ok().and_then(|term| counts.get_mut(term)) {
                    *count += 1;
                }
            }
        }
        for number in values {
            let count = usize::try_from(number).ok().and_then(|number| counts.get(number)).copied().unwrap_or(0);
            let value = match (on, self.terms.get(number)) {
                (On::TagKey, Some(KnownTerm::Tag(key, _))) => key.to_owned(),
                (_, Some(KnownTerm::Facet(_, value) | KnownTerm::Tag(_, value))) => value.into(),
                (_, Some(KnownTerm::Own(_)) | None) => continue,
            };
            if count > 0 {
                *by_value.entry(value).or_insert(0) += u64::from(count);
            }
        }
        by_value
    }

    /// Whether a row is in the wanted scopes and matches; `None` if none can. `beside` are the rows of what this kind is a part of.
    fn wants<'i>(
        &'i self,
        scopes: &WantedScopes<'_>,
        matcher: &'i Matcher,
        beside: Option<&'i KindIndex>,
    ) -> Option<impl Fn(&IndexedRow<'_>) -> bool + use<'i>> {
        let takes = self.takes(matcher, beside)?;
        let scopes = self.scopes.known(scopes)?;
        Some(move |row: &IndexedRow<'_>| scopes.hold(row.scope) && takes(row))
    }

    /// Whether a row matches; `None` if none can.
    fn takes<'i>(
        &'i self,
        matcher: &'i Matcher,
        beside: Option<&'i KindIndex>,
    ) -> Option<impl Fn(&IndexedRow<'_>) -> bool + use<'i>> {
        let wanted = self.resolve(matcher)?;
        let wholes = match matcher.whole() {
            None => None,
            Some((_, whole)) => Some(self.parts_of(beside?, whole)?),
        };
        Some(move |row: &IndexedRow<'_>| {
            wanted.iter().all(|condition| condition.holds(row))
                && wholes.as_ref().is_none_or(|wholes| wholes.contains(&(row.scope, row.id)))
        })
    }

    /// Which rows of this kind are parts of the matching rows of another one, by the numbers of their scopes and their packed ids.
    fn parts_of<'i>(&self, wholes: &'i KindIndex, matcher: &Matcher) -> Option<HashSet<(u16, &'i [u8]), RandomState>> {
        let wanted = wholes.resolve(matcher)?;
        let scopes: HashMap<u16, u16, RandomState> =
            wholes.scopes.iter().filter_map(|(number, scope)| Some((number, self.scopes.number(scope)?))).collect();
        let matching = wholes.rows.iter().filter(|row| wanted.iter().all(|condition| condition.holds(row)));
        Some(matching.filter_map(|row| Some((*scopes.get(&row.scope)?, row.id))).collect())
    }

    /// One condition on term numbers per condition; `None` if one of them can match nothing.
    fn resolve<'i>(&self, matcher: &'i Matcher) -> Option<Vec<TermCondition<'i>>> {
        let set = |numbers: Vec<u32>| TermSet::new(numbers, self.terms.len());
        let resolve = |all: &'i Vec<Comparison>| {
            // Every row has an account and a region, so their absence is no condition that a row can satisfy.
            let tests = all.iter().filter(|test| !matches!(test.on, On::Account | On::Region));
            let (absent, present): (Vec<_>, Vec<_>) = tests.partition(|test| test.pattern.is_absent());
            let own = present.iter().filter_map(|test| self.own_id(test)).collect();
            let some = set(present.into_iter().flat_map(|test| self.terms.passing(test)).collect());
            let none: Vec<TermSet> = absent.into_iter().map(|test| set(self.terms.all(&test.on))).collect();
            let condition = TermCondition { some, none, scopes: self.matching(all), own };
            Some(condition).filter(TermCondition::is_possible)
        };
        matcher.conditions().iter().map(resolve).collect()
    }

    /// A comparison of values that are the own id of some row; `None` if they are that of none.
    fn own_id<'i>(&self, test: &'i Comparison) -> Option<OwnId<'i>> {
        Some(OwnId { term: self.own_term(&test.on)?, test, exact: test.pattern.exact().map(packed) })
    }

    /// The term which says that a value is the row's own id.
    fn own_term(&self, on: &On) -> Option<u32> {
        match on {
            On::Facet(number) => self.terms.number(Term::Own(*number)),
            On::TagKey | On::Tag(_) | On::Account | On::Region => None,
        }
    }

    /// The scopes whose account or region one of the comparisons matches.
    fn matching(&self, tests: &[Comparison]) -> Vec<u16> {
        let is_meant =
            |scope: &Scope| tests.iter().any(|test| test.on.part(scope).is_some_and(|part| test.pattern.matches(part)));
        self.scopes.iter().filter(|(_, scope)| is_meant(scope)).map(|(number, _)| number).collect()
    }

    /// Writes the numbers of the terms of a row to `scratch`, in order.
    fn intern<'a>(&mut self, id: &str, terms: impl Iterator<Item = Term<'a>>) -> Result<(), Overflow> {
        self.scratch.clear();
        for term in terms {
            let term = match term {
                Term::Facet(number, value) if value == id => Term::Own(number),
                other => other,
            };
            self.scratch.push(self.terms.intern(term).ok_or(Overflow)?);
        }
        self.scratch.sort_unstable();
        self.scratch.dedup();
        Ok(())
    }

    fn key(&mut self, id: &ResourceId) -> Result<SortedKey, Overflow> {
        Ok(SortedKey::new(&id.id, self.scopes.intern(id).ok_or(Overflow)?))
    }

    /// Interns the used terms again, in list order, once as many are unused as used: changing values (addresses, states) leave
    /// terms that no row has. The average cost per insertion is constant. Drops all notes once their marks are used up.
    fn clean_if_worthwhile(&mut self) -> Result<(), Overflow> {
        if self.asked.get_mut().are_marks_used() {
            self.rows.forget_notes();
            *self.asked.get_mut() = AskedQuestions::default();
        }
        // Before numbers run out as well, unless that would free few.
        let due = (4096 + 2 * self.cleaned).min(MOST / 16 * 15);
        if self.terms.len() < due || self.cleaned > MOST / 8 * 7 {
            return Ok(());
        }
        let terms = std::mem::take(&mut self.terms);
        // By the old number, one more than the new one.
        let mut numbers = vec![0_u32; terms.len()];
        let rows = std::mem::take(&mut self.rows);
        for row in rows.iter() {
            self.scratch.clear();
            for old in row.terms.iter() {
                let known = usize::try_from(old).ok().and_then(|old| numbers.get_mut(old)).ok_or(Overflow)?;
                if *known == 0 {
                    *known = self.terms.intern_from(&terms, old).ok_or(Overflow)? + 1;
                }
                self.scratch.push(*known - 1);
            }
            self.scratch.sort_unstable();
            self.rows.push(&row.key(), &self.scratch);
        }
        self.rows.shrink();
        self.cleaned = self.terms.len();
        Ok(())
    }
}

/// Counts a value once more.
fn add(counts: &mut BTreeMap<String, u64>, value: &str) {
    match counts.get_mut(value) {
        Some(count) => *count += 1,
        None => drop(counts.insert(value.to_owned(), 1)),
    }
}

fn packed(text: &str) -> Vec<u8> {
    let mut packed = Vec::new();
    pack(text, &mut packed);
    packed
}

/// Builds the index of a kind from rows in list order: blocks are filled completely.
#[derive(Default)]
pub(super) struct KindIndexBuilder {
    index: KindIndex,
}

impl KindIndexBuilder {
    /// Adds the next row.
    pub(super) fn push<'a>(&mut self, id: &ResourceId, terms: impl Iterator<Item = Term<'a>>) -> Result<(), Overflow> {
        self.index.intern(&id.id, terms)?;
        let key = self.index.key(id)?;
        self.index.rows.push(&key, &self.index.scratch);
        Ok(())
    }

    /// The index of the rows added.
    pub(super) fn finish(self) -> KindIndex {
        let KindIndexBuilder { mut index } = self;
        index.rows.shrink();
        index.terms.shrink();
        index.cleaned = index.terms.len();
        index
    }
}

#[cfg(test)]
mod tests;
