//! Rows with the same values for whoever asks for some of them: counted together, so that a count by a few values reads no row.

use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::RandomState;

use super::KindIndex;
use crate::model::Scope;
use crate::model::packed::unpacked;
use crate::store::index::scopes::WantedScopes;
use crate::store::index::terms::{KnownTerm, TermSet};
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
        beside: Option<&KindIndex>,
        by: &[On],
    ) -> Vec<AlikeRows> {
        let Some(wants) = self.wants(scopes, matcher, beside) else { return Vec::new() };
        let all: Vec<u32> = by.iter().flat_map(|on| self.terms.all(on)).collect();
        let shown = TermSet::spread(all.into_iter(), self.terms.len());
        let own: Vec<u32> = by.iter().filter_map(|on| self.own_term(on)).collect();
        // The number of rows by their scope and the numbers of their shown terms, in order.
        let mut counts: HashMap<Vec<u32>, u64, RandomState> = HashMap::default();
        let mut found = Vec::new();
        let mut values = Vec::new();
        for row in self.rows.iter().filter(wants) {
            values.clear();
            values.push(u32::from(row.scope));
            values.extend(shown.shared(row.terms));
            if own.iter().any(|number| values.iter().skip(1).any(|value| value == number)) {
                // No other row of the scope has its id.
                found.extend(self.alike_rows(&values, &unpacked(row.id), 1));
                continue;
            }
            match counts.get_mut(values.as_slice()) {
                Some(count) => *count += 1,
                None => drop(counts.insert(values.clone(), 1)),
            }
        }
        found.extend(counts.into_iter().filter_map(|(values, count)| self.alike_rows(&values, "", count)));
        found
    }

    /// Rows that have this scope and these terms; `id` is that of rows whose own id is a value.
    fn alike_rows(&self, values: &[u32], id: &str, count: u64) -> Option<AlikeRows> {
        let (scope, numbers) = values.split_first()?;
        let scope = self.scopes.get(u16::try_from(*scope).ok()?)?;
        let (mut facets, mut tags) = (Vec::new(), Vec::new());
        for term in numbers.iter().filter_map(|number| self.terms.get(*number)) {
            match term {
                KnownTerm::Facet(facet, value) => facets.push((facet, value.into())),
                KnownTerm::Own(facet) => facets.push((facet, id.to_owned())),
                KnownTerm::Tag(key, value) => tags.push((key.to_owned(), value.into())),
            }
        }
        Some(AlikeRows { scope: Arc::clone(scope), facets, tags, count })
    }
}
