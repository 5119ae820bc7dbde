//! A store in memory: only the fold of its records.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::rc::Rc;

use crate::ingest::ledger::{Ledger, LedgerView};
use crate::model::known::fold;
use crate::model::{Current, Event, Kind, Recorded, ResourceId, Scope, Seq, Timestamp, WatchSelection};
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
    /// The scopes that are no longer watched, and since when.
    retired: BTreeMap<Scope, Timestamp>,
    /// Whether the next choice of scopes cannot be recorded.
    is_stuck: bool,
}

impl Pages {
    /// The scopes that hold a resource or were ever listed.
    fn scopes(&self) -> BTreeSet<Scope> {
        self.current
            .keys()
            .map(ResourceId::scope)
            .chain(self.watermarks.keys().map(|(scope, _)| scope.clone()))
            .collect()
    }

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

    /// The current state of everything in a scope.
    pub(super) fn all(&self, scope: &Scope) -> Vec<(ResourceId, Current)> {
        let pages = self.0.borrow();
        let own = pages.current.iter().filter(|(id, _)| is_in(id, scope));
        own.map(|(id, (current, _))| (id.clone(), current.clone())).collect()
    }

    /// How many resources answers without a scope count.
    pub(super) fn total(&self) -> u64 {
        let pages = self.0.borrow();
        let is_retired = |id: &ResourceId| pages.retired.keys().any(|scope| is_in(id, scope));
        pages.current.keys().filter(|id| !is_retired(id)).count() as u64
    }

    /// The next choice of scopes cannot be recorded.
    pub(super) fn stick(&self) {
        self.0.borrow_mut().is_stuck = true;
    }

    /// The book as read after a restart: every record is encoded and decoded, and folded again.
    pub(super) fn reopened(&self) -> Result<Book, String> {
        let before = self.0.borrow();
        let mut pages = Pages {
            watermarks: before.watermarks.clone(),
            notified: before.notified.clone(),
            retired: before.retired.clone(),
            ..Pages::default()
        };
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

fn is_in(id: &ResourceId, scope: &Scope) -> bool {
    id.account == scope.account && id.region == scope.region
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
                touched.push(TouchedResource { id, seq, what, quiet, listed: false, tagged: false });
            }
            let record = Recorded { seq, recorded_at: batch.recorded_at, cause, event };
            pages.apply(&record);
            pages.records.push(record);
        }
        pages.notified.extend(batch.notified);
        for mark in batch.watermarks {
            // The newest run counts.
            let key = (mark.scope.clone(), mark.kind.clone());
            if pages.watermarks.get(&key).is_none_or(|known| known.since <= mark.since) {
                pages.watermarks.insert(key, mark);
            }
        }
        Ok(Committed { first, last: Seq(pages.records.len() as u64), touched })
    }

    fn watch_only(&mut self, selection: &WatchSelection, now: Timestamp) -> Result<(), CommitError> {
        let mut pages = self.0.borrow_mut();
        if std::mem::take(&mut pages.is_stuck) {
            return Err(CommitError::Latched { path: PathBuf::new() });
        }
        let newest = pages.records.last().map(|record| record.recorded_at);
        for scope in pages.scopes() {
            match selection.watches(&scope) {
                Some(true) => drop(pages.retired.remove(&scope)),
                Some(false) if !pages.retired.contains_key(&scope) => {
                    let marks = pages.watermarks.values().filter(|mark| mark.scope == scope);
                    let since = marks.map(|mark| mark.ended).max().max(newest).unwrap_or(now).min(now);
                    pages.retired.insert(scope, since);
                }
                Some(false) | None => {}
            }
        }
        Ok(())
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

    fn count(&self, _: &Kind, scope: &Scope) -> Result<u64, ReadError> {
        Ok(self.0.borrow().current.keys().filter(|id| is_in(id, scope)).count() as u64)
    }

    fn ids(
        &self,
        _: &Kind,
        scope: &Scope,
        after: Option<&ResourceId>,
        limit: usize,
    ) -> Result<Vec<ResourceId>, ReadError> {
        let book = self.0.borrow();
        let own = book.current.keys().filter(|id| is_in(id, scope));
        Ok(own.filter(|id| after.is_none_or(|after| *id > after)).take(limit).cloned().collect())
    }

    fn retired(&self) -> BTreeMap<Scope, Timestamp> {
        self.0.borrow().retired.clone()
    }

    fn is_noted_unwatched(&self, scope: &Scope) -> bool {
        self.0.borrow().retired.contains_key(scope)
    }

    fn held(&self) -> Result<Vec<(Scope, Kind)>, ReadError> {
        let held: BTreeSet<_> = self.0.borrow().current.keys().map(|id| (id.scope(), id.kind.clone())).collect();
        Ok(held.into_iter().collect())
    }

    fn is_notified(&self, event_id: &str) -> Result<bool, ReadError> {
        Ok(self.0.borrow().notified.contains(event_id))
    }

    fn watermarks(&self) -> Result<Vec<Watermark>, ReadError> {
        Ok(self.0.borrow().watermarks.values().cloned().collect())
    }
}
