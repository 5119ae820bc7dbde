//! The first rows of an order by the values of a filter or tag, without reading a row.

use std::collections::BinaryHeap;
use std::sync::Arc;

use super::{KindIndex, ListKey, WantedScopes};
use crate::model::{Kind, ResourceId};
use crate::store::index::terms::Term;
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

impl KindIndex {
    /// The matching rows of a page, in the order of their `place`, then of their ids, and the total number of matches. `place` is
    /// asked for each value once, and for none at all. Of a row with several values the first place counts.
    pub(in crate::store::index) fn ordered<K: Ord>(
        &self,
        kind: &Kind,
        scopes: &WantedScopes<'_>,
        matcher: &Matcher,
        page: &OrderedPage<'_, K>,
        place: &dyn Fn(Option<&str>) -> K,
    ) -> (Vec<ResourceId>, u64) {
        let Some(wants) = self.wants(scopes, matcher) else { return (Vec::new(), 0) };
        // The place of each term that is a value, by the term's number: 0 where it is none, else one more than where it stands.
        let mut slots = vec![0_u32; self.terms.len()];
        let mut places = Vec::new();
        for number in self.all_values(page.on) {
            let Some(Term::Facet(_, value) | Term::Tag(_, value)) = self.terms.get(number) else { continue };
            places.push(place(Some(value)));
            if let Some(slot) = usize::try_from(number).ok().and_then(|number| slots.get_mut(number)) {
                *slot = u32::try_from(places.len()).unwrap_or(0);
            }
        }
        let none = place(None);
        let of_term = |number: &u32| {
            let slot = usize::try_from(*number).ok().and_then(|number| slots.get(number))?;
            places.get(usize::try_from(slot.checked_sub(1)?).ok()?)
        };
        let after = page.after.map(|(place, id)| {
            let key = ListKey { id: id.id.as_ref().into(), scope: Arc::new(id.scope()) };
            (place, key)
        });
        let after = after.as_ref().map(|(place, key)| (*place, key));
        let mut first: BinaryHeap<(&K, &ListKey)> = BinaryHeap::new();
        let mut total = 0;
        for (key, span) in &self.rows {
            if !wants(key, *span) {
                continue;
            }
            total += 1;
            let found = (self.numbers.get(*span).iter().filter_map(of_term).min().unwrap_or(&none), key);
            if after.is_some_and(|after| found <= after) {
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
        (ids.map(|(_, key)| ResourceId::new(&key.scope, kind, key.id.as_ref())).collect(), total)
    }
}
