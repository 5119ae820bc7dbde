//! A store in memory: only the fold of its records.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::rc::Rc;

use crate::ingest::ledger::{Ledger, LedgerView};
use crate::model::known::fold;
use crate::model::{Current, Event, Kind, Recorded, ResourceId, Scope, Seq, Timestamp};
use crate::store::{
    ChangeKind, CommitBatch, CommitError, Committed, Fingerprint, ReadError, TouchedResource, Watermark, recoded,
};

/// The records, and their fold. Clones share the book.
#[derive(Clone, Default)]
pub(super) struct Book(Rc<RefCell<Pages>>);

#[derive(Default)]
struct Pages {
    records: Vec<Recorded>,
    current: BTreeMap<ResourceId, (Current, u128)>,
    removed: BTreeMap<ResourceId, Timestamp>,
    watermarks: BTreeMap<(Scope, Kind), Watermark>,
    notified: BTreeSet<String>,
}

impl Pages {
    fn apply(&mut self, record: &Recorded) {
        let Some(id) = record.event.resource() else { return };
        let before = self.current.remove(id).map(|(current, _)| current);
        match fold(before, record) {
            Some(current) => {
                let digest = current.document.fingerprint(current.mapping);
                self.removed.remove(id);
                self.current.insert(id.clone(), (current, digest));
            }
            None => {
                if let Event::Removed { at, .. } = &record.event {
                    self.removed.insert(id.clone(), *at);
                }
            }
        }
    }
}

impl Book {
    /// The records from `seq` on.
    pub(super) fn records(&self, from: Seq) -> Vec<Recorded> {
        let book = self.0.borrow();
        book.records[usize::try_from(from.0.saturating_sub(1)).unwrap()..].to_vec()
    }

    /// The current state of everything.
    pub(super) fn all(&self) -> Vec<(ResourceId, Current)> {
        self.0.borrow().current.iter().map(|(id, (current, _))| (id.clone(), current.clone())).collect()
    }

    /// The book as read after a restart: every record is encoded and decoded, and folded again.
    pub(super) fn reopened(&self) -> Result<Book, String> {
        let before = self.0.borrow();
        let mut pages =
            Pages { watermarks: before.watermarks.clone(), notified: before.notified.clone(), ..Pages::default() };
        for record in &before.records {
            let record = recoded(record)?;
            pages.apply(&record);
            pages.records.push(record);
        }
        if pages.current != before.current || pages.removed != before.removed {
            return Err("the log's fold is not the snapshot".to_owned());
        }
        Ok(Book(Rc::new(RefCell::new(pages))))
    }
}

impl Ledger for Book {
    type View = Book;

    fn view(&self) -> Result<Book, ReadError> {
        Ok(self.clone())
    }

    fn commit(&mut self, batch: CommitBatch) -> Result<Committed, CommitError> {
        let mut pages = self.0.borrow_mut();
        let first = Seq(pages.records.len() as u64 + 1);
        let mut touched = Vec::new();
        for (cause, event) in batch.entries {
            let seq = Seq(pages.records.len() as u64 + 1);
            if let Some(id) = event.resource() {
                let (id, what, quiet) = (id.clone(), ChangeKind::Changed, false);
                touched.push(TouchedResource { id, seq, what, quiet, listed: false });
            }
            let record = Recorded { seq, recorded_at: batch.recorded_at, cause, event };
            pages.apply(&record);
            pages.records.push(record);
        }
        pages.notified.extend(batch.notified);
        for mark in batch.watermarks {
            pages.watermarks.insert((mark.scope.clone(), mark.kind.clone()), mark);
        }
        Ok(Committed { first, last: Seq(pages.records.len() as u64), touched })
    }

    fn path(&self) -> PathBuf {
        PathBuf::new()
    }
}

impl LedgerView for Book {
    fn seq(&self) -> Seq {
        Seq(self.0.borrow().records.len() as u64)
    }

    fn current(&self, id: &ResourceId) -> Result<Option<Current>, ReadError> {
        Ok(self.0.borrow().current.get(id).map(|(current, _)| current.clone()))
    }

    fn removed_at(&self, id: &ResourceId) -> Result<Option<Timestamp>, ReadError> {
        Ok(self.0.borrow().removed.get(id).copied())
    }

    fn fingerprint(&self, id: &ResourceId) -> Result<Option<Fingerprint>, ReadError> {
        Ok(self.0.borrow().current.get(id).map(|(current, digest)| Fingerprint {
            digest: *digest,
            provisional: current.provisional.is_some(),
            seen: current.evidence.newest(),
        }))
    }

    fn count(&self, _: &Kind, _: &Scope) -> Result<u64, ReadError> {
        Ok(self.0.borrow().current.len() as u64)
    }

    fn ids(&self, _: &Kind, _: &Scope, after: Option<&ResourceId>, limit: usize) -> Result<Vec<ResourceId>, ReadError> {
        let book = self.0.borrow();
        Ok(book.current.keys().filter(|id| after.is_none_or(|after| *id > after)).take(limit).cloned().collect())
    }

    fn held(&self) -> Result<Vec<(Scope, Kind)>, ReadError> {
        Ok(self.0.borrow().current.keys().map(|id| (id.scope(), id.kind.clone())).take(1).collect())
    }

    fn is_notified(&self, event_id: &str) -> Result<bool, ReadError> {
        Ok(self.0.borrow().notified.contains(event_id))
    }

    fn watermarks(&self) -> Result<Vec<Watermark>, ReadError> {
        Ok(self.0.borrow().watermarks.values().cloned().collect())
    }
}
