//! The index in memory: searches and counts without reading the disk.
//!
//! Each kind has a table of terms (a facet's value, a tag) and its rows in list order, each as a short list of term numbers. A
//! search resolves its patterns to sets of numbers once; per row it compares integers. The index is built in the background at
//! start; commits made meanwhile are kept and applied at the end. Until then, and if it ever runs out of numbers,
//! [`super::Store::scan`] reads the `rows` table instead.

mod kind;
mod room;
mod terms;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use parking_lot::RwLock;

pub use self::kind::alike::AlikeRows;
pub use self::kind::copied::{IndexRows, RowSelection, TagSelection};
pub use self::kind::ordered::OrderedPage;
use self::kind::{KindIndex, KindIndexBuilder, Overflow, WantedScopes};
use self::terms::Term;
use super::matcher::{Matcher, On};
use super::snapshot::{ReadError, Retired, Snapshot};
use crate::model::{Kind, ResourceId, RowFields, Scope, Seq};

/// How many rows are read from one snapshot while building, so that read transactions stay short.
const BUILD_STEP: usize = 20_000;

/// The result of a search.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scan {
    /// The matching resources after the given key, in list order, up to the limit.
    pub ids: Vec<ResourceId>,
    /// The total number of matches, on any page.
    pub total: u64,
    /// The newest record that is taken into account.
    pub seq: Seq,
}

/// Searches and counts over all rows.
///
/// A returned row may be gone when it is read, and the other way round: each answer is for its own moment.
#[derive(Default)]
pub struct Index {
    state: RwLock<IndexState>,
    /// The scopes that searches without a scope leave out.
    retired: RwLock<Retired>,
}

#[derive(Default)]
enum IndexState {
    #[default]
    Absent,
    /// The index is being built; holds the commits since the start of the build.
    Building {
        pending: Vec<(ResourceId, Option<RowFields>)>,
        seq: Seq,
    },
    Ready {
        kinds: HashMap<Kind, KindIndex>,
        seq: Seq,
    },
}

impl Index {
    /// Sets the scopes that searches without a scope leave out.
    pub(super) fn leave_out(&self, retired: &Retired) {
        *self.retired.write() = Arc::clone(retired);
    }

    /// Whether the index can be searched.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        matches!(*self.state.read(), IndexState::Ready { .. })
    }

    /// The matching resources of a kind, in one scope or all, after `after` in list order, at most `limit`. `None` while the index
    /// is not ready.
    #[must_use]
    pub fn scan(
        &self,
        kind: &Kind,
        scope: Option<&Scope>,
        matcher: &Matcher,
        after: Option<&ResourceId>,
        limit: usize,
    ) -> Option<Scan> {
        let state = self.state.read();
        let IndexState::Ready { kinds, seq } = &*state else { return None };
        let wanted = WantedScopes { scope, retired: &self.retired.read() };
        let (ids, total) =
            kinds.get(kind).map_or((Vec::new(), 0), |index| index.scan(kind, &wanted, matcher, after, limit));
        Some(Scan { ids, total, seq: *seq })
    }

    /// The number of resources of a kind for each value of a filter or tag, or for each tag key, in one scope or all. A resource
    /// with several values counts for each, one without values for none. `None` while the index is not ready.
    #[must_use]
    pub fn count_by(&self, kind: &Kind, scope: Option<&Scope>, on: &On) -> Option<BTreeMap<String, u64>> {
        let state = self.state.read();
        let IndexState::Ready { kinds, .. } = &*state else { return None };
        let wanted = WantedScopes { scope, retired: &self.retired.read() };
        Some(kinds.get(kind).map_or_else(BTreeMap::new, |index| index.count_by(&wanted, on)))
    }

    /// The matching resources of a kind, in one scope or all, counted by their values of `by`, in no order, beside the newest record
    /// that is taken into account. `None` while the index is not ready.
    #[must_use]
    pub fn alike(
        &self,
        kind: &Kind,
        scope: Option<&Scope>,
        matcher: &Matcher,
        by: &[On],
    ) -> Option<(Vec<AlikeRows>, Seq)> {
        let state = self.state.read();
        let IndexState::Ready { kinds, seq } = &*state else { return None };
        let wanted = WantedScopes { scope, retired: &self.retired.read() };
        Some((kinds.get(kind).map_or_else(Vec::new, |index| index.alike(&wanted, matcher, by)), *seq))
    }

    /// A page of the matching resources of a kind, in one scope or all, in the order of the `place` of their values, then of their ids;
    /// see [`OrderedPage`]. `place` is asked for each value once, and for none at all. `None` while the index is not ready.
    #[must_use]
    pub fn ordered<K: Ord>(
        &self,
        kind: &Kind,
        scope: Option<&Scope>,
        matcher: &Matcher,
        page: &OrderedPage<'_, K>,
        place: &dyn Fn(Option<&str>) -> K,
    ) -> Option<Scan> {
        let state = self.state.read();
        let IndexState::Ready { kinds, seq } = &*state else { return None };
        let wanted = WantedScopes { scope, retired: &self.retired.read() };
        let (ids, total) =
            kinds.get(kind).map_or((Vec::new(), 0), |index| index.ordered(kind, &wanted, matcher, page, place));
        Some(Scan { ids, total, seq: *seq })
    }

    /// A copy of rows of a kind, of the scopes that `sees` says, with what `selection` wants of them. `None` unless the index stands
    /// at `at`, since a reader of a snapshot takes the rows of the same moment or none, and where it would take too much memory.
    #[must_use]
    pub fn copied(
        &self,
        kind: &Kind,
        at: Seq,
        selection: &RowSelection<'_>,
        sees: impl FnMut(&Scope) -> bool,
    ) -> Option<IndexRows> {
        let state = self.state.read();
        let IndexState::Ready { kinds, seq } = &*state else { return None };
        if *seq != at {
            return None;
        }
        kinds.get(kind).map_or_else(|| Some(IndexRows::default()), |index| index.copied(selection, sees))
    }

    /// The number of rows and their estimated heap bytes; `None` while the index is not ready.
    #[must_use]
    pub fn size(&self) -> Option<(usize, usize)> {
        let state = self.state.read();
        let IndexState::Ready { kinds, .. } = &*state else { return None };
        Some(kinds.values().fold((0, 0), |(rows, bytes), index| (rows + index.len(), bytes + index.bytes())))
    }

    /// Builds the index from `rows`; returns at once if it exists or is being built.
    pub(super) fn build(&self, snapshot: impl Fn() -> Result<Snapshot, ReadError>) -> Result<(), ReadError> {
        {
            let mut state = self.state.write();
            if !matches!(*state, IndexState::Absent) {
                return Ok(());
            }
            // From here on commits are kept; the first snapshot, taken after this, holds all earlier ones.
            *state = IndexState::Building { pending: Vec::new(), seq: Seq::ZERO };
        }
        let built = read_rows(&snapshot);
        let mut state = self.state.write();
        let IndexState::Building { pending, seq } = std::mem::take(&mut *state) else { return Ok(()) };
        let followed = built.and_then(|(mut kinds, read)| {
            // Some rows may have been read after these commits. Applying all in order still gives the newest state.
            follow(&mut kinds, pending)?;
            Ok(IndexState::Ready { kinds, seq: seq.max(read) })
        });
        match followed {
            Ok(ready) => *state = ready,
            Err(Halt::Overflow) => overflowed(),
            Err(Halt::Read(error)) => return Err(error),
        }
        Ok(())
    }

    /// Applies a commit.
    pub(super) fn apply(&self, last: Seq, rows: Vec<(ResourceId, Option<RowFields>)>) {
        let mut state = self.state.write();
        match &mut *state {
            IndexState::Absent => {}
            IndexState::Building { pending, seq } => {
                pending.extend(rows);
                *seq = last;
            }
            IndexState::Ready { kinds, seq } => {
                *seq = last;
                if follow(kinds, rows).is_err() {
                    overflowed();
                    *state = IndexState::Absent;
                }
            }
        }
    }
}

/// Why a build did not finish.
enum Halt {
    Overflow,
    Read(ReadError),
}

impl From<Overflow> for Halt {
    fn from(_: Overflow) -> Self {
        Halt::Overflow
    }
}

impl From<ReadError> for Halt {
    fn from(error: ReadError) -> Self {
        Halt::Read(error)
    }
}

fn overflowed() {
    tracing::warn!("too many distinct values for the search index: searches read the disk");
}

/// Every row of every kind, and the newest record that is taken into account.
fn read_rows(snapshot: &impl Fn() -> Result<Snapshot, ReadError>) -> Result<(HashMap<Kind, KindIndex>, Seq), Halt> {
    let mut kinds: HashMap<Kind, KindIndex> = HashMap::new();
    let first = snapshot()?.whole();
    let seq = first.seq();
    // Kinds that appear after this are in the kept commits.
    let mut names: Vec<Kind> = first.counts()?.into_iter().map(|(kind, _, _)| kind).collect();
    drop(first);
    names.dedup();
    for kind in names {
        let mut builder = KindIndexBuilder::default();
        let mut after = None;
        loop {
            let mut pushed = Ok(());
            let next = snapshot()?.whole().each_row(&kind, after.as_ref(), BUILD_STEP, |id, row| {
                let facets = row.facets.iter().map(|(number, value)| Term::Facet(*number, value));
                let tags = row.tags.iter().map(|(key, value)| Term::Tag(key, value));
                if pushed.is_ok() {
                    pushed = builder.push(id, facets.chain(tags));
                }
            })?;
            pushed?;
            match next {
                Some(last) => after = Some(last),
                None => break,
            }
        }
        kinds.insert(kind, builder.finish());
    }
    Ok((kinds, seq))
}

fn follow(kinds: &mut HashMap<Kind, KindIndex>, rows: Vec<(ResourceId, Option<RowFields>)>) -> Result<(), Overflow> {
    for (id, fields) in rows {
        let index = kinds.entry(id.kind.clone()).or_default();
        match fields {
            None => index.remove(&id),
            Some(fields) => {
                let facets = fields.facets.iter().map(|(number, value)| Term::Facet(*number, value));
                let tags = fields.tags.iter().map(|(key, value)| Term::Tag(key, value));
                index.insert(&id, facets.chain(tags))?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
