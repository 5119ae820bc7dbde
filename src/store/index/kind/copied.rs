//! Rows copied out of the index: of each the values that a reader wants, for whoever takes longer over them than the index may be
//! held.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::{KindIndex, TermCondition};
use crate::model::packed::unpacked;
use crate::model::{Scope, Seq};
use crate::store::index::rows::IndexedRow;
use crate::store::index::terms::{KnownTerm, Term, TermSet};
use crate::store::matcher::Matcher;
use crate::store::row_view::RowView;

/// How many bytes a copy may take.
const BYTES: usize = 256 << 20;

/// Which rows are copied, and what of them.
#[derive(Clone, Debug, Default)]
pub struct RowSelection<'a> {
    /// The filters whose values are copied, by number.
    pub facets: Vec<u16>,
    /// The tags that are copied.
    pub tags: TagSelection<'a>,
    /// Only rows that have one of these values for each of these filters.
    pub only: Vec<(u16, &'a BTreeSet<String>)>,
    /// Only resources with these ids.
    pub ids: Option<&'a BTreeSet<String>>,
    /// Whether rows are to be shown without their ids, which takes less time.
    pub without_ids: bool,
}

/// Which tags are copied.
#[derive(Clone, Copy, Debug, Default)]
pub enum TagSelection<'a> {
    /// None.
    #[default]
    None,
    /// Those with this key.
    Key(&'a str),
    /// Those with one of these keys.
    Keys(&'a BTreeSet<String>),
    /// All.
    All,
}

/// Rows in list order, with the wanted values.
#[derive(Debug, Default)]
pub struct IndexRows {
    rows: Vec<CopiedRow>,
    scopes: Vec<Arc<Scope>>,
    /// The ids of all rows, one after the other.
    ids: String,
    /// The places of the values of all rows in `terms`, one row after the other.
    values: Vec<u32>,
    terms: Vec<CopiedTerm>,
    /// The texts of all terms, one after the other.
    texts: String,
}

#[derive(Debug)]
struct CopiedRow {
    scope: usize,
    id_end: usize,
    values_end: usize,
}

/// A value: its text ends there. A tag's key ends before its value.
#[derive(Debug)]
struct CopiedTerm {
    facet: Option<u16>,
    start: usize,
    key_end: usize,
    end: usize,
}

impl IndexRows {
    /// How many rows there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Shows `visit` each row, with the wanted values only: facets by number and value, tags by key. Its name and the record that
    /// changed it are not known here.
    ///
    /// # Errors
    /// The first that `visit` has.
    pub fn each<E>(&self, mut visit: impl FnMut(&str, &Scope, &mut RowView<'_>) -> Result<(), E>) -> Result<(), E> {
        let (mut id_start, mut values_start) = (0, 0);
        let mut view = RowView { name: None, changed: Seq::ZERO, facets: Vec::new(), tags: Vec::new() };
        for CopiedRow { scope, id_end, values_end } in &self.rows {
            view.name = None;
            view.facets.clear();
            view.tags.clear();
            for place in self.values.get(values_start..*values_end).unwrap_or_default() {
                let Some(term) = usize::try_from(*place).ok().and_then(|place| self.terms.get(place)) else { continue };
                let value = self.texts.get(term.key_end..term.end).unwrap_or_default();
                match term.facet {
                    Some(facet) => view.facets.push((facet, value)),
                    None => view.tags.push((self.texts.get(term.start..term.key_end).unwrap_or_default(), value)),
                }
            }
            if view.facets.len() > 1 {
                view.facets.sort_unstable();
            }
            if view.tags.len() > 1 {
                view.tags.sort_unstable();
            }
            let id = self.ids.get(id_start..*id_end).unwrap_or_default();
            if let Some(scope) = self.scopes.get(*scope) {
                visit(id, scope, &mut view)?;
            }
            (id_start, values_start) = (*id_end, *values_end);
        }
        Ok(())
    }
}

impl KindIndex {
    /// Copies rows that `matcher` takes, of the scopes that `sees` says; `None` where that takes more than a copy may.
    pub(in crate::store::index) fn copied(
        &self,
        selection: &RowSelection<'_>,
        matcher: &Matcher,
        sees: impl FnMut(&Scope) -> bool,
    ) -> Option<IndexRows> {
        let Some(taken) = self.resolve(matcher) else { return Some(IndexRows::default()) };
        let mut conditions = Vec::new();
        for (facet, values) in &selection.only {
            let numbers = values.iter().filter_map(|value| self.terms.number(Term::Facet(*facet, value)));
            let some = TermSet::new(numbers.collect(), self.terms.len());
            let own = self.terms.number(Term::Own(*facet));
            if some.is_empty() && own.is_none() {
                return Some(IndexRows::default());
            }
            conditions.push(CopyCondition { some, own, values });
        }
        let mut places = vec![0; self.terms.len()];
        let is_tagged = !matches!(selection.tags, TagSelection::None);
        let mut ends = 0;
        self.terms.each_facet(|number, facet| {
            if facet.map_or(is_tagged, |facet| selection.facets.contains(&facet)) {
                ends = number + 1;
            } else if let Some(place) = places.get_mut(number) {
                *place = 1;
            }
        });
        places.truncate(ends);
        let mut copy = RowCopy {
            index: self,
            selection,
            taken,
            conditions,
            sees,
            scopes: HashMap::new(),
            places,
            found: IndexRows::default(),
        };
        match selection.ids {
            None => self.rows.iter().try_for_each(|row| copy.take(&row))?,
            Some(ids) => {
                for id in ids {
                    self.rows.with_id(id).try_for_each(|row| copy.take(&row))?;
                }
            }
        }
        Some(copy.found)
    }
}

/// A row has one of these values for a filter.
struct CopyCondition<'a> {
    some: TermSet,
    /// The term which says that the row's own id is its value.
    own: Option<u32>,
    values: &'a BTreeSet<String>,
}

impl CopyCondition<'_> {
    fn holds(&self, row: &IndexedRow<'_>) -> bool {
        self.some.meets(row.terms)
            || self.own.is_some_and(|own| row.terms.contain(own)) && self.values.contains(&*unpacked(row.id))
    }
}

/// A copy that is being made.
struct RowCopy<'a, 's, F> {
    index: &'a KindIndex,
    selection: &'a RowSelection<'s>,
    taken: Vec<TermCondition<'a>>,
    conditions: Vec<CopyCondition<'a>>,
    sees: F,
    /// The places of scopes among those found; `None` for one that is left out.
    scopes: HashMap<u16, Option<usize>>,
    /// By the number of a term, up to the last that may be wanted: 0 where it was not met yet, 1 where it is not wanted, else 2 more
    /// than its place among those found.
    places: Vec<u32>,
    found: IndexRows,
}

impl<F: FnMut(&Scope) -> bool> RowCopy<'_, '_, F> {
    /// Adds a row, if it is wanted; `None` where the copy has become too large.
    fn take(&mut self, row: &IndexedRow<'_>) -> Option<()> {
        if !self.taken.iter().all(|condition| condition.holds(row))
            || !self.conditions.iter().all(|condition| condition.holds(row))
        {
            return Some(());
        }
        let Some(scope) = self.scope(row.scope) else { return Some(()) };
        if !self.selection.facets.is_empty() || !matches!(self.selection.tags, TagSelection::None) {
            for number in row.terms.iter() {
                let place = match usize::try_from(number).ok().and_then(|number| self.places.get(number)).copied() {
                    Some(0) => self.meet(number, row.id),
                    Some(known) => known.checked_sub(2),
                    // Nor is any that follows.
                    None => break,
                };
                self.found.values.extend(place);
            }
        }
        if !self.selection.without_ids {
            self.found.ids.push_str(&unpacked(row.id));
        }
        let (id_end, values_end) = (self.found.ids.len(), self.found.values.len());
        self.found.rows.push(CopiedRow { scope, id_end, values_end });
        let rows = self.found.rows.len() * size_of::<CopiedRow>() + id_end + values_end * size_of::<u32>();
        let terms = self.found.terms.len() * size_of::<CopiedTerm>() + self.found.texts.len();
        (rows + terms <= BYTES).then_some(())
    }

    fn scope(&mut self, number: u16) -> Option<usize> {
        if let Some(known) = self.scopes.get(&number) {
            return *known;
        }
        let scope = self.index.scopes.get(number)?;
        let place = (self.sees)(scope).then(|| {
            self.found.scopes.push(Arc::clone(scope));
            self.found.scopes.len() - 1
        });
        self.scopes.insert(number, place);
        place
    }

    /// The place of a term that is met for the first time in a row with this packed id; `None` where it is not
    /// wanted.
    fn meet(&mut self, number: u32, id: &[u8]) -> Option<u32> {
        let place = self.wanted(number, id);
        let own = matches!(self.index.terms.get(number), Some(KnownTerm::Own(_)));
        // Each row has another value for its own id, so that term is always met for the first time.
        if let Some(known) = usize::try_from(number).ok().and_then(|number| self.places.get_mut(number))
            && (!own || place.is_none())
        {
            *known = place.map_or(1, |place| place + 2);
        }
        place
    }

    fn wanted(&mut self, number: u32, id: &[u8]) -> Option<u32> {
        let (facet, key, value) = match self.index.terms.get(number)? {
            KnownTerm::Facet(facet, _) if !self.selection.facets.contains(&facet) => return None,
            KnownTerm::Facet(facet, value) => (Some(facet), "", value),
            KnownTerm::Own(facet) => (Some(facet), "", (&*unpacked(id)).into()),
            KnownTerm::Tag(key, value) => {
                let is_wanted = match self.selection.tags {
                    TagSelection::None => false,
                    TagSelection::Key(wanted) => wanted == key,
                    TagSelection::Keys(wanted) => wanted.contains(key),
                    TagSelection::All => true,
                };
                if !is_wanted {
                    return None;
                }
                (None, key, value)
            }
        };
        let place = u32::try_from(self.found.terms.len()).ok().filter(|place| *place < u32::MAX - 2)?;
        let start = self.found.texts.len();
        let key_end = start + key.len();
        let end = key_end + value.len();
        self.found.texts.push_str(key);
        self.found.texts.push_str(&value);
        self.found.terms.push(CopiedTerm { facet, start, key_end, end });
        Some(place)
    }
}
