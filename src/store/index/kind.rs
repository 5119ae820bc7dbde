//! The index of one kind: its rows in list order, each as the numbers of its terms.

pub(super) mod alike;
pub(super) mod copied;
pub(super) mod ordered;

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::sync::Arc;

use compact_str::CompactString;

use super::room::extend;
use super::terms::{Term, TermSet, Terms};
use crate::model::{Kind, ResourceId, Scope, Timestamp};
use crate::store::matcher::{Comparison, Matcher, On, ValuePattern};

/// The sort key of a row within its kind. Scopes are compared by content, and only if ids are equal.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct ListKey {
    /// Almost every id fits into it without an allocation.
    id: CompactString,
    scope: Arc<Scope>,
}

/// The position of a row's term numbers in [`TermNumbers`].
#[derive(Clone, Copy)]
struct NumberSpan {
    start: u32,
    length: u32,
}

/// The term numbers of all rows in one vector: a search reads memory sequentially.
#[derive(Default)]
struct TermNumbers {
    all: Vec<u32>,
    /// How many of them belong to removed rows.
    dead: usize,
}

impl TermNumbers {
    fn get(&self, span: NumberSpan) -> &[u32] {
        let (Ok(start), Ok(length)) = (usize::try_from(span.start), usize::try_from(span.length)) else { return &[] };
        self.all.get(start..start.saturating_add(length)).unwrap_or_default()
    }

    fn add(&mut self, numbers: &[u32]) -> Result<NumberSpan, Overflow> {
        let start = u32::try_from(self.all.len()).map_err(|_| Overflow)?;
        let length = u32::try_from(numbers.len()).map_err(|_| Overflow)?;
        extend(&mut self.all, numbers);
        Ok(NumberSpan { start, length })
    }

    fn free(&mut self, span: NumberSpan) {
        self.dead += self.get(span).len();
    }
}

/// The rows of one kind.
#[derive(Default)]
pub(super) struct KindIndex {
    terms: Terms,
    rows: BTreeMap<ListKey, NumberSpan>,
    numbers: TermNumbers,
    scopes: HashMap<Scope, Arc<Scope>>,
    /// The number of terms after the last cleaning.
    cleaned: usize,
    /// The term numbers of the current row.
    scratch: Vec<u32>,
}

/// A condition on the term numbers and the scope of a row: some of these, or none of those, or one of these scopes.
struct TermCondition<'a> {
    some: TermSet,
    none: Vec<TermSet>,
    scopes: Vec<&'a Arc<Scope>>,
}

impl TermCondition<'_> {
    /// Whether any row can satisfy it.
    fn is_possible(&self) -> bool {
        !self.none.is_empty() || !self.some.is_empty() || !self.scopes.is_empty()
    }

    fn holds(&self, terms: &[u32], scope: &Arc<Scope>) -> bool {
        self.some.meets(terms)
            || self.none.iter().any(|values| !values.meets(terms))
            || self.scopes.iter().any(|wanted| Arc::ptr_eq(wanted, scope))
    }
}

/// The scopes of a search: one, or all that are watched.
pub(super) struct WantedScopes<'a> {
    pub(super) scope: Option<&'a Scope>,
    pub(super) retired: &'a BTreeMap<Scope, Timestamp>,
}

/// The same, as the shared scopes of the rows.
enum Scopes<'a> {
    Only(&'a Arc<Scope>),
    AllBut(Vec<&'a Arc<Scope>>),
}

impl Scopes<'_> {
    fn hold(&self, scope: &Arc<Scope>) -> bool {
        match self {
            Scopes::Only(wanted) => Arc::ptr_eq(wanted, scope),
            Scopes::AllBut(left_out) => !left_out.iter().any(|left_out| Arc::ptr_eq(left_out, scope)),
        }
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
        let row = size_of::<ListKey>() + size_of::<NumberSpan>();
        // An allocation takes its length plus 8 bytes, rounded up to 16.
        let apart = self.rows.keys().filter(|place| place.id.is_heap_allocated());
        let ids: usize = apart.map(|place| (place.id.len() + 8).next_multiple_of(16)).sum();
        self.terms.bytes() + 4 * self.numbers.all.capacity() + ids + self.rows.len() * row * 12 / 11
    }

    /// Inserts or replaces a row.
    pub(super) fn insert<'a>(
        &mut self,
        id: &ResourceId,
        terms: impl Iterator<Item = Term<'a>>,
    ) -> Result<(), Overflow> {
        self.intern(terms)?;
        let place = ListKey { id: id.id.as_ref().into(), scope: self.scope(id) };
        if let Some(span) = self.rows.get(&place) {
            if self.numbers.get(*span) == self.scratch.as_slice() {
                return Ok(());
            }
            self.numbers.free(*span);
        }
        let span = self.numbers.add(&self.scratch)?;
        self.rows.insert(place, span);
        self.clean_if_worthwhile()
    }

    /// Removes a row.
    pub(super) fn remove(&mut self, id: &ResourceId) {
        let place = ListKey { id: id.id.as_ref().into(), scope: self.scope(id) };
        if let Some(span) = self.rows.remove(&place) {
            self.numbers.free(span);
        }
    }

    /// The ids of at most `limit` matching rows after `after`, in list order, and the total number of matches.
    pub(super) fn scan(
        &self,
        kind: &Kind,
        scopes: &WantedScopes<'_>,
        matcher: &Matcher,
        after: Option<&ResourceId>,
        limit: usize,
    ) -> (Vec<ResourceId>, u64) {
        let Some(wants) = self.wants(scopes, matcher) else { return (Vec::new(), 0) };
        let count = |range: &mut dyn Iterator<Item = (&ListKey, &NumberSpan)>| {
            range.map(|(place, span)| u64::from(wants(place, *span))).sum::<u64>()
        };
        let after = after.map(|id| ListKey { id: id.id.as_ref().into(), scope: Arc::new(id.scope()) });
        let (start, mut total) = match &after {
            None => (Bound::Unbounded, 0),
            Some(after) => {
                let before = (Bound::Unbounded, Bound::Included(after));
                (Bound::Excluded(after), count(&mut self.rows.range::<ListKey, _>(before)))
            }
        };
        let mut rest = self.rows.range::<ListKey, _>((start, Bound::Unbounded));
        let mut ids = Vec::new();
        while ids.len() < limit {
            let Some((place, span)) = rest.next() else { break };
            if wants(place, *span) {
                ids.push(ResourceId::new(&place.scope, kind, place.id.as_ref()));
                total += 1;
            }
        }
        total += count(&mut rest);
        (ids, total)
    }

    /// The number of rows for each value of a facet or tag, or for each tag key, in one scope or all. A row with several values
    /// counts for each.
    pub(super) fn count_by(&self, scopes: &WantedScopes<'_>, on: &On) -> BTreeMap<String, u64> {
        let Some(scopes) = self.known(scopes) else { return BTreeMap::new() };
        if matches!(on, On::Account | On::Region) {
            let mut by_part = BTreeMap::new();
            for scope in self.rows.keys().map(|place| &place.scope).filter(|scope| scopes.hold(scope)) {
                let Some(part) = on.part(scope) else { continue };
                match by_part.get_mut(part) {
                    Some(count) => *count += 1,
                    None => drop(by_part.insert(part.to_owned(), 1)),
                }
            }
            return by_part;
        }
        let values = self.all_values(on);
        let wanted = TermSet::new(values.clone(), self.terms.len());
        let mut counts = vec![0_u32; self.terms.len()];
        for (place, span) in &self.rows {
            if scopes.hold(&place.scope) {
                for term in self.numbers.get(*span).iter().filter(|term| wanted.contains(**term)) {
                    if let Some(count) = usize::try_from(*term).ok().and_then(|term| counts.get_mut(term)) {
                        *count += 1;
                    }
                }
            }
        }
        let mut by_value = BTreeMap::new();
        for number in values {
            let count = usize::try_from(number).ok().and_then(|number| counts.get(number)).copied().unwrap_or(0);
            let value = match (on, self.terms.get(number)) {
                (On::TagKey, Some(Term::Tag(key, _))) => key,
                (_, Some(Term::Facet(_, value) | Term::Tag(_, value))) => value,
                (_, None) => continue,
            };
            if count > 0 {
                *by_value.entry(value.to_owned()).or_insert(0) += u64::from(count);
            }
        }
        by_value
    }

    /// Whether a row is in the wanted scopes and matches; `None` if none can.
    fn wants<'i>(
        &'i self,
        scopes: &WantedScopes<'_>,
        matcher: &Matcher,
    ) -> Option<impl Fn(&ListKey, NumberSpan) -> bool + use<'i>> {
        let wanted = self.resolve(matcher)?;
        let scopes = self.known(scopes)?;
        Some(move |place: &ListKey, span: NumberSpan| {
            scopes.hold(&place.scope) && {
                let terms = self.numbers.get(span);
                wanted.iter().all(|condition| condition.holds(terms, &place.scope))
            }
        })
    }

    /// The numbers of all values of a filter or tag, or of all tags.
    fn all_values(&self, on: &On) -> Vec<u32> {
        self.terms.passing(&Comparison { on: on.clone(), pattern: ValuePattern::new("*") })
    }

    /// One condition on term numbers per condition; `None` if one of them can match nothing.
    fn resolve(&self, matcher: &Matcher) -> Option<Vec<TermCondition<'_>>> {
        let set = |numbers: Vec<u32>| TermSet::new(numbers, self.terms.len());
        let resolve = |all: &Vec<Comparison>| {
            // Every row has an account and a region, so their absence is no condition that a row can satisfy.
            let tests = all.iter().filter(|test| !matches!(test.on, On::Account | On::Region));
            let (absent, present): (Vec<_>, Vec<_>) = tests.partition(|test| test.pattern.is_absent());
            let some = set(present.into_iter().flat_map(|test| self.terms.passing(test)).collect());
            let none: Vec<TermSet> = absent.into_iter().map(|test| set(self.all_values(&test.on))).collect();
            Some(TermCondition { some, none, scopes: self.matching(all) }).filter(TermCondition::is_possible)
        };
        matcher.conditions().iter().map(resolve).collect()
    }

    /// The scopes whose account or region one of the comparisons matches.
    fn matching(&self, tests: &[Comparison]) -> Vec<&Arc<Scope>> {
        let is_meant = |scope: &&Arc<Scope>| {
            tests.iter().any(|test| test.on.part(scope).is_some_and(|part| test.pattern.matches(part)))
        };
        self.scopes.values().filter(is_meant).collect()
    }

    /// The scopes as the rows share them; `None` if no row is in the wanted one.
    fn known(&self, wanted: &WantedScopes<'_>) -> Option<Scopes<'_>> {
        Some(match wanted.scope {
            Some(scope) => Scopes::Only(self.scopes.get(scope)?),
            None => Scopes::AllBut(wanted.retired.keys().filter_map(|scope| self.scopes.get(scope)).collect()),
        })
    }

    /// Writes the numbers of `terms` to `scratch`, in order.
    fn intern<'a>(&mut self, terms: impl Iterator<Item = Term<'a>>) -> Result<(), Overflow> {
        self.scratch.clear();
        for term in terms {
            self.scratch.push(self.terms.intern(term).ok_or(Overflow)?);
        }
        self.scratch.sort_unstable();
        self.scratch.dedup();
        Ok(())
    }

    fn scope(&mut self, id: &ResourceId) -> Arc<Scope> {
        let scope = id.scope();
        Arc::clone(self.scopes.entry(scope).or_insert_with_key(|scope| Arc::new(scope.clone())))
    }

    /// Interns the used terms again, in list order, once as many are unused as used: changing values (addresses, states) leave
    /// terms and numbers that no row has. The average cost per insertion is constant.
    fn clean_if_worthwhile(&mut self) -> Result<(), Overflow> {
        let numbers = self.numbers.all.len();
        if self.terms.len() < 4096 + 2 * self.cleaned && self.numbers.dead < 4096 + numbers / 2 {
            return Ok(());
        }
        let old_terms = std::mem::take(&mut self.terms);
        let old_numbers = std::mem::take(&mut self.numbers);
        for span in self.rows.values_mut() {
            self.scratch.clear();
            for number in old_numbers.get(*span) {
                let term = old_terms.get(*number).ok_or(Overflow)?;
                self.scratch.push(self.terms.intern(term).ok_or(Overflow)?);
            }
            self.scratch.sort_unstable();
            *span = self.numbers.add(&self.scratch)?;
        }
        self.cleaned = self.terms.len();
        Ok(())
    }
}

/// Builds the index of a kind from rows in list order: nodes are filled completely, which saves a third of the tree.
#[derive(Default)]
pub(super) struct KindIndexBuilder {
    index: KindIndex,
    staged: Vec<(ListKey, NumberSpan)>,
}

impl KindIndexBuilder {
    /// Adds the next row.
    pub(super) fn push<'a>(&mut self, id: &ResourceId, terms: impl Iterator<Item = Term<'a>>) -> Result<(), Overflow> {
        self.index.intern(terms)?;
        let place = ListKey { id: id.id.as_ref().into(), scope: self.index.scope(id) };
        let span = self.index.numbers.add(&self.index.scratch)?;
        self.staged.push((place, span));
        Ok(())
    }

    /// The index of the rows added.
    pub(super) fn finish(self) -> KindIndex {
        let KindIndexBuilder { mut index, staged } = self;
        index.rows = BTreeMap::from_iter(staged);
        index.terms.shrink();
        index.numbers.all.shrink_to_fit();
        index.cleaned = index.terms.len();
        index
    }
}
