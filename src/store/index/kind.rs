//! The index of one kind: its rows in list order, each as the numbers of its terms.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::sync::Arc;

use super::terms::{Term, TermSet, Terms};
use crate::model::{Kind, ResourceId, Scope};
use crate::store::matcher::Matcher;

/// Order of a list within a kind. The scope is compared by content, and only when ids are equal.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    id: Box<str>,
    scope: Arc<Scope>,
}

/// The rows of one kind.
#[derive(Default)]
pub(super) struct KindIndex {
    terms: Terms,
    rows: BTreeMap<Place, Box<[u32]>>,
    scopes: HashMap<Scope, Arc<Scope>>,
    /// How many terms there were after the last cleaning.
    cleaned: usize,
}

/// The index ran out of term numbers.
pub(super) struct Overflow;

impl KindIndex {
    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// Bytes on the heap, estimated.
    pub(super) fn bytes(&self) -> usize {
        let row = size_of::<Place>() + size_of::<Box<[u32]>>();
        let heap: usize = self.rows.iter().map(|(place, terms)| place.id.len() + 4 * terms.len() + 16).sum();
        self.terms.bytes() + heap + self.rows.len() * row * 12 / 11
    }

    /// Puts a row in, or replaces it.
    pub(super) fn insert<'a>(
        &mut self,
        id: &ResourceId,
        terms: impl Iterator<Item = Term<'a>>,
    ) -> Result<(), Overflow> {
        let numbers = self.numbers(terms)?;
        let place = Place { id: id.id.as_ref().into(), scope: self.scope(id) };
        self.rows.insert(place, numbers);
        self.clean_if_worthwhile()
    }

    /// Takes a row out.
    pub(super) fn remove(&mut self, id: &ResourceId) {
        let place = Place { id: id.id.as_ref().into(), scope: self.scope(id) };
        self.rows.remove(&place);
    }

    /// The ids of at most `limit` matching rows after `after`, in list order, and how many match in all.
    pub(super) fn scan(
        &self,
        kind: &Kind,
        scope: Option<&Scope>,
        matcher: &Matcher,
        after: Option<&ResourceId>,
        limit: usize,
    ) -> (Vec<ResourceId>, u64) {
        let Some(wanted) = self.resolve(matcher) else { return (Vec::new(), 0) };
        let scope = match scope.map(|scope| self.scopes.get(scope)) {
            None => None,
            Some(Some(scope)) => Some(scope),
            Some(None) => return (Vec::new(), 0),
        };
        let wants = |place: &Place, terms: &[u32]| {
            scope.is_none_or(|scope| Arc::ptr_eq(scope, &place.scope))
                && wanted.iter().all(|set| terms.iter().any(|term| set.contains(*term)))
        };
        let count = |range: &mut dyn Iterator<Item = (&Place, &Box<[u32]>)>| {
            range.map(|(place, terms)| u64::from(wants(place, terms))).sum::<u64>()
        };
        let after = after.map(|id| Place { id: id.id.as_ref().into(), scope: Arc::new(id.scope()) });
        let (start, mut total) = match &after {
            None => (Bound::Unbounded, 0),
            Some(after) => {
                let before = (Bound::Unbounded, Bound::Included(after));
                (Bound::Excluded(after), count(&mut self.rows.range::<Place, _>(before)))
            }
        };
        let mut rest = self.rows.range::<Place, _>((start, Bound::Unbounded));
        let mut ids = Vec::new();
        while ids.len() < limit {
            let Some((place, terms)) = rest.next() else { break };
            if wants(place, terms) {
                ids.push(ResourceId::new(&place.scope, kind, place.id.as_ref()));
                total += 1;
            }
        }
        total += count(&mut rest);
        (ids, total)
    }

    /// How many rows have each value of a facet, in one scope or in all. A row with several values counts for each.
    pub(super) fn count_by(&self, scope: Option<&Scope>, facet: u16) -> BTreeMap<String, u64> {
        let numbers = self.terms.iter().filter(|(_, term)| matches!(term, Term::Facet(number, _) if *number == facet));
        let wanted = TermSet::new(numbers.map(|(number, _)| number).collect(), self.terms.len());
        let mut counts: HashMap<u32, u64> = HashMap::new();
        let scope = match scope.map(|scope| self.scopes.get(scope)) {
            None => None,
            Some(Some(scope)) => Some(scope),
            Some(None) => return BTreeMap::new(),
        };
        for (place, terms) in &self.rows {
            if scope.is_none_or(|scope| Arc::ptr_eq(scope, &place.scope)) {
                for term in terms.iter().filter(|term| wanted.contains(**term)) {
                    *counts.entry(*term).or_default() += 1;
                }
            }
        }
        let value = |number| match self.terms.get(number) {
            Some(Term::Facet(_, value)) => Some(value.to_owned()),
            _ => None,
        };
        counts.into_iter().filter_map(|(number, count)| Some((value(number)?, count))).collect()
    }

    /// One set of terms a condition; `None` when some condition can match nothing.
    fn resolve(&self, matcher: &Matcher) -> Option<Vec<TermSet>> {
        let resolve = |tests: &Vec<_>| {
            let numbers = tests.iter().flat_map(|test| self.terms.passing(test)).collect();
            Some(TermSet::new(numbers, self.terms.len())).filter(|set| !set.is_empty())
        };
        matcher.conditions().iter().map(resolve).collect()
    }

    fn numbers<'a>(&mut self, terms: impl Iterator<Item = Term<'a>>) -> Result<Box<[u32]>, Overflow> {
        let mut numbers = Vec::with_capacity(32);
        for term in terms {
            numbers.push(self.terms.intern(term).ok_or(Overflow)?);
        }
        numbers.sort_unstable();
        numbers.dedup();
        Ok(numbers.into_boxed_slice())
    }

    fn scope(&mut self, id: &ResourceId) -> Arc<Scope> {
        let scope = id.scope();
        Arc::clone(self.scopes.entry(scope).or_insert_with_key(|scope| Arc::new(scope.clone())))
    }

    /// Interns the terms in use anew once the table has doubled: churn (addresses, states) leaves terms behind that no row
    /// holds. Costs each insertion a constant on average.
    fn clean_if_worthwhile(&mut self) -> Result<(), Overflow> {
        if self.terms.len() < 4096 + 2 * self.cleaned {
            return Ok(());
        }
        let old = std::mem::take(&mut self.terms);
        for numbers in self.rows.values_mut() {
            for number in &mut *numbers {
                let term = old.get(*number).ok_or(Overflow)?;
                *number = self.terms.intern(term).ok_or(Overflow)?;
            }
            numbers.sort_unstable();
        }
        self.cleaned = self.terms.len();
        Ok(())
    }
}

/// Builds the index of a kind from rows in list order: nodes come out full, which saves a third of the tree.
#[derive(Default)]
pub(super) struct Builder {
    index: KindIndex,
    staged: Vec<(Place, Box<[u32]>)>,
}

impl Builder {
    /// Adds the next row.
    pub(super) fn push<'a>(&mut self, id: &ResourceId, terms: impl Iterator<Item = Term<'a>>) -> Result<(), Overflow> {
        let numbers = self.index.numbers(terms)?;
        let place = Place { id: id.id.as_ref().into(), scope: self.index.scope(id) };
        self.staged.push((place, numbers));
        Ok(())
    }

    /// The index of the rows added.
    pub(super) fn finish(self) -> KindIndex {
        let Builder { mut index, staged } = self;
        index.rows = BTreeMap::from_iter(staged);
        index.terms.shrink();
        index.cleaned = index.terms.len();
        index
    }
}
