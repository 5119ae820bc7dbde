//! Which instances are of one reservation, so that pages keep them together.
//!
//! An instance keeps its reservation for ever, so a book is read from the store once, and then only grows from the log. It knows every
//! instance that was there at any moment that the log reaches back to; one that has grown much is read anew, without those that are
//! forgotten since.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use parking_lot::Mutex;

use crate::kinds::INSTANCE;
use crate::model::{Document, Event, LogId, ResourceId, Scope, ScopeFilter, Seq};
use crate::store::{ReadError, Snapshot, Store};

/// How many instances or records are read from one snapshot.
const STEP: usize = 1_000;

/// How many instances a book may have beside twice those that it had when it was read from the store.
const GROWN: usize = if cfg!(test) { 8 } else { 5_000 };

/// How many books are kept: those that were asked for last. Another one is read again, which costs little.
const MOST_BOOKS: usize = 64;

/// The field that names the reservation.
const RESERVATION: &str = "ReservationId";

/// The instances that are of one reservation, in the order of their ids.
pub type ReservationMembers = Arc<BTreeSet<Arc<str>>>;

/// The books of all scopes. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct ReservationBooks(Arc<Mutex<BookShelf>>);

/// The scope of a book, and the log as its reader sees it.
type BookKey = (Scope, LogId);

/// The books that are kept.
#[derive(Debug, Default)]
struct BookShelf {
    /// How often one was asked for.
    asked: u64,
    books: HashMap<BookKey, ShelvedBook>,
}

/// A book, and when it was asked for last.
#[derive(Debug, Default)]
struct ShelvedBook {
    asked: u64,
    book: Arc<Mutex<ReservationBook>>,
}

/// The reservations of one scope.
#[derive(Debug, Default)]
struct ReservationBook {
    /// The last record that was read; `None` before the first.
    upto: Option<Seq>,
    members: HashMap<Box<str>, ReservationMembers>,
    /// How many instances it has.
    count: usize,
    /// How many it had when it was read from the store.
    began_with: usize,
}

/// A book that has every instance up to the newest record.
pub struct FollowedBook(Arc<Mutex<ReservationBook>>);

impl ReservationBooks {
    /// The book of a scope, with every instance up to the newest record. The first time takes about 10 microseconds an instance.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn followed(&self, store: &Store, scope: &Scope) -> Result<FollowedBook, ReadError> {
        let book = self.0.lock().book((scope.clone(), store.cursor_log()));
        book.lock().follow(store, scope)?;
        Ok(FollowedBook(book))
    }
}

impl BookShelf {
    /// The book of a key, which is new if there is none. Where there are too many, the one that was asked for longest ago is dropped.
    fn book(&mut self, key: BookKey) -> Arc<Mutex<ReservationBook>> {
        self.asked += 1;
        let shelved = self.books.entry(key).or_default();
        shelved.asked = self.asked;
        let book = Arc::clone(&shelved.book);
        if self.books.len() > MOST_BOOKS {
            let oldest = self.books.iter().min_by_key(|(_, shelved)| shelved.asked).map(|(key, _)| key.clone());
            if let Some(oldest) = oldest {
                self.books.remove(&oldest);
            }
        }
        book
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
        let is_known = |upto: &Seq| (snapshot.horizon()..=snapshot.seq()).contains(upto);
        let known = self.upto.filter(|upto| is_known(upto) && self.count <= 2 * self.began_with + GROWN);
        let mut upto = if let Some(upto) = known {
            upto
        } else {
            let begun = snapshot.seq();
            drop(snapshot);
            let mut read = ReservationBook::default();
            read.read(store, scope)?;
            read.began_with = read.count;
            // Those who look into it meanwhile never see a part of it.
            *self = read;
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
                self.count += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::fixtures::{at_millis, scope};
    use crate::model::{Cause, Evidence, Map, Source, Value};
    use crate::store::{CommitBatch, StoreOptions};

    #[test]
    fn a_book_that_has_grown_much_is_read_anew_and_knows_as_much() {
        let dir = tempfile::tempdir().unwrap();
        let (mut writer, store) = crate::store::open(StoreOptions::new(dir.path(), crate::kinds::project)).unwrap();
        let books = ReservationBooks::default();
        let mut sizes = Vec::new();
        for n in 0..30 {
            let document = Document::new(Map::from([("ReservationId", Value::Text(format!("r-{}", n % 3)))]));
            let evidence = Evidence { source: Source::Sweep, at: at_millis(1) };
            let id = ResourceId::new(&scope(), &INSTANCE.kind(), format!("i-{n:02}"));
            let event = Event::Discovered { id, document, evidence, mapping: INSTANCE.mapping };
            let entries = vec![(Cause::Sweep, event)];
            writer.commit(CommitBatch { recorded_at: at_millis(1), entries, ..CommitBatch::default() }).unwrap();
            let book = books.followed(&store, &scope()).unwrap();
            let of_one = format!("r-{}", n % 3);
            assert_eq!(book.several(&of_one).map_or(1, |members| members.len()), n / 3 + 1, "{n}");
            let book = book.0.lock();
            assert_eq!(book.count, n + 1);
            sizes.push(book.began_with);
        }
        sizes.dedup();
        assert_eq!(sizes, [1, 12]);
    }

    #[test]
    fn books_that_were_not_asked_for_lately_are_dropped() {
        let mut shelf = BookShelf::default();
        let key = |n: usize| (scope(), LogId(n as u64));
        let first = shelf.book(key(0));
        for n in 1..=2 * MOST_BOOKS {
            shelf.book(key(n));
            assert!(Arc::ptr_eq(&first, &shelf.book(key(0))), "it was asked for all the time");
        }
        assert_eq!(shelf.books.len(), MOST_BOOKS);
        assert!(shelf.books.contains_key(&key(2 * MOST_BOOKS)) && !shelf.books.contains_key(&key(1)));
    }
}
