//! The handle by which everything else reads the store.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};

use arc_swap::ArcSwap;
use parking_lot::{Mutex, RwLock};
use redb::Database;
use tokio::sync::watch;

use super::damage::{DamagedRecord, Damages};
use super::file::StoreFile;
use super::guarded::Health;
use super::index::{Index, Scan};
use super::matcher::{Matcher, On};
use super::row_view::RowView;
use super::sight::ReaderSight;
use super::snapshot::{ReadError, Retired, Snapshot};
use super::tables;
use crate::model::row::Project;
use crate::model::{Kind, LogId, ResourceId, ScopeFilter};
use crate::policy::{Reach, Visibility};

/// How many rows [`Store::scan`] reads from one snapshot while there is no index.
const SCAN_STEP: usize = 5_000;

/// The index of whoever does not see everything: it knows nothing, so that their questions are answered from rows, which are judged one
/// by one.
static NO_INDEX: LazyLock<Index> = LazyLock::new(Index::default);

/// State shared by the writer and all readers.
pub(super) struct Shared {
    pub(super) place: StoreFile,
    pub(super) project: Project,
    pub(super) reserve_bytes: u64,
    pub(super) log: LogId,
    /// The newest committed state, replaced by each commit: taking a snapshot copies a pointer instead of opening a transaction and
    /// its tables. It pins no pages that the next commit could use, since no older state is kept.
    pub(super) newest: ArcSwap<Snapshot>,
    /// The scopes that readers treat as no longer watched, until the store records them.
    pub(super) assumed: RwLock<Option<Retired>>,
    /// `None` between a failure of the disk and the next opening.
    pub(super) database: RwLock<Option<Database>>,
    pub(super) write_transactions: AtomicU64,
    /// The number of holders of the log: while there are any, nothing is folded. Locked during a fold.
    pub(super) holds: Mutex<usize>,
    pub(super) index: Index,
    /// The damage found so far.
    pub(super) damages: Arc<Damages>,
}

impl Shared {
    /// Makes the newest committed state visible to readers.
    pub(super) fn publish(&self) -> Result<(), ReadError> {
        let database = self.database.read();
        let database = database.as_ref().ok_or(redb::StorageError::DatabaseClosed)?;
        let assumed = self.assumed.read();
        let newest = Snapshot::take(database, self.log, self.project, &self.damages, assumed.as_ref())?;
        self.newest.store(Arc::new(newest));
        Ok(())
    }
}

/// A reading handle. Clones share the same store; it stays open until the last handle and the [`super::Writer`] are gone.
#[derive(Clone)]
pub struct Store(pub(super) Arc<Shared>, pub(super) Option<Arc<ReaderSight>>);

impl Store {
    /// The newest committed state.
    ///
    /// # Errors
    /// While the disk fails under the store. Snapshots taken before that fail as well, for good.
    pub fn snapshot(&self) -> Result<Snapshot, ReadError> {
        if self.0.place.alarm.rings() {
            return Err(redb::StorageError::PreviousIo.into());
        }
        Ok(Snapshot::clone(&self.0.newest.load()).seen_by(self.1.as_ref()))
    }

    /// The same store for somebody with this visibility: its reads show what is visible, and nothing of the rest.
    #[must_use]
    pub fn seen_by(&self, visibility: &Visibility) -> Self {
        let sight = (!visibility.is_everything()).then(|| Arc::new(ReaderSight::new(visibility.clone())));
        Store(Arc::clone(&self.0), sight)
    }

    /// The same store with nothing hidden, for what the server counts for everybody. What is read there must not reach a client.
    #[must_use]
    pub fn of_the_server(&self) -> Self {
        Store(Arc::clone(&self.0), None)
    }

    /// What the reader may see.
    #[must_use]
    pub fn visibility(&self) -> Visibility {
        self.1.as_ref().map_or_else(Visibility::everything, |sight| sight.visibility.clone())
    }

    /// A watch on whether the store can be read and written.
    #[must_use]
    pub fn health(&self) -> watch::Receiver<Health> {
        self.0.place.alarm.health()
    }

    /// Whether the disk failed under the store and it is not reopened yet.
    #[must_use]
    pub fn is_failing(&self) -> bool {
        self.0.place.alarm.rings()
    }

    /// How often the disk failed under the store since it was opened. If this number changes during a failed read, the read can be
    /// repeated.
    #[must_use]
    pub fn failures(&self) -> u64 {
        self.0.place.alarm.failures()
    }

    /// The damaged records found so far, and whether there are more than are remembered. Reads of many records leave them out, and
    /// answers from such reads have to report that.
    #[must_use]
    pub fn damage(&self) -> (Vec<DamagedRecord>, bool) {
        let (mut found, more) = self.0.damages.all();
        if let Some(sight) = &self.1 {
            // What is damaged shows no tags. A record of the log that names no resource may be about any.
            found.retain(|damaged| damaged.id.as_ref().is_none_or(|id| sight.reach(id) == Reach::All));
        }
        (found, more)
    }

    /// The number of damaged rows of a kind found so far, in some scopes or in all.
    #[must_use]
    pub fn damaged_rows(&self, kind: &Kind, scope: &ScopeFilter) -> u64 {
        if self.1.is_none() {
            return self.0.damages.count(tables::ROWS, kind, scope);
        }
        let of_rows = |found: &&DamagedRecord| found.table == tables::ROWS && found.concerns(Some(kind), scope);
        self.damage().0.iter().filter(of_rows).count() as u64
    }

    /// Whether rows of a kind may be damaged, which the index lacks.
    #[must_use]
    pub fn may_lack_rows(&self, kind: &Kind) -> bool {
        self.0.damages.may_have(tables::ROWS, kind)
    }

    /// The log's id.
    #[must_use]
    pub fn log_id(&self) -> LogId {
        self.0.log
    }

    /// The log as cursors name it, so that those of somebody with another visibility are of another log.
    #[must_use]
    pub fn cursor_log(&self) -> LogId {
        self.0.log.sealed_for(self.1.as_ref().map_or(0, |sight| sight.visibility.digest()))
    }

    /// The store file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0.place.path
    }

    /// The number of write transactions begun since the store was opened.
    #[must_use]
    pub fn write_transactions(&self) -> u64 {
        self.0.write_transactions.load(Ordering::Relaxed)
    }

    /// The index in memory.
    #[must_use]
    pub fn index(&self) -> &Index {
        if self.1.is_some() { &NO_INDEX } else { &self.0.index }
    }

    /// Builds the index. Blocks for about a second per million rows, so it needs a thread of its own. Commits continue meanwhile.
    ///
    /// # Errors
    /// If the store cannot be read; the index is then unchanged.
    pub fn build_index(&self) -> Result<(), ReadError> {
        self.0.index.build(|| self.snapshot())
    }

    /// The matching resources of a kind, in some scopes or all, after `after` in list order, at most `limit`. While there is no
    /// index, this reads the `rows` table and blocks on the disk, about a millisecond per three thousand rows.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn scan(
        &self,
        kind: &Kind,
        scope: &ScopeFilter,
        matcher: &Matcher,
        after: Option<&ResourceId>,
        limit: usize,
    ) -> Result<Scan, ReadError> {
        if let Some(found) = self.find(kind, scope, matcher, after, limit) {
            return Ok(found);
        }
        let mut found = Scan { ids: Vec::new(), total: 0, seq: self.snapshot()?.seq() };
        self.each_match(kind, scope, matcher, |id, _| {
            found.total += 1;
            if found.ids.len() < limit && after.is_none_or(|after| *id > *after) {
                found.ids.push(id.clone());
            }
        })?;
        Ok(found)
    }

    /// Shows `visit` the id and name of at most `limit` resources of a kind, in list order, after `after`. Returns the last one;
    /// `None` if there was none. A resource is named by its `Name` tag, or else by the value of the filter `named_by`. Reads `rows`,
    /// which hold the names, while there is no index.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn each_name(
        &self,
        kind: &Kind,
        named_by: Option<u16>,
        after: Option<&ResourceId>,
        limit: usize,
        mut visit: impl FnMut(&str, Option<&str>),
    ) -> Result<Option<ResourceId>, ReadError> {
        if let Some(last) = self.index().each_name(kind, named_by, after, limit, &mut visit) {
            return Ok(last);
        }
        self.snapshot()?.each_name(kind, after, limit, visit)
    }

    /// The number of resources of a kind for each value that `on` selects; see [`Index::count_by`]. Reads `rows` while there is no
    /// index.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn count_by(&self, kind: &Kind, scope: &ScopeFilter, on: &On) -> Result<BTreeMap<String, u64>, ReadError> {
        if let Some(counts) = self.index().count_by(kind, scope, on) {
            return Ok(counts);
        }
        let mut counts = BTreeMap::new();
        if let (Some(_), Some((alike, _))) =
            (&self.1, self.alike(kind, scope, &Matcher::any(), std::slice::from_ref(on)))
        {
            for rows in &alike {
                for value in BTreeSet::from_iter(rows.values(on)) {
                    *counts.entry(value.to_owned()).or_default() += rows.count;
                }
            }
            return Ok(counts);
        }
        self.each_match(kind, scope, &Matcher::any(), |id, row| {
            let values: BTreeSet<&str> = on.values_of(id, row).collect();
            for value in values {
                *counts.entry(value.to_owned()).or_default() += 1;
            }
        })?;
        Ok(counts)
    }

    /// Visits the matching rows of a kind in list order, with a new snapshot every few thousand rows.
    fn each_match(
        &self,
        kind: &Kind,
        scope: &ScopeFilter,
        matcher: &Matcher,
        mut visit: impl FnMut(&ResourceId, &RowView<'_>),
    ) -> Result<(), ReadError> {
        let is_asked = |id: &ResourceId| scope.takes_parts(id.account.as_str(), id.region.as_str());
        let mut after: Option<ResourceId> = None;
        loop {
            let snapshot = self.snapshot()?;
            // Scopes that are asked for by name are answered although they are no longer watched.
            let snapshot = if scope.is_with_retired() { snapshot.whole() } else { snapshot };
            let last = snapshot.each_row(kind, after.as_ref(), SCAN_STEP, |id, row| {
                if is_asked(id) && matcher.sees(id, row) {
                    visit(id, row);
                }
            })?;
            match last {
                Some(last) => after = Some(last),
                None => return Ok(()),
            }
        }
    }
}
