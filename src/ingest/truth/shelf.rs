//! Where programs keep their records: in memory or in a real store.

use tempfile::TempDir;

use super::book::Book;
use crate::ingest::Ledger;
use crate::ingest::ledger::LedgerView;
use crate::model::fixtures::kind;
use crate::model::{Current, Recorded, ResourceId, Scope, ScopeFilter, Seq};
use crate::store::fixtures::named;
use crate::store::{self, Store, StoreOptions, Writer};

/// Where a program's records are kept, and how they are read after a restart.
pub(super) trait Backing {
    type Ledger: Ledger;

    /// An empty ledger.
    fn open(&self) -> Self::Ledger;
    /// The same ledger after a restart.
    fn reopen(&self, before: Self::Ledger) -> Result<Self::Ledger, String>;
    /// The records from `seq` on.
    fn records(&self, ledger: &Self::Ledger, from: Seq) -> Vec<Recorded>;
    /// The current state of everything in a scope.
    fn all(&self, ledger: &Self::Ledger, scope: &Scope) -> Vec<(ResourceId, Current)>;
    /// How many resources answers without a scope count.
    fn total(&self, ledger: &Self::Ledger) -> u64;
    /// Makes the next choice of scopes fail, where that can be done.
    fn stick(&self, _ledger: &Self::Ledger) {}
}

impl Backing for Book {
    type Ledger = Book;

    fn open(&self) -> Book {
        self.clone()
    }

    fn reopen(&self, before: Book) -> Result<Book, String> {
        before.reopened()
    }

    fn records(&self, ledger: &Book, from: Seq) -> Vec<Recorded> {
        ledger.records(from)
    }

    fn all(&self, ledger: &Book, scope: &Scope) -> Vec<(ResourceId, Current)> {
        ledger.all(scope)
    }

    fn total(&self, ledger: &Book) -> u64 {
        ledger.total()
    }

    fn stick(&self, ledger: &Book) {
        ledger.stick();
    }
}

/// A real store in a directory of its own.
pub(super) struct DiskBacking(TempDir);

impl Default for DiskBacking {
    fn default() -> Self {
        DiskBacking(tempfile::tempdir().expect("a directory"))
    }
}

impl DiskBacking {
    fn take(&self) -> (Writer, Store) {
        store::open(StoreOptions { cache_bytes: 4 << 20, ..StoreOptions::new(self.0.path(), named) }).expect("a store")
    }
}

impl Backing for DiskBacking {
    type Ledger = Writer;

    fn open(&self) -> Writer {
        self.take().0
    }

    fn reopen(&self, before: Writer) -> Result<Writer, String> {
        drop(before);
        let writer = self.take().0;
        let report = store::verify::fold_log(&writer.snapshot().expect("a snapshot")).expect("readable");
        if report.is_clean() { Ok(writer) } else { Err(format!("the log's fold is not the snapshot: {report:?}")) }
    }

    fn records(&self, ledger: &Writer, from: Seq) -> Vec<Recorded> {
        ledger.snapshot().expect("a snapshot").records(from, usize::MAX).expect("readable")
    }

    fn all(&self, ledger: &Writer, scope: &Scope) -> Vec<(ResourceId, Current)> {
        let view = ledger.snapshot().expect("a snapshot");
        let ids = view.ids(&kind(), scope, None, usize::MAX).expect("readable");
        ids.into_iter().map(|id| (id.clone(), view.current(&id).expect("readable").expect("current"))).collect()
    }

    fn total(&self, ledger: &Writer) -> u64 {
        ledger.snapshot().expect("a snapshot").count(&kind(), &ScopeFilter::Everywhere).expect("readable")
    }
}
