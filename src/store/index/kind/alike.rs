//! Rows with the same values for whoever asks for some of them: counted together, so that a count by a few values reads no row.

use std::collections::HashMap;
use std::sync::Arc;

use super::{KindIndex, WantedScopes};
use crate::model::Scope;
use crate::store::index::terms::{Term, TermSet};
use crate::store::matcher::{Matcher, On};

/// Rows of one scope that have the same values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlikeRows {
    /// Their scope.
    pub scope: Arc<Scope>,
    /// Their values of filters, by the filter's number. A filter with several values is repeated.
    pub facets: Vec<(u16, String)>,
    /// Their tags, as (key, value).
    pub tags: Vec<(String, String)>,
    /// How many they are.
    pub count: u64,
}

impl AlikeRows {
    /// Their values.
    #[must_use]
    pub fn values<'r>(&'r self, on: &On) -> Vec<&'r str> {
        match on {
            On::Facet(wanted) => {
                let facets = self.facets.iter().filter(|(number, _)| number == wanted);
                facets.map(|(_, value)| value.as_str()).collect()
            }
            On::Tag(wanted) => {
                self.tags.iter().filter(|(key, _)| key == wanted).map(|(_, value)| value.as_str()).collect()
            }
            On::TagKey => self.tags.iter().map(|(key, _)| key.as_str()).collect(),
            On::Account | On::Region => on.part(&self.scope).into_iter().collect(),
        }
    }
}

impl KindIndex {
    /// The matching rows, counted by their values of `by`. Other values are not among those of the answer.
    pub(in crate::store::index) fn alike(
        &self,
        scopes: &WantedScopes<'_>,
        matcher: &Matcher,
        by: &[On],
    ) -> Vec<AlikeRows> {
        let Some(wants) = self.wants(scopes, matcher) else { return Vec::new() };
        let shown = TermSet::new(by.iter().flat_map(|on| self.all_values(on)).collect(), self.terms.len());
        let mut scopes: Vec<&Arc<Scope>> = Vec::new();
        // The number of rows by the place of their scope and the numbers of their shown terms, in order.
        let mut counts: HashMap<Vec<u32>, u64> = HashMap::new();
        let mut values = Vec::new();
        for (key, span) in &self.rows {
            if !wants(key, *span) {
                continue;
            }
            let known = scopes.iter().position(|scope| Arc::ptr_eq(scope, &key.scope)).unwrap_or_else(|| {
                scopes.push(&key.scope);
                scopes.len() - 1
            });
            values.clear();
            values.push(u32::try_from(known).unwrap_or(u32::MAX));
            values.extend(self.numbers.get(*span).iter().copied().filter(|number| shown.contains(*number)));
            match counts.get_mut(values.as_slice()) {
                Some(count) => *count += 1,
                None => drop(counts.insert(values.clone(), 1)),
            }
        }
        let found = counts.into_iter().filter_map(|(values, count)| {
            let (known, numbers) = values.split_first()?;
            let scope = scopes.get(usize::try_from(*known).ok()?)?;
            let (mut facets, mut tags) = (Vec::new(), Vec::new());
            for term in numbers.iter().filter_map(|number| self.terms.get(*number)) {
                match term {
                    Term::Facet(facet, value) => facets.push((facet, value.to_owned())),
                    Term::Tag(key, value) => tags.push((key.to_owned(), value.to_owned())),
                }
            }
            Some(AlikeRows { scope: Arc::clone(scope), facets, tags, count })
        });
        found.collect()
    }
}
