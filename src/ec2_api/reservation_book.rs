//! Which instances are of one reservation, so that pages keep them together.
//!
//! An instance keeps its reservation for ever, so a book only grows: it is read from the store once, and then from the log. It knows
//! every instance that was there at any moment that the log reaches back to.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use parking_lot::Mutex;

use crate::kinds::INSTANCE;
use crate::model::{Document, Event, LogId, ResourceId, Scope, ScopeFilter, Seq};
use crate::store::{ReadError, Snapshot, Store};

/// How many instances or records are read from one snapshot.
const STEP: usize = 1_000;

/// The field that names the reservation.
const RESERVATION: &str = "ReservationId";

/// The instances that are of one reservation, in the order of their ids.
pub type ReservationMembers = Arc<BTreeSet<Arc<str>>>;

/// The books of all scopes. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct ReservationBooks(Arc<Mutex<HashMap<BookKey, Arc<Mutex<ReservationBook>>>>>);

/// The scope of a book, and the log as its reader sees it.
type BookKey = (Scope, LogId);

/// The reservations of one scope.
#[derive(Debug, Default)]
struct ReservationBook {
    /// The last record that was read; `None` before the first.
    upto: Option<Seq>,
    members: HashMap<Box<str>, ReservationMembers>,
}

/// A book that has every instance up to the newest record.
pub struct FollowedBook(Arc<Mutex<ReservationBook>>);

impl ReservationBooks {
    /// The book of a scope, with every instance up to the newest record. The first time takes about 10 microseconds an instance.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn followed(&self, store: &Store, scope: &Scope) -> Result<FollowedBook, ReadError> {
        let book = Arc::clone(self.0.lock().entry((scope.clone(), store.cursor_log())).or_default());
        book.lock().follow(store, scope)?;
        Ok(FollowedBook(book))
    }
}

impl FollowedBook {
    /// The members of a reservation that has several.
    #[must_use]
    pub fn several(&self, reservation: &str) -> Option<ReservationMembers> {
        self.0.lock().members.get(reservation).filter(|members| members.len() > 1).cloned()
    }
}

impl ReservationBook {
    /// Reads what was recorded since it was read last.
    fn follow(&mut self, store: &Store, scope: &Scope) -> Result<(), ReadError> {
        let snapshot = store.snapshot()?;
        let known = self.upto.filter(|upto| (snapshot.horizon()..=snapshot.seq()).contains(upto));
        let mut upto = if let Some(upto) = known {
            upto
        } else {
            self.members.clear();
            self.upto = None;
            let begun = snapshot.seq();
            drop(snapshot);
            self.read(store, scope)?;
            begun
        };
        loop {
            let snapshot = store.snapshot()?;
            let (records, next) = snapshot.records_from(upto.next(), STEP)?;
            for record in &records {
                if let Event::Discovered { id, document, .. } = &record.event {
                    self.note(scope, id, document);
                }
            }
            let Some(next) = next else {
                self.upto = Some(snapshot.seq());
                return Ok(());
            };
            upto = Seq(next.0.saturating_sub(1));
        }
    }

    /// Reads every instance that is there, or was.
    fn read(&mut self, store: &Store, scope: &Scope) -> Result<(), ReadError> {
        let (kind, filter) = (INSTANCE.kind(), ScopeFilter::from(scope));
        let mut after: Option<ResourceId> = None;
        loop {
            let snapshot = store.snapshot()?;
            let rows = snapshot.rows(&kind, &filter, after.as_ref(), STEP)?;
            for row in &rows {
                self.note_stored(&snapshot, scope, &row.id)?;
            }
            after = rows.last().map(|row| row.id.clone());
            if rows.len() < STEP {
                break;
            }
        }
        let mut after: Option<ResourceId> = None;
        loop {
            let page = store.snapshot()?.tombstones_after(&kind, after.as_ref(), STEP)?;
            for (id, tombstone) in &page.gone {
                self.note(scope, id, &tombstone.document);
            }
            after = page.next;
            if after.is_none() {
                return Ok(());
            }
        }
    }

    fn note_stored(&mut self, snapshot: &Snapshot, scope: &Scope, id: &ResourceId) -> Result<(), ReadError> {
        if let Some(document) = snapshot.parts(id, &[RESERVATION])? {
            self.note(scope, id, &document);
        }
        Ok(())
    }

    fn note(&mut self, scope: &Scope, id: &ResourceId, document: &Document) {
        if id.kind.as_str() != INSTANCE.name || id.scope() != *scope {
            return;
        }
        if let Some(reservation) = document.text(RESERVATION) {
            let members = self.members.entry(reservation.into()).or_default();
            if !members.contains(&id.id) {
                Arc::make_mut(members).insert(Arc::clone(&id.id));
            }
        }
    }
}
