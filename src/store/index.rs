//! The index in memory: searches and counts without reading the disk.
//!
//! Each kind has a table of terms (a facet's value, a tag) and its rows in list order, each as its id, packed, and a short list of
//! term numbers. A search resolves its patterns to sets of numbers once; per row it compares integers. Where a facet's value is the
//! row's own id, the row has one term of all rows for it, and a search compares the id itself. The index is built in the background at
//! start, several kinds at a time and the largest first. Commits made meanwhile are kept and applied to a kind once all its rows are
//! read; from then on it can be searched. Until then, and if the index ever runs out of numbers, [`super::Store::scan`] reads the `rows`
//! table instead.

mod kind;
mod notes;
mod room;
mod row_terms;
mod rows;
mod scopes;
mod terms;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::thread;

use parking_lot::{Mutex, MutexGuard, RwLock};

pub use self::kind::alike::AlikeRows;
pub use self::kind::copied::{IndexRows, RowSelection, TagSelection};
pub use self::kind::ordered::OrderedPage;
use self::kind::{KindIndex, KindIndexBuilder, Overflow};
use self::scopes::WantedScopes;
use self::terms::Term;
use super::matcher::{Matcher, On};
use super::snapshot::{ReadError, Retired, Snapshot};
use crate::model::{Kind, ResourceId, RowFields, Scope, ScopeFilter, Seq};

/// How many rows are read from one snapshot while building, so that read transactions stay short.
const BUILD_STEP: usize = 20_000;

/// How many threads build the index at most.
const BUILDERS: usize = 4;

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
    /// See [`Index::turn`].
    turn: Mutex<()>,
}

#[derive(Default)]
enum IndexState {
    #[default]
    Absent,
    /// The index is being built: some kinds are ready.
    Building {
        kinds: HashMap<Kind, KindIndex>,
        /// The commits since the start of the build that concern other kinds.
        pending: Vec<(ResourceId, Option<RowFields>)>,
        seq: Seq,
    },
    Ready {
        kinds: HashMap<Kind, KindIndex>,
        seq: Seq,
    },
}

impl IndexState {
    /// The rows of a kind, `None` where there are none, and the newest record that is taken into account; `None` while the kind is
    /// not ready.
    fn kind(&self, kind: &Kind) -> Option<(Option<&KindIndex>, Seq)> {
        match self {
            IndexState::Absent => None,
            IndexState::Building { kinds, seq, .. } => Some((Some(kinds.get(kind)?), *seq)),
            IndexState::Ready { kinds, seq } => Some((kinds.get(kind), *seq)),
        }
    }
}

impl Index {
    /// Sets the scopes that searches without a scope leave out.
    pub(super) fn leave_out(&self, retired: &Retired) {
        *self.retired.write() = Arc::clone(retired);
    }

    /// Whether all of the index can be searched.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        matches!(*self.state.read(), IndexState::Ready { .. })
    }

    /// The matching resources of a kind, in some scopes or all, after `after` in list order, at most `limit`. `None` while the kind
    /// is not ready.
    #[must_use]
    pub fn scan(
        &self,
        kind: &Kind,
        scope: &ScopeFilter,
        matcher: &Matcher,
        after: Option<&ResourceId>,
        limit: usize,
    ) -> Option<Scan> {
        let state = self.state.read();
        let (index, seq) = state.kind(kind)?;
        let wanted = WantedScopes { filter: scope, retired: &self.retired.read() };
        let (ids, total) = index.map_or((Vec::new(), 0), |index| index.scan(kind, &wanted, matcher, after, limit));
        Some(Scan { ids, total, seq })
    }

    /// The number of resources of a kind for each value of a filter or tag, or for each tag key, in some scopes or all. A resource
    /// with several values counts for each, one without values for none. `None` while the kind is not ready.
    #[must_use]
    pub fn count_by(&self, kind: &Kind, scope: &ScopeFilter, on: &On) -> Option<BTreeMap<String, u64>> {
        let state = self.state.read();
        let (index, _) = state.kind(kind)?;
        let wanted = WantedScopes { filter: scope, retired: &self.retired.read() };
        Some(index.map_or_else(BTreeMap::new, |index| index.count_by(&wanted, on)))
    }

    /// The matching resources of a kind, in some scopes or all, counted by their values of `by`, in no order, beside the newest record
    /// that is taken into account. `None` while the index is not ready.
    #[must_use]
    pub fn alike(
        &self,
        kind: &Kind,
        scope: &ScopeFilter,
        matcher: &Matcher,
        by: &[On],
    ) -> Option<(Vec<AlikeRows>, Seq)> {
        let state = self.state.read();
        let (index, seq) = state.kind(kind)?;
        let wanted = WantedScopes { filter: scope, retired: &self.retired.read() };
        Some((index.map_or_else(Vec::new, |index| index.alike(&wanted, matcher, by)), seq))
    }

    /// A page of the matching resources of a kind, in some scopes or all, in the order of the `place` of their values, then of their ids;
    /// see [`OrderedPage`]. `place` is asked for each value once, and for none at all. `None` while the kind
    /// is not ready.
    #[must_use]
    pub fn ordered<K: Ord + Clone>(
        &self,
        kind: &Kind,
        scope: &ScopeFilter,
        matcher: &Matcher,
        page: &OrderedPage<'_, K>,
        place: &dyn Fn(Option<&str>) -> K,
    ) -> Option<Scan> {
        let state = self.state.read();
        let (index, seq) = state.kind(kind)?;
        let wanted = WantedScopes { filter: scope, retired: &self.retired.read() };
        let (ids, total) = index.map_or((Vec::new(), 0), |index| index.ordered(kind, &wanted, matcher, page, place));
        Some(Scan { ids, total, seq })
    }

    /// The only resource of a kind with an id, in a watched scope or not; `None` where there are several or none, and while the
    /// kind is not ready.
    #[must_use]
    pub fn only(&self, kind: &Kind, id: &str) -> Option<ResourceId> {
        let state = self.state.read();
        state.kind(kind)?.0?.only(kind, id)
    }

    /// Shows `visit` the id and name of at most `limit` resources of a kind, in list order, after `after`. Returns the last one;
    /// `None` in it if there was none. A resource is named by its `Name` tag, or else by the value of the filter `named_by`. `None`
    /// while the kind is not ready: then nothing is shown.
    pub fn each_name(
        &self,
        kind: &Kind,
        named_by: Option<u16>,
        after: Option<&ResourceId>,
        limit: usize,
        visit: impl FnMut(&str, Option<&str>),
    ) -> Option<Option<ResourceId>> {
        let state = self.state.read();
        let (index, _) = state.kind(kind)?;
        let wanted = WantedScopes { filter: &ScopeFilter::Everywhere, retired: &self.retired.read() };
        Some(index.and_then(|index| index.each_name(kind, &wanted, named_by, after, limit, visit)))
    }

    /// A copy of the matching rows of a kind, of the scopes that `sees` says, with what `selection` wants of them. `None` unless the kind
    /// stands at `at`, since a reader of a snapshot takes the rows of the same moment or none, and where it would take too much memory.
    #[must_use]
    pub fn copied(
        &self,
        kind: &Kind,
        at: Seq,
        selection: &RowSelection<'_>,
        matcher: &Matcher,
        sees: impl FnMut(&Scope) -> bool,
    ) -> Option<IndexRows> {
        let state = self.state.read();
        let (index, seq) = state.kind(kind)?;
        if seq != at {
            return None;
        }
        index.map_or_else(|| Some(IndexRows::default()), |index| index.copied(selection, matcher, sees))
    }

    /// The number of rows and their estimated heap bytes; `None` while the index is not ready.
    #[must_use]
    pub fn size(&self) -> Option<(usize, usize)> {
        let state = self.state.read();
        let IndexState::Ready { kinds, .. } = &*state else { return None };
        Some(kinds.values().fold((0, 0), |(rows, bytes), index| (rows + index.len(), bytes + index.bytes())))
    }

    /// Builds the index from `rows`; returns at once if it exists or is being built.
    pub(super) fn build(&self, snapshot: impl Fn() -> Result<Snapshot, ReadError> + Sync) -> Result<(), ReadError> {
        {
            let _turn = self.turn();
            let mut state = self.state.write();
            if !matches!(*state, IndexState::Absent) {
                return Ok(());
            }
            // From here on commits are kept; the first snapshot, taken after this, holds all earlier ones: none is half published.
            *state = IndexState::Building { kinds: HashMap::new(), pending: Vec::new(), seq: Seq::ZERO };
        }
        let built = self.build_kinds(&snapshot);
        let mut state = self.state.write();
        match (std::mem::take(&mut *state), built) {
            (IndexState::Building { mut kinds, pending, seq }, Ok(read)) => {
                if follow(&mut kinds, pending).is_err() {
                    overflowed();
                    return Ok(());
                }
                *state = IndexState::Ready { kinds, seq: seq.max(read) };
            }
            (_, Ok(_) | Err(Halt::Overflow)) => overflowed(),
            (_, Err(Halt::Read(error))) => return Err(error),
        }
        Ok(())
    }

    /// Builds and adds every kind, and returns the newest record that is surely taken into account.
    fn build_kinds(&self, snapshot: &(impl Fn() -> Result<Snapshot, ReadError> + Sync)) -> Result<Seq, Halt> {
        let first = snapshot()?.whole();
        let read = first.seq();
        // Kinds that appear after this are in the kept commits.
        let mut counts: HashMap<Kind, u64> = HashMap::new();
        for (kind, _, count) in first.counts()? {
            *counts.entry(kind).or_default() += count;
        }
        drop(first);
        let mut kinds: Vec<(u64, Kind)> = counts.into_iter().map(|(kind, count)| (count, kind)).collect();
        kinds.sort_unstable();
        let left = Mutex::new(kinds);
        let next = || left.lock().pop();
        let build = || {
            while let Some((_, kind)) = next() {
                // Whoever fails leaves nothing to the others.
                let added = read_rows(&kind, snapshot).and_then(|index| self.add(kind, index, read));
                added.inspect_err(|_| left.lock().clear())?;
            }
            Ok(())
        };
        let others = thread::available_parallelism().map_or(1, usize::from).min(BUILDERS) - 1;
        thread::scope(|scope| {
            // Without a thread to be had, this one builds all.
            let start = |_| thread::Builder::new().name("index".to_owned()).spawn_scoped(scope, build).ok();
            let others: Vec<_> = (0..others).filter_map(start).collect();
            let mut outcome: Result<(), Halt> = build();
            for other in others {
                let theirs = other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
                outcome = outcome.and(theirs);
            }
            outcome.map(|()| read)
        })
    }

    /// Adds a kind of which all rows are read, as of a snapshot that held at least the record `read`.
    fn add(&self, kind: Kind, mut index: KindIndex, read: Seq) -> Result<(), Halt> {
        let mut state = self.state.write();
        let IndexState::Building { kinds, pending, seq } = &mut *state else { return Ok(()) };
        // Some rows may have been read after these commits. Applying all in order still gives the newest state.
        let (ours, others): (Vec<_>, Vec<_>) = std::mem::take(pending).into_iter().partition(|(id, _)| id.kind == kind);
        *pending = others;
        for (id, fields) in ours {
            index.follow(&id, fields.as_ref())?;
        }
        kinds.insert(kind, index);
        *seq = read.max(*seq);
        Ok(())
    }

    /// Held from before a commit is applied until it is published, so that a build begins before both or after both.
    pub(super) fn turn(&self) -> MutexGuard<'_, ()> {
        self.turn.lock()
    }

    /// Applies a commit.
    pub(super) fn apply(&self, last: Seq, rows: Vec<(ResourceId, Option<RowFields>)>) {
        let mut state = self.state.write();
        match &mut *state {
            IndexState::Absent => {}
            IndexState::Building { kinds, pending, seq } => {
                *seq = last;
                let (ours, others): (Vec<_>, Vec<_>) =
                    rows.into_iter().partition(|(id, _)| kinds.contains_key(&id.kind));
                pending.extend(others);
                if follow(kinds, ours).is_err() {
                    overflowed();
                    *state = IndexState::Absent;
                }
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

/// The index of a kind, from its rows.
fn read_rows(kind: &Kind, snapshot: &impl Fn() -> Result<Snapshot, ReadError>) -> Result<KindIndex, Halt> {
    let mut builder = KindIndexBuilder::default();
    let mut after = None;
    loop {
        let mut pushed = Ok(());
        let next = snapshot()?.whole().each_row(kind, after.as_ref(), BUILD_STEP, |id, row| {
            let facets = row.facets.iter().map(|(number, value)| Term::Facet(*number, value));
            let tags = row.tags.iter().map(|(key, value)| Term::Tag(key, value));
            if pushed.is_ok() {
                pushed = builder.push(id, facets.chain(tags));
            }
        })?;
        pushed?;
        match next {
            Some(last) => after = Some(last),
            None => return Ok(builder.finish()),
        }
    }
}

fn follow(kinds: &mut HashMap<Kind, KindIndex>, rows: Vec<(ResourceId, Option<RowFields>)>) -> Result<(), Overflow> {
    rows.into_iter().try_for_each(|(id, fields)| kinds.entry(id.kind.clone()).or_default().follow(&id, fields.as_ref()))
}

#[cfg(test)]
mod tests;
