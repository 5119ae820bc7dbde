//! The first rows of an order by the values of a filter or tag, without reading a row.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::BinaryHeap;

use super::{KindIndex, packed};
use crate::model::packed::{compare, unpacked};
use crate::model::{Kind, ResourceId, Scope};
use crate::store::index::scopes::WantedScopes;
use crate::store::index::terms::{KnownTerm, TermSet};
use crate::store::matcher::{Matcher, On};

/// A page of an order.
#[derive(Debug)]
pub struct OrderedPage<'a, K> {
    /// What is ordered by.
    pub on: &'a On,
    /// The place and the id of the row before the page; `None` for the first page.
    pub after: Option<(&'a K, &'a ResourceId)>,
    /// How many rows.
    pub limit: usize,
}

/// Where a row stands in an order: by its place, then by its id, then by its scope.
struct OrderedRow<'a, K: Clone> {
    place: Cow<'a, K>,
    /// Packed.
    id: &'a [u8],
    scope: &'a Scope,
}

impl<K: Ord + Clone> Ord for OrderedRow<'_, K> {
    fn cmp(&self, other: &Self) -> Ordering {
        let places = self.place.cmp(&other.place);
        places.then_with(|| compare(self.id, other.id)).then_with(|| self.scope.cmp(other.scope))
    }
}

impl<K: Ord + Clone> PartialOrd for OrderedRow<'_, K> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<K: Ord + Clone> PartialEq for OrderedRow<'_, K> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl<K: Ord + Clone> Eq for OrderedRow<'_, K> {}

impl KindIndex {
    /// The matching rows of a page, in the order of their `place`, then of their ids, and the total number of matches. `place` is
    /// asked for each value once, for each id where that is the value, and for none at all. Of a row with several values the first
    /// place counts.
    pub(in crate::store::index) fn ordered<K: Ord + Clone>(
        &self,
        kind: &Kind,
        scopes: &WantedScopes<'_>,
        matcher: &Matcher,
        page: &OrderedPage<'_, K>,
        place: &dyn Fn(Option<&str>) -> K,
    ) -> (Vec<ResourceId>, u64) {
        let Some(wants) = self.wants(scopes, matcher) else { return (Vec::new(), 0) };
        let values = self.terms.all(page.on);
        let shown = TermSet::spread(&values, self.terms.len());
        let own = self.own_term(page.on);
        // The place of each term that is a value, by the term's number: 0 where it is none, else one more than where it stands.
        let mut slots = vec![0_u32; self.terms.len()];
        let mut places = Vec::new();
        for number in values {
            let Some(KnownTerm::Facet(_, value) | KnownTerm::Tag(_, value)) = self.terms.get(number) else { continue };
            places.push(place(Some(&value)));
            if let Some(slot) = usize::try_from(number).ok().and_then(|number| slots.get_mut(number)) {
                *slot = u32::try_from(places.len()).unwrap_or(0);
            }
        }
        let none = place(None);
        let of_term = |number: u32| {
            let slot = usize::try_from(number).ok().and_then(|number| slots.get(number))?;
            places.get(usize::try_from(slot.checked_sub(1)?).ok()?)
        };
        let after = page.after.map(|(place, id)| (place, packed(&id.id), id.scope()));
        let after = after.as_ref().map(|(place, id, scope)| OrderedRow { place: Cow::Borrowed(*place), id, scope });
        let mut first: BinaryHeap<OrderedRow<'_, K>> = BinaryHeap::new();
        let mut total = 0;
        for row in self.rows.iter().filter(wants) {
            let Some(scope) = self.scopes.get(row.scope) else { continue };
            total += 1;
            let of_value = |number| match own {
                Some(own) if own == number => Some(Cow::Owned(place(Some(&unpacked(row.id))))),
                _ => of_term(number).map(Cow::Borrowed),
            };
            let place = shown.shared(row.terms).filter_map(of_value).min().unwrap_or(Cow::Borrowed(&none));
            let found = OrderedRow { place, id: row.id, scope };
            if after.as_ref().is_some_and(|after| found <= *after) {
                continue;
            }
            if first.len() < page.limit {
                first.push(found);
            } else if let Some(mut last) = first.peek_mut()
                && found < *last
            {
                *last = found;
            }
        }
        let ids = first.into_sorted_vec().into_iter();
        (ids.map(|placed| ResourceId::new(placed.scope, kind, &*unpacked(placed.id))).collect(), total)
    }
}
