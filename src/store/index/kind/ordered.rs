//! The first rows of an order by the values of a filter or tag, without reading a row.

use std::cmp::{Ordering, Reverse};
use std::collections::{BinaryHeap, HashMap};

use foldhash::fast::RandomState;

use super::{KindIndex, packed};
use crate::model::packed::{compare, unpacked};
use crate::model::{Kind, ResourceId, Scope};
use crate::store::index::notes::BlockNote;
use crate::store::index::rows::IndexedRow;
use crate::store::index::scopes::WantedScopes;
use crate::store::index::terms::{KnownTerm, TermSet};
use crate::store::matcher::{Matcher, On};

/// A page of an order.
#[derive(Debug)]
pub struct OrderedPage<'a, K> {
    /// What is ordered by.
    pub on: &'a On,
    /// The name of the order: two orders of the same name give each value the same place.
    pub name: &'a str,
    /// The place and the id of the row before the page; `None` for the first page.
    pub after: Option<(&'a K, &'a ResourceId)>,
    /// How many rows.
    pub limit: usize,
}

/// A row of a page: it stands by its place, then by its id, then by its scope.
struct OrderedRow<'a, K> {
    place: K,
    /// Packed.
    id: &'a [u8],
    scope: &'a Scope,
    /// The number of its block.
    block: usize,
}

impl<K: Ord> OrderedRow<'_, K> {
    /// Where it stands beside a row of this place, id and scope.
    fn beside(&self, place: &K, id: &[u8], scope: &Scope) -> Ordering {
        self.place.cmp(place).then_with(|| compare(self.id, id)).then_with(|| self.scope.cmp(scope))
    }
}

impl<K: Ord> Ord for OrderedRow<'_, K> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.beside(&other.place, other.id, other.scope)
    }
}

impl<K: Ord> PartialOrd for OrderedRow<'_, K> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<K: Ord> PartialEq for OrderedRow<'_, K> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl<K: Ord> Eq for OrderedRow<'_, K> {}

/// What gives a row its place.
enum RowPlace<K> {
    /// A term, and where its place stands among those that are known.
    Term(u32, usize),
    /// Its own id, which has this place.
    Own(K),
    /// That it has no value.
    Absent,
}

/// The places of values, each asked for once when it is first met.
struct ValuePlaces<'a, K> {
    index: &'a KindIndex,
    /// The terms that are values.
    shown: &'a TermSet,
    /// The term that stands for a row's own id.
    own: Option<u32>,
    place: &'a dyn Fn(Option<&str>) -> K,
    /// Where the place of a term stands among those that are known. Where blocks have notes, few are.
    numbers: HashMap<u32, usize, RandomState>,
    known: Vec<K>,
    absent: K,
}

impl<K: Ord> ValuePlaces<'_, K> {
    /// What gives a row its place. Of several values it is the first in the order.
    fn of_row(&mut self, row: &IndexedRow<'_>) -> RowPlace<K> {
        let shown = self.shown;
        let mut first = RowPlace::Absent;
        for number in shown.shared(row.terms) {
            let found = if Some(number) == self.own {
                RowPlace::Own((self.place)(Some(&unpacked(row.id))))
            } else {
                self.of_term(number)
            };
            if self.get(&found) < self.get(&first) || matches!(first, RowPlace::Absent) {
                first = found;
            }
        }
        first
    }

    /// The place of the value that a term is.
    fn of_term(&mut self, number: u32) -> RowPlace<K> {
        if let Some(nth) = self.numbers.get(&number) {
            return RowPlace::Term(number, *nth);
        }
        let value = match self.index.terms.get(number) {
            Some(KnownTerm::Facet(_, value) | KnownTerm::Tag(_, value)) => value,
            Some(KnownTerm::Own(_)) | None => return RowPlace::Absent,
        };
        let nth = self.known.len();
        self.known.push((self.place)(Some(&value)));
        self.numbers.insert(number, nth);
        RowPlace::Term(number, nth)
    }

    fn get<'s>(&'s self, place: &'s RowPlace<K>) -> &'s K {
        match place {
            RowPlace::Term(_, nth) => self.known.get(*nth).unwrap_or(&self.absent),
            RowPlace::Own(place) => place,
            RowPlace::Absent => &self.absent,
        }
    }
}

impl KindIndex {
    /// The matching rows of a page, in the order of their `place`, then of their ids, and the total number of matches. `place` is
    /// asked for each value once, for each id where that is the value, and for none at all. Of a row with several values the first
    /// place counts.
    ///
    /// Each block is asked for the place of its first row, which it may have noted; only those are read that can have a row of the
    /// page.
    pub(in crate::store::index) fn ordered<K: Ord + Clone>(
        &self,
        kind: &Kind,
        scopes: &WantedScopes<'_>,
        matcher: &Matcher,
        beside: Option<&KindIndex>,
        page: &OrderedPage<'_, K>,
        place: &dyn Fn(Option<&str>) -> K,
    ) -> (Vec<ResourceId>, u64) {
        let Some(wants) = self.wants(scopes, matcher, beside) else { return (Vec::new(), 0) };
        let shown = self.terms.shown(page.on);
        let own = self.own_term(page.on);
        let mut places = ValuePlaces {
            index: self,
            shown: &shown,
            own,
            place,
            numbers: HashMap::default(),
            known: Vec::new(),
            absent: place(None),
        };
        // The term of a row's own id does not say what that is.
        let notes = if own.is_none() { self.note_place(scopes, matcher, Some((page.on, page.name))) } else { None };
        let mut total = 0;
        let mut blocks: Vec<Reverse<(K, usize)>> = Vec::new();
        for (nth, block) in self.rows.blocks().iter().enumerate() {
            let (count, first) = if let Some(BlockNote { count, first }) = block.noted(notes) {
                (count, first.map_or(RowPlace::Absent, |number| places.of_term(number)))
            } else {
                let (mut count, mut first) = (0, RowPlace::Absent);
                for row in block.rows().filter(&wants) {
                    let found = places.of_row(&row);
                    if count == 0 || places.get(&found) < places.get(&first) {
                        first = found;
                    }
                    count += 1;
                }
                let term = if let RowPlace::Term(number, _) = first { Some(number) } else { None };
                block.note(notes, BlockNote { count, first: term });
                (count, first)
            };
            total += count;
            if count > 0 {
                blocks.push(Reverse((places.get(&first).clone(), nth)));
            }
        }
        let after = page.after.map(|(place, id)| (place, packed(&id.id), id.scope()));
        let mut blocks = BinaryHeap::from(blocks);
        let mut first: BinaryHeap<OrderedRow<'_, K>> = BinaryHeap::new();
        while let Some(Reverse((least, nth))) = blocks.pop() {
            // Rows of the same place stand in the order of their blocks, as they do in that of their ids.
            let is_last = |last: &OrderedRow<'_, K>| (&least, nth) > (&last.place, last.block);
            if first.len() >= page.limit && first.peek().is_none_or(is_last) {
                break;
            }
            let Some(block) = self.rows.blocks().get(nth) else { continue };
            for row in block.rows().filter(&wants) {
                let Some(scope) = self.scopes.get(row.scope) else { continue };
                let found = places.of_row(&row);
                let found = places.get(&found);
                let stands = |place: &K, id: &[u8], of: &Scope| {
                    found.cmp(place).then_with(|| compare(row.id, id)).then_with(|| (**scope).cmp(of))
                };
                if after.as_ref().is_some_and(|(place, id, of)| stands(place, id, of).is_le()) {
                    continue;
                }
                if first.len() >= page.limit {
                    if first.peek().is_none_or(|last| last.beside(found, row.id, scope).is_le()) {
                        continue;
                    }
                    first.pop();
                }
                first.push(OrderedRow { place: found.clone(), id: row.id, scope, block: nth });
            }
        }
        let ids = first.into_sorted_vec().into_iter();
        (ids.map(|placed| ResourceId::new(placed.scope, kind, &*unpacked(placed.id))).collect(), total)
    }
}
